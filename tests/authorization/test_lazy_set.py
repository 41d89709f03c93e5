"""A set that is loaded when somebody looks: used as Python code uses sets, and as SQLAlchemy does."""

from __future__ import annotations

import copy
import json
import operator
import pickle
import threading
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Column, MetaData, String, Table, create_engine, select

from astro_auth_plugin.authorization.lazy_set import LazySet, SubSelect

HERE = {"a", "b", "c"}
OTHERS = [set(), {"a"}, {"c", "d"}, {"a", "b", "c"}, {"a", "b", "c", "d"}, {"x"}]
METHODS = (
    *("intersection", "union", "difference", "symmetric_difference"),
    *("issubset", "issuperset", "isdisjoint"),
)
OPERATORS = (
    *(operator.and_, operator.or_, operator.sub, operator.xor),
    *(operator.eq, operator.ne, operator.le, operator.lt, operator.ge, operator.gt),
)


def sorted_names(names: set[str]) -> str:
    """The id of a set in a test's name: the same in every process, which tests that run in parallel need."""
    return "-".join(sorted(names)) or "empty"


def lazy(items: Any = HERE) -> LazySet[str]:
    return LazySet(lambda: list(items))


# -- as a set ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", OTHERS, ids=sorted_names)
@pytest.mark.parametrize("kind", [set, frozenset, lazy])
@pytest.mark.parametrize("using", OPERATORS, ids=lambda using: using.__name__)
def test_operators(using: Callable[[Any, Any], Any], kind: Callable[[Any], Any], other: set[str]) -> None:
    """On either side of an operator it answers as a set does."""
    assert using(lazy(), kind(other)) == using(HERE, other)
    assert using(kind(other), lazy()) == using(other, HERE)
    assert not isinstance(using(lazy(), kind(other)), LazySet)


@pytest.mark.parametrize("other", OTHERS, ids=sorted_names)
@pytest.mark.parametrize("kind", [set, sorted, dict.fromkeys, lazy])
@pytest.mark.parametrize("name", METHODS)
def test_methods(name: str, kind: Callable[[Any], Any], other: set[str]) -> None:
    """It has the methods of a set, which take any values, and it can be given to those of one."""
    assert getattr(lazy(), name)(kind(other)) == getattr(HERE, name)(other)
    assert getattr(other, name)(lazy()) == getattr(other, name)(HERE)


def test_every_method_of_a_frozenset_is_there() -> None:
    """What can be asked of a set that does not change can be asked of it."""
    assert [name for name in dir(frozenset) if not name.startswith("__") and not hasattr(LazySet, name)] == []


@pytest.mark.parametrize("using", [operator.and_, operator.or_, operator.sub, operator.xor, operator.lt])
def test_operators_take_only_sets(using: Callable[[Any, Any], Any]) -> None:
    """As with a set, an operator refuses what is no set."""
    for pair in ((lazy(), ["a"]), (["a"], lazy())):
        with pytest.raises(TypeError):
            using(*pair)


def test_several_others() -> None:
    """Methods take several others, or none, as those of a set do."""
    assert lazy().intersection({"a", "b"}, ["b"]) == {"b"}
    assert lazy().union(["d"], {"e"}) == {*"abcde"}
    assert lazy().difference("a", lazy({"b"})) == {"c"}
    assert lazy().union() == lazy().difference() == HERE


def test_reading() -> None:
    """It is counted, sorted, listed, looked into and printed like a set, and is a Set, but no `set`."""
    ids = lazy()
    assert repr(ids) == "<LazySet: not loaded>"
    assert (len(ids), sorted(ids), set(ids), frozenset(ids)) == (3, ["a", "b", "c"], HERE, HERE)
    assert "a" in ids
    assert "x" not in ids
    assert isinstance(ids, AbstractSet)
    assert not isinstance(ids, set | frozenset)
    assert repr(lazy({"a"}) & {"a"}) == "{'a'}"
    assert json.loads(json.dumps(sorted(ids))) == ["a", "b", "c"]
    assert ids != "abc"
    assert repr(ids).startswith("<LazySet: {")


def test_equal_sets_have_equal_hashes() -> None:
    """It is found in a dictionary by a frozenset of the same."""
    assert {frozenset(HERE): 1}[lazy()] == 1  # type: ignore[index]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda ids: pickle.loads(pickle.dumps(ids))])
def test_copies(copied: Callable[[Any], Any]) -> None:
    """A copy is a plain set of what is in it."""
    assert copied(lazy()) == HERE
    assert type(copied(lazy())) is frozenset


def test_what_is_made_of_it_can_be_changed() -> None:
    """What methods and operators return is a set of its own; it itself has no method to change it."""
    ids = lazy()
    made = ids.copy()
    made.add("x")
    (ids & HERE).add("y")
    assert ids == HERE
    assert not hasattr(ids, "add")
    other = {"x"}
    other |= ids  # type: ignore[arg-type]
    other.add("y")
    assert other == {*HERE, "x", "y"}


# -- loading -------------------------------------------------------------------------------------------------------


def test_truth_loads_nothing() -> None:
    """Unread it counts as true, because Airflow asks `answer or set()` of each; read, it knows."""
    empty = lazy(())
    assert empty
    assert len(empty) == 0
    assert not empty


def test_loaded_once() -> None:
    """However many threads look, it is loaded once, and they all see the same."""
    loads: list[int] = []
    start = threading.Barrier(8)

    def load() -> set[str]:
        loads.append(1)
        return HERE

    ids = LazySet(load)

    def look() -> int:
        start.wait(60)
        return len(ids)

    with ThreadPoolExecutor(8) as pool:
        assert {call.result(60) for call in [pool.submit(look) for _ in range(8)]} == {3}
    assert len(loads) == 1


def test_failure_denies(caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be read has nothing in it, then and later, and the log says why, once."""
    answers = iter([HERE])

    def load() -> set[str]:
        raise OSError(f"database gone before {next(answers)}")

    ids: LazySet[str] = LazySet(load)
    assert "a" not in ids
    assert not ids.intersection(HERE)
    assert not ids >= HERE
    assert [record.getMessage() for record in caplog.records] == ["Denied, because a list could not be read"]


# -- as SQL --------------------------------------------------------------------------------------------------------


def test_in_becomes_a_sub_select() -> None:
    """`column.in_(it)` is a sub-select without parameters, and loads nothing; also negated, and in a sub-query."""
    table = Table("t", MetaData(), Column("id", String, primary_key=True), Column("kind", String))
    engine = create_engine("sqlite://")
    table.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(table.insert(), [{"id": "a", "kind": "x"}, {"id": "b", "kind": "y"}])
        other = table.alias()
        ids: SubSelect[str] = SubSelect(select(other.c.id).where(other.c.kind == "x").correlate(None), pytest.fail)
        assert list(connection.scalars(select(table.c.id).where(table.c.id.in_(ids or set())))) == ["a"]
        assert list(connection.scalars(select(table.c.id).where(table.c.id.notin_(ids)))) == ["b"]
        inner = select(table.c.id).where(table.c.id.in_(ids)).subquery()
        assert list(connection.scalars(select(inner.c.id))) == ["a"]
    assert repr(ids) == "<SubSelect: not loaded>"


def test_without_a_statement_the_values_travel() -> None:
    """Where there is no statement for it, `column.in_(it)` takes the values, as of any set."""
    statement = select(Column("id", String)).where(Column("id", String).in_(lazy({"a"})))
    assert list(statement.compile().params.values()) == [["a"]]
