"""Which account a sign-in is for: that of the identity, or of an e-mail that no other identity has taken."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError, OperationalError

from astro_auth_plugin.accounts import identities, sign_ins
from astro_auth_plugin.accounts.identities import Identity
from astro_auth_plugin.accounts.identity_binding import Found, Person, SignInRefused, find_account_of

ANA = "ana@example.com"
SUB = Identity("oauth sso", "https://sso", "Ab")


@pytest.fixture(autouse=True)
def unbound(accounts: Any, metadata_database: Any) -> None:
    """Nobody is bound."""
    with metadata_database.begin() as connection:
        connection.execute(text("DELETE FROM astro_auth_identity"))


def found(identity: Identity | None, *emails: str, live: bool = True, **more: Any) -> Found | str:
    """The account, or why there is none."""
    try:
        return find_account_of(Person(identity, emails, **more), lambda _: live)
    except SignInRefused as refused:
        return str(refused)


def test_first_sign_in(accounts: Any) -> None:
    """An account that is bound to nobody is found by its e-mail, in whatever case; without one a new account is made."""
    ana = accounts("somebody", ANA)
    assert found(SUB, "ANA@example.com") == (ana, "ANA@example.com")
    assert found(SUB, "new@example.com") == (None, "new@example.com")
    assert "no verified e-mail" in found(SUB)


def test_identity_decides(accounts: Any) -> None:
    """A bound account is the identity's, whatever the e-mail is now; letter case of `sub` and the issuer count."""
    ana = accounts("ana", ANA)
    identities.bind(ana, SUB)
    assert found(SUB, "ana.new@example.com") == (ana, "ana.new@example.com")
    for other in (SUB._replace(subject="ab"), SUB._replace(issuer="https://other"), SUB._replace(provider="oauth b")):
        assert "belongs to another identity" in found(other, ANA)
        assert found(other, "x@example.com") == (None, "x@example.com")


def test_email_of_another(accounts: Any) -> None:
    """A bound account does not take over an e-mail that another account has."""
    identities.bind(accounts("ana", ANA), SUB)
    accounts("olga", "OLGA@example.com")
    assert "another account has the e-mail olga@example.com" in found(SUB, "olga@example.com")


def test_provider_that_is_gone(accounts: Any) -> None:
    """What a provider has bound that people cannot use any more is bound anew by the e-mail."""
    ana = accounts("ana", ANA)
    identities.bind(ana, SUB)
    new = Identity("oauth new", "", "1")
    assert found(new, ANA, live=False) == (ana, ANA)
    assert identities.bind(ana, new, lambda held: held == SUB)
    assert "belongs" in found(SUB, ANA)


@pytest.mark.parametrize("is_new", [False, True])
def test_binding_ends_sessions(accounts: Any, is_new: bool) -> None:
    """Whoever used the account before it was bound is signed out; an account that is made at the sign-in has nobody."""
    ana = accounts("ana", ANA)
    assert sign_ins.tokens_valid_after(ana) == 0
    assert identities.bind(ana, SUB, is_new=is_new)
    ended = sign_ins.tokens_valid_after(ana)
    assert (ended > 0) is not is_new
    assert identities.bind(ana, SUB)
    assert sign_ins.tokens_valid_after(ana) == ended


