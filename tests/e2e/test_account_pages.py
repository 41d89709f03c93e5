"""FAB's pages of accounts: the same rule as at the users API, and everybody's own password."""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterator

import httpx
import pytest

from .accounts import ACCOUNT, FEW, forget, make
from .client import Everybody
from .database import Database
from .live import LiveAirflow
from .tables import people


@pytest.fixture(autouse=True)
def no_account(database: Database) -> Iterator[None]:
    """The account that the tests make does not outlive them."""
    yield
    forget(database)


class Browser:
    """Somebody at FAB's pages, with the cookies of a browser."""

    def __init__(self, url: str, user: str) -> None:
        transport = httpx.HTTPTransport(verify=False)  # plain http
        self.client = httpx.Client(base_url=url, timeout=180, transport=transport)
        # Nobody closes it otherwise: a browser lives as long as the test or the fixture that names it.
        weakref.finalize(self.client, transport.close)
        password = next(person.password for person in people() if person.user == user)
        self.signed_in = self.sign_in(user, password)

    def sign_in(self, user: str, password: str) -> bool:
        """Fills the sign-in form; says whether it worked."""
        self.submit("/auth/login/", username=user, password=password)
        return "_token" in self.client.cookies

    def submit(self, path: str, **fields: str) -> httpx.Response:
        """Opens a form and sends it filled; returns the last answer."""
        page = self.client.get(path)
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
        if token is None:
            return page
        return self.client.post(path, data={"csrf_token": token.group(1), **fields})


@pytest.fixture(scope="module")
def browsers(airflow: LiveAirflow) -> dict[str, Browser]:
    """Some people at FAB's pages."""
    users = (
        *("organization.owner", "workspace.owner", "deployment.admin", "workspace.operator", "nobody", "fab.admin"),
        "tag.viewer",
    )
    return {user: Browser(airflow.url, user) for user in users}


ACCOUNT_PAGES = ("/auth/users/list/", "/auth/users/add", "/auth/users/edit/1", "/auth/resetpassword/form?pk=1")
ROLE_PAGES = ("/auth/roles/list/", "/auth/roles/add", "/auth/roles/edit/1", "/auth/actions/list/")
ROLE_PAGES += ("/auth/resources/list/", "/auth/permissions/list/")
OWN_PAGES = ("/auth/resetmypassword/form", "/auth/userinfoeditview/form")


@pytest.mark.parametrize(
    ("user", "opens"),
    [
        ("organization.owner", (*ACCOUNT_PAGES, *OWN_PAGES)),
        ("workspace.owner", (*ACCOUNT_PAGES, *OWN_PAGES)),
        ("deployment.admin", OWN_PAGES),
        ("workspace.operator", OWN_PAGES),
        ("tag.viewer", OWN_PAGES),
        ("nobody", OWN_PAGES),
        ("fab.admin", OWN_PAGES),
    ],
)
def test_pages(user: str, opens: tuple[str, ...], browsers: dict[str, Browser]) -> None:
    """Pages of accounts open for who may change accounts, of FAB's roles for nobody, of one's own for everybody."""
    assert browsers[user].signed_in
    for path in (*ACCOUNT_PAGES, *ROLE_PAGES, *OWN_PAGES):
        assert (browsers[user].client.get(path).status_code == 200) == (path in opens), path
    # Accounts have no files.
    status = browsers[user].client.get("/auth/users/download/1").status_code
    assert status == 404 if "/auth/users/list/" in opens else status in (302, 403)


@pytest.mark.parametrize(("name", "actor", "allowed"), FEW)
def test_pages_change(name: str, actor: str, allowed: bool, browsers: dict[str, Browser], database: Database) -> None:
    """The pages keep the rule of the API: for an e-mail given away, taken, a password, an account switched off."""
    person = {"first_name": "A", "last_name": "B", "username": "made", "roles": role_id(database)}
    other, mail = "absent.other@example.com", f"{name}@example.com"
    passwords = {"password": "stolen", "conf_password": "stolen"}
    changes = (
        (name, "/auth/users/edit/{}", {**person, "active": "y", "email": other}),
        (name, "/auth/users/edit/{}", {**person, "email": mail}),
        ("absent.other", "/auth/users/edit/{}", {**person, "active": "y", "email": mail}),
        (name, "/auth/resetpassword/form?pk={}", passwords),
    )
    for start, path, fields in changes:
        account = make(database, start)
        before = database.rows(ACCOUNT)
        answer = browsers[actor].submit(path.format(account), **fields)
        assert answer.status_code < 500
        assert (database.rows(ACCOUNT) != before) == allowed, (path, fields)
    forget(database)
    browsers[actor].submit("/auth/users/add", **person, active="y", email=mail, **passwords)
    assert bool(database.rows(ACCOUNT)) == allowed


