"""The Access pages behind the proxy, below a path, with the Content-Security-Policy that docs/access-pages.md shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser.access_pages import USERS, give
from tests.e2e.browser.visitor import Visitors, chromium
from tests.e2e.live import free_port
from tools.demo_stack import ROOT, DemoStack

from .stack import PATH, Nginx, make_certificate

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.slow]

SHOWN = re.compile(r"```nginx\n(.+?)```", re.DOTALL)


@pytest.fixture(scope="module")
def front(folder: Path) -> Iterator[tuple[str, DemoStack]]:
    """The address that users open, and the Airflow there, with its policy in the database."""
    (policy,) = SHOWN.findall((ROOT / "docs/access-pages.md").read_text())
    port = free_port()
    url = f"https://localhost:{port}{PATH}"
    settings = {"AIRFLOW__API__BASE_URL": url, "FORWARDED_ALLOW_IPS": "127.0.0.1"}
    parts = ("api-server", "dag-processor")
    make_certificate(folder / "csp")
    with (
        DemoStack(folder / "demo", policy_store="database", components=parts, extra_env=settings) as stack,
        Nginx(folder / "csp", port, stack.port, extra=policy),
    ):
        yield url, stack


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def visitors(folder: Path, front: tuple[str, DemoStack], browser: Browser) -> Visitors:
    """Everybody in the browser."""
    url, stack = front
    return Visitors(browser, url, dict(stack.people), folder / "shots", ignore_https_errors=True)


def test_header(front: tuple[str, DemoStack]) -> None:
    """Airflow's pages may have no inline scripts, FAB's may."""
    url, _ = front
    sent = {
        page: httpx.get(url + page, verify=False).headers["content-security-policy"] for page in ("/", "/auth/login/")
    }
    assert "script-src 'self';" in sent["/"]
    assert "script-src 'self' 'unsafe-inline';" in sent["/auth/login/"]
    assert "object-src 'none'" in sent["/"]


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("/plugin/access", "ana@example.com"),
        (f"{USERS}/vera@example.com", "Sees 4 Dags"),
        ("/plugin/my-access", "WORKSPACE_OWNER"),
        ("/dags/invoice_totals/plugin/access-dag", "Who has access"),
    ],
)
def test_page(page: str, text: str, visitors: Visitors) -> None:
    """A page opens below the path; the browser refuses nothing of it."""
    wendy = visitors["wendy"]
    wendy.open(page)
    expect(wendy.page.locator(".astro-access").get_by_text(text).first).to_be_visible()
    wendy.is_at_ease()


def test_pages_of_fab(visitors: Visitors) -> None:
    """The sign-in page and Security > Users, inside of Airflow's page, have nothing refused either."""
    olga = visitors.new("olga")
    olga.sign_in(visitors.passwords["olga"])
    olga.is_at_ease()
    olga.open("/security/users")
    expect(olga.page.frame_locator("iframe").get_by_text("ivy@example.com").first).to_be_visible()
    olga.is_at_ease()


def test_change(visitors: Visitors) -> None:
    """A role is given below the path, and counts."""
    ivy, wendy = visitors["ivy"], visitors["wendy"]
    give(wendy, "ivy@example.com", "DAG_VIEWER", tag="team:finance")
    wendy.is_at_ease()
    ivy.open("/dags/invoice_totals/plugin/access-dag")
    expect(ivy.page.get_by_role("table", name="Your roles on this Dag")).to_contain_text("team:finance")
    ivy.is_at_ease()
