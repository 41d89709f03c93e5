"""Signing in with JWTs of other issuers, through the real auth manager; whether these are good has tests of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from airflow.utils.session import create_session
from fastapi import HTTPException
from flask_appbuilder.const import AUTH_REMOTE_USER

from astro_auth_plugin.accounts import identities, sign_ins
from astro_auth_plugin.accounts.accounts import find_account
from astro_auth_plugin.accounts.identities import Identity
from astro_auth_plugin.auth_manager import AstroAuthManager
from astro_auth_plugin.authentication.trusted_issuers import ExternalIdentity, Issuers
from astro_auth_plugin.runtime import state
from astro_auth_plugin.runtime.identity import AstroIdentity
from tests.in_request import HEAD
from tests.process_state import start

pytestmark = pytest.mark.usefixtures("metadata_database")

NOW = int(time.time())
SOON = NOW + 12 * 3600


class Sayings(Issuers):
    """Issuers that are believed whatever they say."""

    def __init__(self, **said: ExternalIdentity) -> None:
        super().__init__(())
        self.said = said

    def issued(self, token: str) -> bool:
        """Whether something is said of it."""
        return token in self.said

    async def verify(self, token: str) -> ExternalIdentity:
        """Return what is said of it."""
        return self.said[token]


TOKEN = """\
api_tokens:
  - id: ci
    name: ci
    secret_sha256: "{hash}"
    expires_at: {end}
"""


@pytest.fixture
def manager(tmp_path: Path) -> Callable[..., AstroAuthManager]:
    """A function that makes the auth manager, with what issuers say, and an API token that ends then."""

    def make(end: str = "never", **said: ExternalIdentity) -> AstroAuthManager:
        path = tmp_path / "policy.yaml"
        path.write_text(HEAD + TOKEN.format(hash="1" * 64, end=end))
        start(path, issuers=Sayings(**said))
        return AstroAuthManager()

    return make


def who(manager: AstroAuthManager, credential: str) -> AstroIdentity:
    return asyncio.run(manager.get_user_from_token(credential))


def claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def is_nobody(manager: AstroAuthManager, credential: str) -> bool:
    with pytest.raises(HTTPException) as refusal:
        who(manager, credential)
    return (refusal.value.status_code, refusal.value.detail) == (401, "Invalid JWT token")


def test_person(manager: Any, accounts: Any) -> None:
    """An e-mail is the active account that has it, however it is written."""
    account_id = accounts("ana", "Ana@Example.com")
    ana = who(manager(a=ExternalIdentity("ana@EXAMPLE.com", "", NOW, SOON)), "a")
    assert (ana.id, ana.subject, ana.is_token) == (account_id, "ana@example.com", False)
    assert ana.ends_at == datetime.fromtimestamp(SOON, UTC)


def test_groups_of_an_account_without_a_binding(manager: Any, accounts: Any) -> None:
    """Who signed in last to an account that a proxy opens by its user name need not be whom its e-mail is of."""
    account_id = accounts("boss", "ana@example.com")
    sign_ins.keep(account_id, "ana@example.com", ["owners"])
    said = ExternalIdentity("ana@example.com", "", NOW + 3600, SOON, "https://sso", "ana-1")
    assert who(manager(a=said), "a").groups == frozenset()
    assert identities.bind(account_id, Identity("oauth sso", "https://sso", "ana-1"), is_new=True)
    assert who(manager(a=said), "a").groups == {"owners"}
    made = manager(a=said)
    state.add_fab_app(SimpleNamespace(config={"AUTH_TYPE": AUTH_REMOTE_USER}))
    assert who(made, "a").groups == frozenset(), (
        "what it was bound to before does not count where a proxy signs users in"
    )


def test_nobody(manager: Any, accounts: Any) -> None:
    """No account, one that is not active, two of one person: nobody."""
    accounts("bo", "bo@example.com", active=False)
    accounts("cleo", "cleo@example.com")
    accounts("cleo2", "Cleo@example.com")
    names = {
        "a": "ana@example.com",
        "b": "bo@example.com",
        "c": "cleo@example.com",
        "d": "_leo@example.com",
        "e": "\ud800@x.y",
    }
    made = manager(**{key: ExternalIdentity(email, "", NOW, SOON) for key, email in names.items()})
    assert all(is_nobody(made, key) for key in names)
    assert find_account("%") is None


def test_what_has_ended(manager: Any, accounts: Any) -> None:
    """A JWT from before a sign-out or another password has ended, as Airflow's own has."""
    account_id = accounts("ana", "ana@example.com")
    with create_session(scoped=False) as database:
        sign_ins.end_all(database, account_id)
    now = int(time.time())
    made = manager(
        a=ExternalIdentity("ana@example.com", "", now - 60, SOON),
        b=ExternalIdentity("ana@example.com", "", now + 60, SOON),
    )
    assert is_nobody(made, "a")
    assert who(made, "b").id == account_id


