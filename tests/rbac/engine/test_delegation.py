"""Who may change whose account, or make which API token: only who could give away every role of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astro_auth_plugin.rbac.engine.delegation import (
    TokenChange,
    givers,
    may_change_accounts,
    may_make_tokens,
    roles_beyond,
    token_roles_beyond,
)
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.roles import BUILT_IN
from astro_auth_plugin.rbac.policy.document import TokenRole
from tests import reference_engine as reference
from tests.rbac.helpers import checked, engine_of, everybody
from tests.strategies import Case, cases, token_roles

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
    "all-permissions": grant("DEPLOYMENT", "dep", "all-permissions"),
    "token-maker": grant("DEPLOYMENT", "dep", "token-maker"),
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
    "here-custom": grant("DEPLOYMENT", "dep", "all-permissions"),
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
}
CHANGES: tuple[TokenChange, ...] = ("create", "rotate", "delete")


MAKER = [
    *("deployment.airflow.dag.get", "deployment.airflow.website.get", "deployment.airflow.docs.get"),
    *("deployment.apiTokens.create", "deployment.apiTokens.delete"),
]


@pytest.fixture(scope="module")
def engine() -> Engine:
    return engine_of(policy(), "dep")


def policy(**more: Any) -> dict[str, Any]:
    """Return a policy with all of these people."""
    people = {**ACTORS, **PEOPLE}
    return {
        "version": 1,
        "organization_id": "org",
        "workspaces": [{"id": "ws"}, {"id": "elsewhere"}],
        "deployments": [{"id": name, "workspace_id": where} for name, where in DEPLOYMENTS.items()],
        "roles": [
            {
                "name": "all-permissions",
                "scope": "DEPLOYMENT",
                "permissions": ["deployment.airflow.dag.get", "deployment.teams.update", "deployment.users.update"],
            },
            {"name": "token-maker", "scope": "DEPLOYMENT", "permissions": MAKER},
            {"name": "watcher", "scope": "DEPLOYMENT", "permissions": MAKER[:2]},
            {"name": "dag-watcher", "scope": "DAG", "permissions": ["dag.airflow.dag.get"]},
            {"name": "variable-reader", "scope": "DEPLOYMENT", "permissions": ["deployment.airflow.variable.get"]},
        ],
        "teams": [{"name": "owners", "members": ["lifted@example.com"], **ACTORS["owner"]}],
        "users": [{"email": f"{name}@example.com", **grants} for name, grants in people.items()],
        **more,
    }


@pytest.mark.parametrize("actor", ACTORS)
def test_who_may_change_accounts_at_all(engine: Engine, actor: str) -> None:
    """Only Owners here open the pages of accounts: no Deployment Admin, Operator or custom role, nobody of elsewhere."""
    assert may_change_accounts(engine, f"{actor}@example.com") is (actor in MAY_CHANGE)


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("actor", MAY_CHANGE)
def test_whose_account_may_be_changed(engine: Engine, actor: str, person: str) -> None:
    """Nobody changes the account of a person who holds a role, anywhere, that the actor may not give."""
    beyond = roles_beyond(engine, f"{actor}@example.com", f"{person}@example.com")
    assert (beyond == ()) is (person in MAY_CHANGE[actor])


def test_who_may_give_some_role(engine: Engine) -> None:
    """Users with a role that gives roles, by themselves or through a Team; a custom role never gives any."""
    emails = {subject.removesuffix("@example.com") for subject in givers(engine)}
    assert emails == {
        *("org-owner", "owner", "old-admin", "dep-admin", "far-owner", "far-admin", "sibling-admin"),
        *("boss", "ws-owner", "here-admin", "lifted"),
    }
    assert engine.every_grant is engine.every_grant and len(engine.every_grant) >= len(emails)


@pytest.mark.parametrize("actor", ACTORS)
def test_who_may_make_some_token(engine: Engine, actor: str) -> None:
    """Those who may give roles here, Workspace Operators, and custom roles with the permission of Astro."""
    makers = {"org-owner", "owner", "old-admin", "dep-admin", "operator", "token-maker"}
    assert may_make_tokens(engine, f"{actor}@example.com") is (actor in makers)


TOKENS = {
    "boss": {"role": "ORGANIZATION_OWNER", "entity_type": "ORGANIZATION", "entity_id": "org"},
    "observer": {"role": "ORGANIZATION_MEMBER", "entity_type": "ORGANIZATION", "entity_id": "org"},
    "ws-operator": {"role": "WORKSPACE_OPERATOR", "entity_type": "WORKSPACE", "entity_id": "ws"},
    "ws-author": {"role": "WORKSPACE_AUTHOR", "entity_type": "WORKSPACE", "entity_id": "ws"},
    "ws-accessor": {"role": "WORKSPACE_ACCESSOR", "entity_type": "WORKSPACE", "entity_id": "ws"},
    "ws-owner": {"role": "WORKSPACE_OWNER", "entity_type": "WORKSPACE", "entity_id": "ws"},
    "far-member": {"role": "WORKSPACE_MEMBER", "entity_type": "WORKSPACE", "entity_id": "elsewhere"},
    "here-admin": {"role": "DEPLOYMENT_ADMIN", "entity_type": "DEPLOYMENT", "entity_id": "dep"},
    "sibling-dep": {"role": "DEPLOYMENT_ACCESSOR", "entity_type": "DEPLOYMENT", "entity_id": "dep2"},
    "far-dep": {"role": "DEPLOYMENT_ACCESSOR", "entity_type": "DEPLOYMENT", "entity_id": "far"},
    "here-dag": {"role": "DAG_VIEWER", "entity_type": "DAG", "entity_id": "dep2", "deployment_id": "dep"},
    "sibling-dag": {"role": "DAG_VIEWER", "entity_type": "DAG_TAG", "entity_id": "dep", "deployment_id": "dep2"},
    "here-pool": {"role": "OBJECT_ADMIN", "entity_type": "POOL", "entity_id": "p", "deployment_id": "dep"},
    "far-dag": {"role": "DAG_VIEWER", "entity_type": "DAG_TAG", "entity_id": "dep", "deployment_id": "far"},
}


WORKSPACE_TOKENS = {"ws-operator", "ws-author", "ws-accessor"}
MAY_MAKE = {
    "org-owner": set(TOKENS),
    "owner": WORKSPACE_TOKENS | {"ws-owner", "here-admin", "sibling-dep", "here-dag", "sibling-dag", "here-pool"},
    "dep-admin": {"here-admin", "here-dag", "here-pool"},
    "operator": WORKSPACE_TOKENS,
}
MAY_MAKE["old-admin"] = MAY_MAKE["owner"]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("what", TOKENS)
@pytest.mark.parametrize("actor", sorted(set(ACTORS) - {"token-maker"}))
def test_which_token_may_be_made(engine: Engine, actor: str, what: str, change: TokenChange) -> None:
    """Nobody makes or changes a token with a role that the actor may not give; one role too many is enough."""
    roles = [TokenRole(**TOKENS[what])]
    if "here-dag" in MAY_MAKE.get(actor, ()):
        roles.insert(0, TokenRole(**TOKENS["here-dag"]))
    beyond = token_roles_beyond(engine, f"{actor}@example.com", roles, change)
    assert (beyond == ()) is (what in MAY_MAKE.get(actor, ()))
    assert token_roles_beyond(engine, "billing@example.com", [*roles, TokenRole(**TOKENS["boss"])], change)


OWN_POOLS = {"object_roles": [{"deployment_id": "dep", "pool_prefix": "fin_", "role": "OBJECT_EDITOR"}]}


@pytest.mark.parametrize(
    ("entity", "name", "role", "own", "allowed"),
    [
        ("POOL_PREFIX", "fin_", "OBJECT_EDITOR", OWN_POOLS, True),
        ("POOL_PREFIX", "fin_a_", "OBJECT_VIEWER", OWN_POOLS, True),
        ("POOL", "fin_a", "OBJECT_EDITOR", OWN_POOLS, True),
        ("POOL", "fin_a", "OBJECT_ADMIN", OWN_POOLS, False),
        ("POOL", "fin", "OBJECT_VIEWER", OWN_POOLS, False),
        ("POOL_PREFIX", "fin-", "OBJECT_VIEWER", OWN_POOLS, False),
        ("VARIABLE", "fin_a", "OBJECT_VIEWER", OWN_POOLS, False),
        ("POOL", "fin_a", "OBJECT_VIEWER", {}, False),
    ],
)
def test_tokens_on_objects(entity: str, name: str, role: str, own: dict[str, Any], *, allowed: bool) -> None:
    """What is held on a prefix may be given on what begins with it, and nothing more."""
    user = {"email": "maker@example.com", **grant("DEPLOYMENT", "dep", "token-maker"), **own}
    engine = engine_of(policy(users=[user]), "dep")
    wanted = TokenRole.model_validate({"role": role, "entity_type": entity, "entity_id": name, "deployment_id": "dep"})
    assert (token_roles_beyond(engine, "maker@example.com", [wanted]) == ()) is allowed


OWN_DAG = {"dag_roles": [{"deployment_id": "dep", "tag": "t", "role": "DAG_VIEWER"}]}


@pytest.mark.parametrize(
    ("entity", "role", "own", "allowed"),
    [
        ("DEPLOYMENT", "watcher", {}, True),
        ("DEPLOYMENT", "token-maker", {}, True),
        ("DEPLOYMENT", "DEPLOYMENT_ACCESSOR", {}, True),
        ("DEPLOYMENT", "all-permissions", {}, False),  # it has words of Astro that the actor has not
        ("DEPLOYMENT", "DEPLOYMENT_ADMIN", {}, False),
        ("DEPLOYMENT", "variable-reader", {}, False),
        ("DAG_TAG", "dag-watcher", {}, True),
        ("DAG", "dag-watcher", {}, True),
        ("DAG_TAG", "DAG_VIEWER", {}, False),
        ("DAG_TAG", "DAG_VIEWER", OWN_DAG, True),
        ("DAG", "DAG_VIEWER", OWN_DAG, False),  # a tag is no id
        ("DAG_TAG", "DAG_AUTHOR", OWN_DAG, False),
    ],
)
def test_tokens_of_custom_roles(entity: str, role: str, own: dict[str, Any], *, allowed: bool) -> None:
    """With `deployment.apiTokens.create` one makes tokens of this Deployment, never beyond the own access."""
    user = {"email": "maker@example.com", **grant("DEPLOYMENT", "dep", "token-maker"), **own}
    engine = engine_of(policy(users=[user]), "dep")
    deployment = entity == "DEPLOYMENT"
    place = {"entity_id": "dep"} if deployment else {"entity_id": "t", "deployment_id": "dep"}
    wanted = TokenRole.model_validate({"role": role, "entity_type": entity, **place})
    assert (token_roles_beyond(engine, "maker@example.com", [wanted]) == ()) is allowed
    assert (token_roles_beyond(engine, "maker@example.com", [wanted], "delete") == ()) is allowed
    assert token_roles_beyond(engine, "maker@example.com", [wanted], "rotate")  # the role lacks this word
    elsewhere = wanted.model_copy(update={"entity_id" if deployment else "deployment_id": "dep2"})
    assert token_roles_beyond(engine, "maker@example.com", [elsewhere])


def test_dag_token_opens_no_pages_that_the_maker_lacks() -> None:
    """A token with a Dag role is a Deployment Accessor too, so only somebody who is may make it."""
    roles = [{"name": "bare", "scope": "DEPLOYMENT", "permissions": [MAKER[0], MAKER[3]]}, policy()["roles"][3]]
    users = [{"email": "bare@example.com", **grant("DEPLOYMENT", "dep", "bare")}]
    engine = engine_of(policy(users=users, roles=roles), "dep")
    wanted = TokenRole(role="dag-watcher", entity_type="DAG", entity_id="d", deployment_id="dep")
    assert token_roles_beyond(engine, "bare@example.com", [wanted])


@given(cases(), st.data())
@settings(checked, max_examples=40)
def test_delegation_agrees_with_the_reference(case: Case, data: st.DataObject) -> None:
    """Both engines let the same people change accounts, and make, rotate and delete the same tokens."""
    roles = case.values.get("roles", [])
    for role in roles:
        if role["scope"] == "DEPLOYMENT":
            role["permissions"] = sorted({*role["permissions"], *data.draw(st.sets(st.sampled_from(TOKEN_WORDS)))})
    engine = engine_of(case.values, case.deployment_id)
    wanted = [data.draw(token_roles(roles, case.pool)) for _ in range(4)]
    for subject in everybody(case.values):
        requested = case.values, case.deployment_id, subject
        assert may_change_accounts(engine, subject, case.groups) == reference.may_change_accounts(
            *requested, case.groups
        )
        for entry in wanted:
            for change in CHANGES:
                allowed = not token_roles_beyond(engine, subject, [TokenRole(**entry)], change)
                assert allowed == reference.may_give_to_token(*requested, entry, change), (subject, entry, change)


TOKEN_WORDS = [
    *(f"deployment.apiTokens.{change}" for change in CHANGES),
    *("deployment.airflow.website.get", "deployment.airflow.docs.get", "deployment.airflow.dag.get"),
]


def test_roles_of_a_token_beyond_are_named(engine: Engine) -> None:
    """What the actor may not give to a token is told with its role, level and place."""
    roles = [TokenRole(**TOKENS[what]) for what in ("here-dag", "far-dep")]
    assert token_roles_beyond(engine, "owner@example.com", roles) == (("DEPLOYMENT_ACCESSOR", "DEPLOYMENT", "far"),)


@pytest.mark.parametrize("actor", sorted(set(ACTORS) - set(MAY_CHANGE) - {"dep-admin"}))
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


def test_roles_that_give_roles_to_tokens() -> None:
    """Only Workspace Operators give roles to tokens that they may not give to people."""
    assert {name: set(role.gives_tokens) for name, role in BUILT_IN.items() if role.gives_tokens} == {
        "WORKSPACE_OPERATOR": {"WORKSPACE"}
    }


def test_roles_that_change_accounts() -> None:
    """Only Owners change accounts, by today's and earlier names."""
    changing = {name for name, role in BUILT_IN.items() if role.changes_accounts}
    assert changing == {"ORGANIZATION_OWNER", "WORKSPACE_OWNER", "WORKSPACE_ADMIN"}


def test_roles_that_give_roles() -> None:
    """Owners give below and at their own level, Deployment Admins in their Deployment, and no other role gives any."""
    deployment = {"DEPLOYMENT", "DAG", "OBJECT"}
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
                assert not other.permissions & ~role.permissions
