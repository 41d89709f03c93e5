"""Team finance: fails each time, so there is a failed run with a log to read and a task to clear."""

from __future__ import annotations

from airflow.exceptions import AirflowFailException
from airflow.sdk import dag, task


@dag(schedule=None, tags=["team:finance"], catchup=False, description="Compares ledger and bank. They never agree.")
def ledger_reconciliation() -> None:
    @task
    def read_ledger() -> float:
        return 1658.4

    @task
    def read_bank() -> float:
        return 1660.0

    @task
    def compare(ledger: float, bank: float) -> None:
        if ledger != bank:
            message = f"the ledger says {ledger}, the bank {bank}"
            raise AirflowFailException(message)

    compare(read_ledger(), read_bank())


ledger_reconciliation()
