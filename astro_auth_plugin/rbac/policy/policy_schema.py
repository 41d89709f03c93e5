"""The JSON Schema of the policy file, for editors: what fits where, and what each key, role and permission means.

A schema looks at one entry, so it knows the built-in roles of a place and takes any other name for a custom role; and
ids are looked up by the checks alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from astro_auth_plugin.rbac.model.permissions import ASTRO_WORDS, OF_ASTRO, TABLE, WORDS_OF, Scope
from astro_auth_plugin.rbac.model.roles import BUILT_IN, Level
from astro_auth_plugin.rbac.model.scopes import KINDS, KINDS_BY_ENTITY, ScopeKind
from astro_auth_plugin.rbac.policy.document import PolicyDocument

_ROLES_OF = {
    "workspace_roles": "Workspaces",
    "deployment_roles": "Deployments",
    "dag_roles": "Dags, tags and bundles",
    "object_roles": "connections, Variables and pools",
}
_ON_DAGS = [kind for kind in KINDS.values() if kind.level == "DAG"]
_OBJECTS = [kind for kind in KINDS.values() if kind.object_kind]
_ROLES = {
    "organization_role": "A role in every Deployment of the Organization.",
    **{key: f"Roles on single {places}." for key, places in _ROLES_OF.items()},
}
_DESCRIPTIONS: Mapping[str, Mapping[str, str]] = {
    "PolicyDocument": {
        "version": "The version of this format: 1.",
        "organization_id": "The Organization of this file.",
        "workspaces": "The Workspaces of the Organization.",
        "deployments": "The Deployments: each is one Airflow.",
        "roles": "Custom roles.",
        "teams": "Teams and their roles.",
        "users": "Users and their own roles.",
        "api_tokens": "API tokens and their roles.",
        "protected_tags": "Which Dags may use which tags.",
    },
    "Workspace": {"id": "The id that grants use; unique.", "name": "For readers."},
    "Deployment": {
        "id": "The id that grants and `[astro_auth] deployment_id` use; unique.",
        "workspace_id": "The Workspace of the Deployment.",
        "name": "For readers.",
    },
    "CustomRole": {
        "name": "The name that grants use; unique, and not that of a built-in role.",
        "scope": "Whether the role is granted on a Deployment, on Dags, or on connections, Variables and pools.",
        "permissions": "What the role allows.",
        "description": "For readers.",
    },
    "OrganizationGrant": {"role": "An Organization role."},
    "WorkspaceGrant": {"workspace_id": "A listed Workspace.", "role": "A Workspace role."},
    "DeploymentGrant": {
        "deployment_id": "A listed Deployment.",
        "role": "A Deployment role, or a custom role of scope DEPLOYMENT.",
    },
    "DagGrant": {
        "deployment_id": "The Deployment of the Dags.",
        "dag_id": "The id of one Dag, compared exactly. Exactly one of this, `tag` and `bundle`.",
        "tag": "A tag: the role is granted on every Dag with it.",
        "bundle": "The name of a Dag bundle: the role is granted on every Dag of it.",
        "folder": "A folder in the bundle, such as `finance/`: the role is granted on the Dags below it.",
        "role": "A Dag role, or a custom role of scope DAG.",
    },
    "ObjectGrant": {
        "deployment_id": "The Deployment of the objects.",
        "connection_id": "The id of one connection, compared exactly.",
        "connection_prefix": "How the ids of connections begin; ends in one of `_ - . / :`.",
        "variable_key": "The key of one Variable, compared exactly.",
        "variable_prefix": "How the keys of Variables begin; ends in one of `_ - . / :`.",
        "pool": "The name of one pool, compared exactly.",
        "pool_prefix": "How the names of pools begin; ends in one of `_ - . / :`.",
        "role": "An object role, or a custom role of scope OBJECT.",
    },
    "Member": {"email": "The user's e-mail."},
    "Team": {
        "name": "The name; unique.",
        "description": "For readers.",
        "members": "The users in it; they need no entry in `users`.",
        **_ROLES,
    },
    "User": {"email": "The e-mail of the user's account; unique.", **_ROLES},
    "TokenRole": {
        "role": "A role of the level of `entity_type`.",
        "entity_type": "What the role is granted on.",
        "entity_id": "The id of the Organization, Workspace, Deployment, Dag or object; or the tag, bundle or prefix.",
    },
    "ApiToken": {
        "id": "1 to 64 letters, digits, `-` or `_`; unique.",
        "name": "The name in logs.",
        "secret_sha256": "The SHA-256 of the token's secret, never the secret itself.",
        "expires_at": "When the token expires, or `never`.",
        "description": "For readers.",
        "roles": "The token's roles.",
    },
    "TagPlace": {"bundle": "The name of a Dag bundle."},
    "ProtectedTag": {
        "deployment_id": "The Deployment of the Dags.",
        "tag": "The tag, or a prefix of tags with `*` at its end.",
    },
}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the policy file."""
    schema = PolicyDocument.model_json_schema()
    models: dict[str, Any] = {"PolicyDocument": schema, **schema["$defs"]}
    for name, model in models.items():
        # Made of the names of classes and keys, they say nothing, and editors show them first.
        del model["title"]
        for key, described in model["properties"].items():
            described.pop("title", None)
            described.update({"description": text} if (text := _DESCRIPTIONS[name].get(key)) else {})
    in_organization = _role("ORGANIZATION")
    for holder in ("Team", "User"):
        mapping = models[holder]["properties"]["organization_role"]["anyOf"][-1]
        _narrow(models[holder], "organization_role", {"anyOf": [*in_organization["anyOf"], mapping]})
    _narrow(models["OrganizationGrant"], "role", in_organization)
    _narrow(models["WorkspaceGrant"], "role", _role("WORKSPACE"))
    _narrow(models["DeploymentGrant"], "role", _role("DEPLOYMENT"))
    _narrow(models["DagGrant"], "role", _role("DAG"))
    models["DagGrant"]["oneOf"] = [{"required": [kind.id_key]} for kind in _ON_DAGS]
    models["DagGrant"]["dependentRequired"] = {"folder": ["bundle"]}
    _narrow(models["ObjectGrant"], "role", _role("OBJECT"))
    models["ObjectGrant"]["oneOf"] = [{"required": [kind.id_key]} for kind in _OBJECTS]
    models["CustomRole"]["allOf"] = [
        _if("scope", scope, {"properties": {"permissions": {"items": _permissions(scope)}}}) for scope in WORDS_OF
    ]
    of_objects = models["ObjectGrant"]["properties"]
    models["TokenRole"]["allOf"] = [
        _if("entity_type", name, _of_entity(kind, of_objects)) for name, kind in KINDS_BY_ENTITY.items()
    ]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _narrow(model: dict[str, Any], key: str, values: dict[str, Any]) -> None:
    model["properties"][key] |= values


