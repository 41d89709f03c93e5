"""The middleware: each request has its own context, its body is read and given on, and refused writes get their reason."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import AsyncMock

import anyio
import pytest
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse
from starlette.routing import compile_path
from werkzeug.routing import Map, Rule

from astro_auth_plugin.runtime.request_context import current_request
from astro_auth_plugin.web import middleware, registration
from astro_auth_plugin.web.middleware import RequestMiddleware
from tests.in_request import engine_of, person
from tests.web.asgi import ask
from tests.web.echo_app import APP, reported


def test_facts_of_a_request() -> None:
    """The context name the route and the Dag of the path once the router has found them, and end with the request."""
    assert reported("PATCH", "/api/v2/dags/a%20b")["dag"] == "a b"
    assert reported("PATCH", "/api/v2/dags/a")["route"] == "PATCH /api/v2/dags/{dag_id}"
    assert current_request() is None


def test_parallel_requests() -> None:
    """However many requests are served at once, in tasks and in threads, each sees its own context."""

    async def both() -> list[str]:
        calls = [ask(APP, "GET", f"/api/v2/thread/dag{number}") for number in range(200)]
        return [answer.body.decode() for answer in await asyncio.gather(*calls)]

    assert asyncio.run(both()) == [f"dag{number}" for number in range(200)]


def test_facts_are_left_when_the_application_fails() -> None:
    """A request that fails leaves no context for the next."""

    async def fail(*_: Any) -> None:
        raise ValueError("broken")

    async def twice() -> None:
        with pytest.raises(ValueError, match="broken"):
            await ask(RequestMiddleware(fail), "GET", "/api/v2/other")
        assert current_request() is None

    asyncio.run(twice())


@pytest.mark.parametrize("path", ["/api/v2/backfills", "/api/v2/dags/a/clearTaskInstances", "/api/v2/pools", "/x", "/"])
def test_line_break_at_the_end_of_a_path(path: str) -> None:
    """The router serves such a path like the one without, which the middleware compares: no route gets it."""
    assert compile_path(path)[0].match(f"{path}\n"), "as long as this is so"
    served = AsyncMock()
    for root_path in ("", "/a"):
        answer = asyncio.run(ask(RequestMiddleware(served), "POST", f"{root_path}{path}%0A", root_path=root_path))
        assert (answer.status, answer.detail) == (404, "Not Found")
    served.assert_not_called()


@pytest.mark.parametrize("path", ["/auth//login/", "/auth/%2Flogin/sso", "/auth///logout/", "/auth//"])
def test_more_slashes_before_a_page_of_fab(path: str) -> None:
    """Flask serves such a path like the one with one slash, which the middleware compares: no page gets it."""
    rules = Map([Rule("/login/", endpoint="page")]).bind("localhost")
    assert rules.match("//login/") == ("page", {}), "as long as this is so"
    served = AsyncMock()
    for root_path in ("", "/a"):
        answer = asyncio.run(ask(RequestMiddleware(served), "POST", f"{root_path}{path}", root_path=root_path))
        assert (answer.status, answer.detail) == (404, "Not Found")
    served.assert_not_called()


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
def test_what_is_no_request(kind: str) -> None:
    """Anything but an HTTP request passes as it is."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope, receive, send, current_request()))

    given = ({"type": kind, "path": "/api/v2/x"}, object(), object())
    anyio.run(RequestMiddleware(app), *given)
    assert seen == [(*given, None)]


@pytest.mark.parametrize("path", ["/auth/login/", "/auth/x", "/pluginsv2/x", "/execution/x"])
@pytest.mark.parametrize("root_path", ["", "/a"])
def test_refused_websockets(path: str, root_path: str) -> None:
    """Flask gets no WebSocket, on which it fails, nor does the API of workers; the connection is refused."""
    served, sent = AsyncMock(), AsyncMock()
    scope = {"type": "websocket", "path": f"{root_path}{path}", "root_path": root_path}
    anyio.run(RequestMiddleware(served), scope, AsyncMock(), sent)
    served.assert_not_called()
    assert sent.await_args.args[0]["type"] == "websocket.close"


def test_end_of_what_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal is written when the application is done with the request, and before its answer ends."""
    happened: list[str] = []
    monkeypatch.setattr(middleware.denials, "record", lambda *_: happened.append("recorded"))

    async def answers(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 403, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await send({"type": "http.response.body", "body": b"two"})
        happened.append("done")

    async def refuses(*message: Any) -> None:
        context = current_request()
        assert context is not None
        context.denial = "a denial"
        await answers(*message)

    async def fails(*message: Any) -> None:
        await refuses(*message)
        raise ValueError("broken")

    async def serves_a_person(*message: Any) -> None:
        context = current_request()
        assert context is not None
        context.actor = person(engine_of(""), "vera")
        await answers(*message)

    async def send(message: Any) -> None:
        happened.append(str(message.get("body")))

    scope = {"type": "http", "method": "GET", "path": "/api/v2/logs", "headers": [], "query_string": b""}
    asyncio.run(RequestMiddleware(refuses)(scope, None, send))
    assert happened == ["None", "b'one'", "done", "recorded", "b'two'"]
    with pytest.raises(ValueError, match="broken"):
        asyncio.run(RequestMiddleware(fails)(scope, None, send))
    assert happened[5:] == ["None", "b'one'", "done", "recorded", "b'two'"]
    asyncio.run(RequestMiddleware(serves_a_person)(scope, None, send))
    assert happened[10:] == ["None", "b'one'", "b'two'", "done"], "nothing waits for a row that there is not"


SUPPORT = """\
support_access: %s
teams:
  - {name: helpers, support: %s, members: [vera@example.com], idp_groups: [on-call],
     dag_roles: [{deployment_id: dep, tag: t, role: DAG_VIEWER}]}
