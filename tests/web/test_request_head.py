"""uvicorn takes no endless head and no trailers, whatever parses its requests."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import uvicorn
from uvicorn.lifespan.on import LifespanOn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from astro_auth_plugin.web import peer, request_head
from astro_auth_plugin.web.size_limits import LARGEST_HEAD
from tests.web.asgi import exchange

PIECE = b"a" * 16 * 1024
PIECES = LARGEST_HEAD // len(PIECE)
CHUNKED = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n"
FORGED = b"0\r\nx-remote-user: olga@example.com\r\nx-forwarded-for: 192.0.2.1\r\n\r\n"


class _Transport(asyncio.Transport):
    """A connection that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.9", 7), "sockname": ("192.0.2.1", 80)})
        self.written = b""
        self.closed = self.aborted = False
        self.has_closed = asyncio.Event()
        self.unread = self.limit = 100

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True
        self.has_closed.set()

    def abort(self) -> None:
        self.aborted = True
        self.close()

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return self.unread

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert low is None
        self.limit = 100 if high is None else high

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """Tell the headers that are there once the body is."""
    if scope["type"] == "lifespan":
        peer.keep(receive)
        await send({"type": "lifespan.startup.complete"})
        return
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        return
    while (await receive()).get("more_body"):
        pass
    names = b" ".join(name for name, _ in scope["headers"])
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(names)).encode())]}
    )
    await send({"type": "http.response.body", "body": names})


class _Fed(NamedTuple):
    """What has become of a connection."""

    written: bytes
    closed: bool


def _fed(*pieces: bytes, at_once: bool = False) -> _Fed:
    """Return what has become of a connection when these pieces have arrived, in turns or before any is served."""

    async def run() -> _Fed:
        config = uvicorn.Config(_app, lifespan="off", log_config=None)
        config.load()
        protocol = request_head.limited(HttpToolsProtocol)(config, ServerState(), {})
        transport = _Transport()
        protocol.connection_made(transport)
        for piece in pieces:
            protocol.data_received(piece)
            if not at_once:
                await asyncio.sleep(0)
        for _ in pieces:
            await asyncio.sleep(0)
        fed = _Fed(transport.written, transport.closed)
        protocol.connection_lost(None)
        await asyncio.sleep(0)
        return fed

    return asyncio.run(run())


@pytest.mark.parametrize(
    "start", [b"GET / HTTP/1.1\r\nx: ", b"GET /", b"GET / HTTP/1.1\r\nx", b"GET / HTTP/1.1\r\nx: a\r\ny: "]
)
def test_endless_head(start: bytes) -> None:
    """A header, a name or a URL that does not end gets 431, and the connection ends."""
    assert not _fed(start, *[PIECE] * PIECES).closed
    fed = _fed(start, *[PIECE] * PIECES, b"a", b"\r\n\r\n")
    assert (fed.written[:12], fed.written.count(b"HTTP/1.1"), fed.closed) == (b"HTTP/1.1 431", 1, True)


