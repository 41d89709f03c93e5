"""The doors at which passwords are looked at: a few at a time, and a message after too many wrong ones.

To look at a password takes a core for a while, and an identity provider may not answer. Those that wait for either must
not take the threads that serve others.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from astro_auth_plugin.authentication import rate_limit, revocation
from astro_auth_plugin.runtime.request_context import RequestContext
from astro_auth_plugin.runtime.turns import Turn
from astro_auth_plugin.web.status_codes import BAD_REQUEST, SERVICE_UNAVAILABLE

AT_ONCE = min(4, (os.cpu_count() or 1) + 1)
AT_PROVIDERS = 10
"""How many sign-ins query an identity provider at once: a quarter of the threads of an api-server, and at most half of
the pages that may run at once."""
MOST_WAITING = 200
MOST_OF_ONE = MOST_WAITING // 2
"""How many of those may be of one address: a flood from there must leave room for others."""
TOO_MANY_REQUESTS = 429

_DOORS = ("/auth/login", "/auth/token", "/auth/token/cli", "/auth/api/v1/security/login")
_FORM = "/auth/login"
_OF_PROVIDERS = ("/auth/login/", "/auth/oauth-authorized/")


class Doors:
    """Lets a few requests with a password, and a few to an identity provider, through at a time. One for a server."""

    def __init__(self) -> None:
        pages = revocation.pages_at_once()
        at_providers = AT_PROVIDERS if pages is None else min(AT_PROVIDERS, max(pages // 2, 1))
        at_passwords = AT_ONCE if pages is None else min(AT_ONCE, max(pages - 1, 1))
        self._passwords, self._providers = _Door(at_passwords), _Door(at_providers)

    async def serve(self, app: ASGIApp, context: RequestContext, path: str, receive: Receive, send: Send) -> None:
        """Serve a request; one that is limited when it is its turn, and with 503 at once where too many wait."""
        if is_password(context.scope, path):
            await self._passwords.serve(app, context, path, receive, send)
        elif not _queries_provider(path):
            await app(context.scope, receive, send)
        elif _has_body(context.scope):
            # It would keep a turn until its body is there, for which there is no time limit.
            refusal = JSONResponse({"detail": "This request takes no body."}, BAD_REQUEST)
            await refusal(context.scope, receive, send)
        else:
            await self._providers.serve(app, context, path, receive, send)


class _Door:
    """Lets a few requests through at a time."""

    def __init__(self, at_once: int) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._waiting: Counter[str] = Counter()

    async def serve(self, app: ASGIApp, context: RequestContext, path: str, receive: Receive, send: Send) -> None:
        scope = context.scope
        sender = rate_limit.sender(context)
        if self._waiting.total() >= MOST_WAITING or self._waiting[sender] >= MOST_OF_ONE:
            words = "Too many users are signing in. Try again in a few seconds."
            busy = JSONResponse({"detail": words}, SERVICE_UNAVAILABLE, {"Retry-After": "5"})
            await busy(scope, receive, send)
            return
        self._waiting[sender] += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting[sender] -= 1
            self._waiting += Counter()  # forgets those of whom none is left
        turn = Turn(self._free)
        try:
            await app(scope, receive, _telling_too_many(context, path, turn.until_answered(send)))
        finally:
            turn.end()


def is_door(scope: Scope, path: str) -> bool:
    """Whether a request has its password in its body."""
    return scope["method"] == "POST" and path.rstrip("/") in _DOORS


def is_password(scope: Scope, path: str) -> bool:
    """Whether a request brings a password."""
    if is_door(scope, path):
        return True
    # FAB's API takes it in each request, where `[fab] auth_backends` says so.
    basic = any(name == b"authorization" and value.lower().startswith(b"basic ") for name, value in scope["headers"])
    return basic and path.startswith("/auth/")


def _queries_provider(path: str) -> bool:
    return any(path.startswith(prefix) and path != prefix for prefix in _OF_PROVIDERS)


def _has_body(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"


def _telling_too_many(context: RequestContext, path: str, send: Send) -> Send:
    """Return a `send` that answers 429 in the place of what FAB says of a password that has not been looked at."""
    started = False

    async def send_too_many(message: Message) -> None:
        nonlocal started
        if not context.retry_after:
            await send(message)
        elif message["type"] == "http.response.start":
            words = f"Too many wrong passwords. Try again in {context.retry_after} seconds."
            body, kind = json.dumps({"detail": words}).encode(), b"application/json"
            if path.rstrip("/") == _FORM:
                body, kind = words.encode(), b"text/plain; charset=utf-8"
            headers = [
                (b"content-type", kind),
                (b"content-length", str(len(body)).encode()),
                (b"retry-after", str(context.retry_after).encode()),
                (b"cache-control", b"no-store"),
            ]
            started = True
            await send({"type": "http.response.start", "status": TOO_MANY_REQUESTS, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        elif not started:
            await send(message)

    return send_too_many
