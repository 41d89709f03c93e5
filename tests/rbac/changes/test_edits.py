"""Edits of a policy's values: what each makes of them, what it refuses, and what undoes it."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astro_auth_plugin.rbac.changes import edits
from astro_auth_plugin.rbac.changes.difference import changes
from astro_auth_plugin.rbac.changes.edits import Edit, EditError
from astro_auth_plugin.rbac.model.scopes import ORGANIZATION, GrantScope
from astro_auth_plugin.rbac.policy import loader
from astro_auth_plugin.rbac.policy.document import PolicyDocument
from astro_auth_plugin.rbac.policy.entries import plain
from astro_auth_plugin.rbac.policy.grants import Principal, grants
from tests.rbac.helpers import checked
from tests.strategies import Case, cases

ANA, BO, CY = (Principal("user", f"{name}@example.com") for name in ("ana", "bo", "cy"))
SHOUTED = Principal("user", "ANA@Example.com")
ENG, NONE = Principal("Team", "eng"), Principal("Team", "en")
WS, DEP = GrantScope("Workspace", "ws"), GrantScope("Deployment", "dep")
DAG, TAG = GrantScope("Dag", "d", "dep"), GrantScope("tag", "d", "dep")
ON_WS, ON_DEP = {"workspace_id": "ws"}, {"deployment_id": "dep"}
ON_DAG, ON_TAG = {"deployment_id": "dep", "dag_id": "d"}, {"deployment_id": "dep", "tag": "d"}
END = "2028-01-01T00:00:00Z"
VIEWER: dict[str, Any] = {**ON_TAG, "role": "DAG_VIEWER"}
TOKEN = {"id": "tok", "name": "ci", "secret_sha256": "1" * 64, "expires_at": "never"}
ROLE = {"name": "watcher", "scope": "DAG", "permissions": ["dag.airflow.dag.get"]}

VALUES: dict[str, Any] = {
    "version": 1,
    "organization_id": "org",
    "workspaces": [{"id": "ws"}],
    "deployments": [{"id": "dep", "workspace_id": "ws"}],
    "roles": [ROLE],
    "teams": [
        {"name": "eng", "members": ["Ana@Example.com", "bo@example.com"], "idp_groups": ["g"], "dag_roles": [VIEWER]},
        {"name": "empty"},
    ],
    "users": [
        {
            "email": "ana@example.com",
            "organization_role": "ORGANIZATION_MEMBER",
            "workspace_roles": [{**ON_WS, "role": "WORKSPACE_MEMBER", "note": "on call"}],
            "dag_roles": [VIEWER, {**ON_DAG, "role": "DAG_VIEWER", "expires_at": END}],
        },
        {"email": "bo@example.com", "deployment_roles": [{**ON_DEP, "role": "DEPLOYMENT_ADMIN"}]},
    ],
    "api_tokens": [TOKEN],
}
BARE: dict[str, Any] = {"version": 1, "organization_id": "org"}


def test_return_keeps_the_tokens_of_today() -> None:
    """A return to an older version makes no secret valid again, and revokes none."""
    older = {**BARE, "users": VALUES["users"], "api_tokens": [{**TOKEN, "secret_sha256": "2" * 64}]}
    assert edits.return_to(older)(VALUES) == {**older, "api_tokens": VALUES["api_tokens"]}
    assert edits.return_to(older)(BARE) == {**BARE, "users": VALUES["users"]}


def test_description_of_a_team() -> None:
    """A Team gets another description, and none with an empty text; nothing else of it changes."""
    (eng, _empty) = VALUES["teams"]
    described = edits.describe_team("empty", "no members yet")(VALUES)
    assert described["teams"] == [eng, {"name": "empty", "description": "no members yet"}]
    assert edits.describe_team("empty", "")(described) == VALUES
    with pytest.raises(EditError, match="there is no Team `emptyy`"):
        edits.describe_team("emptyy", "x")(VALUES)


def test_support_of_a_team() -> None:
    """A Team becomes one for support, and one like others again."""
    (eng, _empty) = VALUES["teams"]
    helping = edits.set_support("empty", True)(VALUES)
    assert helping["teams"] == [eng, {"name": "empty", "support": True}]
    assert edits.set_support("empty", False)(helping) == VALUES


def edited(edit: Edit, values: dict[str, Any] = VALUES) -> dict[str, Any]:
    """Make an edit, which leaves the values as they are, and may be made again."""
    before = copy.deepcopy(values)
    try:
        assert edit(values) == edit(values)
        return edit(values)
    finally:
        assert values == before


def document(values: dict[str, Any]) -> PolicyDocument:
    policy = loader.from_values(values).policy
    assert policy is not None
    return policy.document


def with_user(**keys: Any) -> dict[str, Any]:
    """Return the values in which Ana's entry has other keys; None takes one away."""
    user = {key: each for key, each in {**VALUES["users"][0], **keys}.items() if each is not None}
    return {**VALUES, "users": [user, VALUES["users"][1]]}


