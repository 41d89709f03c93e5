"""The option that keeps Dags for some seconds: what it saves, and what it may not delay."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from astro_auth_plugin.authorization import dag_access, dag_cache, dag_lookup
from astro_auth_plugin.authorization.dag_cache import DagCache
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.scopes import Dag, DagFile
from tests.conftest import Clock, CountStatements
from tests.dag_fixtures import PEOPLE
from tests.in_request import ask_dag, ask_dags, engine_of, person
from tests.process_state import start_with

pytestmark = pytest.mark.usefixtures("dags")


@pytest.fixture
def cache(clock: Clock) -> DagCache:
    """The cache of the process, for thirty seconds."""
    made = DagCache(30, clock)
    start_with(dag_cache=made)
    return made


@pytest.fixture
def tags(metadata_database: Any) -> Iterator[Any]:
    """Changes the tag of `ops_sync` behind the server's back."""
    from airflow.models.dag import DagTag
    from sqlalchemy import update

    def change(name: str) -> None:
        with metadata_database.begin() as connection:
            connection.execute(update(DagTag).where(DagTag.dag_id == "ops_sync").values(name=name))

    yield change
    change("ops")


def may_see(engine: Engine, name: str = "art", dag_id: str = "ops_sync") -> bool:
    """Ask in a request of its own."""
    return ask_dag(person(engine, name), "GET", None, dag_id)


@pytest.mark.usefixtures("cache")
def test_nothing_is_sent(engine: Engine, statements: CountStatements) -> None:
    """Within the seconds a Dag that has been looked up costs no statement, whoever asks, also in a batch."""
    assert ask_dags(person(engine, "art"), [("GET", None, "ops_sync"), ("GET", None, "fin_daily")])
    with statements() as sent:
        assert may_see(engine)
        assert not may_see(engine, "vera")
        assert may_see(engine, "vera", "fin_daily")
        assert ask_dags(person(engine, "art"), [("GET", None, "ops_sync"), ("GET", None, "fin_daily")])
    assert sent == []


@pytest.mark.usefixtures("cache")
def test_only_what_is_unknown_is_read(engine: Engine, statements: CountStatements) -> None:
    """A batch reads those of its Dags that are not kept, in one statement; a Dag that is not there is not kept."""
    assert may_see(engine)
    requested = [("GET", None, dag_id) for dag_id in ("ops_sync", "fin_daily", "no_such_dag")]
    # Two ids are parameters for the Dags and for their tags, a single one only once.
    for parameters in (4, 1):
        with statements() as sent:
            assert not ask_dags(person(engine, "art"), requested)
        assert len(sent) == 1
        assert sent[0].count("?") == parameters


@pytest.mark.usefixtures("cache")
def test_a_tag_counts_for_the_seconds(engine: Engine, tags: Any, clock: Clock) -> None:
    """A tag that is taken off counts until the seconds since it was read are over, however often it is asked for."""
    assert may_see(engine)
    tags("gone")
    for seconds in (10, 10, 9.9):
        clock.now += seconds
        assert may_see(engine)
    clock.now += 0.1
    assert not may_see(engine)


def test_seconds_begin_before_reading(cache: DagCache, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow database does not make a tag count for longer."""
    read = dag_lookup.read_dags

    def slowly(*args: Any, **kwargs: Any) -> Any:
        clock.now += 29
        return read(*args, **kwargs)

    monkeypatch.setattr(dag_lookup, "read_dags", slowly)
    cache.look_up(["ops_sync"])
    clock.now += 1
    monkeypatch.setattr(dag_lookup, "read_dags", lambda *_, **__: {})
    assert cache.look_up(["ops_sync"]) == {}


@pytest.mark.usefixtures("cache")
def test_a_new_policy_counts_at_once(engine: Engine) -> None:
    """Only Dags are kept: a grant that is taken away, or a tag that is protected now, counts in the next request."""
    assert may_see(engine)
    assert not may_see(engine_of(PEOPLE.replace("tag: ops", "tag: other")))
    protected = "protected_tags: [{deployment_id: dep, tag: ops, only_in: [{bundle: plain, files: ['**']}]}]\n"
    assert not may_see(engine_of(PEOPLE + protected))


@pytest.mark.usefixtures("cache")
def test_lists_are_not_kept(engine: Engine, tags: Any) -> None:
    """A list is read when it is asked for."""
    assert may_see(engine)
    tags("gone")
    assert dag_access.readable_dag_ids(person(engine, "art"), "GET") == {"fin_daily"}


def test_off_unless_said(engine: Engine, tags: Any) -> None:
    """Without the option a tag that is taken off does not count in the next request."""
    assert may_see(engine)
    tags("gone")
    assert not may_see(engine)


def test_memory_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit the Dags that were read first are forgotten, so their number cannot fill the memory."""
    monkeypatch.setattr(dag_cache, "MAX_KEPT", 3)
    reads: list[str] = []

    def read(dag_ids: list[str], **_: Any) -> dict[str, Dag]:
        reads.extend(dag_ids)
        return {dag_id: Dag(dag_id, frozenset(), DagFile("b", "p")) for dag_id in dag_ids}

    monkeypatch.setattr(dag_lookup, "read_dags", read)
    cache = DagCache(30, clock)
    for dag_id in "abcd":
        cache.look_up([dag_id])
    cache.look_up([*"bcd"])
    assert reads == [*"abcd"]
    cache.look_up(["a"])
    assert reads == [*"abcda"]


def test_many_threads(cache: DagCache, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that look up the same Dags, while these are forgotten, all find them."""
    monkeypatch.setattr(dag_cache, "MAX_KEPT", 2)
    wanted = ["fin_daily", "fin_report", "ops_sync", "untagged"]

    def ask(_: int) -> set[str]:
        clock.now += 10
        return set(cache.look_up(wanted))

    with ThreadPoolExecutor(8) as pool:
        assert all(found == set(wanted) for found in pool.map(ask, range(100)))
