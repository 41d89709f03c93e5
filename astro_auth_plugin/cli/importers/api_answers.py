"""Reads answers of Astro's API from a folder, as the Terraform data sources that have the same."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from astro_auth_plugin.cli.exit_codes import CommandFailed
from astro_auth_plugin.cli.importers.terraform_state import Resource
from astro_auth_plugin.cli.inputs import read_input

# Which list an answer has, and the data source and its attribute that have the same.
_LISTS = {
    "deployments": ("data.astro_deployments", "deployments"),
    "roles": ("", ""),
    "teams": ("data.astro_teams", "teams"),
    "tokens": ("data.astro_api_tokens", "api_tokens"),
    "users": ("data.astro_users", "users"),
    "workspaces": ("data.astro_workspaces", "workspaces"),
}
# One file for each page, with anything after a dash.
_FILE = re.compile(rf"(?:({'|'.join(_LISTS)})|team-members-([^-.]+)|role-([^-.]+))(?:-[^.]*)?\.json")


class Answers(NamedTuple):
    """What a folder has; `left_out` is what is missing or not read."""

    resources: list[Resource]
    left_out: list[str]


def read_answers(folder: Path) -> Answers:
    """Read the answers in a folder: of lists, of the members of each Team, and of each custom role.

    Raises:
        CommandFailed: if there are none, or if one is not such an answer. What is in it is not repeated.
    """
    found, counts = Answers([], []), {key: _Count() for key in _LISTS}
    members: dict[str, _Count] = {}
    for path in _files(folder):
        match = _FILE.fullmatch(path.name)
        if match is None:
            found.left_out.append(f"{path.name}: not read; its name is not that of a response")
            continue
        key, team_id, role_id = match.groups()
        if role_id:
            found.resources.append(Resource("data.astro_custom_role", path.name, _object(path, _document(path), "id")))
            continue
        for entries, total in _pages(path, key or "team_members"):
            count = counts[key] if key else members.setdefault(team_id, _Count())
            count.add(entries, total)
            found.resources.extend(_list(path.name, key, entries) if key else _members(path.name, team_id, entries))
    if not any(count.files for count in counts.values()):
        names = ", ".join(f"{key}.json" for key in _LISTS)
        raise CommandFailed(f"{folder}: no responses of Astro's API; expected {names}")
    found.left_out.extend(_missing(counts, members, found.resources))
    return found


class _Count:
    """How much of a list is there."""

    def __init__(self) -> None:
        self.files, self.total = 0, 0
        self.entries: dict[str, Any] = {}

    def add(self, entries: list[Any], total: int) -> None:
        self.files, self.total = self.files + 1, max(self.total, total)
        for each in entries:
            values = each if isinstance(each, dict) else {}
            self.entries[str(values.get("id") or values.get("user_id") or len(self.entries))] = values


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise CommandFailed(f"{folder}: cannot read the folder: {error.strerror or error}") from None


def _document(path: Path) -> Any:
    try:
        return _snake_case(json.loads(read_input(path)))
    except OSError as error:
        raise CommandFailed(f"{path}: cannot read the response: {error.strerror or error}") from None
    except (ValueError, RecursionError):
        raise CommandFailed(f"{path}: not JSON") from None


def _snake_case(value: Any) -> Any:
    """Return a value with the keys that Terraform has for the same."""
    if isinstance(value, list):
        return list(map(_snake_case, value))
    if isinstance(value, dict):
        words = {key: re.sub("(?<=.)[A-Z]", lambda letter: f"_{letter[0]}", key).lower() for key in value}
        return {"tag" if words[key] == "dag_tag" else words[key]: _snake_case(each) for key, each in value.items()}
    return value


def _pages(path: Path, key: str) -> Iterator[tuple[list[Any], int]]:
    """Yield the list of each page in a file, and how many entries all pages have; a file may have a list of pages."""
    document = _document(path)
    for each in document if isinstance(document, list) else [document]:
        page = _object(path, each, key)
        total = page.get("total_count")
        if not isinstance(page[key], list) or not isinstance(total, int):
            raise CommandFailed(f"{path}: not a list of Astro's API, with `totalCount`")
        yield page[key], total


def _object(path: Path, value: Any, key: str) -> dict[str, Any]:
    if not isinstance(value, dict) or key not in value:
        raise CommandFailed(f"{path}: not a response of Astro's API with `{key}`")
    return value


def _list(name: str, key: str, entries: list[Any]) -> Iterator[Resource]:
    kind, attribute = _LISTS[key]
    # A list of roles lacks their permissions.
    if kind:
        yield Resource(kind, name, {attribute: entries})


def _members(name: str, team_id: str, entries: list[Any]) -> Iterator[Resource]:
    for each in entries:
        values = each | {"team_id": team_id} if isinstance(each, dict) else each
        yield Resource("astro_team_membership", name, values)


def _missing(counts: dict[str, _Count], members: dict[str, _Count], resources: list[Resource]) -> Iterator[str]:
    """Yield what an answer names and no answer has."""
    for key, count in counts.items():
        if not count.files:
            yield f"no {key}.json: nothing is known of {key}"
    every = {f"{key}.json": count for key, count in counts.items()}
    every |= {f"team-members-{team_id}.json": count for team_id, count in members.items()}
    for name, count in every.items():
        if len(count.entries) < count.total:
            yield f"{name}: {len(count.entries)} of {count.total}; get the other pages, too, with `offset`"
    for team_id, team in counts["teams"].entries.items():
        if team_id not in members:
            yield f"Team `{team.get('name')}`: no team-members-{team_id}.json, so its members are unknown"
    known = {resource.values.get("id") for resource in resources if resource.kind == "data.astro_custom_role"}
    for role_id, role in counts["roles"].entries.items():
        if role_id not in known:
            yield f"role `{role.get('name')}`: no role-{role_id}.json, so its permissions are unknown"