def with_members(*members: Any) -> dict[str, Any]:
    """Return the values in which the Team `eng` has other members."""
    return {**VALUES, "teams": [{**VALUES["teams"][0], "members": [*members]}, VALUES["teams"][1]]}


def both(one: Edit, other: Edit) -> Edit:
    return lambda values: other(one(values))


def twice(edit: Edit) -> Edit:
    return both(edit, edit)


WORKSPACE_ROLES, DAG_ROLES = VALUES["users"][0]["workspace_roles"], VALUES["users"][0]["dag_roles"]


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (edits.grant(ANA, "ORGANIZATION_OWNER", ORGANIZATION), with_user(organization_role="ORGANIZATION_OWNER")),
        (
            edits.grant(SHOUTED, "WORKSPACE_AUTHOR", WS, note="why"),
            with_user(workspace_roles=[*WORKSPACE_ROLES, {**ON_WS, "role": "WORKSPACE_AUTHOR", "note": "why"}]),
        ),
        (
            edits.grant(ANA, "WORKSPACE_MEMBER", WS),
            with_user(workspace_roles=[{**ON_WS, "role": "WORKSPACE_MEMBER"}]),
        ),
        (
            edits.grant(ANA, "WORKSPACE_MEMBER", GrantScope("Workspace", "ws2")),
            with_user(workspace_roles=[*WORKSPACE_ROLES, {"workspace_id": "ws2", "role": "WORKSPACE_MEMBER"}]),
        ),
        (
            edits.grant(ANA, "DEPLOYMENT_ADMIN", DEP, END),
            with_user(deployment_roles=[{**ON_DEP, "role": "DEPLOYMENT_ADMIN", "expires_at": END}]),
        ),
        (
            edits.grant(ANA, "DAG_VIEWER", DAG, note="longer"),
            with_user(dag_roles=[VIEWER, {**ON_DAG, "role": "DAG_VIEWER", "note": "longer"}]),
        ),
        (
            edits.grant(ANA, "DAG_VIEWER", TAG, END),
            with_user(dag_roles=[{**VIEWER, "expires_at": END}, DAG_ROLES[1]]),
        ),
        (
            edits.grant(ANA, "DAG_AUTHOR", TAG),
            with_user(dag_roles=[*DAG_ROLES, {**ON_TAG, "role": "DAG_AUTHOR"}]),
        ),
        (
            edits.grant(CY, "DAG_VIEWER", TAG),
            {**VALUES, "users": [*VALUES["users"], {"email": "cy@example.com", "dag_roles": [VIEWER]}]},
        ),
        (
            edits.grant(ENG, "DAG_AUTHOR", TAG),
            {
                **VALUES,
                "teams": [
                    {**VALUES["teams"][0], "dag_roles": [VIEWER, {**ON_TAG, "role": "DAG_AUTHOR"}]},
                    VALUES["teams"][1],
                ],
            },
        ),
        (
            edits.grant(ANA, "ORGANIZATION_OWNER", ORGANIZATION, END, "audit"),
            with_user(organization_role={"role": "ORGANIZATION_OWNER", "expires_at": END, "note": "audit"}),
        ),
        (
            both(
                edits.grant(ANA, "ORGANIZATION_OWNER", ORGANIZATION, END),
                edits.grant(ANA, "ORGANIZATION_OWNER", ORGANIZATION),
            ),
            with_user(organization_role={"role": "ORGANIZATION_OWNER"}),
        ),
        (
            both(
                edits.grant(ANA, "ORGANIZATION_OWNER", ORGANIZATION, END),
                edits.revoke(ANA, "ORGANIZATION_OWNER", ORGANIZATION),
            ),
            with_user(organization_role=None),
        ),
        (edits.revoke(SHOUTED, "ORGANIZATION_MEMBER", ORGANIZATION), with_user(organization_role=None)),
        (edits.revoke(ANA, "WORKSPACE_MEMBER", WS), with_user(workspace_roles=None)),
        (edits.revoke(ANA, "DAG_VIEWER", TAG), with_user(dag_roles=DAG_ROLES[1:])),
        (edits.revoke(ANA, "DAG_VIEWER", DAG), with_user(dag_roles=[VIEWER])),
        (edits.revoke(BO, "DEPLOYMENT_ADMIN", DEP), {**VALUES, "users": VALUES["users"][:1]}),
        (
            edits.revoke(ENG, "DAG_VIEWER", TAG),
            {
                **VALUES,
                "teams": [
                    {key: each for key, each in VALUES["teams"][0].items() if key != "dag_roles"},
                    VALUES["teams"][1],
                ],
            },
        ),
        (
            edits.remove_user("ANA@example.com"),
            {
                **VALUES,
                "teams": [{**VALUES["teams"][0], "members": ["bo@example.com"]}, VALUES["teams"][1]],
                "users": VALUES["users"][1:],
            },
        ),
        (
            edits.add_team("new", "of all", ["cy@example.com"], ["h"]),
            {
                **VALUES,
                "teams": [
                    *VALUES["teams"],
                    {"name": "new", "description": "of all", "members": ["cy@example.com"], "idp_groups": ["h"]},
                ],
            },
        ),
        (edits.add_team("new"), {**VALUES, "teams": [*VALUES["teams"], {"name": "new"}]}),
        (edits.remove_team("eng"), {**VALUES, "teams": VALUES["teams"][1:]}),
        (
            edits.change_members("eng", add=["cy@example.com"], remove=["BO@example.com"]),
            {
                **VALUES,
                "teams": [
                    {**VALUES["teams"][0], "members": ["Ana@Example.com", "cy@example.com"]},
                    VALUES["teams"][1],
                ],
            },
        ),
        (
            edits.change_members(
                "eng", add=["ana@example.com", "cy@example.com"], more={"expires_at": END, "note": "n"}
            ),
            with_members(
                {"email": "Ana@Example.com", "expires_at": END, "note": "n"},
                "bo@example.com",
                {"email": "cy@example.com", "expires_at": END, "note": "n"},
            ),
        ),
        (
            edits.change_members("empty", "idp_groups", add=iter(["g", "G"])),
            {**VALUES, "teams": [VALUES["teams"][0], {"name": "empty", "idp_groups": ["g", "G"]}]},
        ),
        (
            edits.add_role({"name": "new", "scope": "DAG", "permissions": []}),
            {**VALUES, "roles": [ROLE, {"name": "new", "scope": "DAG", "permissions": []}]},
        ),
        (
            edits.change_role("watcher", lambda role: {**role, "description": "looks"}),
            {**VALUES, "roles": [{**ROLE, "description": "looks"}]},
        ),
        (edits.remove_role("watcher"), {**VALUES, "roles": []}),
        (edits.add_token({**TOKEN, "id": "new"}), {**VALUES, "api_tokens": [TOKEN, {**TOKEN, "id": "new"}]}),
        (
            edits.change_token("tok", {"name": None, "description": "of CI", "expires_at": END}),
            {
                **VALUES,
                "api_tokens": [
                    {"id": "tok", "secret_sha256": "1" * 64, "expires_at": END, "description": "of CI"},
                ],
            },
        ),
        (edits.remove_token("tok"), {**VALUES, "api_tokens": []}),
        (edits.replace(BARE), BARE),
    ],
)
def test_edit(edit: Edit, expected: dict[str, Any]) -> None:
    """Each edit changes what it says, where it is, and nothing else."""
    assert edited(edit) == expected


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (
            edits.grant(ANA, "ORGANIZATION_OWNER", ORGANIZATION),
            {"users": [{"email": ANA.name, "organization_role": "ORGANIZATION_OWNER"}]},
        ),
        (edits.add_team("new"), {"teams": [{"name": "new"}]}),
        (edits.add_role(ROLE), {"roles": [ROLE]}),
        (edits.add_token(TOKEN), {"api_tokens": [TOKEN]}),
    ],
)
def test_first_entry(edit: Edit, expected: dict[str, Any]) -> None:
    """The first entry of its kind makes the list."""
    assert edited(edit, BARE) == {**BARE, **expected}


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (edits.grant(SHOUTED, "DAG_VIEWER", TAG), "user `ANA@Example.com` has `DAG_VIEWER` on tag `d` already"),
        (
            edits.grant(ANA, "WORKSPACE_MEMBER", WS, note="on call"),
            "user `ana@example.com` has `WORKSPACE_MEMBER` on Workspace `ws` already",
        ),
        (edits.grant(NONE, "DAG_VIEWER", TAG), "there is no Team `en`, did you mean `eng`?"),
        (edits.grant(Principal("Team", "xyz"), "DAG_VIEWER", TAG), "there is no Team `xyz`"),
        (edits.revoke(ANA, "WORKSPACE_OWNER", WS), "user `ana@example.com` has no `WORKSPACE_OWNER` on Workspace `ws`"),
        (
            edits.revoke(ANA, "ORGANIZATION_OWNER", ORGANIZATION),
            "user `ana@example.com` has no `ORGANIZATION_OWNER` on the Organization",
        ),
        (
            edits.revoke(BO, "ORGANIZATION_OWNER", ORGANIZATION),
            "user `bo@example.com` has no `ORGANIZATION_OWNER` on the Organization",
        ),
        (
            edits.revoke(CY, "ORGANIZATION_OWNER", ORGANIZATION),
            "user `cy@example.com` has no `ORGANIZATION_OWNER` on the Organization",
        ),
        (edits.revoke(CY, "DAG_VIEWER", TAG), "user `cy@example.com` has no `DAG_VIEWER` on tag `d`"),
        (edits.revoke(BO, "DAG_VIEWER", DAG), "user `bo@example.com` has no `DAG_VIEWER` on Dag `d`"),
        (
            edits.revoke(ENG, "DAG_VIEWER", DAG),
            "Team `eng` has no `DAG_VIEWER` on Dag `d`",
        ),
        (edits.revoke(NONE, "DAG_VIEWER", TAG), "Team `en` has no `DAG_VIEWER` on tag `d`"),
        (edits.remove_user("cy@example.com"), "the policy does not name user `cy@example.com`"),
        (edits.add_team("eng"), "there is a Team `eng` already"),
        (edits.remove_team("Eng"), "there is no Team `Eng`, did you mean `eng`?"),
        (edits.change_members("enq", add=["x@y"]), "there is no Team `enq`, did you mean `eng`?"),
        (
            edits.change_members("eng", remove=["bob@example.com"]),
            "`bob@example.com` is not in members of Team `eng`, did you mean `bo@example.com`?",
        ),
        (edits.change_members("eng", "idp_groups", remove=["G"]), "`G` is not in idp_groups of Team `eng`"),
        (edits.change_members("empty", remove=["x@y"]), "`x@y` is not in members of Team `empty`"),
        (
            twice(edits.change_members("eng", add=["cy@example.com"], more={"note": "n"})),
            "`cy@example.com` is in members of Team `eng` already",
        ),
        (
            edits.change_members("eng", add=["ana@EXAMPLE.com"]),
            "`ana@EXAMPLE.com` is in members of Team `eng` already",
        ),
        (
            edits.change_members("empty", add=["x@y", "X@y"]),
            "`X@y` is in members of Team `empty` already",
        ),
        (edits.change_members("eng", "idp_groups", add=["g"]), "`g` is in idp_groups of Team `eng` already"),
        (edits.add_role(ROLE), "there is a role `watcher` already"),
        (edits.change_role("watchr", dict), "there is no custom role `watchr`, did you mean `watcher`?"),
        (edits.remove_role("x"), "there is no custom role `x`"),
        (edits.add_token(TOKEN), "there is an API token `tok` already"),
        (edits.change_token("tik", {}), "there is no API token `tik`, did you mean `tok`?"),
        (edits.remove_token("x"), "there is no API token `x`"),
    ],
)
def test_edit_that_does_not_fit(edit: Edit, message: str) -> None:
    """An edit of what is not there, or is there already, is refused, with the nearest name that there is."""
    with pytest.raises(EditError) as refused:
        edited(edit)
    assert str(refused.value) == message
    assert isinstance(refused.value, ValueError)


