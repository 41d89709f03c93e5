"""Who may change whose account, or make which API token: only who could give away every role of it."""

from __future__ import annotations

from typing import Any

import pytest

from astro_auth_plugin.rbac.delegation import may_change_accounts, roles_beyond, token_roles_beyond
from astro_auth_plugin.rbac.engine import Engine
from astro_auth_plugin.rbac.policy_document import TokenRole
from astro_auth_plugin.rbac.roles import BUILT_IN
from tests.rbac.asking import engine_of

DEPLOYMENTS = {"dep": "ws", "dep2": "ws", "far": "elsewhere"}


def grant(level: str, place: str, role: str) -> dict[str, Any]:
    """Return what stands on a user who has one role."""
    if level == "ORGANIZATION":
        return {"organization_role": role}
    if level == "WORKSPACE":
        return {"workspace_roles": [{"workspace_id": place, "role": role}]}
    if level == "DEPLOYMENT":
        return {"deployment_roles": [{"deployment_id": place, "role": role}]}
    return {"dag_roles": [{"deployment_id": place, "tag": "t", "role": role}]}


ACTORS = {
    "org-owner": grant("ORGANIZATION", "", "ORGANIZATION_OWNER"),
    "owner": grant("WORKSPACE", "ws", "WORKSPACE_OWNER"),
    "old-admin": grant("WORKSPACE", "ws", "WORKSPACE_ADMIN"),
    "dep-admin": grant("DEPLOYMENT", "dep", "DEPLOYMENT_ADMIN"),
    "operator": grant("WORKSPACE", "ws", "WORKSPACE_OPERATOR"),
    "author": grant("WORKSPACE", "ws", "WORKSPACE_AUTHOR"),
    "all-powers": grant("DEPLOYMENT", "dep", "all-powers"),
    "dag-author": grant("DAG", "dep", "DAG_AUTHOR"),
    "billing": grant("ORGANIZATION", "", "ORGANIZATION_BILLING_ADMIN"),
    "far-owner": grant("WORKSPACE", "elsewhere", "WORKSPACE_OWNER"),
    "far-admin": grant("DEPLOYMENT", "far", "DEPLOYMENT_ADMIN"),
    "sibling-admin": grant("DEPLOYMENT", "dep2", "DEPLOYMENT_ADMIN"),
}
PEOPLE = {
    "plain": {},
    "member": grant("ORGANIZATION", "", "ORGANIZATION_MEMBER"),
    "observer": grant("ORGANIZATION", "", "ORGANIZATION_OBSERVE_MEMBER"),
    "boss": grant("ORGANIZATION", "", "ORGANIZATION_OWNER"),
    "ws-accessor": grant("WORKSPACE", "ws", "WORKSPACE_ACCESSOR"),
    "ws-owner": grant("WORKSPACE", "ws", "WORKSPACE_OWNER"),
    "far-member": grant("WORKSPACE", "elsewhere", "WORKSPACE_MEMBER"),
    "here-admin": grant("DEPLOYMENT", "dep", "DEPLOYMENT_ADMIN"),
    "here-custom": grant("DEPLOYMENT", "dep", "all-powers"),
    "here-dag": grant("DAG", "dep", "DAG_VIEWER"),
    "sibling-dag": grant("DAG", "dep2", "DAG_VIEWER"),
    "sibling-dep": grant("DEPLOYMENT", "dep2", "DEPLOYMENT_ACCESSOR"),
    "far-dag": grant("DAG", "far", "DAG_VIEWER"),
    "far-dep": grant("DEPLOYMENT", "far", "DEPLOYMENT_ACCESSOR"),
}
NOTHING_BEYOND = {"plain", "member"}
IN_DEPLOYMENT = NOTHING_BEYOND | {"here-admin", "here-custom", "here-dag"}
IN_WORKSPACE = IN_DEPLOYMENT | {"ws-accessor", "ws-owner", "sibling-dag", "sibling-dep"}
MAY_CHANGE = {
    "org-owner": set(PEOPLE),
    "owner": IN_WORKSPACE,
    "old-admin": IN_WORKSPACE,
    "dep-admin": IN_DEPLOYMENT,
}


@pytest.fixture(scope="module")
def engine() -> Engine:
    """Return the engine of Deployment `dep`, with all of these people."""
    people = {**ACTORS, **PEOPLE}
    values = {
        "version": 1,
        "organization_id": "org",
        "workspaces": [{"id": "ws"}, {"id": "elsewhere"}],
        "deployments": [{"id": name, "workspace_id": where} for name, where in DEPLOYMENTS.items()],
        "roles": [
            {
                "name": "all-powers",
                "scope": "DEPLOYMENT",
                "permissions": ["deployment.airflow.dag.get", "deployment.teams.update", "deployment.users.update"],
            }
        ],
        "teams": [{"name": "owners", "members": ["lifted@example.com"], **ACTORS["owner"]}],
        "users": [{"email": f"{name}@example.com", **grants} for name, grants in people.items()],
    }
    return engine_of(values, "dep")


