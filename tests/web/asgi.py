"""How the tests call an ASGI application: one request with a body in pieces, and what came back."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import unquote


class Answer(NamedTuple):
    """What an application sent."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def detail(self) -> Any:
        """Return what a refusal says."""
        return json.loads(self.body)["detail"]


async def ask(
    app: Any,
    method: str,
    path: str,
    *,
    pieces: Sequence[bytes] = (b"",),
    headers: dict[str, str] | None = None,
    root_path: str = "",
    gone: bool = False,
) -> Answer:
    """Send one request; `gone` hangs up before the body ends."""
    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "server": ("localhost", 8080),
        "client": ("127.0.0.1", 5),
        "path": unquote(path),
        "raw_path": path.encode(),
        "root_path": root_path,
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
    }
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": piece, "more_body": gone or number < len(pieces) - 1}
        for number, piece in enumerate(pieces)
    ]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        if not messages and not gone:
            await asyncio.Event().wait()  # the client waits for its answer
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start = next(message for message in sent if message["type"] == "http.response.start")
    body = b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body")
    return Answer(start["status"], {name.decode().lower(): value.decode() for name, value in start["headers"]}, body)


def exchange(port: int, *pieces: bytes) -> bytes:
    """Send bytes to a server piece by piece, and return all that it answers before it is silent or hangs up."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
            # The server is to see the pieces one by one.
            connection.settimeout(0.3)
            with suppress(TimeoutError):
                while received := connection.recv(65_536):
                    answer += received
    return answer
