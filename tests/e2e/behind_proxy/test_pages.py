"""Airflow's pages behind the proxy, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser.visitor import Visitor, chromium

from .stack import PASSWORDS, PATH, Fronted, Nginx

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser."""
    with chromium() as started:
        yield started


@pytest.fixture
def visit(browser: Browser, airflow: Fronted, nginx: Nginx, folder: Path) -> Iterator:
    """A function that returns somebody in a new window, which takes the certificate that nobody has signed."""
    opened = []

    def visit(user: str) -> Visitor:
        opened.append(Visitor(browser, f"{airflow.front}/", user, folder / "shots", ignore_https_errors=True))
        return opened[-1]

    yield visit
    for visitor in opened:
        visitor.context.close()


def test_deep_link(visit, airflow: Fronted) -> None:
    """Whoever types the address of a page signs in and is on that page, which works."""
    olga = visit("olga")
    olga.sign_in(PASSWORDS["olga"], "variables?limit=50")
    expect(olga.page.get_by_text("Add Variable").first).to_be_visible()
    assert olga.page.url.startswith(f"{airflow.front}/variables")
    cookies = {cookie["name"]: cookie for cookie in olga.context.cookies()}
    assert set(cookies) == {"_token", "session"}
    assert {(each["secure"], each["httpOnly"], each["path"]) for each in cookies.values()} == {(True, True, f"{PATH}/")}
    olga.is_at_ease()


def test_users_page(visit, airflow: Fronted) -> None:
    """FAB's list of accounts opens inside Airflow's pages, and its links stay there."""
    olga = visit("olga")
    olga.sign_in(PASSWORDS["olga"], "")
    olga.nav().get_by_role("button", name="Security").click()
    olga.page.get_by_role("menuitem", name="Users").click()
    users = olga.page.frame_locator("iframe")
    expect(users.get_by_text("olga@example.com")).to_be_visible()
    users.locator("a[href*='/users/show/']").first.click()
    expect(users.get_by_text("Show User")).to_be_visible()
    assert all(frame.url.startswith(airflow.front) for frame in olga.page.frames)


def test_expired_token(visit, airflow: Fronted) -> None:
    """Somebody whose token does not count any more is back on the same page at once."""
    olga = visit("olga")
    olga.sign_in(PASSWORDS["olga"], "")
    olga.context.clear_cookies(name="_token")
    olga.page.goto("connections")
    expect(olga.page.get_by_text("Add Connection").first).to_be_visible()
    assert olga.page.url == f"{airflow.front}/connections"


def test_token_that_is_lost(visit) -> None:
    """Somebody whose browser never keeps the token reads why, instead of a page that loads for ever."""
    olga = visit("olga")

    def lose_token(route) -> None:
        cookies = olga.page.context.cookies()
        if any(cookie["name"] == "_token" for cookie in cookies):
            olga.context.clear_cookies(name="_token")
        headers = route.request.all_headers()
        kept = [part for part in headers.get("cookie", "").split("; ") if not part.startswith("_token=")]
        route.continue_(headers={**headers, "cookie": "; ".join(kept)})

    olga.sign_in(PASSWORDS["olga"], "")
    olga.context.route("**/*", lose_token)
    olga.page.goto("variables")
    expect(olga.page.get_by_text("airflow astro-auth doctor")).to_be_visible()
    assert "/auth/login/" in olga.page.url


def test_no_access_and_sign_out(visit, airflow: Fronted) -> None:
    """Who holds nothing reads so under the address typed; the link to sign out leads to the form."""
    nobody = visit("nobody")
    nobody.sign_in(PASSWORDS["nobody"], "dags")
    expect(nobody.page.get_by_role("heading")).to_have_text("You have no access to this Airflow yet")
    assert nobody.page.url == f"{airflow.front}/dags"
    nobody.page.get_by_role("link", name="Sign out").click()
    expect(nobody.page.locator("#username")).to_be_visible()
    assert nobody.page.url == f"{airflow.front}/auth/login/"
    assert "_token" not in {cookie["name"] for cookie in nobody.context.cookies()}
