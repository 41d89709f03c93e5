"""The tables of docs/routes.md, made from the table that the tests of the routes compare a server with."""

from __future__ import annotations

from collections.abc import Iterable

from astro_auth_plugin.authorization.route_table import table
from astro_auth_plugin.rbac.explain.route_rows import OBJECT_PLACES, Route
from astro_auth_plugin.rbac.model.permissions import mask
from astro_auth_plugin.rbac.model.roles import ACCESSOR_PERMISSIONS, BUILT_IN, Role

Row = list[str]

# A role stands for all that hold the same.
_WIDE_ROLES = {
    "Operator": "WORKSPACE_OPERATOR",
    "Author": "WORKSPACE_AUTHOR",
    "Editor": "WORKSPACE_EDITOR",
    "Member": "WORKSPACE_MEMBER",
}
_DAG_ROLES = {"Dag Author": "DAG_AUTHOR", "Dag Viewer": "DAG_VIEWER"}

_PLACES = {
    "Deployment": "the Deployment",
    "path": "the Dag of the path",
    "query": "the Dag of the query",
    "body": "each Dag of the body",
    "row": "the Dag that the id belongs to",
    "file": "each Dag of the file",
    "list": "each Dag that is listed",
    "path or list": "the Dag of the path, each Dag that is listed for `~`",
    "query or list": "the Dag of the query, each Dag that is listed without one",
    "query or Deployment": "the Dag of the query, the Deployment without one",
    "row or Deployment": "the Dag that the id belongs to, the Deployment if to none",
    "object": "the object of the path",
    "body object": "each object of the body",
    "objects": "each object that is listed",
}
_PEOPLE = {
    "public": "everyone, also without signing in",
    "signed in": "all signed-in users",
    "own account": "all signed-in users, for their own account",
    "accounts": "Owner, Admin",
    "denied": "denied",
    "task token": "running tasks only",
}


def sections() -> dict[str, list[Row]]:
    """Return the rows of each section: route, what it needs, on what, and which built-in roles have it."""
    found: dict[str, list[Row]] = {}
    for route in table().values():
        found.setdefault(route.section, []).append([f"`{route.name}`", _needs(route), _where(route), _roles(route)])
    return found


def _needs(route: Route) -> str:
    if route.people:
        words = [_PEOPLE[route.people] if route.people != "accounts" else "users who may change accounts"]
    else:
        words = [" or ".join(_names(one | _see(route)) for one in route.needs) or _names(_see(route))]
    words += [f"{action}: {_names([name])}" for action, name in route.items.items()]
    words += [f"{case}: {_names(names.split())}" for case, names in route.also.items()]
    if route.deployment_wide:
        words.append(f"in the Deployment: {_names(route.deployment_wide)}")
    if route.hidden:
        words.append(f"404 without {_names(route.hidden)}")
    if route.since != "3.1":
        words.append(f"since Airflow {route.since}")
    if not route.is_of("3.999"):
        words.append(f"until Airflow {route.until}")
    return "; ".join(word for word in words if word) + (f". {route.note}" if route.note else "")


def _see(route: Route) -> frozenset[str]:
    """Return what one needs on any Dag: to see it."""
    on_dags = route.where not in ("Deployment", *OBJECT_PLACES)
    return frozenset({"dag.get"}) if on_dags else frozenset()


def _where(route: Route) -> str:
    return _PLACES.get(route.where, "")


def _roles(route: Route) -> str:
    if route.people:
        return _PEOPLE[route.people]
    deployment_wide = [title for title, name in _WIDE_ROLES.items() if _has(BUILT_IN[name], route)]
    on_dags = [title for title, name in _DAG_ROLES.items() if "Dag" in _where(route) and _has(BUILT_IN[name], route)]
    parts = [", ".join(["Owner", "Admin", *deployment_wide])] if deployment_wide else []
    if on_dags:
        parts.append("on their Dags " + " and ".join(on_dags))
    return "; ".join(parts) or "none"


def _has(role: Role, route: Route) -> bool:
    deployment_wide = ACCESSOR_PERMISSIONS if role.level == "DAG" else role.permissions
    if _mask(route.deployment_wide) & ~deployment_wide:
        return False
    # A batch may hold any of its actions: who may do one of them has something of the route.
    needs = route.needs or tuple(frozenset({name}) for name in route.items.values())
    return any(not _mask(one | _see(route)) & ~role.permissions for one in needs)


def _mask(names: Iterable[str]) -> int:
    return mask(*names)


def _names(names: Iterable[str]) -> str:
    return " ".join(f"`{name}`" for name in sorted(names))
