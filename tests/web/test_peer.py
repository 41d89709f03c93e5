"""The address of the connection is kept before anything replaces it, or nobody is believed."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from uvicorn.lifespan.on import LifespanOn

from astro_auth_plugin.runtime.request_context import PEER
from astro_auth_plugin.web import peer
from astro_auth_plugin.web.middleware import RequestMiddleware

SPOOFED = [(b"x-forwarded-for", b"10.0.0.5")]


def test_kept_outside_of_proxy_headers() -> None:
    """In a server that believes everybody's X-Forwarded-For, the peer stays what it is."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            seen.append((scope["client"][0], scope[PEER]))
            return
        await send({"type": "lifespan.startup.complete"})

    async def run() -> None:
        config = uvicorn.Config(
            RequestMiddleware(app), proxy_headers=True, forwarded_allow_ips="*", interface="asgi3", log_config=None
        )
        lifespan = LifespanOn(config)
        await lifespan.startup()
        assert not lifespan.error_occurred
        scope = {"type": "http", "client": ("198.51.100.9", 7), "headers": SPOOFED, "method": "GET", "path": "/api/v2"}
        await config.loaded_app(scope, None, None)  # type: ignore[arg-type]
        # A second start in the same process adds no second layer, which would see what the first has let through.
        assert peer.keep(lifespan.receive)
        assert not isinstance(config.loaded_app.app, peer.PeerKeeper)  # type: ignore[union-attr]

    asyncio.run(run())
    assert seen == [("10.0.0.5", ("198.51.100.9", 7))]


class _Other:
    """Another server's lifespan, whose configuration looks alike."""

    config = SimpleNamespace(loaded_app="app")

    async def receive(self) -> Any:
        """Nothing."""


@pytest.mark.parametrize("receive", [lambda: None, _Other().receive])
def test_another_server(receive: Any, caplog: pytest.LogCaptureFixture) -> None:
    """At the start of a server that does not tell the peer, the log says that nobody is believed."""
    assert not peer.keep(receive)
    assert "headers of a proxy are ignored" in caplog.text
    assert _Other.config.loaded_app == "app"
