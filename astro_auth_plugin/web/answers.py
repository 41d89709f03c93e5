"""Changes of Airflow's answers: the reason of a refusal, how to sign in, and that no cache may store a token."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from time import monotonic

from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from starlette.types import Message, Send

from astro_auth_plugin.authorization import authorizer
from astro_auth_plugin.runtime.request_context import RequestContext
from astro_auth_plugin.web import long_answers, plugin_list
from astro_auth_plugin.web.request_bodies import TOKENS_IN_BODY
from astro_auth_plugin.web.status_codes import BAD_REQUEST, FORBIDDEN, UNAUTHORIZED

FOR_WORKERS = "/execution/"


class Answer:
    """The `send` of a request: one for everything that is changed of its answer.

    Args:
        context: the request.
        path: its path.
        send: where the answer goes.
        leaves_a_row: whether the request leaves something to be written, before the client has the whole answer.

    Attributes:
        end: the last message, which is kept where the request leaves a row. A client with the whole answer then finds
            the row. It is written when Airflow is done with the request: before, its transaction may still be open, and
            SQLite lets one write at a time, so the next request could run into it as well.
    """

    __slots__ = ("_begun_at", "_context", "_held", "_leaves_a_row", "_path", "_reason", "_send", "_text", "end")

    def __init__(
        self, context: RequestContext, path: str, send: Send, leaves_a_row: Callable[[RequestContext], bool]
    ) -> None:
        self._context = context
        self._path = path
        self._send = send
        self._leaves_a_row = leaves_a_row
        self._begun_at: float | None = None
        self._held: Message | None = None
        self._reason = ""
        self._text = bytearray()
        self.end: list[Message] = []

    async def __call__(self, message: Message) -> None:
        """Send a message.

        Raises:
            AccessEnded: if the rest of the answer may not be sent any more.
        """
        if message["type"] == "http.response.start":
            self._begun_at = monotonic()
            await self._begin(message)
            return
        if self._begun_at is not None and message.get("body") and long_answers.is_due(self._begun_at):
            await long_answers.end_without_access(self._context)
            self._begun_at = monotonic()
        if message["type"] != "http.response.body":
            await self._send(message)
        elif self._held is None:
            await self._send_part(message)
        else:
            await self._replace(self._held, message)

    async def _begin(self, message: Message) -> None:
        context, status = self._context, message["status"]
        if self._path in TOKENS_IN_BODY or _sets_token(message["headers"]):
            message = _with_header(message, b"cache-control", b"no-store")
        if status == BAD_REQUEST and not authorizer.may_name_team(context):
            message = {**message, "status": FORBIDDEN}
        # After a 403 that says exactly `Forbidden` Airflow's UI never requests that URL again until it is loaded anew,
        # and pages read from the URLs they write to. Refused reads stay as they are for browsers, which stop requesting
        # then.
        if message["status"] == FORBIDDEN and context.denial_reason:
            self._held, self._reason = message, context.denial_reason
        elif plugin_list.is_cut(context, status):
            self._held = message
        else:
            if status == UNAUTHORIZED and not self._path.startswith(FOR_WORKERS):
                # RFC 9110 wants it. Workers sign in with tokens of their own.
                message = _with_challenge(message)
            await self._send_start(message)

    async def _replace(self, start: Message, message: Message) -> None:
        """Send another body than Airflow's, when that has come."""
        if not self._reason:
            self._text += message.get("body", b"")
        if message.get("more_body"):
            return
        self._held = None
        if self._reason:
            body = json.dumps({"detail": self._reason}).encode()
            start = _with_header(start, b"content-type", b"application/json")
        else:
            body = plugin_list.cut(self._context.actor, bytes(self._text))
        await self._send_start(_with_header(start, b"content-length", str(len(body)).encode()))
        await self._send_part({"type": "http.response.body", "body": body})

    async def _send_start(self, message: Message) -> None:
        self._context.status = message["status"]
        await self._send(message)

    async def _send_part(self, message: Message) -> None:
        if not message.get("more_body") and self._leaves_a_row(self._context):
            self.end.append(message)
        else:
            await self._send(message)


def _with_header(message: Message, name: bytes, value: bytes) -> Message:
    kept = [header for header in message["headers"] if header[0].lower() != name]
    return {**message, "headers": [*kept, (name, value)]}


def _with_challenge(message: Message) -> Message:
    names = {name.lower() for name, _ in message["headers"]}
    return message if b"www-authenticate" in names else _with_header(message, b"www-authenticate", b"Bearer")


def _sets_token(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    cookie = f"{COOKIE_NAME_JWT_TOKEN}=".encode()
    return any(name.lower() == b"set-cookie" and value.startswith(cookie) for name, value in headers)
