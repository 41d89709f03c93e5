"""What has happened to access, for other systems: events in Airflow's audit log, and versions of the policy.

`airflow db clean` may have removed rows of the audit log. The versions of the policy are kept: they are the record of
its changes.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from airflow.models.log import Log
from airflow.utils.session import create_session
from sqlalchemy import and_, or_, select

from astro_auth_plugin.runtime import policy_versions
from astro_auth_plugin.runtime.audit_log import POLICY_CHANGED

COLUMNS = ("time", "event", "user", "dag_id", "details")
_AT_ONCE = 1000
# A spreadsheet takes a cell that begins so for a formula, some also with the wide letters of East Asia.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def events(since: datetime) -> Iterator[dict[str, Any]]:
    """Yield the events from a time on, in the order in which they happened.

    Each has `time`, `event`, `user`, `dag_id`, and `details` with the fields of docs/audit.md.

    Args:
        since: the time, with a time zone.

    Raises:
        SQLAlchemyError: if the database does not answer.
    """
    changes = [_of_version(record) for record in reversed(policy_versions.history(since=int(since.timestamp())))]
    known = {change["details"]["version"] for change in changes}
    for row in _rows(since):
        event = _of_row(*row)
        if event["event"] == POLICY_CHANGED and event["details"].get("version") in known:
            continue
        while changes and changes[0]["time"] <= event["time"]:
            yield changes.pop(0)
        yield event
    yield from changes


def _rows(since: datetime) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of the audit log page by page.

    Each page has a session of its own: as long as a client takes to read an answer, or after it broke it off, no
    connection to the database is taken.
    """
    statement = (
        select(Log.id, Log.dttm, Log.event, Log.owner, Log.dag_id, Log.extra)
        .where(Log.event.startswith("astro_auth.", autoescape=True), Log.dttm >= since)
        .order_by(Log.dttm, Log.id)
        .limit(_AT_ONCE)
    )
    page = statement
    while True:
        with create_session(scoped=False) as session:
            rows = session.execute(page).all()
        yield from (tuple(row[1:]) for row in rows)
        if len(rows) < _AT_ONCE:
            return
        number, moment = rows[-1][:2]
        page = statement.where(or_(Log.dttm > moment, and_(Log.dttm == moment, Log.id > number)))


def _of_version(record: policy_versions.Record) -> dict[str, Any]:
    details = record._asdict()
    del details["digest"], details["created_at"], details["author"], details["scopes"]
    details["version"] = details.pop("id")
    time = _time(datetime.fromtimestamp(record.created_at, UTC))
    return {"time": time, "event": POLICY_CHANGED, "user": record.author, "dag_id": None, "details": details}


def _of_row(moment: Any, event: str, user: str, dag_id: str | None, extra: str | None) -> dict[str, Any]:
    try:
        details = json.loads(extra or "{}")
    except ValueError:
        details = {"extra": extra}
    return {"time": _time(moment), "event": event, "user": user, "dag_id": dag_id, "details": details}


def _time(moment: datetime) -> str:
    utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_json_lines(found: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield each event as one line of JSON."""
    for event in found:
        yield json.dumps(event, ensure_ascii=False, default=str) + "\n"


def as_csv(found: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield a line with the names of the columns, and one for each event; no cell can be a formula."""
    yield _line(COLUMNS)
    for event in found:
        yield _line([event[name] if name != "details" else json.dumps(event[name], default=str) for name in COLUMNS])


def _line(cells: Iterable[Any]) -> str:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(
        [_cell("" if cell is None else str(cell)) for cell in cells]
    )
    return out.getvalue()


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
