"""What one entry of a policy cannot know: whether ids are listed, whether roles exist and fit, what stands twice.

The checks look at plain values and step over whatever has the wrong shape (`policy` reports that from the models), so
that one mistake does not hide the others.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from astro_auth_plugin.rbac.permissions import ASTRO_WORDS, DAG_WORDS, DEPLOYMENT_WORDS, TABLE, mask, names
from astro_auth_plugin.rbac.policy_text import Path
from astro_auth_plugin.rbac.roles import BUILT_IN, Level
from astro_auth_plugin.rbac.subjects import normalize_email

Severity = Literal["error", "warning"]
Entry = dict[str, Any]

EXPIRES_SOON = timedelta(days=14)

# Without these the Airflow pages of a Dag show errors instead of the Dag.
_PAGES_NEED = mask("dag.get", "dagRun.get", "taskInstance.get", "dagDependencies.get")


class Finding(NamedTuple):
    """Something to say about the part at `path`; `at_key` when the key is wrong, and not its value.

    `rule` is the name that `lint` has for a warning.
    """

    path: Path
    message: str
    severity: Severity = "error"
    at_key: bool = False
    rule: str = ""


class _Known(NamedTuple):
    """What the document lists, gathered before the grants are looked at."""

    organization_id: str | None
    workspaces: dict[str, Entry]
    deployments: dict[str, Entry]
    roles: dict[str, Entry]


LEVEL_OF_ENTITY: dict[str, Level] = {
    "ORGANIZATION": "ORGANIZATION",
    "WORKSPACE": "WORKSPACE",
    "DEPLOYMENT": "DEPLOYMENT",
    "DAG": "DAG",
    "DAG_TAG": "DAG",
}
"""The level of the roles that an API token can have on something."""
_LEVEL_WORDS: dict[str, str] = {
    "ORGANIZATION": "an Organization role",
    "WORKSPACE": "a Workspace role",
    "DEPLOYMENT": "a Deployment role",
    "DAG": "a Dag role",
}


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the end of a message that names the nearest known word, or nothing."""
    # The time it takes grows with the square of the length, and no known word is that long.
    near = difflib.get_close_matches(word[:80], list(known), n=1, cutoff=0.6)
    return f", did you mean `{near[0]}`?" if near else ""


def errors(values: Entry) -> Iterator[Finding]:
    """Yield what is wrong across the entries of a document."""
    known = _known(values)
    yield from _listed(values, known)
    for path, role in _entries(values, (), "roles"):
        yield from _custom_role(path, role, known)
    for path, holder in _holders(values):
        yield from _holder(path, holder, known)
    for path, token in _entries(values, (), "api_tokens"):
        for role_path, role in _entries(token, path, "roles"):
            yield from _token_role(role_path, role, known)


def warnings(values: Entry, now: datetime | None) -> Iterator[Finding]:
    """Yield what is allowed but likely not meant, of a document without errors."""
    held_by_people = set()
    for path, holder in _holders(values):
        for key in ("workspace_roles", "deployment_roles", "dag_roles"):
            for grant_path, grant in _entries(holder, path, key):
                held_by_people.add(grant["role"])
                yield from _legacy(grant_path, grant["role"])
    for path, role in _entries(values, (), "roles"):
        yield from _weak_role(path, role, role["name"] in held_by_people)
    for path, team in _entries(values, (), "teams"):
        if not team.get("members") and not team.get("idp_groups"):
            yield _warning(path, "this Team has neither members nor groups, so nobody is in it", "empty-team")
    names_of_tokens: set[str] = set()
    for path, token in _entries(values, (), "api_tokens"):
        if token["name"] in names_of_tokens:
            yield _warning((*path, "name"), f"another API token is named `{token['name']}`, and logs show the name")
        names_of_tokens.add(token["name"])
        yield from _token_expiry(path, token, now)
        for role_path, role in _entries(token, path, "roles"):
            yield from _legacy(role_path, role["role"])


