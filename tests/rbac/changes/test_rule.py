"""Who may change what in a policy: a table, the slow rule, and laws over sequences of changes."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astro_auth_plugin.rbac.changes import edits
from astro_auth_plugin.rbac.changes.difference import PolicyChange, changes
from astro_auth_plugin.rbac.changes.edits import Edit, EditError
from astro_auth_plugin.rbac.changes.rule import LASTING_OWNER, OWNER, DeniedChange, denied_changes
from astro_auth_plugin.rbac.engine.delegation import Given, given_beyond, levels_given
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.scopes import ORGANIZATION as ORG
from astro_auth_plugin.rbac.model.scopes import GrantScope
from astro_auth_plugin.rbac.policy import loader
from astro_auth_plugin.rbac.policy.document import PolicyDocument
from astro_auth_plugin.rbac.policy.grants import Principal
from tests import reference_engine as reference
from tests.rbac.changes import reference_rule
from tests.rbac.changes.reference_rule import NEVER, workspaces
from tests.rbac.helpers import STRANGER, checked, engine_of, everybody, places
from tests.strategies import (
    DAG_CUSTOM,
    DEPLOYMENT_CUSTOM,
    DEPLOYMENTS,
    EMAILS,
    GROUPS,
    ONE_PERSON,
    ORGANIZATION,
    TEAMS,
    TOKENS,
    Case,
    cases,
    dag_roles,
    deployment_roles,
    grants_of_people,
    members,
    organization_roles,
    permission_words,
    policies,
    token,
    token_roles,
    workspace_roles,
)

# -- a table -------------------------------------------------------------------------------------------------------

SOON, LATE, LATER = "2027-07-01T00:00:00Z", "2028-01-01T00:00:00Z", "2029-01-01T00:00:00Z"
WS, WEB = GrantScope("Workspace", "ws"), GrantScope("Workspace", "web")
DEP, SISTER, FAR = (GrantScope("Deployment", name) for name in ("dep", "sister", "far"))
TAG, SISTER_TAG, FAR_TAG = (GrantScope("tag", "t", name) for name in ("dep", "sister", "far"))
DAG = GrantScope("Dag", "t", "dep")


def on(place: str, role: str, **more: str) -> dict[str, Any]:
    """Return the grants of somebody who has one role."""
    if role.startswith("ORGANIZATION"):
        return {"organization_role": {"role": role, **more} if more else role}
    if role.startswith("WORKSPACE"):
        return {"workspace_roles": [{"workspace_id": place, "role": role, **more}]}
    if role.startswith("DAG"):
        return {"dag_roles": [{"deployment_id": place, "tag": "t", "role": role, **more}]}
    return {"deployment_roles": [{"deployment_id": place, "role": role, **more}]}


def of_token(role: str, kind: str, entity: str, **more: str) -> dict[str, str]:
    return {"role": role, "entity_type": kind, "entity_id": entity, **more}


ON_TAG = of_token("DAG_VIEWER", "DAG_TAG", "t", deployment_id="dep")
ON_DEP = of_token("DEPLOYMENT_ACCESSOR", "DEPLOYMENT", "dep")
ADMIN_OF_DEP = of_token("DEPLOYMENT_ADMIN", "DEPLOYMENT", "dep")
MEMBER_OF_WS = of_token("WORKSPACE_MEMBER", "WORKSPACE", "ws")
OWNER_OF_WS = of_token("WORKSPACE_OWNER", "WORKSPACE", "ws")
OWNER_OF_ALL = of_token("ORGANIZATION_OWNER", "ORGANIZATION", "org")

TOKEN_ROLES = {
    "bare": [],
    "tag": [ON_TAG],
    "accessor": [ON_DEP],
    "member": [MEMBER_OF_WS],
    "mixed": [ON_TAG, MEMBER_OF_WS],
    "dep-admin": [ADMIN_OF_DEP],
    "ws-owner": [OWNER_OF_WS],
    "org-owner": [OWNER_OF_ALL],
}
PEOPLE: dict[str, dict[str, Any]] = {
    "olga": on("", "ORGANIZATION_OWNER"),
    "wanda": on("ws", "WORKSPACE_OWNER"),
    "amos": on("ws", "WORKSPACE_ADMIN"),
    "ada": on("dep", "DEPLOYMENT_ADMIN"),
    "sven": on("sister", "DEPLOYMENT_ADMIN"),
    "fay": on("web", "WORKSPACE_OWNER"),
    "otto": on("ws", "WORKSPACE_OPERATOR"),
    "mia": on("dep", "token-maker"),
    "vera": on("dep", "DAG_VIEWER"),
    "tess": on("dep", "DEPLOYMENT_ADMIN", expires_at=LATE),
    "theo": on("ws", "WORKSPACE_OWNER", expires_at=LATE),
    "oona": on("", "ORGANIZATION_OWNER", expires_at=LATE),
    "past": on("dep", "DEPLOYMENT_ADMIN", expires_at=reference.AT),
    "bill": on("", "ORGANIZATION_BILLING_ADMIN"),
    "gil": {},
}
POLICY: dict[str, Any] = {
    "version": 1,
    "organization_id": "org",
    "workspaces": [{"id": "ws"}, {"id": "web"}],
    "deployments": [
        {"id": name, "workspace_id": place} for name, place in (("dep", "ws"), ("sister", "ws"), ("far", "web"))
    ],
    "roles": [
        {
            "name": "token-maker",
            "scope": "DEPLOYMENT",
            "permissions": [
                *(f"deployment.apiTokens.{verb}" for verb in ("create", "rotate", "delete")),
                *(f"deployment.airflow.{name}.get" for name in ("website", "docs", "dag")),
            ],
        },
        {"name": "unused", "scope": "DAG", "permissions": ["dag.airflow.dag.get"]},
    ],
    "teams": [
        {"name": "empty", "members": ["gil@example.com"]},
        {"name": "viewers", "members": ["gil@example.com"], **on("dep", "DAG_VIEWER")},
        {"name": "fleeting", **on("dep", "DAG_VIEWER", expires_at=SOON)},
        {
            "name": "shift",
            "members": [
                {"email": "rota@example.com", "expires_at": LATE},
                {"email": "gone@example.com", "expires_at": reference.AT},
            ],
            **on("dep", "DEPLOYMENT_ADMIN"),
        },
        {"name": "in-ws", "members": ["gil@example.com"], **on("ws", "WORKSPACE_MEMBER")},
        {"name": "was-in-ws", **on("ws", "WORKSPACE_MEMBER", expires_at=reference.AT)},
        {"name": "in-far", **on("far", "DAG_VIEWER")},
        {"name": "admins", "idp_groups": ["admins"], **on("dep", "DEPLOYMENT_ADMIN")},
        {"name": "ws-owners", "idp_groups": ["ws-owners"], **on("ws", "WORKSPACE_OWNER")},
        {"name": "owners", "idp_groups": ["owners"], **on("", "ORGANIZATION_OWNER")},
        {
            "name": "deputies",
            "members": [{"email": "dora@example.com", "expires_at": LATE}],
            **on("", "ORGANIZATION_OWNER"),
        },
    ],
    "users": [{"email": f"{name}@example.com", **grants} for name, grants in PEOPLE.items()],
    "api_tokens": [
        *({**token(name), "roles": roles} for name, roles in TOKEN_ROLES.items()),
        {**token("dep-admin-2028"), "expires_at": LATE, "roles": [ADMIN_OF_DEP]},
        {**token("org-owner-2028"), "expires_at": LATE, "roles": [OWNER_OF_ALL]},
    ],
}


def person(name: str) -> Principal:
    return Principal("user", f"{name}@example.com")


def team(name: str) -> Principal:
    return Principal("Team", name)


def join(name: str, who: str = "ada", **more: str) -> Edit:
    return edits.change_members(name, add=[f"{who}@example.com"], more=more)


def new_token(*roles: dict[str, str], expires_at: str = "never") -> Edit:
    return edits.add_token({**token("new"), "expires_at": expires_at, "roles": list(roles)})


def with_roles(token_id: str, *roles: dict[str, str]) -> Edit:
    """Return an edit that gives an API token other roles."""
    return lambda values: {
        **values,
        "api_tokens": [
            {**each, "roles": list(roles)} if each["id"] == token_id else each for each in values["api_tokens"]
        ],
    }


def setting(key: str, value: Any) -> Edit:
    return lambda values: {**values, key: value}


def both(*several: Edit) -> Edit:
    """Return several edits as one."""

    def edit(values: dict[str, Any]) -> dict[str, Any]:
        for each in several:
            values = each(values)
        return values

    return edit


SECRET = {"secret_sha256": "2" * 64}
NOTHING = "the actor may not give any role"
MOVED = [
    {"id": "dep", "workspace_id": "ws"},
    {"id": "sister", "workspace_id": "ws"},
    {"id": "far", "workspace_id": "ws"},
]
MORE_PLACES = [*POLICY["deployments"], {"id": "new", "workspace_id": "ws"}]


def not_given(*roles: str, end: str = "") -> str:
    pairs = (text.split("@") for text in roles)
    listed = ", ".join(f"`{role}` on {f'`{place}`' if place else 'the Organization'}" for role, place in pairs)
    return f"the actor may not give {listed}{end}"


ROWS: list[tuple[str, Edit, set[str]]] = [
    # -- Deployment Admins give Deployment and Dag roles in their Deployment, to anybody, and take them
    ("ada", edits.grant(person("new"), "DAG_VIEWER", TAG), set()),
    ("ada", edits.grant(person("gil"), "DEPLOYMENT_ADMIN", DEP), set()),
    ("ada", edits.grant(person("olga"), "DAG_AUTHOR", DAG), set()),
    ("ada", edits.grant(team("in-ws"), "DAG_AUTHOR", DAG), set()),
    ("ada", edits.revoke(person("vera"), "DAG_VIEWER", TAG), set()),
    ("ada", edits.revoke(person("ada"), "DEPLOYMENT_ADMIN", DEP), set()),
    ("ada", edits.revoke(person("tess"), "DEPLOYMENT_ADMIN", DEP), set()),
    ("ada", edits.grant(person("ada"), "WORKSPACE_OWNER", WS), {not_given("WORKSPACE_OWNER@ws")}),
    ("ada", edits.grant(person("ada"), "WORKSPACE_ACCESSOR", WS), {not_given("WORKSPACE_ACCESSOR@ws")}),
    ("ada", edits.grant(person("ada"), "ORGANIZATION_MEMBER", ORG), {not_given("ORGANIZATION_MEMBER@")}),
    ("ada", edits.grant(person("ada"), "DEPLOYMENT_ACCESSOR", SISTER), {not_given("DEPLOYMENT_ACCESSOR@sister")}),
    ("ada", edits.grant(person("ada"), "DAG_VIEWER", SISTER_TAG), {not_given("DAG_VIEWER@sister")}),
    ("ada", edits.grant(person("ada"), "DAG_VIEWER", FAR_TAG), {not_given("DAG_VIEWER@far")}),
    ("ada", edits.revoke(person("wanda"), "WORKSPACE_OWNER", WS), {not_given("WORKSPACE_OWNER@ws")}),
    ("ada", edits.revoke(person("olga"), "ORGANIZATION_OWNER", ORG), {not_given("ORGANIZATION_OWNER@")}),
    ("ada", edits.remove_user("wanda@example.com"), {not_given("WORKSPACE_OWNER@ws")}),
    ("ada", edits.remove_user("vera@example.com"), set()),
    ("ada", edits.remove_user("gil@example.com"), {not_given("WORKSPACE_MEMBER@ws")}),
    ("sven", edits.grant(person("sven"), "DAG_VIEWER", TAG), {not_given("DAG_VIEWER@dep")}),
    ("past", edits.grant(person("gil"), "DAG_VIEWER", TAG), {not_given("DAG_VIEWER@dep")}),
    # -- Workspace Owners give in the Workspace and its Deployments
    ("wanda", edits.grant(person("gil"), "WORKSPACE_OWNER", WS), set()),
    ("amos", edits.grant(person("gil"), "WORKSPACE_OWNER", WS), set()),
    ("wanda", edits.grant(person("gil"), "DEPLOYMENT_ADMIN", SISTER), set()),
    ("wanda", edits.grant(person("gil"), "DAG_VIEWER", SISTER_TAG), set()),
    ("wanda", edits.revoke(person("sven"), "DEPLOYMENT_ADMIN", SISTER), set()),
    ("wanda", edits.revoke(person("amos"), "WORKSPACE_ADMIN", WS), set()),
    ("wanda", edits.grant(person("gil"), "WORKSPACE_ACCESSOR", WEB), {not_given("WORKSPACE_ACCESSOR@web")}),
    ("wanda", edits.grant(person("gil"), "DEPLOYMENT_ACCESSOR", FAR), {not_given("DEPLOYMENT_ACCESSOR@far")}),
    ("wanda", edits.grant(person("gil"), "DAG_VIEWER", FAR_TAG), {not_given("DAG_VIEWER@far")}),
    ("wanda", edits.grant(person("wanda"), "ORGANIZATION_OWNER", ORG), {not_given("ORGANIZATION_OWNER@")}),
    ("wanda", edits.remove_user("olga@example.com"), {not_given("ORGANIZATION_OWNER@")}),
    ("fay", edits.grant(person("fay"), "DAG_VIEWER", FAR_TAG), {not_given("DAG_VIEWER@far")}),
    # -- Operators, custom roles, holders of Dag roles and strangers give nothing to people
    *(
        (name, edits.grant(person("gil"), "DAG_VIEWER", TAG), {not_given("DAG_VIEWER@dep")})
        for name in ("otto", "mia", "vera", "bill", "gil", "nobody")
    ),
    ("otto", edits.grant(person("new"), "DAG_VIEWER", TAG), {NOTHING, not_given("DAG_VIEWER@dep")}),
    ("otto", edits.grant(team("viewers"), "DAG_AUTHOR", TAG), {not_given("DAG_AUTHOR@dep")}),
    ("vera", edits.revoke(person("vera"), "DAG_VIEWER", TAG), {NOTHING, not_given("DAG_VIEWER@dep")}),
    # -- members of Teams, by whoever may give every role of the Team
    ("ada", join("viewers", "new"), set()),
    ("ada", edits.change_members("viewers", remove=["gil@example.com"]), set()),
    ("ada", join("in-ws"), {not_given("WORKSPACE_MEMBER@ws")}),
    ("ada", edits.change_members("in-ws", remove=["gil@example.com"]), {not_given("WORKSPACE_MEMBER@ws")}),
    ("ada", join("was-in-ws"), {not_given("WORKSPACE_MEMBER@ws")}),
    ("ada", join("in-far"), {not_given("DAG_VIEWER@far")}),
    ("ada", join("owners"), {not_given("ORGANIZATION_OWNER@")}),
    ("ada", join("empty"), set()),
    ("wanda", join("in-ws"), set()),
    ("wanda", join("owners"), {not_given("ORGANIZATION_OWNER@")}),
    ("otto", join("empty"), {NOTHING}),
    ("mia", join("empty"), {NOTHING}),
    ("nobody", edits.change_members("empty", remove=["gil@example.com"]), {NOTHING}),
    ("vera", join("viewers"), {not_given("DAG_VIEWER@dep")}),
    ("ada", both(edits.revoke(team("viewers"), "DAG_VIEWER", TAG), join("viewers")), set()),
    # -- Teams, their groups, custom roles and settings, by Organization Owners
    *(
        (name, edit, {OWNER})
        for name in ("ada", "wanda", "otto", "nobody")
        for edit in (
            edits.add_team("new"),
            edits.add_team("new", "described"),
            edits.change_members("viewers", "idp_groups", add=["g"]),
            edits.change_members("admins", "idp_groups", remove=["admins"]),
            edits.add_role({"name": "new", "scope": "DAG", "permissions": []}),
            edits.change_role("token-maker", lambda role: {**role, "permissions": role["permissions"][:1]}),
            edits.change_role("unused", lambda role: {**role, "restricted_workspace_ids": []}),
            edits.remove_role("unused"),
            edits.rename_team("viewers", "new"),
            edits.rename_role("token-maker", "new"),
            edits.add_team("new", support=True),
            edits.set_support_access("disallowed"),
            lambda values: {
                **values,
                "teams": [{**each, "support": each["name"] == "viewers"} for each in values["teams"]],
            },
            setting("protect_granted_tags", True),
            setting("protected_tags", [{"deployment_id": "dep", "tag": "t", "only_in": []}]),
            setting("workspaces", [*POLICY["workspaces"], {"id": "new"}]),
            setting("deployments", MOVED),
            setting("deployments", MORE_PLACES),
        )
    ),
    ("wanda", edits.remove_team("viewers"), {OWNER}),
    ("ada", edits.remove_team("in-ws"), {OWNER, not_given("WORKSPACE_MEMBER@ws")}),
    ("ada", edits.add_team("new", members=["ada@example.com"]), {OWNER}),
    ("ada", both(edits.add_team("new"), edits.grant(team("new"), "DAG_VIEWER", TAG)), {OWNER}),
    # What the policy does not know yet is an Owner's, too.
    (
        "wanda",
        both(
            setting("deployments", MORE_PLACES), edits.grant(person("gil"), "DAG_VIEWER", GrantScope("tag", "t", "new"))
        ),
        {OWNER, not_given("DAG_VIEWER@new")},
    ),
    (
        "wanda",
        both(
            setting("deployments", MORE_PLACES),
            new_token(of_token("DAG_VIEWER", "DAG_TAG", "t", deployment_id="new")),
        ),
        {OWNER, not_given("DAG_VIEWER@new")},
    ),
    (
        "mia",
        both(
            edits.add_role({"name": "new", "scope": "DEPLOYMENT", "permissions": []}),
            new_token(of_token("new", "DEPLOYMENT", "dep")),
        ),
        {OWNER, not_given("new@dep")},
    ),
    (
        "wanda",
        both(setting("deployments", MOVED), edits.grant(person("gil"), "DEPLOYMENT_ADMIN", FAR)),
        {OWNER, not_given("DEPLOYMENT_ADMIN@far")},
    ),
    # -- ends and notes
    ("ada", edits.grant(person("tess"), "DEPLOYMENT_ADMIN", DEP), set()),
    ("ada", edits.grant(person("vera"), "DAG_VIEWER", TAG, note="why"), set()),
    ("wanda", edits.grant(person("tess"), "DEPLOYMENT_ADMIN", DEP, SOON), set()),
    ("sven", edits.grant(person("tess"), "DEPLOYMENT_ADMIN", DEP, SOON), {not_given("DEPLOYMENT_ADMIN@dep")}),
    ("otto", edits.grant(person("vera"), "DAG_VIEWER", TAG, note="why"), {not_given("DAG_VIEWER@dep")}),
    ("ada", edits.grant(team("in-ws"), "WORKSPACE_MEMBER", WS, note="why"), {not_given("WORKSPACE_MEMBER@ws")}),
    # With a grant that ends, nobody gives what outlasts it; what is taken is taken now.
    ("tess", edits.grant(person("gil"), "DAG_VIEWER", TAG, LATE), set()),
    ("tess", edits.grant(person("gil"), "DAG_VIEWER", TAG, reference.AT), set()),
    ("tess", edits.grant(person("gil"), "DAG_VIEWER", TAG, LATER), {not_given("DAG_VIEWER@dep", end=" for so long")}),
    ("tess", edits.grant(person("gil"), "DAG_VIEWER", TAG), {not_given("DAG_VIEWER@dep", end=" for so long")}),
    (
        "tess",
        edits.grant(person("tess"), "DEPLOYMENT_ADMIN", DEP),
        {not_given("DEPLOYMENT_ADMIN@dep", end=" for so long")},
    ),
    ("tess", edits.grant(person("tess"), "DEPLOYMENT_ADMIN", DEP, SOON), set()),
    ("tess", edits.revoke(person("ada"), "DEPLOYMENT_ADMIN", DEP), set()),
    ("tess", join("fleeting", "tess"), set()),
    ("tess", join("viewers", "tess"), {not_given("DAG_VIEWER@dep", end=" for so long")}),
    ("tess", edits.change_members("viewers", remove=["gil@example.com"]), set()),
    # A membership that ends, too, gives no right to give what outlasts it; and another end of it is given anew.
    ("tess", join("viewers", "tess", expires_at=LATE), set()),
    ("tess", join("viewers", "tess", expires_at=LATER), {not_given("DAG_VIEWER@dep", end=" for so long")}),
    ("rota", edits.grant(person("gil"), "DAG_VIEWER", TAG, LATE), set()),
    ("rota", edits.grant(person("gil"), "DAG_VIEWER", TAG, LATER), {not_given("DAG_VIEWER@dep", end=" for so long")}),
    ("rota", join("shift", "rota"), {not_given("DEPLOYMENT_ADMIN@dep", end=" for so long")}),
    ("rota", join("shift", "rota", expires_at=LATER), {not_given("DEPLOYMENT_ADMIN@dep", end=" for so long")}),
    ("rota", join("shift", "rota", expires_at=SOON), set()),
    ("rota", join("shift", "rota", expires_at=LATE, note="why"), set()),
    ("gone", join("shift", "gone"), {not_given("DEPLOYMENT_ADMIN@dep")}),
    ("gone", join("shift", "gone", expires_at=LATE), {not_given("DEPLOYMENT_ADMIN@dep")}),
    ("ada", join("shift", "rota"), set()),
    ("vera", join("shift", "gone"), {not_given("DEPLOYMENT_ADMIN@dep")}),
    # An Organization Owner whose membership ends, neither: and roles and settings have no end.
    ("dora", edits.grant(person("gil"), "WORKSPACE_OWNER", WS, LATE), set()),
    (
        "dora",
        edits.grant(person("dora"), "WORKSPACE_OWNER", WS),
        {not_given("WORKSPACE_OWNER@ws", end=" for so long")},
    ),
    (
        "dora",
        edits.grant(person("dora"), "ORGANIZATION_OWNER", ORG),
        {not_given("ORGANIZATION_OWNER@", end=" for so long")},
    ),
    ("dora", edits.revoke(person("olga"), "ORGANIZATION_OWNER", ORG), set()),
    ("oona", edits.grant(person("gil"), "ORGANIZATION_OWNER", ORG, LATE), set()),
    ("oona", edits.grant(person("oona"), "ORGANIZATION_OWNER", ORG, SOON), set()),
    (
        "oona",
        edits.grant(person("oona"), "ORGANIZATION_OWNER", ORG, LATER),
        {not_given("ORGANIZATION_OWNER@", end=" for so long")},
    ),
    (
        "oona",
        edits.grant(person("oona"), "ORGANIZATION_OWNER", ORG),
        {not_given("ORGANIZATION_OWNER@", end=" for so long")},
    ),
    ("oona", edits.remove_role("unused"), {LASTING_OWNER}),
    ("dora", join("deputies", "dora"), {not_given("ORGANIZATION_OWNER@", end=" for so long")}),
    ("dora", join("deputies", "gil", expires_at=LATE), set()),
    (
        "dora",
        edits.change_members("deputies", "idp_groups", add=["g"]),
        {not_given("ORGANIZATION_OWNER@", end=" for so long")},
    ),
    ("dora", edits.change_members("owners", "idp_groups", remove=["owners"]), set()),
    ("dora", edits.change_members("empty", "idp_groups", add=["g"]), set()),
    ("dora", new_token(OWNER_OF_ALL, expires_at=LATE), set()),
    ("dora", new_token(OWNER_OF_ALL), {not_given("ORGANIZATION_OWNER@org", end=" until the token ends")}),
    ("dora", edits.add_team("new", "described"), set()),
    ("dora", edits.rename_team("viewers", "new"), set()),
    *(
        ("dora", edit, {LASTING_OWNER})
        for edit in (
            edits.change_role("unused", lambda role: {**role, "restricted_workspace_ids": []}),
            setting("protect_granted_tags", True),
        )
    ),
    (
        "theo",
        edits.grant(person("theo"), "DEPLOYMENT_ADMIN", SISTER),
        {not_given("DEPLOYMENT_ADMIN@sister", end=" for so long")},
    ),
    # -- API tokens
    ("ada", new_token(ON_TAG), set()),
    ("ada", new_token(ADMIN_OF_DEP), set()),
    ("ada", new_token(), set()),
    ("ada", new_token(ON_TAG, MEMBER_OF_WS), {not_given("WORKSPACE_MEMBER@ws")}),
    ("ada", new_token(OWNER_OF_ALL), {not_given("ORGANIZATION_OWNER@org")}),
    ("ada", edits.change_token("dep-admin", SECRET), set()),
    ("ada", edits.change_token("member", SECRET), {not_given("WORKSPACE_MEMBER@ws")}),
    ("ada", edits.change_token("member", {"description": "why"}), {not_given("WORKSPACE_MEMBER@ws")}),
    ("ada", edits.change_token("ws-owner", SECRET), {not_given("WORKSPACE_OWNER@ws")}),
    ("ada", edits.remove_token("tag"), set()),
    ("ada", edits.remove_token("mixed"), {not_given("WORKSPACE_MEMBER@ws")}),
    ("ada", edits.remove_token("bare"), set()),
    ("ada", with_roles("tag", ADMIN_OF_DEP), set()),
    ("ada", with_roles("tag", OWNER_OF_WS), {not_given("WORKSPACE_OWNER@ws")}),
    ("ada", with_roles("mixed", ON_TAG), {not_given("WORKSPACE_MEMBER@ws")}),
    ("ada", with_roles("mixed"), {not_given("WORKSPACE_MEMBER@ws")}),
    ("ada", with_roles("member", ON_TAG), {not_given("WORKSPACE_MEMBER@ws")}),
    ("ada", with_roles("bare", ON_TAG), set()),
    ("ada", with_roles("bare", OWNER_OF_WS), {not_given("WORKSPACE_OWNER@ws")}),
    ("wanda", new_token(OWNER_OF_WS), set()),
    ("wanda", new_token(of_token("DEPLOYMENT_ADMIN", "DEPLOYMENT", "sister")), set()),
    ("wanda", edits.change_token("org-owner", SECRET), {not_given("ORGANIZATION_OWNER@org")}),
    ("wanda", new_token(of_token("DEPLOYMENT_ADMIN", "DEPLOYMENT", "far")), {not_given("DEPLOYMENT_ADMIN@far")}),
    ("otto", new_token(MEMBER_OF_WS), set()),
    ("otto", edits.remove_token("member"), set()),
    ("otto", edits.change_token("member", SECRET), set()),
    ("otto", new_token(OWNER_OF_WS), {not_given("WORKSPACE_OWNER@ws")}),
    ("otto", edits.change_token("ws-owner", SECRET), {not_given("WORKSPACE_OWNER@ws")}),
    ("otto", new_token(ON_TAG), {not_given("DAG_VIEWER@dep")}),
    ("otto", new_token(), {NOTHING}),
    ("otto", edits.change_token("bare", SECRET), {NOTHING}),
    ("otto", edits.remove_token("bare"), {NOTHING}),
    ("mia", new_token(ON_DEP), set()),
    ("mia", edits.change_token("accessor", SECRET), set()),
    ("mia", edits.remove_token("accessor"), set()),
    ("mia", new_token(ADMIN_OF_DEP), {not_given("DEPLOYMENT_ADMIN@dep")}),
    ("mia", new_token(of_token("token-maker", "DEPLOYMENT", "dep")), set()),
    ("mia", edits.change_token("dep-admin", SECRET), {not_given("DEPLOYMENT_ADMIN@dep")}),
    (
        "mia",
        new_token(of_token("DEPLOYMENT_ACCESSOR", "DEPLOYMENT", "sister")),
        {not_given("DEPLOYMENT_ACCESSOR@sister")},
    ),
    ("mia", new_token(ON_TAG), {not_given("DAG_VIEWER@dep")}),
    ("vera", edits.remove_token("tag"), {not_given("DAG_VIEWER@dep")}),
    ("nobody", new_token(ON_TAG), {not_given("DAG_VIEWER@dep")}),
    # A token ends no later than the grant of whoever knows its secret.
    ("tess", new_token(ON_TAG, expires_at=SOON), set()),
    ("tess", new_token(ON_TAG, expires_at=LATE), set()),
    ("tess", new_token(ON_TAG, expires_at=reference.AT), set()),
    ("tess", new_token(ON_TAG, expires_at=LATER), {not_given("DAG_VIEWER@dep", end=" until the token ends")}),
    ("tess", new_token(ON_TAG), {not_given("DAG_VIEWER@dep", end=" until the token ends")}),
    ("tess", edits.change_token("tag", SECRET), {not_given("DAG_VIEWER@dep", end=" until the token ends")}),
    ("tess", edits.change_token("tag", {"expires_at": SOON}), set()),
    ("tess", edits.remove_token("tag"), set()),
    ("tess", new_token(), set()),
    ("theo", new_token(MEMBER_OF_WS), {not_given("WORKSPACE_MEMBER@ws", end=" until the token ends")}),
    # -- an API token may do what its roles say, and no more
    ("token:dep-admin", edits.grant(person("gil"), "DEPLOYMENT_ADMIN", DEP), set()),
    ("token:dep-admin", edits.grant(person("gil"), "WORKSPACE_MEMBER", WS), {not_given("WORKSPACE_MEMBER@ws")}),
    ("token:dep-admin", with_roles("dep-admin", ADMIN_OF_DEP, OWNER_OF_WS), {not_given("WORKSPACE_OWNER@ws")}),
    ("token:dep-admin", edits.change_token("dep-admin", SECRET), set()),
    ("token:dep-admin", edits.remove_token("ws-owner"), {not_given("WORKSPACE_OWNER@ws")}),
    ("token:ws-owner", edits.grant(person("gil"), "WORKSPACE_OWNER", WS), set()),
    ("token:ws-owner", edits.add_team("new"), {OWNER}),
    ("token:org-owner", edits.add_team("new"), set()),
    ("token:org-owner", edits.revoke(person("olga"), "ORGANIZATION_OWNER", ORG), set()),
    ("token:member", edits.grant(person("gil"), "DAG_VIEWER", TAG), {not_given("DAG_VIEWER@dep")}),
    ("token:member", edits.change_token("member", SECRET), {not_given("WORKSPACE_MEMBER@ws")}),
    ("token:bare", join("empty"), {NOTHING}),
    ("token:gone", join("empty"), {NOTHING}),
    # -- and nothing that lasts longer than itself
    ("token:dep-admin-2028", edits.grant(person("gil"), "DAG_VIEWER", TAG, LATE), set()),
    ("token:dep-admin-2028", edits.grant(person("gil"), "DAG_VIEWER", TAG, SOON), set()),
    (
        "token:dep-admin-2028",
        edits.grant(person("gil"), "DAG_VIEWER", TAG, LATER),
        {not_given("DAG_VIEWER@dep", end=" for so long")},
    ),
    (
        "token:dep-admin-2028",
        edits.grant(person("gil"), "DAG_VIEWER", TAG),
        {not_given("DAG_VIEWER@dep", end=" for so long")},
    ),
    ("token:dep-admin-2028", edits.revoke(person("vera"), "DAG_VIEWER", TAG), set()),
    ("token:dep-admin-2028", join("viewers", expires_at=LATE), set()),
    ("token:dep-admin-2028", join("viewers"), {not_given("DAG_VIEWER@dep", end=" for so long")}),
    ("token:dep-admin-2028", new_token(ON_TAG, expires_at=LATE), set()),
    ("token:dep-admin-2028", new_token(ON_TAG), {not_given("DAG_VIEWER@dep", end=" until the token ends")}),
    (
        "token:dep-admin-2028",
        edits.change_token("dep-admin-2028", {"expires_at": "never"}),
        {not_given("DEPLOYMENT_ADMIN@dep", end=" until the token ends")},
    ),
    ("token:org-owner-2028", edits.add_team("new"), set()),
    ("token:org-owner-2028", edits.remove_role("unused"), {LASTING_OWNER}),
    (
        "token:org-owner-2028",
        edits.grant(person("gil"), "ORGANIZATION_OWNER", ORG),
        {not_given("ORGANIZATION_OWNER@", end=" for so long")},
    ),
    # -- somebody in a Team through a group
    ("gil in admins", edits.grant(person("gil"), "DEPLOYMENT_ADMIN", DEP), set()),
    ("gil in admins", join("viewers"), set()),
    ("gil in admins", join("admins", "gil"), set()),
    ("gil in admins", join("in-ws"), {not_given("WORKSPACE_MEMBER@ws")}),
    ("gil in admins", edits.change_members("admins", "idp_groups", add=["g"]), {OWNER}),
    ("gil in ws-owners", edits.grant(person("gil"), "WORKSPACE_OWNER", WS), set()),
    ("gil in ws-owners", edits.grant(person("gil"), "ORGANIZATION_OWNER", ORG), {not_given("ORGANIZATION_OWNER@")}),
    ("gil in owners", edits.grant(person("gil"), "ORGANIZATION_OWNER", ORG), set()),
    ("gil in owners", setting("protect_granted_tags", True), set()),
    ("gil in Admins", edits.grant(person("gil"), "DAG_VIEWER", TAG), {not_given("DAG_VIEWER@dep")}),
    ("token:bare in admins", edits.grant(person("gil"), "DAG_VIEWER", TAG), {not_given("DAG_VIEWER@dep")}),
    # A group is known as of the last sign-in, so it makes no API tokens; but it takes no Owner's power away.
    ("gil in admins", new_token(ON_TAG), {not_given("DAG_VIEWER@dep")}),
    ("gil in owners", new_token(OWNER_OF_ALL), set()),
    # -- all that is wrong is told
    (
        "ada",
        edits.replace({**POLICY, "users": POLICY["users"][:1], "teams": POLICY["teams"][1:], "api_tokens": []}),
        {
            OWNER,
            *map(
                not_given,
                ("WORKSPACE_OWNER@ws", "WORKSPACE_ADMIN@ws", "DEPLOYMENT_ADMIN@sister", "WORKSPACE_OWNER@web"),
            ),
            not_given("ORGANIZATION_OWNER@"),
            *map(not_given, ("WORKSPACE_OPERATOR@ws", "ORGANIZATION_BILLING_ADMIN@", "WORKSPACE_MEMBER@ws")),
            *map(not_given, ("ORGANIZATION_OWNER@org", "ORGANIZATION_OWNER@")),
        },
    ),
]
EVERYTHING = [edit for actor, edit, reasons in ROWS if reasons]


def judged(
    actor: str, edit: Edit, values: dict[str, Any] = POLICY, deployment_id: str = "dep"
) -> tuple[DeniedChange, ...]:
    """Return what an actor may not change; one is named by subject, or by the beginning of an e-mail, and its group."""
    name, _, group = actor.partition(" in ")
    subject = name if name.startswith("token:") else f"{name}@example.com"
    engine, after = engine_of(values, deployment_id), loader.from_values(edit(values)).policy
    assert after is not None
    wanted = list(changes(engine.policy.document, after.document))
    assert wanted
    return denied_changes(engine, subject, wanted, after.document, frozenset([group] if group else []))


@pytest.mark.parametrize("number", range(len(ROWS)))
def test_who_may_change_what(number: int) -> None:
    """Each part of a change is refused in words to whoever may not make it, and none to whoever may."""
    actor, edit, reasons = ROWS[number]
    before = copy.deepcopy(POLICY)
    assert {denied.reason for denied in judged(actor, edit)} == reasons
    assert before == POLICY


@pytest.mark.parametrize("number", range(len(EVERYTHING)))
def test_organization_owners_may_change_everything(number: int) -> None:
    """Whatever is refused to anybody else, an Organization Owner may change."""
    assert judged("olga", EVERYTHING[number]) == ()


@pytest.mark.parametrize(
    ("edit", "signs"),
    [
        (both(edits.revoke(team("in-ws"), "WORKSPACE_MEMBER", WS), join("in-ws")), "-+"),
        (both(join("empty"), edits.grant(team("empty"), "WORKSPACE_MEMBER", WS)), "++"),
    ],
)
def test_roles_of_a_team_count_as_they_were_and_as_they_will_be(edit: Edit, signs: str) -> None:
    """Members of a Team that loses or gets a role by the same change need somebody who may give that role."""
    denied = judged("ada", edit)
    assert [(each.change.sign, each.change.what) for each in denied] == [(signs[0], "grant"), (signs[1], "member")]
    assert {each.reason for each in denied} == {not_given("WORKSPACE_MEMBER@ws")}


TO_TOKENS: list[tuple[Edit, set[str]]] = [
    (new_token(ON_DEP), {"create"}),
    (edits.change_token("accessor", SECRET), {"rotate"}),
    (edits.change_token("accessor", {"expires_at": SOON}), {"rotate"}),
    (edits.remove_token("accessor"), {"delete"}),
    (with_roles("accessor", of_token("token-maker", "DEPLOYMENT", "dep")), {"create", "delete"}),
    (both(with_roles("accessor", ON_DEP, ON_DEP), edits.change_token("accessor", SECRET)), {"rotate"}),
]


@pytest.mark.parametrize("left_out", ["create", "rotate", "delete"])
@pytest.mark.parametrize("number", range(len(TO_TOKENS)))
def test_each_change_of_a_token_has_a_verb(number: int, left_out: str) -> None:
    """A custom role without one of the verbs allows what the others are for; other roles take two of them."""
    edit, verbs = TO_TOKENS[number]
    without = f"deployment.apiTokens.{left_out}"
    values = edits.change_role(
        "token-maker", lambda role: {**role, "permissions": [word for word in role["permissions"] if word != without]}
    )(POLICY)
    assert (judged("mia", edit, values) == ()) is (left_out not in verbs)


def test_admin_of_another_deployment() -> None:
    """What an Admin may give is given where the Admin is one, and asked about in another Deployment it is nothing."""
    there = edits.grant(person("gil"), "DAG_VIEWER", SISTER_TAG)
    assert judged("sven", there, deployment_id="sister") == ()
    assert [denied.reason for denied in judged("sven", there)] == [not_given("DAG_VIEWER@sister")]
    assert [denied.reason for denied in judged("ada", there, deployment_id="sister")] == [
        not_given("DAG_VIEWER@sister")
    ]


def test_return_to_a_version_in_which_the_actor_was_owner() -> None:
    """Whoever lost a role does not get it back by a return to the version in which it was there."""
    earlier = edits.grant(person("ada"), "WORKSPACE_OWNER", WS)(POLICY)
    assert judged("ada", edits.grant(person("gil"), "WORKSPACE_OWNER", WS), earlier) == ()
    (denied,) = judged("ada", edits.replace(earlier))
    assert denied.reason == not_given("WORKSPACE_OWNER@ws")
    assert str(denied) == f"+ user `ada@example.com`: `WORKSPACE_OWNER` on Workspace `ws`: {denied.reason}"
    assert judged("wanda", edits.replace(earlier)) == ()


def test_only_the_denied_parts_are_told() -> None:
    """Of a change that may be made in part, only the other parts are told, in their order."""
    edit = both(
        edits.grant(person("gil"), "DAG_VIEWER", TAG),
        edits.grant(person("gil"), "WORKSPACE_MEMBER", WS),
        edits.add_team("new"),
    )
    assert list(map(str, judged("ada", edit))) == [
        f"+ user `gil@example.com`: `WORKSPACE_MEMBER` on Workspace `ws`: {not_given('WORKSPACE_MEMBER@ws')}",
        f"+ Team `new`: {OWNER}",
    ]


def test_nothing_to_change_is_denied_to_nobody() -> None:
    """A change without parts has none that is denied, and a part that is not told is an Owner's."""
    engine = engine_of(POLICY, "dep")
    document = engine.policy.document
    assert denied_changes(engine, STRANGER, [], document) == ()
    untold = PolicyChange("+", "grant")
    assert denied_changes(engine, "ada@example.com", [untold], document) == (DeniedChange(untold, OWNER),)


