"""Changes of Airflow's answers: the reason of a refusal, how to sign in, and that no cache may store a token."""

from __future__ import annotations

import json
from collections.abc import Iterable

from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from starlette.types import Message, Send

from astro_auth_plugin.authorization import authorizer
from astro_auth_plugin.runtime.request_context import RequestContext
from astro_auth_plugin.web.request_bodies import TOKENS_IN_BODY
from astro_auth_plugin.web.status_codes import BAD_REQUEST, FORBIDDEN, UNAUTHORIZED

FOR_WORKERS = "/execution/"


def telling_refusals(context: RequestContext, send: Send) -> Send:
    """Return a `send` that puts the reason of a refusal in the place of Airflow's bare `Forbidden`.

    After a 403 that says exactly `Forbidden` Airflow's UI never requests that URL again until it is loaded anew,
    and pages read from the URLs they write to. Refused reads stay as they are for browsers, which stop requesting then.
    """
    started: list[Message] = []

    async def send_reason(message: Message) -> None:
        is_start = message["type"] == "http.response.start"
        if is_start and message["status"] == BAD_REQUEST and not authorizer.may_name_team(context):
            message = {**message, "status": FORBIDDEN}
        reason = context.denial_reason
        if message["type"] == "http.response.start" and message["status"] == FORBIDDEN and reason:
            started.append(message)
        elif message["type"] == "http.response.body" and started:
            if message.get("more_body"):
                return
            start = started.pop()
            body = json.dumps({"detail": reason}).encode()
            new = {b"content-length": str(len(body)).encode(), b"content-type": b"application/json"}
            kept = [header for header in start["headers"] if header[0].lower() not in new]
            await send({**start, "headers": [*kept, *new.items()]})
            await send({"type": "http.response.body", "body": body})
        else:
            await send(message)

    return send_reason


def telling_how_to_sign_in(path: str, send: Send) -> Send:
    """Return a `send` that adds the header which a 401 needs by RFC 9110, and Airflow leaves out.

    The execution API, where workers sign in with tokens of their own, stays as it is.
    """

    async def send_header(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == UNAUTHORIZED:
            names = {name.lower() for name, _ in message["headers"]}
            if b"www-authenticate" not in names and not path.startswith(FOR_WORKERS):
                message = {**message, "headers": [*message["headers"], (b"www-authenticate", b"Bearer")]}
        await send(message)

    return send_header


def keeping_tokens_out_of_caches(path: str, send: Send) -> Send:
    """Return a `send` that forbids to store an answer which carries a token, in its body or in a cookie."""

    async def send_header(message: Message) -> None:
        if message["type"] == "http.response.start" and (path in TOKENS_IN_BODY or _sets_token(message["headers"])):
            kept = [header for header in message["headers"] if header[0].lower() != b"cache-control"]
            message = {**message, "headers": [*kept, (b"cache-control", b"no-store")]}
        await send(message)

    return send_header


def _sets_token(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    cookie = f"{COOKIE_NAME_JWT_TOKEN}=".encode()
    return any(name.lower() == b"set-cookie" and value.startswith(cookie) for name, value in headers)
