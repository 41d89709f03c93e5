"""The Access pages in the browser: what people do in their dialogs."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from .visitor import Visitor

USERS = "/plugin/access/users"


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
