"""Who changes something at the pages of Airflow: Dag Authors by tag, and a Workspace Operator."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from .rest import hitl, is_paused, runs, state, wait_until
from .visitor import Visitors

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.slow]


def test_author_runs_and_clears(visitors: Visitors, owner: httpx.Client) -> None:
    """A Dag Author's run succeeds, and a task that the Author clears runs once more."""
    finn = visitors["finn"]
    finn.open("/dags/invoice_totals")
    finn.page.get_by_test_id("trigger-dag-button").click()
    finn.dialog().get_by_role("button", name="Trigger").click()
    finn.is_told("Dag run has been successfully triggered.")
    wait_until(lambda: runs(owner, "invoice_totals") == ["success", "success"], "the new run succeeds")
    expect(finn.page.get_by_test_id("header-card").get_by_test_id("state-badge")).to_have_text("Success")
    finn.shot("run")

    finn.open("/dags/invoice_totals/runs/first/tasks/book")
    finn.page.get_by_role("button", name="Press shift+c to clear").click()
    expect(finn.dialog()).to_contain_text("Affected Tasks: 1")
    finn.shot("clear")
    finn.dialog().get_by_role("button", name="Confirm").click()
    expect(finn.dialog()).to_have_count(0)
    again = "/dags/invoice_totals/dagRuns/first/taskInstances/book"
    wait_until(lambda: tried(owner.get(again).json()) == (2, "success"), "the cleared task succeeds again")
    expect(finn.page.get_by_test_id("header-card").get_by_test_id("state-badge")).to_have_text("Success")
    finn.is_at_ease()


def tried(instance: dict[str, Any]) -> tuple[int, str]:
    """How often a task was tried, and how it ended."""
    return instance["try_number"], instance["state"]


def test_author_pauses(visitors: Visitors, owner: httpx.Client) -> None:
    """A Dag Author pauses a Dag and lets it run again."""
    finn = visitors["finn"]
    finn.open("/dags/exchange_rates")
    switch = finn.page.get_by_test_id("toggle-pause").first
    for paused in (True, False):
        switch.click()
        expect(switch).to_have_attribute("data-state", "unchecked" if paused else "checked")
        wait_until(lambda: is_paused(owner, "exchange_rates") is paused, f"paused is {paused}")  # noqa: B023
    finn.is_at_ease()


def test_operator_edits_variable(visitors: Visitors, owner: httpx.Client) -> None:
    """A Workspace Operator edits a Variable."""
    omar = visitors["omar"]
    omar.open("/variables")
    omar.page.get_by_role("row").filter(has_text="forecast_growth_percent").get_by_label("Edit Variable").click()
    omar.dialog().locator("[name=value]").fill("7")
    omar.shot("variable")
    omar.dialog().get_by_role("button", name="Save").click()
    omar.is_told("Variable has been successfully updated.")
    assert owner.get("/variables/forecast_growth_percent").json()["value"] == "7"


def test_asset_scheduled_dag(visitors: Visitors) -> None:
    """The page of a Dag that an asset starts works for somebody who holds nothing but Dag roles."""
    ana = visitors["ana"]
    ana.open("/dags/orders_report")
    expect(ana.page.get_by_test_id("stat").filter(has_text="Schedule")).to_contain_text("orders")
    expect(ana.page.get_by_text("Last Dag Run")).to_be_visible()
    ana.is_at_ease()
    ana.shot("asset-dag")
    ana.page.get_by_test_id("nav-dags-link").click()
    expect(ana.page.get_by_test_id("dag-card").filter(has_text="orders_report")).to_contain_text("orders")
    ana.is_at_ease()


def test_required_actions(visitors: Visitors, owner: httpx.Client) -> None:
    """Required actions of other people's Dags are not shown; a Dag Author answers one of an own Dag."""
    ana, finn = visitors["ana"], visitors["finn"]
    ana.open("/required_actions")
    expect(ana.page.get_by_text("No Required Actions found")).to_be_visible()
    ana.is_at_ease()
    finn.open("/required_actions")
    expect(finn.page.get_by_role("heading", name="1 Required Action")).to_be_visible()
    finn.shot("required-actions")
    finn.page.get_by_role("link", name="Pay this month's invoices?").click()
    expect(finn.page.get_by_text("1658.4 euros leave the account.")).to_be_visible()
    finn.page.get_by_role("button", name="Approve").click()
    expect(finn.page.get_by_text(re.compile("Response received at .* from finn"))).to_be_visible()
    finn.shot("answered")
    wait_until(lambda: state(owner, "payment_approval") == "success", "the approved payment is made")
    assert hitl(owner) == []
