"""A Dag of Team ops, on a schedule, which backfills need."""

from shape import standard_dag

dag = standard_dag("ops_sync", ["team:ops"], schedule="@daily")
