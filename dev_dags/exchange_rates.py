"""Shared: carries the tags of both teams, so the people of both see it and nobody else does."""

from __future__ import annotations

from airflow.sdk import dag, task


@dag(
    schedule=None,
    tags=["team:analytics", "team:finance"],
    catchup=False,
    description="The day's exchange rates, for analytics and finance alike.",
)
def exchange_rates() -> None:
    @task
    def fetch() -> dict[str, float]:
        return {"EUR": 1.0, "USD": 1.08, "CHF": 0.94}

    @task
    def store(rates: dict[str, float]) -> None:
        print(", ".join(f"{currency} {rate}" for currency, rate in sorted(rates.items())))

    store(fetch())


exchange_rates()
