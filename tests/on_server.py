"""A database on the server of the tests, if there is one, with the tables that changes of the policy need."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker

SERVER = os.environ.get("E2E_SQL_ALCHEMY_CONN", "")
ON_EACH = ("sqlite", pytest.param("server", marks=pytest.mark.skipif(not SERVER, reason="needs another database")))
"""Parameters of a fixture: a database of SQLite, and one on the server."""


def made_on_the_server(name: str) -> str:
    """The address of an empty database of this name."""
    server = create_engine(SERVER, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name}")
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    server.dispose()
    return server.url.set(database=name).render_as_string(hide_password=False)


@contextmanager
def in_use(address: str) -> Iterator[Any]:
    """The engine of an empty database, which gets the tables, and which Airflow is made to use."""
    from airflow import settings
    from airflow.models.log import Log
    from airflow.providers.fab.auth_manager.models import User

    from astro_auth_plugin.runtime.database import metadata

    engine = create_engine(address)
    metadata.create_all(engine)
    User.metadata.create_all(engine)
    Log.__table__.create(engine)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "engine", engine)
        patch.setattr(settings, "NonScopedSession", sessionmaker(engine))
        yield engine
    engine.dispose()


def on_each(request: pytest.FixtureRequest, of_tests: Any, name: str) -> Iterator[Any]:
    """What a fixture with the parameters `ON_EACH` yields: the engine of the tests, or of a new database on the server."""
    if request.param == "sqlite":
        yield of_tests
        return
    with in_use(made_on_the_server(name)) as engine:
        yield engine
