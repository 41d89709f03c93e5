"""Sessions that live in a cookie are written back as those in the database are."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.utils.session import create_session
from fastapi import FastAPI
from fastapi.middleware.wsgi import WSGIMiddleware
from flask import Flask, current_app, flash, request, session
from flask_login import LoginManager, UserMixin, current_user, login_user
from sqlalchemy import delete
from werkzeug.test import Client

from astro_auth_plugin.accounts import sign_ins, web_sessions
from astro_auth_plugin.auth_manager import AstroAuthManager
from astro_auth_plugin.authentication import revocation
from tests.in_request import HEAD
from tests.process_state import start


class Account(UserMixin):
    """Somebody."""

    id = 7


def add() -> Any:
    """Add to the session what a sign-in through a provider adds, and FAB's messages; return what there is then."""
    number = int(request.args["number"])
    flash(f"message {number}", "danger")
    session[f"_state_sso_{number}"] = {"data": {"url": "https://sso"}, "exp": 1_000_000.0 + number}
    session["other"] = number
    return dict(session)


def pages(folder: Path, *, permanent: bool, page: Any = add, end: Any = add, **config: Any) -> Client:
    """Somebody in a browser, at an application with two pages and a file, after signing in at the first one."""
    (folder / "picture.svg").write_text("<svg/>")
    app = Flask(__name__, static_folder=folder, static_url_path="/static")
    app.secret_key = "x"
    app.config.update(config)
    LoginManager(app).user_loader(lambda _: Account())
    app.add_url_rule("/in", view_func=lambda: str(login_user(Account())), endpoint="in")
    app.add_url_rule("/page", view_func=lambda: str(current_user.is_authenticated), endpoint="page")
    app.add_url_rule("/add", view_func=add)
    app.add_url_rule("/do", view_func=page, endpoint="do")
    app.add_url_rule("/end", view_func=end, endpoint="end")
    if permanent:
        # As FAB does where [fab] session_backend is securecookie.
        app.before_request(lambda: setattr(session, "permanent", True))
    with app.app_context():
        assert revocation.prepared(current_app, tls=False) is app
    client = Client(app)
    assert "set-cookie" in client.get("/in").headers
    return client


@pytest.mark.parametrize("permanent", [True, False])
def test_files(permanent: bool, tmp_path: Path) -> None:
    """A file hands out no cookie, which might be older than that of a page."""
    with pages(tmp_path, permanent=permanent).get("/static/picture.svg") as answer:
        assert (answer.status_code, answer.headers.get("set-cookie")) == (200, None)


@pytest.mark.parametrize("prolongs", [True, False])
def test_pages(prolongs: bool, tmp_path: Path) -> None:
    """A page prolongs the session of whom it is shown to, unless webserver_config.py wants it otherwise."""
    client = pages(tmp_path, permanent=False, SESSION_REFRESH_EACH_REQUEST=prolongs)
    answer = client.get("/page")
    assert answer.text == "True"
    assert ("set-cookie" in answer.headers) is prolongs


@pytest.mark.parametrize("when", ["before", "meanwhile", "after"])
@pytest.mark.parametrize("how", ["password", "sign-out"])
def test_sessions_that_end_meanwhile(
    how: str, when: str, tmp_path: Path, accounts: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A web session that ends while a page of it is under way is given no token that is valid."""
    if how == "sign-out" and revocation.RevokedToken is None:
        pytest.skip("this Airflow ends all of the account at a sign-out")
    monkeypatch.setattr(Account, "id", accounts("ana", "ana@example.com"))
    (tmp_path / "policy.yaml").write_text(HEAD)
    start(tmp_path / "policy.yaml")

    def end() -> None:
        with create_session(scoped=False) as database:
            if how == "password":
                sign_ins.end_all(database, Account.id)
            else:
                until = datetime.now(UTC) + timedelta(days=1)
                revocation.RevokedToken.revoke(session["astro_auth_id"], until, session=database)

    def page() -> str:
        ended = revocation.empty_ended_session(Account.id)
        if when == "meanwhile":
            end()
        return "" if ended else AstroAuthManager().generate_jwt(Account())

    client = pages(tmp_path, permanent=False, page=page, end=lambda: str(end()))
    if when == "before":
        client.get("/end")
    answer = client.get("/do")
    assert (answer.status_code, bool(answer.text)) == {"before": (200, False), "after": (200, True)}.get(
        when, (401, True)
    )
    assert answer.text.startswith("ey") is (when == "after")


def test_sessions_of_strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row for a session without a user lasts an hour, and expired ones go; a user's lasts as long as configured."""
    kept: list[timedelta] = []
    cleaned: list[bool] = []
    monkeypatch.setattr(web_sessions, "clean_now_and_then", lambda: cleaned.append(True))
    app = Flask(__name__)
    LoginManager(app)
    sessions = SimpleNamespace(_upsert_session=lambda lifetime, session, store_id: kept.append(lifetime))
    app.session_interface = sessions
    with app.app_context():
        for _ in range(2):
            revocation.prepared(current_app, tls=False)
    for said in ({}, {"csrf_token": "x"}, {"_user_id": "7"}):
        sessions._upsert_session(timedelta(days=30), said, "id")
    sessions._upsert_session(timedelta(minutes=5), {}, "id")
    hour = timedelta(hours=1)
    assert kept == [hour, hour, timedelta(days=30), timedelta(minutes=5)]
    assert len(cleaned) == 3


def test_pages_leave_connections_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """With two connections of a page at most, all of them get theirs, however many pages are requested at once."""
    pool = threading.BoundedSemaphore(6)
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_SIZE", "2")
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_MAX_OVERFLOW", "4")
    app = Flask(__name__)

    def page() -> str:
        taken = [pool.acquire(timeout=60) for _ in range(2)]
        for _ in taken:
            pool.release()
        return str(all(taken))

    app.add_url_rule("/page", view_func=page)
    assert revocation.few_at_a_time(app) is app
    with ThreadPoolExecutor(40) as threads:
        answers = [answer.text for answer in threads.map(lambda _: Client(app).get("/page"), range(200))]
    assert answers == ["True"] * 200


def test_signing_out_takes_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a session reads it and its account, so it waits for its turn like a page."""
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_SIZE", "1")
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_MAX_OVERFLOW", "0")
    app, begun, go_on = Flask(__name__), threading.Event(), threading.Event()
    app.secret_key = "x"
    LoginManager(app)
    app.add_url_rule("/page", view_func=lambda: (begun.set(), str(go_on.wait(60)))[1])
    revocation.few_at_a_time(app)
    with ThreadPoolExecutor(2) as threads:
        page = threads.submit(Client(app).get, "/page")
        assert begun.wait(60)
        ends = threads.submit(revocation.end_session, app, "session=x")
        assert wait([ends], 0.3).not_done
        go_on.set()
        assert page.result(60).text == "True"
        assert ends.result(60) is None


def test_pages_that_never_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the pages before it do not end, a page is refused after a while, and served again afterwards."""
    monkeypatch.setattr(revocation, "_LONGEST_WAIT_FOR_A_TURN", 0.1)
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_SIZE", "1")
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_MAX_OVERFLOW", "0")
    app, begun, go_on = Flask(__name__), threading.Event(), threading.Event()
    app.add_url_rule("/page", view_func=lambda: (begun.set(), str(go_on.wait(60)))[1])
    revocation.few_at_a_time(app)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(Client(app).get, "/page")
        assert begun.wait(60)
        refused = Client(app).get("/page")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "10")
        go_on.set()
        assert first.result(60).text == "True"
    assert Client(app).get("/page").status_code == 200


