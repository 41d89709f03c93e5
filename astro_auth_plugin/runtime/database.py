"""Airflow's metadata database, and the tables of this plugin in it."""

from __future__ import annotations

from typing import Any, NamedTuple

from airflow import settings
from sqlalchemy import MetaData
from sqlalchemy.engine import Connection as DatabaseConnection
from sqlalchemy.engine import Engine as DatabaseEngine

metadata = MetaData()
"""The tables of this plugin; each is in the module that reads it."""


LAST_OF_UTF8MB3 = "\uffff"
"""The last character that a column of the character set utf8mb3 can have, as those of ids do with MySQL."""


class Along(NamedTuple):
    """What a request reads in the same statement as its account: to send a statement takes longer than to read this.

    It is made once in a process, since to make a statement takes longer than to send it, too.

    Attributes:
        columns: sub-selects, and columns of the tables.
        joins: outer joins, a table and its condition each, with values that come with each request.
    """

    columns: tuple[Any, ...] = ()
    joins: tuple[tuple[Any, Any], ...] = ()

    def __add__(self, other: Along) -> Along:  # type: ignore[override]
        """Return both."""
        return Along(self.columns + other.columns, self.joins + other.joins)


def database_engine() -> DatabaseEngine:
    """Return SQLAlchemy's engine of the metadata database.

    Raises:
        RuntimeError: before Airflow has configured it.
    """
    if settings.engine is None:
        raise RuntimeError("Airflow has not configured its metadata database")
    return settings.engine


def connect() -> DatabaseConnection:
    """Return a connection to the metadata database, without the session that Airflow makes around one."""
    return database_engine().connect()
