"""The difference of two policies, part by part, and how each part reads."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from astro_auth_plugin.rbac.changes import edits
from astro_auth_plugin.rbac.changes.difference import PolicyChange, changes
from astro_auth_plugin.rbac.policy import loader
from astro_auth_plugin.rbac.policy.document import PolicyDocument
from tests import reference_engine as reference
from tests.rbac.helpers import checked
from tests.strategies import ONE_PERSON, Case, cases, policies, respelled

END = "2028-01-01T00:00:00Z"
VIEWER: dict[str, Any] = {"deployment_id": "dep", "tag": "d", "role": "DAG_VIEWER"}
TOKEN: dict[str, Any] = {
    "id": "tok",
    "name": "ci",
    "secret_sha256": "1" * 64,
    "expires_at": "never",
    "roles": [
        {"role": "WORKSPACE_MEMBER", "entity_type": "WORKSPACE", "entity_id": "ws"},
        {"role": "DAG_VIEWER", "entity_type": "DAG_TAG", "entity_id": "d", "deployment_id": "dep"},
    ],
}
ROLE = {"name": "watcher", "scope": "DAG", "permissions": ["dag.airflow.dag.get", "dag.airflow.dagRun.get"]}
TEAM: dict[str, Any] = {"name": "eng", "members": ["ana@example.com", "bo@example.com"], "idp_groups": ["g", "h"]}
ANA = {"email": "ana@example.com", "dag_roles": [VIEWER]}
VALUES: dict[str, Any] = {
    "version": 1,
    "organization_id": "org",
    "workspaces": [{"id": "ws"}, {"id": "ws2"}],
    "deployments": [{"id": "dep", "workspace_id": "ws"}],
    "roles": [ROLE],
    "teams": [TEAM],
    "users": [ANA],
    "api_tokens": [TOKEN],
    "protected_tags": [{"deployment_id": "dep", "tag": tag, "only_in": []} for tag in ("d", "e*")],
}


def document(values: dict[str, Any]) -> PolicyDocument:
    policy = loader.from_values(values).policy
    assert policy is not None
    return policy.document


def told(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return list(map(str, changes(document(old), document(new))))


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, []),
        # -- users
        (
            {"users": []},
            ["- user `ana@example.com`", "- user `ana@example.com`: `DAG_VIEWER` on tag `d` of Deployment `dep`"],
        ),
        ({"users": [ANA, {"email": "bo@example.com"}]}, ["+ user `bo@example.com`"]),
        ({"users": [{**ANA, "email": "Ana@Example.com"}]}, []),
        (
            {"users": [{"email": "ANA@example.com"}]},
            ["- user `ANA@example.com`: `DAG_VIEWER` on tag `d` of Deployment `dep`"],
        ),
        # -- grants
        (
            {"users": [{**ANA, "organization_role": "ORGANIZATION_OWNER"}]},
            ["+ user `ana@example.com`: `ORGANIZATION_OWNER` on the Organization"],
        ),
        (
            {
                "users": [
                    {
                        **ANA,
                        "organization_role": {
                            "role": "ORGANIZATION_OWNER",
                            "expires_at": "2028-01-01T01:00:00+01:00",
                            "note": "on call",
                        },
                    }
                ]
            },
            ["+ user `ana@example.com`: `ORGANIZATION_OWNER` on the Organization until 2028-01-01T00:00:00Z (on call)"],
        ),
        (
            {"users": [{**ANA, "workspace_roles": [{"workspace_id": "ws", "role": "WORKSPACE_OWNER", "note": "why"}]}]},
            ["+ user `ana@example.com`: `WORKSPACE_OWNER` on Workspace `ws` (why)"],
        ),
        (
            {"users": [{**ANA, "deployment_roles": [{"deployment_id": "dep", "role": "DEPLOYMENT_ADMIN"}]}]},
            ["+ user `ana@example.com`: `DEPLOYMENT_ADMIN` on Deployment `dep`"],
        ),
        (
            {"users": [{**ANA, "dag_roles": [{"deployment_id": "dep", "dag_id": "d", "role": "DAG_VIEWER"}]}]},
            [
                "- user `ana@example.com`: `DAG_VIEWER` on tag `d` of Deployment `dep`",
                "+ user `ana@example.com`: `DAG_VIEWER` on Dag `d` of Deployment `dep`",
            ],
        ),
        (
            {
                "users": [
                    {**ANA, "dag_roles": [{**VIEWER, "expires_at": "2028-01-01T01:00:00+01:00", "note": "on call"}]}
                ]
            },
            [
                "- user `ana@example.com`: `DAG_VIEWER` on tag `d` of Deployment `dep`",
                "+ user `ana@example.com`: `DAG_VIEWER` on tag `d` of Deployment `dep` until 2028-01-01T00:00:00Z (on call)",
            ],
        ),
        (
            {"users": [{**ANA, "dag_roles": [{**VIEWER, "note": "n"}]}]},
            [
                "- user `ana@example.com`: `DAG_VIEWER` on tag `d` of Deployment `dep`",
                "+ user `ana@example.com`: `DAG_VIEWER` on tag `d` of Deployment `dep` (n)",
            ],
        ),
        (
            {"users": [{**ANA, "dag_roles": [VIEWER, VIEWER]}]},
            ["+ user `ana@example.com`: `DAG_VIEWER` on tag `d` of Deployment `dep`"],
        ),
        (
            {"teams": [{**TEAM, "dag_roles": [VIEWER]}]},
            ["+ Team `eng`: `DAG_VIEWER` on tag `d` of Deployment `dep`"],
        ),
        # -- Teams
        (
            {"teams": []},
            [
                "- Team `eng`",
                "- Team `eng`: member `ana@example.com`",
                "- Team `eng`: member `bo@example.com`",
                "- Team `eng`: group `g`",
                "- Team `eng`: group `h`",
            ],
        ),
        (
            {"teams": [TEAM, {"name": "new", "members": ["Cy@example.com"], "dag_roles": [VIEWER]}]},
            [
                "+ Team `new`",
                "+ Team `new`: `DAG_VIEWER` on tag `d` of Deployment `dep`",
                "+ Team `new`: member `cy@example.com`",
            ],
        ),
        ({"teams": [{**TEAM, "description": "d"}]}, ["~ Team `eng`"]),
        ({"teams": [{**TEAM, "support": True}]}, ["~ Team `eng` (a support Team)"]),
        ({"teams": [TEAM, {"name": "new", "support": True}]}, ["+ Team `new` (a support Team)"]),
        (
            {"teams": [{**TEAM, "members": ["bo@example.com", "cy@example.com", "CY@example.com"]}]},
            ["- Team `eng`: member `ana@example.com`", "+ Team `eng`: member `cy@example.com`"],
        ),
        (
            {"teams": [{**TEAM, "members": ["bo@example.com", {"email": "Ana@example.com", "expires_at": END}]}]},
            [
                "- Team `eng`: member `ana@example.com`",
                "+ Team `eng`: member `ana@example.com` until 2028-01-01T00:00:00Z",
            ],
        ),
        (
            {"teams": [{**TEAM, "members": [*TEAM["members"], {"email": "cy@example.com", "note": "on call"}]}]},
            ["+ Team `eng`: member `cy@example.com` (on call)"],
        ),
        ({"teams": [{**TEAM, "idp_groups": ["G", "h"]}]}, ["- Team `eng`: group `g`", "+ Team `eng`: group `G`"]),
        # -- API tokens
        (
            {"api_tokens": []},
            ["- API token `ci` (`tok`): `WORKSPACE_MEMBER` on WORKSPACE `ws`, `DAG_VIEWER` on DAG_TAG `d`"],
        ),
        ({"api_tokens": [TOKEN, {**TOKEN, "id": "new", "roles": []}]}, ["+ API token `ci` (`new`)"]),
        (
            {"api_tokens": [{**TOKEN, "roles": TOKEN["roles"][:1], "secret_sha256": "2" * 64}]},
            ["~ API token `ci` (`tok`): another secret, roles"],
        ),
        ({"api_tokens": [{**TOKEN, "expires_at": END}]}, ["~ API token `ci` (`tok`): expires_at"]),
        ({"api_tokens": [{**TOKEN, "roles": TOKEN["roles"][::-1], "name": "n"}]}, ["~ API token `n` (`tok`): name"]),
        (
            {
                "api_tokens": [
                    {**TOKEN, "previous_secret_sha256": "2" * 64, "previous_secret_expires_at": END},
                    {**TOKEN, "id": "same", "name": "same", "secret_sha256": "3" * 64, "roles": []},
                ]
            },
            ["~ API token `ci` (`tok`): the one before is valid until 2028-01-01T00:00:00Z", "+ API token `same`"],
        ),
        # -- custom roles
        ({"roles": []}, ["- role `watcher`"]),
        ({"roles": [ROLE, {**ROLE, "name": "new"}]}, ["+ role `new`"]),
        ({"roles": [{**ROLE, "permissions": ROLE["permissions"][:1]}]}, ["~ role `watcher`"]),
        ({"roles": [{**ROLE, "description": "d"}]}, ["~ role `watcher`"]),
        ({"roles": [{**ROLE, "restricted_workspace_ids": ["ws"]}]}, ["~ role `watcher`"]),
        # An empty list is no Workspace, and no list is every one.
        ({"roles": [{**ROLE, "restricted_workspace_ids": []}]}, ["~ role `watcher`"]),
        ({"roles": [{**ROLE, "name": "seer"}]}, ["~ role `watcher` renamed to `seer`"]),
        ({"roles": [{**ROLE, "name": "seer", "description": "d"}]}, ["- role `watcher`", "+ role `seer`"]),
        # Which of the two is the old one cannot be known.
        (
            {"roles": [{**ROLE, "name": "seer"}, {**ROLE, "name": "viewer"}]},
            ["- role `watcher`", "+ role `seer`", "+ role `viewer`"],
        ),
        ({"roles": [ROLE, {**ROLE, "name": "seer"}]}, ["+ role `seer`"]),
        ({"teams": [{**TEAM, "name": "ops"}]}, ["~ Team `eng` renamed to `ops`"]),
        (
            {"teams": [{**TEAM, "name": "ops", "members": ["ana@example.com"], "idp_groups": []}]},
            [
                "- Team `eng`",
                "- Team `eng`: member `ana@example.com`",
                "- Team `eng`: member `bo@example.com`",
                "- Team `eng`: group `g`",
                "- Team `eng`: group `h`",
                "+ Team `ops`",
                "+ Team `ops`: member `ana@example.com`",
            ],
        ),
        # -- settings
        ({"workspaces": [{"id": "ws", "name": "n"}, {"id": "ws2"}]}, ["~ setting `workspaces`"]),
        ({"deployments": [{"id": "dep", "workspace_id": "ws2"}]}, ["~ setting `deployments`"]),
        ({"support_access": "disallowed"}, ["~ setting `support_access` (disallowed)"]),
        ({"protect_granted_tags": True}, ["~ setting `protect_granted_tags`"]),
        ({"protected_tags": []}, ["~ setting `protected_tags`"]),
    ],
)
def test_changes(more: dict[str, Any], expected: list[str]) -> None:
    """Every part that came, went or changed is told, once, and nothing else is."""
    new = {**VALUES, **more}
    before = copy.deepcopy((VALUES, new))
    assert told(VALUES, new) == expected
    assert (VALUES, new) == before


def test_renamed_role_takes_its_grants_along() -> None:
    """Who has a role that is renamed has it still, so that is no difference; what is different besides is told."""
    given_role = {**VIEWER, "role": "watcher"}
    entry = {"role": "watcher", "entity_type": "DAG_TAG", "entity_id": "d", "deployment_id": "dep"}
    old = {
        **VALUES,
        "users": [{**ANA, "dag_roles": [{**given_role, "expires_at": END}]}],
        "teams": [{**TEAM, "dag_roles": [given_role]}],
        "api_tokens": [{**TOKEN, "roles": [entry]}, {**TOKEN, "id": "two", "expires_at": END}],
    }
    new = edits.rename_role("watcher", "seer")(old)
    assert told(old, new) == ["~ role `watcher` renamed to `seer`"]
    both = edits.rename_team("eng", "ops")(new)
    assert told(old, both) == ["~ role `watcher` renamed to `seer`", "~ Team `eng` renamed to `ops`"]
    more = edits.change_members("eng", add=["cy@example.com"])(new)
    assert told(old, more) == ["~ role `watcher` renamed to `seer`", "+ Team `eng`: member `cy@example.com`"]
    assert told(old, {**new, "users": []})[-1].startswith("- user `ana@example.com`: `seer` on tag `d`")


def test_support_team_no_more() -> None:
    """That a Team is for support no longer is said."""
    values = {**VALUES, "teams": [{**TEAM, "support": True}]}
    assert told(values, VALUES) == ["~ Team `eng` (no support Team any more)"]


def test_organization() -> None:
    """Another Organization is a setting, too."""
    values = {**VALUES, "api_tokens": []}
    assert told(values, {**values, "organization_id": "other"}) == ["~ setting `organization_id` (other)"]


SECOND = {"name": "second", "members": ["bo@example.com"]}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"users": [ANA, {"email": "bo@example.com"}]}, {"users": [{"email": "bo@example.com"}, ANA]}),
        ({"roles": [ROLE]}, {"roles": [{**ROLE, "permissions": ROLE["permissions"][::-1]}]}),
        ({"teams": [TEAM, SECOND]}, {"teams": [SECOND, {**TEAM, "members": TEAM["members"][::-1]}]}),
        ({"teams": [TEAM]}, {"teams": [{**TEAM, "idp_groups": ["h", "g"]}]}),
        ({"teams": [TEAM]}, {"teams": [{**TEAM, "members": ["ANA@example.com", "Bo@example.com"]}]}),
        ({"teams": [TEAM]}, {"teams": [{**TEAM, "members": [{"email": each} for each in TEAM["members"]]}]}),
        ({"api_tokens": [TOKEN]}, {"api_tokens": [{**TOKEN, "roles": TOKEN["roles"][::-1]}]}),
        ({}, {key: VALUES[key][::-1] for key in ("workspaces", "protected_tags")}),
        ({}, {"protect_granted_tags": False, "support_access": "allowed"}),
        ({"teams": [TEAM]}, {"teams": [{**TEAM, "support": False}]}),
        ({"users": [ANA]}, {"users": [{**ANA, "email": "Ana@EXAMPLE.com", "workspace_roles": []}]}),
    ],
)
def test_what_makes_no_difference(old: dict[str, Any], new: dict[str, Any]) -> None:
    """The order of lists, capitals of e-mails, and what is said though it holds anyway make no difference."""
    old, new = {**VALUES, **old}, {**VALUES, **new}
    assert told(old, new) == told(new, old) == []


def test_parts_have_what_the_rule_needs() -> None:
    """A grant comes with its principal, scope and end and without its place; a token as it was and as it is."""
    more = {
        "users": [],
        "teams": [{**TEAM, "members": []}],
        "api_tokens": [{**TOKEN, "name": "n"}],
    }
    old, new = document(VALUES), document({**VALUES, **more})
    parts = list(changes(old, new))
    (grant,) = [part.grant for part in parts if part.grant]
    assert (grant.path, grant.principal.name, grant.role, grant.expires_at) == (
        (),
        "ana@example.com",
        "DAG_VIEWER",
        None,
    )
    assert {(part.name, part.team) for part in parts if part.what == "member"} == {
        ("ana@example.com", "eng"),
        ("bo@example.com", "eng"),
    }
    (token,) = [part for part in parts if part.what == "API token"]
    assert (token.sign, token.name, token.before, token.after) == ("~", "tok", old.api_tokens[0], new.api_tokens[0])


def test_token_without_versions() -> None:
    """A change of a token that says nothing more is told by its id."""
    assert str(PolicyChange("+", "API token", "tok")) == "+ API token `tok`"


OPPOSITE = {"+": "-", "-": "+", "~": "~"}


@given(cases(), st.data())
@settings(checked, max_examples=50)
def test_way_back_is_the_opposite(case: Case, data: st.DataObject) -> None:
    """What came on the way there goes on the way back, and the same document makes no difference to itself."""
    other = document(data.draw(policies(case.pool)))
    own = document(case.values)
    # The way back renames to another name.
    assume(not any(part.renamed for part in changes(own, other)))
    there, back = list(changes(own, other)), list(changes(other, own))
    assert sorted(
        (OPPOSITE[each.sign], each.what, each.name, each.team, each.note) for each in there if not each.grant
    ) == (sorted((each.sign, each.what, each.name, each.team, each.note) for each in back if not each.grant))

    def places(parts: list[PolicyChange], signs: dict[str, str]) -> list[str]:
        found = (
            (signs[each.sign], each.grant.role, each.grant.scope, each.grant.expires_at) for each in parts if each.grant
        )
        return sorted(map(str, found))

    assert places(there, OPPOSITE) == places(back, {sign: sign for sign in "+-~"})
    assert list(changes(own, own)) == []


@given(cases(), st.randoms(use_true_random=False))
@settings(checked, max_examples=50)
def test_order_and_spelling_make_no_difference(case: Case, random: Any) -> None:
    """A policy in another order, with its e-mails spelled otherwise, is the same one."""
    values = copy.deepcopy(case.values)
    for user in values["users"]:
        user["email"] = ONE_PERSON[reference.normal_email(user["email"])][-1]
    for team in values["teams"]:
        team["members"] = [respelled(member) for member in team["members"]]
    shuffle(values, random)
    assert told(case.values, values) == []


def shuffle(value: Any, random: Any) -> None:
    """Put every list inside a value into another order."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        shuffle(each, random)
    if isinstance(value, list):
        random.shuffle(value)
