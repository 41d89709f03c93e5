"""Fills an empty metadata database as an installation of FAB has it: roles made by hand, thirteen people, Dags with runs.

Run with FAB's auth manager as the configured one, in an AIRFLOW_HOME whose `dags` has a file that calls `make_dags`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.cli.importers.fab_installation import ACCOUNTS, DAGS, build

START = datetime(2026, 1, 1, tzinfo=UTC)
PASSWORD = "of a seeded account"


def make_dags(into: dict[str, Any]) -> None:
    """Makes the Dags, each with its `access_control`."""
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.sdk import DAG

    for dag_id, access_control in DAGS.items():
        with DAG(dag_id, start_date=START, schedule=None, access_control=access_control) as into[dag_id]:
            EmptyOperator(task_id="load")


def main() -> None:
    """Does all of it."""
    from airflow.cli.cli_parser import get_parser
    from airflow.configuration import conf
    from airflow.models import Connection, Pool, Variable
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.models.xcom import XComModel
    from airflow.providers.fab.auth_manager.models import User
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunTriggeredByType, DagRunType
    from sqlalchemy import update
    from werkzeug.security import generate_password_hash

    build()
    args = get_parser().parse_args(["dags", "reserialize"])
    args.func(args)
    assert "FabAuthManager" in conf.get("core", "auth_manager")
    with create_session() as session:
        # A light hash: this is about who may do what.
        session.execute(update(User).values(password=generate_password_hash(PASSWORD, method="pbkdf2:sha256:1000")))
        for dag_id in DAGS:
            dag = SerializedDagModel.get(dag_id, session=session).dag
            run = dag.create_dagrun(
                run_id="done",
                logical_date=START,
                data_interval=(START, START + timedelta(days=1)),
                run_after=START,
                run_type=DagRunType.MANUAL,
                triggered_by=DagRunTriggeredByType.TEST,
                state="success",
                start_date=START,
                session=session,
            )
            for instance in run.get_task_instances(session=session):
                instance.state, instance.try_number = "success", 1
                of_task = {"dag_id": dag_id, "task_id": "load", "run_id": "done", "map_index": -1}
                XComModel.set("return_value", dag_id, **of_task, session=session)
        session.add(Connection(conn_id="warehouse", conn_type="http", host="example.com"))
        session.add(Pool(pool="small", slots=1, include_deferred=False))
        Variable.set("region", "eu", session=session)
    assert len(ACCOUNTS) == 14


if __name__ == "__main__":
    main()
