"""The table of every route and what it needs, which the plugin's commands read too: astro_auth_plugin/authorization/routes.yaml."""

from __future__ import annotations

from astro_auth_plugin.authorization.route_table import table
from astro_auth_plugin.rbac.explain.route_rows import OBJECT_PLACES, Route

__all__ = ["Route", "table", "without_dag"]


def without_dag(route: Route) -> bool:
    """Whether a route is decided without a Dag: in the whole Deployment or on a connection, Variable or pool."""
    return route.where in ("Deployment", *OBJECT_PLACES)
