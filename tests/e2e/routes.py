"""The table of every route and what it needs, which the plugin's commands read too: astro_auth_plugin/cli/routes.yaml."""

from __future__ import annotations

from astro_auth_plugin.cli.route_table import table
from astro_auth_plugin.rbac.routes import Route

__all__ = ["Route", "table"]