def test_groups_are_not_spelled_alike() -> None:
    """A group in other capitals is another group, where a member in other capitals is the same person."""
    new = edited(edits.change_members("eng", "idp_groups", add=["G"]))
    assert new["teams"][0]["idp_groups"] == ["g", "G"]


def test_grant_of_what_is_held_twice() -> None:
    """A role that somebody has in a scope twice is there once afterwards, with the end and note that were given."""
    twice = with_user(dag_roles=[VIEWER, DAG_ROLES[1], {**VIEWER, "expires_at": END}])
    for end in ({}, {"expires_at": END}):
        new = edited(edits.grant(ANA, "DAG_VIEWER", TAG, *end.values()), twice)
        assert new["users"][0]["dag_roles"] == [{**VIEWER, **end}, DAG_ROLES[1]]
    assert edited(edits.revoke(ANA, "DAG_VIEWER", TAG), twice)["users"][0]["dag_roles"] == [DAG_ROLES[1]]


def test_person_without_entry_is_removed_from_teams() -> None:
    """Somebody who is only a member of Teams is removed as well, and a policy without Teams gets none."""
    mapping = {"email": "CY@example.com", "note": "n"}
    members = {**BARE, "teams": [{"name": "t", "members": ["cy@example.com", mapping]}]}
    assert edited(edits.remove_user("Cy@example.com"), members)["teams"] == [{"name": "t", "members": []}]
    alone = {**BARE, "users": [{"email": "cy@example.com"}]}
    assert edited(edits.remove_user("cy@example.com"), alone) == {**BARE, "users": []}