@pytest.mark.parametrize(
    ("actor", "groups", "levels"),
    [
        ("olga", (), {"ORGANIZATION", "WORKSPACE", "DEPLOYMENT", "DAG", "OBJECT"}),
        ("wanda", (), {"WORKSPACE", "DEPLOYMENT", "DAG", "OBJECT"}),
        ("amos", (), {"WORKSPACE", "DEPLOYMENT", "DAG", "OBJECT"}),
        ("ada", (), {"DEPLOYMENT", "DAG", "OBJECT"}),
        ("sven", (), set()),
        ("fay", (), set()),
        ("otto", (), set()),
        ("mia", (), set()),
        ("past", (), set()),
        ("gil", (), set()),
        ("gil", ("admins",), {"DEPLOYMENT", "DAG", "OBJECT"}),
        ("gil", ("admins", "owners"), {"ORGANIZATION", "WORKSPACE", "DEPLOYMENT", "DAG", "OBJECT"}),
    ],
)
def test_levels_given(actor: str, groups: tuple[str, ...], levels: set[str]) -> None:
    """The levels at which somebody gives roles are those of all roles that the person has here."""
    assert levels_given(engine_of(POLICY, "dep"), f"{actor}@example.com", frozenset(groups)) == levels


def test_given_beyond() -> None:
    """Of the roles that are asked about, those are told that the actor may not give, in their order."""
    wanted = [
        Given("DAG_VIEWER", "DAG", "far"),
        Given("DAG_VIEWER", "DAG", "dep"),
        Given("WORKSPACE_OWNER", "WORKSPACE", "ws"),
        Given("DEPLOYMENT_ADMIN", "DEPLOYMENT", "nowhere"),
    ]
    engine = engine_of(POLICY, "dep")
    assert given_beyond(engine, "olga@example.com", wanted) == ()
    assert given_beyond(engine, "wanda@example.com", wanted) == (wanted[0], wanted[3])
    assert given_beyond(engine, "ada@example.com", iter(wanted)) == (wanted[0], *wanted[2:])
    assert given_beyond(engine, "gil@example.com", wanted) == tuple(wanted)
    assert given_beyond(engine, "gil@example.com", wanted, groups=frozenset(["ws-owners"])) == (wanted[0], wanted[3])


