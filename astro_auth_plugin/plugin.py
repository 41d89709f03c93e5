"""Airflow's plugin entry point: the middleware, the API of access and the Access pages."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from astro_auth_plugin.access_api import registration as access_api
from astro_auth_plugin.shadow.registration import shadow_middleware
from astro_auth_plugin.web.registration import request_middleware


class AstroAuthPlugin(AirflowPlugin):
    """Without this plugin the auth manager refuses to start."""

    name = "astro_auth"
    fastapi_root_middlewares = [  # noqa: RUF012 - Airflow's way to declare it
        {"middleware": request_middleware, "args": [], "kwargs": {}, "name": "astro_auth request"},
        {"middleware": shadow_middleware, "args": [], "kwargs": {}, "name": "astro_auth_shadow"},
    ]
    fastapi_apps = [  # noqa: RUF012 - likewise
        {"app": access_api.access_app, "url_prefix": access_api.PREFIX, "name": "astro_auth access"}
    ]

    @cached_property
    def react_apps(self) -> list[Any]:  # type: ignore[override]
        """The pages; looked up when a server makes its pages, and not by each process that loads plugins."""
        return access_api.react_apps()