def test_user_without_roles_keeps_what_a_revocation_does_not_touch() -> None:
    """An entry goes with its last role only; one that lost the role of the Organization goes too."""
    only = {**BARE, "users": [{"email": ANA.name, "organization_role": "ORGANIZATION_MEMBER", "dag_roles": []}]}
    assert edited(edits.revoke(ANA, "ORGANIZATION_MEMBER", ORGANIZATION), only)["users"] == []


UNDONE: list[tuple[Edit, Edit]] = [
    (edits.grant(CY, "DAG_VIEWER", TAG), edits.revoke(CY, "DAG_VIEWER", TAG)),
    (edits.grant(BO, "WORKSPACE_OWNER", WS, END, "n"), edits.revoke(BO, "WORKSPACE_OWNER", WS)),
    (edits.revoke(ANA, "DAG_VIEWER", TAG), edits.grant(ANA, "DAG_VIEWER", TAG)),
    (edits.revoke(BO, "DEPLOYMENT_ADMIN", DEP), edits.grant(BO, "DEPLOYMENT_ADMIN", DEP)),
    (
        edits.revoke(ANA, "ORGANIZATION_MEMBER", ORGANIZATION),
        edits.grant(ANA, "ORGANIZATION_MEMBER", ORGANIZATION),
    ),
    (edits.grant(ANA, "DAG_VIEWER", DAG), edits.grant(SHOUTED, "DAG_VIEWER", DAG, END)),
    (edits.add_team("new", "d", ["cy@example.com"], ["g"]), edits.remove_team("new")),
    (edits.change_members("eng", add=["cy@example.com"]), edits.change_members("eng", remove=["CY@example.com"])),
    (edits.change_members("eng", remove=["ana@example.com"]), edits.change_members("eng", add=["ana@example.com"])),
    (
        edits.change_members("empty", "idp_groups", add=["g"]),
        edits.change_members("empty", "idp_groups", remove=["g"]),
    ),
    (edits.add_role({**ROLE, "name": "new"}), edits.remove_role("new")),
    (edits.remove_role("watcher"), edits.add_role(ROLE)),
    (
        edits.change_role("watcher", lambda role: {**role, "description": "d"}),
        edits.change_role("watcher", lambda role: {**role, "description": ""}),
    ),
    (edits.add_token({**TOKEN, "id": "new"}), edits.remove_token("new")),
    (edits.remove_token("tok"), edits.add_token(TOKEN)),
    (edits.change_token("tok", {"description": "d"}), edits.change_token("tok", {"description": None})),
    (edits.replace(BARE), edits.replace(VALUES)),
]


