"""Which bodies are read before Airflow has them, up to which size, and that Airflow has them whole."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from astro_auth_plugin.runtime.request_context import current_request
from astro_auth_plugin.web import request_bodies, size_limits
from astro_auth_plugin.web.middleware import RequestMiddleware
from astro_auth_plugin.web.request_bodies import LARGEST_LIST, MAX_BODY
from tests.web.asgi import ask
from tests.web.echo_app import BACKFILLS, call, reported

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
    answer = reported(method, path, pieces=[BODY])
    assert answer["body"] == (json.loads(BODY) if read else None)
    assert answer["size"] == len(BODY)


@pytest.mark.parametrize(
    ("limit", "status"),
    [
        ("50", 200),
        ("1000", 200),
        ("null", 200),
        ("true", 200),
        ("1001", 422),
        ("1e9", 422),
        ("1000000.0", 422),
        ('"1000000"', 422),
        ('"1_000_000"', 422),
        ("[1]", 422),
    ],
)
@pytest.mark.parametrize("path", ["/api/v2/dags/~/dagRuns/list", "/api/v2/dags/a/dagRuns/b/taskInstances/list"])
def test_size_of_a_page_in_a_body(path: str, limit: str, status: int) -> None:
    """A list is not asked for more than any page shows, in any spelling of a number."""
    answer = asyncio.run(ask(RequestMiddleware(_served), "POST", path, pieces=[f'{{"page_limit": {limit}}}'.encode()]))
    assert answer.status == status
    for body in (b"{}", b"[]", b"no JSON"):
        assert asyncio.run(ask(RequestMiddleware(_served), "POST", path, pieces=[body])).status == 200


async def _served(scope: Scope, receive: Receive, send: Send) -> None:
    answer = JSONResponse({"size": len(await Request(scope, receive).body())})
    await answer(scope, receive, send)


def test_body_in_pieces() -> None:
    """A body that comes in pieces is read whole, and given on whole."""
    pieces = [BODY[:3], b"", BODY[3:20], BODY[20:]]
    assert reported("POST", BACKFILLS, pieces=pieces) == {
        "route": f"POST {BACKFILLS}",
        "dag": None,
        "body": json.loads(BODY),
        "size": len(BODY),
    }


def test_body_is_given_on_in_one_piece() -> None:
    """However many pieces a body comes in, no more than the body is kept, and it is given on as one."""

    async def read() -> list[dict]:
        size = 1000
        pieces = [{"type": "http.request", "body": b"1", "more_body": number < size - 1} for number in range(size)]
        pieces.append({"type": "http.disconnect"})

        async def receive() -> dict:
            return pieces.pop(0)

        scope = {"method": "POST", "headers": []}
        body, again, refusal = await request_bodies.looked_at(scope, BACKFILLS, receive)
        assert (body, refusal) == (int("1" * size), None)
        return [await again(), await again()]

    first, second = asyncio.run(read())
    assert first == {"type": "http.request", "body": b"1" * 1000, "more_body": False}
    assert second == {"type": "http.disconnect"}


@pytest.mark.parametrize(
    ("method", "path", "kept"),
    [
        ("POST", "/api/v2/connections", True),
        ("PATCH", "/api/v2/pools", True),
        ("PATCH", "/api/v2/variables/a/b", True),
        ("POST", "/api/v2/connections/test", True),
        ("GET", "/api/v2/connections", False),
        ("DELETE", "/api/v2/pools/a", False),
        ("POST", "/api/v2/dags/a/dagRuns", False),
    ],
)
def test_bodies_that_name_objects(method: str, path: str, kept: bool) -> None:
    """A body that names connections, Variables or pools is kept as it came, whatever its size, and given on whole."""
    seen: list[bytes | None] = []

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        context = current_request()
        assert context is not None
        seen.append(context.raw_body)
        await _served(scope, receive, send)

    body = b'{"a": "' + b"x" * MAX_BODY + b'"}'
    pieces = [body[at : at + 65_536] for at in range(0, len(body), 65_536)]
    answer = asyncio.run(ask(RequestMiddleware(served), method, path, pieces=pieces))
    assert json.loads(answer.body) == {"size": len(body)}
    assert seen == [body if kept else None]


def test_body_of_objects_that_is_too_large() -> None:
    """Airflow does not get a part of a body that is larger than any may be."""

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        context = current_request()
        assert context is not None
        assert context.raw_body is None
        with pytest.raises(ClientDisconnect):
            await Request(scope, receive).body()
        await JSONResponse({"gone": True})(scope, receive, send)

    pieces = [b"x" * 65_536] * (size_limits.LARGEST_BODY // 65_536 + 1)
    answer = asyncio.run(ask(RequestMiddleware(served), "POST", "/api/v2/pools", pieces=pieces))
    assert json.loads(answer.body) == {"gone": True}


def test_client_that_leaves() -> None:
    """An application learns that the client has left before its body ended, and has what came of it."""
    answer = call("POST", BACKFILLS, pieces=[BODY[:5]], gone=True)
    assert json.loads(answer.body) == {"gone": True}


def test_body_under_a_path_of_its_own() -> None:
    """Where Airflow is served under a path, the same bodies are read."""
    answer = call("POST", f"/airflow{BACKFILLS}", root_path="/airflow", pieces=[BODY])
    assert json.loads(answer.body)["body"] == json.loads(BODY)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 50_000, b"{'a': 1}", b'"text"', b"[1]", b"null"])
def test_broken_bodies(body: bytes) -> None:
    """A body that is no JSON mapping reaches the application as it is, and says nothing to a decision."""
    answer = reported("POST", BACKFILLS, pieces=[body])
    assert answer["size"] == len(body)
    assert not isinstance(answer["body"], dict)


@pytest.mark.parametrize("size", [MAX_BODY, MAX_BODY + 1])
def test_large_bodies(size: int) -> None:
    """A body that is too large to be looked at does not come through unseen."""
    start = b'{"reprocess_behavior": "completed", "pad": "'
    body = start + b"x" * (size - len(start) - 2) + b'"}'
    pieces = [body[at : at + 65_536] for at in range(0, len(body), 65_536)]
    if size <= MAX_BODY:
        answer = reported("POST", BACKFILLS, pieces=pieces)
        assert (answer["body"]["reprocess_behavior"], answer["size"]) == ("completed", size)
    else:
        refused = call("POST", BACKFILLS, pieces=pieces)
        assert (refused.status, refused.detail) == (413, f"The body is larger than {MAX_BODY} bytes.")


@pytest.mark.parametrize("size", [LARGEST_LIST, LARGEST_LIST + 1])
def test_large_filters_of_a_list(size: int) -> None:
    """The body of a list is smaller than others: any user may send one."""
    answer = call("POST", "/api/v2/dags/~/dagRuns/list", pieces=[b" " * (size - 2) + b"{}"])
    assert answer.status == (404 if size <= LARGEST_LIST else 413), "the application has no such route"


@pytest.mark.parametrize("path", sorted({*request_bodies.TOKENS_IN_BODY, "/auth/token/", "/auth/login/"}))
@pytest.mark.parametrize("pieces", [[b"x" * 40_000] * 2, [b""]])
def test_large_bodies_of_strangers(path: str, pieces: list[bytes]) -> None:
    """Where tokens are handed out, a large body is refused in words: by its announced length, else as it comes."""
    headers = {} if len(pieces) > 1 else {"content-length": "9" * 5000}
    refused = call("POST", path, pieces=pieces, headers=headers)
    in_pieces = len(pieces) > 1 or path.startswith("/auth/")
    largest = size_limits.LARGEST_SIGN_IN if in_pieces else size_limits.LARGEST_BODY
    assert (refused.status, refused.detail) == (413, f"The body is larger than {largest} bytes.")


def test_basic_passwords() -> None:
    """A password in a header does not make the body of an account's change smaller."""
    headers = {"authorization": "Basic YTpi"}
    answer = reported("POST", "/auth/fab/v1/users", pieces=[b" " * 100_000 + b"{}"], headers=headers)
    assert (answer["body"], answer["size"]) == ({}, 100_002)


