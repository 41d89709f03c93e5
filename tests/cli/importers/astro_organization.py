"""An Organization as Astronomer's Terraform provider and Astro's API describe it, with all they say of each object."""

from __future__ import annotations

from typing import Any

ORGANIZATION, DATA, FINANCE = "clorg0main00000000000000001", "clws0data00000000000000001", "clws0fin000000000000000001"
PROD, DEV = "cldep0prod0000000000000001", "cldep0dev00000000000000001"
OLGA = {
    "id": "clu0olga00000000000000001",
    "subject_type": "USER",
    "username": "olga@example.com",
    "full_name": "Olga Orlov",
    "avatar_url": "https://avatars.example.com/olga",
    "api_token_name": None,
}
HISTORY = {
    "created_at": "2026-07-01 10:00:00 +0000 UTC",
    "updated_at": "2026-07-02 10:00:00 +0000 UTC",
    "created_by": OLGA,
    "updated_by": {
        "id": "cltok0tf000000000000000001",
        "subject_type": "SERVICEKEY",
        "username": None,
        "full_name": None,
        "avatar_url": None,
        "api_token_name": "terraform",
    },
}


def roles(organization_role: str = "ORGANIZATION_MEMBER", **lists: Any) -> dict[str, Any]:
    """Return the roles of a user or Team; lists that are not set are null."""
    none = dict.fromkeys(("workspace_roles", "deployment_roles", "dag_roles"))
    return {"organization_role": organization_role, **none, **lists}


def in_workspace(role: str) -> list[dict[str, Any]]:
    """Return a role in the Workspace Data."""
    return [{"workspace_id": DATA, "role": role}]


def in_deployment(role: str) -> list[dict[str, Any]]:
    """Return a role in the Deployment prod."""
    return [{"deployment_id": PROD, "role": role}]


def user_id(name: str) -> str:
    """Return the id of a user."""
    return f"clu0{name}".ljust(25, "0")


def user(name: str, held: dict[str, Any], status: str = "ACTIVE") -> dict[str, Any]:
    """Return a user."""
    profile = {"username": f"{name}@example.com", "full_name": name.title(), "avatar_url": ""}
    times = {key: HISTORY[key] for key in ("created_at", "updated_at")}
    return {"id": user_id(name), **profile, "status": status, **held, **times}


ANA = roles(
    workspace_roles=in_workspace("WORKSPACE_ACCESSOR"),
    deployment_roles=in_deployment("DEPLOYMENT_ACCESSOR"),
    dag_roles=[
        {"deployment_id": PROD, "dag_id": None, "tag": "team:finance", "role": "DAG_AUTHOR"},
        {"deployment_id": PROD, "dag_id": "exchange_rates", "tag": None, "role": "Dag Operator"},
    ],
)
USERS = [
    user("olga", roles("ORGANIZATION_OWNER")),
    user("ana", ANA),
    user("bo", roles(workspace_roles=in_workspace("WORKSPACE_AUTHOR"))),
    user("cy", roles(workspace_roles=in_workspace("WORKSPACE_ACCESSOR"), deployment_roles=in_deployment("Tokens"))),
    user("dan", roles(workspace_roles=in_workspace("WORKSPACE_MEMBER")), "PENDING"),
    user("eve", roles(workspace_roles=in_workspace("WORKSPACE_OWNER")), "INACTIVE"),
    user("fay", roles("ORGANIZATION_OBSERVE_ADMIN")),
]
FINANCE_TEAM = roles(
    workspace_roles=in_workspace("WORKSPACE_MEMBER"),
    deployment_roles=in_deployment("DEPLOYMENT_ACCESSOR"),
    dag_roles=[{"deployment_id": PROD, "dag_id": None, "tag": "production", "role": "DAG_VIEWER"}],
)
PLATFORM_TEAM = roles(workspace_roles=in_workspace("WORKSPACE_OPERATOR"))
DEVELOPERS_TEAM = roles(workspace_roles=in_workspace("WORKSPACE_AUTHOR"), deployment_roles=in_deployment("Old viewer"))
CUSTOM_ROLES = [
    {
        "id": "clrole0tokens",
        "name": "Tokens",
        "description": "Tokens",
        "scope_type": "DEPLOYMENT",
        "permissions": ["deployment.get", "deployment.apiTokens.get", "deployment.apiTokens.create"],
        "restricted_workspace_ids": None,
        **HISTORY,
    },
    {
        "id": "clrole0viewer",
        "name": "Old viewer",
        "description": None,
        "scope_type": "DEPLOYMENT",
        "permissions": ["deployment.get", "deployment.apiKeys.get", "deployment.airflow.dag.get"],
        "restricted_workspace_ids": [DATA],
        **HISTORY,
    },
    {
        "id": "clrole0operator",
        "name": "Dag Operator",
        "description": None,
        "scope_type": "DAG",
        "permissions": ["dag.airflow.dag.get", "dag.airflow.dagRun.get", "dag.airflow.dagRun.create"],
        "restricted_workspace_ids": None,
        **HISTORY,
    },
]
WORKSPACES = [
    {"id": each, "name": name, "description": "", "cicd_enforced_default": False, **HISTORY}
    for each, name in ((DATA, "Data"), (FINANCE, "Finance"))
]
DEPLOYMENTS = [
    {
        "id": each,
        "name": name,
        "workspace_id": workspace,
        "type": "STANDARD",
        "executor": "ASTRO",
        "environment_variables": [{"key": "S", "value": "this-is-a-secret", "is_secret": True}],
        "scaling_spec": None,
        **HISTORY,
    }
    for each, name, workspace in ((PROD, "prod", DATA), (DEV, "dev", FINANCE))
]


