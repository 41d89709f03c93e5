"""The table of every route and what it needs, which the plugin's commands read too: astro_auth_plugin/authorization/routes.yaml."""

from __future__ import annotations

from astro_auth_plugin.authorization.route_table import table
from astro_auth_plugin.rbac.explain.route_rows import Route

__all__ = ["Route", "table"]
