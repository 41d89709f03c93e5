"""Rights on single connections, Variables and pools, in the hooks that Airflow calls."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from airflow import settings
from airflow.models.connection import Connection
from airflow.models.pool import Pool
from airflow.models.variable import Variable
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from astro_auth_plugin.authorization import authorizer, dag_filters, route_rules
from astro_auth_plugin.authorization.access_request import AccessRequest
from astro_auth_plugin.authorization.lazy_set import SubSelect
from astro_auth_plugin.authorization.objects import decisions, lookup
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.engine.objects import ObjectClause, ObjectSelection
from astro_auth_plugin.runtime.request_context import RequestContext
from tests.conftest import CountStatements
from tests.in_request import ask, ask_batch, engine_of, facts_of, person, serving

SERVER = os.environ.get("E2E_SQL_ALCHEMY_CONN", "")
MARIADB = SERVER.startswith("mysql")
KINDS = ("connection", "variable", "pool")
ID_KEYS = {"connection": "connection_id", "variable": "key", "pool": "name"}
PARAMETERS = {"connection": "{connection_id}", "variable": "{variable_key:path}", "pool": "{pool_name:path}"}
STORED = ("fin_a", "fin_b", "FIN_A", "ops_a", "fin", "caf\u00e9")
POLICY = """\
roles:
  - {name: adder, scope: OBJECT, permissions: [object.airflow.connection.create, object.airflow.variable.create, object.airflow.pool.create]}
  - {name: changer, scope: OBJECT, permissions: [object.airflow.connection.update, object.airflow.variable.update, object.airflow.pool.update]}
  - {name: lists, scope: DEPLOYMENT, permissions: [deployment.airflow.connection.get, deployment.airflow.variable.get, deployment.airflow.pool.get]}
users:
  - {email: olga@example.com, organization_role: ORGANIZATION_OWNER}
  - {email: mel@example.com, workspace_roles: [{workspace_id: ws, role: WORKSPACE_MEMBER}]}
