"""Fills an empty metadata database. Run by the interpreter that has Airflow, in an AIRFLOW_HOME of its own.

Usage: `python seed.py PEOPLE.yaml`. One process migrates, parses the Dags, makes the accounts and inserts rows of
every kind on every Dag: an `airflow` command for each would take minutes.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml
from airflow.cli.cli_parser import get_parser
from airflow.configuration import conf
from airflow.jobs.job import Job
from airflow.models import Connection, DagModel, Log, Pool, Variable
from airflow.models.asset import AssetDagRunQueue, AssetEvent, AssetModel
from airflow.models.backfill import Backfill
from airflow.models.dagwarning import DagWarning
from airflow.models.errors import ParseImportError
from airflow.models.hitl import HITLDetail
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.xcom import XComModel
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from airflow.providers.fab.auth_manager.models import User
from airflow.utils.session import create_session
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from seed_trees import add_tree_rows
from sqlalchemy import select, update
from werkzeug.security import generate_password_hash

START = datetime(2026, 1, 1, tzinfo=UTC)
RUNS = ("done", "writes", "cleared")
STATES = {"extract": "success", "transform": "failed", "load": "upstream_failed", "ask": "deferred"}


def airflow(*words: str) -> None:
    """Runs one `airflow` command in this process."""
    args = get_parser().parse_args(list(words))
    args.func(args)


def make_accounts(people: list[dict]) -> None:
    """Makes a password account for each person, in one application."""
    with get_application_builder() as appbuilder:
        for person in people:
            role = appbuilder.sm.find_role(person.get("fab_role", "Public"))
            # A light hash: this is about who may do what, and every person signs in once per session.
            password = generate_password_hash(person["password"], method="pbkdf2:sha256:1000")
            appbuilder.sm.add_user(
                person["user"],
                person["user"],
                "E2E",
                f"{person['user']}@seed.invalid",
                [role],
                hashed_password=password,
            )
            # Past the account guard, which would refuse two accounts of one person.
            of_account = update(User).where(User.username == person["user"])
            appbuilder.session.execute(of_account.values(email=person["email"]))
            appbuilder.session.commit()


def fill_dag(dag_id: str, session) -> None:
    """Gives one Dag three finished runs with all that hangs on them, and rows of its own."""
    dag = SerializedDagModel.get(dag_id, session=session).dag
    for days, run_id in enumerate(RUNS):
        when = START + timedelta(days=days)
        run = dag.create_dagrun(
            run_id=run_id,
            logical_date=when,
            data_interval=(when, when + timedelta(days=1)),
            run_after=when,
            run_type=DagRunType.MANUAL,
            triggered_by=DagRunTriggeredByType.TEST,
            state="success",
            start_date=when,
            session=session,
        )
        run.end_date = when + timedelta(hours=1)
        run.note = f"note of run {run_id} of {dag_id}"
        for instance in run.get_task_instances(session=session):
            fill_task_instance(instance, dag.get_task(instance.task_id), when, session)
    add_dag_rows(dag_id, session)


def fill_task_instance(instance, task, when: datetime, session) -> None:
    """Gives one task instance a state, times, a note, a log on disk, an XCom, and its question if it asks one."""
    instance.state = STATES.get(instance.task_id, "success")
    instance.try_number = 1
    instance.start_date, instance.end_date = when, when + timedelta(minutes=5)
    instance.note = f"note of {instance.task_id} of {instance.dag_id}"
    write_log(instance)
    XComModel.set(
        "return_value",
        f"value of {instance.dag_id}",
        dag_id=instance.dag_id,
        task_id=instance.task_id,
        run_id=instance.run_id,
        map_index=instance.map_index,
        session=session,
    )
    if instance.task_id == "ask":
        session.add(question(instance))


def question(instance) -> HITLDetail:
    """The open question of a task instance; on the Dag `approval` it is for one person only."""
    assigned = [{"id": "tag.author@example.com", "name": "Tag Author"}] if instance.dag_id == "approval" else None
    return HITLDetail(
        ti_id=instance.id,
        options=["Approve", "Reject"],
        subject=f"May {instance.dag_id} go on?",
        multiple=False,
        params={},
        assignees=assigned,
    )


def write_log(instance) -> None:
    """Writes a log where Airflow's default template looks for it."""
    place = Path(
        conf.get("logging", "base_log_folder"),
        f"dag_id={instance.dag_id}",
        f"run_id={instance.run_id}",
        f"task_id={instance.task_id}",
    )
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError:  # the Dag with the longest id has no folder name on this file system
        return
    (place / "attempt=1.log").write_text(f"log of {instance.task_id} of {instance.dag_id}\n")


