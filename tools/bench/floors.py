"""The floor: the same facts read with nothing around it, by SQLAlchemy or from memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from tools.bench.data import GRANTED, dags, questions


def floor(name: str, size: int) -> tuple[Callable[[], Any], int]:
    """Return what to run, and how many times it does the thing."""
    requested = questions(size)
    runs: dict[str, tuple[Callable[[], Any], int]] = {
        "floor_tags_of_dag": (lambda: [_tags_by_core(dag_id) for dag_id in requested], len(requested)),
        "floor_tags_of_dag_orm": (lambda: [_tags_by_orm(dag_id) for dag_id in requested], len(requested)),
        "floor_all": (_all_ids, 1),
        "floor_tagged": (_tagged_ids, 1),
        "floor_decision": (lambda: _decide(_tags(size), requested), len(requested)),
        "floor_set": (lambda: _look_up(_tags(size), requested), len(requested)),
    }
    return runs[name]


@cache
def _tags(size: int) -> dict[str, frozenset[str]]:
    return {dag.id: frozenset(dag.tags) for dag in dags(size)}


_GRANTED = frozenset(GRANTED)


def _decide(tags: dict[str, frozenset[str]], requested: list[str]) -> list[bool]:
    return [not tags[dag_id].isdisjoint(_GRANTED) for dag_id in requested]


def _look_up(tags: dict[str, frozenset[str]], requested: list[str]) -> list[bool]:
    return [dag_id in tags for dag_id in requested]


def _tags_by_core(dag_id: str) -> set[str]:
    from airflow import settings  # noqa: PLC0415 - configured by now
    from airflow.models.dag import DagTag  # noqa: PLC0415 - as above
    from sqlalchemy import select  # noqa: PLC0415 - as above

    assert settings.engine is not None
    with settings.engine.connect() as connection:
        return set(connection.scalars(select(DagTag.name).where(DagTag.dag_id == dag_id)))


def _tags_by_orm(dag_id: str) -> set[str]:
    from airflow.models.dag import DagTag  # noqa: PLC0415 - configured by now
    from airflow.utils.session import create_session  # noqa: PLC0415 - as above
    from sqlalchemy import select  # noqa: PLC0415 - as above

    with create_session() as session:
        return set(session.scalars(select(DagTag.name).where(DagTag.dag_id == dag_id)))


def _all_ids() -> set[str]:
    from airflow.models.dag import DagModel  # noqa: PLC0415 - configured by now
    from airflow.utils.session import create_session  # noqa: PLC0415 - as above
    from sqlalchemy import select  # noqa: PLC0415 - as above

    with create_session() as session:
        return set(session.scalars(select(DagModel.dag_id)))


def _tagged_ids() -> set[str]:
    from airflow.models.dag import DagTag  # noqa: PLC0415 - configured by now
    from airflow.utils.session import create_session  # noqa: PLC0415 - as above
    from sqlalchemy import select  # noqa: PLC0415 - as above

    with create_session() as session:
        return set(session.scalars(select(DagTag.dag_id).where(DagTag.name.in_(GRANTED))))
