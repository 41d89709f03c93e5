"""Keeps an import error of a file to the Dags of its bundle.

Airflow 3.1 marks the Dags of every bundle that have the path of the file as stale, and stores the file's bundle for
them: a broken file, or one that is refused, would take the Dags of the same path from another bundle.
"""

from __future__ import annotations

from airflow.models import DagModel
from sqlalchemy import Update, event, inspect
from sqlalchemy.orm import ORMExecuteState, Session


def install() -> None:
    """Look at what the sessions of this process change."""
    event.listen(Session, "do_orm_execute", _keep_to_bundle)


def _keep_to_bundle(state: ORMExecuteState) -> None:
    statement = state.statement
    if isinstance(statement, Update) and state.bind_mapper is inspect(DagModel):
        values = statement.compile().params
        if "has_import_errors" in values and "bundle_name" in values:
            state.statement = statement.where(DagModel.bundle_name == values["bundle_name"])