# -- the slow rule -------------------------------------------------------------------------------------------------


class Start(NamedTuple):
    """A random policy in which some may give roles, and the groups of whoever is asked about."""

    case: Case
    values: dict[str, Any]


GIVING = ("ORGANIZATION_OWNER", "WORKSPACE_OWNER", "WORKSPACE_ADMIN", "WORKSPACE_OPERATOR", "DEPLOYMENT_ADMIN")
TOKEN_WORDS = [
    *(f"deployment.apiTokens.{verb}" for verb in ("create", "rotate", "delete")),
    *(f"deployment.airflow.{name}.get" for name in ("website", "docs", "dag")),
]
ENDS = st.sampled_from(("", "", "", "", reference.AT, "2027-06-01T00:00:01Z", LATE, LATER))


@st.composite
def starts(draw: st.DrawFn) -> Start:
    """Draw a policy, and give some of its people, Teams and tokens roles that give roles."""
    case = draw(cases())
    values = copy.deepcopy(case.values)
    for role in values["roles"]:
        if role["scope"] == "DEPLOYMENT" and draw(st.booleans()):
            role["permissions"] = sorted(
                {*role["permissions"], *TOKEN_WORDS} - draw(st.sets(st.sampled_from(TOKEN_WORDS)))
            )
    if not values["users"]:
        values["users"].append({"email": EMAILS[0]})
    if not values["teams"]:
        values["teams"].append(
            {
                "name": TEAMS[0],
                "members": [draw(members(st.just(EMAILS[0])))],
                **draw(grants_of_people(values["roles"], case.pool)),
            }
        )
    if not values["api_tokens"]:
        roles = draw(st.lists(token_roles(values["roles"], case.pool), max_size=1))
        values["api_tokens"].append({**token(TOKENS[0]), "roles": roles})
    for entry in values["api_tokens"]:
        entry["expires_at"] = draw(ENDS) or "never"
    for _ in range(draw(st.integers(1, 4))):
        holder = draw(st.sampled_from([*values["users"], *values["teams"], *values["api_tokens"]]))
        role = draw(st.sampled_from(GIVING[1:] * 3 + GIVING))
        if "id" in holder:
            holder["roles"] = [*holder["roles"], token_role_of(role, case.deployment_id)]
        else:
            place = case.deployment_id if role == "DEPLOYMENT_ADMIN" else DEPLOYMENTS[case.deployment_id]
            end = draw(ENDS)
            for key, given_there in on(place, role, **({"expires_at": end} if end else {})).items():
                holder[key] = [*holder.get(key, []), *given_there] if isinstance(given_there, list) else given_there
    return Start(case, values)


