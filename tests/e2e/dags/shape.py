"""The one shape of the test Dags, so that every kind of row exists on every Dag."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG


def standard_dag(dag_id: str, tags: list[str], *, schedule=None, outlets=(), assigned_users=None) -> DAG:
    """A Dag of four tasks: three in a row, and one that waits for a person."""
    # The explicit start date keeps backfills possible; nothing here is ever run by a scheduler.
    with DAG(
        dag_id=dag_id, tags=tags, schedule=schedule, start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False
    ) as dag:
        load = EmptyOperator(task_id="load", outlets=list(outlets))
        EmptyOperator(task_id="extract") >> EmptyOperator(task_id="transform") >> load
        ApprovalOperator(task_id="ask", subject=f"May {dag_id} go on?", assigned_users=assigned_users)
    return dag
