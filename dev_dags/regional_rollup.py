"""Team analytics: one mapped task for each region, so a run has task instances with map indexes."""

from __future__ import annotations

from airflow.sdk import dag, task


@dag(schedule=None, tags=["team:analytics"], catchup=False, description="Adds up each region in a task of its own.")
def regional_rollup() -> None:
    @task
    def regions() -> list[str]:
        return ["north", "south", "east", "west"]

    @task
    def roll_up(region: str) -> int:
        total = sum(ord(letter) for letter in region)
        print(f"{region}: {total}")
        return total

    @task
    def compare(totals: list[int]) -> int:
        return max(totals)

    compare(roll_up.expand(region=regions()))


regional_rollup()