def test_body_that_never_ends() -> None:
    """No more of a body is kept than may be looked at."""
    assert call("POST", BACKFILLS, pieces=[b"x" * 1_000_000] * 50).status == 413


def test_client_that_hangs_up() -> None:
    """Somebody who goes away in the middle of a body is somebody who went away."""
    assert reported("POST", BACKFILLS, pieces=[b'{"a"'], gone=True) == {"gone": True}


def test_only_what_needs_a_body_is_read() -> None:
    """The list of routes whose bodies are read names the users API and backfills, and nothing that streams."""
    assert {path for _, path in request_bodies._BODY_NEEDED} == {BACKFILLS, "/auth/fab/v1/users", "/auth/fab/v1/users/"}


@pytest.mark.parametrize("path", ["/api/v2/dags/d/clearTaskInstances", "/api/v2/dags/d/dagRuns/r/clear"])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{}", 200),
        ('{"dry_run": true}', 200),
        ('{"dry_run": false}', 200),
        ('{"dry_run": "false"}', 422),
        ('{"dry_run": "no"}', 422),
        ('{"dry_run": 0}', 422),
        ('{"dry_run": false, "dry_run": "off"}', 422),
    ],
)
def test_dry_run_is_one_thing(path: str, body: str, status: int) -> None:
    """Airflow's audit log takes text for true and writes no row, and the route takes it for false: that is refused."""
    answer = call("POST", path, pieces=[body.encode()])
    assert answer.status == status


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        ("application/json", "application/json"),
        ("Application/JSON; charset=utf-8", "application/json; charset=utf-8"),
        ("application/vnd.api+JSON", "application/json"),
        ("text/plain", "text/plain"),
        ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded"),
    ],
)
def test_type_of_a_body(sent: str, arrives: str) -> None:
    """However a caller spells the type of a JSON body, Airflow's audit log sees that it is one."""
    answer = call("POST", "/api/v2/type", headers={"content-type": sent}, pieces=[b"{}"])
    assert answer.body.decode() == arrives


def test_many_types() -> None:
    """Each of many types of the body is written anew in one pass: the list of headers is not copied for each."""
    copies = 0

    class Headers(list[tuple[bytes, bytes]]):
        def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
            nonlocal copies
            copies += 1
            return super().__iter__()

    scope = {"headers": Headers([(b"content-type", b"application/merge-patch+json;a=b"), (b"x", b"y")] * 100)}
    request_bodies.name_json(scope)
    assert copies == 1
    assert scope["headers"] == [(b"content-type", b"application/json;a=b"), (b"x", b"y")] * 100
