"""The middleware in every request: it keeps the request for the hooks, says why a write was
refused, shows a page to people who have no permissions, and notes which API tokens are in use.

It is pure ASGI, so that the context it sets is the one in which the request is served.
"""

from __future__ import annotations

from functools import partial

from anyio import to_thread
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from astro_auth_plugin.authentication import token_use
from astro_auth_plugin.authorization import audit_rows, denials
from astro_auth_plugin.rbac.model import token_secrets
from astro_auth_plugin.runtime import audit_log
from astro_auth_plugin.runtime.request_context import RequestContext, enter_request, leave_request
from astro_auth_plugin.runtime.settings import served_over_tls
from astro_auth_plugin.web import (
    answers,
    first_requests,
    logout,
    long_answers,
    passwords,
    peer,
    request_bodies,
    size_limits,
    worker_tokens,
)
from astro_auth_plugin.web.no_access import page_instead
from astro_auth_plugin.web.status_codes import (
    FORBIDDEN,
    HEAD_TOO_LARGE,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    TOO_LARGE,
    UNAUTHORIZED,
    UNPROCESSABLE,
)

_DOCUMENTS_FOR_WORKERS = frozenset(
    f"{answers.FOR_WORKERS.rstrip('/')}/{name}" for name in ("openapi.json", "docs", "redoc", "changelog")
)


class RequestMiddleware:
    """Makes each HTTP request the current one while it is served."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._tls = served_over_tls()
        self._doors = passwords.Doors()
        self._first_requests = first_requests.FirstRequests()
        self._waits, self._backfills = long_answers.RunWaits(), long_answers.Backfills()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; anything that is no HTTP request passes as it is."""
        if scope["type"] == "lifespan":
            peer.keep(receive)
        if scope["type"] != "http":
            app = WebSocketClose() if _is_refused_websocket(scope) else self.app
            await app(scope, receive, send)
            return
        path = _path(scope)
        refusal = _other_method(scope) or _other_path(path) or await _too_large(scope, path)
        if refusal is None:
            size_limits.drop_escaped_cookies(scope)
            size_limits.drop_long_ranges(scope)
            refusal = _secret_for_workers(scope, path) or await _documents_for_workers(scope, path)
        # All that reads a body reads it within these limits.
        body, receive = None, size_limits.bounded(receive, scope, path)
        if refusal is None:
            body, receive, refusal = await request_bodies.looked_at(scope, path, receive)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        await self._first_requests.ready(scope, path)
        request_bodies.name_json(scope)
        raw, receive = await request_bodies.kept(scope, path, receive)
        if self._tls and scope.get("scheme") == "http":
            # A proxy in front has taken TLS off. Cookies and addresses have to suit what the browser speaks.
            scope["scheme"] = "https"
        context = RequestContext(scope, body if request_bodies.needs_body(scope["method"], path) else None)
        context.raw_body = raw
        if path in logout.PATHS:
            context.events += await logout.end(scope)
        serve = partial(self._serve, context, path)
        if long_answers.is_wait(scope["method"], path):
            await self._waits.serve(serve, scope, receive, send)
        elif long_answers.is_backfill(scope["method"], path):
            await self._backfills.serve(serve, scope, receive, send)
        else:
            await serve(receive, send)

    async def _serve(self, context: RequestContext, path: str, receive: Receive, send: Send) -> None:
        """Let Airflow answer, or the page for people without access, and record what the request leaves."""
        answer = answers.Answer(context, path, send, _leaves_a_row)
        token = enter_request(context)
        try:
            page = await page_instead(context.scope, path)
            if page is not None:
                await page(context.scope, receive, send)
            else:
                await self._doors.serve(self.app, context, path, receive, answer)
        finally:
            leave_request(token)
            await _record(context)
            for message in answer.end:
                await send(message)


def _is_refused_websocket(scope: Scope) -> bool:
    """Whether a WebSocket is for Flask, which fails on it with a traceback in the log, or for the API of workers.

    There are none at that API, and the first one would have it built on the event loop.
    """
    refused = ("/auth/", "/pluginsv2/", answers.FOR_WORKERS)
    return scope["type"] == "websocket" and _path(scope).startswith(refused)


