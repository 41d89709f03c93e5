"""How the API and the pages get into the server: light, since every process of Airflow loads plugins."""

from __future__ import annotations

import functools
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from astro_auth_plugin.access_api import bundles
from astro_auth_plugin.runtime.settings import is_active
from astro_auth_plugin.runtime.turns import Once

PREFIX = "/access"
"""Where the api-server has the API of access and the files of the Access pages."""

PAGE = "Access"
"""The label of the pages, and the name under which the browser finds them: no name that browsers use themselves."""

MY_PAGE = "My access"
"""The label of the page for everybody in the user's menu."""


async def access_app(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve the API and the files of the pages; the application is made once, at the first request."""
    if not _app.cache_info().currsize:
        await _once.built(_app)
    await _app()(scope, receive, send)


_once = Once()


@functools.cache
def _app() -> ASGIApp:
    if not is_active():
        return PlainTextResponse("Not Found", HTTPStatus.NOT_FOUND)
    from astro_auth_plugin.access_api.app import make_app  # noqa: PLC0415 - only a server needs it

    return make_app()


def react_apps() -> list[dict[str, Any]]:
    """Return the pages as Airflow takes them; none where another auth manager is configured."""
    if not is_active():
        return []
    # Absolute, since older releases take a relative one for the name of a module.
    base = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")
    common = {"bundle_url": f"{base}{PREFIX}/static/{bundles.name()}?v={bundles.version()}"}
    return [
        {"name": PAGE, **common, "destination": "nav", "url_route": "access", "nav_top_level": True},
        {"name": MY_PAGE, **common, "destination": "nav", "url_route": "my-access", "category": "user"},
        {"name": PAGE, **common, "destination": "dag", "url_route": "access-dag"},
    ]
