"""An answer that goes on ends when the access of who gets it ends, and not before."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from airflow.providers.fab.auth_manager.models import User
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from astro_auth_plugin.auth_manager import AstroAuthManager
from astro_auth_plugin.rbac.model import token_secrets
from astro_auth_plugin.runtime import audit_log, state
from astro_auth_plugin.runtime.log_filters import FewLines
from astro_auth_plugin.web import long_answers
from astro_auth_plugin.web.middleware import RequestMiddleware
from astro_auth_plugin.web.peer import PeerKeeper
from tests.in_request import HEAD
from tests.process_state import start
from tests.web.asgi import ask

SECRET = token_secrets.compose("ci", "a" * token_secrets.RANDOM_LENGTH)
END = (datetime.now(UTC) + timedelta(days=1)).isoformat()
TOKEN = f"""\
api_tokens:
  - {{id: ci, name: ci, secret_sha256: {token_secrets.sha256(SECRET)}, expires_at: "{END}", roles: ROLES}}
"""
ADMIN = "[{role: DEPLOYMENT_ADMIN, entity_type: DEPLOYMENT, entity_id: dep}]"
OLGA = "users: [{email: olga@example.com, organization_role: ORGANIZATION_OWNER}]\n"
BEFORE = HEAD + TOKEN.replace("ROLES", ADMIN) + OLGA
WITHOUT_ROLE = HEAD + TOKEN.replace("ROLES", "[]") + OLGA
WITHOUT_TOKEN = HEAD + OLGA
AUTHORIZE = "astro_auth_plugin.web.long_answers.authorizer.authorize"
START: Any = {"type": "http.response.start", "status": 200, "headers": []}


@pytest.fixture
def policy(tmp_path: Path, metadata_database: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A function that writes the policy; each further part of an answer is late."""
    monkeypatch.setattr(long_answers, "CHECK_SECONDS", -1.0)
    path = tmp_path / "policy.yaml"
    path.write_text(BEFORE)
    start(path)

    def write(text: str) -> None:
        (tmp_path / "new").write_text(text)
        (tmp_path / "new").rename(path)

    return write


def parts_of(
    between: Callable[[], None], enter: Callable[[], Any], headers: dict[str, str] | None = None, user: Any = None
) -> list[str]:
    """Return which parts of an answer are sent, if something happens after the second one; Airflow knows `user`."""
    sent: list[str] = []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await enter()
        await send(START)
        for part in ("1", "2", "3", "4"):
            await send({"type": "http.response.body", "body": part.encode(), "more_body": True})
            sent.append(part)
            if part == "2":
                between()
        await send({"type": "http.response.body", "body": b""})

    async def with_user(scope: Scope, receive: Receive, send: Send) -> None:
        await RequestMiddleware(app)({**scope, "state": {"user": user}}, receive, send)

    try:
        answer = asyncio.run(ask(with_user, "GET", "/api/v2/x", headers=headers))
    except long_answers.AccessEnded:
        return sent
    assert answer.body == b"1234"
    return sent


async def with_token() -> None:
    """Make out who asks, and ask about something, as a route of Airflow does."""
    user = await state.current().authenticator.authenticate(SECRET)
    assert AstroAuthManager().is_authorized_configuration(method="GET", user=user)


