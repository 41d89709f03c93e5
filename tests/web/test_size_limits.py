"""What strangers send is bounded before anything reads it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import jwt
import pytest
from airflow.api_fastapi.execution_api import app as execution_api
from airflow.models.backfill import _get_info_list
from airflow.sdk import DAG
from airflow.serialization import serialized_objects
from fastapi import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request as RequestOfFlask

from astro_auth_plugin.runtime.request_context import RequestContext, enter_request, leave_request
from astro_auth_plugin.web import size_limits, worker_tokens
from astro_auth_plugin.web.middleware import RequestMiddleware
from astro_auth_plugin.web.peer import PeerKeeper
from tests.web.asgi import ask

READ_EARLY = {"/auth/fab/v1/users"}
HUGE = [b"x" * 1024 * 1024] * 5


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive)
    body = await request.body()
    answer: Response = JSONResponse({"cookies": request.cookies, "size": len(body)})
    await answer(scope, receive, send)


@pytest.mark.parametrize("accept", ["text/html", "*/*"])
def test_escaped_cookies(accept: str) -> None:
    """Cookies with a backslash, which some Pythons read for minutes, do not reach Airflow; the others do."""
    headers = {"cookie": '_token="' + "\\\\" * 4000 + '"; session=abc', "accept": accept}
    answer = asyncio.run(ask(RequestMiddleware(app), "GET", "/x", headers=headers))
    assert answer.body == b'{"cookies":{"session":"abc"},"size":0}'


def test_escaped_cookies_outside() -> None:
    """Neither do they reach what Airflow puts around the middleware: it reads cookies before the middleware does."""
    seen: list[list[tuple[bytes, bytes]]] = []

    async def airflow(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(list(scope["headers"]))
        await RequestMiddleware(app)(scope, receive, send)

    headers = {"cookie": '_token="' + "\\\\" * 4000 + '"; session=abc'}
    answer = asyncio.run(ask(PeerKeeper(airflow), "GET", "/x", headers=headers))
    assert [value.strip() for name, value in seen[0] if name == b"cookie"] == [b"session=abc"]
    assert answer.body == b'{"cookies":{"session":"abc"},"size":0}'


def test_large_cookies() -> None:
    """More cookies than Airflow and FAB set are refused."""
    headers = {"cookie": "a=" + "b" * size_limits.LARGEST_COOKIES}
    assert asyncio.run(ask(RequestMiddleware(app), "GET", "/x", headers=headers)).status == 431


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/x", {"x": "a" * size_limits.LARGEST_HEAD}),
        ("/x", {"x" * size_limits.LARGEST_HEAD: "a"}),
        ("/x?" + "a" * size_limits.LARGEST_HEAD, {}),
        ("/" + "a" * size_limits.LARGEST_HEAD, {}),
        ("/x", {f"x{number}": "a" for number in range(size_limits.MOST_HEADERS + 1)}),
    ],
    ids=["value", "name", "query", "path", "many"],
)
def test_large_heads(path: str, headers: dict[str, str]) -> None:
    """A request with more headers, or a longer URL, than any client sends is refused before anything reads them."""
    assert asyncio.run(ask(RequestMiddleware(app), "GET", path, headers=headers)).status == 431


def test_usual_heads() -> None:
    """Tokens with many groups, the headers of several proxies and long queries are served."""
    headers = {"authorization": "Bearer " + "a" * 16_000, **{f"x-{number}": "a" * 200 for number in range(100)}}
    assert asyncio.run(ask(RequestMiddleware(app), "GET", "/x?" + "a" * 8_000, headers=headers)).status == 200


@pytest.mark.parametrize("value", ["1" * 60_000, "0-0," * 8_000, "0-1," * 40])
def test_long_ranges(value: str, tmp_path: Path) -> None:
    """A range that Starlette would take a minute to read does not reach it: the whole file is served, at once."""
    (tmp_path / "ui.js").write_text("0123456789")
    files = RequestMiddleware(StaticFiles(directory=tmp_path))
    began = time.monotonic()
    answer = asyncio.run(ask(files, "GET", "/ui.js", headers={"range": f"bytes={value}"}))
    assert (answer.status, answer.body) == (200, b"0123456789")
    assert time.monotonic() - began < 10
    part = asyncio.run(ask(files, "GET", "/ui.js", headers={"range": "bytes=2-3"}))
    assert (part.status, part.body) == (206, b"23")


@pytest.mark.parametrize(
    "query",
    [
        "dag_runs_limit=1001",
        "a=1&dag_runs_limit=99999999999999999999999",
        "dag_runs_limit=14&dag%5Fruns%5Flimit=%31000000",
        "dag_runs_limit=%202000",
        "dag_runs_limit=1_000_000",
        "dag_runs_limit=%2B1000000",
        "dag_runs_limit=1000000.0",
        "dag_runs_limit=000000000000000000001000000",
        "dag_runs_limit=%C2%B2",
        "dag_runs_limit=",
        "dag_runs_limit=" + "%20" * 30 + "1000000",
        "&".join(["run_ids=a"] * 1001),
    ],
)
def test_queries_that_ask_for_too_much(query: str) -> None:
    """More runs than any page shows, and one parameter again and again, are refused."""
    answer = asyncio.run(ask(RequestMiddleware(app), "GET", f"/ui/dags?{query}"))
    assert answer.status == 422
    assert "`dag_runs_limit` is more than 1000" in answer.detail


@pytest.mark.parametrize("query", ["dag_runs_limit=1000", "a=%20&b=", "&".join(["run_ids=a"] * 1000)])
def test_usual_queries(query: str) -> None:
    """What pages ask for is served, and Airflow says what is wrong with the rest."""
    assert asyncio.run(ask(RequestMiddleware(app), "GET", f"/ui/dags?{query}")).status == 200


@pytest.mark.parametrize("path", ["openapi.json?version=2026-06-30", "docs", "redoc", "changelog", "changelog/"])
def test_documents_of_the_workers_api(path: str, secret: str) -> None:
    """What takes the event loop for up to a second to make is for workers only."""
    answer = asyncio.run(ask(RequestMiddleware(app), "GET", f"/execution/{path}"))
    assert (answer.status, answer.detail) == (401, "Invalid auth token")
    headers = {"authorization": f"Bearer {jwt.encode(claims(), secret, 'HS512')}"}
    assert asyncio.run(ask(RequestMiddleware(app), "GET", f"/execution/{path}", headers=headers)).status == 200
    assert asyncio.run(ask(RequestMiddleware(app), "GET", "/execution/health")).status == 200


@pytest.mark.parametrize("path", ["/auth/users/list/", "/api/v2/dags/x/dagRuns", "/ui/x"])
def test_large_bodies(path: str) -> None:
    """A large body is refused by its announced size, and ends the request where it announces none."""
    length = {"content-length": str(sum(map(len, HUGE)))}
    assert asyncio.run(ask(RequestMiddleware(app), "POST", path, headers=length)).status == 413
    with pytest.raises(ClientDisconnect):
        asyncio.run(ask(RequestMiddleware(app), "POST", path, pieces=HUGE))


@pytest.mark.parametrize(
    ("path", "kind", "kilobytes"),
    [
        ("/auth/users/add", "application/x-www-form-urlencoded", 64),
        ("/auth/users/add", "multipart/form-data; boundary=x", 64),
        ("/auth/users/add", "", 64),
        ("/auth/fab/v1/users", "application/x-www-form-urlencoded", 256),
        ("/auth/fab/v1/users", "application/json", 1024),
        ("/pluginsv2/x", "application/x-www-form-urlencoded", 256),
        ("/pluginsv2/x", "Application/X-WWW-Form-URLencoded ;charset=x", 256),
        ("/pluginsv2/x", "application/x-url-encoded", 256),
        ("/pluginsv2/x", "multipart/form-data; boundary=x", 4096),
        ("/a-plugin/x", "application/x-www-form-urlencoded", 256),
        ("/a-plugin/x", "application/json", 4096),
    ],
)
def test_large_forms(path: str, kind: str, kilobytes: int) -> None:
    """Forms, which are read before it is known who sends them, are smaller than other bodies."""
    limit, served, headers = kilobytes * 1024, RequestMiddleware(app), {"content-type": kind} if kind else {}
    body = b" " * limit
    assert asyncio.run(ask(served, "POST", path, pieces=[body], headers=headers)).status == 200
    announced = {**headers, "content-length": str(limit + 1)}
    assert asyncio.run(ask(served, "POST", path, headers=announced)).status == 413
    with nullcontext() if path in READ_EARLY else pytest.raises(ClientDisconnect):
        assert asyncio.run(ask(served, "POST", path, pieces=[body, b" "], headers=headers)).status == 413


@pytest.mark.parametrize("text", [b"a=&", b"%", b"&", b"+"])
def test_costly_forms(text: bytes) -> None:
    """The largest form of a plugin takes Flask a part of a second, whatever is in it."""
    data = (text * size_limits.LARGEST_FORM)[: size_limits.LARGEST_FORM]
    environ = EnvironBuilder(method="POST", data=data, content_type="application/x-www-form-urlencoded").get_environ()
    began = time.thread_time()
    assert RequestOfFlask(environ).form is not None
    assert time.thread_time() - began < 1


@pytest.mark.parametrize("path", ["/api/v2/pools", "/execution/xcoms/x"])
def test_deep_bodies(path: str) -> None:
    """A body with very many lists and objects ends the request before it is parsed, also in pieces."""
    for text in (b"[", b"[],", b'{"a":'):
        few, many = text * 10_000, [text * 10_000] * 6
        with pytest.raises(ClientDisconnect):
            asyncio.run(ask(RequestMiddleware(app), "POST", path, pieces=many))
        assert asyncio.run(ask(RequestMiddleware(app), "POST", path, pieces=[few])).status == 200


@pytest.fixture(name="secret")
def _secret(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    secret = "s" * 64
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", secret)
    worker_tokens.validator.cache_clear()
    yield secret
    worker_tokens.validator.cache_clear()


def claims(**others: object) -> dict[str, object]:
    """Return what a worker's token says now, with these claims instead of its own."""
    now = int(time.time())
    return {"sub": "ti", "aud": "urn:airflow.apache.org:task", "iat": now, "exp": now + 600, **others}


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("kind", ["Bearer", "bearer"])
def test_workers(kind: str, announced: bool, secret: str) -> None:
    """Results of tasks may be large."""
    headers = {"authorization": f"{kind} {jwt.encode(claims(), secret, 'HS512')}"}
    headers |= {"content-length": "5242880"} if announced else {}
    answer = asyncio.run(ask(RequestMiddleware(app), "POST", "/execution/xcoms/x", pieces=HUGE, headers=headers))
    assert answer.body == b'{"cookies":{},"size":5242880}'


