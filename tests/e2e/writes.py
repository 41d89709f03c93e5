"""For each row of expected_writes.txt: what to make ready, what to send, and where the change would show.

`ready` and `after` are run before and after every request, so every person finds the same rows. `shows` is read before
and after: the change has happened when it differs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .database import Database

Step = Callable[[Database, dict[str, Any]], None]


@dataclass(frozen=True)
class Write:
    """One kind of change. Strings in `body` and the SQL take the names of the Dag at hand."""

    shows: str
    ready: tuple[str | Step, ...] = ()
    body: Any = None
    after: tuple[str | Step, ...] = ()


def perform(steps: tuple[str | Step, ...], database: Database, names: dict[str, Any]) -> None:
    """Runs the steps of a Write: SQL, or a function of the database and the names."""
    for step in steps:
        if isinstance(step, str):
            database.run(step, **names)
        else:
            step(database, names)


def filled(body: Any, names: dict[str, Any]) -> Any:
    """The body with every name in braces replaced; `{asset}` alone stays a number."""
    if isinstance(body, dict):
        return {key: filled(value, names) for key, value in body.items()}
    if isinstance(body, list):
        return [filled(value, names) for value in body]
    if isinstance(body, str) and body.startswith("{"):
        return names[body.strip("{}")]
    return body


def _gone_dag(database: Database, names: dict[str, Any]) -> None:
    database.copy("dag", {"dag_id": names["dag"]}, dag_id=names["gone_dag"])
    tag = database.value("SELECT name FROM dag_tag WHERE dag_id = :dag", **names)
    database.run("INSERT INTO dag_tag (name, dag_id) VALUES (:tag, :gone_dag)", tag=tag, **names)


def _gone_run(database: Database, names: dict[str, Any]) -> None:
    find = {"dag_id": names["dag"], "run_id": "writes"}
    database.copy("dag_run", find, run_id="gone", logical_date=None)


def _gone_task_instance(database: Database, names: dict[str, Any]) -> None:
    find = {"dag_id": names["dag"], "run_id": "writes", "task_id": "load"}
    database.copy("task_instance", find, task_id="gone", id=names["fresh_id"]())


def extra_state(database: Database, names: dict[str, Any]) -> None:
    database.run(
        "DELETE FROM task_state_store WHERE dag_id = :dag AND run_id = 'writes'",
        "INSERT INTO task_state_store (dag_run_id, dag_id, run_id, task_id, map_index, key, value, updated_at)"
        " SELECT id, dag_id, run_id, 'load', -1, 'e2e', '\"seed\"', '2026-01-01 00:00:00' FROM dag_run"
        " WHERE dag_id = :dag AND run_id = 'writes'",
        **names,
    )


def _gone_xcom(database: Database, names: dict[str, Any]) -> None:
    find = {"dag_id": names["dag"], "run_id": "writes", "task_id": "load", "key": "return_value"}
    database.copy("xcom", find, key="gone")


def _gone_backfill_runs(database: Database, names: dict[str, Any]) -> None:
    database.run(
        "DELETE FROM backfill_dag_run WHERE backfill_id IN (SELECT id FROM backfill WHERE dag_id = :dag"
        " AND id <> :open_backfill AND triggering_user_name IS NOT NULL)",
        "DELETE FROM dag_run WHERE dag_id = :dag AND run_type = 'backfill'",
        "DELETE FROM backfill WHERE dag_id = :dag AND id <> :open_backfill AND triggering_user_name IS NOT NULL",
        **names,
    )


def _queued_event(database: Database, names: dict[str, Any]) -> None:
    database.run("DELETE FROM asset_dag_run_queue")
    database.run(
        "INSERT INTO asset_dag_run_queue (asset_id, target_dag_id, created_at)"
        " VALUES (:asset, 'asset_consumer', '2026-01-01 00:00:00')",
        **names,
    )


RUN = "FROM dag_run WHERE dag_id = :dag AND run_id = 'writes'"
TASK = "FROM task_instance WHERE dag_id = :dag AND run_id = 'writes' AND task_id = 'extract'"
ASK = "(SELECT id FROM task_instance WHERE dag_id = :dag AND run_id = 'writes' AND task_id = 'ask')"
RESET_RUN = "UPDATE dag_run SET state = 'success' WHERE dag_id = :dag AND run_id = 'writes'"
RESET_TASK = (
    "UPDATE task_instance SET state = 'success' WHERE dag_id = :dag AND run_id = 'writes' AND task_id = 'extract'"
)
RESET_CLEARED = "UPDATE task_instance SET state = 'success' WHERE dag_id = :dag AND run_id = 'cleared'"
CLEARED = "SELECT count(*) FROM task_instance WHERE dag_id = :dag AND run_id = 'cleared' AND state IS NULL"
CLOSE_BACKFILL = "UPDATE backfill SET completed_at = created_at WHERE id = :open_backfill"
MATERIALIZED = "FROM dag_run WHERE dag_id = 'asset_producer' AND run_id NOT IN ('done', 'writes', 'cleared')"
NO_NEW_RUN = "DELETE FROM dag_run WHERE run_id = 'new'"
ADD_CONNECTION = "INSERT INTO connection (conn_id, conn_type, is_encrypted, is_extra_encrypted) VALUES ('gone', 'http', false, false)"
BACKFILL = {"dag_id": "{dag}", "from_date": "2026-02-01T00:00:00Z", "to_date": "2026-02-02T00:00:00Z"}

WRITES: dict[str, Write] = {
    "pause": Write(
        shows="SELECT is_paused FROM dag WHERE dag_id = :dag",
        ready=("UPDATE dag SET is_paused = true WHERE dag_id = :dag",),
        body={"is_paused": False},
        after=("UPDATE dag SET is_paused = false WHERE dag_id = :dag",),
    ),
    "reparse": Write(
        shows="SELECT count(*) FROM dag_priority_parsing_request",
        ready=("DELETE FROM dag_priority_parsing_request",),
    ),
    "delete Dag": Write(
        shows="SELECT count(*) FROM dag WHERE dag_id = :gone_dag",
        ready=(_gone_dag,),
        after=("DELETE FROM dag_tag WHERE dag_id = :gone_dag", "DELETE FROM dag WHERE dag_id = :gone_dag"),
    ),
    "favourite": Write(
        shows="SELECT count(*) FROM dag_favorite WHERE dag_id = :dag",
        ready=("DELETE FROM dag_favorite",),
        after=("DELETE FROM dag_favorite",),
    ),
    "trigger": Write(
        shows="SELECT count(*) FROM dag_run WHERE dag_id = :dag AND run_id = 'new'",
        body={"dag_run_id": "new", "logical_date": None},
        after=(NO_NEW_RUN,),
    ),
    "backfill": Write(
        shows="SELECT count(*) FROM backfill WHERE dag_id = :dag",
        ready=(CLOSE_BACKFILL,),
        body=BACKFILL,
        after=(_gone_backfill_runs,),
    ),
    "backfill again": Write(
        shows="SELECT count(*) FROM backfill WHERE dag_id = :dag",
        ready=(CLOSE_BACKFILL,),
        body={**BACKFILL, "reprocess_behavior": "completed"},
        after=(_gone_backfill_runs,),
    ),
    "mark run": Write(shows=f"SELECT state {RUN}", ready=(RESET_RUN,), body={"state": "failed"}, after=(RESET_RUN,)),
    "note on run": Write(
        shows=f"SELECT content FROM dag_run_note WHERE dag_run_id = (SELECT id {RUN})",
        ready=(f"UPDATE dag_run_note SET content = 'seed' WHERE dag_run_id = (SELECT id {RUN})",),
        body={"note": "changed"},
    ),
    "clear run": Write(shows=CLEARED, ready=(RESET_CLEARED,), body={"dry_run": False}),
    "clear runs": Write(
        shows=CLEARED,
        ready=(RESET_CLEARED,),
        body={"dry_run": False, "dag_runs": [{"dag_run_id": "cleared"}]},
    ),
    "mark runs": Write(
        shows=f"SELECT state {RUN}",
        ready=(RESET_RUN,),
        body={"actions": [{"action": "update", "entities": [{"dag_run_id": "writes", "state": "failed"}]}]},
        after=(RESET_RUN,),
    ),
    "cancel backfill": Write(
        shows="SELECT completed_at FROM backfill WHERE id = :open_backfill",
        ready=("UPDATE backfill SET completed_at = NULL WHERE id = :open_backfill",),
        after=(CLOSE_BACKFILL,),
    ),
    "delete run": Write(
        shows="SELECT count(*) FROM dag_run WHERE dag_id = :dag AND run_id = 'gone'",
        ready=(_gone_run,),
        after=("DELETE FROM dag_run WHERE run_id = 'gone'",),
    ),
    "clear task": Write(
        shows=f"SELECT state {TASK}",
        ready=(RESET_TASK,),
        body={"dry_run": False, "dag_run_id": "writes", "task_ids": ["extract"], "only_failed": False},
        after=(RESET_TASK, RESET_RUN),
    ),
    "mark task": Write(shows=f"SELECT state {TASK}", ready=(RESET_TASK,), body={"new_state": "failed"}),
    "mark tasks": Write(
        shows=f"SELECT state {TASK}",
        ready=(RESET_TASK,),
        body={"actions": [{"action": "update", "entities": [{"task_id": "extract", "new_state": "failed"}]}]},
        after=(RESET_TASK,),
    ),
    "note on task": Write(
        shows=f"SELECT content FROM task_instance_note WHERE ti_id = (SELECT id {TASK})",
        ready=(f"UPDATE task_instance_note SET content = 'seed' WHERE ti_id = (SELECT id {TASK})",),
        body={"note": "changed"},
    ),
    "answer question": Write(
        shows=f"SELECT responded_at FROM hitl_detail WHERE ti_id = {ASK}",
        ready=(
            f"UPDATE hitl_detail SET responded_at = NULL, chosen_options = NULL WHERE ti_id = {ASK}",
            "UPDATE task_instance SET state = 'deferred' WHERE dag_id = :dag AND run_id = 'writes' AND task_id = 'ask'",
        ),
        body={"chosen_options": ["Approve"], "params_input": {}},
    ),
    "delete task instance": Write(
        shows="SELECT count(*) FROM task_instance WHERE dag_id = :dag AND task_id = 'gone'",
        ready=(_gone_task_instance,),
        after=("DELETE FROM task_instance WHERE task_id = 'gone'",),
    ),
    "add XCom": Write(
        shows="SELECT count(*) FROM xcom WHERE dag_id = :dag AND key = 'new'",
        body={"key": "new", "value": "new"},
        after=("DELETE FROM xcom WHERE key = 'new'",),
    ),
    "change XCom": Write(
        shows="SELECT value FROM xcom WHERE dag_id = :dag AND run_id = 'writes' AND task_id = 'load'",
        ready=("UPDATE xcom SET value = '\"seed\"' WHERE dag_id = :dag AND run_id = 'writes' AND task_id = 'load'",),
        body={"value": "changed"},
    ),
    "delete XCom": Write(
        shows="SELECT count(*) FROM xcom WHERE dag_id = :dag AND key = 'gone'",
        ready=(_gone_xcom,),
        after=("DELETE FROM xcom WHERE key = 'gone'",),
    ),
    "store task state": Write(
        shows="SELECT count(*) FROM task_state_store WHERE dag_id = :dag AND key = 'new'",
        ready=("DELETE FROM task_state_store WHERE key = 'new'",),
        body={"value": "changed"},
        after=("DELETE FROM task_state_store WHERE key = 'new'",),
    ),
    "clear task state": Write(
        shows="SELECT count(*) FROM task_state_store WHERE dag_id = :dag AND run_id = 'writes'",
        ready=(extra_state,),
        after=("DELETE FROM task_state_store WHERE run_id = 'writes'",),
    ),
    "asset event": Write(
        shows="SELECT count(*) FROM asset_event",
        body={"asset_id": "{asset}"},
        after=("DELETE FROM asset_event WHERE source_dag_id IS NULL",),
    ),
    "materialize": Write(
        # By the number of runs: Airflow 3.1 takes no body, and gives the run an id of its own.
        shows=f"SELECT count(*) {MATERIALIZED}",
        body={"dag_run_id": "new", "logical_date": None},
        after=(f"DELETE {MATERIALIZED}",),
    ),
    "store asset state": Write(
        shows="SELECT count(*) FROM asset_state_store WHERE key = 'new'",
        ready=("DELETE FROM asset_state_store WHERE key = 'new'",),
        body={"value": "changed"},
        after=("DELETE FROM asset_state_store WHERE key = 'new'",),
    ),
    "delete queued events": Write(
        shows="SELECT count(*) FROM asset_dag_run_queue", ready=(_queued_event,), after=(_queued_event,)
    ),
    "add connection": Write(
        shows="SELECT count(*) FROM connection WHERE conn_id = 'new'",
        body={"connection_id": "new", "conn_type": "http"},
        after=("DELETE FROM connection WHERE conn_id = 'new'",),
    ),
    "change connection": Write(
        shows="SELECT host FROM connection WHERE conn_id = 'e2e'",
        ready=("UPDATE connection SET host = 'seed' WHERE conn_id = 'e2e'",),
        body={"connection_id": "e2e", "conn_type": "http", "host": "changed"},
    ),
    "delete connection": Write(
        shows="SELECT count(*) FROM connection WHERE conn_id = 'gone'",
        ready=(ADD_CONNECTION,),
        after=("DELETE FROM connection WHERE conn_id = 'gone'",),
    ),
    "add connections": Write(
        shows="SELECT count(*) FROM connection WHERE conn_id = 'new'",
        body={"actions": [{"action": "create", "entities": [{"connection_id": "new", "conn_type": "http"}]}]},
        after=("DELETE FROM connection WHERE conn_id = 'new'",),
    ),
    "add Variable": Write(
        shows="SELECT count(*) FROM variable WHERE key = 'new'",
        body={"key": "new", "value": "new"},
        after=("DELETE FROM variable WHERE key = 'new'",),
    ),
    "change Variable": Write(
        shows="SELECT val FROM variable WHERE key = 'e2e'",
        ready=("UPDATE variable SET val = 'seed', is_encrypted = false WHERE key = 'e2e'",),
        body={"key": "e2e", "value": "changed"},
    ),
    "delete Variable": Write(
        shows="SELECT count(*) FROM variable WHERE key = 'gone'",
        ready=("INSERT INTO variable (key, val, is_encrypted) VALUES ('gone', 'x', false)",),
        after=("DELETE FROM variable WHERE key = 'gone'",),
    ),
    "add Variables": Write(
        shows="SELECT count(*) FROM variable WHERE key = 'new'",
        body={"actions": [{"action": "create", "entities": [{"key": "new", "value": "new"}]}]},
        after=("DELETE FROM variable WHERE key = 'new'",),
    ),
    # The list route that creates may also overwrite: that is an update of what exists.
    "overwrite Variables": Write(
        shows="SELECT val FROM variable WHERE key = 'e2e'",
        ready=("UPDATE variable SET val = 'seed', is_encrypted = false WHERE key = 'e2e'",),
        body={
            "actions": [
                {
                    "action": "create",
                    "action_on_existence": "overwrite",
                    "entities": [{"key": "e2e", "value": "changed"}],
                }
            ]
        },
    ),
    "add pool": Write(
        shows="SELECT count(*) FROM slot_pool WHERE pool = 'new'",
        body={"name": "new", "slots": 1},
        after=("DELETE FROM slot_pool WHERE pool = 'new'",),
    ),
    "change pool": Write(
        shows="SELECT slots FROM slot_pool WHERE pool = 'e2e'",
        ready=("UPDATE slot_pool SET slots = 1 WHERE pool = 'e2e'",),
        body={"pool": "e2e", "slots": 7, "include_deferred": False},
    ),
    "delete pool": Write(
        shows="SELECT count(*) FROM slot_pool WHERE pool = 'gone'",
        ready=("INSERT INTO slot_pool (pool, slots, include_deferred) VALUES ('gone', 1, false)",),
        after=("DELETE FROM slot_pool WHERE pool = 'gone'",),
    ),
    "add pools": Write(
        shows="SELECT count(*) FROM slot_pool WHERE pool = 'new'",
        body={"actions": [{"action": "create", "entities": [{"name": "new", "slots": 1}]}]},
        after=("DELETE FROM slot_pool WHERE pool = 'new'",),
    ),
}
