"""A user with a role on the connections of one prefix, at Airflow's page of connections."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from airflow import __version__ as airflow_version
from packaging.version import Version
from playwright.sync_api import Locator, expect

from tools.demo_stack import DemoStack

from .rest import rest
from .visitor import Visitor, Visitors

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(Version(airflow_version).release < (3, 3), reason="its page has other fields before"),
]

MISSING = "Missing permission `object.airflow.connection.{}` on connection `{}`."


@pytest.fixture(scope="module")
def stack(access_stack: DemoStack) -> DemoStack:
    """An Airflow without runs."""
    return access_stack


@pytest.fixture(scope="module")
def visitors(access_visitors: Visitors) -> Visitors:
    """Everybody in the browser."""
    return access_visitors


@pytest.fixture(scope="module")
def owner(stack: DemoStack) -> Iterator[httpx.Client]:
    """The Organization Owner, who has made a connection of the prefix and another one."""
    with rest(stack.url, "olga", stack.people["olga"]) as client:
        for name in ("finance_bank", "ops_bank"):
            client.post("/connections", json={"connection_id": name, "conn_type": "generic", "host": "old.example.com"})
        yield client


def listed(visitor: Visitor) -> Locator:
    """The rows of the table of connections."""
    return visitor.page.locator("tbody tr")


def stored(owner: httpx.Client) -> dict[str, str]:
    """The connections that there are, each with its host."""
    return {each["connection_id"]: each["host"] for each in owner.get("/connections").json()["connections"]}


def fill_in(visitor: Visitor, name: str) -> Locator:
    """Fill in the dialog of a new connection, and return it."""
    visitor.page.get_by_role("button", name="Add Connection").click()
    dialog = visitor.page.get_by_role("dialog")
    dialog.locator("input[name=connection_id]").fill(name)
    dialog.get_by_role("combobox").first.fill("generic")
    visitor.page.get_by_role("option", name="generic", exact=False).first.click()
    dialog.get_by_role("button", name="Save").click()
    return dialog


def test_one_prefix(owner: httpx.Client, visitors: Visitors) -> None:
    """The user sees the connections of the prefix, makes, changes and deletes one, and is denied others with the reason."""
    cora = visitors["cora"]
    cora.open("/connections")
    expect(listed(cora)).to_have_count(1)
    expect(listed(cora)).to_contain_text("finance_bank")

    dialog = fill_in(cora, "ops_new")
    expect(cora.page.get_by_text(MISSING.format("create", "ops_new"))).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    dialog = fill_in(cora, "finance_new")
    expect(listed(cora)).to_have_count(2)
    expect(listed(cora).filter(has_text="finance_new")).to_be_visible()

    row = listed(cora).filter(has_text="finance_new")
    row.get_by_role("button", name="Edit Connection").click()
    dialog = cora.page.get_by_role("dialog")
    dialog.locator("input[name=host]").fill("new.example.com")
    dialog.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("new.example.com")
    assert stored(owner) == {
        "finance_bank": "old.example.com",
        "finance_new": "new.example.com",
        "ops_bank": "old.example.com",
    }

    row.get_by_role("button", name="Delete Connection").click()
    cora.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(listed(cora)).to_have_count(1)
    assert {*stored(owner)} == {"finance_bank", "ops_bank"}


@pytest.mark.usefixtures("owner")
def test_the_rest_is_refused(stack: DemoStack, visitors: Visitors) -> None:
    """What the page does not offer is refused with the reason, and a connection that is not there in the same way."""
    visitors["cora"].open("/connections")
    page = visitors["cora"].page
    for name in ("ops_bank", "ops_none"):
        address = f"{stack.url}/api/v2/connections/{name}"
        read, deleted = (page.request.fetch(address, method=method) for method in ("GET", "DELETE"))
        assert (read.status, read.json()["detail"]) == (403, "Forbidden")
        assert (deleted.status, deleted.json()["detail"]) == (403, MISSING.format("delete", name))
