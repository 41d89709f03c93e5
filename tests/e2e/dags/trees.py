"""The shape of the Dags of the route tests: whatever belongs to one has the Dag's id in it, and nothing else has."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, Asset, TaskGroup

try:
    from airflow.sdk import AsyncCallback, DeadlineAlert, DeadlineReference
    from airflow.sdk.definitions.timetables.assets import AssetOrTimeSchedule
    from airflow.sdk.definitions.timetables.interval import CronDataIntervalTimetable
except ImportError:  # Airflow 3.1, which has deadlines but no route that shows them
    DeadlineAlert = None
    from airflow.timetables.assets import AssetOrTimeSchedule
    from airflow.timetables.interval import CronDataIntervalTimetable

# Each waits for what the one before makes, and starts the next: edges between any two neighbours of the ring.
RING = ("alder", "birch", "cedar", "dogwood")


async def on_miss() -> None:
    """What a deadline would call."""


def deadline_of(dag_id: str) -> DeadlineAlert | None:
    """A deadline that every run has missed."""
    if DeadlineAlert is None:
        return None
    # An alert has a name from Airflow 3.3 on.
    named = {"name": f"alert of {dag_id}"} if "name" in inspect.signature(DeadlineAlert).parameters else {}
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(hours=1),
        callback=AsyncCallback("trees.on_miss"),
        **named,
    )


def tree(dag_id: str, tags: list[str]) -> DAG:
    """A Dag with the tasks of the other test Dags, a mapped task, a group, an asset on both sides, and a deadline."""
    place = RING.index(dag_id)
    made, awaited = (Asset(f"timber-{number}", uri=f"s3://e2e/timber-{number}") for number in (place, (place - 1) % 4))
    daily = CronDataIntervalTimetable("@daily", timezone="UTC")
    with DAG(
        dag_id=dag_id,
        tags=tags,
        schedule=AssetOrTimeSchedule(timetable=daily, assets=[awaited]),
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        deadline=deadline_of(dag_id),
    ) as dag:
        load = EmptyOperator(task_id="load", outlets=[made])
        EmptyOperator(task_id="extract") >> EmptyOperator(task_id="transform") >> load
        ApprovalOperator(task_id="ask", subject=f"May {dag_id} go on?")
        BashOperator.partial(task_id="mapped", doc=f"mapped of {dag_id}").expand(bash_command=["true", "false"])
        with TaskGroup("group"):
            EmptyOperator(task_id=f"member-of-{dag_id}")
        TriggerDagRunOperator(task_id="next", trigger_dag_id=RING[(place + 1) % 4])
    return dag
