"""What the server itself knows of a request, kept before anything between the server and Airflow replaces it.

With `airflow api-server --proxy-headers`, uvicorn (under gunicorn, too) replaces the client in the scope by what
X-Forwarded-For says. Afterwards the two cannot be distinguished, so the client is kept outside of that layer. So are
the headers: what a server adds to them after the body are trailers, which no proxy has looked at.
"""

from __future__ import annotations

import logging
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from astro_auth_plugin.runtime.request_context import CUT_OFF, PEER
from astro_auth_plugin.web import request_head, size_limits

log = logging.getLogger(__name__)

UNKNOWN = (
    "This server does not report the address of a connection, so headers of a proxy are ignored. Start Airflow with "
    "`airflow api-server`, which uses uvicorn, or uvicorn under gunicorn"
)


class PeerKeeper:
    """The outermost layer: keeps the client as the server has it, drops escaped cookies, and cuts answers off."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, a WebSocket or the lifespan."""
        if scope["type"] == "http":
            scope[PEER] = scope.get("client")
            scope["headers"] = list(scope["headers"])
            # Airflow puts a middleware of its own around that of plugins, which reads the cookies first.
            size_limits.drop_escaped_cookies(scope)
            send = _sending_until_cut_off(scope.setdefault(CUT_OFF, []), send)
        await self.app(scope, receive, send)


def _sending_until_cut_off(errors: list[Exception], send: Send) -> Send:
    # A layer between this one and the middleware may end an answer properly that has failed, as Starlette's do.
    async def send_or_raise(message: Message) -> None:
        if errors:
            raise errors[0]
        await send(message)

    return send_or_raise


def keep(receive: Receive) -> bool:
    """Put the layers around the server that is starting; False when it is none that can be dealt with.

    While it starts, uvicorn's `receive` is a method of an object with the server's `Config`, and each connection
    that is made later takes the application and the class of its protocol from there.

    Args:
        receive: of the ASGI lifespan.
    """
    config: Any = getattr(getattr(receive, "__self__", None), "config", None)
    # Anything else may have other layers around it, or no such attribute.
    is_uvicorn = type(config).__module__.startswith("uvicorn.") and hasattr(config, "loaded_app")
    protocol = request_head.limited(config.http_protocol_class) if is_uvicorn else None
    if protocol is None:
        log.error("%s", UNKNOWN)
        return False
    config.http_protocol_class = protocol
    if not isinstance(config.loaded_app, PeerKeeper):
        config.loaded_app = PeerKeeper(config.loaded_app)
    return True
