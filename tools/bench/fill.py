"""Fills a metadata database; run by the interpreter that has Airflow, with the environment of an engine.

`python -m tools.bench.fill base` migrates an empty database, and puts the first Dag and the people in.
`python -m tools.bench.fill dags SIZE` adds the other Dags to it, each with three tags, a run and a task instance, and
the rows of permissions that FAB needs to say what the policy says.
`python -m tools.bench.fill accounts COUNT` adds accounts.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
import uuid6
from airflow.cli.cli_parser import get_parser
from airflow.models.dag import DagModel, DagTag
from airflow.models.dag_version import DagVersion
from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstance import TaskInstance
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from airflow.providers.fab.auth_manager.models import Action, Permission, Resource, Role, User
from airflow.utils.session import create_session
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy.orm import Session

from astro_auth_plugin.accounts.accounts import note_emails
from tools.bench.data import ACCENTED, ALL, FOLDER, PEOPLE, RESTRICTED, TAG_COUNTS, WRITTEN, BenchDag, dags, readable

_START = datetime(2026, 1, 1, tzinfo=UTC)
_AT_ONCE = 1000

_READS = (
    "Website", "DAG Runs", "Task Instances", "HITL Detail", "DAG Code", "DAG Versions", "DAG Warnings", "Task Logs",
    "XComs",
)  # fmt: skip
_BASE_ROWS = (*(("can_read", name) for name in _READS), ("can_create", "DAG Runs"))
_OF_ALL = (*_BASE_ROWS, ("can_read", "DAGs"), ("can_edit", "DAGs"))


def base() -> None:
    """Migrate, parse the first Dag, give it a run, and make the accounts."""
    for words in (("db", "migrate"), ("dags", "reserialize")):
        args = get_parser().parse_args(list(words))
        args.func(args)
    with get_application_builder():
        pass  # FAB writes its own roles and permissions the first time
    with create_session() as session:
        _first_run(session)
        roles = {person: Role(name=f"bench-{person}") for person in PEOPLE}
        session.add_all(roles.values())
        for person in (*PEOPLE, ACCENTED, *(f"tags{count}" for count in TAG_COUNTS)):
            role = [roles[person]] if person in roles else []
            name = {"username": person, "email": f"{person}@example.com", "first_name": "F", "last_name": "L"}
            session.add(User(**name, password="x", active=True, roles=role))  # noqa: S106 - nobody can sign in with it
        session.flush()
        _grant(session, roles[ALL], _OF_ALL)


def _first_run(session: Session) -> None:
    dag: Any = SerializedDagModel.get(WRITTEN, session=session)
    run = dag.dag.create_dagrun(
        run_id="first",
        logical_date=_START,
        data_interval=(_START, _START + timedelta(days=1)),
        run_after=_START,
        run_type=DagRunType.MANUAL,
        triggered_by=DagRunTriggeredByType.TEST,
        state="success",
        start_date=_START,
        session=session,
    )
    for instance in run.get_task_instances(session=session):
        instance.state, instance.start_date, instance.end_date = "success", _START, _START + timedelta(minutes=1)


def more_dags(size: int) -> None:
    """Add Dags until there are that many, as copies of the first, and what FAB's restricted person may see."""
    wanted = dags(size)[1:]
    with create_session() as session:
        _copy(session, DagModel, wanted, lambda _: {})
        _insert(session, DagTag, ({"name": tag, "dag_id": dag.id} for dag in wanted for tag in dag.tags))
        versions = {dag.id: uuid6.uuid7() for dag in wanted}
        _copy(session, DagVersion, wanted, lambda dag: {"id": versions[dag.id]})
        # The id of a run is left to the database.
        _copy(session, DagRun, wanted, lambda dag: {"created_dag_version_id": versions[dag.id]}, without="id")
        _copy(session, TaskInstance, wanted, lambda dag: {"id": uuid6.uuid7(), "dag_version_id": versions[dag.id]})
        _permissions(session, size)
    _tidy()


def more_accounts(count: int) -> None:
    """Add accounts, whose users the policy does not name."""
    who = {"first_name": "F", "last_name": "L", "password": "x", "active": True}
    with create_session() as session:
        _insert(
            session, User, ({**who, "username": f"crowd{n}", "email": f"crowd{n}@example.com"} for n in range(count))
        )
    note_emails()
    _tidy()


def _copy(session: Session, model: Any, wanted: Iterable[BenchDag], changes: Any, without: str = "") -> None:
    """Insert a copy of the first Dag's row for each other Dag."""
    table = model.__table__
    first = dict(session.execute(sa.select(table).where(table.c.dag_id == WRITTEN)).mappings().one())
    first.pop(without, None)
    _insert(session, model, ({**first, "dag_id": dag.id, **_names(first, dag), **changes(dag)} for dag in wanted))


def _names(first: dict[str, Any], dag: BenchDag) -> dict[str, Any]:
    return {name: f"{FOLDER}{dag.id}.py" for name in ("fileloc", "relative_fileloc") if name in first}


def _insert(session: Session, model: Any, rows: Iterable[dict[str, Any]]) -> None:
    found = list(rows)
    for start in range(0, len(found), _AT_ONCE):
        session.execute(sa.insert(model.__table__), found[start : start + _AT_ONCE])


def _permissions(session: Session, size: int) -> None:
    role = session.scalars(sa.select(Role).where(Role.name == f"bench-{RESTRICTED}")).unique().one()
    seen = [("can_read", f"DAG:{dag_id}") for dag_id in readable(size, RESTRICTED)]
    _grant(session, role, [*_BASE_ROWS, *seen, ("can_edit", f"DAG:{WRITTEN}")])


def _grant(session: Session, role: Role, rows: Iterable[tuple[str, str]]) -> None:
    """Give a role of FAB permissions, as pairs of an action and a resource."""
    actions = {action.name: action for action in session.scalars(sa.select(Action)).unique()}
    resources = {resource.name: resource for resource in session.scalars(sa.select(Resource)).unique()}
    pairs = sa.select(Permission)
    known = {(each.action.name, each.resource.name): each for each in session.scalars(pairs).unique()}
    for action, resource in rows:
        if resource not in resources:
            resources[resource] = Resource(name=resource)
        if (action, resource) not in known:
            known[action, resource] = Permission(action=actions[action], resource=resources[resource])
        role.permissions.append(known[action, resource])


def _tidy() -> None:
    """Let the database count its rows, as it does by itself after a while."""
    from airflow import settings  # noqa: PLC0415 - configured by now

    assert settings.engine is not None
    with settings.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("VACUUM ANALYZE"))
        else:
            connection.execute(sa.text("ANALYZE"))


if __name__ == "__main__":
    if sys.argv[1] == "base":
        base()
    elif sys.argv[1] == "accounts":
        more_accounts(int(sys.argv[2]))
    else:
        more_dags(int(sys.argv[2]))