def token_role_of(role: str, deployment_id: str) -> dict[str, str]:
    """Return a role of an API token in a Deployment, or around it."""
    kind = role.split("_", 1)[0]
    places = {"ORGANIZATION": ORGANIZATION, "WORKSPACE": DEPLOYMENTS[deployment_id], "DEPLOYMENT": deployment_id}
    return of_token(role, kind, places[kind])


def scope_of(entry: dict[str, str]) -> GrantScope:
    """Return the scope of an entry of a list of grants."""
    if "workspace_id" in entry:
        return GrantScope("Workspace", entry["workspace_id"])
    if "dag_id" in entry:
        return GrantScope("Dag", entry["dag_id"], entry["deployment_id"])
    if "tag" in entry:
        return GrantScope("tag", entry["tag"], entry["deployment_id"])
    return GrantScope("Deployment", entry["deployment_id"])


def some_holder(draw: st.DrawFn, values: dict[str, Any]) -> Principal:
    emails = st.sampled_from(EMAILS).flatmap(lambda email: st.sampled_from(ONE_PERSON[email]))
    return draw(
        st.builds(Principal, st.just("user"), emails) | st.builds(Principal, st.just("Team"), st.sampled_from(TEAMS))
    )


@st.composite
def some_grants(draw: st.DrawFn, values: dict[str, Any], case: Case) -> Edit:
    """Draw an edit that gives a role, or one that is there another end and note."""
    level = draw(st.sampled_from(("DAG", "DAG", "DEPLOYMENT", "WORKSPACE", "ORGANIZATION")))
    holder = some_holder(draw, values)
    if level == "ORGANIZATION":
        return edits.grant(holder, draw(organization_roles()), ORG, draw(ENDS), draw(st.sampled_from(("", "", "why"))))
    entries = {
        "DAG": dag_roles(values["roles"], case.pool),
        "DEPLOYMENT": deployment_roles(values["roles"], case.pool),
        "WORKSPACE": workspace_roles(),
    }
    entry = draw(entries[level])
    return edits.grant(holder, entry["role"], scope_of(entry), draw(ENDS), draw(st.sampled_from(("", "", "why"))))


