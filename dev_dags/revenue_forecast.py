"""Team analytics: reads the Variable `forecast_growth_percent`, so whoever may edit Variables changes its result."""

from __future__ import annotations

from airflow.sdk import Variable, dag, task


@dag(
    schedule=None,
    tags=["team:analytics"],
    catchup=False,
    description="Next year's revenue; the Variable forecast_growth_percent says how fast it grows.",
)
def revenue_forecast() -> None:
    @task
    def forecast(revenue: float) -> float:
        growth = float(Variable.get("forecast_growth_percent", default=3))
        expected = round(revenue * (1 + growth / 100), 2)
        print(f"{revenue} grows by {growth} % to {expected}")
        return expected

    forecast(242.5)


revenue_forecast()
