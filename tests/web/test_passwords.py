"""Where passwords are looked at: a few at a time, while others are served, and words after too many wrong ones."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from astro_auth_plugin.runtime.request_context import RequestContext, current_request
from astro_auth_plugin.web import passwords
from astro_auth_plugin.web.middleware import RequestMiddleware
from tests.web.asgi import ask

PATHS = (
    "/auth/token",
    "/auth/token/cli",
    "/auth/login/",
    "/auth/login",
    "/auth/api/v1/security/login",
    "/auth/fab/v1/roles",
)


PROVIDERS = ("/auth/login/sso", "/auth/oauth-authorized/sso")


class Hashing:
    """An application that looks at passwords until it is let go on."""

    def __init__(self) -> None:
        self.go_on, self.inside, self.most = asyncio.Event(), 0, 0
        self.arrived = asyncio.Semaphore(0)
        routes = [Route(path, self.look, methods=["GET", "POST"]) for path in PATHS + PROVIDERS]
        self.app = RequestMiddleware(Starlette(routes=[*routes, Route("/api/v2/dags", self.other)]))

    async def look(self, request: Request) -> Response:
        """Look at a password."""
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.arrived.release()
        await self.go_on.wait()
        self.inside -= 1
        return PlainTextResponse((await request.body()).decode())

    async def other(self, _: Request) -> Response:
        """Answer somebody who brings none."""
        return PlainTextResponse("served")


@pytest.mark.parametrize("path", PATHS)
def test_a_few_at_a_time(path: str) -> None:
    """Of sixty passwords at once a few are looked at, the others wait without keeping anybody from being served."""
    headers, method = ({}, "POST") if "roles" not in path else ({"Authorization": "Basic b2xnYTpvbGdh"}, "GET")

    async def run() -> None:
        hashing = Hashing()
        requested = [ask(hashing.app, method, path, pieces=(b"pass", b"word"), headers=headers) for _ in range(60)]
        running = [asyncio.ensure_future(each) for each in requested]
        for _ in range(passwords.AT_ONCE):
            await hashing.arrived.acquire()
        assert (await ask(hashing.app, "GET", "/api/v2/dags")).body == b"served"
        hashing.go_on.set()
        answers = await asyncio.gather(*running)
        assert {answer.body for answer in answers} == {b"password"}
        assert hashing.most == passwords.AT_ONCE

    asyncio.run(run())


@pytest.mark.parametrize(("pages", "at_providers"), [(None, passwords.AT_PROVIDERS), (7, 3), (1, 1)])
@pytest.mark.parametrize("path", PROVIDERS)
def test_a_few_at_a_provider(path: str, pages: int | None, at_providers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a provider does not answer, sign-ins through it take few threads and pages; all else goes on."""
    monkeypatch.setattr(passwords.revocation, "pages_at_once", lambda: pages)

    async def run() -> None:
        hashing = Hashing()
        running = [asyncio.ensure_future(ask(hashing.app, "GET", path)) for _ in range(60)]
        for _ in range(at_providers):
            await hashing.arrived.acquire()
        assert (await ask(hashing.app, "GET", "/api/v2/dags")).body == b"served"
        running += [asyncio.ensure_future(ask(hashing.app, method, "/auth/login/")) for method in ("GET", "POST")]
        for _ in range(2):
            await asyncio.wait_for(hashing.arrived.acquire(), 60)
        hashing.go_on.set()
        assert {answer.status for answer in await asyncio.gather(*running)} == {200}
        assert hashing.most == at_providers + 2

    asyncio.run(run())


@pytest.mark.parametrize("headers", [{"content-length": "1"}, {"transfer-encoding": "chunked"}])
@pytest.mark.parametrize("path", PROVIDERS)
def test_bodies_at_a_provider(path: str, headers: dict[str, str]) -> None:
    """A request that announces a body takes no turn, which it could keep by never sending it."""
    hashing = Hashing()
    answer = asyncio.run(ask(hashing.app, "GET", path, headers=headers))
    assert (answer.status, answer.detail) == (400, "This request takes no body.")


