"""For each route that changes something: changes that would succeed, and where they show.

`expected_writes.txt` and `writes.py` describe most of them; what they lack stands here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .database import Database
from .tables import BEFORE_3_2
from .writes import ADD_CONNECTION, BACKFILL, CLOSE_BACKFILL, RESET_TASK, WRITES, Write, extra_state

_DAG = "/api/v2/dags/{dag_id}"
_RUN = f"{_DAG}/dagRuns/{{dag_run_id}}"
_TI = f"{_RUN}/taskInstances/{{task_id}}"
_STATE = f"{_TI}/state-store"
_XCOMS = f"{_TI}/xcomEntries"
_WRITES, _CLEARED, _GONE = ({"dag_run_id": name} for name in ("writes", "cleared", "gone"))
_NEW_RUNS = "FROM dag_run WHERE dag_id = :dag AND run_id NOT IN ('done', 'writes', 'cleared')"
_EXTRACT = {**_WRITES, "task_id": "extract"}
_LOAD = {**_WRITES, "task_id": "load"}


@dataclass(frozen=True)
class Change:
    """One change by one route. `shows` may be empty: then the route only tells what would happen.

    `places` are ids in its path; `needs` is set where it is not simply what the line of the route says; with
    `refused_inside` a refusal may stand in an answer of 200, or leave nothing to do.
    """

    name: str
    write: Write
    places: dict[str, str] = field(default_factory=dict)
    needs: str = ""
    refused_inside: bool = False


def _ready(name: str, **places: str) -> Change:
    return Change(name, WRITES[name], places)


def _items(action: str, entity: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"actions": [{"action": action, "entities": [entity], **more}]}


def _asset_state(database: Database, names: dict[str, Any]) -> None:
    database.run(
        "DELETE FROM asset_state_store WHERE asset_id = :asset",
        "INSERT INTO asset_state_store (asset_id, key, value, updated_at)"
        " VALUES (:asset, 'e2e', '\"seed\"', '2026-01-01 00:00:00')",
        **names,
    )


def queue_event(database: Database, names: dict[str, Any]) -> None:
    database.run(
        "DELETE FROM asset_dag_run_queue WHERE target_dag_id = :dag",
        "INSERT INTO asset_dag_run_queue (asset_id, target_dag_id, created_at)"
        " SELECT asset_id, dag_id, '2026-01-01 00:00:00' FROM dag_schedule_asset_reference WHERE dag_id = :dag",
        **names,
    )


def _state(task: str) -> str:
    return f"SELECT state FROM task_instance WHERE dag_id = :dag AND run_id = 'writes' AND task_id {task}"


def _reset(task: str) -> str:
    return f"UPDATE task_instance SET state = 'success' WHERE dag_id = :dag AND run_id = 'writes' AND task_id {task}"


_QUEUED = Write(
    shows="SELECT count(*) FROM asset_dag_run_queue WHERE target_dag_id = :dag",
    ready=(queue_event,),
    after=(queue_event,),
)
_TASK_STATE = "SELECT count(*), max(value) FROM task_state_store WHERE dag_id = :dag AND run_id = 'writes'"
_ASSET_STATE = "SELECT count(*), max(value) FROM asset_state_store WHERE asset_id = :asset"
_MAPPED = "= 'mapped' AND map_index = 0"
_MEMBER = "LIKE 'group.%'"
_PAUSED = "SELECT is_paused FROM backfill WHERE id = :open_backfill"
_OPEN = "UPDATE backfill SET completed_at = NULL, is_paused = {} WHERE id = :open_backfill"
_DRY = {"dry_run": True}


def _pause(paused: str) -> Write:
    return Write(shows=_PAUSED, ready=(_OPEN.format(paused),), after=(CLOSE_BACKFILL,))


def _of_batches() -> dict[str, list[Change]]:
    """The batches of connections, Variables and pools."""
    return {
        "PATCH /api/v2/connections": [
            Change("create", WRITES["add connections"], needs="connection.create"),
            Change(
                "update",
                Write(
                    shows=WRITES["change connection"].shows,
                    ready=WRITES["change connection"].ready,
                    body=_items("update", {"connection_id": "e2e", "conn_type": "http", "host": "changed"}),
                ),
                needs="connection.update",
            ),
            Change(
                "overwrite",
                Write(
                    shows=WRITES["change connection"].shows,
                    ready=WRITES["change connection"].ready,
                    body=_items(
                        "create",
                        {"connection_id": "e2e", "conn_type": "http", "host": "changed"},
                        action_on_existence="overwrite",
                    ),
                ),
                needs="connection.create connection.update",
            ),
            Change(
                "delete",
                Write(
                    shows="SELECT count(*) FROM connection WHERE conn_id = 'gone'",
                    ready=(ADD_CONNECTION,),
                    body={"actions": [{"action": "delete", "entities": ["gone"]}]},
                    after=("DELETE FROM connection WHERE conn_id = 'gone'",),
                ),
                needs="connection.delete",
            ),
        ],
        "PATCH /api/v2/variables": [
            Change("create", WRITES["add Variables"], needs="variable.create"),
            Change("overwrite", WRITES["overwrite Variables"], needs="variable.create variable.update"),
            Change(
                "update",
                Write(
                    shows=WRITES["change Variable"].shows,
                    ready=WRITES["change Variable"].ready,
                    body=_items("update", {"key": "e2e", "value": "changed"}),
                ),
                needs="variable.update",
            ),
            Change(
                "delete",
                Write(
                    shows=WRITES["delete Variable"].shows,
                    ready=WRITES["delete Variable"].ready,
                    body={"actions": [{"action": "delete", "entities": ["gone"]}]},
                    after=WRITES["delete Variable"].after,
                ),
                needs="variable.delete",
            ),
        ],
        "PATCH /api/v2/pools": [
            Change("create", WRITES["add pools"], needs="pool.create"),
            Change(
                "update",
                Write(
                    shows=WRITES["change pool"].shows,
                    ready=WRITES["change pool"].ready,
                    body=_items("update", {"name": "e2e", "slots": 7, "include_deferred": False}),
                ),
                needs="pool.update",
            ),
            Change(
                "overwrite",
                Write(
                    shows=WRITES["change pool"].shows,
                    ready=WRITES["change pool"].ready,
                    body=_items("create", {"name": "e2e", "slots": 7}, action_on_existence="overwrite"),
                ),
                needs="pool.create pool.update",
            ),
            Change(
                "delete",
                Write(
                    shows=WRITES["delete pool"].shows,
                    ready=WRITES["delete pool"].ready,
                    body={"actions": [{"action": "delete", "entities": ["gone"]}]},
                    after=WRITES["delete pool"].after,
                ),
                needs="pool.delete",
            ),
        ],
    }


def _of_objects() -> dict[str, list[Change]]:
    """What concerns the whole Deployment."""
    found = {
        f"{method} /api/v2/{path}": [_ready(name, **places)]
        for name, method, path, places in (
            ("add connection", "POST", "connections", {}),
            ("change connection", "PATCH", "connections/{connection_id}", {}),
            ("delete connection", "DELETE", "connections/{connection_id}", {"connection_id": "gone"}),
            ("add Variable", "POST", "variables", {}),
            ("change Variable", "PATCH", "variables/{variable_key:path}", {}),
            ("delete Variable", "DELETE", "variables/{variable_key:path}", {"variable_key": "gone"}),
            ("add pool", "POST", "pools", {}),
            ("change pool", "PATCH", "pools/{pool_name:path}", {}),
            ("delete pool", "DELETE", "pools/{pool_name:path}", {"pool_name": "gone"}),
            ("asset event", "POST", "assets/events", {}),
        )
    }
    queued = "SELECT count(*) FROM asset_dag_run_queue WHERE asset_id = :asset"
    stored = Write(shows=_ASSET_STATE, ready=(_asset_state,), body={"value": "changed"}, after=(_asset_state,))
    gone = Write(shows=_ASSET_STATE, ready=(_asset_state,), after=(_asset_state,))
    made = Write(
        # By the number of runs: Airflow 3.1 takes no body, and gives the run an id of its own.
        shows=f"SELECT count(*) {_NEW_RUNS}",
        body={"dag_run_id": "new", "logical_date": None},
        after=(f"DELETE {_NEW_RUNS}",),
    )
    defaults = Write(
        shows="SELECT count(*) > 10 FROM connection",
        ready=("DELETE FROM connection WHERE conn_id <> 'e2e'",),
        after=("DELETE FROM connection WHERE conn_id <> 'e2e'",),
    )
    return found | {
        "POST /api/v2/assets/{asset_id}/materialize": [Change("materialize", made)],
        "DELETE /api/v2/assets/{asset_id}/queuedEvents": [
            Change(
                "delete queued events",
                Write(
                    shows=queued, ready=WRITES["delete queued events"].ready, after=WRITES["delete queued events"].after
                ),
                needs="datasets.delete dag.get dag.update",
            )
        ],
        "PUT /api/v2/assets/{asset_id}/state-store/{key:path}": [Change("store", stored)],
        "DELETE /api/v2/assets/{asset_id}/state-store/{key:path}": [Change("delete", gone)],
        "DELETE /api/v2/assets/{asset_id}/state-store": [Change("clear", gone)],
        "POST /api/v2/connections/defaults": [Change("defaults", defaults)],
    }


def _of_dags() -> dict[str, list[Change]]:
    """What concerns a Dag or its runs."""
    favourite = Write(
        shows="SELECT count(*) FROM dag_favorite WHERE dag_id = :dag",
        ready=("DELETE FROM dag_favorite",),
        after=("DELETE FROM dag_favorite",),
    )
    unpaused = "UPDATE dag SET is_paused = false WHERE dag_id = :dag OR dag_id IN ('alder', 'birch')"
    paused = Write(
        shows="SELECT is_paused FROM dag WHERE dag_id = :dag",
        ready=(unpaused,),
        body={"is_paused": True},
        after=(unpaused,),
    )
    favoured = Write(
        shows="SELECT count(*) FROM dag_favorite WHERE dag_id = :dag",
        ready=(
            "DELETE FROM dag_favorite",
            "INSERT INTO dag_favorite (user_id, dag_id) SELECT CAST(id AS VARCHAR(20)), :dag FROM ab_user",
        ),
        after=("DELETE FROM dag_favorite",),
    )
    return {
        "PATCH /api/v2/dags": [Change("pause", paused, refused_inside=True)],
        "PUT /api/v2/parseDagFile/{file_token}": [_ready("reparse")],
        f"POST {_DAG}/unfavorite": [Change("unfavourite", favoured)],
        "PATCH /api/v2/dags/{dag_id}": [_ready("pause")],
        "DELETE /api/v2/dags/{dag_id}": [_ready("delete Dag", dag_id="{gone_dag}")],
        f"POST {_DAG}/favorite": [Change("favourite", favourite)],
        f"POST {_DAG}/dagRuns": [_ready("trigger")],
        f"PATCH {_RUN}": [_ready("mark run", **_WRITES), _ready("note on run", **_WRITES)],
        f"DELETE {_RUN}": [_ready("delete run", **_GONE)],
        f"POST {_RUN}/clear": [_ready("clear run", **_CLEARED)],
        f"POST {_DAG}/clearDagRuns": [_ready("clear runs")],
        f"PATCH {_DAG}/dagRuns": [
            Change("update", WRITES["mark runs"], needs="dagRun.update"),
            Change(
                "delete",
                Write(
                    shows=WRITES["delete run"].shows,
                    ready=WRITES["delete run"].ready,
                    body=_items("delete", {"dag_run_id": "gone"}),
                    after=WRITES["delete run"].after,
                ),
                needs="dagRun.delete",
            ),
        ],
        "POST /api/v2/backfills": [
            _ready("backfill"),
            Change("again", WRITES["backfill again"], needs="dagRun.create dagRun.update"),
        ],
        "POST /api/v2/backfills/dry_run": [Change("dry run", Write(shows="", body=BACKFILL))],
        "PUT /api/v2/backfills/{backfill_id}/cancel": [_ready("cancel backfill", backfill_id="{open_backfill}")],
        "PUT /api/v2/backfills/{backfill_id}/pause": [
            Change("pause", _pause("false"), {"backfill_id": "{open_backfill}"})
        ],
        "PUT /api/v2/backfills/{backfill_id}/unpause": [
            Change("unpause", _pause("true"), {"backfill_id": "{open_backfill}"})
        ],
        f"DELETE {_DAG}/assets/queuedEvents": [Change("delete", _QUEUED, needs="dag.update")],
        f"DELETE {_DAG}/assets/{{asset_id}}/queuedEvents": [
            Change("delete", _QUEUED, {"asset_id": "{awaited}"}, needs="dag.update")
        ],
    }


def _of_tasks() -> dict[str, list[Change]]:
    """What concerns task instances."""
    mapped = Write(
        shows=_state(_MAPPED), ready=(_reset(_MAPPED),), body={"new_state": "failed"}, after=(_reset(_MAPPED),)
    )
    member = Write(
        shows=_state(_MEMBER), ready=(_reset(_MEMBER),), body={"new_state": "failed"}, after=(_reset(_MEMBER),)
    )
    dry = Write(shows="", ready=(RESET_TASK,), body={"new_state": "failed"})
    state = Write(shows=_TASK_STATE, ready=(extra_state,), body={"value": "changed"}, after=(extra_state,))
    gone = Write(shows=_TASK_STATE, ready=(extra_state,), after=(extra_state,))
    group = f"{_RUN}/taskGroupInstances/{{group_id}}"
    # Airflow 3.1 asks once for all items, whatever they do.
    one_of_many = "taskInstance.update taskInstance.delete" if BEFORE_3_2 else "taskInstance.update"
    return {
        f"POST {_DAG}/clearTaskInstances": [_ready("clear task")],
        f"PATCH {_RUN}/taskInstances": [
            Change("update", WRITES["mark tasks"], _WRITES, needs=one_of_many),
            Change(
                "delete",
                Write(
                    shows=WRITES["delete task instance"].shows,
                    ready=WRITES["delete task instance"].ready,
                    body=_items("delete", {"task_id": "gone"}),
                    after=WRITES["delete task instance"].after,
                ),
                _WRITES,
                needs="taskInstance.update taskInstance.delete",
                refused_inside=True,
            ),
        ],
        f"PATCH {_TI}": [_ready("mark task", **_EXTRACT), _ready("note on task", **_EXTRACT)],
        f"DELETE {_TI}": [_ready("delete task instance", **_WRITES, task_id="gone")],
        f"PATCH {_TI}/dry_run": [Change("dry run", dry, _EXTRACT)],
        f"PATCH {_TI}/{{map_index}}": [Change("mark", mapped, {**_WRITES, "task_id": "mapped"})],
        f"PATCH {_TI}/{{map_index}}/dry_run": [
            Change("dry run", Write("", mapped.ready, mapped.body), {**_WRITES, "task_id": "mapped"})
        ],
        f"PATCH {group}": [Change("mark", member, _WRITES)],
        f"PATCH {group}/dry_run": [Change("dry run", Write("", member.ready, member.body), _WRITES)],
        f"PATCH {_TI}/{{map_index}}/hitlDetails": [_ready("answer question", **_WRITES, task_id="ask", map_index="-1")],
        f"PUT {_STATE}/{{key:path}}": [Change("store", state, _LOAD)],
        f"PATCH {_STATE}/{{key:path}}": [
            Change(
                "change",
                state,
                _LOAD,
            )
        ],
        f"DELETE {_STATE}/{{key:path}}": [Change("delete", gone, _LOAD)],
        f"DELETE {_STATE}": [Change("clear", gone, _LOAD)],
        f"POST {_XCOMS}": [_ready("add XCom", **_LOAD)],
        f"PATCH {_XCOMS}/{{xcom_key:path}}": [_ready("change XCom", **_LOAD)],
        f"DELETE {_XCOMS}/{{xcom_key:path}}": [_ready("delete XCom", **_LOAD, xcom_key="gone")],
    }


CHANGES: dict[str, list[Change]] = {**_of_batches(), **_of_objects(), **_of_dags(), **_of_tasks()}
"""The changes of each route, by the route's name."""

NOT_TRIED = (
    # These need a partitioned Dag, and an option that Airflow leaves off.
    "POST /api/v2/dags/{dag_id}/clearPartitions",
    "POST /api/v2/connections/test",
    "POST /api/v2/connections/enqueue-test",
)
"""Routes that change something and for which nothing is made ready: only refusals are tested there."""
