"""What a refusal says: a read the one word that Airflow's pages know, a write what is missing on what."""

from __future__ import annotations

import re

import pytest

from .client import Everybody
from .tables import REFUSED, Row, rows
from .writes import WRITES, filled

READS = [
    row for row in rows("expected_reads.txt") if row.path.startswith(("/api/", "/ui/")) and REFUSED in row.cells["N"]
]
WRITE_ROWS = rows("expected_writes.txt")
ON_DAG = [row for row in WRITE_ROWS if "/dags/{dag}" in row.path]

# Which permission a refused change names, as a pattern; written by hand, as the tables.
MISSING = {
    "pause": "dag.update",
    "reparse": "dag.update",
    "delete Dag": "dag.delete",
    "trigger": "dagRun.create",
    "backfill": "dagRun.create",
    "backfill again": "dagRun.create",
    "mark run": "dagRun.update",
    "note on run": "dagRun.update",
    "clear run": "dagRun.update",
    "clear runs": "dagRun.update",
    "mark runs": "dagRun.update",
    "cancel backfill": "dagRun.update",
    "delete run": "dagRun.delete",
    "clear task": "taskInstance.update",
    "mark task": "taskInstance.update",
    "mark tasks": "taskInstance.update",
    "note on task": "taskInstance.update",
    "answer question": "taskInstance.update",
    "delete task instance": "taskInstance.delete",
    "add XCom": "xcom.create",
    "change XCom": "xcom.update",
    "delete XCom": "xcom.delete",
    "store task state": "xcom.create",
    "clear task state": "xcom.delete",
    "asset event": "datasets.create",
    "materialize": "datasets.create",
    "store asset state": "datasets.update",
    "delete queued events": "datasets.delete",
    "add connection": "connection.create",
    "change connection": "connection.update",
    "delete connection": "connection.delete",
    "add connections": "connection.create",
    "add Variable": "variable.create",
    "change Variable": "variable.update",
    "delete Variable": "variable.delete",
    "add Variables": "variable.create",
    "overwrite Variables": "variable.(create|update)",
    "add pool": "pool.create",
    "change pool": "pool.update",
    "delete pool": "pool.delete",
    "add pools": "pool.create",
}
# Words after which Airflow's pages stop asking, or send the person to sign in again.
SPOILING = ("Forbidden", "Invalid JWT token")


@pytest.mark.parametrize("row", READS, ids=lambda row: row.name)
def test_refused_read(row: Row, everybody: Everybody, read_names: list[dict]) -> None:
    """A browser is told `Forbidden`, on which the pages stop asking again and again; an API client is told why."""
    caller, path = everybody["nobody"], row.path.format(**read_names[0])
    answer = caller.get(path)
    assert answer.status_code == 403
    assert re.match(r"Missing permission `|There is no (Dag|such Dag)\b", answer.json()["detail"]), answer.text
    cookie = {"Cookie": f"_token={caller.headers['Authorization'].removeprefix('Bearer ')}"}
    answer = caller.client.get(path, headers=cookie)
    assert (answer.status_code, answer.json()) == (403, {"detail": "Forbidden"})


@pytest.mark.parametrize("row", [row for row in WRITE_ROWS if REFUSED in row.cells["M"]], ids=lambda row: row.name)
def test_refused_write(row: Row, everybody: Everybody, write_names: list[dict]) -> None:
    """Who sees everything and may change nothing is told which permission is missing; it is never the spoiling word."""
    names = write_names[0]
    answer = everybody["workspace.member"].request(
        row.method, row.path.format(**names), json=filled(WRITES[row.name].body, names)
    )
    detail = answer.json()["detail"]
    assert answer.status_code == 403
    assert detail not in SPOILING
    assert re.search(rf"airflow\.{MISSING[row.name]}\b", detail), detail


@pytest.mark.parametrize("row", ON_DAG, ids=lambda row: row.name)
@pytest.mark.parametrize("user", ["look.alike", "nobody", "tag.viewer"])
def test_refusal_confirms_no_dag(row: Row, user: str, everybody: Everybody, write_names: list[dict]) -> None:
    """Who may not see a Dag is told the same as of a Dag that is not there."""
    texts = set()
    for dag_id in ("ops_writes", "no_such_dag"):
        names = write_names[1] | {"dag": dag_id}
        body = filled(WRITES[row.name].body, names)
        answer = everybody[user].request(row.method, row.path.format(**names), json=body)
        assert answer.status_code == 403
        assert answer.json()["detail"] not in SPOILING
        texts.add(answer.text.replace(dag_id, "DAG"))
    assert len(texts) == 1, texts


def test_backfill_confirms_no_dag(everybody: Everybody) -> None:
    """Nor does a refused backfill, whose Dag stands in the body."""
    texts = set()
    for dag_id in ("ops_writes", "no_such_dag"):
        body = filled(WRITES["backfill"].body, {"dag": dag_id})
        answer = everybody["tag.viewer"].request("POST", "/api/v2/backfills", json=body)
        assert answer.status_code == 403
        texts.add(answer.text.replace(dag_id, "DAG"))
    assert len(texts) == 1, texts
