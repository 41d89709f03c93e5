"""Team analytics: loads the day's orders and says so to every Dag that waits for them."""

from __future__ import annotations

from airflow.sdk import Asset, dag, task

ORDERS = Asset(name="orders", uri="file:///warehouse/orders.parquet")


@dag(schedule=None, tags=["team:analytics"], catchup=False, description="Loads orders, which starts `orders_report`.")
def orders_ingest() -> None:
    @task
    def extract() -> list[dict[str, object]]:
        return [
            {"order": 1001, "region": "north", "amount": 120.0},
            {"order": 1002, "region": "south", "amount": 80.5},
            {"order": 1003, "region": "north", "amount": 42.0},
        ]

    @task(outlets=[ORDERS])
    def load(orders: list[dict[str, object]]) -> int:
        print(f"loaded {len(orders)} orders")
        return len(orders)

    load(extract())


orders_ingest()