@pytest.mark.parametrize("number", range(len(UNDONE)))
def test_edit_and_its_opposite(number: int) -> None:
    """An edit makes another document, and its opposite the one that was there before."""
    there, back = UNDONE[number]
    between = edited(there)
    assert list(changes(document(VALUES), document(between)))
    assert list(changes(document(VALUES), document(edited(back, between)))) == []


@given(cases(), st.data())
@settings(checked, max_examples=60)
def test_grants_of_any_policy_can_be_taken_and_given_back(case: Case, data: st.DataObject) -> None:
    """Every grant of users and Teams can be revoked, and given back with its end; then the document is the same."""
    old = document(case.values)
    given_to_people = [grant for grant in grants(old) if grant.principal.kind != "token"]
    if not given_to_people:
        return
    grant = data.draw(st.sampled_from(given_to_people))
    without = edited(edits.revoke(grant.principal, grant.role, grant.scope), case.values)
    left = [each for each in grants(document(without)) if each[1:4] == grant[1:4]]
    assert left == []
    alike = [each for each in given_to_people if each[1:4] == grant[1:4]]
    end = f"{grant.expires_at:%Y-%m-%dT%H:%M:%SZ}" if grant.expires_at else ""
    back = edited(edits.grant(grant.principal, grant.role, grant.scope, end), without)
    assert (list(changes(old, document(back))) == []) is (len(alike) == 1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2027-01-31", "2027-01-31"),
        (1, 1),
        (None, None),
        (datetime(2027, 1, 31, 1, tzinfo=timezone(timedelta(hours=1))), "2027-01-31T00:00:00Z"),
        (datetime(2027, 1, 31, 0, 0, 0, 5, tzinfo=UTC), "2027-01-31T00:00:00.000005Z"),
        (
            {"a": [{"b": datetime(2027, 1, 31, tzinfo=timezone(timedelta(hours=-2)))}, "c"], "d": True},
            {"a": [{"b": "2027-01-31T02:00:00Z"}, "c"], "d": True},
        ),
    ],
)
def test_plain(value: Any, expected: Any) -> None:
    """Times become text in UTC wherever they are, and everything else stays; the values themselves are left alone."""
    before = copy.deepcopy(value)
    assert plain(value) == expected
    assert value == before


