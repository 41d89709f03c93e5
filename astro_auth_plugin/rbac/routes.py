"""The routes of Airflow's REST API, UI and FAB: what each needs, and which of them a request is for.

The table itself is `cli/routes.yaml`, which the tests compare with a server; here are the shape of its lines and the
search for the line of a path.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

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
_KEYS = {"needs", "where", "wide", "also", "items", "named", "hidden", "note", "since", "until"}
_ROOTS = ("api", "ui", "auth", "execution", "static")
# `{dag_id}`, `{key:path}`; FAB writes `<pk>`, `<path:filename>`.
_PLACE = re.compile(r"\{(\w+)(?::(path))?\}|<(?:(\w+):)?(\w+)>")
_UI_PAGE = "/{rest_of_path:path}"
# With these Airflow answers on every path that has no route of its own, which says nothing about the path.
_EVERY_OTHER = {"{_:path}", _UI_PAGE.removeprefix("/")}


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
    named: frozenset[str]
    hidden: frozenset[str]
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


class Found(NamedTuple):
    """The route that a path is for. `places` is what stands in the places of its template."""

    route: Route
    places: Mapping[str, str]


def table(sections: Mapping[str, Mapping[str, Mapping[str, Any]]], version: str = "") -> dict[str, Route]:
    """Return every line by its name.

    Args:
        sections: the table as plain values.
        version: an Airflow, such as "3.2", for the routes that it has, as it has them; '' for all, as the newest does.

    Raises:
        ValueError: for a line that is not as the head of the table says.
    """
    routes = [
        _route(name, section, _of(version, line)) for section, lines in sections.items() for name, line in lines.items()
    ]
    return {route.name: route for route in routes if not version or route.is_of(version)}


def find(routes: Iterable[Route], method: str, path: str) -> Found | None:
    """Return the route of a method and a path; None when there is none.

    Where several fit it is the one with the most words of its own, as in Airflow. What stands before the first word
    of a route, when Airflow is served below a path, is passed over.
    """
    candidates = [route for route in routes if route.method in (method, "*")]
    segments = path.removeprefix("/").split("/")
    for start in range(len(segments)):
        if start == 0 or segments[start] in _ROOTS:
            best = min(_fitting(candidates, segments[start:]), key=_rank, default=None)
            if best is not None:
                return best
    if method == "GET" and segments[0] not in _ROOTS and "v2" not in segments:
        return next((Found(route, {}) for route in candidates if route.path == _UI_PAGE), None)
    return None


class _Part(NamedTuple):
    """A part of a template between two slashes: a word of its own, or a place with a name.

    `looseness` is 0 for a word, `_ONE` for a place of one part, `_ANY` for a place of any number of parts.
    """

    text: str
    looseness: int


_ONE, _ANY = 1, 2


@cache
def _parts(template: str) -> tuple[_Part, ...]:
    return tuple(_part(text) for text in template.removeprefix("/").split("/"))


def _part(text: str) -> _Part:
    if text == "*":
        return _Part(text, _ANY)
    place = _PLACE.fullmatch(text)
    return _Part(place[1] or place[4], _ANY if "path" in (place[2], place[3]) else _ONE) if place else _Part(text, 0)


def _fitting(routes: Iterable[Route], segments: list[str]) -> list[Found]:
    found = (
        (route, _fit(_parts(route.path), segments)) for route in routes if not _EVERY_OTHER & set(route.path.split("/"))
    )
    return [Found(route, places) for route, places in found if places is not None]


def _fit(parts: tuple[_Part, ...], segments: list[str]) -> dict[str, str] | None:
    """Return what stands in the places of a template, None when the path does not fit it."""
    if not parts or not segments:
        return None if parts or segments else {}
    first, *rest = parts
    # As many segments as the other parts leave; a place of one part takes one, which is not empty.
    taken = len(segments) - len(rest) if first.looseness == _ANY else 1
    text = "/".join(segments[:taken])
    if taken < 1 or (first.looseness == _ONE and not text) or (not first.looseness and text != first.text):
        return None
    after = _fit(tuple(rest), segments[taken:])
    return None if after is None else {**({first.text: text} if first.looseness else {}), **after}


def _rank(found: Found) -> list[int]:
    # The end counts as looser than anything, so that more words of its own behind a place win.
    return [*(part.looseness for part in _parts(found.route.path)), _ANY + 1]


def _of(version: str, line: Mapping[str, Any]) -> dict[str, Any]:
    """Return a line as an Airflow has it: `before` says what was otherwise until which release."""
    result = {key: value for key, value in line.items() if key != "before"}
    for release, otherwise in line.get("before", {}).items():
        if version and _number(version) < _number(release):
            result |= otherwise
    return result


def _route(name: str, section: str, line: Mapping[str, Any]) -> Route:
    needs, where = line.get("needs", ""), line.get("where", "")
    people = needs if needs in FOR_PEOPLE else ""
    asks = bool(needs or line.get("items"))
    if set(line) - _KEYS or where not in PLACES or not asks or bool(people) == bool(where):
        raise ValueError(f"not a line of the table: {name}: {dict(line)}")
    method, path = name.split(" ", 1)
    return Route(
        method=method,
        path=path,
        section=section,
        people=people,
        needs=() if people or not needs else tuple(frozenset(one.split()) for one in needs.split(" or ")),
        where=where,
        wide=frozenset(line.get("wide", "").split()),
        also=dict(line.get("also", {})),
        items=dict(line.get("items", {})),
        named=frozenset(line.get("named", "").split()),
        hidden=frozenset(line.get("hidden", "").split()),
        note=line.get("note", ""),
        since=line.get("since", "3.1"),
        until=line.get("until", "3.999"),
    )


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
