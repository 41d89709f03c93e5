"""What FAB's own authorization would use: its roles, and `access_control` of Dags."""

from __future__ import annotations

from collections.abc import Iterable

from airflow.models.serialized_dag import SerializedDagModel
from airflow.providers.fab.auth_manager.models import Role
from airflow.utils.session import create_session
from sqlalchemy import select


def read_dags_with_access_control() -> list[str]:
    """Return the ids of the Dags that set `access_control` in the version that was stored last."""
    found: dict[str, bool] = {}
    statement = select(SerializedDagModel).order_by(SerializedDagModel.created_at)
    with create_session(scoped=False) as session:
        for stored in session.scalars(statement.execution_options(yield_per=100)):
            # Airflow stores it compressed, if configured so, in a form that only it can read.
            found[stored.dag_id] = bool(((stored.data or {}).get("dag") or {}).get("access_control"))
            session.expunge(stored)
    return [dag_id for dag_id, is_set in found.items() if is_set]


def read_role_names() -> set[str]:
    """Return the names of FAB's roles."""
    with create_session(scoped=False) as session:
        names: Iterable[str] = session.scalars(select(Role.name))
        return set(names)