def test_member_with_another_end() -> None:
    """A member that is a mapping stays one, and one that is there twice is there once; it can be removed like any."""
    more = {"expires_at": END}
    values = with_members({"email": "Ana@example.com", **more, "note": "n"}, "ana@example.com", "bo@example.com")
    add = edits.change_members("eng", add=["ANA@example.com"], more=more)
    assert edited(add, values) == with_members({"email": "Ana@example.com", **more}, "bo@example.com")
    bare = edited(edits.change_members("eng", add=["ana@example.com"]), values)
    assert bare == with_members({"email": "Ana@example.com"}, "bo@example.com")
    with pytest.raises(EditError, match="in members of Team `eng` already"):
        edits.change_members("eng", add=["ana@example.com"])(bare)
    removed = edited(edits.change_members("eng", remove=["ana@example.com"]), values)
    assert removed == with_members("bo@example.com")
    with pytest.raises(EditError, match="did you mean `ana@example"):
        edits.change_members("eng", remove=["anna@example.com"])(values)


def test_support() -> None:
    """A Team can be made one for support, and all of them be switched off and on; what is so already is refused."""
    made = edited(edits.add_team("new", support=True))
    assert made["teams"][-1] == {"name": "new", "support": True}
    off = edited(edits.set_support_access("disallowed"))
    assert off == {**VALUES, "support_access": "disallowed"}
    assert edited(edits.set_support_access("allowed"), off) == {**VALUES, "support_access": "allowed"}
    with pytest.raises(EditError, match="support access is allowed already"):
        edits.set_support_access("allowed")(VALUES)
    with pytest.raises(EditError, match="support access is disallowed already"):
        edits.set_support_access("disallowed")(off)