def test_api_token(manager: Any) -> None:
    """An id is the API token of the policy, until either of the two ends."""
    made = manager(a=ExternalIdentity("", "ci", NOW, SOON), b=ExternalIdentity("", "other", NOW, SOON))
    ci = who(made, "a")
    assert (ci.subject, ci.is_token, ci.ends_at) == ("token:ci", True, datetime.fromtimestamp(SOON, UTC))
    assert is_nobody(made, "b")
    sooner = datetime.now(UTC) + timedelta(minutes=10)
    assert who(manager(sooner.isoformat(), a=ExternalIdentity("", "ci", NOW, SOON)), "a").ends_at == sooner
    assert is_nobody(manager((sooner - timedelta(hours=1)).isoformat(), a=ExternalIdentity("", "ci", NOW, SOON)), "a")


def test_email_that_was_given_again(manager: Callable[..., AstroAuthManager], accounts: Any) -> None:
    """Where an account is bound to the issuer, a JWT for its e-mail with another `sub`, or none, is nobody."""
    email, issuer = "ana@example.com", "https://sso"
    identities.bind(accounts("ana", email), identities.Identity("oauth sso", issuer, "7"), is_new=True)
    said = {sub: ExternalIdentity(email, "", NOW, SOON, issuer, sub.removeprefix("s")) for sub in ("s7", "s8", "s")}
    made = manager(**said, elsewhere=ExternalIdentity(email, "", NOW, SOON, "https://other", "8"))
    assert who(made, "s7").email == who(made, "elsewhere").email == email
    assert is_nobody(made, "s8")
    assert is_nobody(made, "s")


@pytest.mark.parametrize(
    "external", [ExternalIdentity("ana@example.com", "", NOW, SOON), ExternalIdentity("", "ci", NOW, SOON)]
)
def test_nothing_is_prolonged(external: ExternalIdentity, manager: Any, accounts: Any) -> None:
    """A JWT of Airflow that is fetched with one of another issuer ends with it, and so do all that come of it."""
    accounts("ana", "ana@example.com")
    made = manager(a=external)
    token = "a"
    for _ in range(3):
        token = made.generate_jwt(who(made, token))
        assert claims(token)["exp"] <= SOON
    assert who(made, token).subject == (external.email or "token:ci")


def test_what_ends_during_a_request(manager: Any, accounts: Any) -> None:
    """With a JWT that ends while a request is under way, the request gets no JWT of Airflow, which would outlive it."""
    account_id = accounts("ana", "ana@example.com")
    made = manager(a=ExternalIdentity("ana@example.com", "", NOW, SOON))
    identity = who(made, "a")
    assert claims(made.generate_jwt(identity))["sub"] == str(account_id)
    with create_session(scoped=False) as database:
        sign_ins.end_all(database, account_id)
    with pytest.raises(HTTPException, match="Invalid JWT token"):
        made.generate_jwt(identity)


def test_far_end(manager: Any, accounts: Any) -> None:
    """An end that no calendar has is the last there is, and Airflow's JWT has its own."""
    accounts("ana", "ana@example.com")
    made = manager(a=ExternalIdentity("ana@example.com", "", NOW, 10**30))
    assert claims(made.generate_jwt(who(made, "a")))["exp"] < NOW + 10**6