@st.composite
def some_existing_grants(draw: st.DrawFn, values: dict[str, Any], case: Case) -> Edit:
    """Draw an edit that takes a role from somebody who has it, or gives it another end."""
    found = [
        (holder_of(each), entry)
        for each in [*values["users"], *values["teams"]]
        for key in reference_rule.LEVELS
        for entry in each.get(key, [])
    ]
    if not found:
        return draw(some_grants(values, case))
    holder, entry = draw(st.sampled_from(found))
    if draw(st.booleans()):
        return edits.revoke(holder, entry["role"], scope_of(entry))
    return edits.grant(holder, entry["role"], scope_of(entry), draw(ENDS))


def holder_of(entry: dict[str, Any]) -> Principal:
    return Principal("user", entry["email"]) if "email" in entry else Principal("Team", entry["name"])


@st.composite
def some_teams(draw: st.DrawFn, values: dict[str, Any], case: Case) -> Edit:
    """Draw an edit of Teams, their members and groups, or of a person as a whole."""
    there = {each["name"]: each for each in values["teams"]}
    name, email, group = (
        draw(st.sampled_from([*there, *there, *TEAMS])),
        draw(st.sampled_from(EMAILS)),
        draw(st.sampled_from(GROUPS)),
    )
    members = [reference.email_of(each) for each in there.get(name, {}).get("members", [])]
    leaving = draw(st.sampled_from(members)) if members else email
    end = draw(ENDS)
    added = f"{name} 2"
    with_role = edits.grant(Principal("Team", added), "DAG_VIEWER", GrantScope("tag", "t", case.deployment_id))
    kinds = [
        *[edits.change_members(name, add=[email])] * 4,
        *[edits.change_members(name, add=[leaving], more={"expires_at": end} if end else {})] * 2,
        *[edits.change_members(name, remove=[leaving])] * 3,
        edits.change_members(name, "idp_groups", add=[group]),
        edits.change_members(name, "idp_groups", remove=[group]),
        edits.add_team(name, "new", [email]),
        edits.remove_team(name),
        edits.rename_team(name, f"{name} 3"),
        edits.remove_user(email),
        both(edits.add_team(added), with_role),
    ]
    return draw(st.sampled_from(kinds))


