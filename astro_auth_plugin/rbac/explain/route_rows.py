"""The rows of the table of routes: every route of Airflow's REST API, UI and FAB, and what it needs.

The table itself is `authorization/routes.yaml`, whose head describes the keys. A row that does not fit is an error and
never a route that needs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from astro_auth_plugin.rbac.model.permissions import EVERYTHING, ObjectKind, names
from astro_auth_plugin.rbac.policy.hints import did_you_mean

FOR_PEOPLE = ("public", "signed in", "own account", "accounts", "denied", "task token")
OBJECT_PLACES = ("object", "body object", "objects")
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
    *OBJECT_PLACES,
)
OBJECT_KINDS: Mapping[str, ObjectKind] = {"connections": "connection", "variables": "variable", "pools": "pool"}
"""What the paths of Airflow call the objects."""
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "*")
_TEXTS = (
    "needs",
    "where",
    "wide",
    "named",
    "hidden",
    "note",
    "since",
    "until",
    "adds",
    "adds_wide",
    "rule",
    "list_rule",
)
_MAPPINGS = ("also", "items", "before")
_PERMISSIONS = names(EVERYTHING)
# The releases of a row without `since` and `until`. No row is of a newer major version: runtime/version_compat.py
# refuses it.
_OLDEST, _NEWEST = "3.1", "3.999"

Query = Mapping[str, list[str]]

CASES_IN_QUERY: Mapping[str, Callable[[Query], bool]] = {
    "with result in the query": lambda query: "result" in query,
    # Dags that are found or ordered by their runs tell of the runs.
    "filtered or ordered by runs": lambda query: (
        any("dag_run_" in name for name in query) or any("last_run_" in value for value in query.get("order_by", ()))
    ),
}
"""The cases of `also` that the query decides."""

CASES_IN_BODY: Mapping[str, Callable[[Any], bool]] = {
    # Reprocessing clears runs that exist.
    "where existing runs are processed again": lambda body: (
        isinstance(body, dict) and body.get("reprocess_behavior") not in (None, "none")
    ),
}
"""The cases of `also` that the body decides."""

CASES_OF_AIRFLOW = frozenset({"of a stored connection"})
"""The cases of `also` that Airflow checks itself."""

_CASES = frozenset({*CASES_IN_QUERY, *CASES_IN_BODY, *CASES_OF_AIRFLOW})


@dataclass(frozen=True)
class Route:
    """One line of the table; its head describes the fields.

    `needs` has the alternatives, each a set of permissions, or is empty where `people` says who may.
    """

    method: str
    path: str
    section: str
    people: str
    needs: tuple[frozenset[str], ...]
    where: str
    deployment_wide: frozenset[str]
    also: dict[str, str] = field(hash=False)
    items: dict[str, str] = field(hash=False)
    named: frozenset[str]
    hidden: frozenset[str]
    adds: frozenset[str]
    adds_wide: frozenset[str]
    rule: str
    list_rule: str
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


def table(sections: Mapping[str, Mapping[str, Mapping[str, Any]]], version: str = "") -> dict[str, Route]:
    """Return every route by its name.

    Args:
        sections: the table as plain values.
        version: an Airflow, such as "3.2", for the routes that it has, as it has them; '' for all, as the newest does.

    Raises:
        ValueError: for a row that is not as the head of the table says; it names the row and the word.
    """
    if not isinstance(sections, dict) or not all(isinstance(rows, dict) for rows in sections.values()):
        raise ValueError("expected sections of rows")
    routes: dict[str, Route] = {}
    for section, rows in sections.items():
        for name, row in rows.items():
            if name in routes:
                raise ValueError(f"`{name}`: duplicate row")
            try:
                routes[name] = _route(name, section, _row_of(version, row))
            except ValueError as error:
                raise ValueError(f"`{name}`: {error}") from None
    return {name: route for name, route in routes.items() if not version or route.is_of(version)}


def _row_of(version: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as an Airflow has it: `before` says what was otherwise until which release."""
    if not isinstance(row, dict):
        raise ValueError(f"expected a mapping, found `{row}`")  # noqa: TRY004 - as all bad rows
    _check_keys(row, _TEXTS + _MAPPINGS)
    result = {key: value for key, value in row.items() if key != "before"}
    for release, otherwise in row.get("before", {}).items():
        _check_keys(otherwise, _TEXTS)
        if version and _number(version) < _number(release):
            result |= otherwise
    return result


def _check_keys(row: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key, value in row.items():
        if key not in known:
            raise ValueError(f"unknown key `{key}`{did_you_mean(str(key), known)}")
        if not isinstance(value, dict if key in _MAPPINGS else str):
            expected = "a mapping" if key in _MAPPINGS else "text"
            raise ValueError(f"`{key}`: expected {expected}, found `{value}`")  # noqa: TRY004 - as all bad rows


def _route(name: str, section: str, row: Mapping[str, Any]) -> Route:
    needs, where = row.get("needs", ""), row.get("where", "")
    method, _, path = name.partition(" ")
    people = needs if needs in FOR_PEOPLE else ""
    _check_word("method", method, METHODS)
    _check_word("where", where, PLACES)
    if not needs and not row.get("items"):
        raise ValueError("`needs` or `items` is missing")
    if bool(people) == bool(where):
        raise ValueError(f"`where` does not go with `{people}`" if people else "`where` is missing")
    route = Route(
        method=method,
        path=path,
        section=section,
        people=people,
        needs=() if people or not needs else tuple(map(_permissions, needs.split(" or "))),
        where=where,
        deployment_wide=_permissions(row.get("wide", "")),
        also=dict(row.get("also", {})),
        items=dict(row.get("items", {})),
        named=_permissions(row.get("named", "")),
        hidden=_permissions(row.get("hidden", "")),
        adds=_permissions(row.get("adds", "")),
        adds_wide=_permissions(row.get("adds_wide", "")),
        rule=row.get("rule", ""),
        list_rule=row.get("list_rule", ""),
        note=row.get("note", ""),
        since=row.get("since", _OLDEST),
        until=row.get("until", _NEWEST),
    )
    _check_additions(route)
    return route


def _check_additions(route: Route) -> None:
    """Check that the server requires nothing that the rest of the row does not say."""
    for permissions in (*route.also.values(), *route.items.values()):
        _permissions(permissions)
    for case in route.also:
        _check_word("also", case, _CASES)
    needed = frozenset().union(*route.needs)
    for key, added, among in (
        ("adds", route.adds, needed),
        ("adds_wide", route.adds_wide, needed | route.deployment_wide),
    ):
        for name in sorted(added - among):
            raise ValueError(f"`{key}`: the row does not need `{name}`")


def _permissions(text: str) -> frozenset[str]:
    permissions = frozenset(text.split())
    for name in sorted(permissions):
        _check_word("permission", name, _PERMISSIONS)
    return permissions


def _check_word(kind: str, word: str, known: Iterable[str]) -> None:
    if word not in known:
        raise ValueError(f"unknown {kind} `{word}`{did_you_mean(word, known)}")


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