def test_two_first_sign_ins(accounts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two identities that find the same account at the same moment the first is bound, and the second refused."""
    ana, bo, second = accounts("ana", ANA), accounts("bo", "bo@example.com"), SUB._replace(subject="2")
    original = identities.lock_accounts

    def bind_another_first(session: Any) -> None:
        monkeypatch.setattr(identities, "lock_accounts", original)
        assert identities.bind(ana, SUB)
        original(session)

    assert found(SUB, ANA) == found(second, ANA) == (ana, ANA)
    monkeypatch.setattr(identities, "lock_accounts", bind_another_first)
    assert not identities.bind(ana, second)
    assert not identities.bind(bo, SUB)
    assert found(SUB, "x@example.com") == (ana, "x@example.com")


def test_bound_before(accounts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sign-in of the identity that an account is bound to writes nothing and locks nothing."""
    ana = accounts("ana", ANA)
    assert identities.bind(ana, SUB)
    monkeypatch.setattr(identities, "lock_accounts", None)
    assert identities.bind(ana, SUB)


def test_several_emails(accounts: Any) -> None:
    """Of several e-mails the account's counts; without an account, or with two, nobody can tell which."""
    ana = accounts("ana", ANA)
    assert found(SUB, "a@example.com", ANA) == (ana, ANA)
    assert "several e-mails" in found(SUB, "a@example.com", "b@example.com")
    identities.bind(ana, SUB)
    assert found(SUB, "a@example.com", "ANA@example.com") == (ana, ANA)
    assert "several e-mails" in found(SUB, "a@example.com", "b@example.com")
    accounts("bo", "bo@example.com")
    assert "another account" in found(SUB._replace(subject="x"), "bo@example.com", ANA)


def test_shared_email(accounts: Any) -> None:
    """An e-mail that other entries of the directory have finds, makes and changes no account."""
    ana = accounts("ana", ANA)
    for email in (ANA, "new@example.com"):
        assert "several entries" in found(SUB, email, shared=frozenset({email}))
    identities.bind(ana, SUB)
    assert found(SUB, ANA, shared=frozenset({ANA})) == (ana, ANA)
    assert "several entries" in found(SUB, "x@example.com", shared=frozenset({"x@example.com"}))


def test_proxy(accounts: Any) -> None:
    """Behind a proxy the e-mail alone decides, or exactly the user name."""
    ana = accounts("ana", ANA)
    identities.bind(ana, SUB)
    assert found(None, ANA) == (ana, ANA)
    assert found(None, username="ana") == (ana, ANA)
    for name in ("ANA", "ana ", "olga"):
        assert "exactly this user name" in found(None, username=name)


def test_deleted_account(accounts: Any, metadata_database: Any) -> None:
    """A binding whose account was deleted behind FAB's back is none."""
    ana = accounts("ana", ANA)
    identities.bind(ana, SUB)
    with metadata_database.begin() as connection:
        connection.execute(text("DELETE FROM ab_user WHERE id = :id"), {"id": ana})
    assert found(SUB, ANA) == (None, ANA)
    again = accounts("again", ANA)
    identities.bind(again, SUB)
    assert found(SUB, ANA) == (again, ANA)


def test_one_account_for_one_identity(accounts: Any, metadata_database: Any) -> None:
    """Sign-ins at the same moment leave each account with one identity and each identity with one account."""
    ids = [accounts(name, f"{name}@example.com") for name in "abcd"]

    def bind(number: int) -> None:
        with suppress(IntegrityError, OperationalError):
            identities.bind(ids[number % 4], SUB._replace(subject=str(number % 3)))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(bind, range(12)))
    with metadata_database.connect() as connection:
        rows = connection.execute(text("SELECT account_id, subject FROM astro_auth_identity")).all()
        assert {row[1] for row in rows} <= {"0", "1", "2"}
        assert len({row[1] for row in rows}) == len(rows) == len({row[0] for row in rows})


def test_migration(metadata_database: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """An existing database that is upgraded gets the table that a new one is made with."""
    from airflow import settings
    from alembic import command
    from sqlalchemy import create_engine

    from astro_auth_plugin.accounts.db_manager import AstroDBManager

    upgraded = create_engine(f"sqlite:///{tmp_path}/upgraded.db")
    monkeypatch.setattr(settings, "engine", upgraded)
    command.upgrade(AstroDBManager(None).get_alembic_config(), "heads")

    def shape(engine: Any) -> Any:
        columns = inspect(engine).get_columns("astro_auth_identity")
        unique = inspect(engine).get_unique_constraints("astro_auth_identity")
        return [{**column, "type": str(column["type"])} for column in columns], [row["column_names"] for row in unique]

    assert shape(upgraded) == shape(metadata_database)
