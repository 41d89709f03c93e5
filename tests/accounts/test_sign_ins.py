"""What a sign-in brought: kept for every process, replaced as a whole, and good for one e-mail."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import inspect, text

from astro_auth_plugin.accounts import db_manager, sign_ins
from astro_auth_plugin.accounts.accounts import load_account
from tests.conftest import CountStatements

EMAIL = "ana@example.com"


@pytest.fixture
def ana(accounts: Any) -> int:
    """An account of which nothing is kept yet."""
    return accounts("ana", EMAIL)


def test_kept_and_replaced(ana: int, statements: CountStatements) -> None:
    """A sign-in replaces what the one before it brought; the account is still read in one statement."""
    assert load_account(ana).groups == frozenset()  # And noted.
    for groups in (["b", "a", "b"], ["c"], []):
        sign_ins.keep(ana, EMAIL, groups)
        with statements() as sent:
            account = load_account(ana)
        assert account.groups == frozenset(groups)
        assert len(sent) == 1


@pytest.mark.parametrize(
    ("first", "email", "then", "ends"),
    [
        (None, EMAIL, ["a"], False),
        ([], EMAIL, ["a"], True),
        (["a"], EMAIL, ["a", "b"], True),
        (["a"], "new@example.com", ["a"], True),
        (["a", "b"], EMAIL, ["b"], False),
        (["a"], EMAIL, ["a"], False),
        ([], EMAIL, [], False),
    ],
)
def test_further_groups(ana: int, first: list[str] | None, email: str, then: list[str], ends: bool) -> None:
    """Groups that the account did not have end what it was issued: that may be of somebody who was in none of them."""
    if first is not None:
        sign_ins.keep(ana, EMAIL, first)
    assert sign_ins.tokens_valid_after(ana) == 0
    sign_ins.keep(ana, email, then)
    assert (sign_ins.tokens_valid_after(ana) > 0) is ends


def test_names_and_numbers(ana: int) -> None:
    """Hundreds of names of any length and letters come back as they were."""
    groups = [f"cn=caf\u00e9 {number}," + "ou=unit," * 100 for number in range(700)]
    sign_ins.keep(ana, EMAIL, groups)
    assert load_account(ana).groups == frozenset(groups)


def test_another_email(ana: int, metadata_database: Any) -> None:
    """Groups of an account whose e-mail has changed since count for nothing."""
    sign_ins.keep(ana, EMAIL, ["finance"])
    with metadata_database.begin() as connection:
        connection.execute(text("UPDATE ab_user SET email = 'bo@example.com' WHERE id = :id"), {"id": ana})
    assert load_account(ana).groups == frozenset()
    with metadata_database.connect() as connection:
        assert sign_ins.groups_kept(connection, ana) == {"finance"}


def test_twins_have_no_groups(ana: int, accounts: Any) -> None:
    """Two active accounts of one person have no groups either."""
    sign_ins.keep(ana, EMAIL, ["finance"])
    accounts("twin", "ANA@example.com")
    assert load_account(ana).groups == frozenset()


def test_ending(ana: int, metadata_database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was handed out in the second of the end, in the next one or before, has ended; the groups stay."""
    sign_ins.keep(ana, EMAIL, ["finance"])
    monkeypatch.setattr(sign_ins.time, "time", lambda: 1000.9)
    with metadata_database.begin() as connection:
        sign_ins.end_all(connection, ana)
    assert load_account(ana).tokens_valid_after == sign_ins.tokens_valid_after(ana) == 1002
    assert load_account(ana).groups == {"finance"}
    sign_ins.keep(ana, EMAIL, [])
    assert load_account(ana).tokens_valid_after == 1002


def test_a_number_that_is_given_again(ana: int, metadata_database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new account has nothing of the deleted one whose number it has, and its first second counts."""
    sign_ins.keep(ana, EMAIL, ["finance"])
    monkeypatch.setattr(sign_ins.time, "time", lambda: 1000.9)
    with metadata_database.begin() as connection:
        sign_ins.forget(connection, ana)
    assert (load_account(ana).groups, sign_ins.tokens_valid_after(ana)) == (frozenset(), 1002)
    monkeypatch.setattr(sign_ins.time, "time", lambda: 1000.95)
    with metadata_database.begin() as connection:
        sign_ins.begin(connection, ana, EMAIL)
    assert sign_ins.tokens_valid_after(ana) == 1002
    monkeypatch.setattr(sign_ins.time, "time", lambda: 2000.9)
    with metadata_database.begin() as connection:
        sign_ins.begin(connection, ana, EMAIL)
    assert (load_account(ana).groups, sign_ins.tokens_valid_after(ana)) == (frozenset(), 2000)


def test_at_the_same_time(ana: int) -> None:
    """Several sign-ins of one person at once leave the groups of one of them."""
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: sign_ins.keep(ana, EMAIL, [f"g{number}"]), range(8)))
    (group,) = load_account(ana).groups
    assert group in {f"g{number}" for number in range(8)}


def test_revision_is_the_table(metadata_database: Any) -> None:
    """The table that Airflow's migration made is the one that the code knows, and the database is up to date."""
    from airflow.utils.session import create_session

    found = inspect(metadata_database).get_columns("astro_auth_sign_in")
    assert [column["name"] for column in found] == list(sign_ins.SIGN_INS.c.keys())
    assert db_manager.has_tables()
    with create_session() as session:
        assert db_manager.AstroDBManager(session).check_migration()


def test_migration_makes_the_same(metadata_database: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """An existing database that is upgraded gets the table that a new one is made with."""
    from airflow import settings
    from alembic import command
    from sqlalchemy import create_engine

    upgraded = create_engine(f"sqlite:///{tmp_path}/upgraded.db")
    monkeypatch.setattr(settings, "engine", upgraded)
    command.upgrade(db_manager.AstroDBManager(None).get_alembic_config(), "heads")
    made = [{**column, "type": str(column["type"])} for column in inspect(upgraded).get_columns("astro_auth_sign_in")]
    known = inspect(metadata_database).get_columns("astro_auth_sign_in")
    assert made == [{**column, "type": str(column["type"])} for column in known]
