"""Refusals are seen: a line in the log, a row in Airflow's audit log, and nothing of it for lists."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from .client import Everybody
from .database import Database
from .live import LiveAirflow

OWN, OTHER = "fin_daily", "ops_sync"
# Nobody else of the tests: what one account leaves in a minute has a limit.
VIEWER = "upper.viewer"


@pytest.fixture
def recorded(database: Database) -> Callable[[], list[dict[str, Any]]]:
    """What has been recorded since the test began. The row is there when the answer is, so nothing is waited for."""
    before = database.value("SELECT coalesce(max(id), 0) FROM log")

    def read() -> list[dict[str, Any]]:
        rows = database.rows(
            "SELECT dag_id, owner, extra FROM log WHERE event = 'astro_auth.refused' AND id > :before",
            before=before,
        )
        return [{"row_dag": row[0], "row_owner": row[1], **json.loads(row[2])} for row in rows]

    return read


def test_refused_write_is_recorded(everybody: Everybody, recorded: Callable[[], list[dict[str, Any]]]) -> None:
    """A refused write says who, what, on which Dag, which permission was missing, and the request's id."""
    answer = everybody[VIEWER].request(
        "PATCH", f"/api/v2/dags/{OWN}", json={"is_paused": True}, params={"update_mask": "is_paused"}
    )
    assert answer.status_code == 403
    (entry,) = recorded()
    assert entry["row_owner"] == entry["user"] == VIEWER
    assert entry["row_dag"] == entry["dag_id"] == OWN
    assert entry["action"] == f"PATCH /api/v2/dags/{OWN}"
    assert entry["missing"] == ["dag.update"]
    assert entry["outcome"] == "refused"
    assert len(entry["request_id"]) == 32


def test_unseen_dag_is_not_named(everybody: Everybody, recorded: Callable[[], list[dict[str, Any]]]) -> None:
    """A try on a Dag that does not exist leaves a row of no Dag, which only readers of the whole audit log see."""
    answer = everybody[VIEWER].request("PATCH", "/api/v2/dags/no_such_dag", json={"is_paused": True})
    assert answer.status_code == 403
    (entry,) = recorded()
    assert entry["row_dag"] is None
    assert entry["action"] == "PATCH /api/v2/dags/no_such_dag"


def test_refused_secret_is_recorded(everybody: Everybody, recorded: Callable[[], list[dict[str, Any]]]) -> None:
    """A refused read of one Variable is recorded with its name, so that probing is seen."""
    assert everybody[VIEWER].get("/api/v2/variables/e2e_secret_of_all").status_code == 403
    (entry,) = recorded()
    assert entry["action"] == "GET /api/v2/variables/e2e_secret_of_all"
    assert entry["missing"] == ["variable.get"]


def test_refused_code_is_recorded(everybody: Everybody, recorded: Callable[[], list[dict[str, Any]]]) -> None:
    """A refused read of a Dag's code is recorded on that Dag."""
    assert everybody[VIEWER].get(f"/api/v2/dagSources/{OTHER}").status_code == 403
    (entry,) = recorded()
    assert entry["row_dag"] == OTHER
    assert "dagCode.get" in entry["missing"]


def test_lists_leave_no_trace(everybody: Everybody, recorded: Callable[[], list[dict[str, Any]]]) -> None:
    """Airflow's pages ask for lists that a person may not see; that is no event."""
    for path in ("/api/v2/connections", "/api/v2/pools", "/api/v2/importErrors", f"/api/v2/dags/{OTHER}"):
        assert everybody[VIEWER].get(path).status_code == 403
    everybody[VIEWER].get(f"/api/v2/dagSources/{OTHER}")
    assert len(recorded()) == 1, "the one that is recorded"


def test_line_in_the_log(everybody: Everybody, airflow: LiveAirflow, recorded: Callable[[], Any]) -> None:
    """The line is JSON on one line, whatever the path says, and a request id that the caller gives is kept."""
    caller = everybody[VIEWER]
    caller.client.request(
        "DELETE",
        "/api/v2/variables/a%0Drefused%20forged",
        headers={**caller.headers, "X-Request-ID": "trace-4711"},
    )
    (entry,) = recorded()
    assert entry["request_id"] == "trace-4711"
    lines = [
        line
        for line in (airflow.home / "server.log").read_text().splitlines()
        if "trace-4711" in line and "refused {" in line
    ]
    assert len(lines) == 1
    assert r"a\rrefused forged" in lines[0]
