"""What is changed in answers of Airflow: the reason of a refusal, how to sign in, and that tokens are not cached."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response

from astro_auth_plugin.web.middleware import RequestMiddleware
from tests.web.asgi import ask
from tests.web.echo_app import APP, call


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


def test_how_to_sign_in() -> None:
    """A 401 says that a bearer is wanted, where Airflow does not say it; the answer to a worker stays as it is."""
    assert asyncio.run(ask(APP, "GET", "/api/v2/refused?status=401")).headers["www-authenticate"] == "Bearer"
    assert "www-authenticate" not in asyncio.run(ask(APP, "GET", "/api/v2/refused?status=403")).headers
    assert "www-authenticate" not in asyncio.run(ask(APP, "GET", "/execution/refused?status=401")).headers


def test_how_to_sign_in_is_said_once() -> None:
    """What has been said already is not said again."""

    async def reported(scope: Any, receive: Any, send: Any) -> None:
        answer = JSONResponse({}, 401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
        await answer(scope, receive, send)

    answer = asyncio.run(ask(RequestMiddleware(reported), "GET", "/api/v2/refused"))
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.parametrize(
    ("path", "cookie", "expected"),
    [
        ("/auth/token", "", "no-store"),
        ("/auth/token/cli", "", "no-store"),
        ("/auth/api/v1/security/login", "", "no-store"),
        ("/auth/api/v1/security/refresh", "", "no-store"),
        ("/ui/auth/token", "", "no-store"),
        ("/auth/login/", "_token=x; Path=/", "no-store"),
        ("/auth/login/", "session=x", "max-age=60"),
    ],
)
def test_tokens_are_not_stored(path: str, cookie: str, expected: str) -> None:
    """No cache keeps an answer that carries a token, in its body or in a cookie; others stay as they are."""

    async def hand_out(scope: Any, receive: Any, send: Any) -> None:
        headers = {"cache-control": "max-age=60"} | ({"set-cookie": cookie} if cookie else {})
        await Response("x", headers=headers)(scope, receive, send)

    answer = asyncio.run(ask(RequestMiddleware(hand_out), "POST", path))
    assert answer.headers["cache-control"] == expected