"""


@pytest.mark.parametrize(
    ("setting", "support", "who", "recorded"),
    [
        ("allowed", "true", "vera", True),
        ("disallowed", "true", "vera", False),
        ("allowed", "false", "vera", False),
        ("allowed", "true", "ana", False),
    ],
)
@pytest.mark.parametrize("key", ["signed_in", "actor"])
def test_support_access(
    setting: str, support: str, who: str, recorded: bool, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each request of a member of a support Team leaves one row before its answer ends, denied or not; others none."""
    events: list[Any] = []
    monkeypatch.setattr(middleware.audit_log, "record", lambda _, event: events.append(event))
    at_the_end: list[int] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        engine = engine_of(SUPPORT % (setting, support))
        if key == "actor":
            # Who has the session of FAB's pages need not be who has the cookie.
            current_request().signed_in = person(engine, "ana")
        setattr(current_request(), key, person(engine, who))
        await send({"type": "http.response.start", "status": 403, "headers": []})
        await send({"type": "http.response.body", "body": b"Forbidden"})

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            at_the_end.append(len(events))

    scope = {"type": "http", "method": "GET", "path": "/api/v2/dags", "headers": [], "query_string": b""}
    for _ in range(2):
        asyncio.run(RequestMiddleware(app)(scope, None, send))
    fields = {"user": "vera", "email": "vera@example.com", "teams": ["helpers"], "status": 403}
    expected = ("astro_auth.support_access", "vera", fields, "support 7", None)
    assert events == ([expected] * 2 if recorded else [])
    assert at_the_end == ([1, 2] if recorded else [0, 0])


@pytest.mark.parametrize(
    ("root_path", "path", "expected"),
    [
        ("/a", "/api/v2/backfills", "/api/v2/backfills"),
        ("/a", "/a/api/v2/backfills", "/api/v2/backfills"),
        ("", "/api/v2/backfills", "/api/v2/backfills"),
        ("/a/b", "/a/b/", "/"),
        ("/au", "/auth/fab/v1/users", "/auth/fab/v1/users"),
    ],
)
def test_path_below_the_root(root_path: str, path: str, expected: str) -> None:
    """The path under which Airflow is served is cut off as the router does it, and never in the middle of a name."""
    assert middleware._path({"path": path, "root_path": root_path}) == expected


@pytest.mark.parametrize("root_path", ["", "/a/b"])
def test_secrets_are_kept_from_workers_routes(root_path: str) -> None:
    """An API token that is sent to the routes of workers is refused before Airflow could log it."""
    reached: list[Any] = []

    async def logs(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["headers"])
        await JSONResponse({})(scope, receive, send)

    app, path = RequestMiddleware(logs), f"{root_path}/execution/variables/x"
    headers = {"Authorization": "Bearer astroauth_ci_x"}
    assert asyncio.run(ask(app, "GET", path, headers=headers, root_path=root_path)).status == 401
    assert not reached
    headers = {"Authorization": "Bearer a-worker's"}
    assert asyncio.run(ask(app, "GET", path, headers=headers, root_path=root_path)).status == 200
    assert len(reached) == 1


def test_refusals_are_answers_of_their_own() -> None:
    """What compresses one answer to a worker's route leaves the next one as it is."""
    app = GZipMiddleware(RequestMiddleware(JSONResponse({})), minimum_size=1)
    headers = {"Authorization": "Bearer astroauth_ci_x"}
    for encoding in ({"Accept-Encoding": "gzip"}, {}):
        answer = asyncio.run(ask(app, "GET", "/execution/variables/x", headers=headers | encoding))
        assert answer.status == 401
        assert ("content-encoding" in answer.headers) is bool(encoding)


@pytest.mark.parametrize(
    ("manager", "inert"),
    [
        ("astro_auth_plugin.auth_manager.AstroAuthManager", False),
        ("airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager", True),
    ],
)
def test_other_auth_managers(manager: str, inert: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another auth manager is configured, requests pass as if the package were not installed."""
    monkeypatch.setenv("AIRFLOW__CORE__AUTH_MANAGER", manager)
    app = object()
    assert (registration.request_middleware(app) is app) is inert
