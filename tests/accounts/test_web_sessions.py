"""Web sessions in the database: those that have expired go, with a command and by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.utils.session import create_session
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from astro_auth_plugin.accounts import web_sessions

NOW = datetime.now(UTC)


@pytest.fixture
def rows(metadata_database: Any) -> Iterator[Any]:
    """A function that returns the ids of the sessions: two have expired, one has not."""
    with create_session(scoped=False) as session:
        session.execute(text("CREATE TABLE IF NOT EXISTS session (id INTEGER PRIMARY KEY, expiry TIMESTAMP)"))
        session.execute(text("DELETE FROM session"))
        for number, expiry in enumerate((NOW - timedelta(days=1), NOW - timedelta(hours=1), NOW + timedelta(hours=1))):
            session.execute(
                text("INSERT INTO session (id, expiry) VALUES (:id, :expiry)"),
                {"id": number, "expiry": expiry.replace(tzinfo=None)},
            )

    def ids() -> list[int]:
        with create_session(scoped=False) as session:
            return sorted(session.scalars(text("SELECT id FROM session")))

    yield ids
    with create_session(scoped=False) as session:
        session.execute(text("DROP TABLE session"))


def test_delete(rows: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that have expired are counted and deleted, however many a transaction takes."""
    monkeypatch.setattr(web_sessions, "BATCH", 1)
    assert web_sessions.count_expired(NOW) == 2
    assert web_sessions.delete_expired(NOW) == 2
    assert (rows(), web_sessions.delete_expired(NOW)) == ([2], 0)


def test_now_and_then(rows: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process deletes them by itself: some at a time, again while there are more, and then not all the time."""
    monkeypatch.setattr(web_sessions, "BATCH", 1)
    monkeypatch.setattr(web_sessions, "_cleaned_at", float("-inf"))
    left = []
    for _ in range(4):
        web_sessions.clean_now_and_then()
        left.append(len(rows()))
    assert left == [2, 1, 1, 1]
    with create_session(scoped=False) as session:
        session.execute(text("UPDATE session SET expiry = '2020-01-01 00:00:00'"))
    web_sessions.clean_now_and_then()
    assert rows() == [2]


def test_never_raises(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Without a database a page is served all the same, and the log says what did not work."""

    def fail(*_: Any) -> int:
        raise SQLAlchemyError("secret words")

    monkeypatch.setattr(web_sessions, "_cleaned_at", float("-inf"))
    monkeypatch.setattr(web_sessions, "_delete_some", fail)
    web_sessions.clean_now_and_then()
    assert "Could not delete expired sessions: SQLAlchemyError" in caplog.text
    assert "secret" not in caplog.text
