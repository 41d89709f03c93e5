"""Rows of Airflow's audit log name what the request's path names."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.models.log import Log
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from astro_auth_plugin.authorization import audit_rows
from astro_auth_plugin.rbac.engine.engine import Engine
from tests.in_request import ask_dag, facts_of, person, serving

OWN = {"dag_id": "fin_daily", "dag_run_id": "done", "task_id": "load"}
TASK = "PATCH /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}"


@pytest.fixture(autouse=True)
def installed(dags: dict[str, set[str]]) -> None:
    audit_rows.install()


def written(database: Any, row: Log) -> tuple[Any, Any, Any]:
    """Return what a row says, which the database has taken."""
    with Session(database) as session:
        session.add(row)
        session.flush()
        found = (row.dag_id, row.run_id, row.task_id)
        session.rollback()
        return found


def row_of(
    database: Any,
    route: str,
    named: dict[str, Any],
    *,
    event: str = "serves",
    allowed: tuple[str, ...] = (),
    **more: Any,
) -> tuple[Any, Any, Any]:
    """Return what a row of Airflow says that was made of `named` while a request was served."""
    context = facts_of(route, **more)
    context.scope["endpoint"] = SimpleNamespace(__name__="serves")
    context.written.update(allowed)
    with serving(context):
        return written(database, Log(event, **named))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (OWN, ("fin_daily", "done", "load")),
        ({**OWN, "dag_id": "~"}, ("~", "done", "load")),
        ({"dag_id": "fin_daily", "dag_run_id": "done"}, ("fin_daily", "done", None)),
    ],
)
@pytest.mark.parametrize("foreign", ["ops_sync", "", None, 7, ["ops_sync"], {"dag_id": "ops_sync"}])
def test_path(path: dict[str, str], expected: tuple[str, ...], foreign: Any, metadata_database: Any) -> None:
    """What the path names stands in the row, whatever Airflow has taken from the query or the body."""
    named = {"dag_id": foreign, "run_id": foreign, "task_id": foreign}
    assert row_of(metadata_database, TASK, named, path=path) == expected


@pytest.mark.parametrize("named", ["ops_sync", 7, ["ops_sync"]])
def test_path_without_a_dag(named: Any, metadata_database: Any) -> None:
    """A request of no Dag leaves a row of no Dag, unless it was allowed to change the Dag that it names."""
    found = {"dag_id": named, "run_id": named, "task_id": named}
    query = f"dag_id={named}&run_id={named}"
    assert row_of(metadata_database, "POST /api/v2/connections", found, query=query) == (None, None, None)
    reparse = "PUT /api/v2/parseDagFile/{file_token}"
    allowed = row_of(metadata_database, reparse, found, query=query, allowed=("ops_sync",))
    assert allowed == ("ops_sync" if named == "ops_sync" else None, None, None)


@pytest.mark.parametrize(
    ("body", "dag_id"), [({"dag_id": "fin_daily"}, "fin_daily"), ({"dag_id": ["a"]}, None), ([], None)]
)
def test_backfill(body: Any, dag_id: str | None, metadata_database: Any) -> None:
    """A new backfill is of the Dag of the body, also where Airflow has not read it and has taken that of the query."""
    found = row_of(
        metadata_database, "POST /api/v2/backfills", {"dag_id": "ops_sync"}, query="dag_id=ops_sync", body=body
    )
    assert found == (dag_id, None, None)


@pytest.mark.parametrize(("query", "run_id"), [("", "new"), ("run_id=new", None), ("dag_run_id=other", None)])
def test_run_of_the_body(query: str, run_id: str | None, metadata_database: Any) -> None:
    """A new run is named in the body of a request, and never in the query."""
    route, path = "POST /api/v2/dags/{dag_id}/dagRuns", {"dag_id": "fin_daily"}
    found = row_of(metadata_database, route, {"dag_id": "fin_daily", "run_id": "new"}, path=path, query=query)
    assert found == ("fin_daily", run_id, None)


def test_other_rows(metadata_database: Any) -> None:
    """Rows that say themselves what they are about stay as they are, and so do those outside of a request."""
    named = {"dag_id": "ops_sync", "run_id": "r", "task_id": "t"}
    assert row_of(metadata_database, TASK, named, event="failed", path=OWN) == ("ops_sync", "r", "t")
    assert written(metadata_database, Log("serves", **named)) == ("ops_sync", "r", "t")


def test_what_a_request_may_change(engine: Engine) -> None:
    """A Dag that a request was refused on, or has only read, is not among those that it may change."""
    with serving(facts_of(TASK)) as context:
        assert ask_dag(person(engine, "art"), "GET", None, "ops_sync")
        assert not ask_dag(person(engine, "art"), "PUT", None, "ops_sync")
        assert context.written == set()


def test_rows_of_a_refused_request(metadata_database: Any) -> None:
    """The rows that Airflow has written before it refused a request are taken back, and no others."""
    context = facts_of(TASK)
    context.scope["endpoint"] = SimpleNamespace(__name__="serves")
    with serving(context), Session(metadata_database) as session:
        rows = [Log("serves"), Log("other")]
        session.add_all(rows)
        session.commit()
        kept = rows[1].id
    audit_rows.take_back(context)
    with Session(metadata_database) as session:
        assert session.scalars(select(Log.id).where(Log.event.in_(["serves", "other"]))).all() == [kept]
        session.execute(delete(Log).where(Log.id == kept))
        session.commit()
