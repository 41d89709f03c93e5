"""Turns: a few requests are worked on at once, and the others wait without a thread."""

from __future__ import annotations

import asyncio

from starlette.types import Message, Send


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
