"""One live Airflow for the whole session, the people who ask it, and what is where in its database."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from .api_tokens import TokenServer
from .client import ASKED, FUZZED, Everybody
from .crowd import BUILT_IN, DAG_ROLES, NEWCOMERS
from .database import Database
from .live import LiveAirflow
from .route_requests import ASKED_ABOUT
from .tables import rows

# The two Dags of reads and of writes: the first is tagged team:finance, the second team:ops.
READ_DAGS = ("fin_daily", "ops_sync")
WRITE_DAGS = ("fin_writes", "ops_writes")


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveAirflow]:
    """A running Airflow with rows on every Dag."""
    kept = os.environ.get("E2E_KEEP")
    live = LiveAirflow(Path(kept).absolute() if kept else tmp_path_factory.mktemp("airflow"))
    live.prepare()
    live.start()
    read_hooks(live)
    yield live
    live.stop()


def read_hooks(live: LiveAirflow) -> None:
    """Asks for the page on which Airflow loads the connection types, while nothing else is asked.

    Where several ask for it before the first has been answered, Airflow leaves FAB's forms broken until it is
    restarted; with Airflow 3.1 nobody gets a token then.
    """
    with httpx.Client(base_url=live.url, timeout=180) as client:
        Everybody(client)["organization.owner"].json("/ui/connections/hook_meta")


@pytest.fixture(scope="session")
def http(airflow: LiveAirflow) -> Iterator[httpx.Client]:
    """A client of the server for whoever has not signed in."""
    # After a 500 the server closes the connection; a new one each time keeps one error from showing as another.
    fresh = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(base_url=airflow.url, timeout=180, limits=fresh) as client:
        yield client


@pytest.fixture(scope="session")
def token_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenServer]:
    """An Airflow of its own that logs all it can, for the tests of API tokens."""
    home = tmp_path_factory.mktemp("tokens")
    settings = {"AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG"}
    live = LiveAirflow(home, database=f"sqlite:///{home}/airflow.db", settings=settings)
    live.prepare()
    live.start()
    read_hooks(live)
    fresh = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(base_url=live.url, timeout=180, limits=fresh) as client:
        yield TokenServer(live, client)
    live.stop()


@pytest.fixture(scope="session")
def everybody(http: httpx.Client) -> Everybody:
    """All people by user name."""
    return Everybody(http)


@pytest.fixture(scope="session")
def database(airflow: LiveAirflow) -> Database:
    """The server's metadata database."""
    return Database(airflow.engine)


@pytest.fixture(scope="session")
def read_names(database: Database, everybody: Everybody) -> list[dict[str, Any]]:
    """What the names in braces of the expected tables stand for, for each of the two Dags of reads."""
    return [names_of(dag_id, dag_id, database, everybody) for dag_id in READ_DAGS]


@pytest.fixture(scope="session")
def write_names(database: Database, everybody: Everybody) -> list[dict[str, Any]]:
    """The same for writes; the file to parse again is that of the Dag of reads, since one file has both of writes."""
    pairs = zip(WRITE_DAGS, READ_DAGS, strict=True)
    return [names_of(dag_id, filed, database, everybody) for dag_id, filed in pairs]


def names_of(dag_id: str, filed: str, database: Database, everybody: Everybody) -> dict[str, Any]:
    """Ids that belong to one Dag, and those that belong to none."""
    database.run(
        "INSERT INTO backfill (dag_id, from_date, to_date, dag_run_conf, is_paused, reprocess_behavior,"
        " max_active_runs, created_at, completed_at, updated_at) SELECT dag_id, from_date, to_date, dag_run_conf,"
        " is_paused, reprocess_behavior, max_active_runs, created_at, completed_at, updated_at"
        " FROM backfill WHERE dag_id = :dag LIMIT 1",
        dag=dag_id,
    )
    first, second = database.rows("SELECT min(id), max(id) FROM backfill WHERE dag_id = :dag", dag=dag_id)[0]
    return {
        "dag": dag_id,
        "gone_dag": dag_id.split("_", maxsplit=1)[0] + "_gone",
        "backfill": first,
        "open_backfill": second,
        "audit": database.value("SELECT id FROM log WHERE event = 'e2e' AND dag_id = :dag", dag=dag_id),
        "audit_none": database.value("SELECT id FROM log WHERE event = 'e2e' AND dag_id IS NULL"),
        "asset": database.value("SELECT id FROM asset WHERE name = 'ledger'"),
        "import_error": database.value("SELECT id FROM import_error WHERE filename = 'ops_sync.py'"),
        "file_token": everybody["organization.owner"].json(f"/api/v2/dags/{filed}")["file_token"],
        "fresh_id": lambda: uuid.uuid4().hex,
    }


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how much was asked."""
    for line in _how_much():
        terminalreporter.write_line(line)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tells the process that prints the summary how much was asked in this one."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["how_much"] = list(_how_much())


def _how_much() -> Iterator[str]:
    if ASKED:
        requests = len(rows("expected_reads.txt")) + len(rows("expected_writes.txt"))
        yield f"e2e: {requests} rows of the tables, {len(ASKED)} people, {ASKED.total()} answers"
    if ASKED_ABOUT:
        roles = (
            f"{len(BUILT_IN) + len(DAG_ROLES)} roles or lacks of one, {len(NEWCOMERS) - len(DAG_ROLES)} custom roles"
        )
        yield f"routes: {len(ASKED_ABOUT)} routes, {roles}, {ASKED_ABOUT.total()} answers"
    if FUZZED:
        operations, failed = {name for name, _ in FUZZED}, sum(n for (_, code), n in FUZZED.items() if code >= 500)
        answers = f"{FUZZED.total()} answers, {failed} of them failures that Airflow alone has, too"
        yield f"fuzz: {len(operations)} operations, {answers}"
