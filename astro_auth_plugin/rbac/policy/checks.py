"""What one entry of a policy cannot know: whether ids are listed, whether roles exist and fit, what is duplicate.

The checks look at plain values and step over whatever has the wrong shape (`shape_errors` reports that from the
models), so that one mistake does not hide the others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from astro_auth_plugin.rbac.model.permissions import (
    ASTRO_WORDS,
    WORDS_OF,
    Scope,
    is_of_astro,
    names,
)
from astro_auth_plugin.rbac.model.resources import fault_of_id, fault_of_prefix
from astro_auth_plugin.rbac.model.roles import BUILT_IN, Level
from astro_auth_plugin.rbac.model.scopes import KINDS, KINDS_BY_ENTITY, ScopeKind
from astro_auth_plugin.rbac.model.subjects import normalize_email
from astro_auth_plugin.rbac.policy.diagnostics import Diagnostic
from astro_auth_plugin.rbac.policy.entries import Entry, entries, holders, organization_role, text_at
from astro_auth_plugin.rbac.policy.hints import Hints
from astro_auth_plugin.rbac.policy.yaml_reader import Path


class _Known(NamedTuple):
    """What the document lists, gathered before the grants are looked at."""

    organization_id: str | None
    workspaces: dict[str, Entry]
    deployments: dict[str, Entry]
    roles: dict[str, Entry]
    restricted: dict[str, frozenset[str]]
    hints: Hints
    good: set[tuple[str | None, ...]]
    """Grants in which nothing is wrong, without their Dag or tag, in which most grants of a large policy differ."""


_LEVELS: tuple[tuple[str, Level], ...] = (
    ("workspace_roles", "WORKSPACE"),
    ("deployment_roles", "DEPLOYMENT"),
    ("dag_roles", "DAG"),
    ("object_roles", "OBJECT"),
)
_LEVEL_WORDS: dict[str, str] = {
    "ORGANIZATION": "an Organization role",
    "WORKSPACE": "a Workspace role",
    "DEPLOYMENT": "a Deployment role",
    "DAG": "a Dag role",
    "OBJECT": "an object role",
}
_DAG_KEYS = ("dag_id", "tag", "bundle")
_OBJECT_KEYS = [kind.id_key for kind in KINDS.values() if kind.level == "OBJECT"]
_BY_SCOPE = {scope: [*words, *(ASTRO_WORDS if scope == "DEPLOYMENT" else ())] for scope, words in WORDS_OF.items()}
_EVERY_WORD = [word for words in WORDS_OF.values() for word in words] + [*ASTRO_WORDS]


def errors(values: Entry, hints: Hints | None = None, unchanged: Collection[int] = frozenset()) -> Iterator[Diagnostic]:
    """Yield what is wrong across the entries of a document.

    Args:
        values: the document.
        hints: what finds the nearest known words.
        unchanged: the identities of users, Teams and API tokens in which nothing is wrong, as long as they are no
            duplicates: they are the same in a document without errors that `is_about_the_same`.
    """
    known = _known(values, hints or Hints())
    yield from _listed(values, known)
    for path, role in entries(values, (), "roles"):
        yield from _custom_role(path, role, known)
    for path, holder in holders(values):
        if id(holder) not in unchanged:
            yield from _holder(path, holder, known)
    for path, team in entries(values, (), "teams"):
        if team.get("support") is True and id(team) not in unchanged:
            yield from _support_team(path, team, known)
    for path, token in entries(values, (), "api_tokens"):
        if id(token) not in unchanged:
            for role_path, role in entries(token, path, "roles"):
                yield from _token_role(role_path, role, known)


def is_about_the_same(values: Entry, others: Mapping[str, Any]) -> bool:
    """Whether two documents list the same of what users, Teams and API tokens are checked with."""
    return all(values.get(key) == others.get(key) for key in ("organization_id", "workspaces", "deployments", "roles"))


# -- what the document lists ---------------------------------------------------------------------------------------


def _known(values: Entry, hints: Hints) -> _Known:
    def by(key: str, name: str) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for _, entry in entries(values, (), key):
            text = text_at(entry, name)
            if text:
                found.setdefault(text, entry)
        return found

    roles = by("roles", "name")
    return _Known(
        text_at(values, "organization_id"),
        by("workspaces", "id"),
        by("deployments", "id"),
        roles,
        {
            name: frozenset(
                workspace_id for workspace_id in role["restricted_workspace_ids"] if isinstance(workspace_id, str)
            )
            for name, role in roles.items()
            if isinstance(role.get("restricted_workspace_ids"), list)
        },
        hints,
        set(),
    )


def _listed(values: Entry, known: _Known) -> Iterator[Diagnostic]:
    yield from _twice(values, "workspaces", "id", "Workspace")
    yield from _twice(values, "deployments", "id", "Deployment")
    yield from _twice(values, "roles", "name", "role")
    yield from _twice(values, "teams", "name", "Team")
    yield from _twice(values, "users", "email", "user", normalize_email)
    yield from _twice(values, "api_tokens", "id", "API token")
    for path, deployment in entries(values, (), "deployments"):
        yield from _is_listed(path, deployment, "workspace_id", "Workspace", known)


def _twice(values: Entry, key: str, name: str, what: str, same: Callable[[str], str] = str) -> Iterator[Diagnostic]:
    seen: dict[str, str] = {}
    for path, entry in entries(values, (), key):
        text = text_at(entry, name)
        if text is None:
            continue
        normal = same(text)
        if normal in seen:
            other = seen[normal]
            also = "" if other == text else f" (`{other}` is the same)"
            yield Diagnostic((*path, name), f"duplicate {what} `{text}`{also}")
        seen.setdefault(normal, text)


def _is_listed(
    path: Path, entry: Entry, key: str, what: Literal["Workspace", "Deployment"], known: _Known
) -> Iterator[Diagnostic]:
    text = text_at(entry, key)
    listed = known.workspaces if what == "Workspace" else known.deployments
    if text is not None and text not in listed:
        message = f"{what} `{text}` is not listed in this file{known.hints.did_you_mean(text, listed)}"
        yield Diagnostic((*path, key), message)


# -- custom roles --------------------------------------------------------------------------------------------------


def _custom_role(path: Path, role: Entry, known: _Known) -> Iterator[Diagnostic]:
    name = text_at(role, "name")
    if name in BUILT_IN:
        yield Diagnostic((*path, "name"), f"`{name}` is a built-in role; give the custom role another name")
    permissions = role.get("permissions")
    for position, word in enumerate(permissions if isinstance(permissions, list) else ()):
        if isinstance(word, str):
            yield from _permission_word((*path, "permissions", position), word, role.get("scope"), known.hints)
    restricted = role.get("restricted_workspace_ids")
    for position, workspace_id in enumerate(restricted if isinstance(restricted, list) else ()):
        if isinstance(workspace_id, str) and workspace_id not in known.workspaces:
            hint = known.hints.did_you_mean(workspace_id, known.workspaces)
            message = f"Workspace `{workspace_id}` is not listed in this file{hint}"
            yield Diagnostic((*path, "restricted_workspace_ids", position), message)


def _permission_word(path: Path, word: str, scope: Any, hints: Hints) -> Iterator[Diagnostic]:
    fitting = _scopes_of(word)
    if not fitting:
        known = [known for each, known in _BY_SCOPE.items() if each == scope] or [_EVERY_WORD]
        hint = hints.misspelling_of(word, known[0])
        yield Diagnostic(path, f"unknown permission `{word}`{hint}")
    elif scope in ("DAG", "OBJECT") and scope not in fitting:
        narrow = f"{scope.lower()}.{word.partition('.')[2]}"
        hint = f", did you mean `{narrow}`?" if narrow in WORDS_OF[scope] else ""
        yield Diagnostic(path, f"a role of scope {scope} cannot have `{word}`{hint}")
    elif scope == "DEPLOYMENT" and scope not in fitting:
        yield Diagnostic(
            path, f"a role of scope DEPLOYMENT cannot have `{word}`: that needs a role of scope {fitting[0]}"
        )


def _scopes_of(word: str) -> list[Scope]:
    """Return the scopes of the custom roles that may have a word; none for an unknown one."""
    found: list[Scope] = [scope for scope, words in WORDS_OF.items() if word in words]
    return found or (["DEPLOYMENT"] if is_of_astro(word) else [])


# -- grants --------------------------------------------------------------------------------------------------------


def _holder(path: Path, holder: Entry, known: _Known) -> Iterator[Diagnostic]:
    if in_organization := organization_role(holder, path):
        yield from _role_fits(*in_organization, "ORGANIZATION", known)
    for key, level in _LEVELS:
        for grant_path, grant in entries(holder, path, key) if key in holder else ():
            yield from _grant(grant_path, grant, level, known)
            if level == "DAG":
                yield from _names_one(grant_path, grant, _DAG_KEYS)
                if "folder" in grant and "bundle" not in grant:
                    yield Diagnostic((*grant_path, "folder"), "`folder` is only for a grant with `bundle`")
            if level == "OBJECT":
                yield from _names_one(grant_path, grant, _OBJECT_KEYS)


def _names_one(path: Path, grant: Entry, allowed: Collection[str]) -> Iterator[Diagnostic]:
    named = [key for key in allowed if key in grant]
    if len(named) != 1:
        keys = ", ".join(f"`{key}`" for key in allowed)
        found = " and ".join(f"`{key}`" for key in named) or "none"
        yield Diagnostic(path, f"expected exactly one of {keys}, found {found}")


def _support_team(path: Path, team: Entry, known: _Known) -> Iterator[Diagnostic]:
    """Yield the roles of a support Team that can do more than read."""
    for role_path, name in _roles_of(path, team):
        writes = _writes(name, known)
        if writes:
            words = ", ".join(f"`{word}`" for word in writes[:3])
            message = f"role `{name}` can do more than read ({words}), and a support Team can only have roles that read"
            yield Diagnostic(role_path, message)


def _roles_of(path: Path, holder: Entry) -> Iterator[tuple[Path, str]]:
    if in_organization := organization_role(holder, path):
        yield in_organization
    for key, _ in _LEVELS:
        for grant_path, grant in entries(holder, path, key):
            if role := text_at(grant, "role"):
                yield (*grant_path, "role"), role


def _writes(name: str, known: _Known) -> list[str]:
    """Return what a role can do besides reading: every permission but those that end in `.get`."""
    if name in BUILT_IN:
        role = BUILT_IN[name]
        words = [*names(role.permissions), *(["giving roles"] if role.gives or role.gives_tokens else [])]
    else:
        listed = known.roles[name].get("permissions") if name in known.roles else None
        words = [word for word in listed if isinstance(word, str)] if isinstance(listed, list) else []
    return [word for word in words if not word.endswith(".get")]


def _grant(path: Path, grant: Entry, level: Level, known: _Known) -> Iterator[Diagnostic]:
    role, deployment_id = text_at(grant, "role"), text_at(grant, "deployment_id")
    alike = level, role, deployment_id, text_at(grant, "workspace_id")
    if alike in known.good:
        return
    found = [
        *_is_listed(path, grant, "workspace_id", "Workspace", known),
        *_is_listed(path, grant, "deployment_id", "Deployment", known),
    ]
    if role:
        found += _role_fits((*path, "role"), role, level, known)
        found += _restricted((*path, "role"), role, deployment_id, known)
    if not found:
        known.good.add(alike)
    yield from found


def _role_fits(path: Path, name: str, level: Level, known: _Known) -> Iterator[Diagnostic]:
    if name in BUILT_IN:
        actual: str | None = BUILT_IN[name].level
    elif name in known.roles:
        actual = text_at(known.roles[name], "scope")
    else:
        fitting = [role.name for role in BUILT_IN.values() if role.level == level]
        fitting += [role for role, entry in known.roles.items() if entry.get("scope") == level]
        hint = known.hints.misspelling_of(name, fitting)
        hint = hint or known.hints.misspelling_of(name, [*BUILT_IN, *known.roles])
        yield Diagnostic(path, f"unknown role `{name}`{hint}")
        return
    if actual != level and actual in _LEVEL_WORDS:
        message = f"role `{name}` is {_LEVEL_WORDS[actual]}, expected {_LEVEL_WORDS[level]}"
        yield Diagnostic(path, message)


def _restricted(path: Path, name: str, deployment_id: str | None, known: _Known) -> Iterator[Diagnostic]:
    allowed = known.restricted.get(name)
    deployment = known.deployments.get(deployment_id or "")
    if allowed is None or deployment is None:
        return
    workspace_id = text_at(deployment, "workspace_id")
    if workspace_id and workspace_id not in allowed:
        message = f"role `{name}` is not allowed in Workspace `{workspace_id}`: see its `restricted_workspace_ids`"
        yield Diagnostic(path, message)


def _token_role(path: Path, role: Entry, known: _Known) -> Iterator[Diagnostic]:
    entity_type = role.get("entity_type")
    kind = KINDS_BY_ENTITY.get(entity_type) if isinstance(entity_type, str) else None
    if kind is None:
        return
    level = kind.level
    if kind.in_deployment and "deployment_id" not in role:
        yield Diagnostic(path, f"a role on {entity_type} needs `deployment_id`")
    if not kind.in_deployment and "deployment_id" in role:
        message = "`deployment_id` is only for Dags, tags, bundles and objects; here `entity_id` is the scope"
        yield Diagnostic((*path, "deployment_id"), message)
    if kind.name != "bundle" and "folder" in role:
        yield Diagnostic((*path, "folder"), "`folder` is only for a role on DAG_BUNDLE")
    yield from _entity(path, role, kind, known)
    name = text_at(role, "role")
    if name:
        yield from _role_fits((*path, "role"), name, level, known)
        where = text_at(role, "deployment_id") if kind.in_deployment else text_at(role, "entity_id")
        yield from _restricted((*path, "role"), name, where, known)


def _entity(path: Path, role: Entry, kind: ScopeKind, known: _Known) -> Iterator[Diagnostic]:
    entity_id = text_at(role, "entity_id")
    if kind.in_deployment:
        yield from _is_listed(path, role, "deployment_id", "Deployment", known)
        if kind.object_kind and entity_id:
            yield from _object_entity((*path, "entity_id"), entity_id, kind)
    elif kind.level == "DEPLOYMENT":
        yield from _is_listed(path, role, "entity_id", "Deployment", known)
    elif kind.level == "WORKSPACE":
        yield from _is_listed(path, role, "entity_id", "Workspace", known)
    elif entity_id and known.organization_id and entity_id != known.organization_id:
        message = f"this file is of Organization `{known.organization_id}`, not of `{entity_id}`"
        yield Diagnostic((*path, "entity_id"), message)


def _object_entity(path: Path, name: str, kind: ScopeKind) -> Iterator[Diagnostic]:
    if kind.is_prefix and (why := fault_of_prefix(name)):
        yield Diagnostic(path, f"invalid prefix `{name}`: {why}")
    elif not kind.is_prefix and (why := fault_of_id(name)):
        yield Diagnostic(path, f"invalid id `{name}`: {why}")
