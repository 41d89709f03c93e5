"""What is mixed into FAB's security manager: what a sign-in brings is kept, and what must not count is refused."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import ip_address
from threading import Barrier, BrokenBarrierError
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from airflow.providers.fab.auth_manager.security_manager.override import FabAirflowSecurityManagerOverride
from flask import Flask, current_app, g, get_flashed_messages, session
from flask_appbuilder.const import AUTH_DB, AUTH_LDAP, AUTH_OAUTH, AUTH_REMOTE_USER

from astro_auth_plugin.accounts import identities, sign_in_events, sign_ins
from astro_auth_plugin.accounts.accounts import load_account
from astro_auth_plugin.accounts.identities import Identity
from astro_auth_plugin.authentication import proxy_auth, rate_limit, revocation
from astro_auth_plugin.authentication.redirect_loop_guard import SignInElsewhere
from astro_auth_plugin.authentication.security_manager import SignInMixin, with_sign_in
from astro_auth_plugin.runtime.request_context import PEER, current_request
from astro_auth_plugin.runtime.settings import read_settings
from tests.in_request import facts_of, serving

ANA = "ana@example.com"
PROXY = ("10.0.0.5", 40000)
SAID = {"sub": "7", "email": ANA, "email_verified": True}
DOWN = type("SERVER_DOWN", (Exception,), {})
ERRORS = dict.fromkeys(("SERVER_DOWN", "CONNECT_ERROR", "TIMEOUT", "BUSY", "UNAVAILABLE"), DOWN)
LDAP = SimpleNamespace(SCOPE_BASE=0, SCOPE_SUBTREE=2, **ERRORS)


class _Connection:
    """Stands for a directory that has Ana once, with a unique id."""

    def search_s(self, base: str, scope: int, wanted: str, attributes: Any) -> Any:
        return [("uid=ana", {"entryuuid": [b"u-1"]}), (None, ["ldap://elsewhere"])]


_REMOTE = {"userinfo": lambda: SAID, "client_kwargs": {}, "api_base_url": "https://okta", "authorize_url": None}


class _Configured:
    """Stands for the security manager of an installation: each way in finds the account, if the password is right."""

    auth_ldap_group_field = "memberOf"
    auth_ldap_email_field = "mail"
    auth_ldap_search, auth_ldap_search_filter, auth_ldap_bind_user = "dc=x", "", "cn=airflow"
    passwords: ClassVar[dict[str, str]] = {}
    down = False
    auth_user_registration = True
    auth_remote_user_env_var = "HTTP_X_REMOTE_USER"
    auth_roles_mapping = None
    oauth_remotes: ClassVar[Any] = defaultdict(lambda: SimpleNamespace(**_REMOTE))
    auth_rate_limit = "2 per hour"
    limited = True
    appbuilder: ClassVar[Any] = SimpleNamespace(enable_plugins=False)
    registered = False

    def register_views(self) -> None:
        self.registered = True

    @property
    def is_auth_limited(self) -> bool:
        return self.limited

    def __init__(self, auth_type: int, **account: Any) -> None:
        self.auth_type = auth_type
        known = {"id": 7, "email": ANA, "first_name": "F", "last_name": "L", "is_active": True}
        self.user = SimpleNamespace(**known | account)
        self.tried = 0
        self.taken: set[str | None] = set()
        self.made: tuple[str, str] | None = None
        self.can_be_changed = True

    def _password(self, username: str, password: str, rotate_session_id: bool = True) -> Any:
        self.tried += 1
        context = current_request()
        self.signing_in = context.signing_in if context else None
        if password == "fail":
            raise RuntimeError("refused")
        return self.user if password == "right" else None

    auth_user_db = _password

    def auth_user_ldap(self, username: str, password: str, rotate_session_id: bool = True) -> Any:
        assert self.find_user(username=username) is None
        self._search_ldap(LDAP, _Connection(), username)
        return self._password(username, password) and self.add_user(username, "Ana", "", "any")

    @staticmethod
    def _ldap_bind(ldap: Any, con: Any, dn: str, password: str) -> bool:
        return _Configured.passwords.get(dn) == password

    def _search_ldap(self, *_: Any) -> Any:
        if self.down:
            raise DOWN
        return "uid=ana", {"memberOf": [b"cn=a,dc=x"], "Mail": [ANA.encode()]}

    def auth_user_oauth(self, userinfo: Any) -> Any:
        assert self.find_user(username=userinfo["username"]) is None
        return self._password("", "right") and self.add_user(userinfo["username"], "Ana", "", userinfo["email"])

    def auth_user_remote_user(self, username: str) -> Any:
        assert self.find_user(username=username) is None
        return self._password("", "right") and self.add_user(
            username=username, first_name=username, last_name="-", email="any", role=None
        )

    def find_user(self, username: str | None = None, email: str | None = None) -> Any:
        if username == "ana" or email == ANA:
            return self.user
        return SimpleNamespace(id=8) if username in self.taken else None

    def add_user(self, username: str, first_name: str, last_name: str, email: str, role: Any = None) -> Any:
        self.made = (username, email)
        return self.user

    def get_user_by_id(self, pk: int) -> Any:
        return self.user

    def update_user(self, user: Any) -> bool:
        self.updated = user.email
        return self.can_be_changed

    def set_oauth_session(self, provider: str, resp: Any) -> None:
        session["oauth"] = ("a" * 4000, "")

    def get_oauth_user_info(self, provider: str, resp: Any) -> dict[str, Any]:
        return {"username": "olga", "email": ANA, "role_keys": ["known to FAB"]}

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
    context = facts_of("GET /auth/login/", headers=dict(headers))
    context.scope["headers"] = [(name.lower(), value) for name, value in context.scope["headers"]]
    context.scope[PEER] = PROXY
    return serving(context)


def test_directory(kept: list[tuple]) -> None:
    """A sign-in at a directory brings its groups; while FAB takes over what it says, the request says so."""
    manager = Manager(AUTH_LDAP)
    # FAB is not to find the account that has the name which was typed.
    manager.taken = {"ana"}
    with serving(facts_of("POST /auth/login")) as context:
        assert manager.auth_user_ldap("ana", "right") is manager.user
        assert manager.signing_in is True
        with pytest.raises(RuntimeError, match="refused"):
            manager.auth_user_ldap("ana", "fail")
        assert context.signing_in is False
    assert kept == [(7, ANA, ["cn=a,dc=x"])]


def test_saml(caplog: pytest.LogCaptureFixture) -> None:
    """What FAB may learn of other ways to sign in is refused until it is verified here."""
    with serving(facts_of("POST /auth/login")):
        assert Manager(AUTH_OAUTH).auth_user_saml({"username": "ana", "email": ANA}) is None
    assert "SAML is not supported" in caplog.text


def test_every_way_is_audited() -> None:
    """Each method in which a way to sign in ends, FAB's or ours, has its word in the audit log."""
    manager = with_sign_in(FabAirflowSecurityManagerOverride)
    ways = {name for name in dir(manager) if name.startswith("auth_user_") and callable(getattr(manager, name))}
    assert ways == set(sign_in_events._WAYS)


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


