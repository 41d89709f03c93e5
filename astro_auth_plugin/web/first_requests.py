"""Builds beside the event loop what Airflow leaves to the first request that needs it, whichever client sends it.

The routes of the workers' API and the descriptions of the REST APIs, Airflow's and those that are mounted in it, each
take up to seconds, once for each process. On the event loop nothing else would be answered meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.routing import Mount
from starlette.types import Scope

from astro_auth_plugin.runtime.policy_source import no_collection
from astro_auth_plugin.runtime.turns import Once
from astro_auth_plugin.web.answers import FOR_WORKERS

_DESCRIPTION = "/openapi.json"


class FirstRequests:
    """Lets requests wait for what is not built yet; the first one that needs it begins. One for a server."""

    def __init__(self) -> None:
        self._of_workers, self._of_descriptions = Once(), dict[str, Once]()

    async def ready(self, scope: Scope, path: str) -> None:
        """Return when everything is there that a request may need."""
        once, build = self._of_workers, None
        if path.startswith(FOR_WORKERS):
            build = _routes_for_workers(scope)
        elif path.endswith(_DESCRIPTION) and (build := _description(scope, path.removesuffix(_DESCRIPTION))):
            once = self._of_descriptions.setdefault(path, Once())
        if build is not None:
            # A look for garbage among so many new objects would keep the event loop for a second as well.
            await once.built(no_collection()(build))


def _routes_for_workers(scope: Scope) -> Callable[[], Any] | None:
    """Return what builds the routes of the workers' API; None if there is no such API, or if it has them."""
    app = _mounted(scope, FOR_WORKERS.rstrip("/"))
    # What cadwyn itself does when the application is first called.
    return app._cadwyn_initialize if getattr(app, "_cadwyn_initialized", True) is False else None  # noqa: SLF001


def _description(scope: Scope, prefix: str) -> Callable[[], Any] | None:
    """Return what builds the description of Airflow's API or a mounted one; None if there is none to build."""
    app = _mounted(scope, prefix) if prefix else scope.get("app")
    return app.openapi if app is not None and getattr(app, "openapi_schema", True) is None else None


def _mounted(scope: Scope, prefix: str) -> Any:
    routes = getattr(scope.get("app"), "routes", ())
    return next((route.app for route in routes if isinstance(route, Mount) and route.path == prefix), None)
