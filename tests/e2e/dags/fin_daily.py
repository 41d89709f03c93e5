"""A Dag of Team finance, on a schedule, which backfills need."""

from shape import standard_dag

dag = standard_dag("fin_daily", ["team:finance", "daily"], schedule="@daily")
