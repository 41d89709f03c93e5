"""The middleware: each request has its own facts, its body is read and given on, and refused writes get their reason."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from astro_auth_plugin.airflow_bridge.request import current_request
from astro_auth_plugin.web import middleware
from astro_auth_plugin.web.middleware import MAX_BODY, RequestMiddleware
from tests.in_request import engine_of, person
from tests.web.asgi import Answer, ask

BACKFILLS = "/api/v2/backfills"


async def echo(request: Request) -> Response:
    """Tell what the request's facts say, and the body that arrived."""
    facts = current_request()
    assert facts is not None
    try:
        size = len(await request.body())
    except ClientDisconnect:
        return JSONResponse({"gone": True})
    return JSONResponse({"route": facts.route, "dag": facts.path_dag_id, "body": facts.body, "size": size})


async def refuse(request: Request) -> Response:
    """Refuse as Airflow does, with the reason that hooks leave in the facts."""
    facts = current_request()
    assert facts is not None
    facts.write_refusal = request.query_params.get("reason", "")
    kind = request.query_params.get("kind", "json")
    status = int(request.query_params.get("status", "403"))
    if kind == "html":
        return HTMLResponse("<h1>Forbidden</h1>", status)
    if kind == "stream":
        return StreamingResponse(iter([b"For", b"bid", b"den"]), status)
    return JSONResponse({"detail": "Forbidden"}, status, headers={"x-kept": "yes"})


def in_thread(request: Request) -> Response:
    """Answer from the thread pool, as Airflow's routes do."""
    facts = current_request()
    assert facts is not None
    return PlainTextResponse(facts.scope["path_params"]["dag_id"])


class Named(Route):
    """A route that names itself in the scope: FastAPI's all do, Starlette's own only from 1.0 on."""

    def matches(self, scope: Any) -> tuple[Any, Any]:
        """Add the route to what the router puts into the scope."""
        match, found = super().matches(scope)
        return match, {**found, "route": self} if found else found


METHODS = ["GET", "POST", "PATCH", "DELETE"]
APP = RequestMiddleware(
    Starlette(
        routes=[
            Named("/api/v2/thread/{dag_id}", in_thread),
            Named("/api/v2/refused", refuse, methods=METHODS),
            Named("/api/v2/dags/{dag_id}", echo, methods=METHODS),
            Named(BACKFILLS, echo, methods=METHODS),
            Named("/auth/fab/v1/users", echo, methods=METHODS),
            Named("/auth/fab/v1/users/{username}", echo, methods=METHODS),
            Named("/api/v2/other", echo, methods=METHODS),
            Named("/execution/refused", refuse, methods=METHODS),
        ]
    )
)


def call(method: str, path: str, **options: Any) -> Answer:
    return asyncio.run(ask(APP, method, path, **options))


def told(method: str, path: str, **options: Any) -> dict[str, Any]:
    answer = call(method, path, **options)
    assert answer.status == 200, answer
    return json.loads(answer.body)


# -- whose request it is -------------------------------------------------------------------------------------------


def test_facts_of_a_request() -> None:
    """The facts name the route and the Dag of the path once the router has found them, and end with the request."""
    assert told("PATCH", "/api/v2/dags/a%20b")["dag"] == "a b"
    assert told("PATCH", "/api/v2/dags/a")["route"] == "PATCH /api/v2/dags/{dag_id}"
    assert current_request() is None


def test_parallel_requests() -> None:
    """However many requests are served at once, in tasks and in threads, each sees its own facts."""

    async def both() -> list[str]:
        calls = [ask(APP, "GET", f"/api/v2/thread/dag{number}") for number in range(200)]
        return [answer.body.decode() for answer in await asyncio.gather(*calls)]

    assert asyncio.run(both()) == [f"dag{number}" for number in range(200)]


