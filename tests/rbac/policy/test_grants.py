"""The list of grants: each grant of a document once, with its path, principal, role and scope."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given

from astro_auth_plugin.rbac.model.permissions import names
from astro_auth_plugin.rbac.model.roles import BUILT_IN
from astro_auth_plugin.rbac.model.scopes import KINDS, GrantScope
from astro_auth_plugin.rbac.policy import loader
from astro_auth_plugin.rbac.policy.document import ApiToken, PolicyDocument, Team, TokenRole
from astro_auth_plugin.rbac.policy.grants import (
    Grant,
    Principal,
    accessor_grants,
    grants,
    grants_of,
    members_of,
    principal_of,
    role_permissions,
    subjects_by_principal,
    token_scope,
)
from tests.rbac.helpers import checked
from tests.strategies import Case, cases

ANA = Principal("user", "ana@example.com")
TEAM = Principal("Team", "data")
TOKEN = Principal("token", "ci")
ALL_SCOPES: dict[str, Any] = {
    "organization_role": "ORGANIZATION_OWNER",
    "workspace_roles": [{"workspace_id": "ws", "role": "WORKSPACE_MEMBER"}],
    "deployment_roles": [{"deployment_id": "dep", "role": "DEPLOYMENT_ADMIN"}],
    "dag_roles": [
        {"deployment_id": "dep", "dag_id": "etl", "role": "DAG_VIEWER"},
        {"deployment_id": "dep", "tag": "finance", "role": "DAG_AUTHOR"},
    ],
}
TOKEN_ROLES = [
    {"role": "ORGANIZATION_MEMBER", "entity_type": "ORGANIZATION", "entity_id": "org"},
    {"role": "WORKSPACE_MEMBER", "entity_type": "WORKSPACE", "entity_id": "ws"},
    {"role": "DEPLOYMENT_ADMIN", "entity_type": "DEPLOYMENT", "entity_id": "dep"},
    {"role": "DAG_VIEWER", "entity_type": "DAG", "entity_id": "etl", "deployment_id": "dep"},
    {"role": "DAG_AUTHOR", "entity_type": "DAG_TAG", "entity_id": "finance", "deployment_id": "dep"},
]


def document_of(**entries: Any) -> PolicyDocument:
    """Return a document of one Deployment that has to be valid."""
    found = loader.from_values(
        {
            "version": 1,
            "organization_id": "org",
            "workspaces": [{"id": "ws"}],
            "deployments": [{"id": "dep", "workspace_id": "ws"}, {"id": "other", "workspace_id": "ws"}],
            **entries,
        }
    )
    assert found.policy is not None, [str(problem) for problem in found.errors]
    return found.policy.document


def token(roles: list[dict[str, str]]) -> dict[str, Any]:
    return {"id": "ci", "name": "CI", "secret_sha256": "0" * 64, "expires_at": "never", "roles": roles}


def expected(principal: Principal, *at: str | int) -> list[Grant]:
    """Return the grants of ALL_SCOPES."""
    return [
        Grant((*at, "organization_role"), principal, "ORGANIZATION_OWNER", GrantScope("Organization", "")),
        Grant((*at, "workspace_roles", 0), principal, "WORKSPACE_MEMBER", GrantScope("Workspace", "ws")),
        Grant((*at, "deployment_roles", 0), principal, "DEPLOYMENT_ADMIN", GrantScope("Deployment", "dep")),
        Grant((*at, "dag_roles", 0), principal, "DAG_VIEWER", GrantScope("Dag", "etl", "dep")),
        Grant((*at, "dag_roles", 1), principal, "DAG_AUTHOR", GrantScope("tag", "finance", "dep")),
    ]


def test_every_kind_of_scope_of_a_user() -> None:
    """A user's grants come from four keys, each with its path and scope."""
    document = document_of(users=[{"email": "bob@example.com"}, {"email": "ana@example.com", **ALL_SCOPES}])
    assert [*grants(document)] == expected(ANA, "users", 1)