"""
GRANTS = {
    "fin": [("prefix", "fin_", "OBJECT_ADMIN")],
    "one": [("id", "fin_a", "OBJECT_ADMIN")],
    "eva": [("prefix", "fin_", "OBJECT_VIEWER"), ("id", "fin_a", "OBJECT_EDITOR")],
    "ada": [("prefix", "fin_", "adder")],
    "chi": [("prefix", "fin_", "changer")],
    "ro": [("prefix", "fin_", "OBJECT_EDITOR")],
}
KEYS = {
    "connection": {"id": "connection_id", "prefix": "connection_prefix"},
    "variable": {"id": "variable_key", "prefix": "variable_prefix"},
    "pool": {"id": "pool", "prefix": "pool_prefix"},
}


def policy() -> str:
    """The policy, in which everybody has the same on objects of each kind."""
    lines = [POLICY.rstrip()]
    for name, grants in GRANTS.items():
        roles = [
            {"deployment_id": "dep", KEYS[kind][how]: value, "role": role}
            for kind in KINDS
            for how, value, role in grants
        ]
        more = {"deployment_roles": [{"deployment_id": "dep", "role": "lists"}]} if name == "ro" else {}
        lines.append(f"  - {json.dumps({'email': f'{name}@example.com', 'object_roles': roles, **more})}")
    return "\n".join(lines)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return engine_of(policy())


@pytest.fixture(scope="module", autouse=True)
def stored(metadata_database: Any) -> Iterator[None]:
    """Objects of each kind by these ids, and no others."""
    with Session(metadata_database) as session:
        for model in (Connection, Variable, Pool):
            session.execute(delete(model))
        for name in STORED:
            connection = Connection(conn_id="x", conn_type="generic")
            connection.conn_id = name
            session.add_all([connection, Variable(key=name, val="v"), Pool(pool=name, slots=1, include_deferred=False)])
        session.commit()
    yield
    with Session(metadata_database) as session:
        for model in (Connection, Variable, Pool):
            session.execute(delete(model))
        session.commit()


def request_of(route: str, *, kind: str, name: str = "", body: Any = None, raw: bytes | None = None) -> RequestContext:
    """A request of a route of a kind of objects: `{}` in its template is the place of the id."""
    template = route.replace("{}", PARAMETERS[kind])
    parameter = PARAMETERS[kind].strip("{}").partition(":")[0]
    context = facts_of(template, path={parameter: name} if "{}" in route else {})
    context.raw_body = json.dumps(body).encode() if body is not None else raw
    return context


ASKED = (*STORED, "none", "fin_none", "", "~", "fin_A", "fin_a ", " fin_a")
FIN = [name for name in ASKED if name.startswith("fin_")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "reads", "changes", "deletes"),
    [
        ("olga", ASKED, ASKED, ASKED),
        ("fin", FIN, FIN, FIN),
        ("one", ["fin_a"], ["fin_a"], ["fin_a"]),
        ("eva", FIN, ["fin_a"], []),
        ("ada", [], [], []),
        ("chi", [], FIN, []),
        ("ro", ASKED, FIN, []),
        ("mel", [], [], []),
    ],
)
def test_one_object(
    engine: Engine, kind: str, name: str, reads: list[str], changes: list[str], deletes: list[str]
) -> None:
    """An object is read, changed and deleted with the permission on it, and no other is."""
    for http, method, may in (("GET", "GET", reads), ("PATCH", "PUT", changes), ("DELETE", "DELETE", deletes)):
        for each in ASKED:
            body = {ID_KEYS[kind]: each, "slots": 1} if http == "PATCH" else None
            with serving(request_of(f"{http} /api/v2/{kind}s/{{}}", kind=kind, name=each, body=body)):
                assert ask(person(engine, name), kind, method, each) is (each in may), (http, each)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "may"), [("olga", True), ("fin", True), ("one", False), ("eva", False), ("ada", True), ("mel", False)]
)
def test_new_object(engine: Engine, kind: str, name: str, may: bool) -> None:
    """Airflow asks about a new object without its id, which is in the body."""
    for body, is_own in (
        ({ID_KEYS[kind]: "fin_new"}, True),
        ({ID_KEYS[kind]: "ops_new"}, False),
        ({ID_KEYS[kind]: ["fin_new"]}, False),
        ({}, False),
        ([{ID_KEYS[kind]: "fin_new"}], False),
    ):
        with serving(request_of(f"POST /api/v2/{kind}s", kind=kind, body=body)):
            assert ask(person(engine, name), kind, "POST") is (name == "olga" or (may and is_own)), body


@pytest.mark.parametrize("raw", [None, b"", b"{", b"fin_new", b"[" * 100_000])
def test_unreadable_body(engine: Engine, raw: bytes | None) -> None:
    """What cannot be read is for those who may create every object."""
    with serving(request_of("POST /api/v2/variables", kind="variable", raw=raw)):
        assert not ask(person(engine, "fin"), "variable", "POST")
        assert ask(person(engine, "olga"), "variable", "POST")


@pytest.mark.parametrize(
    "raw",
    [
        b'{"key": "ops_new", "key": "fin_new"}',
        '{"key": "fin_new"}'.encode("utf-16"),
        b'\xef\xbb\xbf{"key": "fin_new"}',
        b'{"key": "\\u0066in_new"}',
    ],
)
def test_body_as_airflow_reads_it(engine: Engine, raw: bytes) -> None:
    """The last of two keys counts, and the encoding is the one that Airflow finds."""
    with serving(request_of("POST /api/v2/variables", kind="variable", raw=raw)):
        assert ask(person(engine, "fin"), "variable", "POST")
        assert ask(person(engine, "ada"), "variable", "POST")
        assert not ask(person(engine, "one"), "variable", "POST")


def test_both_names_of_a_pool(engine: Engine) -> None:
    """A pool has two words for its name, and each name counts."""
    for body, may in (
        ({"name": "fin_new", "pool": "fin_a"}, True),
        ({"name": "fin_new", "pool": "ops_a"}, False),
        ({"pool": "fin_new", "name": "ops_a"}, False),
    ):
        with serving(request_of("POST /api/v2/pools", kind="pool", body=body)):
            assert ask(person(engine, "fin"), "pool", "POST") is may


@pytest.mark.parametrize("other", ["ops_a", "", None, "fin_b", "fin_a"])
@pytest.mark.parametrize("key", ["pool", "name"])
def test_both_ends_of_a_rename(engine: Engine, key: str, other: str | None) -> None:
    """A change is asked about on the old and the new name."""
    with serving(request_of("PATCH /api/v2/pools/{}", kind="pool", name="fin_a", body={key: other, "slots": 1})):
        assert ask(person(engine, "chi"), "pool", "PUT", "fin_a") is (other in ("fin_a", "fin_b"))
        assert ask(person(engine, "one"), "pool", "PUT", "fin_a") is (other == "fin_a")


@pytest.mark.parametrize(
    "route",
    [
        "POST /api/v2/connections/defaults",
        "POST /api/v2/new",
        "PATCH /api/v2/connections/new/{}",
        "PATCH /api/v2/connections/{}",
        "GET /new",
    ],
)
def test_requests_without_an_id(engine: Engine, route: str) -> None:
    """Where a request names no object, or is unknown, the permission is needed on every one."""
    method = {"POST": "POST", "PATCH": "PUT", "GET": "GET"}[route.split(" ", maxsplit=1)[0]]
    with serving(request_of(route, kind="connection", body={"connection_id": "fin_new"})):
        assert not ask(person(engine, "fin"), "connection", method)
        assert ask(person(engine, "olga"), "connection", method)
    assert not ask(person(engine, "fin"), "connection", method)


def test_ids_that_are_no_text(engine: Engine) -> None:
    """An id of another type names every object."""
    assert not ask(person(engine, "fin"), "pool", "GET", {"name": "fin_a"})
    assert not ask(person(engine, "fin"), "pool", "GET", b"fin_a")
    assert not ask(person(engine, "fin"), "pool", "TRACE", "fin_a")
    beside = [AccessRequest("DELETE", "pool", resource_id=each) for each in ("fin_a", 7)]
    assert not authorizer.authorize_all(person(engine, "fin"), "pool", beside).allowed


# -- tests of connections ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["fin", "ada", "ro", "olga"])
def test_test_of_a_connection(engine: Engine, name: str) -> None:
    """A test is about the connection of the body; where Airflow sends what is stored unasked, that is needed, too."""
    more = route_rules.RELEASE in ("3.1", "3.2")
    for connection_id in ("fin_a", "fin_new", "ops_a"):
        with serving(
            request_of(
                "POST /api/v2/connections/test",
                kind="connection",
                body={"connection_id": connection_id, "conn_type": "http"},
            )
        ):
            may = (connection_id != "ops_a" and name == "fin") or (
                name == "ada" and not more and connection_id != "ops_a"
            )
            assert ask(person(engine, name), "connection", "POST") is (may or name == "olga")


@pytest.mark.parametrize(("keeps", "may"), [(False, True), (True, False), ("yes", False), (1, False)])
def test_enqueued_test(engine: Engine, keeps: Any, may: bool) -> None:
    """A test that may keep what it tests is a change of what may be stored by then."""
    body = {"connection_id": "fin_new", "conn_type": "http", "commit_on_success": keeps}
    with serving(request_of("POST /api/v2/connections/enqueue-test", kind="connection", body=body)):
        if route_rules.RELEASE in ("3.1", "3.2"):
            pytest.skip("there is no such route")
        assert ask(person(engine, "ada"), "connection", "POST", "fin_new") is may
        assert ask(person(engine, "fin"), "connection", "POST", "fin_new")
        assert not ask(person(engine, "fin"), "connection", "POST", "ops_new")


# -- batches -------------------------------------------------------------------------------------------------------


def batch(name: str, engine: Engine, kind: str, body: Any, items: list[tuple[str, Any]]) -> bool:
    """The answer to a batch: its body, and what Airflow asks about it."""
    with serving(request_of(f"PATCH /api/v2/{kind}s", kind=kind, body=body)):
        requests = [AccessRequest(method, kind, resource_id=each) for method, each in items]
        return authorizer.authorize_all(person(engine, name), kind, requests).allowed


def actions(kind: str, verb: str, names: list[Any], **more: Any) -> dict[str, Any]:
    """A body with one action."""
    entities = [{ID_KEYS[kind]: each} if verb != "delete" else each for each in names]
    return {"actions": [{"action": verb, "entities": entities, **more}]}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "verb", "more", "may"),
    [
        ("fin", "create", {}, True),
        ("fin", "update", {}, True),
        ("fin", "delete", {}, True),
        ("ada", "create", {}, True),
        ("ada", "create", {"action_on_existence": "skip"}, True),
        ("ada", "create", {"action_on_existence": "overwrite"}, False),
        ("ada", "update", {}, False),
        ("chi", "update", {}, True),
        ("chi", "delete", {}, False),
        ("mel", "create", {}, False),
        ("olga", "delete", {}, True),
    ],
)
def test_batch(engine: Engine, kind: str, name: str, verb: str, more: dict[str, Any], may: bool) -> None:
    """Every item is decided by its own action, by what Airflow asks and by what the body says."""
    asked = {"create": "POST", "update": "PUT", "delete": "DELETE"}[verb]
    own = actions(kind, verb, ["fin_a", "fin_new"], **more)
    assert batch(name, engine, kind, own, [(asked, "fin_a"), (asked, "fin_new")]) is may
    mixed = actions(kind, verb, ["fin_a", "ops_a"], **more)
    assert batch(name, engine, kind, mixed, [(asked, "fin_a"), (asked, "ops_a")]) is (name == "olga")
    # What only one of the two names counts as well.
    assert batch(name, engine, kind, own, [(asked, "fin_a"), (asked, "ops_a")]) is (name == "olga")
    assert batch(name, engine, kind, mixed, [(asked, "fin_a")]) is (name == "olga")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"actions": {}},
        {"actions": ["x"]},
        {"actions": [{"action": "replace", "entities": ["fin_a"]}]},
        {"actions": [{"action": "DELETE", "entities": ["fin_a"]}]},
        {"actions": [{"action": "delete"}]},
        {"actions": [{"action": "delete", "entities": [7]}]},
        {"actions": [{"action": "update", "entities": [{"value": "x"}]}]},
        {"actions": [{"action": "update", "entities": [{"key": None}]}]},
        [],
    ],
)
def test_batch_that_is_none(engine: Engine, body: Any) -> None:
    """A batch that Airflow would not take is not taken for an empty one."""
    assert not batch("fin", engine, "variable", body, [("DELETE", "fin_a")])


def test_empty_batch(engine: Engine) -> None:
    """An empty batch needs any verb of some object."""
    assert ask_batch(person(engine, "ada"), "pool", [])
    assert not ask_batch(person(engine, "mel"), "pool", [])


def test_batch_is_remembered(engine: Engine) -> None:
    """What a batch allowed is known to the request, as an answer that goes on is asked for again."""
    with serving(request_of("PATCH /api/v2/pools", kind="pool", body=actions("pool", "delete", ["fin_a"]))) as context:
        requests = [AccessRequest("DELETE", "pool", resource_id="fin_a")]
        assert authorizer.authorize_all(person(engine, "fin"), "pool", requests).allowed
        assert authorizer.authorize_all(person(engine, "olga"), "pool", requests).allowed
    assert [request for _, request in context.allowed] == requests * 2


# -- what is stored by another spelling ----------------------------------------------------------------------------


@pytest.fixture(
    params=["sqlite", pytest.param("mariadb", marks=pytest.mark.skipif(not MARIADB, reason="runs on another database"))]
)
def loose(
    request: pytest.FixtureRequest, metadata_database: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, bool]]:
    """Connections in a table that compares ids loosely; gives ids, and whether they find what begins with `fin_`."""
    database, collation, found = metadata_database, "NOCASE", {"fin_a": False, "fin_b": True}
    if request.param == "mariadb":
        # As Airflow has it where nothing else is set: without a look at case, accents and trailing blanks.
        database, collation = sa.create_engine(SERVER), "utf8mb4_unicode_ci"
        found |= {"fin_c": False, "fin_b ": True}
        monkeypatch.setattr(settings, "engine", database)
    table = sa.Table("loose", sa.MetaData(), sa.Column("conn_id", sa.String(50, collation=collation), primary_key=True))
    table.create(database)
    with database.begin() as connection:
        stored = ("FIN_a", "fin_b", "f\u00edn_c", "ops")
        connection.execute(table.insert(), [{"conn_id": each} for each in stored])
    monkeypatch.setitem(lookup._COLUMNS, "connection", (SimpleNamespace(__table__=table), "conn_id"))
    lookup._column.cache_clear()
    yield found
    lookup._column.cache_clear()
    table.drop(database)


@pytest.fixture
def inexact(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is asked by which other spellings it finds ids, as MySQL is."""
    monkeypatch.setattr(dag_filters, "finds_exactly", lambda *_: False)


