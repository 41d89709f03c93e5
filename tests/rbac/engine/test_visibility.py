"""What may be read of the access of others: a table of actors and scopes, and that no Dag is named beyond what is seen."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from astro_auth_plugin.rbac.engine.visibility import Visibility, visibility_of
from astro_auth_plugin.rbac.model.permissions import mask
from astro_auth_plugin.rbac.model.scopes import ORGANIZATION, GrantScope
from astro_auth_plugin.rbac.policy.grants import grants
from tests.rbac.helpers import checked, engine_of, everybody
from tests.strategies import Case, cases

ASTRO = ["deployment.users.get", "deployment.teams.get"]
VALUES: dict[str, Any] = {
    "version": 1,
    "organization_id": "org",
    "workspaces": [{"id": "ws"}, {"id": "far"}],
    "deployments": [
        {"id": "dep", "workspace_id": "ws"},
        {"id": "sister", "workspace_id": "ws"},
        {"id": "away", "workspace_id": "far"},
    ],
    "roles": [
        {"name": "reader", "scope": "DEPLOYMENT", "permissions": ASTRO},
        {"name": "dag-reader", "scope": "DEPLOYMENT", "permissions": [*ASTRO, "deployment.airflow.dag.get"]},
        {"name": "pool-reader", "scope": "DEPLOYMENT", "permissions": [*ASTRO, "deployment.airflow.pool.get"]},
        {"name": "half", "scope": "DEPLOYMENT", "permissions": ASTRO[:1]},
        {"name": "token-reader", "scope": "DEPLOYMENT", "permissions": ["deployment.apiTokens.get"]},
        {"name": "all-dags", "scope": "DEPLOYMENT", "permissions": ["deployment.airflow.dag.get"]},
    ],
}
SCOPES = {
    "organization": ORGANIZATION,
    "workspace": GrantScope("Workspace", "ws"),
    "deployment": GrantScope("Deployment", "dep"),
    "dag": GrantScope("Dag", "d", "dep"),
    "tag": GrantScope("tag", "t", "dep"),
    "pool": GrantScope("pool", "p", "dep"),
    "sister": GrantScope("Deployment", "sister"),
    "sister pool": GrantScope("pool prefix", "abc_", "sister"),
    "sister dag": GrantScope("Dag", "d", "sister"),
    "far workspace": GrantScope("Workspace", "far"),
    "away": GrantScope("Deployment", "away"),
    "away tag": GrantScope("tag", "t", "away"),
}
HERE = {"organization", "workspace", "deployment", "sister"}
DAGS = {"dag", "tag"}
POOLS = {"pool", "sister pool"}

# The roles of the actor, what may be read (a: users and Teams, t: API tokens, c: changes), and which scopes.
TABLE: list[tuple[dict[str, Any], str, set[str]]] = [
    ({"organization_role": "ORGANIZATION_OWNER"}, "atc", set(SCOPES)),
    ({"organization_role": "ORGANIZATION_BILLING_ADMIN"}, "", set()),
    (
        {"workspace_roles": [{"workspace_id": "ws", "role": "WORKSPACE_OWNER"}]},
        "atc",
        HERE | DAGS | {"sister dag"} | POOLS,
    ),
    (
        {"workspace_roles": [{"workspace_id": "ws", "role": "WORKSPACE_OPERATOR"}]},
        "at",
        HERE | DAGS | {"sister dag"} | POOLS,
    ),
    ({"workspace_roles": [{"workspace_id": "ws", "role": "WORKSPACE_MEMBER"}]}, "a", HERE | DAGS | {"sister dag"}),
    (
        {"workspace_roles": [{"workspace_id": "ws", "role": "WORKSPACE_AUTHOR"}]},
        "a",
        HERE | DAGS | {"sister dag"} | POOLS,
    ),
    ({"workspace_roles": [{"workspace_id": "ws", "role": "WORKSPACE_ACCESSOR"}]}, "", set()),
    ({"deployment_roles": [{"deployment_id": "dep", "role": "pool-reader"}]}, "a", HERE | {"pool"}),
    ({"object_roles": [{"deployment_id": "dep", "pool": "p", "role": "OBJECT_ADMIN"}]}, "", set()),
    ({"workspace_roles": [{"workspace_id": "far", "role": "WORKSPACE_OWNER"}]}, "", set()),
    ({"deployment_roles": [{"deployment_id": "dep", "role": "DEPLOYMENT_ADMIN"}]}, "atc", HERE | DAGS | {"pool"}),
    ({"deployment_roles": [{"deployment_id": "sister", "role": "DEPLOYMENT_ADMIN"}]}, "", set()),
    ({"deployment_roles": [{"deployment_id": "dep", "role": "DEPLOYMENT_ACCESSOR"}]}, "", set()),
    ({"deployment_roles": [{"deployment_id": "dep", "role": "reader"}]}, "a", HERE),
    ({"deployment_roles": [{"deployment_id": "dep", "role": "dag-reader"}]}, "a", HERE | DAGS),
    ({"deployment_roles": [{"deployment_id": "dep", "role": "half"}]}, "", set()),
    ({"deployment_roles": [{"deployment_id": "dep", "role": "token-reader"}]}, "t", HERE),
    ({"deployment_roles": [{"deployment_id": "dep", "role": "all-dags"}]}, "", set()),
    ({"dag_roles": [{"deployment_id": "dep", "tag": "t", "role": "DAG_AUTHOR"}]}, "", set()),
]


def seen(roles: dict[str, Any], *, by_group: bool = False) -> Visibility:
    holder = (
        {"teams": [{"name": "T", "idp_groups": ["g"], **roles}]}
        if by_group
        else {"users": [{"email": "ana@example.com", **roles}]}
    )
    engine = engine_of(VALUES | holder, "dep")
    return visibility_of(engine, "ana@example.com", frozenset({"g"}) if by_group else frozenset())


@pytest.mark.parametrize("by_group", [False, True])
@pytest.mark.parametrize(("roles", "what", "scopes"), TABLE)
def test_what_is_read(roles: dict[str, Any], what: str, scopes: set[str], by_group: bool) -> None:
    found = seen(roles, by_group=by_group)
    flags = {"a": found.access, "t": found.tokens, "c": found.changes}
    assert "".join(letter for letter, is_set in flags.items() if is_set) == what
    assert found.everything == (scopes == set(SCOPES))
    if what:
        assert {name for name, scope in SCOPES.items() if found.sees(scope)} == scopes


def test_callers_with_one_sight_see_the_same() -> None:
    """What was shown to one caller is kept for others with its `sight`: what they see is then the same, anywhere."""
    moved = {**VALUES, "deployments": [{**each, "workspace_id": "far"} for each in VALUES["deployments"]]}
    user = {
        "users": [{"email": "ana@example.com", "workspace_roles": [{"workspace_id": "ws", "role": "WORKSPACE_OWNER"}]}]
    }
    elsewhere = visibility_of(engine_of(moved | user, "dep"), "ana@example.com")
    beside = visibility_of(engine_of(VALUES | user, "sister"), "ana@example.com")
    every = [*(seen(roles) for roles, _, _ in TABLE), elsewhere, beside]
    scopes_of: dict[tuple[object, ...], set[frozenset[str]]] = {}
    for each in every:
        scopes = frozenset(name for name, scope in SCOPES.items() if each.sees(scope))
        scopes_of.setdefault(each.sight, set()).add(scopes)
    assert all(len(found) == 1 for found in scopes_of.values())
    assert len(scopes_of) >= len({next(iter(found)) for found in scopes_of.values()}) > 4


@given(cases())
@checked
def test_grants_on_dags_are_read_by_those_alone_who_see_every_dag_there(case: Case) -> None:
    engine = engine_of(case.values, case.deployment_id)
    see = mask("dag.get")
    for subject in everybody(case.values):
        found = visibility_of(engine, subject)
        wide = bool(engine.access(subject).deployment_wide & see)
        for grant in grants(engine.policy.document):
            if grant.scope.is_on_dags and found.access and found.sees(grant.scope):
                assert wide
            kind = grant.scope.object_kind
            if kind and found.access and found.sees(grant.scope) and grant.scope.deployment_id == case.deployment_id:
                assert engine.access(subject).deployment_wide & mask(f"{kind}.get")
            if found.access and not found.everything and found.sees(grant.scope) and grant.scope != ORGANIZATION:
                place = grant.scope.deployment_id or grant.scope.id
                assert engine.workspace_id in (place, engine.workspace_of(place))


def test_one_sight_is_of_those_who_see_the_same_objects() -> None:
    """Callers who read different kinds of objects have different sights, since answers are kept by these."""
    author, member = (
        {"workspace_roles": [{"workspace_id": "ws", "role": role}]} for role in ("WORKSPACE_AUTHOR", "WORKSPACE_MEMBER")
    )
    reader, with_pools = (
        {"deployment_roles": [{"deployment_id": "dep", "role": role}]} for role in ("reader", "pool-reader")
    )
    assert len({seen(roles).sight for roles in (author, member, reader, with_pools)}) == 4