def test_every_kind_of_scope_of_a_token() -> None:
    """An API token's grants come from one key, and say the kind of scope themselves."""
    document = document_of(api_tokens=[token(TOKEN_ROLES)])
    found = [*grants(document)]
    assert [grant.path for grant in found] == [("api_tokens", 0, "roles", index) for index in range(5)]
    assert {grant.principal for grant in found} == {TOKEN}
    assert [(grant.role, grant.scope) for grant in found] == [
        ("ORGANIZATION_MEMBER", GrantScope("Organization", "")),
        ("WORKSPACE_MEMBER", GrantScope("Workspace", "ws")),
        ("DEPLOYMENT_ADMIN", GrantScope("Deployment", "dep")),
        ("DAG_VIEWER", GrantScope("Dag", "etl", "dep")),
        ("DAG_AUTHOR", GrantScope("tag", "finance", "dep")),
    ]


def test_teams_then_users_then_tokens() -> None:
    """All grants come in one order: those of Teams, of users, of API tokens."""
    document = document_of(
        api_tokens=[token(TOKEN_ROLES[:1])],
        users=[{"email": "ana@example.com", **ALL_SCOPES}],
        teams=[{"name": "data", "members": ["ana@example.com"], **ALL_SCOPES}],
    )
    given = [*grants(document)]
    assert given[:-1] == [*expected(TEAM, "teams", 0), *expected(ANA, "users", 0)]
    assert given[-1].principal == TOKEN


@given(cases())
@checked
def test_paths_lead_to_the_role(case: Case) -> None:
    """In every policy a grant's path leads to the role, and the path of its id to the id."""
    document = document_of_case(case)
    for grant in grants(document):
        assert grant.role in (value_at(document, grant.path), getattr(value_at(document, grant.path), "role", None))
        if grant.scope.kind != "Organization":
            assert value_at(document, grant.id_path) == grant.scope.id
        assert not grant.derived


@given(cases())
@checked
def test_grants_are_those_of_all_entries(case: Case) -> None:
    """The grants of a document are those of its entries, none left out and none twice."""
    document = document_of_case(case)
    keys = ("teams", "users", "api_tokens")
    entries = [((key, at), entry) for key in keys for at, entry in enumerate(getattr(document, key))]
    given = [*grants(document)]
    assert given == [grant for path, entry in entries for grant in grants_of(path, entry)]
    assert len({grant.path for grant in given}) == len(given)


def document_of_case(case: Case) -> PolicyDocument:
    found = loader.from_values(case.values)
    assert found.policy is not None
    return found.policy.document


def value_at(document: PolicyDocument, path: tuple[str | int, ...]) -> Any:
    value: Any = document
    for key in path:
        value = value[key] if isinstance(key, int) else getattr(value, key)
    return value


def test_path_of_the_id() -> None:
    """The id of a scope is at the key of its kind, of API tokens at `entity_id`; the Organization has none."""
    paths = [grant.id_path for grant in expected(ANA, "users", 1)]
    assert paths == [
        ("users", 1, "organization_role"),
        ("users", 1, "workspace_roles", 0, "workspace_id"),
        ("users", 1, "deployment_roles", 0, "deployment_id"),
        ("users", 1, "dag_roles", 0, "dag_id"),
        ("users", 1, "dag_roles", 1, "tag"),
    ]
    given = grants(document_of(api_tokens=[token(TOKEN_ROLES[1:2])]))
    assert [grant.id_path for grant in given] == [("api_tokens", 0, "roles", 0, "entity_id")]


def test_a_dag_role_brings_the_accessor_of_its_deployment() -> None:
    """DEPLOYMENT_ACCESSOR comes once for each Deployment with a Dag role, at the path of the first of them."""
    roles = [
        {"deployment_id": "dep", "dag_id": "etl", "role": "DAG_VIEWER"},
        {"deployment_id": "dep", "tag": "finance", "role": "DAG_AUTHOR"},
        {"deployment_id": "other", "tag": "finance", "role": "DAG_VIEWER"},
    ]
    given = [*grants(document_of(users=[{"email": "ana@example.com", "dag_roles": roles}]))]
    assert [*accessor_grants(given)] == [
        Grant(("users", 0, "dag_roles", 0), ANA, "DEPLOYMENT_ACCESSOR", GrantScope("Deployment", "dep"), derived=True),
        Grant(
            ("users", 0, "dag_roles", 2), ANA, "DEPLOYMENT_ACCESSOR", GrantScope("Deployment", "other"), derived=True
        ),
    ]


