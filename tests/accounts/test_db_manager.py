"""The plugin's tables: from one revision to the next, and after a roll-back, when a newer version has migrated them."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow import settings
from alembic import command
from sqlalchemy import create_engine, inspect, make_url, select
from sqlalchemy.orm import Session

from astro_auth_plugin.accounts import db_manager
from astro_auth_plugin.accounts.db_manager import TABLES, AstroDBManager
from astro_auth_plugin.runtime.database import metadata
from tests.conftest import MIGRATED

NEWEST = 4
SERVER = os.environ.get("E2E_SQL_ALCHEMY_CONN", "")
ROWS: tuple[dict[str, Any], ...] = (
    {
        "account_id": 1,
        "email": "a@example.com",
        "idp_groups": "[]",
        "signed_in_at": 1,
        "not_before": 0,
        "email_digest": None,
    },
    {"account_id": 1, "fingerprint": "f", "provider": "p", "issuer": "i", "subject": "s", "bound_at": 1},
    {
        "id": 1,
        "digest": "d",
        "policy_format": 1,
        "created_at": 1,
        "author": "a",
        "author_kind": "shell",
        "source": "cli",
        "reason": "",
        "reverts": None,
        "changes": "[]",
        "document": b"d",
        "imported_text": None,
    },
)


@pytest.mark.parametrize("words", [("db", "migrate"), ("db", "check-migrations")])
def test_after_a_roll_back(words: tuple[str, ...], metadata_database: Any, tmp_path: Path) -> None:
    """A database that a newer version has migrated is left as it is, with one warning, and Airflow goes on."""
    database = tmp_path / "airflow.db"
    shutil.copy(MIGRATED, database)
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE alembic_version_astro_auth SET version_num = '9999'")
    environment = os.environ | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{database}",
        "AIRFLOW__ASTRO_AUTH__DEPLOYMENT_ID": "dep",
    }
    command = [sys.executable, "-m", "airflow", *words]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=600)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert said.count("newer than this version's") == 1
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version_astro_auth").fetchall() == [("9999",)]


# -- revisions -----------------------------------------------------------------------------------------------------


@pytest.fixture(
    params=["sqlite://", pytest.param(SERVER, marks=pytest.mark.skipif(not SERVER, reason="needs another database"))],
    ids=["sqlite", "server"],
)
def empty(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An engine of an empty database, which Airflow is made to use."""
    address = f"sqlite:///{tmp_path}/airflow.db"
    if request.param != "sqlite://":
        server = create_engine(SERVER, isolation_level="AUTOCOMMIT")
        with server.connect() as connection:
            connection.exec_driver_sql("DROP DATABASE IF EXISTS revisions")
            connection.exec_driver_sql("CREATE DATABASE revisions")
        server.dispose()
        address = make_url(SERVER).set(database="revisions").render_as_string(hide_password=False)
    engine = create_engine(address)
    monkeypatch.setattr(settings, "engine", engine)
    monkeypatch.setattr(settings, "SQL_ALCHEMY_CONN", address)
    yield engine
    engine.dispose()


def migrate(engine: Any, revision: str = "") -> bool:
    """Bring the tables to a revision, by default as `airflow db migrate` does; return whether they are as wanted."""
    with Session(engine) as session:
        manager: Any = AstroDBManager
        if revision:
            command.upgrade(manager(session).get_alembic_config(), revision)
        else:
            manager(session).upgradedb()
        return bool(manager(session).check_migration())


def revision_of(engine: Any) -> str:
    with engine.connect() as connection:
        return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version_astro_auth").scalar_one())


def rows(engine: Any) -> list[list[dict[str, Any]]]:
    with engine.connect() as connection:
        return [[dict(row) for row in connection.execute(select(table)).mappings()] for table in TABLES]


def shape(engine: Any) -> dict[str, Any]:
    """Return what the database says of the columns and keys of the plugin's tables."""
    found = inspect(engine)
    return {
        table.name: (
            [(each["name"], str(each["type"]), each["nullable"]) for each in found.get_columns(table.name)],
            found.get_pk_constraint(table.name)["constrained_columns"],
            [each["column_names"] for each in found.get_unique_constraints(table.name)],
            sorted((each["name"], each["column_names"]) for each in found.get_indexes(table.name)),
        )
        for table in TABLES
    }


def test_each_revision(empty: Any) -> None:
    """The first revisions add a table each, all leave the rows, and the last one makes what the code expects."""
    for number in range(1, NEWEST + 1):
        assert migrate(empty, f"{number:04}") is (number == NEWEST)
        assert {each.name for each in TABLES} & {*inspect(empty).get_table_names()} == {
            each.name for each in TABLES[:number]
        }
        for table, row in zip(TABLES[number - 1 : number], ROWS[number - 1 : number], strict=True):
            known = {name: value for name, value in row.items() if value is not None}
            with empty.begin() as connection:
                connection.execute(table.insert().values(known))
    assert rows(empty) == [[row] for row in ROWS]
    migrated = shape(empty)
    metadata.drop_all(empty)
    metadata.create_all(empty)
    assert shape(empty) == migrated


def test_older_version_in_between(empty: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that knows fewer revisions leaves the tables and their rows, and so does the newer one after it."""
    assert migrate(empty)
    newest = revision_of(empty)
    with empty.begin() as connection:
        for table, row in zip(TABLES, ROWS, strict=True):
            connection.execute(table.insert().values(row))
    older = tmp_path / "older"
    shutil.copytree(Path(db_manager.__file__).parent / "migrations", older / "migrations")
    for file in (older / "migrations").glob(f"{newest}_*"):
        file.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(db_manager, "_HERE", older)
        assert migrate(empty)
    assert migrate(empty)
    assert revision_of(empty) == newest == f"{NEWEST:04}"
    assert rows(empty) == [[row] for row in ROWS]
