"""How the middleware gets into the server: light, since every process of Airflow loads plugins, not only the server."""

from __future__ import annotations

from typing import Any

from airflow import plugins_manager

from astro_auth_plugin.runtime.settings import is_active


def request_middleware(app: Any) -> Any:
    """Return the middleware around an ASGI app; Airflow calls this where other plugins name a class.

    Where another auth manager is configured, the app stays as it is.
    """
    if not is_active():
        return app
    from astro_auth_plugin.web import validation_errors  # noqa: PLC0415 - only a server needs it
    from astro_auth_plugin.web.middleware import RequestMiddleware  # noqa: PLC0415 - only a server needs it

    validation_errors.limit(app)
    validation_errors.install()
    return RequestMiddleware(app)


def is_installed() -> bool:
    """Whether Airflow has loaded the plugin that installs the middleware."""
    manager: Any = plugins_manager
    if hasattr(manager, "get_fastapi_plugins"):
        _, middlewares = manager.get_fastapi_plugins()
    else:
        # Airflow 3.1
        manager.initialize_fastapi_plugins()
        middlewares = manager.fastapi_root_middlewares or []
    return any(entry.get("middleware") is request_middleware for entry in middlewares)
