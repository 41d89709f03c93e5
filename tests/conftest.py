"""An Airflow of the tests' own, configured before anything imports Airflow, and its metadata database."""

from __future__ import annotations

import atexit
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

HOME = Path(tempfile.mkdtemp(prefix="astro-auth-tests-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
MIGRATED = HOME / "migrated.db"
"""The metadata database as it is before the first test writes to it."""

# What the caller's own Airflow is configured to must not change what the tests see.
for name in [name for name in os.environ if name.startswith(("AIRFLOW", "ASTRO_"))]:
    del os.environ[name]
os.environ.update(
    {
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__AUTH_MANAGER": "astro_auth_plugin.auth_manager.AstroAuthManager",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(HOME / "dags"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME}/airflow.db",
    }
)


class CountStatements(Protocol):
    """Counts what a block asks the database."""

    def __call__(self) -> AbstractContextManager[list[str]]:
        """Return the block; what it gives is the list of statements."""


@pytest.fixture(scope="session")
def metadata_database() -> Any:
    """SQLAlchemy's engine of a migrated and empty metadata database, FAB's tables included."""
    from airflow import settings
    from airflow.utils import db

    db.initdb()
    # For servers that begin with nothing, whatever the tests before them have written.
    with sqlite3.connect(HOME / "airflow.db") as source, sqlite3.connect(MIGRATED) as copy:
        source.backup(copy)
    return settings.engine


@pytest.fixture
def statements(metadata_database: Any) -> CountStatements:
    """A context manager that lists the statements which are sent to the metadata database inside it."""
    from sqlalchemy import event

    @contextmanager
    def listed() -> Iterator[list[str]]:
        sent: list[str] = []

        def keep(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            sent.append(statement)

        event.listen(metadata_database, "before_cursor_execute", keep)
        try:
            yield sent
        finally:
            event.remove(metadata_database, "before_cursor_execute", keep)

    return listed


@pytest.fixture
def accounts(metadata_database: Any) -> Iterator[Any]:
    """A function that adds an account and returns its id; they are all gone afterwards."""
    from functools import partial

    from astro_auth_plugin.login import accounts as login_accounts
    from tests.accounts import add_account, remove_accounts

    login_accounts._told.clear()
    remove_accounts(metadata_database)
    yield partial(add_account, metadata_database)
    remove_accounts(metadata_database)