def add_dag_rows(dag_id: str, session) -> None:
    """Adds what belongs to the Dag as a whole: audit rows, a warning, a finished backfill, an asset event."""
    session.add(Log(event="e2e", dag_id=dag_id, run_id="done", owner="seed", extra=f"audit of {dag_id}"))
    session.add(DagWarning(dag_id, "non-existent pool", f"warning of {dag_id}"))
    backfill = Backfill(dag_id=dag_id, from_date=START, to_date=START)
    backfill.completed_at = START
    session.add(backfill)
    ledger = session.scalar(select(AssetModel).where(AssetModel.name == "ledger"))
    session.add(AssetEvent(asset_id=ledger.id, source_dag_id=dag_id, source_task_id="load", source_run_id="done"))


def add_common_rows(session) -> None:
    """Adds what belongs to no Dag, or to files: audit row, connection, Variable, pool, job, import errors."""
    session.add(Log(event="e2e", owner="seed", extra="audit of no Dag"))
    session.add(Connection(conn_id="e2e", conn_type="http", host="example.com", password="e2e-secret"))
    session.add(Pool(pool="e2e", slots=1, include_deferred=False, description="seed"))
    Variable.set("e2e", "seed", session=session)
    session.add(Job(state="success", job_type="SchedulerJob"))
    for name in ("ops_sync.py", "fin_report.py", "broken.py"):
        error = ParseImportError(filename=name, bundle_name="dags-folder", stacktrace=f"trace of {name}")
        error.timestamp = START
        session.add(error)
    ledger = session.scalar(select(AssetModel).where(AssetModel.name == "ledger"))
    session.add(AssetDagRunQueue(asset_id=ledger.id, target_dag_id="asset_consumer"))


def add_rows_without_file(session) -> None:
    """Adds Dags whose ids no parser accepts but which the database may hold all the same."""
    model = session.get(DagModel, "untagged")
    # A column of Airflow 3.2 and later.
    newer = {"timetable_type": model.timetable_type} if hasattr(model, "timetable_type") else {}
    for dag_id in ("fin_daily'--", "100%", "a b"):
        session.add(
            DagModel(
                dag_id=dag_id,
                bundle_name=model.bundle_name,
                fileloc=model.fileloc,
                relative_fileloc="no_such_file.py",
                is_paused=True,
                is_stale=False,
                max_active_tasks=1,
                max_active_runs=1,
                max_consecutive_failed_dag_runs=0,
                has_task_concurrency_limits=False,
                **newer,
            )
        )


def main(people_file: str) -> None:
    """Does all of it."""
    if not conf.get("database", "sql_alchemy_conn").startswith("sqlite"):
        airflow("db", "reset", "--yes")
    else:
        airflow("db", "migrate")
    if conf.get("astro_auth", "policy_store", fallback="file") == "database":
        # Protected tags are looked at where Dags are parsed, so the policy comes first.
        airflow("astro-auth", "policy", "import", conf.get("astro_auth", "policy_file"))
    airflow("dags", "reserialize")
    make_accounts(yaml.safe_load(Path(people_file).read_text())["people"])
    with create_session() as session:
        for dag_id in session.scalars(select(DagModel.dag_id)).all():
            fill_dag(dag_id, session)
        add_common_rows(session)
        add_tree_rows(session)
        add_rows_without_file(session)


if __name__ == "__main__":
    main(sys.argv[1])
