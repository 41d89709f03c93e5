"""The Dag whose tags and grants the freshness tests change."""

from shape import standard_dag

dag = standard_dag("fresh", ["team:fresh"])