def test_stored_spelling(engine: Engine, loose: dict[str, bool]) -> None:
    """What the database finds for an id is what is decided on."""
    fin, olga = person(engine, "fin"), person(engine, "olga")
    for route, method, verb in (("GET", "GET", ""), ("PATCH", "PUT", "update"), ("DELETE", "DELETE", "delete")):
        for name, may in loose.items():
            body = {"connection_id": name}
            asked = request_of(f"{route} /api/v2/connections/{{}}", kind="connection", name=name, body=body)
            with serving(asked) as context:
                assert ask(olga, "connection", method, name)
                assert ask(fin, "connection", method, name) is may
            if verb and not may:
                # As of one that is not stored, and is not granted.
                said = f"Missing permission `object.airflow.connection.{verb}` on connection `{name}`."
                assert context.denial_reason == said
    for name, may in loose.items():
        with serving(request_of("POST /api/v2/connections", kind="connection", body={"connection_id": name})):
            assert ask(fin, "connection", "POST") is may
        body = actions("connection", "delete", ["fin_b", name])
        assert batch("fin", engine, "connection", body, [("DELETE", "fin_b")]) is may
    assert batch("fin", engine, "connection", actions("connection", "delete", ["fin_b"]), [("DELETE", "fin_b")])
    assert set(decisions.readable(fin, "connection", "GET")) == {"fin_b"}