@pytest.mark.parametrize(
    ("after", "parts"), [(BEFORE, "1234"), (f"{BEFORE}# new\n", "1234"), (WITHOUT_ROLE, "12"), (WITHOUT_TOKEN, "12")]
)
def test_access_that_ends(
    after: str, parts: str, policy: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing more is sent once the credential or a permission is gone, and the audit log has one event of it."""
    events: list[audit_log.Event] = []
    monkeypatch.setattr(audit_log, "record", lambda _context, event: events.append(event))
    assert "".join(parts_of(lambda: policy(after), with_token)) == parts
    ended = [audit_log.Event(audit_log.ANSWER_ENDED, "token ci", {"user": "token ci", "email": ""}, "token:ci")]
    assert events == ([] if parts == "1234" else ended)


def test_unknown(
    policy: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where it cannot be found out whether access has ended, nothing more is sent either, and the log says why."""

    def fail() -> None:
        error = sa.exc.OperationalError("SELECT", {}, Exception("gone"))
        monkeypatch.setattr(AUTHORIZE, lambda *_: (_ for _ in ()).throw(error))

    assert parts_of(fail, with_token) == ["1", "2"]
    assert "Cannot look again" in caplog.text


@pytest.mark.parametrize(("active", "parts"), [(True, "1234"), (False, "12")])
def test_pages(
    active: bool, parts: str, policy: Callable[[str], None], accounts: Callable[..., int], metadata_database: Any
) -> None:
    """A page of a plugin, whose user Airflow does not look up, ends with the account."""
    olga = SimpleNamespace(id=accounts("olga", "olga@example.com"), is_anonymous=False)

    async def with_session() -> None:
        assert AstroAuthManager().is_authorized_custom_view(method="GET", resource_name="A page", user=olga)

    def change() -> None:
        with metadata_database.begin() as database:
            database.execute(sa.update(User).where(User.id == olga.id).values(active=active))

    assert "".join(parts_of(change, with_session)) == parts


def test_cookie(policy: Callable[[str], None]) -> None:
    """Where Airflow has made out who asks before the request came here, the cookie is looked at again."""
    identity = state.current().authenticator.identity_of_secret(SECRET)

    async def known() -> None:
        assert AstroAuthManager().is_authorized_configuration(method="GET", user=identity)

    def app_with(text: str) -> list[str]:
        return parts_of(lambda: policy(text), known, {"cookie": f"_token={SECRET}"}, identity)

    assert app_with(BEFORE) == ["1", "2", "3", "4"]
    assert app_with(WITHOUT_TOKEN) == ["1", "2"]


def test_short_answers(policy: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that does not take long is not looked at again."""
    monkeypatch.setattr(long_answers, "CHECK_SECONDS", 60.0)
    assert parts_of(lambda: policy(WITHOUT_TOKEN), with_token) == ["1", "2", "3", "4"]


class OfStarlette(BaseHTTPMiddleware):
    """A middleware that ends every answer properly, as Airflow's for cookies does."""

    async def dispatch(self, request: Request, call_next: Any) -> Any:
        """Serve a request."""
        return await call_next(request)


def test_what_the_client_sees(policy: Callable[[str], None]) -> None:
    """The server does not end the answer, so that no client takes a part for the whole of it."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await with_token()
        await send(START)
        for text in (BEFORE, WITHOUT_TOKEN, WITHOUT_TOKEN):
            policy(text)
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    sent: list[Any] = []

    async def serve() -> None:
        async def receive() -> Any:
            return await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/api/v2/x", "query_string": b"", "headers": []}
        await PeerKeeper(OfStarlette(RequestMiddleware(app)))(scope, receive, send)

    with pytest.raises(long_answers.AccessEnded):
        asyncio.run(serve())
    assert [message.get("more_body") for message in sent] == [None, True]


def test_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """The server logs that the answer was ended, without a traceback."""
    logger = logging.getLogger("a.server")
    logger.addFilter(FewLines())
    logger.error("Exception in ASGI application\n", exc_info=long_answers.AccessEnded("Ended the answer to x"))
    [record] = caplog.records
    assert (record.getMessage(), record.exc_info) == ("Ended the answer to x", None)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer at once."""
    await PlainTextResponse("ok")(scope, receive, send)


WAIT = "/api/v2/dags/d/dagRuns/r/wait"


@pytest.mark.parametrize(
    "query",
    ["0.0000001", "0", ".5", "0.999", "1e-7", "inf", "nan", "-1", "%30.1", "", "5&interval=0.1", "1_0", "%2B5", "%205"],
)
def test_runs_are_not_looked_at_in_a_loop(query: str) -> None:
    """An interval below a second, in any spelling, is invalid; on other routes the name means nothing."""
    middleware = RequestMiddleware(echo)
    for path in (WAIT, f"{WAIT}/"):
        answer = asyncio.run(ask(middleware, "GET", f"{path}?interval={query}"))
        assert (answer.status, answer.detail) == (422, "`interval` is a number of seconds of at least 1, such as 5.")
    assert asyncio.run(ask(middleware, "GET", f"/api/v2/dags?interval={query}")).status == 200


@pytest.mark.parametrize("query", ["interval=1", "interval=2.5&result=t", "interval=60", ""])
def test_usual_intervals(query: str) -> None:
    """Others are served, and Airflow says that the parameter is missing."""
    assert asyncio.run(ask(RequestMiddleware(echo), "GET", f"{WAIT}?{query}")).status == 200


def test_a_process_waits_for_so_many_runs_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more gets 503 at once; as soon as one has ended, the next one is served, also where that ended by an error."""
    monkeypatch.setattr(long_answers, "MOST_WAITS", 2)

    async def run() -> list[int]:
        going, began = asyncio.Event(), asyncio.Semaphore(0)

        async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
            began.release()
            await going.wait()
            if scope["query_string"] == b"interval=7":
                raise ValueError("no")
            await echo(scope, receive, send)

        middleware = RequestMiddleware(waiting)
        first, second = (asyncio.ensure_future(ask(middleware, "GET", f"{WAIT}?interval={n}")) for n in (7, 5))
        await began.acquire()
        await began.acquire()
        found = [(await ask(middleware, "GET", f"{WAIT}?interval=5")).status]
        going.set()
        await asyncio.gather(first, second, return_exceptions=True)
        return [*found, (await ask(middleware, "GET", f"{WAIT}?interval=5")).status]

    assert asyncio.run(run()) == [503, 200]


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", WAIT), ("GET", "/auth/wait"), ("PATCH", "/access/api/v1/users/wait"), ("POST", "/auth/login/wait")],
)
def test_other_requests_take_no_place_of_those_that_wait(
    method: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may come without their body, and without a user."""
    monkeypatch.setattr(long_answers, "MOST_WAITS", 0)
    assert asyncio.run(ask(RequestMiddleware(echo), method, path)).status == 200


@pytest.mark.parametrize("path", ["/api/v2/backfills", "/api/v2/backfills/dry_run"])
def test_few_backfills_at_once(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others wait for those that are worked on, and not for those whose body does not come; too many are refused."""
    monkeypatch.setattr(long_answers, "MOST_BACKFILLS_WAITING", 1)

    async def run() -> list[int]:
        going, began = asyncio.Event(), []

        async def backfill(scope: Scope, receive: Receive, send: Send) -> None:
            began.append(await Request(scope, receive).body())
            await going.wait()
            await echo(scope, receive, send)

        middleware = RequestMiddleware(backfill)
        without_body = [asyncio.ensure_future(_stuck(middleware, path)) for _ in range(5)]
        asked = [asyncio.ensure_future(ask(middleware, "POST", path, pieces=[b"{", b"}"])) for _ in range(3)]
        for _ in range(100):  # all of it happens in this loop
            await asyncio.sleep(0)
        assert began == [b"{}"] * 2
        refused = await ask(middleware, "POST", path, pieces=[b"{}"])
        assert (await ask(RequestMiddleware(echo), "GET", path)).status == 200
        going.set()
        found = [refused.status, *(answer.status for answer in await asyncio.gather(*asked))]
        for each in without_body:
            each.cancel()
        return found

    assert asyncio.run(run()) == [503, 200, 200, 200]


async def _stuck(middleware: RequestMiddleware, path: str) -> None:
    async def send(_: Any) -> None:
        raise AssertionError

    async def receive() -> Any:
        return await asyncio.Event().wait()

    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": [], "root_path": ""}
    await middleware(scope, receive, send)
