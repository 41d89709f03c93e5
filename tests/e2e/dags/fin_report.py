"""A Dag of Team finance; its second tag is the id of another Dag."""

from shape import standard_dag

dag = standard_dag("fin_report", ["team:finance", "report"])