@pytest.mark.parametrize(("name", "actor", "allowed"), FEW)
def test_pages_delete(name: str, actor: str, allowed: bool, browsers: dict[str, Browser], database: Database) -> None:
    """The list of accounts deletes only what the API would."""
    account = make(database, name)
    # A page that opens for everybody: the token of its form counts for the list, too.
    page = browsers[actor].client.get("/auth/resetmypassword/form")
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
    assert token is not None
    answer = browsers[actor].client.post(f"/auth/users/delete/{account}", data={"csrf_token": token.group(1)})
    assert answer.status_code < 500
    assert bool(database.rows(ACCOUNT)) != allowed


@pytest.mark.parametrize("user", ["workspace.operator", "nobody", "fab.admin", "tag.viewer"])
def test_pages_change_refused(user: str, browsers: dict[str, Browser], database: Database) -> None:
    """Who may not open the forms cannot send them either."""
    account = make(database, "absent.nothing")
    before = database.rows(ACCOUNT)
    page = browsers[user].client.get("/auth/resetmypassword/form")
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
    assert token is not None
    data = {"csrf_token": token.group(1), "first_name": "A", "last_name": "B", "username": "made", "active": "y"}
    data |= {"roles": role_id(database), "email": "absent.other@example.com"}
    data |= {"password": "stolen", "conf_password": "stolen"}
    for path in (f"edit/{account}", f"delete/{account}"):
        browsers[user].client.post(f"/auth/users/{path}", data=data)
    browsers[user].client.post(f"/auth/resetpassword/form?pk={account}", data=data)
    assert database.rows(ACCOUNT) == before


@pytest.mark.parametrize("user", ["nobody", "tag.viewer", "organization.owner"])
def test_own_password(
    user: str, airflow: LiveAirflow, browsers: dict[str, Browser], database: Database, everybody: Everybody
) -> None:
    """Everybody changes their own password, and signs in with the new one; what was signed in before has ended."""
    before = everybody[user]
    find = "SELECT password FROM ab_user WHERE username = :user"
    old = database.value(find, user=user)
    try:
        browser = Browser(airflow.url, user)
        copied = {"Cookie": f"session={browser.client.cookies['session']}"}
        assert httpx.get(f"{airflow.url}/auth/login/", headers=copied, timeout=180).status_code == 302
        browser.submit("/auth/resetmypassword/form", password="new-secret", conf_password="new-secret")
        assert database.value(find, user=user) != old
        body = {"username": user, "password": "new-secret"}
        assert browser.client.post("/auth/token", json=body).status_code == 201
        assert before.get("/ui/auth/menus").status_code == 401
        assert httpx.get(f"{airflow.url}/auth/login/", headers=copied, timeout=180).status_code == 200
    finally:
        database.run("UPDATE ab_user SET password = :old WHERE username = :user", old=old, user=user)
        everybody.sign_in_again(user)


def role_id(database: Database) -> str:
    """A FAB role, which the forms insist on."""
    return str(database.value("SELECT id FROM ab_role WHERE name = 'Public'"))


def test_session_written_back_after_the_sign_out(database: Database, airflow: LiveAirflow) -> None:
    """A session that is signed out of stays ended, though a request that was under way puts its row back."""
    password = next(person.password for person in people() if person.user == "nobody")
    make(database, "absent.viewer")
    browser = Browser(airflow.url, "nobody")
    browser.client.cookies.clear()
    assert browser.sign_in("made", password)
    cookie = browser.client.cookies["session"]
    find = {"row": cookie.rpartition(".")[0]}
    (written,) = database.rows("SELECT session_id, data, expiry FROM session WHERE session_id = :row", **find)
    copied = httpx.Client(base_url=airflow.url, timeout=180, headers={"Cookie": f"session={cookie}"})
    assert copied.get("/auth/login/").status_code == 302
    browser.client.get("/api/v2/auth/logout", follow_redirects=False)
    database.run("DELETE FROM session WHERE session_id = :row", **find)
    insert = "INSERT INTO session (session_id, data, expiry) VALUES (:row, :data, :expiry)"
    database.run(insert, **find, data=written[1], expiry=written[2])
    assert copied.get("/auth/login/").status_code == 200
    copied.close()
