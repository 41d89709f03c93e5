"""Reads routes.yaml, the table of every route and what it needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

TABLE = Path(__file__).parent / "routes.yaml"
FOR_PEOPLE = ("public", "signed in", "own account", "accounts", "nobody", "task token")
PLACES = (
    "",
    "Deployment",
    "path",
    "query",
    "body",
    "row",
    "file",
    "list",
    "path or list",
    "query or list",
    "query or Deployment",
    "row or Deployment",
)


@dataclass(frozen=True)
class Route:
    """One line of the table; what the fields mean stands at its head.

    `needs` has the alternatives, each a set of permissions, or is empty where `people` says who may.
    """

    method: str
    path: str
    section: str
    people: str
    needs: tuple[frozenset[str], ...]
    where: str
    wide: frozenset[str]
    also: dict[str, str] = field(hash=False)
    items: dict[str, str] = field(hash=False)
    note: str
    since: str
    until: str

    @property
    def name(self) -> str:
        """Method and template, the route's name everywhere."""
        return f"{self.method} {self.path}"

    def is_of(self, version: str) -> bool:
        """Whether an Airflow, such as "3.2", has the route."""
        return _number(self.since) <= _number(version) <= _number(self.until)


@cache
def table() -> dict[str, Route]:
    """Every line by its name; raises ValueError for one that is not as the head of the table says."""
    sections = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    routes = [_route(name, section, line) for section, lines in sections.items() for name, line in lines.items()]
    return {route.name: route for route in routes}


def _route(name: str, section: str, line: dict[str, Any]) -> Route:
    unknown = set(line) - {"needs", "where", "wide", "also", "items", "note", "since", "until"}
    needs, where = line.get("needs", ""), line.get("where", "")
    people = needs if needs in FOR_PEOPLE else ""
    asks = bool(needs or line.get("items"))
    if unknown or where not in PLACES or not asks or bool(people) == bool(where):
        raise ValueError(f"not a line of the table: {name}: {line}")
    method, path = name.split(" ", 1)
    return Route(
        method=method,
        path=path,
        section=section,
        people=people,
        needs=() if people or not needs else tuple(frozenset(one.split()) for one in needs.split(" or ")),
        where=where,
        wide=frozenset(line.get("wide", "").split()),
        also=line.get("also", {}),
        items=line.get("items", {}),
        note=line.get("note", ""),
        since=line.get("since", "3.1"),
        until=line.get("until", "3.999"),
    )


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
