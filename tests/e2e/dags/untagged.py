"""A Dag that no tag reaches."""

from shape import standard_dag

dag = standard_dag("untagged", [])
