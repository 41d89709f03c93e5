"""The export of the audit log: everything once, in order, and nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.models.log import Log
from airflow.utils.session import create_session
from sqlalchemy import delete, event, update

from astro_auth_plugin.access_management import audit_export
from astro_auth_plugin.cli.main import main
from astro_auth_plugin.runtime import policy_versions
from astro_auth_plugin.runtime.policy_versions import VERSIONS, Change

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def row(event: str, minutes: int, owner: str = "ana", extra: str | None = None, dag_id: str | None = None) -> None:
    """Add a row to Airflow's audit log."""
    with create_session(scoped=False) as session:
        made = Log(event, owner=owner, extra=extra)
        made.dag_id = dag_id
        made.dttm = NOW + timedelta(minutes=minutes)
        session.add(made)


def version(minutes: int, *changes: str) -> int:
    """Add a version of the policy."""
    number = policy_versions.publish(
        policy_versions.newest_number(),
        {"version": 1},
        Change("olga@example.com", "shell", "cli", "why", None, changes),
    ).id
    with create_session(scoped=False) as session:
        time = int((NOW + timedelta(minutes=minutes)).timestamp())
        session.execute(update(VERSIONS).where(VERSIONS.c.id == number).values(created_at=time))
    return number


@pytest.fixture(autouse=True)
def _empty(metadata_database: Any) -> Iterator[None]:
    """See no rows of other tests, and leave none behind."""
    _remove()
    yield
    _remove()


def _remove() -> None:
    with create_session(scoped=False) as session:
        session.execute(delete(Log))
        session.execute(delete(VERSIONS))


def test_order_and_once() -> None:
    """Rows and versions are merged by time; a version's row is left out, and so are Airflow's own events."""
    row("astro_auth.signed_in", 1, extra=json.dumps({"email": "ana@example.com"}))
    number = version(2, "+ user `bo@example.com`")
    row("astro_auth.policy_changed", 2, extra=json.dumps({"version": number}))
    row("trigger", 3)
    row("astro_authX", 3)
    row("astro_auth.refused", 4, extra="no JSON", dag_id="sales")
    version(5)
    found = list(audit_export.events(NOW))
    assert [(each["event"], each["time"][11:16]) for each in found] == [
        ("astro_auth.signed_in", "12:01"),
        ("astro_auth.policy_changed", "12:02"),
        ("astro_auth.refused", "12:04"),
        ("astro_auth.policy_changed", "12:05"),
    ]
    assert found[1]["user"] == "olga@example.com"
    assert found[1]["details"]["changes"] == ("+ user `bo@example.com`",)
    assert found[1]["details"]["reason"] == "why"
    assert (found[2]["dag_id"], found[2]["details"]) == ("sales", {"extra": "no JSON"})
    assert [each["time"][11:16] for each in audit_export.events(NOW + timedelta(minutes=4))] == ["12:04", "12:05"]


def test_no_connection_is_taken_while_an_export_is_read(
    metadata_database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every row comes once, also where a page ends between rows of one moment; between two rows no connection is out."""
    monkeypatch.setattr(audit_export, "_AT_ONCE", 2)
    for minutes in (1, 1, 1, 2, 2, 3):
        row("astro_auth.signed_in", minutes)
    out: list[Any] = []

    def taken(connection: Any, *_: Any) -> None:
        out.append(connection)

    def given_back(connection: Any, *_: Any) -> None:
        out.remove(connection)

    event.listen(metadata_database, "checkout", taken)
    event.listen(metadata_database, "checkin", given_back)
    try:
        read = [(each["time"][14:16], len(out)) for each in audit_export.events(NOW)]
    finally:
        event.remove(metadata_database, "checkout", taken)
        event.remove(metadata_database, "checkin", given_back)
    assert read == [("01", 0), ("01", 0), ("01", 0), ("02", 0), ("02", 0), ("03", 0)]


def test_change_whose_version_is_not_there() -> None:
    """The row of a version that a restored backup does not have stays in the export."""
    row("astro_auth.policy_changed", 1, extra=json.dumps({"version": 99}))
    assert [each["details"]["version"] for each in audit_export.events(NOW)] == [99]


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@x", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20x", "\t=1", 'a,"b"\nc', "é 🙂"]
)
def test_csv(text: str) -> None:
    """Every cell is text for a spreadsheet, and reads as what it was."""
    row("astro_auth.signed_in", 1, owner=text)
    head, line = csv.reader(io.StringIO("".join(audit_export.as_csv(audit_export.events(NOW))), newline=""))
    assert tuple(head) == audit_export.COLUMNS
    assert line[2].removeprefix("'") == text
    assert line[2][0] not in "=+-@\uff1d\uff0b\uff0d\uff20\t\n"


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints lines of JSON, or CSV, from a time on; a time that is none is an error."""
    row("astro_auth.signed_in", 1)
    main(["audit", "export", "--since", "2026-05-01"])
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["event"] == "astro_auth.signed_in"
    main(["audit", "export", "--since", "2026-05-01", "--format", "csv"])
    assert capsys.readouterr().out.splitlines()[0] == '"time","event","user","dag_id","details"'
    main(["audit", "export", "--since", "1h"])
    assert capsys.readouterr().out == ""
    with pytest.raises(SystemExit) as end:
        main(["audit", "export", "--since", "soon"])
    assert end.value.code == 1
    assert "invalid time `soon`: use for example 30d or 2027-01-31" in capsys.readouterr().err
