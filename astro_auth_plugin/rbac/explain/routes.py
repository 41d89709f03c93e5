"""The route that a path of Airflow's REST API, UI or FAB is for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple

from astro_auth_plugin.rbac.explain.route_rows import Route

_ROOTS = ("api", "ui", "auth", "execution", "static")
# `{dag_id}`, `{key:path}`; FAB writes `<pk>`, `<path:filename>`.
_PLACE = re.compile(r"\{(\w+)(?::(path))?\}|<(?:(\w+):)?(\w+)>")
_UI_PAGE = "/{rest_of_path:path}"
# With these Airflow answers on every path that has no route of its own, which says nothing about the path.
_EVERY_OTHER = {"{_:path}", _UI_PAGE.removeprefix("/")}


class Found(NamedTuple):
    """The route that a path is for. `places` is what is in the places of its template."""

    route: Route
    places: Mapping[str, str]


def find(routes: Iterable[Route], method: str, path: str) -> Found | None:
    """Return the route of a method and a path; None when there is none.

    Where several fit it is the one with the most words of its own, as in Airflow. What is before the first word
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
    """Return what is in the places of a template, None when the path does not fit it."""
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
    # The end is looser than anything, so that more words of its own behind a place win.
    return [*(part.looseness for part in _parts(found.route.path)), _ANY + 1]
