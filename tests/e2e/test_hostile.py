"""Ids and tags that resemble others, and requests that name several Dags: the Dag acted on is the Dag decided on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from .client import Everybody
from .conftest import READ_DAGS
from .database import Database
from .tables import ALLOWED, BEFORE_3_3, REFUSED, Row, letter, lists, rows
from .test_writes import attempt
from .writes import WRITES, filled, perform

SETS = lists()["sets"]
OWN, OTHER = READ_DAGS
READS = [row for row in rows("expected_reads.txt") if "/dags/{dag}" in row.path or "{dag}" in row.path.split("?")[0]]
WRITE_ROWS = [row for row in rows("expected_writes.txt") if "/dags/{dag}" in row.path]
# Requests that name no Dag in their path and that DAG_AUTHOR is refused.
WIDE_READS = [
    row
    for row in rows("expected_reads.txt")
    # These two have a `dag_id` of their own, which the table asks for.
    if row.cells["W"] == REFUSED and row.name not in ("audit log", "all backfills in the UI")
]
WIDE_WRITES = [row for row in rows("expected_writes.txt") if row.cells["W"] == REFUSED]

_REFUSED_WIDE_READ = (
    r"Missing permission (`deployment\.airflow\.\w+\.get`(, )?)+ in this Deployment\."
    r"|You may not see or change accounts: that is for Workspace Owners and Organization Owners\."
    r"|Roles, groups and permissions of FAB are not used: access comes from the policy\."
)


def foreign(text: str, own: set[str]) -> set[str]:
    """The Dags, other than one's own, that a text names, as an id or in the value of a row."""
    known = set(SETS["parsed"]) - own
    return {dag_id for dag_id in known if f'"{dag_id}"' in text or f" of {dag_id}" in text or f":{dag_id}" in text}


ALIKE = set(SETS["alike"])
NOT_ALIKE = (
    *(set(SETS["parsed"]) - ALIKE),
    *(set(SETS["unparsed"]) - set(SETS["alike_row"])),
    *("FIN_DAILY", "fin_%", "fin%", "%", "_", "*", "team:ops", "fin_daily ", " report", "report ", "Report", "repor"),
    *("dots.in.", "dots.", "dots.in.id.x", "odd_tags2", "report\n", "report\t", "' OR '1'='1", "l" * 251),
    *("report,fin_daily", "DAG:report", "report;x=1", "r\u0435port", "report\u200b", "\u2024", "%72eport"),
)


@pytest.mark.parametrize("dag_id", sorted(ALIKE))
def test_exact_id_is_seen(dag_id: str, everybody: Everybody) -> None:
    """What is reached by exactly this id, or exactly this tag, is seen."""
    assert everybody["look.alike"].get(f"/api/v2/dags/{quote(dag_id, safe='')}").status_code == 200


@pytest.mark.parametrize("dag_id", sorted(NOT_ALIKE), ids=ascii)
def test_resembling_id_is_not_seen(dag_id: str, everybody: Everybody) -> None:
    """No id that only resembles a granted one is answered, nor one in an odd spelling, and none is confirmed."""
    requested = f"/api/v2/dags/{quote(dag_id, safe='')}"
    for path in (requested, f"{requested}/details", f"{requested}/dagRuns", f"{requested}/dagRuns/done/taskInstances"):
        answer = everybody["look.alike"].get(path)
        if path.endswith("%0A"):
            # No route has such a path.
            assert (answer.status_code, answer.json()["detail"]) == (404, "Not Found")
            continue
        assert answer.status_code == 403
        assert answer.json()["detail"].endswith(", or you may not see it.")


def test_tilde_is_no_dag(everybody: Everybody) -> None:
    """A grant on the id `~` is not one on every Dag."""
    for path in ("/api/v2/dags/~", "/api/v2/dags/%7E", "/api/v2/dags/~/details", "/api/v2/dags/~/tasks"):
        answer = everybody["look.alike"].get(path)
        assert answer.status_code in (403, 404)
        assert not foreign(answer.text, ALIKE)


