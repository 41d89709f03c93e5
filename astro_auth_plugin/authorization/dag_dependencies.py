"""Which Dags are next to which: those that a Dag starts or waits for, as Airflow's graphs show them."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Any

from airflow.models.serialized_dag import SerializedDagModel


def next_to(dag_id: str) -> set[str]:
    """Return the Dags that a Dag starts, is started by, or waits for, as far as Airflow has parsed them."""
    found: set[str] = set()
    for owner, dependencies in _dependencies().items():
        near = [each for each in dependencies if dag_id in (owner, each.target)]
        found |= _dags_at(near) | ({owner} if near else set())
    return found - {dag_id}


def without_outsiders(dag_ids: AbstractSet[str]) -> set[str]:
    """Return those of the Dags that start and wait for no Dag but these."""
    dependencies = _dependencies()
    return {dag_id for dag_id in dag_ids if _dags_at(dependencies.get(dag_id, ())) <= dag_ids}


def _dependencies() -> dict[str, list[Any]]:
    return SerializedDagModel.get_dag_dependencies()


def _dags_at(dependencies: Iterable[Any]) -> set[str]:
    """Return the Dags at the ends; an end that is no Dag is the dependency's type, or has a `:`."""
    ends = {(end, each.dependency_type) for each in dependencies for end in (each.source, each.target)}
    return {end for end, kind in ends if end != kind and ":" not in end}