def token(name: str, held: list[dict[str, Any]]) -> dict[str, Any]:
    """Return an API token."""
    times = {"start_at": HISTORY["created_at"], "end_at": "2026-12-31 00:00:00 +0000 UTC", "last_used_at": None}
    more = {"description": "", "type": "DEPLOYMENT", "short_token": "this-is", "expiry_period_in_days": 180}
    return {"id": f"cltok0{name}", "name": name, "roles": held, **more, **times, **HISTORY}


CI = token(
    "ci",
    [
        {
            "role": "DEPLOYMENT_ACCESSOR",
            "entity_type": "DEPLOYMENT",
            "entity_id": PROD,
            "deployment_id": None,
        },
        {"role": "DAG_AUTHOR", "entity_type": "DAG_TAG", "entity_id": "production", "deployment_id": PROD},
    ],
)
OWNER = token(
    "owner",
    [
        {
            "role": "ORGANIZATION_OWNER",
            "entity_type": "ORGANIZATION",
            "entity_id": ORGANIZATION,
            "deployment_id": None,
        }
    ],
)


def members(*names: str) -> list[dict[str, Any]]:
    """Return members of a Team as data sources have them."""
    return [
        {
            "user_id": user_id(name),
            "username": f"{name}@example.com",
            "full_name": name.title(),
            "avatar_url": "",
            "created_at": HISTORY["created_at"],
        }
        for name in names
    ]


def team(name: str, held: dict[str, Any], *, is_idp_managed: bool = True, **more: Any) -> dict[str, Any]:
    """Return a Team."""
    facts = {"id": f"clteam0{name}", "name": name, "description": None, "is_idp_managed": is_idp_managed}
    return {**facts, **held, "roles_count": 1, **HISTORY, **more}