# -- lists ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("olga", set(STORED)),
        ("ro", set(STORED)),
        ("fin", {"fin_a", "fin_b"}),
        ("one", {"fin_a"}),
        ("eva", {"fin_a", "fin_b"}),
        ("ada", set()),
        ("mel", set()),
    ],
)
def test_lists(
    engine: Engine, kind: Any, name: str, seen: set[str], metadata_database: Any, statements: CountStatements
) -> None:
    """A list is a sub-select of exactly what may be read, and the question before it opens where there may be some."""
    identity = person(engine, name)
    with serving(request_of(f"GET /api/v2/{kind}s", kind=kind)):
        opens = ask(identity, kind, "GET")
        with statements() as sent:
            found = decisions.readable(identity, kind, "GET")
            assert decisions.readable_of(identity, kind, "GET", STORED) == seen
        assert sent == []
    if route_rules.LISTS_ONLY_GRANTED_OBJECTS or not seen:
        assert opens is bool(seen)
    else:
        assert opens is (name in ("olga", "ro"))
    if seen:
        assert isinstance(found, SubSelect)
        column = lookup._COLUMNS[kind][0].__table__.c[lookup._COLUMNS[kind][1]]
        with metadata_database.connect() as connection:
            assert set(connection.scalars(select(column).where(column.in_(found)))) == seen
    assert set(found) == seen
    assert (
        decisions.readable(identity, kind, "TRACE") == set() == decisions.readable_of(identity, kind, "TRACE", STORED)
    )


