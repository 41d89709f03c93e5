"""FAB's web sessions in the metadata database, and how to be rid of those that have expired."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime

from airflow.utils.session import create_session
from sqlalchemy import DateTime, Integer, column, delete, func, inspect, select, table
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import ColumnElement

log = logging.getLogger(__name__)

# flask_session makes this table when a server starts, and gives it no model that could be imported.
_SESSION = table("session", column("id", Integer), column("expiry", DateTime))

BATCH = 10_000
"""How many rows are deleted in one transaction: a table left alone for years is too large for one."""


def count_expired(now: datetime) -> int:
    """Return how many sessions have expired.

    Args:
        now: the time, with a time zone.
    """
    with create_session(scoped=False) as session:
        if not _has_table(session):
            return 0
        return session.scalars(select(func.count()).select_from(_SESSION).where(_expired(now))).one()


def delete_expired(now: datetime) -> int:
    """Delete the sessions that have expired, and return how many there were.

    Args:
        now: the time, with a time zone.
    """
    total = 0
    while number := _delete_some(now):
        total += number
    return total


_CLEAN_EVERY = 600.0
_cleaned_at = float("-inf")


def clean_now_and_then() -> None:
    """Delete sessions that have expired, every ten minutes, or sooner while there are many. Never raises."""
    global _cleaned_at  # noqa: PLW0603 - when this process has done it; it does not matter if two threads do it
    if time.monotonic() < _cleaned_at + _CLEAN_EVERY:
        return
    _cleaned_at = time.monotonic()
    try:
        if _delete_some(datetime.now(UTC)) == BATCH:
            # There are more: the next one goes on.
            _cleaned_at = float("-inf")
    except SQLAlchemyError as error:
        log.warning("Could not delete expired sessions: %s", type(error).__name__)


def _delete_some(now: datetime) -> int:
    with create_session(scoped=False) as session:
        if not _has_table(session):
            return 0
        ids = session.scalars(select(_SESSION.c.id).where(_expired(now)).limit(BATCH)).all()
        session.execute(delete(_SESSION).where(_SESSION.c.id.in_(ids)))
    return len(ids)


def _has_table(session: Session) -> bool:
    # Sessions can also be kept in signed cookies, and then there is none.
    return inspect(session.connection()).has_table(_SESSION.name)


def _expired(now: datetime) -> ColumnElement[bool]:
    # flask_session keeps UTC without a time zone.
    return _SESSION.c.expiry <= now.astimezone(UTC).replace(tzinfo=None)
