"""The middleware that stands in every request: it keeps the request at hand for the hooks, says why a write was
refused, shows a page to people who hold nothing, and notes which API tokens are in use.

It is pure ASGI, so that the context it sets is the one in which the request is served.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from astro_auth_plugin.airflow_bridge import denials, token_use
from astro_auth_plugin.airflow_bridge.identity import AstroIdentity
from astro_auth_plugin.airflow_bridge.request import RequestFacts, enter_request, leave_request
from astro_auth_plugin.airflow_bridge.settings import read_settings, served_over_tls
from astro_auth_plugin.rbac import token_secrets
from astro_auth_plugin.web import pages, signing_out

log = logging.getLogger(__name__)

# Where the decision needs a field of the body: whether a backfill reprocesses, and whom an account is to be.
_BODY_NEEDED = (("POST", "/api/v2/backfills"), ("POST", "/auth/fab/v1/users"), ("PATCH", "/auth/fab/v1/users/"))
MAX_BODY = 1024 * 1024
_FOR_WORKERS = "/execution/"
UNAUTHORIZED = 401
FORBIDDEN = 403
TOO_LARGE = 413

# Everything that is not one of these is the page of Airflow's UI.
_NOT_UI_PAGES = (
    "/api/",
    "/auth/",
    "/docs",
    "/execution/",
    "/health",
    "/openapi.json",
    "/plugins",
    "/redoc",
    "/static/",
    "/ui/",
)


class RequestMiddleware:
    """Makes each HTTP request the current one while it is served."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._tls = served_over_tls()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; anything that is no HTTP request passes as it is."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = _path(scope)
        if path.startswith(_FOR_WORKERS) and _brings_secret(scope):
            # Before 3.3 Airflow logs what it refuses there, as it is.
            refusal = JSONResponse({"detail": "Invalid auth token"}, UNAUTHORIZED, {"WWW-Authenticate": "Bearer"})
            await refusal(scope, receive, send)
            return
        body = None
        if _needs_body(scope["method"], path):
            try:
                body, receive = await _read_json(receive)
            except _BodyTooLarge:
                refusal = JSONResponse({"detail": f"The body is larger than {MAX_BODY} bytes."}, TOO_LARGE)
                await refusal(scope, receive, send)
                return
        if self._tls and scope.get("scheme") == "http":
            # A proxy in front has taken TLS off. Cookies and addresses have to suit what the browser speaks.
            scope["scheme"] = "https"
        if path in signing_out.PATHS:
            await signing_out.end(scope)
        facts = RequestFacts(scope, body)
        end: list[Message] = []
        token = enter_request(facts)
        try:
            page = await _page_instead(scope, path)
            if page is not None:
                await page(scope, receive, send)
            else:
                ending = _keeping_the_end(facts, end, send)
                await self.app(scope, receive, _telling_refusals(facts, _telling_how_to_sign_in(path, ending)))
        finally:
            leave_request(token)
            await _record(facts)
            for message in end:
                await send(message)


def _path(scope: Scope) -> str:
    # As starlette does it: `/a` is no prefix of `/api`.
    path, root_path = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root_path) if path.startswith(f"{root_path}/") else path


def _brings_secret(scope: Scope) -> bool:
    secret = token_secrets.PREFIX.encode()
    return any(name == b"authorization" and secret in value for name, value in scope["headers"])


# -- the body ------------------------------------------------------------------------------------------------------


def _needs_body(method: str, path: str) -> bool:
    return any(
        method == needed and (path == prefix or (prefix.endswith("/") and path.startswith(prefix)))
        for needed, prefix in _BODY_NEEDED
    )


class _BodyTooLarge(Exception):
    """A body that cannot be looked at; Airflow would take it, so it must not come through unseen."""


async def _read_json(receive: Receive) -> tuple[Any, Receive]:
    """Read a body, and return what it says together with a `receive` that brings it again.

    One that is no JSON says nothing here; Airflow refuses it itself.
    """
    messages: list[Message] = []
    size = 0
    more = True
    while more:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        if size > MAX_BODY:
            raise _BodyTooLarge
        more = message["type"] == "http.request" and bool(message.get("more_body"))
    text = b"".join(message.get("body", b"") for message in messages)

    async def receive_again() -> Message:
        return messages.pop(0) if messages else await receive()

    try:
        return json.loads(text), receive_again
    except (ValueError, RecursionError):
        return None, receive_again


