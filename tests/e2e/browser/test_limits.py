"""What people do not get to see: menus, pages, and all of Airflow for who holds nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from .visitor import Visitors, is_without_access

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.slow]

LEDGER = "/dags/ledger_reconciliation"
BROWSE = ["Deadlines", "Required Actions", "XComs"]
ADMIN = ["Connections", "Plugins", "Pools", "Providers", "Variables"]


@pytest.mark.parametrize(
    ("user", "menus"),
    [
        ("vera", {"Browse": BROWSE}),
        ("arthur", {"Browse": ["Deadlines", "Jobs", "Required Actions", "XComs"], "Admin": ADMIN}),
        (
            "wendy",
            {
                "Browse": sorted(["Audit Log", "Jobs", *BROWSE]),
                "Admin": sorted(["Config", *ADMIN]),
                "Security": ["Users"],
            },
        ),
    ],
)
def test_menus(user: str, menus: dict[str, list[str]], visitors: Visitors) -> None:
    """The menus offer what a person may open, and are missing where that is nothing."""
    visitor = visitors[user]
    visitor.open("/")
    expect(visitor.nav().get_by_role("button", name="Docs")).to_be_visible()
    for name in ("Browse", "Admin", "Security"):
        expect(visitor.nav().get_by_role("button", name=name, exact=True)).to_have_count(int(name in menus))
    visitor.is_at_ease()
    assert {name: visitor.menu(name) for name in menus} == menus


def test_no_menus(visitors: Visitors) -> None:
    """Who may open Airflow and see no Dag has the home page and the documentation."""
    dean = visitors["dean"]
    dean.open("/")
    expect(dean.nav().get_by_role("button")).to_have_text(["Docs", re.compile(r"\+\d"), "User"])
    for name in ("dags", "assets"):
        expect(dean.page.get_by_test_id(f"nav-{name}-link")).to_have_attribute("disabled", "")
    dean.shot("home")


@pytest.mark.parametrize(
    ("page", "secret"),
    [
        ("connections", "hidden_bank"),
        ("variables", "forecast_growth_percent"),
        ("pools", "default_pool"),
        ("providers", "apache-airflow-providers-fab"),
    ],
)
def test_hidden_page(page: str, secret: str, visitors: Visitors) -> None:
    """Who types the address of a page that no menu offers sees Airflow's refusal and nothing of the data."""
    for user, refused in (("omar", False), ("vera", True)):
        visitor = visitors[user]
        visitor.open(f"/{page}")
        refusal = visitor.page.locator(".chakra-alert__root").filter(has_text="403 Forbidden")
        expect(refusal).to_have_count(1 if refused else 0)
        expect(visitor.page.get_by_text(secret)).to_have_count(0 if refused else 1)
        assert visitor.requested(f"/api/v2/{page}")[-1] == (403 if refused else 200)
    visitors["vera"].shot(f"hidden-{page}")


def test_nobody_is_told_so(visitors: Visitors) -> None:
    """Who holds nothing gets a page that says so on every address, without being sent around, and may sign out."""
    nora = visitors.new("nora")
    nora.sign_in(visitors.passwords["nora"], path=LEDGER)
    is_without_access(nora, LEDGER)
    nora.shot("no-access")
    for path in ("/", "/connections", "/dags/no_such_dag/runs?state=failed"):
        nora.open(path)
        is_without_access(nora, path.partition("?")[0])
        assert nora.answers == [("GET", nora.path, 403)]
    nora.page.get_by_role("link", name="Sign out").click()
    expect(nora.page.locator("#username")).to_be_visible()
    nora.open("/")
    expect(nora.page.locator("#username")).to_be_visible()
    nora.shot("signed-out")


def test_nobody_tries_again(visitors: Visitors, policy: Path) -> None:
    """After somebody was given a role, `Try again` leads into Airflow without signing in anew."""
    nora = visitors.new("nora")
    nora.sign_in(visitors.passwords["nora"])
    is_without_access(nora, "/")
    before = policy.read_text()
    grant = "{deployment_id: cldep0demo, dag_id: housekeeping, role: DAG_VIEWER}"
    try:
        policy.write_text(
            f"{before}\n".replace("\nusers:\n", f"\nusers:\n  - email: nora@example.com\n    dag_roles: [{grant}]\n")
        )
        nora.page.get_by_role("link", name="Try again").click()
        nora.page.get_by_test_id("nav-dags-link").click()
        expect(nora.page.get_by_test_id("dag-id")).to_have_text(["housekeeping"])
        nora.shot("tried-again")
    finally:
        policy.write_text(before)
    nora.open("/dags")
    is_without_access(nora, "/dags")
