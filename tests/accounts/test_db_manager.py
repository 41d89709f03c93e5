"""The plugin's tables: from one revision to the next, and after a roll-back, when a newer version has migrated them."""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow import settings
from alembic import command
from sqlalchemy import create_engine, inspect, make_url, select
from sqlalchemy.orm import Session

from astro_auth_plugin.accounts.db_manager import TABLES, AstroDBManager
from astro_auth_plugin.runtime.database import metadata
from tests.conftest import MIGRATED
from tests.test_docs import ROOT
from tests.test_packaging import hatchling, put_sources

NEWEST = 5
MADE_BY = (1, 2, 3, 5)
"""The revisions that make the tables."""
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
    {
        "digest": "d",
        "who": "w",
        "question": "q",
        "object": "",
        "allowed": True,
        "answers": 1,
        "first_at": 1,
        "last_at": 1,
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
    """A revision adds a table or leaves them, all leave the rows, and the last one makes what the code expects."""
    for number in range(1, NEWEST + 1):
        assert migrate(empty, f"{number:04}") is (number == NEWEST)
        assert {each.name for each in TABLES} & {*inspect(empty).get_table_names()} == {
            table.name for table, made_by in zip(TABLES, MADE_BY, strict=True) if made_by <= number
        }
        for table, row in [(TABLES[at], ROWS[at]) for at, made_by in enumerate(MADE_BY) if made_by == number]:
            known = {name: value for name, value in row.items() if value is not None}
            with empty.begin() as connection:
                connection.execute(table.insert().values(known))
    assert rows(empty) == [[row] for row in ROWS]
    migrated = shape(empty)
    metadata.drop_all(empty)
    metadata.create_all(empty)
    assert shape(empty) == migrated


# What a process of an older version does: it brings the tables to what it knows, and adds to them what it is given.
OLDER = """\
import json, sys
from airflow import settings
from sqlalchemy.orm import Session
from astro_auth_plugin.accounts import db_manager
with Session(settings.engine) as session:
    manager = db_manager.AstroDBManager(session)
    manager.upgradedb()
    session.execute(manager.metadata.tables["astro_auth_sign_in"].insert().values(json.loads(sys.argv[1])))
    session.commit()
    print(json.dumps([db_manager.__file__, manager.check_migration(), manager.get_current_revision()]))
"""
SIGN_IN = {"email": "a@example.com", "idp_groups": "[]", "signed_in_at": 1, "not_before": 0}


@pytest.fixture(scope="module", params=[3, NEWEST])
def older(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Path]:
    """A revision, and the unpacked wheel of the version before it: the commit before that which added the revision.

    Where git has no such commit, as in a shallow clone, it is the wheel of today's code without the later revisions.
    """
    number, folder = request.param, tmp_path_factory.mktemp("older")
    revision = Path("astro_auth_plugin", "accounts", "migrations", f"{number:04}_*")
    found = ["git", "log", "--diff-filter=A", "--format=%H^", "--", str(revision)]
    before = subprocess.run(found, cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()[-1:]
    archive = subprocess.run(["git", "archive", *before], cwd=ROOT, capture_output=True, check=False)
    if before and archive.returncode == 0:
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as sources:
            sources.extractall(folder, filter="data")
    else:
        for later in range(number, NEWEST + 1):
            (file,) = put_sources(folder).glob(str(revision.with_name(f"{later:04}_*")))
            file.unlink()
    hatchling("build", "-t", "wheel", folder=folder)
    (wheel,) = folder.glob("dist/*.whl")
    with zipfile.ZipFile(wheel) as built:
        built.extractall(folder / "unpacked")
    return number, folder / "unpacked"


def test_older_version_in_between(empty: Any, older: tuple[int, Path]) -> None:
    """After a roll-back the older version leaves the tables, and uses them, and the newer one goes on with all rows."""
    number, installed = older

    def run_older(account_id: int) -> tuple[list[Any], str]:
        environment = os.environ | {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": empty.url.render_as_string(hide_password=False),
            "PYTHONPATH": str(installed),
        }
        command = [sys.executable, "-c", OLDER, json.dumps({"account_id": account_id, **SIGN_IN})]
        done = subprocess.run(command, env=environment, cwd=installed, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1]), done.stdout + done.stderr

    file = str(installed / "astro_auth_plugin" / "accounts" / "db_manager.py")
    found, said = run_older(1)
    assert (found, "newer than this version's" in said) == ([file, True, f"{number - 1:04}"], False)
    assert migrate(empty)
    with empty.begin() as connection:
        for table, row in zip(TABLES[1:], ROWS[1:], strict=True):
            connection.execute(table.insert().values(row))
    found, said = run_older(2)
    assert (found, "newer than this version's" in said) == ([file, True, f"{NEWEST:04}"], True)
    assert migrate(empty)
    assert revision_of(empty) == f"{NEWEST:04}"
    signed_in = [{"account_id": account_id, **SIGN_IN, "email_digest": None} for account_id in (1, 2)]
    assert rows(empty) == [signed_in, *([row] for row in ROWS[1:])]