def test_lists_of_what_may_be_changed(engine: Engine) -> None:
    """A list for another method is of what that needs."""
    assert set(decisions.readable(person(engine, "eva"), "pool", "PUT")) == {"fin_a"}
    assert decisions.readable_of(person(engine, "eva"), "pool", "PUT", ["fin_a", "fin_b"]) == {"fin_a"}


@pytest.mark.parametrize("ids", [0, 3000])
def test_selections_of_several_conditions(ids: int) -> None:
    """Every condition has to be met, in SQL and in Python alike."""
    many = frozenset({"fin_a", *(f"x{number}" for number in range(ids))})
    clauses = (ObjectClause(many, frozenset({"fin_b_", "ops_"})), ObjectClause(frozenset(), frozenset({"fin_", "caf"})))
    found = lookup.select_names("variable", ObjectSelection(False, clauses))
    assert isinstance(found, SubSelect) is (ids == 0)
    assert set(found) == {"fin_a"}
    assert lookup.select_names("variable", ObjectSelection(False)) == set()


def test_form_of_connections(engine: Engine) -> None:
    """The form of connections names none, and opens for who may read some."""
    with serving(request_of("GET /ui/connections/hook_meta", kind="connection")):
        assert ask(person(engine, "one"), "connection", "GET")
        assert not ask(person(engine, "ada"), "connection", "GET")


