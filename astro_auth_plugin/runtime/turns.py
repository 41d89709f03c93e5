"""Turns: a few requests are worked on at once, and the others wait without a thread.

A turn is taken when the body of the request is there: otherwise clients that do not send theirs would keep all turns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from anyio import to_thread
from starlette.types import Message, Receive, Send


class Turn:
    """A turn that a request has taken; it ends when the answer begins, or by `end`.

    Who reads an answer slowly keeps no other request waiting.

    Args:
        free: where the turn was taken.
    """

    def __init__(self, free: asyncio.Semaphore) -> None:
        self._free = free
        self._held = True

    def end(self) -> None:
        """Let another request begin, if this one has not done so."""
        if self._held:
            self._held = False
            self._free.release()

    def until_answered(self, send: Send) -> Send:
        """Return a `send` that ends the turn with the first message."""

        async def send_without_a_turn(message: Message) -> None:
            self.end()
            await send(message)

        return send_without_a_turn


class Turns:
    """The turns of one kind of request. One for a server.

    Args:
        at_once: how many requests have a turn at once.
        most_waiting: how many may wait for one.
    """

    def __init__(self, at_once: int, most_waiting: int) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._waiting = 0
        self._most_waiting = most_waiting

    async def take(self) -> Turn | None:
        """Wait for a turn and return it; None where too many wait already."""
        if self._waiting >= self._most_waiting:
            return None
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        return Turn(self._free)


async def whole_body(receive: Receive) -> tuple[bytes, Receive]:
    """Read the body of a request, and return it together with a `receive` that brings it again, in one piece.

    Args:
        receive: what brings the body; it has to limit its size and the time that it takes.
    """
    # Joined at once: a body may come in pieces of one byte, and the message of each takes hundreds.
    text = bytearray()
    more, left = True, list[Message]()
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            left = [message]
            break
        text += message.get("body", b"")
        more = bool(message.get("more_body"))
    left.append({"type": "http.request", "body": bytes(text), "more_body": more})

    async def receive_again() -> Message:
        return left.pop() if left else await receive()

    return bytes(text), receive_again


class Once:
    """Something that is built in a thread when it is first needed, and for which all others wait without a thread.

    It is asked for only while it is not built, so after a failure the next one who needs it tries again.
    """

    def __init__(self) -> None:
        self._building: asyncio.Task[Any] | None = None

    async def built(self, build: Callable[[], Any]) -> None:
        """Return when it is built; the first caller begins."""
        building = self._building
        if building is None or building.done() or building.get_loop() is not asyncio.get_running_loop():
            building = self._building = asyncio.create_task(to_thread.run_sync(build))
        # Those who wait for it can go away; the work goes on.
        await asyncio.shield(building)
