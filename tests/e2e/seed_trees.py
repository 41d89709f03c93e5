"""Rows of the Dags of the route tests beyond those that every Dag has; run by seed.py.

What an older Airflow has no table for is left out.
"""

from __future__ import annotations

import importlib
import uuid
from datetime import UTC, datetime
from typing import Any

from airflow.models.asset import AssetAliasModel, AssetDagRunQueue, AssetEvent, AssetModel, DagScheduleAssetReference
from airflow.models.dagrun import DagRun
from airflow.models.errors import ParseImportError
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskinstancehistory import TaskInstanceHistory
from sqlalchemy import select

TREES = ("alder", "birch", "cedar", "dogwood")
WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def model(module: str, name: str) -> Any:
    """A model that not every Airflow has, or None."""
    try:
        return getattr(importlib.import_module(f"airflow.models.{module}"), name, None)
    except ImportError:
        return None


def add_tree_rows(session) -> None:
    """Adds, for each of the Dags: a second try, asset rows, stored state, a pending partition."""
    session.add(AssetAliasModel(name="e2e-alias", group="asset"))
    for name in ("alder.py", "grove.py"):
        trees = "alder" if name == "alder.py" else "cedar dogwood"
        error = ParseImportError(filename=name, bundle_name="dags-folder", stacktrace=f"trace of {trees}")
        error.timestamp = WHEN
        session.add(error)
    session.flush()
    for dag_id in TREES:
        add_tries(dag_id, session)
        add_asset_rows(dag_id, session)
        add_stored_state(dag_id, session)
        add_deadlines(dag_id, session)


def add_tries(dag_id: str, session) -> None:
    """Adds an earlier try of one task instance of the first run."""
    instance = session.scalar(select(TaskInstance).filter_by(dag_id=dag_id, run_id="done", task_id="load"))
    earlier = TaskInstanceHistory(instance, state="failed")
    # Text in Airflow 3.1, a UUID later.
    earlier.task_instance_id = type(instance.id)(str(uuid.uuid4()))
    instance.try_number = 2
    session.add(earlier)


def add_asset_rows(dag_id: str, session) -> None:
    """Adds an event that the Dag waits for, made by the Dag before it; a run that it started; a queued and a partial one."""
    waits = session.scalar(select(DagScheduleAssetReference).filter_by(dag_id=dag_id))
    asset = session.get(AssetModel, waits.asset_id)
    source = TREES[TREES.index(dag_id) - 1]
    run = session.scalar(select(DagRun).filter_by(dag_id=dag_id, run_id="done"))
    event = AssetEvent(
        asset_id=asset.id, source_dag_id=source, source_task_id="load", source_run_id="done", extra={"of": source}
    )
    event.created_dagruns.append(run)
    session.add_all([event, AssetDagRunQueue(asset_id=asset.id, target_dag_id=dag_id)])
    partition = model("asset", "AssetPartitionDagRun")
    if partition is not None:
        session.add(partition(target_dag_id=dag_id, partition_key=f"part-of-{dag_id}"))


def add_stored_state(dag_id: str, session) -> None:
    """Adds what a task of the Dag has stored for itself, and for the asset that the Dag makes."""
    of_task, of_asset = (
        model("task_state_store", "TaskStateStoreModel"),
        model("asset_state_store", "AssetStateStoreModel"),
    )
    run = session.scalar(select(DagRun).filter_by(dag_id=dag_id, run_id="done"))
    if of_task is not None:
        session.add(
            of_task(dag_run_id=run.id, dag_id=dag_id, run_id="done", task_id="load", key="e2e", value=f'"of {dag_id}"')
        )
    if of_asset is not None:
        asset = session.scalar(select(AssetModel).filter_by(name=f"timber-{TREES.index(dag_id)}"))
        session.add(of_asset(asset_id=asset.id, key="e2e", value=f'"of {dag_id}"', last_updated_by_dag_id=dag_id))


def add_deadlines(dag_id: str, session) -> None:
    """Adds a deadline to the run that no test clears: Airflow 3.3 fails to clear a run that has one."""
    deadline, alert = model("deadline", "Deadline"), model("deadline_alert", "DeadlineAlert")
    if alert is None:
        return
    from airflow.sdk import AsyncCallback  # Airflow 3.1 has it elsewhere

    serialized = session.scalar(select(SerializedDagModel).filter_by(dag_id=dag_id))
    found = session.scalar(select(alert).filter_by(serialized_dag_id=serialized.id))
    for run in session.scalars(select(DagRun).filter_by(dag_id=dag_id, run_id="done")).all():
        session.add(deadline(WHEN, AsyncCallback("trees.on_miss"), run.id, found and found.id, dag_id))
