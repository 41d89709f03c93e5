"""Walks the plain values of a document that may have any shape, and steps over what has the wrong one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from astro_auth_plugin.rbac.policy.yaml_reader import Path

Entry = dict[str, Any]


def entries(parent: Entry, path: Path, key: str) -> Iterator[tuple[Path, Entry]]:
    """Yield the mappings in the list at a key of an entry, each with its path; nothing where there is no list."""
    items = parent.get(key)
    if isinstance(items, list):
        for position, item in enumerate(items):
            if isinstance(item, dict):
                yield (*path, key, position), item


def holders(values: Entry) -> Iterator[tuple[Path, Entry]]:
    """Yield the entries of Teams and users, each with its path."""
    yield from entries(values, (), "teams")
    yield from entries(values, (), "users")


def organization_role(holder: Entry, path: Path) -> tuple[Path, str] | None:
    """Return the Organization role of a user or Team and where it is written: alone, or in a mapping with more."""
    path, given = (*path, "organization_role"), holder.get("organization_role")
    if isinstance(given, dict):
        path, given = (*path, "role"), given.get("role")
    return (path, given) if isinstance(given, str) and given else None


def text_at(entry: Entry, key: str) -> str | None:
    """Return the text at a key of an entry; None where there is no text."""
    value = entry.get(key)
    return value if isinstance(value, str) and value else None


def plain(value: Any) -> Any:
    """Return values without times, which YAML has and JSON has not: a time is text, in UTC to the second or finer."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value
