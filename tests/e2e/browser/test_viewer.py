"""A Dag Viewer by tag at the pages of Airflow."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Response, expect

from .rest import runs
from .visitor import Visitors

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.slow]

FINANCE = ["exchange_rates", "invoice_totals", "ledger_reconciliation", "payment_approval"]
LEDGER = "/dags/ledger_reconciliation"


def test_viewer_sees_own_dags(visitors: Visitors) -> None:
    """A Dag Viewer by tag signs in through the form and sees exactly the tagged Dags."""
    vera = visitors["vera"]
    vera.open("/dags")
    expect(vera.page.get_by_test_id("dag-id")).to_have_text(FINANCE)
    expect(vera.page.get_by_role("heading", name="4 Dags")).to_be_visible()
    vera.is_at_ease()
    vera.shot("dags")


def test_home_counts_own_dags(visitors: Visitors, owner: httpx.Client) -> None:
    """The home page counts the Dags and runs of a Dag Viewer's own Dags."""
    vera = visitors["vera"]
    own = [run_state for dag_id in FINANCE for run_state in runs(owner, dag_id)]
    vera.open("/")
    card = vera.page.get_by_test_id("stats-card")
    expect(card.filter(has_text="Active Dags")).to_have_text(re.compile(r"^4\D"))
    expect(
        vera.page.get_by_text(
            re.compile(rf"Dag Runs.*Running.*{own.count('success')}\s*Success.*Failed", re.DOTALL)
        ).last
    ).to_be_visible()
    expect(vera.page.get_by_text("Pool Slots")).to_have_count(0)
    vera.is_at_ease()
    vera.shot("home")


@pytest.mark.parametrize(
    ("page", "shows"),
    [
        ("", "Last Dag Run"),
        ("/runs", "1 Dag Run"),
        ("/tasks", "3 Tasks"),
        ("/calendar", "Failed Runs"),
        ("/backfills", "No Backfills found"),
        ("/events", "trigger_dag_run"),
        ("/code", "They never agree"),
        ("/details", "Max Active Runs"),
        ("/runs/first", "3 Task Instances"),
    ],
)
def test_viewer_opens_dag(page: str, shows: str, visitors: Visitors) -> None:
    """Every tab of a Dag that a Dag Viewer may see works, without an error and without an endless wait."""
    vera = visitors["vera"]
    vera.open(f"{LEDGER}{page}")
    expect(vera.page.get_by_text(re.compile(shows.replace(" ", r"\s"))).first).to_be_visible()
    vera.is_at_ease()
    vera.shot(f"dag{page.replace('/', '-')}")


@pytest.mark.parametrize("view", ["Graph", "Gantt"])
def test_viewer_opens_picture(view: str, visitors: Visitors) -> None:
    """Graph and Gantt chart of a Dag that a Dag Viewer may see work."""
    vera = visitors["vera"]
    vera.open(f"{LEDGER}/runs/first")
    with vera.page.expect_response(re.compile(r"/ui/(structure/structure_data|gantt/)")) as answer:
        vera.page.get_by_role("button", name=f"Show {view}").click()
    assert answer.value.status == 200
    for task in ("read_ledger", "read_bank", "compare"):
        expect(vera.page.get_by_text(task).first).to_be_visible()
    vera.is_at_ease()
    vera.shot(view.lower())
    vera.page.get_by_role("button", name="Show Grid").click()


def test_viewer_reads_log(visitors: Visitors) -> None:
    """A Dag Viewer reads the log of a task that has run."""
    vera = visitors["vera"]
    vera.open(f"{LEDGER}/runs/first/tasks/compare")
    expect(vera.page.get_by_text("the ledger says 1658.4, the bank 1660").first).to_be_visible()
    vera.is_at_ease()
    vera.shot("log")


def test_viewer_may_not_trigger(visitors: Visitors, owner: httpx.Client) -> None:
    """A Dag Viewer who triggers a run is told which permission is missing, and nothing runs."""
    vera = visitors["vera"]
    before = runs(owner, "ledger_reconciliation")
    vera.open(LEDGER)
    vera.page.get_by_test_id("trigger-dag-button").click()
    vera.dialog().get_by_role("button", name="Trigger").click()
    expect(vera.dialog()).to_contain_text(
        "Missing permission `dag.airflow.dagRun.create` on Dag `ledger_reconciliation`"
    )
    vera.shot("trigger-refused")
    vera.page.keyboard.press("Escape")
    assert runs(owner, "ledger_reconciliation") == before


def test_page_lives_on_after_refusal(visitors: Visitors, owner: httpx.Client) -> None:
    """After a refused pause the same page, not loaded anew, still follows what others change."""
    vera = visitors["vera"]
    vera.open(LEDGER)
    switch = vera.page.get_by_test_id("toggle-pause").first
    with vera.page.expect_response(is_patch) as refused:
        switch.click()
    assert refused.value.status == 403
    vera.is_told("You do not have permission to perform this action.")
    vera.shot("pause-refused")
    owner.patch("/dags/ledger_reconciliation", json={"is_paused": True})
    try:
        vera.page.get_by_test_id("nav-dags-link").click()
        listed = (
            vera.page.get_by_test_id("dag-card").filter(has_text="ledger_reconciliation").get_by_test_id("toggle-pause")
        )
        expect(listed).to_have_attribute("data-state", "unchecked")
        with vera.page.expect_response(is_patch) as again:
            listed.click()
        assert again.value.status == 403
        assert [method for method, path, _ in vera.answers if path == LEDGER].count("GET") == 1
    finally:
        owner.patch("/dags/ledger_reconciliation", json={"is_paused": False})


def is_patch(answer: Response) -> bool:
    """Whether the page tried to change something."""
    return answer.request.method == "PATCH"