@st.composite
def some_tokens(draw: st.DrawFn, values: dict[str, Any], case: Case) -> Edit:
    """Draw an edit of an API token: a new one, other roles, another secret or end, or none of it any more."""
    there = [entry["id"] for entry in values["api_tokens"]]
    if not there or draw(st.booleans()):
        name = draw(st.sampled_from(sorted({*TOKENS, "new"} - {*there})))
    else:
        name = draw(st.sampled_from(there))
    roles = draw(st.lists(token_roles(values["roles"], case.pool), max_size=2, unique_by=str))
    end = draw(ENDS) or "never"
    if name not in there:
        return edits.add_token({**token(name), "expires_at": end, "roles": roles})
    kinds = [
        with_roles(name, *roles),
        both(with_roles(name, *roles), edits.change_token(name, SECRET)),
        edits.change_token(name, SECRET),
        edits.change_token(name, {"expires_at": end}),
        edits.remove_token(name),
    ]
    return draw(st.sampled_from(kinds))


@st.composite
def some_settings(draw: st.DrawFn, values: dict[str, Any], case: Case) -> Edit:
    """Draw an edit of custom roles or settings."""
    name = draw(st.sampled_from(DEPLOYMENT_CUSTOM + DAG_CUSTOM))
    scope = "DEPLOYMENT" if name in DEPLOYMENT_CUSTOM else "DAG"
    words = draw(permission_words(scope, case.pool))
    kinds = [
        edits.add_role({"name": name, "scope": scope, "permissions": words}),
        edits.change_role(name, lambda role: {**role, "permissions": words}),
        edits.change_role(name, lambda role: {**role, "restricted_workspace_ids": []}),
        edits.remove_role(name),
        edits.rename_role(name, f"{name}-2"),
        setting("protect_granted_tags", draw(st.booleans())),
        setting("protected_tags", []),
        setting(
            "deployments", [*values["deployments"], {"id": "new", "workspace_id": DEPLOYMENTS[case.deployment_id]}]
        ),
    ]
    return draw(st.sampled_from(kinds))