def unmatched(values: Entry, deployment_id: str, dag_ids: set[str], tags: set[str]) -> Iterator[Finding]:
    """Yield a warning for every grant in the Deployment on a Dag id or tag that no Dag has.

    Args:
        values: a document without errors.
        deployment_id: the Deployment whose Dags are given.
        dag_ids: the ids of all its Dags.
        tags: every tag that one of its Dags carries.
    """
    for path, where, kind, name in _dag_targets(values):
        if where == deployment_id and kind == "tag" and name not in tags:
            yield _warning(path, f"no Dag carries the tag `{name}`", "unknown-tag")
        if where == deployment_id and kind == "dag_id" and name not in dag_ids:
            yield _warning(path, f"there is no Dag `{name}`", "unknown-dag")


# -- walking plain values ------------------------------------------------------------------------------------------


def _entries(parent: Entry, path: Path, key: str) -> Iterator[tuple[Path, Entry]]:
    items = parent.get(key)
    if isinstance(items, list):
        for position, item in enumerate(items):
            if isinstance(item, dict):
                yield (*path, key, position), item


def _holders(values: Entry) -> Iterator[tuple[Path, Entry]]:
    yield from _entries(values, (), "teams")
    yield from _entries(values, (), "users")


def _dag_targets(values: Entry) -> Iterator[tuple[Path, str, str, str]]:
    """Yield the place, Deployment, kind (`dag_id` or `tag`) and name of everything that a Dag role is given on."""
    for path, holder in _holders(values):
        for grant_path, grant in _entries(holder, path, "dag_roles"):
            kind = "tag" if "tag" in grant else "dag_id"
            yield (*grant_path, kind), grant["deployment_id"], kind, grant[kind]
    for path, token in _entries(values, (), "api_tokens"):
        for role_path, role in _entries(token, path, "roles"):
            if LEVEL_OF_ENTITY[role["entity_type"]] == "DAG":
                kind = "tag" if role["entity_type"] == "DAG_TAG" else "dag_id"
                yield (*role_path, "entity_id"), role["deployment_id"], kind, role["entity_id"]


def _text(entry: Entry, key: str) -> str | None:
    value = entry.get(key)
    return value if isinstance(value, str) and value else None


def _warning(path: Path, message: str, rule: str = "other-warning") -> Finding:
    return Finding(path, message, "warning", rule=rule)


# -- what the document lists ---------------------------------------------------------------------------------------


def _known(values: Entry) -> _Known:
    def by(key: str, name: str) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for _, entry in _entries(values, (), key):
            text = _text(entry, name)
            if text:
                found.setdefault(text, entry)
        return found

    return _Known(
        _text(values, "organization_id"),
        by("workspaces", "id"),
        by("deployments", "id"),
        by("roles", "name"),
    )


def _listed(values: Entry, known: _Known) -> Iterator[Finding]:
    yield from _twice(values, "workspaces", "id", "Workspace")
    yield from _twice(values, "deployments", "id", "Deployment")
    yield from _twice(values, "roles", "name", "role")
    yield from _twice(values, "teams", "name", "Team")
    yield from _twice(values, "users", "email", "user", normalize_email)
    yield from _twice(values, "api_tokens", "id", "API token")
    for path, deployment in _entries(values, (), "deployments"):
        yield from _is_listed(path, deployment, "workspace_id", "Workspace", known.workspaces)


def _twice(values: Entry, key: str, name: str, what: str, same: Callable[[str], str] = str) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for path, entry in _entries(values, (), key):
        text = _text(entry, name)
        if text is None:
            continue
        if same(text) in seen:
            other = seen[same(text)]
            also = "" if other == text else f" (`{other}` is the same)"
            yield Finding((*path, name), f"{what} `{text}` stands here a second time{also}")
        seen.setdefault(same(text), text)


def _is_listed(path: Path, entry: Entry, key: str, what: str, listed: dict[str, Entry]) -> Iterator[Finding]:
    text = _text(entry, key)
    if text is not None and text not in listed:
        message = f"{what} `{text}` is not listed in this file{did_you_mean(text, listed)}"
        yield Finding((*path, key), message)


# -- custom roles --------------------------------------------------------------------------------------------------