def test_every_application_has_turns() -> None:
    """Plugins of Airflow 2 have an application of their own, in which anyone may post forms: it has turns as well."""
    for _ in range(2):
        app = Flask(__name__)
        LoginManager(app)
        before = app.wsgi_app
        with app.app_context():
            revocation.prepared(current_app, tls=False)
        assert app.wsgi_app != before


@pytest.mark.parametrize(("size", "more"), [("0", "10"), ("5", "-1")])
def test_no_limit_of_connections(size: str, more: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no limit of connections, there is none of pages."""
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_SIZE", size)
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_MAX_OVERFLOW", more)
    app = Flask(__name__)
    before = app.wsgi_app
    assert revocation.few_at_a_time(app).wsgi_app == before


def test_what_strangers_add_to_a_session(tmp_path: Path) -> None:
    """A session keeps the newest sign-ins that were begun at a provider, and the newest messages; all else stays."""
    client = pages(tmp_path, permanent=False)
    for number in range(20):
        client.get(f"/add?number={number}")
    kept = client.get("/add?number=20").json
    assert sorted(key for key in kept if key.startswith("_state_")) == [f"_state_sso_{n}" for n in range(18, 21)]
    assert [words for _, words in kept["_flashes"]] == [f"message {number}" for number in range(10, 21)]
    assert kept["other"] == 20
    assert client.get("/page").text == "True"


def test_application_that_is_served() -> None:
    """Of several applications the one that FAB's app serves has the sessions, whichever was made last."""
    served, _made_last = Flask("fab"), Flask("plugins")
    app = FastAPI()
    app.mount("/", WSGIMiddleware(served))
    assert revocation.application_in(app) is served


@pytest.mark.skipif(revocation.RevokedToken is None, reason="on Airflow 3.1 everything ends that an account was given")
def test_fab_tokens(metadata_database: Any) -> None:
    """A sign-out ends the tokens of FAB's API that were handed out until then, to this account only."""
    now = int(time.time())
    revocation._end_fab_tokens(70_001)
    try:
        assert revocation.fab_token_has_ended(70_001, now - 1)
        assert revocation.fab_token_has_ended(70_001, now)
        # One that a request under way hands out, which has not seen the sign-out yet.
        assert revocation.fab_token_has_ended(70_001, now + 1)
        assert not revocation.fab_token_has_ended(70_001, now + 3600)
        assert not revocation.fab_token_has_ended(70_002, now)
    finally:
        with create_session(scoped=False) as database:
            database.execute(delete(revocation.RevokedToken))


@pytest.mark.skipif(revocation.RevokedToken is None, reason="on Airflow 3.1 everything ends that an account was given")
@pytest.mark.parametrize(("path", "counts"), [("/api/v1/security/login", True), ("/login/", False)])
def test_fab_tokens_after_a_sign_out(
    path: str, counts: bool, metadata_database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sign-in at FAB's API right after a sign-out waits until its tokens count; other sign-ins need not."""
    clock = [time.time()]
    monkeypatch.setattr(revocation, "time", SimpleNamespace(time=lambda: clock[0], sleep=clock.append))
    app = Flask(__name__)
    app.add_url_rule("/api/v1/security/login", "SecurityApi.login")
    app.add_url_rule("/login/", "login")
    revocation._end_fab_tokens(70_001)
    try:
        with app.test_request_context(path):
            revocation.wait_for_the_next(70_001)
        assert revocation.fab_token_has_ended(70_001, int(sum(clock) + 0.001)) is not counts
    finally:
        with create_session(scoped=False) as database:
            database.execute(delete(revocation.RevokedToken))
