"""The session behind FAB's pages belongs to whoever signed in last, for as long as they see pages, and no longer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.e2e.database import Database
from tests.e2e.tables import BEFORE_3_2

from .person import sign_in, wish
from .stack import PASSWORDS, PATH, Fronted

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

Browse = Callable[..., httpx.Client]
PICTURE = "/auth/static/pin_32.png"
USERS = "/auth/users/list/"
# Signed in, whoever opens the sign-in page is led on.
LED_ON = {"params": {"next": "/"}, "follow_redirects": False}


@pytest.fixture
def database(airflow: Fronted) -> Database:
    """Where sessions are kept."""
    return Database(airflow.engine)


def row_of(client: httpx.Client) -> str:
    """The name of the row of somebody's session: the cookie without its signature."""
    return str(client.cookies.get("session", path=f"{PATH}/")).rpartition(".")[0]


def test_slow_picture(browse: Browse) -> None:
    """A picture of the sign-in page that comes after the sign-in does not put the person out again."""
    client = browse()
    wish(client, "/")
    before = client.cookies.get("session", path=f"{PATH}/")
    sign_in(client, "olga")
    assert client.cookies.get("session", path=f"{PATH}/") != before
    late = client.get(PICTURE, headers={"Cookie": f"session={before}"})
    assert late.status_code == 200
    assert "set-cookie" not in late.headers
    assert client.get("/auth/login/", **LED_ON).status_code == 302


def test_prolonged(browse: Browse, database: Database) -> None:
    """Pages prolong the session of whom they are shown to; files do not, nor pages shown to nobody."""
    client = browse()
    sign_in(client, "olga")
    row = row_of(client)
    soon = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=1)
    database.run("UPDATE session SET expiry = :soon WHERE session_id = :row", soon=soon, row=row)
    kept = database.value("SELECT expiry FROM session WHERE session_id = :row", row=row)
    assert client.get(PICTURE).status_code == 200
    assert database.value("SELECT expiry FROM session WHERE session_id = :row", row=row) == kept
    assert client.get(USERS).status_code == 200
    assert database.value("SELECT expiry FROM session WHERE session_id = :row", row=row) > kept


def test_under_way_at_the_sign_out(browse: Browse, database: Database) -> None:
    """What a request with a copy of the cookie writes back after the sign-out opens nothing, and is emptied."""
    client = browse()
    sign_in(client, "olga")
    row, cookies = row_of(client), f"session={client.cookies.get('session', path=f'{PATH}/')}"
    (written,) = database.rows("SELECT session_id, data, expiry FROM session WHERE session_id = :row", row=row)
    # FAB makes another application of Flask for this, which knows nothing of sessions.
    assert browse().post("/auth/token", json={"username": "olga", "password": PASSWORDS["olga"]}).status_code == 201
    client.get("/api/v2/auth/logout", follow_redirects=False)
    assert not is_signed_in(database, row)
    for page in (PICTURE, "/auth/no-such-page", USERS, "/auth/login/"):
        write_back(database, *written)
        thief = browse()
        assert thief.get(page, headers={"Cookie": cookies}, follow_redirects=False).status_code != 500
        assert is_signed_in(database, row) is (page == PICTURE), page
        answer = thief.get("/auth/login/", headers={"Cookie": cookies}, **LED_ON)
        assert answer.status_code == 200, page
        assert 'name="csrf_token"' in answer.text
        assert "_token" not in answer.headers.get("set-cookie", "")


def is_signed_in(database: Database, row: str) -> bool:
    found = database.rows("SELECT data FROM session WHERE session_id = :row", row=row)
    return any(b"_user_id" in data for (data,) in found)


def write_back(database: Database, row: str, data: bytes, expiry: str) -> None:
    """Does what a request does that read the session before the sign-out and ends after it."""
    database.run(
        "DELETE FROM session WHERE session_id = :row",
        "INSERT INTO session (session_id, data, expiry) VALUES (:row, :data, :expiry)",
        row=row,
        data=data,
        expiry=expiry,
    )


def test_sessions_elsewhere(browse: Browse) -> None:
    """Signing out ends one session, and not that of another browser; on Airflow 3.1 it ends both."""
    here, there = browse(), browse()
    sign_in(here, "olga")
    sign_in(there, "olga")
    here.get("/api/v2/auth/logout", follow_redirects=False)
    assert here.get("/auth/login/", **LED_ON).status_code == 200
    assert there.get("/auth/login/", **LED_ON).status_code == (200 if BEFORE_3_2 else 302)


def test_dead_session_ends_nothing(browse: Browse, database: Database) -> None:
    """A copy of the cookie, used to sign out again, does not end what its person was given since."""
    client = browse()
    sign_in(client, "olga")
    row, cookies = row_of(client), f"session={client.cookies.get('session', path=f'{PATH}/')}"
    (written,) = database.rows("SELECT session_id, data, expiry FROM session WHERE session_id = :row", row=row)
    client.get("/api/v2/auth/logout", follow_redirects=False)
    sign_in(client, "olga")
    write_back(database, *written)
    browse().get("/api/v2/auth/logout", headers={"Cookie": cookies}, follow_redirects=False)
    assert client.get("/ui/auth/menus").status_code == 200
    assert client.get("/auth/login/", **LED_ON).status_code == 302