STATE: dict[str, list[Any]] = {
    "data.astro_organization": [{"id": ORGANIZATION, "name": "Main", "is_scim_enabled": True, "status": "ACTIVE"}],
    "astro_workspace": WORKSPACES,
    "astro_deployment": DEPLOYMENTS,
    "astro_custom_role": CUSTOM_ROLES,
    "data.astro_users_list": [{"workspace_id": None, "deployment_id": None, "users": USERS}],
    "astro_user_roles": [{"user_id": user_id("ana"), **ANA}],
    "astro_user_invite": [
        {
            "email": "gus@example.com",
            "role": "ORGANIZATION_OWNER",
            "expires_at": "2026-07-08 10:00:00 +0000 UTC",
            "invite_id": "clinv0gus",
            "user_id": user_id("gus"),
            "invitee": {**OLGA, "id": user_id("gus"), "username": "gus@example.com"},
            "inviter": OLGA,
        }
    ],
    # After the first apply: the Team has no roles yet, its resource of roles has.
    "astro_team": [
        team("finance", roles(), is_idp_managed=False, member_ids=[user_id("bo"), user_id("dan")]),
        team("developers", DEVELOPERS_TEAM, member_ids=None),
    ],
    "astro_team_roles": [{"team_id": "clteam0finance", **FINANCE_TEAM}],
    "astro_team_membership": [
        {
            "team_id": "clteam0developers",
            "user_id": user_id("fay"),
            "id": f"clteam0developers/{user_id('fay')}",
        }
    ],
    "data.astro_teams": [{"names": None, "teams": [team("platform", PLATFORM_TEAM, team_members=members("cy"))]}],
    "astro_api_token": [CI | {"token": "this-is-a-secret"}],
    "data.astro_api_tokens": [
        {
            "workspace_id": None,
            "deployment_id": None,
            "include_only_organization_tokens": None,
            "api_tokens": [OWNER, CI],
        }
    ],
    "astro_agent_token": [
        {
            "id": "clag",
            "deployment_id": PROD,
            "name": "agent",
            "description": None,
            "expiry_period_in_days": 30,
            "token": "this-is-a-secret",
        }
    ],
    "astro_allowed_ip_address_ranges": [{"id": ORGANIZATION, "ip_address_ranges": ["203.0.113.0/24"]}],
}
"""A state after a first apply, of an Organization of which Terraform manages a part."""


def _filled(held: dict[str, Any]) -> dict[str, Any]:
    return {
        key: [{name: word for name, word in each.items() if word} for each in value]
        if isinstance(value, list)
        else value
        for key, value in held.items()
        if key in roles() and value
    }


POLICY = {
    "version": 1,
    "organization_id": ORGANIZATION,
    "workspaces": [{"id": DATA, "name": "Data"}, {"id": FINANCE, "name": "Finance"}],
    "deployments": [
        {"id": DEV, "workspace_id": FINANCE, "name": "dev"},
        {"id": PROD, "workspace_id": DATA, "name": "prod"},
    ],
    "roles": [
        {
            "name": "Dag Operator",
            "scope": "DAG",
            "permissions": ["dag.airflow.dag.get", "dag.airflow.dagRun.create", "dag.airflow.dagRun.get"],
        },
        {
            "name": "Old viewer",
            "scope": "DEPLOYMENT",
            "permissions": ["deployment.airflow.dag.get", "deployment.apiKeys.get", "deployment.get"],
            "restricted_workspace_ids": [DATA],
        },
        {
            "name": "Tokens",
            "description": "Tokens",
            "scope": "DEPLOYMENT",
            "permissions": ["deployment.apiTokens.create", "deployment.apiTokens.get", "deployment.get"],
        },
    ],
    "teams": [
        {"name": "developers", "members": ["fay@example.com"], **_filled(DEVELOPERS_TEAM)},
        {"name": "finance", "members": ["bo@example.com"], **_filled(FINANCE_TEAM)},
        {"name": "platform", "members": ["cy@example.com"], **_filled(PLATFORM_TEAM)},
    ],
    "users": [
        {"email": f"{name}@example.com", **_filled(next(each for each in USERS if each["id"] == user_id(name)))}
        for name in ("ana", "bo", "cy", "fay", "olga")
    ],
}
_TOKEN = "its secret is not imported; create a new token with"
_UNTIL = "until 2026-12-31 00:00:00 +0000 UTC"
LEFT_OUT = [
    "Team `finance`: member `dan@example.com`: has not accepted the invite (PENDING); add the user afterwards",
    *(
        f"user `{name}@example.com`: {why}; its roles: ORGANIZATION_MEMBER, {role} on `{DATA}`"
        for name, why, role in (
            ("dan", "has not accepted the invite (PENDING); add the user afterwards", "WORKSPACE_MEMBER"),
            ("eve", "not an active user (INACTIVE)", "WORKSPACE_OWNER"),
        )
    ),
    f"API token `ci`: {_TOKEN} DEPLOYMENT_ACCESSOR on DEPLOYMENT `{PROD}`; DAG_AUTHOR on DAG_TAG `production` in `{PROD}`, {_UNTIL}",
    f"API token `owner`: {_TOKEN} ORGANIZATION_OWNER on ORGANIZATION `{ORGANIZATION}`, {_UNTIL}",
]
"""What is left out of the policy, each with the reason."""