HEAD = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.mark.parametrize("reads", [True, False])
def test_answer_that_is_not_read(reads: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that reads nothing of its answer for long loses the connection; one that reads slowly keeps it."""
    monkeypatch.setattr(request_head, "WRITE_SECONDS", 0.05)

    async def run() -> None:
        config = uvicorn.Config(_app, lifespan="off", log_config=None, timeout_keep_alive=600)
        config.load()
        protocol = request_head.limited(HttpToolsProtocol)(config, ServerState(), {})
        transport = _Transport()
        protocol.connection_made(transport)
        protocol.data_received(HEAD)
        for _ in range(3):
            protocol.pause_writing()
            protocol.pause_writing()
            if reads:
                protocol.resume_writing()
        if reads:
            await asyncio.sleep(0.3)
            assert not transport.aborted
        else:
            await asyncio.wait_for(transport.has_closed.wait(), 30)
            assert transport.aborted
        protocol.pause_writing()
        protocol.connection_lost(None)
        assert protocol._aborts is None

    asyncio.run(run())


def test_answer_that_is_read_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that reads some of a large answer each time keeps its connection; it loses it when it stops."""
    monkeypatch.setattr(request_head, "WRITE_SECONDS", 0.01)

    async def run() -> int:
        class _Read(_Transport):
            def get_write_buffer_size(self) -> int:
                self.unread = max(self.unread - 20, 40)
                return self.unread

        config = uvicorn.Config(_app, lifespan="off", log_config=None, timeout_keep_alive=600)
        config.load()
        protocol, transport = request_head.limited(HttpToolsProtocol)(config, ServerState(), {}), _Read()
        protocol.connection_made(transport)
        protocol.pause_writing()
        await asyncio.wait_for(transport.has_closed.wait(), 30)
        assert transport.aborted
        protocol.connection_lost(None)
        return transport.unread

    assert asyncio.run(run()) == 40


def test_rest_of_an_answer_that_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that leaves only the last bytes of an answer unread loses its connection, too."""
    monkeypatch.setattr(request_head, "WRITE_SECONDS", 0.05)

    async def run() -> None:
        async def answers(_scope: Any, _receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
            # More than the kernel takes, and less than what asyncio lets applications write ahead.
            await send({"type": "http.response.body", "body": b"x" * 50_000})

        config = uvicorn.Config(answers, lifespan="off", log_config=None)
        config.load()
        lost = asyncio.Event()

        class _Told(request_head.limited(HttpToolsProtocol)):  # type: ignore[misc]
            def connection_made(self, transport: Any) -> None:
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
                super().connection_made(transport)

            def connection_lost(self, exc: Exception | None) -> None:
                super().connection_lost(exc)
                lost.set()

        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Told(config, ServerState(), {}), "127.0.0.1", 0)
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            await loop.sock_connect(client, server.sockets[0].getsockname())
            await loop.sock_sendall(client, HEAD)
            await asyncio.wait_for(lost.wait(), 30)
        server.close()

    asyncio.run(run())


ANSWERED = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n"


def test_rest_of_a_body_that_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an answer without its request's body, a piece of that body does not keep the connection for ever."""
    monkeypatch.setattr(request_head, "HEAD_SECONDS", 0.05)

    async def run() -> None:
        async def refuses(_scope: Any, _receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body"})

        config = uvicorn.Config(refuses, lifespan="off", log_config=None, timeout_keep_alive=600)
        config.load()
        protocol = request_head.limited(HttpToolsProtocol)(config, ServerState(), {})
        transport = _Transport()
        protocol.connection_made(transport)
        protocol.data_received(ANSWERED)
        for _ in range(5):
            await asyncio.sleep(0)
        assert b"413" in transport.written
        protocol.data_received(b"a")
        await asyncio.wait_for(transport.has_closed.wait(), 30)
        protocol.connection_lost(None)

    asyncio.run(run())


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET", b"GET / HTTP/1.1\r\nx: ", HEAD + b"\r\n", HEAD + HEAD[:9]],
    ids=["nothing", "method", "header", "empty line", "next head"],
)
def test_head_that_does_not_come(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection ends that sends no head, or no whole one, the first time and after an answer."""
    monkeypatch.setattr(request_head, "HEAD_SECONDS", 0.05)

    async def run() -> None:
        # uvicorn's own limit between requests is not what is tried.
        config = uvicorn.Config(_app, lifespan="off", log_config=None, timeout_keep_alive=600)
        config.load()
        protocol = request_head.limited(HttpToolsProtocol)(config, ServerState(), {})
        transport = _Transport()
        protocol.connection_made(transport)
        if sent.startswith(HEAD):
            protocol.data_received(HEAD)
            await asyncio.sleep(0.2)
            assert not transport.closed, "between requests the limit is uvicorn's"
        for byte in sent.removeprefix(HEAD):
            protocol.data_received(bytes([byte]))
        await asyncio.wait_for(transport.has_closed.wait(), 30)
        assert transport.written.count(b"200 OK") == (HEAD in sent)
        protocol.connection_lost(None)

    asyncio.run(run())


def test_answer_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """While an answer is under way, a next head that has begun does not end the connection."""
    monkeypatch.setattr(request_head, "HEAD_SECONDS", 0.02)

    async def run() -> None:
        go_on = asyncio.Event()

        async def slow(_scope: Any, _receive: Any, send: Any) -> None:
            await go_on.wait()
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body"})

        config = uvicorn.Config(slow, lifespan="off", log_config=None)
        config.load()
        protocol = request_head.limited(HttpToolsProtocol)(config, ServerState(), {})
        transport = _Transport()
        protocol.connection_made(transport)
        protocol.data_received(HEAD + b"GET /")
        await asyncio.sleep(0.2)
        assert not transport.closed
        go_on.set()
        await asyncio.wait_for(transport.has_closed.wait(), 30)
        assert b"200 OK" in transport.written
        protocol.connection_lost(None)

    asyncio.run(run())


def test_many_headers() -> None:
    """Many small headers count together."""
    assert _fed(b"GET / HTTP/1.1\r\n", *[b"a: b\r\n" * 1000] * 11).written[:12] == b"HTTP/1.1 431"


def test_endless_trailers() -> None:
    """Trailers that do not end close the connection, without a second answer in the middle of the first."""
    assert _fed(CHUNKED, b"0\r\nx: ", *[PIECE] * (PIECES + 1)) == (b"", True)


def test_large_body() -> None:
    """A body is none of this, in chunks or with its length, nor are many requests on one connection."""
    length = b"POST / HTTP/1.1\r\ncontent-length: 1000000\r\n\r\n"
    assert not _fed(length, *[PIECE] * PIECES * 2).closed
    assert not _fed(CHUNKED, *[b"4000\r\n" + PIECE + b"\r\n"] * PIECES * 2).closed
    assert not _fed(*[b"GET / HTTP/1.1\r\nx: ", PIECE, b"\r\n\r\n"] * PIECES * 2).closed


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server on which the layers are."""
    server = uvicorn.Server(uvicorn.Config(_app, port=0, log_level=logging.ERROR, lifespan="on"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize("pieces", [[CHUNKED + FORGED], [CHUNKED, FORGED]], ids=["at once", "later"])
def test_trailers(pieces: list[bytes], port: int) -> None:
    """Trailers, which a proxy may not have looked at, never become headers."""
    assert exchange(port, *pieces).endswith(b"host transfer-encoding")


def test_next_request(port: int) -> None:
    """The request after one with trailers has its own headers."""
    following = b"GET / HTTP/1.1\r\nhost: x\r\nx-own: y\r\nx-empty:\r\nconnection: close\r\n\r\n"
    assert exchange(port, CHUNKED + FORGED, following).endswith(b"host x-own x-empty connection")


@pytest.mark.parametrize("protocol", [b"h2c", b"other"])
def test_body_after_upgrade(protocol: bytes, port: int) -> None:
    """The body of a request that asks for a protocol is not the next request."""
    body = b"GET / HTTP/1.1\r\nhost: x\r\nx-remote-user: olga@example.com\r\n\r\n"
    head = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: " + protocol
    pieces = [head + b"\r\ncontent-length: %d\r\n\r\n" % len(body), body]
    for answer in (exchange(port, *pieces), _fed(*pieces, at_once=True).written):
        assert (answer.count(b"HTTP/1.1"), b"x-remote-user" in answer) == (1, False)


def test_websocket(port: int) -> None:
    """WebSockets are opened as before."""
    head = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    key = b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    assert b" 101 " in exchange(port, head + key)


def test_endless_head_of_a_server(port: int) -> None:
    """A server that starts has the limit for its connections."""
    assert b" 431 " in exchange(port, b"GET / HTTP/1.1\r\nx: ", *[PIECE] * PIECES, b"a")


def test_headers_are_kept() -> None:
    """Whatever a server adds to the headers of a request that has begun does not reach Airflow."""
    headers = [(b"host", b"x")]
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers.append((b"x-remote-user", b"olga@example.com"))
        seen.extend(scope["headers"])

    asyncio.run(peer.PeerKeeper(app)({"type": "http", "headers": headers}, None, None))  # type: ignore[arg-type]
    assert seen == [(b"host", b"x")]


def test_other_protocols(caplog: pytest.LogCaptureFixture) -> None:
    """h11 limits heads itself and drops trailers; a class that nothing is known about is not trusted."""
    limited = request_head.limited(HttpToolsProtocol)
    assert request_head.limited(limited) is limited
    assert request_head.limited(H11Protocol) is H11Protocol
    config = uvicorn.Config(_app, http=asyncio.Protocol, log_config=None)
    lifespan = LifespanOn(config)
    assert not peer.keep(lifespan.receive)
    assert "headers of a proxy are ignored" in caplog.text
    assert not isinstance(config.loaded_app, peer.PeerKeeper)