# -- what a request leaves in the audit log ------------------------------------------------------------------------


def _keeping_the_end(facts: RequestFacts, end: list[Message], send: Send) -> Send:
    """Return a `send` that keeps the last message in `end` where the request leaves a row.

    Whoever has the whole answer then finds the row. It is written when Airflow is done with the request: before, its
    transaction may still be open, and SQLite lets one write at a time, so the next request could run into it as well.
    """

    async def send_but_the_end(message: Message) -> None:
        used = facts.api_token or facts.actor
        leaves_a_row = facts.denial is not None or (used is not None and used.is_token)
        if leaves_a_row and message["type"] == "http.response.body" and not message.get("more_body"):
            end.append(message)
        else:
            await send(message)

    return send_but_the_end


async def _record(facts: RequestFacts) -> None:
    if facts.denial is not None:
        await to_thread.run_sync(denials.record, facts, facts.denial)
    used = facts.api_token or facts.actor
    if used is not None and token_use.is_due(used):
        await to_thread.run_sync(token_use.record, used)


# -- what a refusal says -------------------------------------------------------------------------------------------


def _telling_refusals(facts: RequestFacts, send: Send) -> Send:
    """Return a `send` that puts the reason of a refused write in the place of Airflow's bare `Forbidden`.

    After a 403 that says exactly `Forbidden` Airflow's UI asks nothing of that URL any more until it is loaded anew,
    and pages read from the URLs they write to.
    """
    started: list[Message] = []

    async def send_reason(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == FORBIDDEN and facts.write_refusal:
            started.append(message)
        elif message["type"] == "http.response.body" and started:
            if message.get("more_body"):
                return
            start = started.pop()
            body = json.dumps({"detail": facts.write_refusal}).encode()
            new = {b"content-length": str(len(body)).encode(), b"content-type": b"application/json"}
            kept = [header for header in start["headers"] if header[0].lower() not in new]
            await send({**start, "headers": [*kept, *new.items()]})
            await send({"type": "http.response.body", "body": body})
        else:
            await send(message)

    return send_reason


def _telling_how_to_sign_in(path: str, send: Send) -> Send:
    """Return a `send` that adds the header which a 401 needs by RFC 9110, and Airflow leaves out.

    The execution API, where workers sign in with tokens of their own, stays as it is.
    """

    async def send_header(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == UNAUTHORIZED:
            names = {name.lower() for name, _ in message["headers"]}
            if b"www-authenticate" not in names and not path.startswith(_FOR_WORKERS):
                message = {**message, "headers": [*message["headers"], (b"www-authenticate", b"Bearer")]}
        await send(message)

    return send_header


# -- people who hold nothing ---------------------------------------------------------------------------------------


async def _page_instead(scope: Scope, path: str) -> HTMLResponse | None:
    """Return the page for somebody who is signed in and holds nothing; None for everybody and everything else."""
    if scope["method"] != "GET" or path.startswith(_NOT_UI_PAGES):
        return None
    request = Request(scope)
    token = request.cookies.get(COOKIE_NAME_JWT_TOKEN)
    if not token or "text/html" not in request.headers.get("accept", ""):
        return None
    identity = await _identity(token)
    if identity is None or identity.access.anywhere:
        return None
    page = pages.no_access(
        identity.email or identity.username, read_settings().access_contact, scope.get("root_path", "")
    )
    return HTMLResponse(page, status_code=FORBIDDEN, headers={"Cache-Control": "no-store"})


async def _identity(token: str) -> AstroIdentity | None:
    try:
        user = await get_auth_manager().get_user_from_token(token)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the token, Airflow's UI deals with it
        log.debug("No page instead of the UI: %s", type(error).__name__)
        return None
    return user if isinstance(user, AstroIdentity) else None