@st.composite
def some_documents(draw: st.DrawFn, values: dict[str, Any], case: Case) -> Edit:
    """Draw another document of the same names, or one with parts of it."""
    other = draw(policies(case.pool))
    keys = draw(st.sampled_from((("users",), ("teams",), ("api_tokens",), tuple(other))))
    return edits.replace({**values, **{key: other[key] for key in keys}})


@st.composite
def edited(draw: st.DrawFn, values: dict[str, Any], case: Case) -> dict[str, Any]:
    """Draw what an edit makes of a document; the same document where the edit does not fit or makes no policy."""
    kinds = [some_grants, some_existing_grants, some_teams, some_teams, some_tokens, some_tokens]
    makers = draw(st.sampled_from([*kinds * 2, some_settings, some_documents]))
    try:
        new = draw(makers(values, case))(values)
    except EditError:
        return values
    return new if loader.from_values(new).policy else values


def kinds_denied(engine: Engine, subject: str, new: PolicyDocument, groups: frozenset[str]) -> frozenset[str]:
    """Name the kinds of the parts that a subject may not change."""
    wanted = changes(engine.policy.document, new)
    return frozenset(denied.change.what for denied in denied_changes(engine, subject, wanted, new, groups))


def document_of(values: dict[str, Any]) -> PolicyDocument:
    policy = loader.from_values(values).policy
    assert policy is not None
    return policy.document


