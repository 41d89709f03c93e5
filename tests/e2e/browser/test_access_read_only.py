"""The Access pages where the policy is in a file."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from .access_pages import USERS, filled, preview
from .visitor import Visitors

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.slow]


def test_a_change_is_a_patch_to_copy(visitors: Visitors) -> None:
    """Instead of a change there is the entry for the file, with who would gain what."""
    wendy = visitors["wendy"]
    wendy.open(f"{USERS}/ivy@example.com")
    expect(wendy.page.get_by_text("managed in policy.yaml: read only")).to_be_visible()
    wendy.page.get_by_role("button", name="Give a role").click()
    filled(wendy, "DAG_VIEWER", tag="team:finance")
    dialog = preview(wendy)
    expect(dialog).to_contain_text("ivy@example.com may then")
    expect(dialog.get_by_label("For the policy file")).to_contain_text("tag: team:finance")
    expect(dialog.get_by_role("button", name="Save")).to_have_count(0)
    wendy.is_at_ease()


def test_names_and_support_access_are_patches_too(visitors: Visitors) -> None:
    """What to write for another name of a Team, and to switch support Teams off."""
    olga = visitors["olga"]
    olga.open("/plugin/access/teams/finance")
    olga.page.get_by_role("button", name="Rename", exact=True).click()
    olga.dialog().get_by_label("New name").fill("money")
    shown = preview(olga)
    expect(shown.get_by_label("For the policy file")).to_contain_text('replace the entry of "finance" by this one')
    expect(shown.get_by_label("For the policy file")).to_contain_text("name: money")
    expect(shown.get_by_role("button", name="Rename")).to_have_count(0)
    olga.open("/plugin/access/teams")
    olga.page.get_by_role("button", name="Disallow support access").click()
    shown = preview(olga)
    expect(shown.get_by_label("For the policy file")).to_have_text("support_access: disallowed")
    expect(shown.get_by_role("button", name="Disallow", exact=True)).to_have_count(0)
    olga.is_at_ease()
