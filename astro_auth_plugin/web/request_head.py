"""Limits the head of a request where uvicorn parses it, before there is a request that the middleware could refuse.

uvicorn prefers httptools, which limits nothing: while it collects a header of many megabytes, everybody waits. It also
reports the trailers after a chunked body as headers, and a proxy that sets X-Remote-User may let trailers through. The
same is true of a body after `Upgrade`, which becomes a request of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from astro_auth_plugin.web.size_limits import LARGEST_HEAD
from astro_auth_plugin.web.status_codes import HEAD_TOO_LARGE

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as _Protocol
else:
    # Without httptools, uvicorn has only h11, which has a limit of its own.
    _Protocol = object

HEAD_SECONDS = 30.0
"""How long a connection may stay without the whole head of a request."""
WRITE_SECONDS = 120.0
"""How long an answer may wait for a client that reads nothing of it."""

_WORDS = f"The URL and the headers are larger than {LARGEST_HEAD} bytes."


class HeadLimits(_Protocol):
    """A layer over uvicorn's protocol for httptools. One for a connection."""

    _in_head = False
    _unfinished = 0
    _has_advanced = False
    _awaits_head = True
    _ends: Any = None
    _aborts: Any = None
    _unread = 0

    def connection_made(self, transport: Any) -> None:
        """Begin a connection, which ends if no head comes."""
        super().connection_made(transport)
        # So that nothing can be left unread without a limit: a connection closes when all that was written is sent.
        transport.set_write_buffer_limits(0)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """End a connection."""
        self._await_nothing()
        self._abort_not()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Hold the answer back, since the client does not read it."""
        super().pause_writing()
        if self._aborts is None:
            self._await_reader()

    def resume_writing(self) -> None:
        """Go on with the answer."""
        self._abort_not()
        super().resume_writing()

    def _await_reader(self) -> None:
        self._unread = self.transport.get_write_buffer_size()
        self._aborts = self.loop.call_later(WRITE_SECONDS, self._abort_or_wait)

    def _abort_or_wait(self) -> None:
        if self.transport.get_write_buffer_size() < self._unread:
            # It reads, and a large answer takes long.
            self._await_reader()
        else:
            self.transport.abort()

    def _abort_not(self) -> None:
        if self._aborts is not None:
            self._aborts.cancel()
            self._aborts = None

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived, and end the connection when a head or the trailers do not end."""
        if self.transport.is_closing():
            return
        self._has_advanced = False
        super().data_received(data)
        # A piece in which something ended, or a head begins, may hold anything else, so only the following ones count.
        self._unfinished = 0 if self._has_advanced else self._unfinished + len(data)
        if self._unfinished > LARGEST_HEAD and not self.transport.is_closing():
            self._refuse()
        if self._waits() and self._ends is None and not self.transport.is_closing():
            # uvicorn has taken back the limit that it set after its last answer.
            self._await_head()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._has_advanced = self._in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; trailers are dropped, as RFC 9110 allows."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """End the head; after one that asks for another protocol than WebSocket the connection has no more requests.

        httptools does not read the body of such a request, and would take what follows, the body, for the next request.
        """
        self._has_advanced, self._in_head, self._awaits_head = True, False, False
        self._await_nothing()
        super().on_headers_complete()
        if self.parser.should_upgrade() and not self._should_upgrade():
            # uvicorn then closes the connection with the answer, and serves none of the requests that wait.
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._has_advanced = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._has_advanced = self._awaits_head = True
        super().on_message_complete()

    def _waits(self) -> bool:
        """Whether the connection has nothing to answer: a head is to come, or the rest of a body that is answered."""
        cycle: Any = self.cycle
        return self._awaits_head or (cycle is not None and cycle.response_complete)

    def _await_head(self) -> None:
        self._ends = self.loop.call_later(HEAD_SECONDS, self._end)

    def _await_nothing(self) -> None:
        if self._ends is not None:
            self._ends.cancel()
            self._ends = None

    def _end(self) -> None:
        self._ends = None
        cycle: Any = self.cycle
        if cycle is not None and not cycle.response_complete:
            # An answer is under way, and the next request has begun: that one may take as long again.
            self._await_head()
        elif self.timeout_keep_alive_task is None:
            # Between requests uvicorn has a limit of its own.
            self.transport.close()

    def _refuse(self) -> None:
        cycle: Any = self.cycle
        if cycle is None or cycle.response_complete:
            # While another answer is under way, this one would become a part of it.
            lines = (
                f"HTTP/1.1 {HEAD_TOO_LARGE} Request Header Fields Too Large",
                "content-type: text/plain; charset=utf-8",
                f"content-length: {len(_WORDS)}",
                "connection: close",
                "",
                _WORDS,
            )
            self.transport.write("\r\n".join(lines).encode())
        self.transport.close()


def limited(protocol: Any) -> Any:
    """Return uvicorn's protocol class with limits, or None for a class that nothing is known about."""
    if issubclass(protocol, HeadLimits) or protocol.__module__ == "uvicorn.protocols.http.h11_impl":
        return protocol
    if not hasattr(protocol, "on_headers_complete"):
        return None
    return type(f"Limited{protocol.__name__}", (HeadLimits, protocol), {})
