"""Grants on single connections, Variables and pools: what they reach, and what they bring."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from astro_auth_plugin.rbac.engine.engine import Dag, Engine
from astro_auth_plugin.rbac.engine.objects import ObjectSelection
from astro_auth_plugin.rbac.model.errors import UnknownPermission
from astro_auth_plugin.rbac.model.permissions import ON_OBJECTS, ObjectKind, mask, names, word, word_in
from astro_auth_plugin.rbac.model.resources import Resource, fault_of_id, fault_of_prefix, prefixes_of
from astro_auth_plugin.rbac.model.scopes import KINDS, GrantScope, enclosing_scopes
from tests.in_request import engine_of

POLICY = """
roles:
  - {name: keeper, scope: OBJECT, permissions: [object.airflow.variable.get, object.airflow.variable.delete, object.airflow.pool.get]}
teams:
  - name: t
    members: [ana@example.com, {email: bo@example.com, expires_at: 2027-01-01T00:00:00Z}]
    object_roles: [{deployment_id: dep, connection_prefix: fin_, role: OBJECT_EDITOR}]
users:
  - email: ana@example.com
    object_roles:
      - {deployment_id: dep, connection_id: fin_a, role: OBJECT_ADMIN}
      - {deployment_id: dep, variable_prefix: "a/b:", role: keeper}
      - {deployment_id: dep-2, pool: p, role: OBJECT_ADMIN}
  - email: end@example.com
    object_roles: [{deployment_id: dep, pool: p, role: OBJECT_VIEWER, expires_at: 2027-01-01T00:00:00Z}]
  - email: both@example.com
    deployment_roles: [{deployment_id: dep, role: DEPLOYMENT_ADMIN}]
    object_roles: [{deployment_id: dep, pool: p, role: OBJECT_VIEWER}]