def _path(scope: Scope) -> str:
    # As starlette does it: `/a` is no prefix of `/api`.
    path, root_path = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root_path) if path.startswith(f"{root_path}/") else path


def _other_method(scope: Scope) -> JSONResponse | None:
    """Refuse a method in small letters, which is none in HTTP, since Flask serves it like the one in capitals."""
    if scope["method"].isupper():
        return None
    return JSONResponse({"detail": "Methods are written in capital letters."}, METHOD_NOT_ALLOWED)


def _other_path(path: str) -> JSONResponse | None:
    """Refuse a path that only a router takes for another one.

    Airflow's does so with a line break at the end, and Flask's with more slashes than one before the path of a page.
    """
    is_other = path.endswith("\n") or path.startswith("/auth//")
    return JSONResponse({"detail": "Not Found"}, NOT_FOUND) if is_other else None


async def _documents_for_workers(scope: Scope, path: str) -> JSONResponse | None:
    """Hide the documents of the workers' API from others: each is made anew, for up to a second on the event loop."""
    if path.rstrip("/") not in _DOCUMENTS_FOR_WORKERS or await worker_tokens.is_from_worker(scope):
        return None
    return _not_a_worker()


async def _too_large(scope: Scope, path: str) -> JSONResponse | None:
    if size_limits.head_is_too_large(scope):
        detail = (
            f"There are more than {size_limits.MOST_HEADERS} headers, or {size_limits.LARGEST_HEAD} bytes with the URL."
        )
        return JSONResponse({"detail": detail}, HEAD_TOO_LARGE)
    if size_limits.cookies_are_too_large(scope):
        detail = f"The cookies are larger than {size_limits.LARGEST_COOKIES} bytes."
        return JSONResponse({"detail": detail}, HEAD_TOO_LARGE)
    if size_limits.query_is_too_large(scope):
        detail = (
            f"There are more than {size_limits.MOST_PARAMETERS} query parameters, "
            f"or `dag_runs_limit` is more than {size_limits.MOST_RUNS}."
        )
        return JSONResponse({"detail": detail}, UNPROCESSABLE)
    limit = size_limits.largest_body(scope, path)
    if size_limits.announced_size(scope) > limit and not await size_limits.has_no_limit(scope, path):
        return JSONResponse({"detail": f"The body is larger than {limit} bytes."}, TOO_LARGE)
    return None


def _secret_for_workers(scope: Scope, path: str) -> JSONResponse | None:
    """Refuse API token secrets on the routes of workers: before 3.3 Airflow logs what it refuses there, as it is."""
    secret = token_secrets.PREFIX.encode()
    has_secret = any(name == b"authorization" and secret in value for name, value in scope["headers"])
    if not has_secret or not path.startswith(answers.FOR_WORKERS):
        return None
    return _not_a_worker()


def _not_a_worker() -> JSONResponse:
    return JSONResponse({"detail": "Invalid auth token"}, UNAUTHORIZED, {"WWW-Authenticate": "Bearer"})


# -- what a request leaves in the audit log ------------------------------------------------------------------------


def _leaves_a_row(context: RequestContext) -> bool:
    used = context.api_token or context.actor
    by_token = used is not None and used.is_token
    return context.denial is not None or bool(context.events) or by_token or _support_access(context) is not None


async def _record(context: RequestContext) -> None:
    # A batch can be refused in part, and then the row is for the rest.
    if context.denial is not None and context.status == FORBIDDEN and context.log_rows:
        await to_thread.run_sync(audit_rows.take_back, context)
    if context.denial is not None:
        await to_thread.run_sync(denials.record, context, context.denial)
    for event in context.events:
        await to_thread.run_sync(audit_log.record, context, event)
    supports = _support_access(context)
    if supports is not None:
        await to_thread.run_sync(audit_log.record, context, supports)
    used = context.api_token or context.actor
    if used is not None and token_use.is_due(used):
        await to_thread.run_sync(token_use.record, used)


def _support_access(context: RequestContext) -> audit_log.Event | None:
    # Pages of FAB have a session of their own, which need not be of who has the cookie.
    users = (user for user in (context.signed_in, context.actor) if user is not None)
    return next(filter(None, (audit_log.support_access(user, context.status) for user in users)), None)