@pytest.mark.parametrize("path", [*PATHS, *PROVIDERS, "/api/v2/dags"])
def test_methods_in_small_letters(path: str) -> None:
    """Flask serves `post` like POST, so it must not come past what is asked of POST."""
    answer = asyncio.run(ask(Hashing().app, "post", path))
    assert (answer.status, answer.detail) == (405, "Methods are written in capital letters.")


def test_too_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where too many wait already, one more is sent away at once."""
    monkeypatch.setattr(passwords, "MOST_WAITING", 3)

    async def run() -> None:
        hashing = Hashing()
        running = [asyncio.ensure_future(ask(hashing.app, "POST", "/auth/token")) for _ in range(passwords.AT_ONCE + 3)]
        for _ in range(passwords.AT_ONCE):
            await hashing.arrived.acquire()
        answer = await ask(hashing.app, "POST", "/auth/token")
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert "Try again" in answer.detail
        hashing.go_on.set()
        assert {answer.status for answer in await asyncio.gather(*running)} == {200}

    asyncio.run(run())


def test_flood_from_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one address has many waiting, others can sign in all the same."""
    monkeypatch.setattr(passwords, "MOST_OF_ONE", 2)
    monkeypatch.setattr(passwords.rate_limit, "sender", lambda context: context.scope["query_string"].decode())

    async def run() -> None:
        hashing = Hashing()
        senders = ["a"] * (passwords.AT_ONCE + 2) + ["b"]
        running = [asyncio.ensure_future(ask(hashing.app, "POST", f"/auth/token?{sender}")) for sender in senders]
        for _ in range(passwords.AT_ONCE):
            await hashing.arrived.acquire()
        assert (await ask(hashing.app, "POST", "/auth/token?a")).status == 503
        hashing.go_on.set()
        assert {answer.status for answer in await asyncio.gather(*running)} == {200}
        assert (await ask(hashing.app, "POST", "/auth/token?a")).status == 200

    asyncio.run(run())


async def _refuse(_: Request) -> Response:
    context = current_request()
    assert context is not None
    context.retry_after = 17
    return PlainTextResponse("Invalid credentials", 401, headers={"set-cookie": "session=x"})


REFUSING: Any = RequestMiddleware(Starlette(routes=[Route(path, _refuse, methods=["POST"]) for path in PATHS]))


@pytest.mark.parametrize(
    ("path", "kind"), [("/auth/token", "application/json"), ("/auth/login/", "text/plain; charset=utf-8")]
)
def test_too_many_wrong(path: str, kind: str) -> None:
    """After too many wrong passwords each door says so, and for how long, with status 429."""
    answer = asyncio.run(ask(REFUSING, "POST", path))
    assert (answer.status, answer.headers["retry-after"], answer.headers["content-type"]) == (429, "17", kind)
    assert "Too many wrong passwords. Try again in 17 seconds." in answer.body.decode()
    assert "set-cookie" not in answer.headers


def test_who_does_not_read_the_answer() -> None:
    """Clients that never read their answers keep nobody else from signing in."""

    async def run() -> str:
        async def answer(scope: Any, receive: Any, send: Any) -> None:
            await PlainTextResponse("looked at")(scope, receive, send)

        async def never_read(_: Any) -> None:
            await asyncio.Event().wait()

        doors, bodies = passwords.Doors(), []
        scope = {"type": "http", "method": "POST", "path": "/auth/token", "headers": []}

        async def read(message: Any) -> None:
            bodies.append(message.get("body", b""))

        async def sign_in(send: Any) -> None:
            await doors.serve(answer, RequestContext(scope), "/auth/token", never_read, send)

        stuck = [asyncio.ensure_future(sign_in(never_read)) for _ in range(passwords.AT_ONCE)]
        await asyncio.sleep(0)
        await asyncio.wait_for(sign_in(read), 60)
        for each in stuck:
            each.cancel()
        return b"".join(bodies).decode()

    assert asyncio.run(run()) == "looked at"