@pytest.mark.parametrize("actor", ACTORS)
def test_who_may_change_accounts_at_all(engine: Engine, actor: str) -> None:
    """Only roles that give roles here open the pages of accounts: no Operator, no custom role, nobody of elsewhere."""
    assert may_change_accounts(engine, f"{actor}@example.com") is (actor in MAY_CHANGE)


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("actor", MAY_CHANGE)
def test_whose_account_may_be_changed(engine: Engine, actor: str, person: str) -> None:
    """Nobody changes the account of a person who holds a role, anywhere, that the actor may not give."""
    beyond = roles_beyond(engine, f"{actor}@example.com", f"{person}@example.com")
    assert (beyond == ()) is (person in MAY_CHANGE[actor])


TOKENS = {
    "boss": {"role": "ORGANIZATION_OWNER", "entity_type": "ORGANIZATION", "entity_id": "org"},
    "observer": {"role": "ORGANIZATION_MEMBER", "entity_type": "ORGANIZATION", "entity_id": "org"},
    "ws-owner": {"role": "WORKSPACE_OWNER", "entity_type": "WORKSPACE", "entity_id": "ws"},
    "far-member": {"role": "WORKSPACE_MEMBER", "entity_type": "WORKSPACE", "entity_id": "elsewhere"},
    "here-admin": {"role": "DEPLOYMENT_ADMIN", "entity_type": "DEPLOYMENT", "entity_id": "dep"},
    "sibling-dep": {"role": "DEPLOYMENT_ACCESSOR", "entity_type": "DEPLOYMENT", "entity_id": "dep2"},
    "far-dep": {"role": "DEPLOYMENT_ACCESSOR", "entity_type": "DEPLOYMENT", "entity_id": "far"},
    "here-dag": {"role": "DAG_VIEWER", "entity_type": "DAG", "entity_id": "dep2", "deployment_id": "dep"},
    "sibling-dag": {"role": "DAG_VIEWER", "entity_type": "DAG_TAG", "entity_id": "dep", "deployment_id": "dep2"},
    "far-dag": {"role": "DAG_VIEWER", "entity_type": "DAG_TAG", "entity_id": "dep", "deployment_id": "far"},
}
"""Roles of tokens, by the person of PEOPLE whose role is the same."""


@pytest.mark.parametrize("what", TOKENS)
@pytest.mark.parametrize("actor", ACTORS)
def test_which_token_may_be_made(engine: Engine, actor: str, what: str) -> None:
    """Nobody makes a token with a role that the actor may not give; one role too many is enough."""
    allowed = what in MAY_CHANGE.get(actor, ())
    weakest = TokenRole(**TOKENS["here-dag"])
    beyond = token_roles_beyond(engine, f"{actor}@example.com", [weakest, TokenRole(**TOKENS[what])])
    assert (beyond == ()) is allowed


def test_roles_of_a_token_beyond_are_named(engine: Engine) -> None:
    """What the actor may not give to a token is told with its role, level and place."""
    roles = [TokenRole(**TOKENS[what]) for what in ("here-dag", "far-dep")]
    assert token_roles_beyond(engine, "owner@example.com", roles) == (("DEPLOYMENT_ACCESSOR", "DEPLOYMENT", "far"),)


@pytest.mark.parametrize("actor", sorted(set(ACTORS) - set(MAY_CHANGE)))
def test_others_may_give_nothing(engine: Engine, actor: str) -> None:
    """To whoever gives no roles here, every role is beyond, also the weakest one."""
    assert roles_beyond(engine, f"{actor}@example.com", "here-dag@example.com") != ()


def test_roles_beyond_are_named(engine: Engine) -> None:
    """What the actor may not give is told with its role, level and place."""
    (beyond,) = roles_beyond(engine, "dep-admin@example.com", "far-dag@example.com")
    assert beyond == ("DAG_VIEWER", "DAG", "far")
    (beyond,) = roles_beyond(engine, "owner@example.com", "boss@example.com")
    assert (beyond.role, beyond.level) == ("ORGANIZATION_OWNER", "ORGANIZATION")


def test_roles_of_teams_count(engine: Engine) -> None:
    """A role that comes from a Team counts, for who changes and for whose account it is."""
    assert may_change_accounts(engine, "lifted@example.com")
    assert roles_beyond(engine, "lifted@example.com", "here-dag@example.com") == ()
    assert [given.role for given in roles_beyond(engine, "dep-admin@example.com", "Lifted@Example.com")] == [
        "WORKSPACE_OWNER"
    ]


def test_unknown_people(engine: Engine) -> None:
    """An account that the policy does not name holds no role, so whoever gives roles at all may change it."""
    assert roles_beyond(engine, "dep-admin@example.com", "new@example.com") == ()
    assert not may_change_accounts(engine, "new@example.com")


def test_roles_that_give_roles() -> None:
    """Owners give below and at their own level, Deployment Admins in their Deployment, and no other role gives any."""
    deployment = {"DEPLOYMENT", "DAG"}
    workspace = deployment | {"WORKSPACE"}
    assert {name: set(role.gives) for name, role in BUILT_IN.items() if role.gives} == {
        "ORGANIZATION_OWNER": workspace | {"ORGANIZATION"},
        "WORKSPACE_OWNER": workspace,
        "WORKSPACE_ADMIN": workspace,
        "DEPLOYMENT_ADMIN": deployment,
    }


def test_nobody_gives_what_they_do_not_hold() -> None:
    """Each role that gives roles holds, where it reaches, all that any role it gives can hold."""
    for role in BUILT_IN.values():
        for other in BUILT_IN.values():
            if other.level in role.gives:
                assert not other.powers & ~role.powers
