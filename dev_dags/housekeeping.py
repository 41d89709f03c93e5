"""Nobody's: has no tag, so only a Deployment-wide role or a grant on its id reaches it."""

from __future__ import annotations

from airflow.sdk import dag, task


@dag(schedule=None, catchup=False, description="Removes old files. It has no tag.")
def housekeeping() -> None:
    @task
    def find_old_files() -> list[str]:
        return ["orders-2024.parquet", "orders-2025.parquet"]

    @task
    def remove(files: list[str]) -> int:
        for name in files:
            print(f"would remove {name}")
        return len(files)

    remove(find_old_files())


housekeeping()