@pytest.mark.parametrize(("name", "shown"), [("olga", True), ("one", True), ("ada", False), ("mel", False)])
def test_menu_items(engine: Engine, name: str, shown: bool) -> None:
    """A page of objects is in the menu of who may read one, where its list has these alone."""
    for item in ("CONNECTIONS", "VARIABLES", "POOLS"):
        filtered = route_rules.LISTS_ONLY_GRANTED_OBJECTS or name == "olga"
        assert authorizer.may_see_menu_item(person(engine, name), item) is (shown and filtered)
    assert authorizer.may_see_menu_item(person(engine, name), "PROVIDERS") is (name == "olga")


# -- cost, and what is said ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("inexact")
def test_cost(engine: Engine, statements: CountStatements) -> None:
    """Wide roles cost no statement, nor do refusals; a granted object costs one, and a batch of them, too."""
    with statements() as sent, serving(request_of("POST /api/v2/pools", kind="pool", body={"name": "fin_a"})):
        assert ask(person(engine, "olga"), "pool", "POST")
        assert ask(person(engine, "olga"), "pool", "PUT", "fin_a")
        assert ask(person(engine, "ro"), "pool", "GET", "ops_a")
        assert not ask(person(engine, "mel"), "pool", "GET", "fin_a")
        assert not ask(person(engine, "fin"), "pool", "GET", "ops_a")
        assert not ask(person(engine, "fin"), "pool", "GET", "none")
        assert ask_batch(person(engine, "olga"), "pool", ["PUT"] * 9)
    assert sent == []
    with statements() as sent:
        assert ask(person(engine, "fin"), "pool", "GET", "fin_a")
    assert len(sent) == 1
    names = [f"fin_{number}" for number in range(1000)]
    with statements() as sent:
        requests = [("DELETE", name) for name in names]
        assert batch("fin", engine, "pool", actions("pool", "delete", names), requests)
    assert len(sent) == 1


def test_no_statement(engine: Engine, metadata_database: Any, statements: CountStatements) -> None:
    """Where ids are found exactly the database is not asked: on the event loop, all would wait for a connection."""
    if metadata_database.dialect.name in ("mysql", "mariadb"):
        pytest.skip("ids are found by other spellings")
    with statements() as sent:
        for verb, method in (("GET", "GET"), ("PATCH", "PUT"), ("DELETE", "DELETE")):
            with serving(request_of(f"{verb} /api/v2/pools/{{}}", kind="pool", name="fin_a", body={"pool": "fin_a"})):
                assert ask(person(engine, "fin"), "pool", method, "fin_a")
        assert batch("fin", engine, "pool", actions("pool", "delete", ["fin_a"]), [("DELETE", "fin_a")])
    assert not sent


@pytest.mark.usefixtures("inexact")
def test_long_batch(engine: Engine, statements: CountStatements) -> None:
    """No statement has more ids than a database takes."""
    names = [f"fin_{number}" for number in range(4001)]
    with statements() as sent:
        assert batch("fin", engine, "pool", actions("pool", "delete", names), [("DELETE", name) for name in names])
    assert len(sent) == 3


@pytest.mark.usefixtures("engine", "inexact")
def test_ids_that_no_database_has(statements: CountStatements) -> None:
    """An id that cannot be stored finds nothing."""
    with statements() as sent:
        assert lookup.other_spellings("pool", ["\ud800", "fin_a", "none"]) == set()
    assert len(sent) == 1


@pytest.mark.parametrize("name", ["ops_a", "none"])
def test_refused_write(engine: Engine, name: str) -> None:
    """A refused write says what is missing on the object that the request names, whether it is there or not."""
    with serving(request_of("DELETE /api/v2/variables/{}", kind="variable", name=name)) as context:
        assert not ask(person(engine, "one"), "variable", "DELETE", name)
    assert context.denial_reason == f"Missing permission `object.airflow.variable.delete` on Variable `{name}`."
    with serving(request_of("POST /api/v2/variables", kind="variable", body={"key": name})) as context:
        assert not ask(person(engine, "one"), "variable", "POST")
    assert context.denial_reason == f"Missing permission `object.airflow.variable.create` on Variable `{name}`."


def test_refused_read(engine: Engine) -> None:
    """A refused read of a browser says nothing."""
    with serving(request_of("GET /api/v2/variables/{}", kind="variable", name="ops_a")) as context:
        assert not ask(person(engine, "one"), "variable", "GET", "ops_a")
    assert context.denial_reason == ""
