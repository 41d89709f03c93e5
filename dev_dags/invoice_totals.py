"""Team finance: hands amounts from task to task as XComs. They are worth hiding: not every role may read them."""

from __future__ import annotations

from airflow.sdk import dag, task


@dag(schedule=None, tags=["team:finance"], catchup=False, description="Adds up invoices; its XComs hold the amounts.")
def invoice_totals() -> None:
    @task
    def fetch_invoices() -> dict[str, float]:
        return {"INV-1": 1250.0, "INV-2": 310.4, "INV-3": 98.0}

    @task(multiple_outputs=True)
    def total(invoices: dict[str, float]) -> dict[str, float]:
        net = sum(invoices.values())
        return {"net": net, "tax": round(net * 0.19, 2)}

    @task
    def book(net: float, tax: float) -> None:
        print(f"booked {net} net and {tax} tax")

    amounts = total(fetch_invoices())
    book(amounts["net"], amounts["tax"])


invoice_totals()