@pytest.mark.parametrize("row", READS, ids=lambda row: row.name)
@pytest.mark.parametrize("query", [f"dag_id={OWN}", f"dag_id={OWN}&dag_id={OWN}", f"dag_id={OTHER}&dag_id={OWN}"])
def test_read_with_another_dag_in_the_query(row: Row, query: str, everybody: Everybody, read_names: list[dict]) -> None:
    """A Dag in the query does not open the Dag of the path, and closes none either."""
    caller = everybody["tag.viewer"]
    for expected, names in zip(row.cells["V"], read_names, strict=True):
        path = row.path.format(**names)
        answer = caller.get(f"{path}{'&' if '?' in path else '?'}{query}")
        assert letter(answer.status_code) == expected, answer.text[:300]


@pytest.mark.parametrize("row", READS, ids=lambda row: row.name)
def test_read_of_tilde(row: Row, everybody: Everybody, read_names: list[dict]) -> None:
    """With `~` for the Dag, whatever is answered is of one's own Dags only."""
    path = row.path.format(**(read_names[0] | {"dag": "~"}))
    for query in ("", f"dag_id={OWN}", f"dag_id={OTHER}"):
        answer = everybody["tag.viewer"].get(f"{path}{'&' if '?' in path else '?'}{query}")
        # Before 3.3 Airflow itself fails on this one, for whoever asks.
        assert answer.status_code < 500 or (row.name == "latest run" and BEFORE_3_3)
        assert not foreign(answer.text, set(SETS["finance"])), answer.text[:500]


@pytest.mark.parametrize("row", WRITE_ROWS, ids=lambda row: row.name)
def test_write_with_another_dag_in_the_query(
    row: Row, everybody: Everybody, database: Database, write_names: list[dict]
) -> None:
    """A Dag in the query, once or twice, does not open the Dag of the path to a change."""
    own, other = write_names
    for query in (f"dag_id={own['dag']}", f"dag_id={other['dag']}&dag_id={own['dag']}"):
        twisted = Row(row.name, row.method, f"{row.path}?{query}", row.cells)
        assert attempt(twisted, everybody["tag.author"], database, other) == (REFUSED, False)
    twisted = Row(row.name, row.method, f"{row.path}?dag_id={other['dag']}", row.cells)
    expected = row.cells["W"][0]
    assert attempt(twisted, everybody["tag.author"], database, own) == (expected, expected == ALLOWED)


@pytest.mark.parametrize("row", WRITE_ROWS, ids=lambda row: row.name)
def test_write_to_tilde(row: Row, everybody: Everybody, database: Database, write_names: list[dict]) -> None:
    """With `~` for the Dag, nobody with roles on Dags only changes anything that the items do not name."""
    own = write_names[0]
    write = WRITES[row.name]
    perform(write.ready, database, own)
    before = [database.rows(write.shows, **names) for names in write_names]
    try:
        path = row.path.format(**(own | {"dag": "~"}))
        for query in ("", f"?dag_id={own['dag']}"):
            answer = everybody["tag.author"].request(row.method, path + query, json=filled(write.body, own))
            assert answer.status_code < 500
        assert [database.rows(write.shows, **names) for names in write_names] == before
    finally:
        perform(write.after, database, own)


@pytest.mark.parametrize("row", WIDE_READS, ids=lambda row: row.name)
def test_wide_read_with_a_dag_in_the_query(row: Row, everybody: Everybody, read_names: list[dict]) -> None:
    """A Dag in the query does not make a question about the Deployment one about that Dag."""
    for query in (f"dag_id={OWN}", f"dag_id={OWN}&dag_id={OWN}"):
        answer = everybody["tag.author"].get(f"{row.path.format(**read_names[0])}?{query}")
        assert answer.status_code == 403
        assert re.fullmatch(_REFUSED_WIDE_READ, answer.json()["detail"])


@pytest.mark.parametrize("row", WIDE_WRITES, ids=lambda row: row.name)
def test_wide_write_with_a_dag_in_the_query(
    row: Row, everybody: Everybody, database: Database, write_names: list[dict]
) -> None:
    """Nor does it open a change of what belongs to no Dag."""
    own = write_names[0]
    twisted = Row(row.name, row.method, f"{row.path}?dag_id={own['dag']}", row.cells)
    assert attempt(twisted, everybody["tag.author"], database, own) == (REFUSED, False)


@pytest.fixture
def all_unpaused(database: Database) -> Iterator[None]:
    """Every Dag that a file defines runs before the test and after it."""
    reset = "UPDATE dag SET is_paused = false WHERE relative_fileloc <> 'no_such_file.py'"
    database.run(reset)
    yield
    database.run(reset)


