"""Accounts at the pages of FAB, inside Airflow."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tools.demo_stack import DemoStack

from .rest import token, wait_until
from .visitor import Visitors, is_without_access

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.slow]

NEW_PASSWORD = "correct-horse-battery"


def test_owner_creates_account(visitors: Visitors) -> None:
    """A Workspace Owner creates an account in Security > Users, is asked for no role of FAB's, and gives it nothing."""
    wendy = visitors["wendy"]
    wendy.open("/")
    wendy.nav().get_by_role("button", name="Security").click()
    wendy.page.get_by_role("menuitem", name="Users").click()
    users = wendy.page.frame_locator("iframe")
    expect(users.get_by_text("List Users")).to_be_visible()
    expect(users.get_by_text("olga@example.com")).to_be_visible()
    wendy.shot("users")
    wendy.open("/auth/users/add")
    new = {"first_name": "New", "last_name": "Person", "username": "newbie", "email": "newbie@example.com"}
    expect(wendy.page.locator("#email")).to_be_visible()
    expect(wendy.page.locator("#roles")).to_have_count(0)
    submit(wendy.page, **new, password=NEW_PASSWORD, conf_password=NEW_PASSWORD)
    expect(wendy.page.locator(".alert")).to_contain_text("Added Row")
    newbie = visitors.new("newbie")
    newbie.sign_in(NEW_PASSWORD)
    is_without_access(newbie, "/")


def test_owner_may_not_take_over(visitors: Visitors, stack: DemoStack) -> None:
    """A Workspace Owner changes neither e-mail nor password of an Organization Owner, and is told why."""
    wendy = visitors["wendy"]
    refusal = "You may not change the account of olga@example.com, who has roles that you may not grant: `ORGANIZATION_OWNER`."
    wendy.open("/auth/users/list/")
    wendy.page.get_by_role("row").filter(has_text="olga@example.com").locator("a[href*='/users/edit/']").click()
    submit(wendy.page, email="wendys@example.com")
    expect(wendy.page.locator(".alert").first).to_contain_text(refusal)
    wendy.shot("may-not-edit")
    wendy.page.get_by_role("row").filter(has_text="olga@example.com").locator("a[href*='/users/show/']").click()
    wendy.page.get_by_role("link", name="Reset Password").click()
    submit(wendy.page, password=NEW_PASSWORD, conf_password=NEW_PASSWORD)
    expect(wendy.page.locator(".alert").first).to_contain_text(refusal)
    assert token(stack.url, "olga", stack.people["olga"]).status_code == 201


@pytest.mark.parametrize("user", ["ivy", "otto"])
def test_own_password(user: str, visitors: Visitors, stack: DemoStack) -> None:
    """Everybody changes the own password, also who may do nothing else."""
    visitor = visitors.new(user)
    visitor.sign_in(stack.people[user], path="/auth/resetmypassword/form")
    visitor.open("/auth/resetmypassword/form")
    submit(visitor.page, password=NEW_PASSWORD, conf_password=NEW_PASSWORD)
    wait_until(lambda: token(stack.url, user, NEW_PASSWORD).status_code == 201, "the new password works")
    assert token(stack.url, user, stack.people[user]).status_code == 401


def submit(page: Page, **fields: str) -> None:
    """Fills a form of FAB's and sends it."""
    for name, text in fields.items():
        page.locator(f"#{name}").fill(text)
    with page.expect_navigation():
        page.locator("button[type=submit]").first.click()
