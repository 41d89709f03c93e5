"""The option that keeps which accounts are the only ones of their users: what it saves, and that it delays nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import HTTPException
from sqlalchemy import delete, text

from astro_auth_plugin.accounts import identity_cache, sign_ins
from astro_auth_plugin.accounts.accounts import NOTHING, note_emails
from astro_auth_plugin.accounts.identity_cache import IdentityCache
from astro_auth_plugin.accounts.revoked_tokens import RevokedToken
from astro_auth_plugin.auth_manager import AstroAuthManager
from astro_auth_plugin.authentication.authenticator import Authenticator
from astro_auth_plugin.authentication.trusted_issuers import Issuers
from astro_auth_plugin.runtime import state
from astro_auth_plugin.runtime.identity import AstroIdentity
from astro_auth_plugin.runtime.policy_store import PolicyStore
from astro_auth_plugin.runtime.settings import Settings
from tests import process_state
from tests.conftest import Clock, CountStatements
from tests.dag_fixtures import PEOPLE
from tests.in_request import HEAD

SECONDS = 30


@pytest.fixture
def manager(tmp_path: Path, clock: Clock) -> AstroAuthManager:
    """The auth manager of a running server with the option."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(HEAD + PEOPLE)
    store = PolicyStore(Settings(policy, "dep"))
    authenticator = Authenticator(store, Issuers(()), None, IdentityCache(SECONDS, clock))
    process_state.start(policy, authenticator=authenticator)
    return AstroAuthManager()


@pytest.fixture
def ask(manager: AstroAuthManager, accounts: Any) -> Callable[[], AstroIdentity]:
    """Ask with a JWT of Vera, who has made a request before."""
    account_id = accounts("vera", "vera@example.com")
    note_emails()
    engine = state.current().policy_store.newest
    made = AstroIdentity(id=account_id, username="vera", email="", subject="", engine=engine)
    bearer = manager.generate_jwt(made)

    def asked() -> AstroIdentity:
        return asyncio.run(manager.get_user_from_token(bearer))

    asked.bearer = bearer  # type: ignore[attr-defined]
    assert asked().subject == "vera@example.com"
    return asked


def change(engine: Any, statement: str) -> None:
    """Change the database past FAB."""
    with engine.begin() as connection:
        connection.execute(text(statement))


def test_what_it_saves(ask: Any, clock: Clock, statements: CountStatements) -> None:
    """For the seconds of the option a request looks for no other account, and then it does again."""
    with statements() as sent:
        ask()
        clock.now += SECONDS - 1
        ask()
        clock.now += 1
        ask()
    assert ["email_digest" in statement for statement in sent] == [False, False, True]


def test_a_second_account_counts_later(ask: Any, clock: Clock, accounts: Any) -> None:
    """A second active account that is written past FAB takes the access when the seconds are over."""
    accounts("vera-2", "VERA@example.com")
    assert ask().subject == "vera@example.com"
    clock.now += SECONDS
    assert ask().subject == ""


def test_no_access_is_not_kept(ask: Any, clock: Clock, accounts: Any, metadata_database: Any) -> None:
    """The access is back with the next request once the second account is gone."""
    accounts("vera-2", "Vera@example.com")
    clock.now += SECONDS
    assert ask().subject == ""
    change(metadata_database, "UPDATE ab_user SET active = false WHERE username = 'vera-2'")
    assert ask().subject == "vera@example.com"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ab_user SET active = false WHERE username = 'vera'",
        "DELETE FROM ab_user WHERE username = 'vera'",
        "UPDATE astro_auth_sign_in SET not_before = 99999999999 WHERE account_id > 0",
    ],
)
def test_an_end_counts_at_once(ask: Any, metadata_database: Any, statement: str) -> None:
    """A disabled or deleted account, and one whose password was changed or that signed out, is refused at once."""
    change(metadata_database, statement)
    with pytest.raises(HTTPException) as refused:
        ask()
    assert refused.value.status_code == 401


@pytest.mark.skipif(RevokedToken is None, reason="Airflow 3.1 cannot revoke a single token")
def test_a_revoked_jwt_counts_at_once(manager: AstroAuthManager, ask: Any, metadata_database: Any) -> None:
    """A JWT that was signed out is refused at once."""
    manager.revoke_token(ask.bearer)
    try:
        with pytest.raises(HTTPException, match="Invalid JWT token"):
            ask()
    finally:
        with metadata_database.begin() as connection:
            connection.execute(delete(RevokedToken))


def test_another_email_counts_at_once(ask: Any, metadata_database: Any, accounts: Any) -> None:
    """Under another e-mail the account is another user's at once; so is it if that user has one already."""
    change(metadata_database, "UPDATE ab_user SET email = 'art@example.com' WHERE username = 'vera'")
    assert ask().subject == "art@example.com"
    change(metadata_database, "UPDATE ab_user SET email = 'OLGA@example.com' WHERE username = 'vera'")
    accounts("olga", "olga@example.com")
    assert ask().subject == ""


def test_groups_count_at_once(ask: Any) -> None:
    """The groups of a new sign-in count at once."""
    user = ask()
    assert user.groups == frozenset()
    sign_ins.keep(user.id, user.email, ["okta-finance"])
    assert ask().groups == {"okta-finance"}


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch, accounts: Any, clock: Clock) -> None:
    """However many users make requests, a fixed number is kept, and what was looked for first goes first."""
    monkeypatch.setattr(identity_cache, "MAX_KEPT", 3)
    cache = IdentityCache(SECONDS, clock)
    ids = [accounts(f"u{number}", f"u{number}@example.com") for number in range(5)]
    for account_id in [*ids, ids[2], 0]:
        cache.read_account(account_id, NOTHING, {})
    assert list(cache._kept) == ids[2:]
    off = IdentityCache()
    off.read_account(ids[0], NOTHING, {})
    assert not off._kept