@pytest.mark.usefixtures("all_unpaused")
@pytest.mark.parametrize("query", ["dag_id_pattern=~", "dag_id_pattern=%25", "dag_id=fin_writes&dag_id_pattern=%25"])
def test_pausing_many_dags(query: str, everybody: Everybody, database: Database) -> None:
    """Who may pause some Dags pauses those, whatever the query asks for."""
    answer = everybody["tag.author"].request("PATCH", f"/api/v2/dags?{query}", json={"is_paused": True})
    assert answer.status_code == 200
    paused = {row[0] for row in database.rows("SELECT dag_id FROM dag WHERE is_paused = true")}
    assert paused - set(SETS["unparsed"]) == set(SETS["finance"])


@pytest.mark.usefixtures("all_unpaused")
@pytest.mark.parametrize("user", ["tag.viewer", "run.operator", "uneven", "workspace.member", "nobody"])
@pytest.mark.parametrize("query", ["dag_id_pattern=%25", "dag_id_pattern=%25&dag_id=fin_writes"])
def test_pausing_many_dags_refused(user: str, query: str, everybody: Everybody, database: Database) -> None:
    """Who may pause no Dag pauses none, whatever Dag the query names."""
    answer = everybody[user].request("PATCH", f"/api/v2/dags?{query}", json={"is_paused": True})
    assert answer.status_code == 403
    assert database.value("SELECT count(*) FROM dag WHERE is_paused = true") == len(SETS["unparsed"])


@pytest.mark.parametrize("kind", ["audit", "audit_none"])
def test_audit_row_with_another_dag_in_the_query(kind: str, everybody: Everybody, read_names: list[dict]) -> None:
    """An audit row is decided on by the Dag of the row; a row of no Dag needs the whole Deployment."""
    own, other = read_names
    caller = everybody["tag.viewer"]
    assert caller.get(f"/api/v2/eventLogs/{other[kind]}?dag_id={OWN}").status_code == 403
    assert caller.get(f"/api/v2/eventLogs/{other[kind]}?dag_id={OTHER}&dag_id={OWN}").status_code == 403
    assert caller.get(f"/api/v2/eventLogs/{own['audit']}?dag_id={OTHER}").status_code == 200
    assert everybody["log.auditor"].get(f"/api/v2/eventLogs/{other[kind]}?dag_id={OWN}").status_code == 200


@pytest.mark.parametrize("path", ["/api/v2/eventLogs", "/api/v2/backfills", "/ui/backfills"])
def test_list_with_two_dags_in_the_query(path: str, everybody: Everybody) -> None:
    """With two Dags in the query, nothing of the one that is not one's own is answered."""
    for query in (f"dag_id={OWN}&dag_id={OTHER}", f"dag_id={OTHER}&dag_id={OWN}"):
        answer = everybody["tag.viewer"].get(f"{path}?{query}")
        assert answer.status_code in (200, 400, 403)
        assert not foreign(answer.text, {OWN}), answer.text[:500]


def test_audit_log_of_a_dag_holds_no_other_rows(everybody: Everybody) -> None:
    """The audit log of one's own Dag has that Dag's rows, and none of no Dag."""
    found = everybody["tag.viewer"].json(f"/api/v2/eventLogs?dag_id={OWN}&limit=100")["event_logs"]
    assert {row["dag_id"] for row in found} == {OWN}


@pytest.mark.parametrize(("requested", "body"), [(OTHER, OWN), (OWN, OTHER)])
def test_backfill_list_with_a_body(requested: str, body: str, everybody: Everybody) -> None:
    """A list of backfills is decided on by the Dag of the query; one with a body is refused."""
    answer = everybody["tag.viewer"].request("GET", f"/api/v2/backfills?dag_id={requested}", json={"dag_id": body})
    assert answer.status_code in (400, 403)
    assert not foreign(answer.text, {OWN})


def test_backfill_with_two_dags(everybody: Everybody, database: Database, write_names: list[dict]) -> None:
    """A backfill is decided on by the Dag of its body, which it is made for."""
    own, other = write_names
    row = next(row for row in rows("expected_writes.txt") if row.name == "backfill")
    caller = everybody["tag.author"]
    twisted = Row(row.name, row.method, f"{row.path}?dag_id={own['dag']}", row.cells)
    assert attempt(twisted, caller, database, other) == (REFUSED, False)
    twisted = Row(row.name, row.method, f"{row.path}?dag_id={other['dag']}", row.cells)
    assert attempt(twisted, caller, database, own) == (ALLOWED, True)


