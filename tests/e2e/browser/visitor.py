"""People at Airflow's pages in a real browser, and what they would complain about.

Environment: `E2E_CHROMIUM` names the browser; without it the first Chromium or Chrome in PATH is taken.
`E2E_SHOTS` names a folder to keep the screenshots in.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Response, expect, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# No sandbox: tests run as root, too. The others keep the browser from calling home.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
SIZE = {"width": 1400, "height": 900}
PATIENCE = 60_000  # milliseconds that a page may take on a busy machine
CONTACT = "the platform team (platform@example.com)"
TOASTS = "[data-scope=toast][data-part=root]"
OPEN_DIALOG = "[role=dialog][data-state=open]"
# The card of a Dag that runs has a spinner for as long as it does.
WORKING = ".chakra-skeleton:visible, .chakra-spinner:visible:not([data-testid=dag-card] *)"
# On the Access pages what went well is an alert, too; what did not has the role.
ALERTS = ".chakra-alert__root:visible:not(.astro-access *), .astro-access [role=alert]:visible"
# Airflow's UI asks for some things without looking first whether it may, and shows nothing of the refusal.
TOLERATED = re.compile(r"Failed to load resource: the server responded with a status of 40[13] ")


def find_chromium() -> str:
    """The path of a browser. Without one the test is skipped, or fails where `CI` is `true`."""
    named = os.environ.get("E2E_CHROMIUM")
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found:
        return found
    missing = f"no program {named}" if named else f"none of {', '.join(PROGRAMS)} is in PATH"
    reason = f"needs Chromium, and {missing}: install it, or name one in E2E_CHROMIUM"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser."""
    program = find_chromium()
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


class Visitor:
    """One person in a browser window with cookies of its own. `page` is what they look at.

    `context` is what the window is told besides, such as `ignore_https_errors`.
    """

    def __init__(self, browser: Browser, url: str, user: str, shots: Path, **context: Any) -> None:
        self.user = user
        self.url = url
        self.context = browser.new_context(viewport=SIZE, base_url=url, **context)  # type: ignore[arg-type]
        self.context.set_default_timeout(PATIENCE)
        self.page: Page = self.context.new_page()
        self.answers: list[tuple[str, str, int]] = []
        self._errors: list[str] = []
        self._shots = shots
        self.page.on("response", self._heard)
        self.page.on("console", self._printed)
        self.page.on("pageerror", self._crashed)

    @property
    def path(self) -> str:
        """Where the person is, without the query."""
        return urlsplit(self.page.url).path

    def sign_in(self, password: str, path: str = "/", *, stays: bool = True) -> None:
        """Opens a page, is sent to the form, and fills it in; who does not stay goes on before the page is loaded."""
        self.page.goto(self._address(path))
        self.page.locator("#username").fill(self.user)
        self.page.locator("#password").fill(password)
        until: Literal["load", "commit"] = "load" if stays else "commit"
        with self.page.expect_navigation(url=lambda url: "/auth/login" not in url, wait_until=until):
            self.page.get_by_role("button", name="Sign In").or_(self.page.locator("[type=submit]")).first.click()

    def open(self, path: str) -> None:
        """Types an address, whole or below Airflow's; forgets what was asked and complained about before."""
        self.answers.clear()
        self._errors.clear()
        self.page.goto(self._address(path))

    def leave(self) -> None:
        """Closes what is open: Airflow's pages ask and draw for as long as they are there."""
        self.page.goto("about:blank")

    def nav(self) -> Locator:
        """The bar at the left."""
        return self.page.get_by_test_id("nav-sidebar")

    def menu(self, name: str) -> list[str]:
        """Opens a menu of the bar; returns what it offers, in alphabetical order, and closes it."""
        self.nav().get_by_role("button", name=name, exact=True).click()
        items = self.page.locator("[role=menuitem]:visible")
        expect(items.first).to_be_visible()
        texts = sorted(items.all_inner_texts())
        self.page.keyboard.press("Escape")
        expect(items).to_have_count(0)
        return texts

    def dialog(self) -> Locator:
        """The open dialog."""
        return self.page.locator(OPEN_DIALOG)

    def is_told(self, text: str) -> None:
        """A toast says this."""
        expect(self.page.locator(TOASTS).filter(has_text=text).first).to_be_visible()

    def requested(self, path: str, method: str = "GET") -> list[int]:
        """The answers that the pages got from a path since `open`."""
        return [status for requested, at, status in self.answers if (requested, at) == (method, path)]

    def is_at_ease(self) -> None:
        """The page is complete, and nothing on it is an error."""
        expect(self.page.locator(WORKING)).to_have_count(0)
        expect(self.page.locator(ALERTS)).to_have_count(0)
        found = [*self._errors, *self.page.locator(TOASTS).all_inner_texts()]
        assert found == [], found

    def shot(self, name: str) -> None:
        """Keeps what the person sees now."""
        self._shots.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=self._shots / f"{self.user}-{name}.png")

    def _address(self, path: str) -> str:
        return urljoin(f"{self.url.rstrip('/')}/", path.lstrip("/"))

    def _heard(self, answer: Response) -> None:
        path = urlsplit(answer.url).path
        self.answers.append((answer.request.method, path, answer.status))
        if answer.status >= 500:
            self._errors.append(f"{answer.status} {answer.request.method} {path}")

    def _printed(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not TOLERATED.match(message.text):
            self._errors.append(f"console: {message.text}")

    def _crashed(self, error: Any) -> None:
        # A script of FAB's stumbles on each page of FAB's, inside of Airflow's or not, whoever the auth manager is.
        if not any("/auth/" in urlsplit(frame.url).path for frame in self.page.frames):
            self._errors.append(f"script: {error}")


class Visitors:
    """Everybody who has come so far, by user name; who is asked for first signs in then, and is to open a page.

    `context` is what their windows are told besides.
    """

    def __init__(self, browser: Browser, url: str, passwords: dict[str, str], shots: Path, **context: Any) -> None:
        self.passwords = passwords
        self.shots = shots
        self._browser = browser
        self._url = url
        self._context = context
        self._here: dict[str, Visitor] = {}

    def __getitem__(self, user: str) -> Visitor:
        if user not in self._here:
            self.new(user).sign_in(self.passwords[user], stays=False)
        return self._here[user]

    def new(self, user: str) -> Visitor:
        """A person in a new window, not signed in."""
        self._here[user] = Visitor(self._browser, self._url, user, self.shots, **self._context)
        return self._here[user]

    def everybody(self) -> list[Visitor]:
        """All of them."""
        return list(self._here.values())


def is_without_access(visitor: Visitor, path: str) -> None:
    """The visitor is where they wanted to go, and reads that nobody gave them a role, and whom to ask."""
    expect(visitor.page.get_by_role("heading")).to_have_text("You have no access to this Airflow yet")
    expect(visitor.page.locator("main")).to_contain_text(f"{visitor.user}@example.com")
    expect(visitor.page.locator("main")).to_contain_text(CONTACT)
    assert visitor.path == path
