"""Requests that take long: few at once, and answers that go on end when the access of who gets them ends."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Iterable
from time import monotonic
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from anyio import to_thread
from fastapi import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from astro_auth_plugin.authorization import authorizer
from astro_auth_plugin.runtime import audit_log, state
from astro_auth_plugin.runtime.identity import AstroIdentity
from astro_auth_plugin.runtime.log_filters import EndedOnPurpose
from astro_auth_plugin.runtime.request_context import CUT_OFF, RequestContext
from astro_auth_plugin.runtime.turns import Turns, whole_body
from astro_auth_plugin.web.status_codes import SERVICE_UNAVAILABLE, UNPROCESSABLE

log = logging.getLogger(__name__)

CHECK_SECONDS = 5.0
"""How old what is known of the access may be when a further part of an answer is sent."""

SHORTEST_WAIT = 1.0
"""Seconds between two looks at a run. Airflow takes any number, and queries on the event loop as fast as it can."""
MOST_WAITS = 50
"""How many requests that wait for a run a process serves."""
BACKFILLS_AT_ONCE = 2
"""How many requests that make or try out a backfill a process works on: each takes a database connection for as long as
it steps through the runs of the Dag, also when its client has gone."""
MOST_BACKFILLS_WAITING = 20
_BACKFILLS = ("/api/v2/backfills", "/api/v2/backfills/dry_run")
_OF_DAGS, _WAIT = "/api/v2/dags/", "/wait"
_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{0,9})?")


class AccessEnded(EndedOnPurpose):
    """Ends an answer before its end: the server closes the connection, so that the client sees that it is cut."""


def is_due(checked: float) -> bool:
    """Whether it is to be looked again if the rest of an answer may be sent, after `checked` by `time.monotonic`."""
    return monotonic() - checked > CHECK_SECONDS


async def end_without_access(context: RequestContext) -> None:
    """Look again whether the rest of an answer may be sent.

    Raises:
        AccessEnded: if it may not.
    """
    user = context.signed_in or context.actor
    if user is not None and not await _is_still_allowed(context):
        context.events.append(audit_log.answer_ended(user))
        ended = AccessEnded(f"Ended the answer to {user.username}, whose access has ended meanwhile")
        context.scope.get(CUT_OFF, []).append(ended)
        raise ended


async def _is_still_allowed(context: RequestContext) -> bool:
    """Whether the credential of a request is still valid, and all would be allowed again that was."""
    authenticator, identities = state.current().authenticator, dict[int | str, AstroIdentity]()
    # Denied again it is noted as the end of the answer, and as nothing else.
    asked, denial = context.allowed, context.denial
    context.allowed = []
    context.identities.clear()
    try:
        if context.signed_in is not None:
            cookie = Request(context.scope).cookies.get(COOKIE_NAME_JWT_TOKEN, "")
            identity = await authenticator.authenticate(context.credential or cookie)
            identities[identity.id] = identity
        return await to_thread.run_sync(_all_allowed, asked, identities)
    except (HTTPException, ValueError):
        return False
    except Exception:
        # Unknown is denied; and after an error a layer above could end the answer as if it were complete.
        log.exception("Cannot look again whether the rest of an answer may be sent")
        return False
    finally:
        context.denial = denial


def _all_allowed(asked: Iterable[tuple[int | str, Any]], identities: dict[int | str, AstroIdentity]) -> bool:
    for user_id, request in asked:
        if user_id not in identities:
            # A page of FAB or of a plugin, which has a session of its own.
            user = SimpleNamespace(id=user_id, is_anonymous=False)
            identities[user_id] = state.current().authenticator.identity_of_user(user)
        if not authorizer.authorize(identities[user_id], request).allowed:
            return False
    return True


def is_wait(method: str, path: str) -> bool:
    """Whether a request is `GET .../dagRuns/{run_id}/wait`, which queries the database until a run has ended.

    Others are not counted: they may come without their body, and would keep the places of these.
    """
    return method == "GET" and path.startswith(_OF_DAGS) and path.rstrip("/").endswith(_WAIT)


class RunWaits:
    """Serves a number of requests that wait for a run at once. One for a server."""

    def __init__(self) -> None:
        self._served = 0

    async def serve(
        self, serve: Callable[[Receive, Send], Awaitable[None]], scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Serve a request; with 422 where its interval is too short, and with 503 where there are too many."""
        if not _is_long_enough(scope):
            detail = f"`interval` is a number of seconds of at least {SHORTEST_WAIT:g}, such as 5."
            await JSONResponse({"detail": detail}, UNPROCESSABLE)(scope, receive, send)
        elif self._served >= MOST_WAITS:
            detail = f"There are {MOST_WAITS} requests that wait for runs. Try again later, or ask for the run itself."
            await JSONResponse({"detail": detail}, SERVICE_UNAVAILABLE, {"Retry-After": "30"})(scope, receive, send)
        else:
            self._served += 1
            try:
                await serve(receive, send)
            finally:
                self._served -= 1


def is_backfill(method: str, path: str) -> bool:
    """Whether a request makes or tries out a backfill."""
    return method == "POST" and path in _BACKFILLS


class Backfills:
    """Serves few requests that make or try out a backfill at once; the others wait. One for a server."""

    def __init__(self) -> None:
        self._turns = Turns(BACKFILLS_AT_ONCE, MOST_BACKFILLS_WAITING)

    async def serve(
        self, serve: Callable[[Receive, Send], Awaitable[None]], scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Serve a request when it is its turn; with 503 where too many wait."""
        _, receive = await whole_body(receive)
        turn = await self._turns.take()
        if turn is None:
            detail = "There are many requests for backfills. Try again later."
            await JSONResponse({"detail": detail}, SERVICE_UNAVAILABLE, {"Retry-After": "30"})(scope, receive, send)
            return
        try:
            await serve(receive, turn.until_answered(send))
        finally:
            turn.end()


def _is_long_enough(scope: Scope) -> bool:
    # Without the parameter, Airflow says that it is missing.
    query = scope.get("query_string", b"").decode("latin-1")
    values = parse_qs(query, keep_blank_values=True).get("interval", ())
    return all(_SECONDS.fullmatch(value) and float(value) >= SHORTEST_WAIT for value in values)