"""
ALL = {verb: mask(f"connection.{verb}") for verb in ("get", "create", "update", "delete")}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return engine_of(POLICY)


def held(engine: Engine, who: str, kind: ObjectKind, name: str) -> str:
    """Return the verbs that somebody has on an object."""
    found = names(engine.access(f"{who}@example.com").on_object(kind, name) & ON_OBJECTS[kind])
    return " ".join(each.partition(".")[2] for each in found)


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("connection", "fin_a", "get create update delete"),
        ("connection", "fin_b", "get update"),
        ("connection", "fin_", "get update"),
        ("connection", "fin", ""),
        ("connection", "Fin_a", ""),
        ("connection", " fin_a", ""),
        ("connection", "fin_a ", "get update"),
        ("connection", "", ""),
        ("variable", "fin_a", ""),
        ("pool", "fin_a", ""),
        ("pool", "p", ""),
        ("variable", "a/b:c", "get delete"),
        ("variable", "a/b", ""),
        ("variable", "fin_", ""),
    ],
)
def test_what_a_grant_reaches(engine: Engine, kind: ObjectKind, name: str, expected: str) -> None:
    """Grants by id and by prefix add up, of each kind by itself, and only in their Deployment."""
    assert held(engine, "ana", kind, name) == expected


def test_what_comes_with_it(engine: Engine) -> None:
    """The pages of Airflow open, and nothing else does; objects open no Dag."""
    access = engine.access("ana@example.com")
    assert names(access.deployment_wide) == ("docs.get", "website.get")
    assert access.anywhere == access.deployment_wide
    assert not engine.check("ana@example.com", mask("connection.get"), Dag("fin_a", frozenset())).allowed
    assert not engine.check("ana@example.com", mask("connection.get")).allowed
    assert engine.access("nobody@example.com").objects == {}


def test_ends(engine: Engine) -> None:
    """A grant or membership that ends gives nothing from then on, and neither does what comes with it."""
    end = datetime(2027, 1, 1, tzinfo=UTC)
    before, after = (Engine(engine.policy, "dep", at) for at in (end - timedelta(seconds=1), end))
    assert before.ends_at == end
    assert (held(before, "end", "pool", "p"), held(after, "end", "pool", "p")) == ("get", "")
    assert (held(before, "bo", "connection", "fin_x"), held(after, "bo", "connection", "fin_x")) == ("get update", "")
    assert after.access("end@example.com").grants == ()


def test_deployment_wide_roles_reach_every_object(engine: Engine) -> None:
    """A role in the Deployment reaches every object besides."""
    assert held(engine, "both", "pool", "x") == "get create update delete"
    selection = engine.allowed_objects("both@example.com", mask("pool.get"), "pool")
    assert selection == ObjectSelection(True)
    assert engine.allowed_objects("both@example.com", 0, "pool").nothing


@pytest.mark.parametrize(
    ("needs", "expected"),
    [
        ("connection.get", ["fin_a", "fin_b", "fin_"]),
        ("connection.delete", ["fin_a"]),
        ("connection.get connection.delete website.get", ["fin_a"]),
        ("connection.get job.get", []),
        ("website.get", ["fin_a", "fin_b", "fin_", "fin", "x"]),
    ],
)
def test_selections(engine: Engine, needs: str, expected: list[str]) -> None:
    """What is selected is what a check of each allows, by all that is asked."""
    selection = engine.allowed_objects("ana@example.com", mask(*needs.split()), "connection")
    asked = ["fin_a", "fin_b", "fin_", "fin", "x"]
    assert [name for name in asked if selection.matches(name)] == expected
    assert selection.nothing is (not expected)
    checked = (
        engine.check_object("ana@example.com", mask(*needs.split()), Resource("connection", each)) for each in asked
    )
    assert [name for name, found in zip(asked, checked, strict=True) if found.allowed] == expected


def test_reasons(engine: Engine) -> None:
    """A decision names the grants that reach the object, and what is missing on it."""
    found = engine.check_object("ana@example.com", mask("connection.get"), Resource("connection", "fin_a"))
    assert [str(grant.scope) for grant in found.grants] == ["connection `fin_a`", "connection prefix `fin_`"]
    refused = engine.check_object("ana@example.com", mask("connection.delete"), Resource("connection", "fin_b"))
    assert refused.reason == "no grant gives `object.airflow.connection.delete` on connection `fin_b`"
    beside = engine.check_object("ana@example.com", mask("dag.get"), Resource("variable", "v"))
    assert beside.reason == "no grant gives `deployment.airflow.dag.get` on Variable `v`"


def test_a_role_gives_what_there_is_of_the_kind(engine: Engine) -> None:
    """A role of several kinds gives of its permissions those on the kind of the grant."""
    (grant,) = [each for each in engine.own_grants("ana@example.com") if each.role == "keeper"]
    assert names(grant.permissions) == ("variable.get", "variable.delete")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fin_a_b", ["fin_", "fin_a_"]),
        ("fin_", ["fin_"]),
        ("a_", []),
        ("ab_", ["ab_"]),
        ("a/b:c", ["a/b:"]),
        ("___", ["___"]),
        ("", []),
    ],
)
def test_prefixes(text: str, expected: list[str]) -> None:
    """Every prefix of at least three characters that ends in a separator; each can be granted."""
    assert [*prefixes_of(text)] == expected
    assert not any(map(fault_of_prefix, expected))


def test_prefixes_of_a_long_id() -> None:
    """An id in a request may have megabytes; no more of it is compared than a prefix can be granted."""
    found = [*prefixes_of("_" * 100_000)]
    assert found == ["_" * length for length in range(3, 251)]
    assert not any(map(fault_of_prefix, found))


@pytest.mark.parametrize("text", ["", "_", "a_", "abc", "ab*_", "ab_*", "*", "a\0_", "fin_ ", "fin\u2013", "_" * 251])
def test_what_is_no_prefix(text: str) -> None:
    """A prefix is long enough, ends in a separator, and has no wildcard."""
    assert fault_of_prefix(text)


@pytest.mark.parametrize(("text", "good"), [("a", True), ("a*b", True), ("*", False), ("a*", False), ("a\0", False)])
def test_ids(text: str, good: bool) -> None:
    """An id is any text that is not meant as a pattern."""
    assert (fault_of_id(text) == "") is good


def test_enclosing() -> None:
    """Around an object are its prefixes, the longest first, and the Deployment."""
    found = enclosing_scopes(GrantScope("pool", "a_b_c", "dep"), {"dep": "ws"})
    assert [str(scope) for scope in found] == [
        "pool `a_b_c`",
        "pool prefix `a_b_`",
        "Deployment `dep`",
        "Workspace `ws`",
        "the Organization",
    ]
    assert enclosing_scopes(GrantScope("pool prefix", "a_b_", "dep"), {"dep": "ws"}) == (
        GrantScope("pool prefix", "a_b_", "dep"),
        *found[2:],
    )


def test_scopes() -> None:
    """A scope on objects is about no Dags, and matches no object of another kind, nor one whose id begins otherwise."""
    scope = GrantScope("Variable prefix", "abc_", "dep")
    assert (scope.object_kind, scope.is_on_dags, scope.is_deployment_wide) == ("variable", False, False)
    assert scope.is_on(Resource("variable", "abc_d"))
    assert not scope.is_on(Resource("variable", "x_abc_d"))
    assert not scope.is_on(Resource("pool", "abc_d"))
    assert not GrantScope("Dag", "abc_d", "dep").is_on(Resource("variable", "abc_d"))
    assert GrantScope("tag", "t", "dep").is_on_dags
    assert GrantScope("Dag", "d", "dep").object_kind is None
    assert len({kind.entity_type for kind in KINDS.values() if kind.object_kind}) == 6


def test_words() -> None:
    """The words of a role on objects, and those of the Deployment for what no object has."""
    assert word("pool.get", "OBJECT") == "object.airflow.pool.get"
    assert word_in("pool.get", "OBJECT") == "object.airflow.pool.get"
    assert word_in("dag.get", "OBJECT") == "deployment.airflow.dag.get"
    with pytest.raises(UnknownPermission):
        word("dag.get", "OBJECT")