@given(starts(), st.data())
@settings(checked, max_examples=200)
def test_rule_agrees_with_the_reference(start: Start, data: st.DataObject) -> None:
    """Both rules refuse the same kinds of parts to everybody, with groups and without."""
    new = data.draw(edited(start.values, start.case))
    engine, document = engine_of(start.values, start.case.deployment_id), document_of(new)
    for subject in everybody(start.values):
        for groups in {frozenset[str](), start.case.groups}:
            found = kinds_denied(engine, subject, document, groups)
            expected = reference_rule.refused_kinds(start.values, new, start.case.deployment_id, subject, groups)
            assert found == expected, (subject, groups)


# -- laws ----------------------------------------------------------------------------------------------------------


class Acted(NamedTuple):
    """Somebody who made a change that was allowed, and the Deployment in which it was made."""

    subject: str
    deployment_id: str


class Story(NamedTuple):
    """A policy, what became of it by changes that were allowed, by whom, and the groups of everybody."""

    case: Case
    old: dict[str, Any]
    new: dict[str, Any]
    acted: tuple[Acted, ...]
    groups: frozenset[str]


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Draw a policy and changes of it by people who are no Organization Owners; some go back to an earlier version."""
    case, old = draw(starts())
    groups = draw(st.sampled_from((frozenset[str](), case.groups)))
    # There was a time before, when some had more.
    versions = [draw(edited(old, case)), old]
    values, acted = old, []
    for _ in range(draw(st.integers(2, 6))):
        deployment_id = draw(st.sampled_from([case.deployment_id] * 3 + sorted(DEPLOYMENTS)))
        new = draw(edited(values, case)) if draw(st.integers(0, 3)) else draw(st.sampled_from(versions))
        allowed = may_make(values, new, deployment_id, groups)
        if allowed and new != values:
            acted.append(Acted(draw(st.sampled_from(allowed)), deployment_id))
            values = new
            versions.append(new)
    return Story(case, old, values, tuple(acted), groups)


def may_make(old: dict[str, Any], new: dict[str, Any], deployment_id: str, groups: frozenset[str]) -> list[str]:
    """List who may make a change, of all who are no Organization Owners; nobody for one that changes nothing."""
    engine, document = engine_of(old, deployment_id), document_of(new)
    wanted = list(changes(engine.policy.document, document))
    return [
        subject
        for subject in everybody(old)
        if wanted
        and "ORGANIZATION" not in levels_given(engine, subject, groups)
        and not denied_changes(engine, subject, wanted, document, groups)
    ]


def as_of(values: dict[str, Any], time: str) -> dict[str, Any]:
    """Return a document with only what has not ended by a time."""
    kept = reference_rule.with_grants(values, lambda entry: entry.get("expires_at", NEVER) > time)
    ended = [each["id"] for each in values["api_tokens"] if each["expires_at"] <= time]
    return {**kept, "api_tokens": [each for each in values["api_tokens"] if each["id"] not in ended]}


def held(
    values: dict[str, Any], deployment_id: str, subject: str, groups: Iterable[str], dag: reference.Dag | None
) -> set[str]:
    """Return all that a subject has in a place, with what gives it API tokens, by the slow engine."""
    return {
        name
        for grant in reference.grants_of(values, subject, groups)
        if reference.reaches(values, deployment_id, grant, dag)
        for name in reference.permissions(values, grant.role)
    }


def powers(values: dict[str, Any], subject: str, groups: Iterable[str]) -> set[tuple[str, str]]:
    """Return where a subject may give roles, and where it makes API tokens of the Workspace."""
    kinds = {
        **dict.fromkeys(("WORKSPACE_OWNER", "WORKSPACE_ADMIN"), "Workspace"),
        "ORGANIZATION_OWNER": "Organization",
        "WORKSPACE_OPERATOR": "tokens of Workspace",
        "DEPLOYMENT_ADMIN": "Deployment",
    }
    found = reference.grants_of(values, subject, groups)
    return {(kinds[grant.role], grant.where) for grant in found if grant.role in kinds}


def acting_powers(story: Story, time: str) -> set[tuple[str, str]]:
    """Return what those who acted could give at the beginning, where they acted: only that Workspace counts."""
    values = as_of(story.old, time)
    found = set()
    for subject, deployment_id in story.acted:
        there = {
            ("Workspace", DEPLOYMENTS[deployment_id]),
            ("tokens of Workspace", DEPLOYMENTS[deployment_id]),
            ("Deployment", deployment_id),
        }
        found |= powers(values, subject, story.groups) & there
    return found


def is_given(powers: set[tuple[str, str]], deployment_id: str) -> bool:
    """Whether roles in a Deployment may be given with these powers."""
    return ("Deployment", deployment_id) in powers or ("Workspace", DEPLOYMENTS[deployment_id]) in powers


TIMES = (reference.AT, "2027-06-15T00:00:00Z", "2028-06-01T00:00:00Z")
"""When to look: at the time of the changes, and when more and more grants have ended."""


@given(stories())
@settings(checked, max_examples=120)
def test_nobody_gains_what_no_actor_may_give(story: Story) -> None:
    """Whoever has more somewhere after any changes was given it by somebody who may give there, then and later on.

    An API token may have been made besides, with what those who acted there had themselves.
    """
    for time in TIMES:
        old, new = (as_of(values, time) for values in (story.old, story.new))
        actors = as_of(story.old, time)
        may = acting_powers(story, time)
        for deployment_id in DEPLOYMENTS:
            if is_given(may, deployment_id):
                continue
            for dag in places(story.case):
                had_by_actors = {
                    name
                    for acted in story.acted
                    for name in held(actors, deployment_id, acted.subject, story.groups, dag)
                }
                for subject in {*everybody(story.old), *everybody(story.new)}:
                    before = held(old, deployment_id, subject, story.groups, dag)
                    gained = held(new, deployment_id, subject, story.groups, dag) - before
                    assert not gained - (had_by_actors if subject.startswith("token:") else set()), (time, subject)


@given(stories())
@settings(checked, max_examples=80)
def test_nobody_gains_more_power_to_give_than_the_actors_have(story: Story) -> None:
    """Whoever may give more after any changes may give no more than those who made them could."""
    for time in TIMES:
        old, new = (as_of(values, time) for values in (story.old, story.new))
        may = acting_powers(story, time)
        for subject in {*everybody(story.old), *everybody(story.new)}:
            for kind, place in powers(new, subject, story.groups) - powers(old, subject, story.groups):
                if kind == "Deployment":
                    assert is_given(may, place), (time, subject)
                elif kind == "tokens of Workspace":
                    by_operator = (kind, place) in may and subject.startswith("token:")
                    assert by_operator or ("Workspace", place) in may, (time, subject)
                else:
                    assert kind == "Workspace" and ("Workspace", place) in may, (time, subject)


@given(stories())
@settings(checked, max_examples=40)
def test_what_belongs_to_owners_stays(story: Story) -> None:
    """Without an Organization Owner, Teams, groups, custom roles and settings are what they were."""
    parts = changes(document_of(story.old), document_of(story.new))
    assert {part.what for part in parts} <= {"grant", "member", "user", "API token"}
    assert workspaces(story.old) == workspaces(story.new)
