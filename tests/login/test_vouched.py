"""Signing in with JWTs of other issuers, through the real auth manager; whether these are good has tests of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from airflow.utils.session import create_session
from fastapi import HTTPException

from astro_auth_plugin.airflow_bridge import sign_ins
from astro_auth_plugin.airflow_bridge.identity import AstroIdentity
from astro_auth_plugin.airflow_bridge.issuers import Issuers, Vouched
from astro_auth_plugin.airflow_bridge.policy_store import PolicyStore
from astro_auth_plugin.airflow_bridge.settings import Settings
from astro_auth_plugin.auth_manager import AstroAuthManager
from astro_auth_plugin.login.accounts import find_account
from tests.in_request import HEAD

pytestmark = pytest.mark.usefixtures("metadata_database")

NOW = int(time.time())
SOON = NOW + 3600


class Sayings(Issuers):
    """Issuers that are believed whatever they say."""

    def __init__(self, **said: Vouched) -> None:
        super().__init__(())
        self.said = said

    def issued(self, token: str) -> bool:
        """Whether something is said of it."""
        return token in self.said

    async def vouched(self, token: str) -> Vouched:
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
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AstroAuthManager]:
    """A function that makes the auth manager, with what issuers say, and an API token that ends then."""

    def make(end: str = "never", **said: Vouched) -> AstroAuthManager:
        path = tmp_path / "policy.yaml"
        path.write_text(HEAD + TOKEN.format(hash="1" * 64, end=end))
        monkeypatch.setattr(AstroAuthManager, "_policy_store", PolicyStore(Settings(path, "dep")))
        monkeypatch.setattr(AstroAuthManager, "_issuers", Sayings(**said))
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
    ana = who(manager(a=Vouched("ana@EXAMPLE.com", "", NOW, SOON)), "a")
    assert (ana.id, ana.subject, ana.is_token) == (account_id, "ana@example.com", False)
    assert ana.ends_at == datetime.fromtimestamp(SOON, UTC)


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
    made = manager(**{key: Vouched(email, "", NOW, SOON) for key, email in names.items()})
    assert all(is_nobody(made, key) for key in names)
    assert find_account("%") is None


def test_what_has_ended(manager: Any, accounts: Any) -> None:
    """A JWT from before a sign-out or another password has ended, as Airflow's own has."""
    account_id = accounts("ana", "ana@example.com")
    with create_session(scoped=False) as database:
        sign_ins.end_all(database, account_id)
    now = int(time.time())
    made = manager(a=Vouched("ana@example.com", "", now - 60, SOON), b=Vouched("ana@example.com", "", now + 60, SOON))
    assert is_nobody(made, "a")
    assert who(made, "b").id == account_id


def test_api_token(manager: Any) -> None:
    """An id is the API token of the policy, until either of the two ends."""
    made = manager(a=Vouched("", "ci", NOW, SOON), b=Vouched("", "other", NOW, SOON))
    ci = who(made, "a")
    assert (ci.subject, ci.is_token, ci.ends_at) == ("token:ci", True, datetime.fromtimestamp(SOON, UTC))
    assert is_nobody(made, "b")
    sooner = datetime.now(UTC) + timedelta(minutes=10)
    assert who(manager(sooner.isoformat(), a=Vouched("", "ci", NOW, SOON)), "a").ends_at == sooner
    assert is_nobody(manager((sooner - timedelta(hours=1)).isoformat(), a=Vouched("", "ci", NOW, SOON)), "a")


@pytest.mark.parametrize("vouched", [Vouched("ana@example.com", "", NOW, SOON), Vouched("", "ci", NOW, SOON)])
def test_nothing_is_prolonged(vouched: Vouched, manager: Any, accounts: Any) -> None:
    """A JWT of Airflow that is fetched with one of another issuer ends with it, and so do all that come of it."""
    accounts("ana", "ana@example.com")
    made = manager(a=vouched)
    token = "a"
    for _ in range(3):
        token = made.generate_jwt(who(made, token))
        assert claims(token)["exp"] <= SOON
    assert who(made, token).subject == (vouched.email or "token:ci")


def test_far_end(manager: Any, accounts: Any) -> None:
    """An end that no calendar has is the last there is, and Airflow's JWT has its own."""
    accounts("ana", "ana@example.com")
    made = manager(a=Vouched("ana@example.com", "", NOW, 10**30))
    assert claims(made.generate_jwt(who(made, "a")))["exp"] < NOW + 10**6