def _if(key: str, value: str, then: dict[str, Any]) -> dict[str, Any]:
    return {"if": {"properties": {key: {"const": value}}, "required": [key]}, "then": then}


def _of_entity(kind: ScopeKind, of_objects: Mapping[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {"role": _role(kind.level)}
    if kind.object_kind:
        properties["entity_id"] = {"pattern": of_objects[kind.id_key]["pattern"]}
    if kind.name != "bundle":
        properties["folder"] = False
    if kind.in_deployment:
        return {"properties": properties, "required": ["deployment_id"]}
    return {"properties": properties | {"deployment_id": False}}


def _role(level: Level) -> dict[str, Any]:
    """Return what a role of a level can be: a built-in one, or a custom one where there are any."""
    built_in = [
        {"const": role.name, "description": f"{role.name}: {role.description}."}
        for role in BUILT_IN.values()
        if role.level == level
    ]
    custom = {"type": "string", "minLength": 1, "not": {"enum": list(BUILT_IN)}, "description": "A custom role."}
    return {"anyOf": [*built_in, custom] if level in WORDS_OF else built_in}


def _permissions(scope: Scope) -> dict[str, Any]:
    """Return what a permission of a custom role can be."""
    meanings = {row.name: row.description for row in TABLE}
    words = WORDS_OF[scope]
    described = []
    for word in words:
        _, _, name, verb = word.split(".")
        described.append({"const": word, "description": f"{verb}: {meanings.get(name, name)}."})
    if scope == "DEPLOYMENT":
        described += [{"const": word, "description": "A permission in Astro."} for word in sorted(ASTRO_WORDS)]
        # Astro adds such words, and the checks take them with a warning.
        described.append({"type": "string", "pattern": f"^{OF_ASTRO.pattern}$"})
    return {"anyOf": described}
