"""Airflow's metadata database, and the tables of this plugin in it."""

from __future__ import annotations

from airflow import settings
from sqlalchemy import MetaData
from sqlalchemy.engine import Connection as DatabaseConnection
from sqlalchemy.engine import Engine as DatabaseEngine

metadata = MetaData()
"""The tables of this plugin; each is in the module that reads it."""


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