def _custom_role(path: Path, role: Entry, known: _Known) -> Iterator[Finding]:
    name = _text(role, "name")
    if name in BUILT_IN:
        yield Finding((*path, "name"), f"`{name}` is a built-in role; give the custom role another name")
    permissions = role.get("permissions")
    for position, word in enumerate(permissions if isinstance(permissions, list) else ()):
        if isinstance(word, str):
            yield from _permission_word((*path, "permissions", position), word, role.get("scope"))
    restricted = role.get("restricted_workspace_ids")
    for position, workspace_id in enumerate(restricted if isinstance(restricted, list) else ()):
        if isinstance(workspace_id, str) and workspace_id not in known.workspaces:
            hint = did_you_mean(workspace_id, known.workspaces)
            message = f"Workspace `{workspace_id}` is not listed in this file{hint}"
            yield Finding((*path, "restricted_workspace_ids", position), message)


def _permission_word(path: Path, word: str, scope: Any) -> Iterator[Finding]:
    in_deployment = word in DEPLOYMENT_WORDS or word in ASTRO_WORDS
    if not in_deployment and word not in DAG_WORDS:
        known = {"DAG": [*DAG_WORDS], "DEPLOYMENT": [*DEPLOYMENT_WORDS, *ASTRO_WORDS]}
        hint = did_you_mean(word, known.get(str(scope), [*DEPLOYMENT_WORDS, *ASTRO_WORDS, *DAG_WORDS]))
        yield Finding(path, f"unknown permission `{word}`{hint}")
    elif scope == "DAG" and word not in DAG_WORDS:
        on_dag = f"dag.{word.removeprefix('deployment.')}"
        hint = f", did you mean `{on_dag}`?" if on_dag in DAG_WORDS else ""
        yield Finding(path, f"a role of scope DAG cannot hold `{word}`{hint}")
    elif scope == "DEPLOYMENT" and not in_deployment:
        wide = f"deployment.{word.removeprefix('dag.')}"
        yield Finding(path, f"a role of scope DEPLOYMENT cannot hold `{word}`, did you mean `{wide}`?")


# -- grants --------------------------------------------------------------------------------------------------------


def _holder(path: Path, holder: Entry, known: _Known) -> Iterator[Finding]:
    if _text(holder, "organization_role"):
        yield from _role_fits((*path, "organization_role"), holder["organization_role"], "ORGANIZATION", known)
    for grant_path, grant in _entries(holder, path, "workspace_roles"):
        yield from _grant(grant_path, grant, "WORKSPACE", known)
    for grant_path, grant in _entries(holder, path, "deployment_roles"):
        yield from _grant(grant_path, grant, "DEPLOYMENT", known)
    for grant_path, grant in _entries(holder, path, "dag_roles"):
        yield from _grant(grant_path, grant, "DAG", known)
        if ("dag_id" in grant) == ("tag" in grant):
            found = "both" if "tag" in grant else "neither"
            yield Finding(grant_path, f"expected exactly one of `dag_id` and `tag`, found {found}")


def _grant(path: Path, grant: Entry, level: Level, known: _Known) -> Iterator[Finding]:
    yield from _is_listed(path, grant, "workspace_id", "Workspace", known.workspaces)
    yield from _is_listed(path, grant, "deployment_id", "Deployment", known.deployments)
    role = _text(grant, "role")
    if role:
        yield from _role_fits((*path, "role"), role, level, known)
        yield from _restricted((*path, "role"), role, _text(grant, "deployment_id"), known)


def _role_fits(path: Path, name: str, level: Level, known: _Known) -> Iterator[Finding]:
    if name in BUILT_IN:
        actual: str | None = BUILT_IN[name].level
    elif name in known.roles:
        actual = _text(known.roles[name], "scope")
    else:
        fitting = [role.name for role in BUILT_IN.values() if role.level == level]
        fitting += [role for role, entry in known.roles.items() if entry.get("scope") == level]
        hint = did_you_mean(name, fitting) or did_you_mean(name, [*BUILT_IN, *known.roles])
        yield Finding(path, f"unknown role `{name}`{hint}")
        return
    if actual != level and actual in _LEVEL_WORDS:
        message = f"role `{name}` is {_LEVEL_WORDS[actual]}, expected {_LEVEL_WORDS[level]}"
        yield Finding(path, message)