def test_wider_roles_bring_no_accessor() -> None:
    """Roles in the Organization, a Workspace or a Deployment bring nothing with them."""
    assert not [*accessor_grants(grant for grant in expected(ANA, "users", 0) if grant.scope.is_deployment_wide)]


def test_principals_are_named() -> None:
    """A principal is a Team by name, a user by e-mail, an API token by id; messages say which."""
    document = document_of(
        users=[{"email": "Ana@example.com"}],
        teams=[{"name": "data", "members": ["ana@example.com"]}],
        api_tokens=[token([])],
    )
    assert principal_of(document.users[0]) == Principal("user", "Ana@example.com")
    assert principal_of(document.teams[0]) == TEAM
    assert principal_of(document.api_tokens[0]) == TOKEN
    assert [str(principal) for principal in (ANA, TEAM, TOKEN)] == [
        "user `ana@example.com`",
        "Team `data`",
        "API token `ci`",
    ]


def test_subjects_of_principals() -> None:
    """A user stands for the e-mail as it is compared, a Team for its members and groups, a token for its id."""
    document = document_of(
        users=[{"email": "Ana@example.com"}],
        teams=[
            {"name": "data", "members": ["Bob@example.com", "ana@example.com"], "idp_groups": ["analysts"]},
            {"name": "nobody"},
        ],
        api_tokens=[token([])],
    )
    assert subjects_by_principal(document) == {
        Principal("user", "Ana@example.com"): ("ana@example.com",),
        TEAM: ("bob@example.com", "ana@example.com", "group analysts"),
        Principal("Team", "nobody"): (),
        TOKEN: ("token:ci",),
    }


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_scope_of_a_token_role(kind: Any) -> None:
    """Every kind of scope has an entity type; the Organization's id is not repeated, as a policy has one."""
    values = {"role": "r", "entity_type": kind.entity_type, "entity_id": "x"}
    role = TokenRole(**values, **({"deployment_id": "dep"} if kind.in_deployment else {}))
    scope = GrantScope(kind.name, "x" if kind.id_key else "", role.deployment_id)
    assert token_scope(role) == scope
    entry = ApiToken(id="ci", name="CI", secret_sha256="0" * 64, expires_at="never", roles=[role])
    assert [grant.scope for grant in grants_of(("api_tokens", 0), entry)] == [scope]


def test_permissions_of_roles() -> None:
    """Built-in roles have their own permissions, custom roles those of their words that Airflow asks about."""
    words = ["dag.airflow.dag.get", "dag.airflow.dagRun.get"]
    given = role_permissions(
        document_of(
            roles=[
                {"name": "reader", "scope": "DAG", "permissions": words},
                {"name": "empty", "scope": "DEPLOYMENT", "permissions": ["deployment.dagDeploys.get"]},
            ]
        )
    )
    assert {name: permissions for name, permissions in given.items() if name in BUILT_IN} == {
        name: role.permissions for name, role in BUILT_IN.items()
    }
    assert set(names(given["reader"])) == {"dag.get", "dagRun.get"}
    assert given["empty"] == 0


def test_members_at_a_time() -> None:
    """A membership that has ended is none, and of two entries of one user the one that ends last counts."""
    soon, later = (datetime(2027, month, 1, tzinfo=UTC) for month in (1, 6))
    team = Team.model_validate(
        {
            "name": "T",
            "members": [
                {"email": "ana@example.com", "expires_at": "2027-01-01T00:00:00Z"},
                {"email": "Ana@example.com", "expires_at": "2027-06-01T00:00:00Z"},
                {"email": "bo@example.com", "expires_at": "2027-01-01T00:00:00Z"},
                "cy@example.com",
            ],
        }
    )
    assert members_of(team) == {"ana@example.com": later, "bo@example.com": soon, "cy@example.com": None}
    assert members_of(team, soon) == {"ana@example.com": later, "cy@example.com": None}
    assert members_of(team, later) == {"cy@example.com": None}
