"""What Airflow leaves to the first request that needs it is built beside the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cadwyn import Cadwyn, HeadVersion, Version, VersionBundle
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

from astro_auth_plugin.access_api import registration
from astro_auth_plugin.runtime.turns import Once
from astro_auth_plugin.web.middleware import RequestMiddleware
from tests.web.asgi import Answer, ask

SECONDS = 10


class Slow:
    """A function that goes on when it is let, and counts how often it was called."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self.begun, self.goes_on = threading.Event(), threading.Event()
        self.called = 0

    def __call__(self) -> Any:
        """Wait, and call the function."""
        self.called += 1
        self.begun.set()
        if not self.goes_on.wait(SECONDS):
            raise TimeoutError
        return self._function()


@pytest.fixture
def app() -> FastAPI:
    """An application with an API of workers, as Airflow's has one."""
    made = FastAPI()
    made.add_middleware(RequestMiddleware)
    made.mount("/execution", Cadwyn(versions=VersionBundle(HeadVersion(), Version("2026-01-01"))))
    made.mount("/auth", FastAPI())
    made.add_api_route("/api/v2/version", lambda: PlainTextResponse("answered"))
    return made


@pytest.fixture(params=["/execution/x", "/openapi.json", "/auth/openapi.json"])
def first(request: pytest.FixtureRequest, app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Slow]]:
    """A path, and what is built for the first request to it."""
    prefix, name = request.param.rsplit("/", 1)
    mounted = {getattr(each, "path", ""): getattr(each, "app", None) for each in app.routes}
    owner: Any = mounted[prefix] if prefix else app
    name = "openapi" if name == "openapi.json" else "_cadwyn_initialize"
    slow = Slow(getattr(owner, name))
    monkeypatch.setattr(owner, name, slow)
    yield request.param, slow
    slow.goes_on.set()


def test_others_are_answered(app: FastAPI, first: tuple[str, Slow]) -> None:
    """While it is built others are answered; it is built once, also for a client that goes away."""
    path, slow = first

    async def served() -> list[Answer]:
        gone, *waiting = [asyncio.create_task(ask(app, "GET", path)) for _ in range(3)]
        assert await asyncio.to_thread(slow.begun.wait, SECONDS)
        gone.cancel()
        assert (await asyncio.wait_for(ask(app, "GET", "/api/v2/version"), SECONDS / 2)).body == b"answered"
        slow.goes_on.set()
        return [*await asyncio.gather(*waiting), await ask(app, "GET", path)]

    assert [answer.status for answer in asyncio.run(served())] == [404 if "execution" in path else 200] * 3
    assert slow.called == (1 if "execution" in path else 4)


def test_access_is_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many first requests to the access API one has it built, and the others wait for that."""
    registration._app.cache_clear()
    slow = Slow(lambda: PlainTextResponse("built"))
    monkeypatch.setattr("astro_auth_plugin.access_api.app.make_app", slow)

    async def served() -> list[Answer]:
        waiting = [asyncio.create_task(ask(registration.access_app, "GET", "/x")) for _ in range(5)]
        assert await asyncio.to_thread(slow.begun.wait, SECONDS)
        slow.goes_on.set()
        return await asyncio.gather(*waiting)

    try:
        assert [answer.body for answer in asyncio.run(served())] == [b"built"] * 5
        assert slow.called == 1
    finally:
        registration._app.cache_clear()


def test_what_could_not_be_built_is_tried_again() -> None:
    """A failure, such as of a database that is away, is not kept."""
    left = [1, 0]

    async def twice() -> None:
        once = Once()
        with pytest.raises(ZeroDivisionError):
            await once.built(lambda: 1 // left.pop())
        await once.built(lambda: 1 // left.pop())

    asyncio.run(twice())
    assert not left
