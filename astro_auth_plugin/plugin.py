"""Airflow's plugin entry point: installs the middleware, on every supported version in the same way."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from astro_auth_plugin.web.registration import request_middleware


class AstroAuthPlugin(AirflowPlugin):
    """Without this plugin the auth manager refuses to start."""

    name = "astro_auth"
    fastapi_root_middlewares = [  # noqa: RUF012 - Airflow's way to declare it
        {"middleware": request_middleware, "args": [], "kwargs": {}, "name": "astro_auth request"}
    ]
