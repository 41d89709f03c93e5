"""What is mixed into FAB's security manager: what a sign-in brings is kept, and what must not count is refused."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from flask import Flask, current_app, g, session
from flask_appbuilder.const import AUTH_DB, AUTH_LDAP, AUTH_OAUTH, AUTH_REMOTE_USER

from astro_auth_plugin.airflow_bridge import sign_ins
from astro_auth_plugin.airflow_bridge.request import current_request
from astro_auth_plugin.login import handed_out, rate_limit
from astro_auth_plugin.login.security_manager import SignInMixin
from tests.in_request import facts_of, serving

ANA = "ana@example.com"
PROXY = ("10.0.0.5", 40000)


class _Configured:
    """Stands for the security manager of an installation: each way in finds the account, if the password is right."""

    auth_ldap_group_field = "memberOf"
    auth_remote_user_env_var = "HTTP_X_REMOTE_USER"
    auth_roles_mapping = None
    oauth_remotes: ClassVar[Any] = defaultdict(lambda: SimpleNamespace(userinfo=dict))
    auth_rate_limit = "2 per hour"
    is_auth_limited = True

    def __init__(self, auth_type: int, **account: Any) -> None:
        self.auth_type = auth_type
        self.user = SimpleNamespace(**{"id": 7, "email": ANA, **account})
        self.tried = 0

    def _password(self, username: str, password: str, rotate_session_id: bool = True) -> Any:
        self.tried += 1
        facts = current_request()
        self.signing_in = facts.signing_in if facts else None
        if password == "fail":
            raise RuntimeError("refused")
        return self.user if password == "right" else None

    auth_user_db = _password

    def auth_user_ldap(self, username: str, password: str, rotate_session_id: bool = True) -> Any:
        self._search_ldap("ldap", "connection", username)
        return self._password(username, password)

    def _search_ldap(self, *_: Any) -> Any:
        return "uid=ana", {"memberOf": [b"cn=a,dc=x"]}

    def auth_user_oauth(self, userinfo: Any) -> Any:
        return self._password("", "right") if userinfo.get("username") else None

    def auth_user_remote_user(self, username: str) -> Any:
        self.named = username
        return self._password("", "right")

    def update_user(self, user: Any) -> None:
        self.updated = user.email

    def get_oauth_user_info(self, provider: str, resp: Any) -> dict[str, Any]:
        return {"username": "ana", "email": ANA, "role_keys": ["known to FAB"]}

    def load_user(self, pk: Any) -> Any:
        return self.user

    def load_user_jwt(self, header: Any, data: Any) -> Any:
        return self.user


class Manager(SignInMixin, _Configured):
    """What `with_sign_in` makes, without FAB's views."""


@pytest.fixture(autouse=True)
def options(metadata_database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"POLICY_FILE": "/p", "DEPLOYMENT_ID": "dep", "TRUSTED_PROXIES": "10.0.0.5"}.items():
        monkeypatch.setenv(f"AIRFLOW__ASTRO_AUTH__{name}", value)
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__PROXY_GROUPS_HEADER", "X-Groups")


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """Every sign-in that was kept: account, e-mail, groups."""
    found: list[tuple] = []
    monkeypatch.setattr(sign_ins, "keep", lambda account, email, brought: found.append((account, email, list(brought))))
    return found


@pytest.fixture(autouse=True)
def flask() -> Iterator[None]:
    """A request of FAB's application."""
    rate_limit._counter_at.cache_clear()
    app = Flask(__name__)
    app.secret_key = "x"
    with app.test_request_context():
        yield


def from_proxy(*headers: tuple[str, str]) -> Any:
    facts = facts_of("GET /auth/login/", headers=dict(headers))
    facts.scope["headers"] = [(name.lower(), value) for name, value in facts.scope["headers"]]
    facts.scope["client"] = PROXY
    return serving(facts)


def test_directory(kept: list[tuple]) -> None:
    """A sign-in at a directory brings its groups; while FAB takes over what it says, the request says so."""
    manager = Manager(AUTH_LDAP)
    with serving(facts_of("POST /auth/login")) as facts:
        assert manager.auth_user_ldap("ana", "right") is manager.user
        assert manager.signing_in is True
        with pytest.raises(RuntimeError, match="refused"):
            manager.auth_user_ldap("ana", "fail")
        assert facts.signing_in is False
    assert kept == [(7, ANA, ["cn=a,dc=x"])]


def test_groups_are_asked_for() -> None:
    """FAB asks the directory for groups only when it has roles to give for them, so it always has."""
    assert Manager(AUTH_LDAP).auth_roles_mapping == {"": []}


@pytest.mark.parametrize("password", ["", None, "wrong"])
def test_no_password(password: Any, kept: list[tuple]) -> None:
    """A wrong password signs nobody in; an empty one is not even shown to the directory."""
    manager = Manager(AUTH_LDAP)
    assert manager.auth_user_ldap("ana", password) is None
    assert manager.tried == (1 if password else 0)
    assert kept == []