def test_rename() -> None:
    """A Team keeps all that it has; a role keeps all who have it: users, Teams and API tokens."""
    renamed = edited(edits.rename_team("eng", "ops"))
    assert renamed == {**VALUES, "teams": [{**VALUES["teams"][0], "name": "ops"}, VALUES["teams"][1]]}
    given = {**VIEWER, "role": "watcher"}
    roles = [{"role": "watcher", "entity_type": "DAG", "entity_id": "d", "deployment_id": "dep"}]
    values = {
        **VALUES,
        "teams": [{"name": "t", "dag_roles": [VIEWER, given]}],
        "users": [{"email": "ana@example.com", "dag_roles": [{**given, "note": "n"}]}],
        "api_tokens": [{**TOKEN, "roles": roles}, {**TOKEN, "id": "bare"}],
    }
    assert edited(edits.rename_role("watcher", "seer"), values) == {
        **VALUES,
        "roles": [{**ROLE, "name": "seer"}],
        "teams": [{"name": "t", "dag_roles": [VIEWER, {**given, "role": "seer"}]}],
        "users": [{"email": "ana@example.com", "dag_roles": [{**given, "role": "seer", "note": "n"}]}],
        "api_tokens": [{**TOKEN, "roles": [{**roles[0], "role": "seer"}]}, {**TOKEN, "id": "bare"}],
    }
    bare = {**BARE, "roles": [ROLE]}
    assert edited(edits.rename_role("watcher", "seer"), bare) == {**BARE, "roles": [{**ROLE, "name": "seer"}]}


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (edits.rename_team("enq", "x"), "there is no Team `enq`, did you mean `eng`?"),
        (edits.rename_team("eng", "empty"), "there is a Team `empty` already"),
        (edits.rename_team("eng", "eng"), "there is a Team `eng` already"),
        (edits.rename_role("watchers", "x"), "there is no custom role `watchers`, did you mean `watcher`?"),
        (edits.rename_role("DAG_VIEWER", "x"), "there is no custom role `DAG_VIEWER`"),
        (edits.rename_role("watcher", "watcher"), "there is a custom role `watcher` already"),
    ],
)
def test_rename_refused(edit: Edit, said: str) -> None:
    """What is not there, and a name that is, are refused."""
    with pytest.raises(EditError) as refused:
        edited(edit)
    assert str(refused.value) == said


def test_many_roles_at_once() -> None:
    """Roles that are taken and given at once are those that are taken and given one by one, found in one search."""
    searched = 0

    class Users(list[dict[str, Any]]):
        def __iter__(self) -> Any:
            nonlocal searched
            searched += 1
            return super().__iter__()

    take = [("DAG_VIEWER", TAG), ("ORGANIZATION_MEMBER", ORGANIZATION)]
    give = [edits.NewGrant("DAG_AUTHOR", GrantScope("tag", f"t{number}", "dep"), END, "why") for number in range(50)]
    one_by_one = VALUES
    for role, scope in take:
        one_by_one = edits.revoke(ANA, role, scope)(one_by_one)
    for new in give:
        one_by_one = edits.grant(ANA, *new)(one_by_one)
    at_once = edits.change_grants(SHOUTED, take=take, give=give)({**VALUES, "users": Users(VALUES["users"])})
    assert at_once == one_by_one != VALUES
    assert searched < 5
