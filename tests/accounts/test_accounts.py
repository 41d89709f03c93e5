"""Who is behind an account: read afresh, and nobody when two active accounts are one person."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from airflow.providers.fab.auth_manager.models import User
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import OperationalError

from astro_auth_plugin.accounts import accounts as login_accounts
from astro_auth_plugin.accounts import sign_ins
from astro_auth_plugin.accounts.accounts import find_account, load_account
from astro_auth_plugin.accounts.sign_ins import SIGN_INS
from tests.conftest import CountStatements


def test_account(accounts: Any, statements: CountStatements) -> None:
    """An account is its row, and the subject of its e-mail; it is read in one statement once it is noted."""
    account_id = accounts("ana", "Ana@Example.COM")
    accounts("bo", "bo@example.com")
    login_accounts.note_emails()
    with statements() as sent:
        account = load_account(account_id)
    assert account == (account_id, "ana", "Ana@Example.COM", True, "ana@example.com", frozenset(), 0)
    assert len(sent) == 1


def test_no_account(accounts: Any) -> None:
    """An id that no account has is nobody."""
    accounts("ana", "ana@example.com")
    assert load_account(999_999) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ana@example.com", "ANA@example.com"),
        ("ana@example.com", "Ana@Example.Com"),
        ("jos\u00e9@example.com", "jose\u0301@example.com"),
        ("JOSE\u0301@example.com", "jos\u00e9@example.com"),
        ("\u212brista@example.com", "\u00e5rista@example.com"),
        ("krista@example.com", "\u212arista@example.com"),
        ("\u0130da@example.com", "i\u0307da@example.com"),
    ],
)
def test_twins(accounts: Any, one: str, other: str, caplog: pytest.LogCaptureFixture) -> None:
    """Two active accounts of one person are nobody, in whatever order; the log names both, once."""
    ids = [accounts("one", one), accounts("other", other)]
    found = [load_account(account_id) for account_id in ids]
    assert [account and account.subject for account in found] == ["", ""]
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert said == [f"Duplicate active accounts for one e-mail ({ids[0]}, {ids[1]}): access is denied for all of them"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ana@example.com", "\u0430na@example.com"),
        ("ana@example.com", "\uff41na@example.com"),
        ("strasse@example.com", "stra\u00dfe@example.com"),
        ("ana@example.com", "ana+1@example.com"),
        ("a_a@example.com", "axa@example.com"),
        ("a%@example.com", "ab@example.com"),
        ("jose@example.com", "jos\u00e9@example.com"),
    ],
)
def test_look_alikes(accounts: Any, one: str, other: str, caplog: pytest.LogCaptureFixture) -> None:
    """People whose e-mails only look alike keep what they hold."""
    for name, email in (("one", one), ("other", other)):
        account = load_account(accounts(name, email))
        assert account is not None
        assert account.subject == email
    assert "one person" not in caplog.text


def test_three_of_a_kind(accounts: Any, caplog: pytest.LogCaptureFixture) -> None:
    """More than two accounts of one person are all named."""
    ids = [accounts(name, email) for name, email in (("a", "x@b.c"), ("b", "X@b.c"), ("c", "x@B.c"))]
    account = load_account(ids[1])
    assert account is not None
    assert account.subject == ""
    assert f"{ids[0]}, {ids[1]}, {ids[2]}" in caplog.text


def test_idle_twin(accounts: Any, caplog: pytest.LogCaptureFixture) -> None:
    """An account that is not active takes nothing from the active one, and is nobody that could sign in."""
    active = accounts("ana", "ana@example.com")
    idle = accounts("old", "ANA@example.com", active=False)
    found = load_account(active)
    assert found is not None
    assert (found.active, found.subject) == (True, "ana@example.com")
    found = load_account(idle)
    assert found is not None
    assert (found.active, found.subject) == (False, "")
    assert caplog.text == ""


def test_duplicate_past_fab(accounts: Any) -> None:
    """A duplicate that is written to the database past FAB counts at once, though the other account is noted."""
    first = accounts("ana", "ana@example.com")
    assert load_account(first).subject == "ana@example.com"
    second = accounts("twin", "ANA@example.com")
    assert [load_account(number).subject for number in (first, second)] == ["", ""]


def test_email_changed_past_fab(accounts: Any, metadata_database: Any) -> None:
    """An e-mail that is changed in the database past FAB counts from that account's next request on, for both."""
    first, second = accounts("ana", "ana@example.com"), accounts("bo", "bo@example.com")
    assert load_account(first).subject == "ana@example.com"
    with metadata_database.begin() as connection:
        connection.execute(update(User).where(User.id == second).values(email="ANA@example.com"))
    assert load_account(second).subject == ""
    assert load_account(first).subject == ""
    with metadata_database.begin() as connection:
        connection.execute(update(User).where(User.id == second).values(email="bo@example.com"))
    # What is noted is compared with what the account has now.
    assert load_account(first).subject == "ana@example.com"