def test_bodies_that_do_not_come(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body has to come in time, but for workers; once it is there the connection is watched without a limit."""
    monkeypatch.setattr(size_limits, "BODY_SECONDS", 0.05)

    async def run() -> None:
        messages = [{"type": "http.request", "body": b"a", "more_body": True}]

        async def receive() -> Any:
            return messages.pop(0) if messages else await asyncio.Event().wait()

        scope = {"headers": []}
        ask_more = size_limits.bounded(receive, scope, "/api/v2/variables")
        assert (await ask_more())["body"] == b"a"
        assert await ask_more() == {"type": "http.disconnect"}
        assert await size_limits.bounded(receive, scope, "/execution/xcoms/x")() == {"type": "http.disconnect"}
        worker = {"headers": [(b"authorization", f"Bearer {jwt.encode(claims(), secret, 'HS512')}".encode())]}
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(size_limits.bounded(receive, worker, "/execution/xcoms/x")(), 0.3)
        messages.append({"type": "http.request", "body": b"b", "more_body": False})
        ask_more = size_limits.bounded(receive, scope, "/api/v2/variables")
        assert (await ask_more())["body"] == b"b"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask_more(), 0.2)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/auth/login/"),
        ("POST", "/auth/token"),
        ("POST", "/ui/auth/token"),
        ("POST", "/api/v2/backfills"),
        ("POST", "/api/v2/dags/a/clearTaskInstances"),
        ("PATCH", "/auth/fab/v1/users/ana"),
    ],
)
def test_bodies_that_are_read_early(method: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that a decision needs has to come in time like any other, before anything waits for it."""
    monkeypatch.setattr(size_limits, "BODY_SECONDS", 0.05)

    async def run() -> None:
        messages = [{"type": "http.request", "body": b"{", "more_body": True}]

        async def receive() -> Any:
            return messages.pop(0) if messages else await asyncio.Event().wait()

        async def served(_scope: Any, receive: Any, send: Any) -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            await send({"type": "http.response.start", "status": 400, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": [],
            "client": ("::1", 1),
        }
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        await asyncio.wait_for(RequestMiddleware(served)(scope, receive, send), 30)
        assert sent[0]["status"] == 400

    asyncio.run(run())


NO_WORKERS: dict[str, Callable[[str], str]] = {
    "nobody": lambda _: "",
    "no JWT": lambda _: "Bearer a.b.c",
    "another secret": lambda secret: f"Bearer {jwt.encode(claims(), secret[::-1] + 'x', 'HS512')}",
    "unsigned": lambda _: f"Bearer {jwt.encode(claims(), None, 'none')}",
    "a user": lambda secret: f"Bearer {jwt.encode(claims(aud='apache-airflow'), secret, 'HS512')}",
    "expired": lambda secret: f"Bearer {jwt.encode(claims(exp=1), secret, 'HS512')}",
    "another scheme": lambda secret: f"Token {jwt.encode(claims(), secret, 'HS512')}",
}


@pytest.mark.parametrize("what", NO_WORKERS)
def test_others_on_routes_of_workers(what: str, secret: str) -> None:
    """Without a valid token of a worker, bodies have a limit there, too; smaller ones are the execution API's to refuse."""
    headers = {"authorization": NO_WORKERS[what](secret)}
    served = RequestMiddleware(app)
    length = {**headers, "content-length": "5242880"}
    assert asyncio.run(ask(served, "POST", "/execution/xcoms/x", headers=length)).status == 413
    with pytest.raises(ClientDisconnect):
        asyncio.run(ask(served, "POST", "/execution/xcoms/x", pieces=HUGE, headers=headers))
    assert asyncio.run(ask(served, "POST", "/execution/xcoms/x", pieces=HUGE[:4], headers=headers)).status == 200


def test_tokens_of_workers_elsewhere(secret: str) -> None:
    """A token of a worker gives nothing on other routes."""
    headers = {"authorization": f"Bearer {jwt.encode(claims(), secret, 'HS512')}", "content-length": "5242880"}
    assert asyncio.run(ask(RequestMiddleware(app), "POST", "/api/v2/x", headers=headers)).status == 413


@pytest.mark.parametrize("issuer", ["", "https://issuer.example.com"])
def test_same_validator(issuer: str, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tokens of workers are those that the execution API accepts."""
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_ISSUER", issuer)
    assert attrs.asdict(worker_tokens.validator()) == attrs.asdict(execution_api._jwt_validator())


def test_no_validator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where tokens cannot be verified, nobody is a worker."""
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "")
    worker_tokens.validator.cache_clear()
    headers = {"authorization": f"Bearer {jwt.encode(claims(), 's' * 64, 'HS512')}", "content-length": "5242880"}
    assert asyncio.run(ask(RequestMiddleware(app), "POST", "/execution/x", headers=headers)).status == 413


@pytest.fixture
def daily(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A Dag with a run a day, of whose runs a request may step through 50."""
    dag_class: Any = serialized_objects.SerializedDAG
    monkeypatch.setattr(dag_class, "iter_dagrun_infos_between", dag_class.iter_dagrun_infos_between)
    monkeypatch.setattr(size_limits, "MOST_RUNS_BETWEEN", 50)
    size_limits.limit_ranges()
    size_limits.limit_ranges()
    # `SerializedDAG` is its name before Airflow 3.2.
    serializer: Any = getattr(serialized_objects, "DagSerialization", dag_class)
    return serializer.from_dict(
        serializer.to_dict(DAG("d", schedule="@daily", start_date=datetime(2020, 1, 1, tzinfo=UTC)))
    )


def _runs(dag: Any, to_date: datetime) -> int:
    return len(_get_info_list(dag=dag, from_date=datetime(2026, 1, 1, tzinfo=UTC), to_date=to_date, reverse=False))


def test_runs_between_two_dates(daily: Any) -> None:
    """Airflow steps through some runs, and refuses to step through many, again and again."""
    assert _runs(daily, datetime(2026, 1, 20, tzinfo=UTC)) == 20
    for year in (2026, 9999, 9999, 9999):
        with pytest.raises(HTTPException) as refused:
            _runs(daily, datetime(year, 12, 31, tzinfo=UTC))
        assert (refused.value.status_code, refused.value.detail) == (
            422,
            "There are more than 50 runs between the dates. Choose fewer at once.",
        )


def test_runs_of_a_request(daily: Any) -> None:
    """What a request may step through is for all of it, whatever number of ranges it has."""
    context = RequestContext({"type": "http", "headers": []})
    token = enter_request(context)
    try:
        assert [_runs(daily, datetime(2026, 1, 20, tzinfo=UTC)) for _ in "ab"] == [20, 20]
        with pytest.raises(HTTPException):
            _runs(daily, datetime(2026, 1, 20, tzinfo=UTC))
    finally:
        leave_request(token)
    assert _runs(daily, datetime(2026, 1, 20, tzinfo=UTC)) == 20


def test_few_requests_step_through_runs_at_once(daily: Any) -> None:
    """One more is refused, until one of them is done."""
    first, second = (daily.iter_dagrun_infos_between(*[datetime(2026, 1, n, tzinfo=UTC) for n in (1, 3)]) for _ in "ab")
    next(first)
    next(second)
    with pytest.raises(HTTPException) as refused:
        _runs(daily, datetime(2026, 1, 2, tzinfo=UTC))
    assert refused.value.status_code == 503
    assert len(list(first)) == 2
    assert _runs(daily, datetime(2026, 1, 2, tzinfo=UTC)) == 2
    assert len(list(second)) == 2
