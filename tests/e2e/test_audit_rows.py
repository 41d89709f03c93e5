"""Nobody adds rows to the audit log of another Dag, and a change of the own one is in its log, whatever is sent besides."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .client import Everybody
from .database import Database
from .tables import Row, rows
from .writes import WRITES, filled, perform

OTHER = {"dag_id": "ops_sync", "run_id": "done", "dag_run_id": "done", "task_id": "load"}
WRITE_ROWS = rows("expected_writes.txt")
KINDS = ("application/json", "application/vnd.api+json", "application/json; charset=utf-8", "text/plain")


def _new_rows(database: Database, before: int) -> list[tuple[Any, ...]]:
    return database.rows(
        "SELECT dag_id, run_id, task_id, event FROM log WHERE id > :before AND event <> 'astro_auth.refused'",
        before=before,
    )


def _last(database: Database) -> int:
    return int(database.value("SELECT coalesce(max(id), 0) FROM log"))


@pytest.mark.parametrize("user", ["tag.author", "tag.viewer"])
@pytest.mark.parametrize("row", WRITE_ROWS, ids=lambda row: row.name)
def test_no_row_of_another_dag(
    row: Row, user: str, everybody: Everybody, database: Database, write_names: list[dict[str, Any]]
) -> None:
    """Another Dag, run and task in the query, the body or both, once or twice, in any form: no row names that Dag."""
    names, write = write_names[0], WRITES[row.name]
    body = filled(write.body, names)
    before = _last(database)
    path = row.path.format(**names)
    mark = "&" if "?" in path else "?"
    twice = "&".join(f"{word}={value}&{word}={value}" for word, value in OTHER.items())
    bodies = [body, {**body, **OTHER} if isinstance(body, dict) else OTHER, [OTHER], json.dumps(OTHER)]
    for sent in bodies:
        for requested in (path, f"{path}{mark}{twice}"):
            for kind in KINDS[: 4 if sent == bodies[1] else 1]:
                perform((*write.after, *write.ready), database, names)
                headers = {**everybody[user].headers, "content-type": kind}
                everybody[user].client.request(row.method, requested, content=json.dumps(sent), headers=headers)
    perform(write.after, database, names)
    foreign = [found for found in _new_rows(database, before) if found[0] == OTHER["dag_id"]]
    named_itself = row.name in ("backfill", "backfill again")  # the body says there which Dag it is about
    assert foreign == [] or named_itself


@pytest.mark.parametrize("name", ["delete run", "mark run", "clear run", "mark task", "pause", "trigger"])
def test_own_row(name: str, everybody: Everybody, database: Database, write_names: list[dict[str, Any]]) -> None:
    """A change leaves a row in the log of the Dag that it changes, with the run and the task of the path."""
    names, write = write_names[0], WRITES[name]
    (row,) = (each for each in WRITE_ROWS if each.name == name)
    path, body = row.path.format(**names), filled(write.body, names)
    query = "dag_id=ops_sync&run_id=forged&task_id=forged"
    perform(write.ready, database, names)
    before = _last(database)
    answer = everybody["tag.author"].request(row.method, f"{path}?{query}", json=body)
    found = _new_rows(database, before)
    perform(write.after, database, names)
    assert answer.is_success, answer.text
    own = [row for row in found if row[0] == names["dag"]]
    assert own
    parts = path.split("/")
    run = parts[parts.index("dagRuns") + 1] if "dagRuns" in parts[:-1] else None
    task = parts[parts.index("taskInstances") + 1] if "taskInstances" in parts[:-1] else None
    assert {(row[1], row[2]) for row in own} == {(run, task)}