@pytest.mark.parametrize("noted", [True, False])
def test_find(accounts: Any, noted: bool) -> None:
    """The one active account with an e-mail is found, noted or not; of several none is."""
    first = accounts("ana", "jos\u00e9@example.com")
    accounts("idle", "JOS\u00c9@example.com", active=False)
    if noted:
        login_accounts.note_emails()
    assert find_account("JOSE\u0301@example.com") == first
    assert find_account("jose@example.com") is None
    accounts("twin", "Jose\u0301@example.com")
    login_accounts.note_emails()
    assert find_account("jos\u00e9@example.com") is None


def test_found_beside_an_inactive_one(accounts: Any) -> None:
    """An active account that is not noted is found, also if an inactive one with the e-mail is."""
    accounts("old", "bob@example.com", active=False)
    login_accounts.note_emails()
    active = accounts("bob", "BOB@example.com")
    assert find_account("bob@example.com") == active


@pytest.mark.parametrize("failure", [OperationalError("INSERT", {}, Exception("locked")), None])
def test_not_noted(accounts: Any, monkeypatch: pytest.MonkeyPatch, failure: Exception | None) -> None:
    """Where e-mails cannot be noted, or another change comes between, duplicates are found all the same."""

    def fail() -> None:
        if failure:
            raise failure

    monkeypatch.setattr(login_accounts, "note_emails", fail)
    first, second = accounts("ana", "ana@example.com"), accounts("twin", "ANA@example.com")
    other = accounts("bo", "bo@example.com")
    assert [load_account(number).subject for number in (first, second, other)] == ["", "", "bo@example.com"]


def test_id_given_again(accounts: Any, metadata_database: Any) -> None:
    """The id of a deleted account is noticed when the database gives it again, past FAB."""
    first, gone = accounts("ana", "ana@example.com"), accounts("gone", "gone@example.com")
    login_accounts.note_emails()
    with metadata_database.begin() as connection:
        connection.execute(delete(User).where(User.id == gone))
        sign_ins.forget(connection, gone)
        row = {"id": gone, "username": "twin", "email": "ANA@example.com", "active": True}
        connection.execute(insert(User).values(first_name="F", last_name="L", **row))
    assert load_account(first).subject == ""


def test_noted_once(accounts: Any, metadata_database: Any, statements: CountStatements) -> None:
    """Many accounts are noted in few statements, with rows of theirs or without, and a second time in one."""
    ids = [accounts(f"u{number}", f"U{number}@example.com") for number in range(20)]
    with metadata_database.begin() as connection:
        for account_id in ids[:10]:
            sign_ins.end_all(connection, account_id)
    with statements() as sent:
        login_accounts.note_emails()
    assert len(sent) < 12
    with statements() as sent:
        login_accounts.note_emails()
    assert len(sent) == 1
    with metadata_database.connect() as connection:
        found = dict(connection.execute(select(SIGN_INS.c.account_id, SIGN_INS.c.email_digest)).tuples().all())
    assert [found[each] for each in ids] == [sign_ins.digest_of(f"u{number}@example.com") for number in range(20)]
    with metadata_database.connect() as connection:
        ended = connection.scalars(select(SIGN_INS.c.account_id).where(SIGN_INS.c.not_before > 0)).all()
    assert set(ended) == set(ids[:10])


def test_twin_that_leaves(accounts: Any, metadata_database: Any) -> None:
    """Nothing is remembered: when one of two accounts goes, the other holds its roles again."""
    stays, leaves = accounts("ana", "ana@example.com"), accounts("twin", "ANA@example.com")
    assert load_account(stays).subject == ""
    with metadata_database.begin() as connection:
        connection.execute(delete(User).where(User.id == leaves))
    assert load_account(stays).subject == "ana@example.com"