@pytest.mark.parametrize("auth_type", [AUTH_DB, AUTH_OAUTH, AUTH_REMOTE_USER])
def test_no_directory(auth_type: int, kept: list[tuple]) -> None:
    """Where people do not sign in at a directory, none is asked."""
    manager = Manager(auth_type)
    assert manager.auth_user_ldap("ana", "right") is None
    assert manager.tried == 0


@pytest.mark.parametrize(
    ("auth_type", "option", "opens"),
    [
        (AUTH_DB, "", True),
        (AUTH_LDAP, "", False),
        (AUTH_OAUTH, "false", False),
        (AUTH_REMOTE_USER, "", False),
        (AUTH_OAUTH, "true", True),
    ],
)
def test_database_password(
    auth_type: int, option: str, opens: bool, kept: list[tuple], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password of the database opens where people sign in with one, or an option says so; it brings no groups."""
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__ALLOW_DATABASE_PASSWORDS", option)
    manager = Manager(auth_type)
    assert (manager.auth_user_db("ana", "right", rotate_session_id=False) is manager.user) is opens
    assert manager.tried == opens
    assert kept == ([(7, ANA, [])] if opens else [])


def test_wrong_passwords_are_counted(kept: list[tuple], caplog: pytest.LogCaptureFixture) -> None:
    """After too many wrong passwords from one address none is looked at, right ones from another address are."""
    manager = Manager(AUTH_DB)
    facts = facts_of("POST /auth/token")
    facts.scope["client"] = ("198.51.100.7", 1)
    with serving(facts):
        assert [manager.auth_user_db("ana", word) for word in ("right", "wrong", "right", "wrong")].count(None) == 2
        assert manager.auth_user_db("ana", "right") is None
        assert manager.tried == 4
        facts.scope["client"] = ("198.51.100.8", 1)
        assert manager.auth_user_db("ana", "right") is manager.user
        manager.is_auth_limited = False
        facts.scope["client"] = ("198.51.100.7", 1)
        assert manager.auth_user_db("ana", "right") is manager.user
    assert "too many from this address were wrong" in caplog.text


def test_passwords_that_come_at_once_are_counted() -> None:
    """Of many passwords from one address no more are looked at when they come at the same time."""
    manager, app = Manager(AUTH_DB), current_app._get_current_object()
    together, tried = Barrier(6), []

    def wrong() -> None:
        tried.append("wrong")
        with suppress(BrokenBarrierError):
            together.wait(0.5)

    def guess(_: int) -> None:
        facts = facts_of("POST /auth/token")
        facts.scope["client"] = ("198.51.100.9", 1)
        with app.test_request_context(), serving(facts):
            manager._limited(wrong)

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(guess, range(6)))
    assert len(tried) == 2


def test_provider(kept: list[tuple]) -> None:
    """A sign-in at an identity provider brings its groups, and leaves no token of the provider in the session."""
    session["oauth"] = ("a" * 4000, "")
    manager = Manager(AUTH_OAUTH)
    info = manager.get_oauth_user_info("okta", {"userinfo": {}})
    assert manager.auth_user_oauth(info) is manager.user
    assert manager.auth_user_oauth({"username": "ana", "email": ANA}) is manager.user
    assert kept == [(7, ANA, ["known to FAB"]), (7, ANA, [])]
    assert "oauth" not in session


def test_nobody_at_the_provider(kept: list[tuple]) -> None:
    """Whom FAB does not take is not signed in, and nothing is kept."""
    assert Manager(AUTH_OAUTH).auth_user_oauth({}) is None
    assert kept == []


def test_another_account(kept: list[tuple], caplog: pytest.LogCaptureFixture) -> None:
    """A user name at the provider does not open an account of another e-mail; spelling aside."""
    manager = Manager(AUTH_OAUTH, email="olga@example.com")
    assert manager.auth_user_oauth({"username": "olga", "email": ANA}) is None
    assert "the provider's e-mail is not that of the account 7" in caplog.text
    assert manager.auth_user_oauth({"username": "olga", "email": "Olga@Example.com"}) is manager.user
    assert manager.auth_user_oauth({"username": "olga"}) is manager.user


@pytest.mark.parametrize(
    ("resp", "believed"),
    [
        ({"userinfo": {"email_verified": True}}, True),
        ({"userinfo": {"email": ANA}}, True),
        ({"access_token": "t"}, True),
        ("not a mapping", True),
        ({"userinfo": {"email_verified": False}}, False),
        ({"userinfo": {"email_verified": "false"}}, False),
        ({"userinfo": {"email_verified": None}}, False),
        ({"userinfo": {"email_verified": 0}}, False),
    ],
)
def test_unverified_email(resp: Any, believed: bool) -> None:
    """An e-mail that the provider marks as not verified signs nobody in."""
    manager = Manager(AUTH_OAUTH)
    assert bool(manager.get_oauth_user_info("okta", resp)) is believed


def test_behind_a_proxy(kept: list[tuple]) -> None:
    """A trusted proxy says who signs in and with which groups; a user name that is an e-mail is the new account's."""
    manager = Manager(AUTH_REMOTE_USER, email=f"{ANA}@email.notfound")
    with from_proxy(("X-Remote-User", ANA), ("X-Groups", "a, b")):
        assert manager.auth_user_remote_user(ANA) is manager.user
    assert (manager.user.email, manager.updated) == (ANA, ANA)
    assert kept == [(7, ANA, ["a", "b"])]


def test_behind_a_proxy_by_the_email_of_an_account(kept: list[tuple], accounts: Any) -> None:
    """An e-mail is the account that has it, in whatever letter case and switched off or not, and makes no second one."""
    accounts("olga", "olga@example.com")
    accounts("off", "off@example.com", active=False)
    manager = Manager(AUTH_REMOTE_USER)
    for said, name in (
        ("OLGA@example.com", "olga"),
        ("off@example.com", "off"),
        ("new@example.com", "new@example.com"),
    ):
        with from_proxy(("X-Remote-User", said)):
            assert manager.auth_user_remote_user(said) is manager.user
        assert manager.named == name


def test_behind_a_proxy_by_name(kept: list[tuple]) -> None:
    """A user name that is no e-mail leaves the account as it is."""
    manager = Manager(AUTH_REMOTE_USER, email="ana@email.notfound")
    with from_proxy(("X-Remote-User", "ana")):
        assert manager.auth_user_remote_user("ana") is manager.user
    assert kept == [(7, "ana@email.notfound", [])]


def test_no_proxy(kept: list[tuple], caplog: pytest.LogCaptureFixture) -> None:
    """A header from anywhere else signs nobody in, and the log says why."""
    manager = Manager(AUTH_REMOTE_USER)
    with from_proxy(("X-Remote-User", ANA)) as facts:
        facts.scope["client"] = ("198.51.100.7", 1)
        assert manager.auth_user_remote_user(ANA) is None
    assert manager.auth_user_remote_user(ANA) is None
    assert manager.tried == 0
    assert "Refused a sign-in by a header: the peer is not in [astro_auth] trusted_proxies" in caplog.text


def test_groups_cannot_be_kept(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A sign-in whose groups cannot be written is refused: older ones might give more."""
    monkeypatch.setattr(sign_ins, "keep", lambda *_: 1 / 0)
    assert Manager(AUTH_DB).auth_user_db("ana", "right") is None
    assert "could not be kept" in caplog.text


@pytest.mark.parametrize("still_right", [True, False])
def test_password_changed_meanwhile(still_right: bool, kept: list[tuple], monkeypatch: pytest.MonkeyPatch) -> None:
    """A password that was changed during the sign-in, or lately by another clock, is looked at once more."""
    manager, forgotten = Manager(AUTH_DB), []
    manager.session = SimpleNamespace(expire_all=lambda: forgotten.append(manager.tried))
    monkeypatch.setattr(sign_ins, "not_before", lambda _: time.time() - 30)
    answers = iter((manager.user, manager.user if still_right else None))
    monkeypatch.setattr(manager, "_limited", lambda *_, **__: next(answers))
    assert manager.auth_user_db("ana", "right") is (manager.user if still_right else None)
    assert len(forgotten) == 1
    assert len(kept) == 1
    assert list(answers) == []


def test_what_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A web session or a token of FAB from before the end is nobody's; a request with a token needs no session."""
    monkeypatch.setattr(sign_ins, "not_before", lambda account: {7: 1000}[account])
    monkeypatch.setattr(handed_out, "_is_revoked", lambda session_id: session_id != "one")
    manager = Manager(AUTH_DB)
    assert manager.load_user("7") is manager.user
    for begun, alive in (
        ({}, False),
        ({handed_out._SINCE: 999, handed_out._ID: "one"}, False),
        ({handed_out._SINCE: 1000, handed_out._ID: "one"}, True),
        ({handed_out._SINCE: 1000, handed_out._ID: "other"}, False),
        ({handed_out._SINCE: 1000}, False),
    ):
        session.update({"_user_id": "7", **begun})
        assert (manager.load_user("7") is manager.user) is alive
        assert ("_user_id" in session) is alive
        session.clear()
    assert manager.load_user_jwt({}, {"iat": 999}) is None
    assert manager.load_user_jwt({}, {"iat": 1000}) is manager.user
    manager.user = None
    assert manager.load_user("8") is manager.load_user_jwt({}, {"iat": 1}) is None
    assert g.get("user") is None
