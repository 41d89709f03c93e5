"""A Dag of both Teams."""

from shape import standard_dag

dag = standard_dag("shared_calendar", ["team:finance", "team:ops", "shared"])