def _restricted(path: Path, name: str, deployment_id: str | None, known: _Known) -> Iterator[Finding]:
    allowed = known.roles.get(name, {}).get("restricted_workspace_ids")
    deployment = known.deployments.get(deployment_id or "")
    if not isinstance(allowed, list) or deployment is None:
        return
    workspace_id = _text(deployment, "workspace_id")
    if workspace_id and workspace_id not in allowed:
        message = f"role `{name}` may not be given in Workspace `{workspace_id}`, to which it is not restricted"
        yield Finding(path, message)


def _token_role(path: Path, role: Entry, known: _Known) -> Iterator[Finding]:
    entity_type = role.get("entity_type")
    level = LEVEL_OF_ENTITY.get(entity_type) if isinstance(entity_type, str) else None
    if level is None:
        return
    on_dags = level == "DAG"
    if on_dags and "deployment_id" not in role:
        yield Finding(path, f"a role on {entity_type} needs `deployment_id`")
    if not on_dags and "deployment_id" in role:
        message = "`deployment_id` belongs to DAG and DAG_TAG only; here `entity_id` says where"
        yield Finding((*path, "deployment_id"), message)
    yield from _entity(path, role, level, known)
    name = _text(role, "role")
    if name:
        yield from _role_fits((*path, "role"), name, level, known)
        where = _text(role, "deployment_id") if on_dags else _text(role, "entity_id")
        yield from _restricted((*path, "role"), name, where, known)


def _entity(path: Path, role: Entry, level: Level, known: _Known) -> Iterator[Finding]:
    entity_id = _text(role, "entity_id")
    if level == "DAG":
        yield from _is_listed(path, role, "deployment_id", "Deployment", known.deployments)
    elif level == "DEPLOYMENT":
        yield from _is_listed(path, role, "entity_id", "Deployment", known.deployments)
    elif level == "WORKSPACE":
        yield from _is_listed(path, role, "entity_id", "Workspace", known.workspaces)
    elif entity_id and known.organization_id and entity_id != known.organization_id:
        message = f"this file is of Organization `{known.organization_id}`, not of `{entity_id}`"
        yield Finding((*path, "entity_id"), message)


# -- warnings ------------------------------------------------------------------------------------------------------


def _legacy(path: Path, name: str) -> Iterator[Finding]:
    role = BUILT_IN.get(name)
    if role and role.today:
        yield _warning((*path, "role"), f"`{name}` is a legacy role; today's role is `{role.today}`", "legacy-role")


def _weak_role(path: Path, role: Entry, held_by_people: bool) -> Iterator[Finding]:
    words = DAG_WORDS if role["scope"] == "DAG" else DEPLOYMENT_WORDS
    powers = 0
    for word in role["permissions"]:
        powers |= words.get(word, 0)
    if role["scope"] == "DAG" and held_by_people and (lacking := names(_PAGES_NEED & ~powers)):
        listed = " ".join(f"`{name}`" for name in lacking)
        yield _warning(
            path, f"people hold this role, but Airflow's pages of a Dag also need {listed}", "dag-role-lacks-pages"
        )
    for row in TABLE:
        writes = [verb for verb in ("update", "delete") if powers & _bit(row.name, verb)]
        if writes and not powers & _bit(row.name, "get"):
            told = f"`{row.name}.{writes[0]}` without `{row.name}.get`"
            yield _warning(
                path,
                f"{told}: a write answers with what it touched, so it shows what cannot be seen",
                "write-without-read",
            )
    if powers & mask("datasets.create") and not powers & mask("dagRun.create"):
        yield _warning(
            path,
            "`datasets.create` without `dagRun.create`: recording an asset event starts Dags",
            "asset-event-starts-dags",
        )


def _bit(name: str, verb: str) -> int:
    return DEPLOYMENT_WORDS.get(f"deployment.airflow.{name}.{verb}", 0)


def _token_expiry(path: Path, token: Entry, now: datetime | None) -> Iterator[Finding]:
    expires_at = token["expires_at"]
    if expires_at is None:
        yield _warning((*path, "expires_at"), "this API token never expires", "token-never-expires")
    elif now and expires_at <= now:
        yield _warning((*path, "expires_at"), "this API token has expired", "token-expired")
    elif now and expires_at <= now + EXPIRES_SOON:
        yield _warning(
            (*path, "expires_at"), f"this API token expires within {EXPIRES_SOON.days} days", "token-expires-soon"
        )
