"""A Dag of Team finance whose question is for one named person only."""

from airflow.sdk.execution_time.hitl import HITLUser
from shape import standard_dag

dag = standard_dag(
    "approval",
    ["team:finance"],
    assigned_users=[HITLUser(id="tag.author@example.com", name="Tag Author")],
)
