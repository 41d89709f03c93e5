"""The Access pages in the browser: what people do in their dialogs."""

from __future__ import annotations

from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, expect

from .visitor import Visitor

USERS = "/plugin/access/users"
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
SETTLED = """() => Promise.allSettled(document.getAnimations()
    .filter(animation => animation.effect.getComputedTiming().endTime !== Infinity)
    .map(animation => animation.finished))"""
# A table may scroll inside of its box, but not on a phone; the page and the dialogs never.
TOO_WIDE = """() => [document.documentElement, ...document.querySelectorAll(
        ".astro-access, .astro-access [role=dialog], .astro-access [role=alertdialog]" +
        (innerWidth < 600 ? ", .astro-access [role=region]" : ""))]
    .filter(element => element.scrollWidth > element.clientWidth)
    .map(element => `${element.tagName} ${element.className} is ${element.scrollWidth} wide`)"""


def filled(visitor: Visitor, role: str, *, tag: str = "", dag: str = "", reason: str = "") -> Locator:
    """Fills in the open dialog to give a role on a tag or Dag."""
    dialog = visitor.dialog()
    if tag:
        dialog.get_by_label("Tag").fill(tag)
    if dag:
        dialog.get_by_label("Where").select_option(label="One Dag, in demo")
        dialog.get_by_role("combobox", name="Dag", exact=True).fill(dag)
    dialog.get_by_label("Role", exact=True).select_option(role)
    if reason:
        dialog.get_by_label("Reason").fill(reason)
    return dialog


def preview(visitor: Visitor) -> Locator:
    """Asks what the open dialog would change, and waits for the answer."""
    dialog = visitor.dialog()
    dialog.get_by_role("button", name="Preview").click()
    expect(dialog.get_by_role("button", name="Back")).to_be_visible()
    return dialog


def save(visitor: Visitor, button: str = "Save") -> int:
    """Looks at the preview, saves, and returns the number of the new version."""
    preview(visitor).get_by_role("button", name=button, exact=True).click()
    expect(visitor.dialog()).to_have_count(0)
    done = visitor.page.get_by_text("Done: version")
    expect(done).to_be_visible()
    return int(done.inner_text().rsplit(" ", 1)[-1])


def give(visitor: Visitor, email: str, role: str, **where: str) -> int:
    """Gives a user a role at the page of the user; returns the number of the new version."""
    visitor.open(f"{USERS}/{email}")
    visitor.page.get_by_role("button", name="Give a role").click()
    filled(visitor, role, **where)
    return save(visitor)


def looks(visitor: Visitor, theme: Literal["light", "dark"], width: int) -> None:
    """Gives the visitor a window of this width, and the theme that Airflow takes from the system."""
    visitor.page.set_viewport_size({"width": width, "height": 844})
    visitor.page.emulate_media(color_scheme=theme)


def barriers(visitor: Visitor) -> list[str]:
    """What axe-core finds in the Access pages that are shown, an open dialog included, and what is too wide there."""
    visitor.page.evaluate(SETTLED)  # what fades in has little contrast meanwhile
    result = Axe().run(visitor.page, context={"include": [[".astro-access"]]}, options=RULES)
    found = [
        f"{rule['id']}: {node['html'][:200]} {node['failureSummary']}"
        for rule in result.response["violations"]
        for node in rule["nodes"]
    ]
    return found + list(visitor.page.evaluate(TOO_WIDE))
