"""A server that answers Keycloak's questions at once: what Keycloak's auth manager costs without Keycloak.

A person's token is their name. `python -m tools.bench.keycloak_stub` prints its port and ends with its input.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from urllib.parse import parse_qs

from tools.bench.data import ALL, RESTRICTED, WRITTEN, readable

_YES = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
_NO = b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Answers:
    """Who may do what."""

    def __init__(self, size: int) -> None:
        self._seen = frozenset(readable(size, RESTRICTED))

    def allows(self, person: str, form: dict[str, list[str]]) -> bool:
        """Answer one question: a permission such as `Dag#GET`, and the id of an object."""
        method = form["permission"][0].rsplit("#", 1)[-1]
        claims = json.loads(base64.b64decode(form["claim_token"][0])) if "claim_token" in form else {}
        dag_id = claims.get("resource_id", [""])[0]
        if person == ALL or not dag_id:
            return person == ALL or method == "LIST"
        return dag_id in self._seen if method == "GET" else dag_id == WRITTEN


async def _serve(answers: Answers, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
            body = await reader.readexactly(int(fields.get("content-length", 0)))
            person = fields.get("authorization", "").removeprefix("bearer ")
            writer.write(_YES if answers.allows(person, parse_qs(body.decode())) else _NO)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _main(size: int) -> None:
    answers = Answers(size)
    server = await asyncio.start_server(lambda reader, writer: _serve(answers, reader, writer), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
