"""One whole Airflow for all browser tests, with the demo's Dags, people and policy, and everybody in a browser."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from tools.demo_stack import DEV_DAGS, DemoStack

from .rest import hitl, rest, runs, state, wait_until
from .visitor import CONTACT, Visitors, chromium, find_chromium


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all of these tests are; without a browser nothing needs to start."""
    find_chromium()
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="package")
def policy(folder: Path) -> Path:
    """The policy file that the stack reads."""
    return Path(shutil.copy(DEV_DAGS / "policy.yaml", folder / "policy.yaml"))


@pytest.fixture(scope="package")
def stack(folder: Path, policy: Path) -> Iterator[DemoStack]:
    """A whole Airflow."""
    # The Dags do not change, so each file is parsed once.
    quiet = {"AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600"}
    with DemoStack(folder / "stack", policy_file=policy, access_contact=CONTACT, extra_env=quiet) as started:
        yield started


@pytest.fixture(scope="package")
def owner(stack: DemoStack) -> Iterator[httpx.Client]:
    """The Organization Owner at the REST API, who has let some Dags run and made a connection and a Variable."""
    with rest(stack.url, "olga", stack.people["olga"]) as client:
        client.patch("/dags", params={"dag_id_pattern": "%"}, json={"is_paused": False})
        for dag_id in ("invoice_totals", "ledger_reconciliation", "payment_approval", "orders_ingest"):
            client.post(f"/dags/{dag_id}/dagRuns", json={"logical_date": None, "dag_run_id": "first"})
        client.post("/connections", json={"connection_id": "hidden_bank", "conn_type": "http"})
        client.post("/variables", json={"key": "forecast_growth_percent", "value": "3"})
        wait_until(lambda: state(client, "invoice_totals") == "success", "invoice_totals succeeds")
        wait_until(lambda: state(client, "ledger_reconciliation") == "failed", "ledger_reconciliation fails")
        wait_until(lambda: runs(client, "orders_report") == ["success"], "orders_ingest starts orders_report")
        wait_until(lambda: hitl(client), "payment_approval waits for a person")
        yield client


@pytest.fixture(scope="package")
def shots(folder: Path) -> Path:
    """Where screenshots are kept."""
    return Path(os.environ.get("E2E_SHOTS") or folder / "shots")


@pytest.fixture(scope="package")
def visitors(shots: Path, stack: DemoStack, owner: httpx.Client, browser: Browser) -> Visitors:
    """Everybody in the browser."""
    return Visitors(browser, stack.url, dict(stack.people), shots)


@pytest.fixture(scope="module")
def access_stack(folder: Path, request: pytest.FixtureRequest) -> Iterator[DemoStack]:
    """An Airflow without runs, with the policy in its database, for the tests of one file."""
    home = folder / request.module.__name__.rpartition(".")[2]
    parts = ("api-server", "dag-processor")
    with DemoStack(home, policy_store="database", access_contact=CONTACT, components=parts) as started:
        yield started


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The browser of all files: a process can have one at a time."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def access_visitors(shots: Path, access_stack: DemoStack, browser: Browser) -> Visitors:
    """Everybody in that browser."""
    return Visitors(browser, access_stack.url, dict(access_stack.people), shots)


@pytest.fixture(autouse=True)
def last_sight(request: pytest.FixtureRequest, visitors: Visitors) -> Iterator[None]:
    """After a failure it is kept what everybody saw."""
    failed = request.session.testsfailed
    yield
    if request.session.testsfailed > failed:
        for visitor in visitors.everybody():
            visitor.shot(re.sub(r"\W+", "-", f"failed-{request.node.name}"))
        request.node.add_report_section("teardown", "screenshots", f"what they saw is in {visitors.shots}")
    for visitor in visitors.everybody():
        visitor.leave()
