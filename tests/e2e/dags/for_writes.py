"""The two Dags that the write tests change, one of each Team."""

from shape import standard_dag

finance = standard_dag("fin_writes", ["team:finance"], schedule="@daily")
ops = standard_dag("ops_writes", ["team:ops"], schedule="@daily")
