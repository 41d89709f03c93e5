"""Which accounts are one person: what the database finds is what Python says of every two e-mails."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from airflow import settings as airflow_settings
from airflow.providers.fab.auth_manager.models import User
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, insert, make_url
from sqlalchemy.dialects import oracle
from sqlalchemy.exc import IntegrityError

from astro_auth_plugin.accounts import accounts, sign_ins
from astro_auth_plugin.accounts.accounts import Known, known_by, load_account
from astro_auth_plugin.accounts.same_email import may_be_same
from astro_auth_plugin.rbac.model.subjects import normalize_email

ACCOUNTS = User.__table__
SERVER = os.environ.get("E2E_SQL_ALCHEMY_CONN", "")


@pytest.fixture(
    scope="module",
    params=[
        "sqlite://",
        *(
            pytest.param(
                f"{SERVER} {encoding}", marks=pytest.mark.skipif(not SERVER, reason="runs on another database")
            )
            for encoding in ("UTF8", "LATIN1")
        ),
    ],
    ids=["sqlite", "server", "server-latin1"],
)
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """An engine of a database with accounts, which Airflow is made to use."""
    address, _, encoding = request.param.partition(" ")
    if not encoding:
        address = f"sqlite:///{tmp_path_factory.mktemp('twins')}/accounts.db"
    else:
        name = f"twins_{encoding.lower()}"
        server = create_engine(address, isolation_level="AUTOCOMMIT")
        with server.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name}")
            kind = f"ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0"
            if server.dialect.name == "mysql":
                kind = f"CHARACTER SET {encoding.replace('UTF8', 'utf8mb4')}"
            connection.exec_driver_sql(f"CREATE DATABASE {name} {kind}")
        server.dispose()
        address = make_url(address).set(database=name).render_as_string(hide_password=False)
    engine = create_engine(address)
    ACCOUNTS.create(engine)
    sign_ins.SIGN_INS.create(engine)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(airflow_settings, "engine", engine)
        accounts._one_account.cache_clear()
        yield engine
    accounts._one_account.cache_clear()
    engine.dispose()


# Pairs that differ in case, in how they are composed, or only in the eyes of some databases.
emails = st.text("aAkK\u212a\u00e9\u00c9e\u0301\u00df\u0130\x1f@_%", min_size=1, max_size=4)
latin = st.text("aAkK\u00e9\u00c9e\u00df\x1f@_%", min_size=1, max_size=4)


@given(data=st.data())
@settings(deadline=None, max_examples=150)
def test_twins(database: Any, data: Any) -> None:
    """An account is nobody if, and only if, another active one has the same e-mail as we compare them."""
    kind = latin if "latin1" in str(database.url) else emails
    made = data.draw(st.lists(st.tuples(kind, st.booleans()), min_size=1, max_size=6, unique_by=lambda one: one[0]))
    rows = [
        {"id": number, "username": f"u{number}", "email": email, "active": active, "first_name": "", "last_name": ""}
        for number, (email, active) in enumerate(made, 1)
    ]
    with database.begin() as connection:
        connection.execute(sign_ins.SIGN_INS.delete())
        connection.execute(ACCOUNTS.delete())
        try:
            connection.execute(insert(ACCOUNTS), rows)
        except IntegrityError:
            # MariaDB takes more e-mails for the same than are compared as such here, and has no two of them.
            assume(database.dialect.name != "mysql")
            raise
    active = Counter(normalize_email(email) for email, active in made if active)
    for row in rows:
        others = active[normalize_email(row["email"])] - row["active"]
        account = load_account(row["id"])
        assert account is not None
        assert account.subject == ("" if others else normalize_email(row["email"]))
        with database.connect() as connection:
            assert sorted(known_by(row["email"], connection)) == [
                Known(other["id"], other["username"], other["active"])
                for other in rows
                if normalize_email(other["email"]) == normalize_email(row["email"])
            ]


@pytest.mark.parametrize(("email", "other"), [("kk", "K\u212a"), ("\u212a\u212a", "Kk"), ("a\u212a", "\u212ab")])
def test_kelvin_sign(email: str, other: str, database: Any) -> None:
    """The KELVIN SIGN is a `k`, also where patterns of the database take it for one, and so for ASCII."""
    if "latin1" in str(database.url):
        pytest.skip("has no KELVIN SIGN")
    rows = [
        {"id": number, "username": f"u{number}", "email": each, "active": True, "first_name": "", "last_name": ""}
        for number, each in enumerate((email, other), 1)
    ]
    with database.begin() as connection:
        connection.execute(sign_ins.SIGN_INS.delete())
        connection.execute(ACCOUNTS.delete())
        connection.execute(insert(ACCOUNTS), rows)
    is_one = normalize_email(email) == normalize_email(other)
    accounts_found = [load_account(number) for number in (1, 2)]
    assert [not account.subject for account in accounts_found if account] == [is_one] * 2
    with database.connect() as connection:
        assert [known.id for known in known_by(email, connection)] == ([1, 2] if is_one else [1])


def test_other_databases() -> None:
    """A database without words of its own here is asked with a pattern."""
    said = str(may_be_same(ACCOUNTS.c.email, ACCOUNTS.c.username).compile(dialect=oracle.dialect()))  # type: ignore[no-untyped-call]
    assert said.count("'[^ -~]'") == 2
