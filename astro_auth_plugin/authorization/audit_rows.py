"""Rows that Airflow adds to its audit log for a request, kept from naming another Dag, run or task than the request's.

Airflow takes `dag_id`, `run_id` and `task_id` from the query and from the body over those of the path, so any user who
may write something could add rows to the log of any Dag, and leave none in the log of the own one. The rule is kept
where SQLAlchemy writes the row: by then it does not matter in which form the caller has sent what.
"""

from __future__ import annotations

import logging
from typing import Any

from airflow.models.log import Log
from airflow.utils.session import create_session
from sqlalchemy import delete, event

from astro_auth_plugin.runtime.request_context import RequestContext, current_request

log = logging.getLogger(__name__)

# Its Dag is in the body, and Airflow reads it nowhere else.
_BACKFILL_CREATE = "POST /api/v2/backfills"

_RUN_WORDS = ("run_id", "dag_run_id")


def install() -> None:
    """Correct the rows of this process, from now on. Twice does it once."""
    for name, listener in (("before_insert", _on_insert), ("after_insert", _after_insert)):
        if not event.contains(Log, name, listener):
            event.listen(Log, name, listener)


def take_back(context: RequestContext) -> None:
    """Delete the rows of a request that was refused.

    On some routes Airflow writes them before it asks whether the request is allowed, and they look like a change that
    was made. Any user could fill the log of any Dag. `astro_auth.refused` says who tried what. Never raises.
    """
    try:
        with create_session(scoped=False) as session:
            session.execute(delete(Log).where(Log.id.in_(context.log_rows)))
    except Exception:
        log.exception("Could not delete the audit log's rows of a refused request")


def _is_of_route(context: RequestContext, row: Log) -> bool:
    # Airflow calls the row like the function that serves the route; all others say themselves what they are about.
    return bool(row.event == getattr(context.scope.get("endpoint"), "__name__", None))


def _after_insert(_mapper: Any, _connection: Any, row: Log) -> None:
    context = current_request()
    if context is not None and _is_of_route(context, row):
        context.log_rows.append(row.id)


def _on_insert(_mapper: Any, _connection: Any, row: Log) -> None:
    context = current_request()
    if context is not None and _is_of_route(context, row):
        path = context.scope.get("path_params", {})
        row.dag_id = path["dag_id"] if context.path_asks_for_dag else _dag_of_no_path(context, row.dag_id)
        row.run_id = path["dag_run_id"] if "dag_run_id" in path else _run_of_body(context, row.run_id)
        row.task_id = path.get("task_id")


def _dag_of_no_path(context: RequestContext, named: Any) -> str | None:
    """Return the Dag of a request whose path has no place for one; None if it may not name one."""
    if context.route == _BACKFILL_CREATE:
        named = context.body_field("dag_id")
        return named if isinstance(named, str) else None
    return named if isinstance(named, str) and named in context.written else None


def _run_of_body(context: RequestContext, named: Any) -> str | None:
    # A new run, or one whose tasks are cleared, is named in the body; nothing that Airflow acts on is in the query.
    from_query = any(context.query(word) for word in _RUN_WORDS)
    return named if isinstance(named, str) and not from_query else None
