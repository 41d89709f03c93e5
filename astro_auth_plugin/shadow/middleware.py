"""The middleware of shadow mode: it lets every request through as it is, and hands on what was answered in it."""

from __future__ import annotations

import logging
from typing import Any

from airflow.api_fastapi.app import get_auth_manager  # noqa: TID251 - of another auth manager there is no state
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from astro_auth_plugin.runtime.log_filters import FewLines
from astro_auth_plugin.shadow import comparing, observed
from astro_auth_plugin.shadow.comparing import Comparing
from astro_auth_plugin.shadow.observed import Observed
from astro_auth_plugin.web import request_bodies

log = logging.getLogger(__name__)

LARGEST_BODY = 64 * 1024
"""How much of a body is kept; a request with a larger one is compared as if it had none."""


class ShadowMiddleware:
    """Notes what the auth manager answers in each HTTP request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._comparing = Comparing()
        # A database that is away is a line for each request otherwise.
        logging.getLogger(comparing.__name__).addFilter(FewLines())
        self._observed: Any = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or whatever else it is, unchanged."""
        if scope["type"] != "http" or not self._observes_manager():
            await self.app(scope, receive, send)
            return
        request = Observed(scope, bytearray() if _decides(scope) else None)
        token = observed.current.set(request)
        try:
            await self.app(scope, receive if request.body is None else _kept(request, receive), send)
        finally:
            observed.current.reset(token)
            self._comparing.hand_over(request)

    def _observes_manager(self) -> bool:
        try:
            manager = get_auth_manager()
            if manager is not self._observed:
                # Airflow 3.1 makes more than one.
                self._observed = manager
                observed.observe(manager)
        except Exception:
            log.exception("The auth manager cannot be observed")
            return False
        return True


def _decides(scope: Scope) -> bool:
    """Whether the policy's answer depends on the body of a request."""
    path, root_path = str(scope["path"]), str(scope.get("root_path", ""))
    path = path.removeprefix(root_path) if path.startswith(f"{root_path}/") else path
    return request_bodies.needs_body(scope["method"], path) or request_bodies.names_objects(scope["method"], path)


def _kept(request: Observed, receive: Receive) -> Receive:
    async def receive_and_keep() -> Message:
        message = await receive()
        if request.body is not None:
            request.body += message.get("body", b"")
            if len(request.body) > LARGEST_BODY:
                request.body = None
        return message

    return receive_and_keep
