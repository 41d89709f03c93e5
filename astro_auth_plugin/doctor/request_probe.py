"""A request of a browser, sent through the layers before FAB's sign-in page in the api-server, all in this process.

What Airflow takes for its own address depends on a proxy's headers, uvicorn, this plugin's middleware, the path in
`[api] base_url` and FAB's ProxyFix together, and on their versions. So it is tried, not worked out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import SplitResult

import httpx
from airflow import plugins_manager
from airflow.api_fastapi.app import API_ROOT_PATH
from airflow.providers.fab.www.extensions.init_wsgi_middlewares import init_wsgi_middleware
from fastapi import FastAPI, Request
from fastapi.middleware.wsgi import WSGIMiddleware
from fastapi.responses import PlainTextResponse
from flask import Flask, url_for
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

_CALLBACK = "oauth-authorized"
"""The path of FAB to which a provider sends people back, with the provider's name."""

_USUAL_PORTS = {"http": 80, "https": 443}


class Seen(NamedTuple):
    """What a server takes for the scheme that the browser speaks, and for its addresses.

    `redirect_uris` has the address that FAB names to each OAuth provider.
    """

    scheme: str
    redirect_uris: dict[str, str]


def send(
    fab: Flask, base_url: SplitResult, providers: Iterable[str], *, believes_headers: bool, hops: Mapping[str, int]
) -> Seen:
    """Return what the api-server makes of a browser at `base_url`, behind a proxy that says who it is.

    Args:
        fab: an application with the settings of webserver_config.py.
        base_url: where the browser is.
        providers: the names of the OAuth providers.
        believes_headers: whether uvicorn believes this proxy.
        hops: how many proxies FAB trusts, for `x_proto` and `x_host`; each adds its value to the header.
    """
    app: Any = _server(fab)
    if believes_headers:
        app = ProxyHeadersMiddleware(app, trusted_hosts="*")
    headers = {
        "Host": host_of(base_url),
        "X-Forwarded-For": "192.0.2.1",
        "X-Forwarded-Proto": ", ".join([base_url.scheme] * max(hops["x_proto"], 1)),
        "X-Forwarded-Host": ", ".join([host_of(base_url)] * max(hops["x_host"], 1)),
    }
    return asyncio.run(_ask(app, list(providers), headers))


def host_of(url: SplitResult) -> str:
    """Return the host of an address as browsers send it: in small letters, with a port that is not the usual one."""
    name = url.hostname or ""
    host = f"[{name}]" if ":" in name else name
    return host if url.port in (None, _USUAL_PORTS.get(url.scheme)) else f"{host}:{url.port}"


async def _ask(app: Any, providers: list[str], headers: dict[str, str]) -> Seen:
    path = API_ROOT_PATH.removesuffix("/")
    # The proxy has taken TLS off.
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://proxy", headers=headers
    ) as client:
        scheme = await _text(client, f"{path}/scheme")
        uris = {name: await _text(client, f"{path}/auth/{_CALLBACK}/{name}") for name in providers}
    return Seen(scheme, uris)


async def _text(client: httpx.AsyncClient, path: str) -> str:
    answer = await client.get(path)
    return answer.text if answer.is_success else f"unknown (status {answer.status_code})"


def _server(fab: Flask) -> Any:
    """Return an application with the layers of Airflow's, and pages that return what they see."""
    fab.add_url_rule(
        f"/{_CALLBACK}/<provider>", _CALLBACK, lambda provider: url_for(_CALLBACK, provider=provider, _external=True)
    )
    init_wsgi_middleware(fab)
    auth = FastAPI()
    auth.mount("/", WSGIMiddleware(fab))
    app = FastAPI(root_path=API_ROOT_PATH.removesuffix("/"))
    app.add_api_route("/scheme", _scheme, response_class=PlainTextResponse)
    app.mount("/auth", auth)
    for middleware in own_middlewares():
        app.add_middleware(middleware)
    return app


def _scheme(request: Request) -> str:
    return request.base_url.scheme


def own_middlewares() -> list[Any]:
    """Return what this plugin puts before every request; nothing when Airflow has not loaded the plugin."""
    manager: Any = plugins_manager
    if hasattr(manager, "get_fastapi_plugins"):
        _, entries = manager.get_fastapi_plugins()
    else:
        # Airflow 3.1
        manager.initialize_fastapi_plugins()
        entries = manager.fastapi_root_middlewares or []
    return [entry["middleware"] for entry in entries if str(entry.get("name", "")).startswith("astro_auth ")]