def test_facts_are_left_when_the_application_fails() -> None:
    """A request that fails leaves no facts for the next."""

    async def fail(*_: Any) -> None:
        raise ValueError("broken")

    async def twice() -> None:
        with pytest.raises(ValueError, match="broken"):
            await ask(RequestMiddleware(fail), "GET", "/api/v2/other")
        assert current_request() is None

    asyncio.run(twice())


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
def test_what_is_no_request(kind: str) -> None:
    """Anything but an HTTP request passes as it is."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope, receive, send, current_request()))

    given = ({"type": kind}, object(), object())
    anyio.run(RequestMiddleware(app), *given)
    assert seen == [(*given, None)]


# -- the body ------------------------------------------------------------------------------------------------------

BODY = b'{"dag_id": "a", "reprocess_behavior": "completed"}'


@pytest.mark.parametrize(
    ("method", "path", "read"),
    [
        ("POST", BACKFILLS, True),
        ("POST", "/auth/fab/v1/users", True),
        ("PATCH", "/auth/fab/v1/users/ana", True),
        ("GET", BACKFILLS, False),
        ("POST", "/api/v2/other", False),
        ("PATCH", "/api/v2/dags/a", False),
    ],
)
def test_which_bodies_are_read(method: str, path: str, read: bool) -> None:
    """Bodies are read where a decision needs them, and the application gets them all the same."""
    answer = told(method, path, pieces=[BODY])
    assert answer["body"] == (json.loads(BODY) if read else None)
    assert answer["size"] == len(BODY)


def test_body_in_pieces() -> None:
    """A body that comes in pieces is read whole, and given on whole."""
    pieces = [BODY[:3], b"", BODY[3:20], BODY[20:]]
    assert told("POST", BACKFILLS, pieces=pieces) == {
        "route": f"POST {BACKFILLS}",
        "dag": None,
        "body": json.loads(BODY),
        "size": len(BODY),
    }


def test_body_under_a_path_of_its_own() -> None:
    """Where Airflow is served under a path, the same bodies are read."""
    answer = call("POST", f"/airflow{BACKFILLS}", root_path="/airflow", pieces=[BODY])
    assert json.loads(answer.body)["body"] == json.loads(BODY)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"{'a': 1}", b'"text"', b"[1]", b"null"])
def test_broken_bodies(body: bytes) -> None:
    """A body that is no JSON mapping reaches the application as it is, and says nothing to a decision."""
    answer = told("POST", BACKFILLS, pieces=[body])
    assert answer["size"] == len(body)
    assert not isinstance(answer["body"], dict)


@pytest.mark.parametrize("size", [MAX_BODY, MAX_BODY + 1])
def test_large_bodies(size: int) -> None:
    """A body that is too large to be looked at does not come through unseen."""
    start = b'{"reprocess_behavior": "completed", "pad": "'
    body = start + b"x" * (size - len(start) - 2) + b'"}'
    pieces = [body[at : at + 65_536] for at in range(0, len(body), 65_536)]
    if size <= MAX_BODY:
        answer = told("POST", BACKFILLS, pieces=pieces)
        assert (answer["body"]["reprocess_behavior"], answer["size"]) == ("completed", size)
    else:
        refused = call("POST", BACKFILLS, pieces=pieces)
        assert (refused.status, refused.detail) == (413, f"The body is larger than {MAX_BODY} bytes.")


def test_body_that_never_ends() -> None:
    """No more of a body is kept than may be looked at."""
    assert call("POST", BACKFILLS, pieces=[b"x" * 1_000_000] * 50).status == 413


def test_client_that_hangs_up() -> None:
    """Somebody who goes away in the middle of a body is somebody who went away."""
    assert told("POST", BACKFILLS, pieces=[b'{"a"'], gone=True) == {"gone": True}


# -- what a refusal says -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
@pytest.mark.parametrize("kind", ["json", "html", "stream"])
def test_refused_write(method: str, kind: str) -> None:
    """A refused write says why, as JSON of the right length, whatever the application would have said."""
    answer = call(method, f"/api/v2/refused?kind={kind}&reason=Missing%20<permission>")
    assert (answer.status, answer.detail) == (403, "Missing <permission>")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert (answer.headers.get("x-kept") == "yes") is (kind == "json")


def test_refused_read() -> None:
    """A refusal without a reason stays as Airflow's, whose UI looks for exactly that word."""
    answer = call("GET", "/api/v2/refused")
    assert (answer.status, answer.body) == (403, b'{"detail":"Forbidden"}')


@pytest.mark.parametrize("status", [200, 401, 404, 409, 500])
def test_other_answers(status: int) -> None:
    """Anything but a 403 is passed on as it is, also when a hook has refused something on the way."""
    answer = call("POST", f"/api/v2/refused?status={status}&reason=Missing")
    assert (answer.status, answer.body) == (status, b'{"detail":"Forbidden"}')


def test_streams_are_not_held_back() -> None:
    """What an application streams is sent as it comes."""

    async def endless(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        assert sent[-1]["body"] == b"one"
        await send({"type": "http.response.body", "body": b"two"})

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/api/v2/logs", "headers": [], "query_string": b""}
    asyncio.run(RequestMiddleware(endless)(scope, None, send))
    assert [message.get("body") for message in sent] == [None, b"one", b"two"]


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
        facts = current_request()
        assert facts is not None
        facts.denial = "a denial"
        await answers(*message)

    async def fails(*message: Any) -> None:
        await refuses(*message)
        raise ValueError("broken")

    async def serves_a_person(*message: Any) -> None:
        facts = current_request()
        assert facts is not None
        facts.actor = person(engine_of(""), "vera")
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


def test_only_what_needs_a_body_is_read() -> None:
    """The list of routes whose bodies are read names the users API and backfills, and nothing that streams."""
    assert {path for _, path in middleware._BODY_NEEDED} == {BACKFILLS, "/auth/fab/v1/users", "/auth/fab/v1/users/"}


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


# -- API tokens ----------------------------------------------------------------------------------------------------


def test_how_to_sign_in() -> None:
    """A 401 says that a bearer is wanted, where Airflow does not say it; the answer to a worker stays as it is."""
    assert asyncio.run(ask(APP, "GET", "/api/v2/refused?status=401")).headers["www-authenticate"] == "Bearer"
    assert "www-authenticate" not in asyncio.run(ask(APP, "GET", "/api/v2/refused?status=403")).headers
    assert "www-authenticate" not in asyncio.run(ask(APP, "GET", "/execution/refused?status=401")).headers


def test_how_to_sign_in_is_said_once() -> None:
    """What has been said already is not said again."""

    async def told(scope: Any, receive: Any, send: Any) -> None:
        answer = JSONResponse({}, 401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
        await answer(scope, receive, send)

    answer = asyncio.run(ask(RequestMiddleware(told), "GET", "/api/v2/refused"))
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


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
