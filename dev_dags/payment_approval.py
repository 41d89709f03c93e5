"""Team finance: a person has to approve before the money leaves (a human-in-the-loop task)."""

from __future__ import annotations

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import dag, task


@dag(schedule=None, tags=["team:finance"], catchup=False, description="Pays only what somebody has approved.")
def payment_approval() -> None:
    @task
    def propose() -> float:
        return 1658.4

    @task
    def pay(amount: float) -> None:
        print(f"paid {amount}")

    amount = propose()
    approve = ApprovalOperator(
        task_id="approve",
        subject="Pay this month's invoices?",
        body="{{ ti.xcom_pull(task_ids='propose') }} euros leave the account.",
    )
    amount >> approve >> pay(amount)


payment_approval()