def test_backfill_without_an_end(everybody: Everybody) -> None:
    """Airflow would step through the runs of millions of days: that is refused in words."""
    body = {"dag_id": OWN, "from_date": "2026-01-01T00:00:00Z", "to_date": "9999-01-01T00:00:00Z"}
    answer = everybody["tag.author"].request("POST", "/api/v2/backfills/dry_run", json=body, timeout=180)
    assert (answer.status_code, answer.json()["detail"]) == (
        422,
        "There are more than 10,000 runs between the dates. Choose fewer at once.",
    )


def several(*dag_ids: str) -> dict[str, Any]:
    """A body that fails one run of each Dag."""
    entities = [{"dag_id": dag_id, "dag_run_id": "writes", "state": "failed"} for dag_id in dag_ids]
    return {"actions": [{"action": "update", "entities": entities}]}


@pytest.mark.skipif(BEFORE_3_3, reason="before Airflow 3.3 no route changes several runs")
@pytest.mark.parametrize(
    ("path_dag", "dag_ids", "changed"),
    [
        ("fin_writes", ["fin_writes"], ["fin_writes"]),
        ("~", ["fin_writes"], ["fin_writes"]),
        ("fin_writes", ["ops_writes"], []),
        ("fin_writes", ["fin_writes", "ops_writes"], []),
        ("~", ["ops_writes", "fin_writes"], []),
    ],
)
def test_runs_in_the_body(
    path_dag: str, dag_ids: list[str], changed: list[str], everybody: Everybody, database: Database
) -> None:
    """Runs named in the body are each decided on; one that is refused refuses all."""
    reset = "UPDATE dag_run SET state = 'success' WHERE run_id = 'writes'"
    database.run(reset)
    answer = everybody["tag.author"].request("PATCH", f"/api/v2/dags/{path_dag}/dagRuns", json=several(*dag_ids))
    got = [row[0] for row in database.rows("SELECT dag_id FROM dag_run WHERE run_id = 'writes' AND state = 'failed'")]
    database.run(reset)
    assert got == changed
    assert answer.status_code == (200 if changed else 403)


@pytest.mark.parametrize("path", ["/api/v2/dags/fin_writes/dagRuns/writes", "/api/v2/dags/~/dagRuns/~"])
def test_task_instances_in_the_body(path: str, everybody: Everybody, database: Database) -> None:
    """Task instances named in the body are each decided on."""
    reset = "UPDATE task_instance SET state = 'success' WHERE run_id = 'writes' AND task_id = 'extract'"
    database.run(reset)
    entities = [
        {"dag_id": dag_id, "dag_run_id": "writes", "task_id": "extract", "new_state": "failed"}
        for dag_id in ("fin_writes", "ops_writes")
    ]
    body = {"actions": [{"action": "update", "entities": entities}]}
    everybody["tag.author"].request("PATCH", f"{path}/taskInstances", json=body)
    shown = "SELECT dag_id FROM task_instance WHERE run_id = 'writes' AND task_id = 'extract' AND state = 'failed'"
    got = {row[0] for row in database.rows(shown)}
    database.run(reset)
    assert got <= {"fin_writes"}


def test_source_of_a_shared_file(everybody: Everybody) -> None:
    """The source of a file that also has a Dag one may not see does not show that Dag."""
    answer = everybody["tag.viewer"].get("/api/v2/dagSources/asset_consumer")
    assert "asset_producer" not in answer.text


def test_old_source_of_a_shared_file(everybody: Everybody, database: Database) -> None:
    """The source that a Dag has from before another left its file shows that other: see `exposures.py`."""
    moved = "UPDATE dag SET relative_fileloc = :file WHERE dag_id = 'asset_producer'"
    before = database.value("SELECT relative_fileloc FROM dag WHERE dag_id = 'asset_producer'")
    database.run(moved, file="elsewhere.py")
    try:
        answer = everybody["tag.viewer"].get("/api/v2/dagSources/asset_consumer?version_number=1")
    finally:
        database.run(moved, file=before)
    assert "asset_producer" in answer.text