def test_sessions_end_with_the_password(statements: Any) -> None:
    """FAB reads no session when a password changes, and does not say that sessions may go on: all have ended by then."""
    manager = object.__new__(with_sign_in(FabAirflowSecurityManagerOverride))
    with statements() as sent:
        manager.reset_user_sessions(SimpleNamespace(id=7, username="ana"))
    assert (sent, get_flashed_messages()) == ([], [])


@pytest.mark.parametrize(("auth_type", "makes_accounts"), [(AUTH_DB, False), (AUTH_OAUTH, True), (AUTH_LDAP, True)])
def test_no_pages_of_registration(auth_type: int, makes_accounts: bool) -> None:
    """FAB adds no page where anyone applies for an account; what makes accounts at sign-ins stays as configured."""
    added: list[Any] = []

    class Fab(_Configured):
        appbuilder = SimpleNamespace(enable_plugins=False)

        def register_views(self) -> None:
            added.append(self.auth_user_registration)

    manager = type("Manager", (SignInMixin, Fab), {})(auth_type)
    manager.register_views()
    assert (added, manager.auth_user_registration) == ([False], makes_accounts)


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


@pytest.mark.parametrize(
    ("auth_type", "provider", "opens"),
    [
        (AUTH_OAUTH, "oauth okta", False),
        (AUTH_OAUTH, "oauth gone", True),
        (AUTH_LDAP, "ldap", False),
        (AUTH_LDAP, "oauth okta", True),
        (AUTH_DB, "oauth okta", True),
    ],
)
def test_database_password_of_an_identitys_account(
    auth_type: int, provider: str, opens: bool, accounts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password of the database opens no account of a provider in use, also if it is bound while it is looked at."""
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__ALLOW_DATABASE_PASSWORDS", "true")
    manager = Manager(auth_type)
    manager.oauth_remotes["okta"]
    manager.user.id = account = accounts("olga", ANA)
    monkeypatch.setattr(sign_ins, "keep", lambda *_: identities.bind(account, Identity(provider, "", "7"), is_new=True))
    assert (manager.auth_user_db("ana", "right") is manager.user) is opens


def test_groups_that_come_during_a_database_password(accounts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where something ends what the account was issued while its password is looked at, no groups are left either."""
    manager = Manager(AUTH_DB)
    manager.session = SimpleNamespace(expire_all=lambda: None)
    manager.user.id = account = accounts("olga", ANA)
    wait = revocation.wait_for_the_next

    def another_sign_in_first(account_id: int) -> None:
        monkeypatch.setattr(revocation, "wait_for_the_next", wait)
        sign_ins.keep(account, ANA, ["org-admins"])

    monkeypatch.setattr(revocation, "wait_for_the_next", another_sign_in_first)
    assert manager.auth_user_db("ana", "right") is manager.user
    assert load_account(account).groups == frozenset()


def trying(address: str, **scope: Any) -> Any:
    """A request with a password from an address."""
    context = facts_of("POST /auth/token", headers=scope.pop("headers", None))
    context.scope[PEER] = (address, 1)
    return serving(context)


def test_wrong_passwords_are_counted(kept: list[tuple], caplog: pytest.LogCaptureFixture) -> None:
    """After too many wrong passwords for an account from one address none is looked at, others are."""
    manager = Manager(AUTH_DB)
    with trying("198.51.100.7") as context:
        words = ("right", "wrong", "right", "wrong")
        assert [manager.auth_user_db("ana", word) for word in words].count(None) == 2
        assert context.retry_after == 0
        # The e-mail is the same account, in whatever letters.
        for name in ("ana", " ANA@Example.com ", "\uff21na"):
            assert manager.auth_user_db(name, "right") is None
        assert 3000 < context.retry_after <= 3600
        assert manager.tried == 4
        assert manager.auth_user_db("bo", "right") is manager.user
    with trying("198.51.100.8"):
        assert manager.auth_user_db(username="ana", password="right") is manager.user
    with trying("198.51.100.7"):
        manager.limited = False
        assert manager.auth_user_db("ana", "right") is manager.user
    assert "too many wrong ones for this account or from this address" in caplog.text


@pytest.mark.parametrize("name", ["ana", "nobody"])
def test_spellings_of_a_directory(name: str, kept: list[tuple]) -> None:
    """Accents and invisible characters, which directories ignore, make no new account to try passwords of."""
    manager = Manager(AUTH_LDAP)
    marks = ("\u0301", "\u0308", "\u034f", "\ufe0f", "\u3164", "\u200b", "\U000e0101")
    spelled = [f"{name[0]}{mark}{name[1:]}" for mark in marks] + [f"{name[0]}{chr(0x301) * 300}{name[1:]}"]
    with trying("198.51.100.7"):
        assert {rate_limit.attempt(manager, each) for each in spelled} == {rate_limit.attempt(manager, name)}
        assert rate_limit.attempt(manager, "other") != rate_limit.attempt(manager, name)


@pytest.mark.parametrize(
    ("typed", "same"),
    [
        ("\u00f8lga", "olga"),
        ("OLG\u0131", "olgi"),
        ("\u0141ukasz", "lukasz"),
        ("\u0111or\u0111e", "dorde"),
        ("\u00c6sir", "aesir"),
    ],
)
def test_strokes(typed: str, same: str, kept: list[tuple]) -> None:
    """Letters with a stroke, which some directories take for those without, are no new name to try passwords of."""
    manager = Manager(AUTH_LDAP)
    with trying("192.0.2.1"):
        for name in (typed, same, typed, same):
            assert manager.auth_user_ldap(name, "wrong") is None
        assert manager.tried == 2
        assert manager.auth_user_ldap(f"{same}x", "wrong") is None
    assert manager.tried == 3


def test_strokes_of_an_account(kept: list[tuple], monkeypatch: pytest.MonkeyPatch) -> None:
    """So is the account whose name has none."""
    manager = Manager(AUTH_LDAP)
    monkeypatch.setattr(manager, "find_user", lambda **by: manager.user if by == {"username": "olga"} else None)
    assert rate_limit.attempt(manager, "\u00f8lga") == rate_limit.attempt(manager, "olga")


@pytest.mark.parametrize("name", ["ana maria", "Ana.Maria@Example.com"])
def test_spellings_of_an_account(name: str, kept: list[tuple], monkeypatch: pytest.MonkeyPatch) -> None:
    """An account has one count, also where its name or e-mail has capitals or blanks, which FAB compares exactly."""
    manager = Manager(AUTH_DB)
    found = {("username", "ana maria"), ("email", "Ana.Maria@Example.com")}
    monkeypatch.setattr(
        manager, "find_user", lambda **by: manager.user if found.intersection(by.items()) else None, raising=True
    )
    with trying("198.51.100.7"):
        assert rate_limit.attempt(manager, name) == rate_limit.Attempt("account 7", "198.51.100.7")
        assert rate_limit.attempt(manager, "maria").account == "name maria"


@pytest.mark.parametrize("auth_type", [AUTH_DB, AUTH_LDAP])
@pytest.mark.parametrize("odd", [5, True, ["right"], {"a": "b"}, "\ud800", "a\0b", "x" * 1025])
def test_what_is_no_password(auth_type: int, odd: Any, kept: list[tuple]) -> None:
    """A password or user name that is not text of a sane length is a wrong password, whether there is an account."""
    manager = Manager(auth_type)
    ask = manager.auth_user_db if auth_type == AUTH_DB else manager.auth_user_ldap
    for number, name in enumerate(("ana", "nobody", odd)):
        with trying(f"198.51.100.{number}") as context:
            for _ in range(2):
                assert ask(name, "right" if name is odd else odd) is None
            assert context.retry_after == 0
            assert ask(name, "right") is None
            assert context.retry_after > 0
    assert manager.tried == 0


def test_exceptions_are_counted(kept: list[tuple]) -> None:
    """A password whose check fails with an exception counts as a wrong one."""
    manager = Manager(AUTH_DB)
    with trying("198.51.100.7"):
        for _ in range(2):
            with pytest.raises(RuntimeError, match="refused"):
                manager.auth_user_db("ana", "fail")
        assert manager.auth_user_db("ana", "right") is None
    assert manager.tried == 2


def test_directory_that_is_down(kept: list[tuple]) -> None:
    """A password that the directory does not look at, because it is down, is not counted as a wrong one."""
    manager = Manager(AUTH_LDAP)
    manager.down = True
    with trying("198.51.100.7") as context:
        for _ in range(5):
            with pytest.raises(DOWN):
                manager.auth_user_ldap("ana", "right")
        manager.down = False
        assert manager.auth_user_ldap("ana", "right") is manager.user
        assert [manager.auth_user_ldap("ana", "wrong") for _ in range(3)] == [None] * 3
        assert context.retry_after > 0


@pytest.mark.parametrize("is_fabs", [True, False])
def test_directory_without_tls(is_fabs: bool, kept: list[tuple], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where FAB cannot start TLS and asks the directory nothing, no password is counted; code of others may have asked."""
    manager, tried = Manager(AUTH_LDAP), []

    def ask(self: Any, username: str, password: str) -> None:
        tried.append(username)

    monkeypatch.setattr(_Configured, "auth_user_ldap", ask)
    if is_fabs:
        monkeypatch.setattr(FabAirflowSecurityManagerOverride, "auth_user_ldap", ask)
    with trying("198.51.100.7"):
        assert [manager.auth_user_ldap("ana", "right") for _ in range(5)] == [None] * 5
    assert len(tried) == (5 if is_fabs else 2)


def test_refused_sign_ins_are_not_counted(kept: list[tuple], monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is refused with a right password has not guessed, so the password is looked at each time; guesses count."""
    manager = Manager(AUTH_LDAP)
    monkeypatch.setattr(_Configured, "auth_user_registration", False)
    with trying("198.51.100.7") as context:
        assert [manager.auth_user_ldap("ana", "right") for _ in range(5)] == [None] * 5
        assert (manager.tried, context.retry_after) == (5, 0)
        assert [manager.auth_user_ldap("ana", "wrong") for _ in range(5)] == [None] * 5
        assert manager.tried == 7


@pytest.mark.parametrize(("dn", "is_ana"), [("uid=ana", True), ("uid=bo", False)])
def test_bound_before_the_search(dn: str, is_ana: bool, kept: list[tuple], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where people bind before the search, the password has to be that of the entry that is found."""
    manager = Manager(AUTH_LDAP)
    manager.auth_ldap_bind_user = ""
    monkeypatch.setattr(_Configured, "passwords", {"typed": "right", dn: "right"})

    def direct(username: str, password: str) -> Any:
        assert manager._ldap_bind(LDAP, None, "typed", password)
        found, _ = manager._search_ldap(LDAP, _Connection(), username)
        return found and manager.add_user(username, "Ana", "", "any")

    monkeypatch.setattr(_Configured, "auth_user_ldap", lambda _, username, password: direct(username, password))
    assert (manager.auth_user_ldap("ana", "right") is manager.user) is is_ana


def test_addresses_that_cannot_be_known(kept: list[tuple]) -> None:
    """Where nobody can tell the address, an account is counted as one from anywhere, not as one from one address."""
    manager = Manager(AUTH_DB)
    with trying("10.0.0.5"):
        for _ in range(20):
            manager.auth_user_db("ana", "wrong")
    assert manager.tried == 2 * rate_limit.ANYWHERE


def test_right_passwords_are_remembered_anew() -> None:
    """The 30 days in which an address is known begin again with each right password."""
    tried = rate_limit.Attempt("account 7", "198.51.100.7")
    rate_limit.keep_success(tried)
    expirations = rate_limit._counter().storage.expirations
    expirations.update(dict.fromkeys(expirations, time.time() + 60))
    rate_limit.keep_success(tried)
    assert max(expirations.values()) > time.time() + 29 * 86400
    assert len(expirations) == 1


def test_forwarded_address_is_not_counted_by(kept: list[tuple]) -> None:
    """Who changes X-Forwarded-For, and with it the client that Airflow sees, gets no further password."""
    manager = Manager(AUTH_DB)
    for number in range(20):
        with trying("198.51.100.7", headers={"x-forwarded-for": f"192.0.2.{number}"}) as context:
            context.scope["client"] = (f"192.0.2.{number}", 0)
            manager.auth_user_db("ana", "wrong")
    assert manager.tried == 2


def test_many_addresses(kept: list[tuple]) -> None:
    """An account is guessed at a few times from everywhere; from where its password was right, it still opens."""
    manager = Manager(AUTH_DB)
    with trying("192.0.2.1"):
        assert manager.auth_user_db("ana", "right") is manager.user
    for number in range(20):
        with trying(f"198.51.100.{number}"):
            assert manager.auth_user_db("ana", "wrong") is None
    assert manager.tried == 1 + 2 * rate_limit.ANYWHERE
    with trying("192.0.2.1"):
        assert manager.auth_user_db("ana", "right") is manager.user
    with trying("192.0.2.2"):
        assert manager.auth_user_db("ana", "right") is None


@pytest.mark.parametrize(("peer", "step"), [("198.51.100.7", 0), ("2001:db8::", 1)])
def test_many_accounts(peer: str, step: int, kept: list[tuple]) -> None:
    """One address tries passwords of many accounts no more than so often; a network of 2^64 addresses is one."""
    manager = Manager(AUTH_DB)
    for number in range(60):
        with trying(f"{peer}{number:x}" if step else peer):
            manager.auth_user_db(f"somebody-{number}", "wrong")
    assert manager.tried == 2 * rate_limit.ANY_ACCOUNT


@pytest.mark.parametrize("believed", ["", "127.0.0.1"])
def test_everybody_behind_a_proxy(believed: str, kept: list[tuple], monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy's address is everybody's: what one person gets wrong there keeps nobody else out."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", believed)
    front = believed or "10.0.0.5"
    manager = Manager(AUTH_DB)
    for number in range(60):
        with trying(front):
            manager.auth_user_db(f"somebody-{number}", "wrong")
    with trying(front, headers={"x-forwarded-for": "198.51.100.7"}):
        assert [manager.auth_user_db("ana", "wrong") for _ in range(3)] == [None] * 3
    assert manager.tried == 62
    # The proxy adds at the end; what stands before comes from the person.
    with trying(front, headers={"x-forwarded-for": f"192.0.2.1, 198.51.100.7, {front}"}):
        assert manager.auth_user_db("ana", "right") is None
    with trying(front, headers={"x-forwarded-for": "198.51.100.8"}):
        assert manager.auth_user_db("ana", "right") is manager.user


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("198.51.100.7:4711", "198.51.100.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("192.0.2.1, 198.51.100.7:1, 10.0.0.5:80", "198.51.100.7"),
        ("198.51.100.7:+1", None),
        ("198.51.100.7:\u0661", None),
        ("198.51.100.7:x", None),
        ("[2001:db8::7", None),
        ("[2001:db8::7]x", None),
        ("2001:db8::7]:1", None),
        ("unknown", None),
        ("[]", None),
        ("", None),
    ],
)
def test_forwarded_ports(forwarded: str, address: str | None) -> None:
    """Passwords are counted by the address that a proxy forwards, with a port or without; anything else is none."""
    header = {"x-forwarded-for": forwarded.encode().decode("latin-1")}
    with trying("10.0.0.5", headers=header) as context:
        assert proxy_auth.sender(context, read_settings().trusted_proxies) == (address and ip_address(address))


def test_counters_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strangers who make up names fill no memory; the oldest counters are forgotten."""
    monkeypatch.setattr(rate_limit, "MOST_COUNTERS", 100)
    storage = rate_limit.BoundedStorage()
    for number in range(500):
        storage.incr(f"{number}", 60)
    assert len(storage.storage) <= 100
    assert storage.get("499") == 1


def test_fab_counts_nothing_itself() -> None:
    """FAB's own limit, which counts right passwords by an address that may be everybody's, is off."""
    manager = Manager(AUTH_DB)
    assert (manager.is_auth_limited, manager.password_limit) == (False, "2 per hour")


def test_passwords_that_come_at_once_are_counted() -> None:
    """Of many passwords for one account from one address no more are looked at when they come at the same time."""
    manager, app = Manager(AUTH_DB), current_app._get_current_object()
    together, tried = Barrier(6), []

    def wrong() -> None:
        tried.append("wrong")
        with suppress(BrokenBarrierError):
            together.wait(0.5)

    def guess(_: int) -> None:
        with app.test_request_context(), trying("198.51.100.9"):
            manager._limited("ana", "guess", wrong)

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(guess, range(6)))
    assert len(tried) == 2


def sign_in(manager: Any, said: Any = SAID) -> Any:
    """What FAB's page does when somebody comes back from the provider."""
    answer = {"userinfo": said}
    manager.set_oauth_session("okta", answer)
    return manager.auth_user_oauth(manager.get_oauth_user_info("okta", answer))


def test_provider(kept: list[tuple]) -> None:
    """A sign-in at an identity provider makes an account, brings its groups, and leaves no token in the session."""
    manager = Manager(AUTH_OAUTH)
    assert sign_in(manager) is manager.user
    assert manager.made == (ANA, ANA)
    assert kept == [(7, ANA, ["known to FAB"])]
    assert "oauth" not in session
    manager.taken = {ANA}
    assert sign_in(manager) is manager.user
    assert manager.made[0].startswith(f"{ANA}#")


def test_provider_that_does_not_answer() -> None:
    """No provider is waited for without end."""
    remote = SimpleNamespace(**_REMOTE)
    manager = type("Configured", (Manager,), {"oauth_remotes": {"sso": remote}})(AUTH_OAUTH)
    assert manager.oauth_remotes["sso"].client_kwargs["default_timeout"] == 10


def test_no_providers(monkeypatch: pytest.MonkeyPatch) -> None:
    """FAB has no providers where people sign in another way."""
    monkeypatch.delattr(_Configured, "oauth_remotes")
    assert Manager(AUTH_DB)


def test_nothing_that_can_be_verified(kept: list[tuple], caplog: pytest.LogCaptureFixture) -> None:
    """Without the provider's answer, or with one that was used before, nobody is signed in."""
    manager = Manager(AUTH_OAUTH)
    assert manager.auth_user_oauth({"username": "olga", "email": ANA}) is None
    manager.set_oauth_session("okta", {"userinfo": SAID})
    assert manager.auth_user_oauth({}) is None
    assert manager.auth_user_oauth({"username": "olga", "email": ANA}) is None
    assert (kept, manager.tried) == ([], 0)
    assert "no response of a provider" in caplog.text


def test_unverified_email(kept: list[tuple], caplog: pytest.LogCaptureFixture) -> None:
    """An e-mail that the provider marks as not verified signs nobody in, and the sign-in page says so."""
    manager = Manager(AUTH_OAUTH)
    assert sign_in(manager, SAID | {"email_verified": False}) is None
    assert (kept, manager.tried) == ([], 0)
    assert "Refused a sign-in" in caplog.text
    assert "there is no verified e-mail" in g.astro_auth_refusal


def test_known_account(kept: list[tuple], accounts: Any) -> None:
    """A known account takes over name and e-mail; it is refused when it is disabled or cannot be written."""
    manager = Manager(AUTH_OAUTH)
    manager.user.id = accounts("olga", ANA)
    assert sign_in(manager) is manager.user
    assert (manager.user.first_name, manager.user.last_name, manager.made) == ("Ana", "L", None)
    manager.can_be_changed = False
    assert sign_in(manager) is manager.user
    manager.user.first_name = "Old"
    assert sign_in(manager) is None
    manager.user.is_active = False
    assert sign_in(manager) is None
    assert "disabled" in g.astro_auth_refusal


def test_bound_to_another_meanwhile(kept: list[tuple], accounts: Any) -> None:
    """Who finds an account that another identity is bound to at this moment is refused in words, and changes nothing."""
    manager = Manager(AUTH_OAUTH)
    manager.user.id = account = accounts("olga", ANA)
    other = Identity("oauth okta", "", "another")

    def bind_another(_: int) -> Any:
        assert identities.bind(account, other)
        return manager.user

    manager.get_user_by_id = bind_another
    assert sign_in(manager) is None
    assert "belongs to another identity" in g.astro_auth_refusal
    assert (manager.user.first_name, kept) == ("F", [])


def test_no_registration(kept: list[tuple]) -> None:
    """Where signing in makes no accounts, who has none is refused in words."""
    manager = Manager(AUTH_OAUTH)
    _Configured.auth_user_registration = False
    try:
        assert sign_in(manager) is None
    finally:
        _Configured.auth_user_registration = True
    assert "signing in does not create one" in g.astro_auth_refusal


def test_another_account_than_the_identitys(
    kept: list[tuple], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A security manager of the installation that finds accounts in its own way signs nobody in."""
    manager = Manager(AUTH_OAUTH)
    monkeypatch.setattr(_Configured, "auth_user_oauth", lambda self, info: self.user)
    assert sign_in(manager) is None
    assert "another account than that of the identity" in caplog.text


def test_behind_a_proxy(kept: list[tuple]) -> None:
    """A trusted proxy says who signs in and with which groups; a user name that is an e-mail is the new account's."""
    manager = Manager(AUTH_REMOTE_USER)
    with from_proxy(("X-Remote-User", ANA), ("X-Groups", "a, b")):
        assert manager.auth_user_remote_user(ANA) is manager.user
    assert manager.made == (ANA, ANA)
    assert kept == [(7, ANA, ["a", "b"])]


def test_behind_a_proxy_by_the_email_of_an_account(kept: list[tuple], accounts: Any) -> None:
    """An e-mail is the account that has it, in whatever letter case, and makes no second one."""
    manager = Manager(AUTH_REMOTE_USER)
    manager.user.id = accounts("olga", "olga@example.com")
    manager.user.email = "olga@example.com"
    with from_proxy(("X-Remote-User", "OLGA@example.com")):
        assert manager.auth_user_remote_user("OLGA@example.com") is manager.user
        manager.user.is_active = False
        assert manager.auth_user_remote_user("OLGA@example.com") is None
    assert (manager.made, manager.user.email) == (None, "olga@example.com")


def test_behind_a_proxy_by_name(kept: list[tuple], accounts: Any) -> None:
    """A user name that is no e-mail is the account with exactly this name, or nobody."""
    manager = Manager(AUTH_REMOTE_USER)
    manager.user.id = accounts("ana", ANA)
    for name, known in (("ana", True), ("ANA", False), ("ana ", False), ("new", False)):
        with from_proxy(("X-Remote-User", name)):
            assert (manager.auth_user_remote_user(name) is manager.user) is known
    assert (manager.made, manager.user.first_name) == (None, "F")


def test_no_proxy(kept: list[tuple], caplog: pytest.LogCaptureFixture) -> None:
    """A header from anywhere else signs nobody in, and the log says why."""
    manager = Manager(AUTH_REMOTE_USER)
    with from_proxy(("X-Remote-User", ANA)) as context:
        context.scope[PEER] = ("198.51.100.7", 1)
        assert manager.auth_user_remote_user(ANA) is None
    assert manager.auth_user_remote_user(ANA) is None
    assert manager.tried == 0
    assert "Refused a sign-in by a header: 198.51.100.7 is not in [astro_auth] trusted_proxies" in caplog.text


def test_groups_cannot_be_kept(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A sign-in whose groups cannot be written is refused: older ones might give more."""
    monkeypatch.setattr(sign_ins, "keep", lambda *_: 1 / 0)
    assert Manager(AUTH_DB).auth_user_db("ana", "right") is None
    assert "could not be stored" in caplog.text


@pytest.mark.parametrize("still_right", [True, False])
def test_password_changed_meanwhile(still_right: bool, kept: list[tuple], monkeypatch: pytest.MonkeyPatch) -> None:
    """A password that was changed during the sign-in, or lately by another clock, is looked at once more."""
    manager, forgotten = Manager(AUTH_DB), []
    manager.session = SimpleNamespace(expire_all=lambda: forgotten.append(manager.tried))
    monkeypatch.setattr(sign_ins, "tokens_valid_after", lambda _: time.time() - 30)
    answers = iter((manager.user, manager.user if still_right else None))
    monkeypatch.setattr(manager, "_limited", lambda *_, **__: next(answers))
    assert manager.auth_user_db("ana", "right") is (manager.user if still_right else None)
    assert len(forgotten) == 1
    assert len(kept) == 1 + still_right
    assert list(answers) == []


def test_what_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A web session or a token of FAB from before the end is nobody's; a request with a token needs no session."""
    monkeypatch.setattr(sign_ins, "tokens_valid_after", lambda account: {7: 1000}[account])
    monkeypatch.setattr(revocation, "_is_revoked", lambda session_id: session_id != "one")
    manager = Manager(AUTH_DB)
    assert manager.load_user("7") is manager.user
    for begun, alive in (
        ({}, False),
        ({revocation._SINCE: 999, revocation._ID: "one"}, False),
        ({revocation._SINCE: 1000, revocation._ID: "one"}, True),
        ({revocation._SINCE: 1000, revocation._ID: "other"}, False),
        ({revocation._SINCE: 1000}, False),
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


def test_application_of_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where plugins of Airflow 2 are, nobody signs in, and only sessions count that a sign-out ends."""
    views: list[Any] = []
    made = SimpleNamespace(enable_plugins=True, add_view_no_menu=views.append)
    monkeypatch.setattr(_Configured, "appbuilder", made)
    monkeypatch.setattr(_Configured, "authdbview", type("AuthDBView", (), {}), raising=False)
    manager = Manager(AUTH_DB)
    manager.register_views()
    assert not manager.registered
    # Under the name of FAB's own page, from which FAB makes links.
    assert [type(view).__name__ for view in views] == [type(manager.auth_view).__name__] == ["AuthDBView"]
    assert all(isinstance(view, SignInElsewhere) for view in views)
    assert manager.load_user(7) is None
    monkeypatch.setenv("AIRFLOW__FAB__SESSION_BACKEND", "securecookie")
    assert manager.load_user(7) is manager.user
    made.enable_plugins = False
    monkeypatch.setenv("AIRFLOW__FAB__SESSION_BACKEND", "database")
    assert manager.load_user(7) is manager.user
    manager.register_views()
    assert manager.registered
