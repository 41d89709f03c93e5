"""The Access pages of an Airflow with the policy in the database: what is changed there counts at the next click."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Literal

import httpx
import pytest
from playwright.sync_api import expect

from tools.demo_stack import DemoStack

from .access_pages import USERS, barriers, filled, give, looks, preview, save
from .rest import token
from .visitor import CONTACT, Visitor, Visitors

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.slow]

PAGES = {
    "/plugin/access": "29 users",
    f"{USERS}/vera@example.com": "Sees 4 Dags",
    "/plugin/access/teams": "3 Teams",
    "/plugin/access/teams/finance": "finn@example.com",
    "/plugin/access/tokens": "1 API token",
    "/plugin/access/roles": "3 custom roles",
    "/plugin/access/tags": "2 tags",
    "/plugin/access/tags/team%3Afinance": "ledger_reconciliation",
    "/plugin/access/bundles": "1 bundle or folder",
    "/plugin/access/bundles/dags-folder": "bea@example.com",
    "/plugin/access/dags/invoice_totals": "Access to invoice_totals",
    "/plugin/access/history": "the policy of the demo",
    "/plugin/access/audit": "Download CSV",
    "/plugin/my-access": "ORGANIZATION_OWNER",
}

# The buttons of a page that open a dialog.
DIALOGS = {
    "/plugin/access": ["Give a role"],
    f"{USERS}/vera@example.com": ["Give a role", "Revoke"],
    f"{USERS}/finn@example.com": ["Remove from finance"],
    "/plugin/access/teams": ["Create a Team", "Disallow support access"],
    "/plugin/access/teams/finance": [
        "Give a role",
        "Revoke DAG_AUTHOR",
        "Add members",
        "Change finn",
        "Remove finn",
        "Rename",
        "Delete",
    ],
    "/plugin/access/tokens": ["Create an API token", "Rotate ci", "Revoke ci"],
    "/plugin/access/roles": ["Create a role", "Change run-operator", "Rename run-operator", "Delete run-operator"],
    "/plugin/access/tags/team%3Afinance": ["Give access to this tag"],
    "/plugin/access/bundles/dags-folder": ["Give access to this bundle"],
    "/plugin/access/dags/invoice_totals": ["Give access to this Dag", "… to the tag team:finance"],
}
DAGS = (
    *("exchange_rates", "housekeeping", "invoice_totals", "ledger_reconciliation", "orders_ingest", "orders_report"),
    *("payment_approval", "regional_rollup", "revenue_forecast"),
)
# The themes of Airflow, and the width of the window: of a phone and of a computer.
LOOKS: list[tuple[Literal["light", "dark"], int]] = [("dark", 390), ("light", 1400)]


@pytest.fixture(scope="module")
def stack(access_stack: DemoStack) -> DemoStack:
    """An Airflow without runs, with the policy in its database."""
    return access_stack


@pytest.fixture(scope="module")
def visitors(access_visitors: Visitors) -> Visitors:
    """Everybody in the browser."""
    return access_visitors


def sees(visitor: Visitor, *dags: str) -> None:
    """Airflow's own list shows a user these Dags, and no other."""
    visitor.open("/dags")
    expect(visitor.page.get_by_test_id("dag-id")).to_have_text(list(dags))


@pytest.mark.parametrize("page", PAGES)
def test_page(page: str, visitors: Visitors) -> None:
    """A page opens at its own address, complete and without an error; axe-core finds nothing in it."""
    olga = visitors["olga"]
    olga.open(page)
    for theme, width in LOOKS:
        looks(olga, theme, width)
        expect(olga.page.locator(".astro-access").get_by_text(PAGES[page]).first).to_be_visible()
        olga.is_at_ease()
        expect(olga.page.locator(f"html.{theme}")).to_have_count(1)
        assert barriers(olga) == []


@pytest.mark.parametrize("page", DIALOGS)
def test_dialogs(page: str, visitors: Visitors) -> None:
    """Axe-core finds nothing in the dialogs, and they fit into the window of a phone."""
    olga = visitors["olga"]
    olga.open(page)
    for theme, width in LOOKS:
        looks(olga, theme, width)
        for button in DIALOGS[page]:
            olga.page.locator(".astro-access").get_by_role("button", name=button).first.click()
            expect(olga.dialog()).to_be_visible()
            assert barriers(olga) == []
            olga.page.keyboard.press("Escape")
            expect(olga.dialog()).to_have_count(0)


@pytest.mark.parametrize(("theme", "width"), LOOKS)
def test_answers(theme: Literal["light", "dark"], width: int, visitors: Visitors) -> None:
    """The same for what comes as an answer: a preview, what is missing, what one could ask for."""
    vera, wendy = visitors["vera"], visitors["wendy"]
    looks(wendy, theme, width)
    wendy.open(f"{USERS}/ivy@example.com?grant=DAG_VIEWER&kind=tag&id=team:finance")
    expect(preview(wendy)).to_contain_text("ivy@example.com may then")
    assert barriers(wendy) == []
    looks(vera, theme, width)
    vera.open("/dags/invoice_totals/plugin/access-dag")
    vera.page.get_by_label("What").select_option(label="Delete its runs")
    vera.page.get_by_role("button", name="Ask").click()
    expect(vera.page.get_by_label("Request to send")).to_be_visible()
    assert barriers(vera) == []


@pytest.mark.parametrize(("theme", "width"), LOOKS)
def test_answers_to_changes(theme: Literal["light", "dark"], width: int, visitors: Visitors, stack: DemoStack) -> None:
    """The same for the secret of a new token, a revert, a comparison, a refusal, a conflict, and what ended."""
    olga = visitors["olga"]
    looks(olga, theme, width)
    name = f"{theme} token"
    olga.open("/plugin/access/tokens")
    olga.page.get_by_role("button", name="Create an API token").click()
    olga.dialog().get_by_label("Name").fill(name)
    filled(olga, "DAG_VIEWER", tag="team:finance")
    shown = preview(olga)
    expect(shown).to_contain_text(f"+ API token `{name}`: `DAG_VIEWER` on DAG_TAG")
    expect(shown).to_contain_text(f"API token `{name}` may then, on Dags tagged `team:finance`")
    shown.get_by_role("button", name="Create", exact=True).click()
    secret = olga.page.get_by_role("alertdialog")
    expect(secret.get_by_label("Secret")).to_be_visible()
    assert barriers(olga) == []
    secret.get_by_role("button", name="I have kept it").click()
    expect(olga.page.get_by_text("Done: version")).to_be_visible()
    assert barriers(olga) == []
    olga.page.get_by_role("button", name=f"Revoke {name}").click()
    save(olga, "Revoke")

    with access(stack, "olga") as client:
        read = client.get("/teams/finance").headers["ETag"]
        end = {"add_members": ["finn@example.com"], "expires_at": "2099-01-01T00:00:00Z", "note": f"{theme} {width}"}
        client.patch("/teams/finance", json=end, headers={"If-Match": read}).raise_for_status()
        olga.open("/plugin/access/history")
        olga.page.get_by_role("button", name="Revert to version 1", exact=True).click()
        expect(olga.dialog()).to_be_visible()
        assert barriers(olga) == []
        expect(preview(olga)).to_contain_text("member `finn@example.com`")
        assert barriers(olga) == []
        olga.open("/plugin/access/history/1/2")
        expect(olga.page.get_by_text("From version 1 to version 2")).to_be_visible()
        assert barriers(olga) == []

        olga.open("/plugin/access/teams/finance")
        olga.page.get_by_role("button", name="Change finn@example.com").click()
        dialog = olga.dialog()
        dialog.get_by_label("Note").fill("mine")
        back = {"add_members": ["finn@example.com"]}
        read = client.get("/teams/finance").headers["ETag"]
        client.patch("/teams/finance", json=back, headers={"If-Match": read}).raise_for_status()
    dialog.get_by_role("button", name="Preview").click()
    expect(dialog).to_contain_text("Another user changed this meanwhile")
    assert barriers(olga) == []

    olga.open(f"{USERS}/olga@example.com")
    olga.page.get_by_role("button", name="Revoke ORGANIZATION_OWNER").click()
    dialog.get_by_role("button", name="Preview").click()
    expect(dialog.get_by_role("alert")).to_contain_text("This would leave no Organization Owner")
    assert barriers(olga) == []


def test_navigation(visitors: Visitors) -> None:
    """The pages have an entry in Airflow's navigation, in the first level of it or in the menu of plugins."""
    wendy = visitors["wendy"]
    wendy.open("/")
    group = wendy.nav().get_by_role("button", name="Plugins")
    entry = wendy.nav().get_by_role("link", name="Access", exact=True)
    expect(group.or_(entry).first).to_be_visible()
    if group.is_visible():
        group.click()
        entry = wendy.page.get_by_role("menuitem", name="Access", exact=True)
    entry.click()
    expect(wendy.page.get_by_role("table", name="Users")).to_be_visible()
    wendy.is_at_ease()


def test_role_counts_at_the_next_click(visitors: Visitors) -> None:
    """A Workspace Owner gives a role on a tag and takes it back: the other user has it, and has it no more."""
    ivy, wendy = visitors["ivy"], visitors["wendy"]
    sees(ivy, "housekeeping")
    version = give(wendy, "ivy@example.com", "DAG_VIEWER", tag="team:finance", reason="ticket 12")
    sees(ivy, "exchange_rates", "housekeeping", "invoice_totals", "ledger_reconciliation", "payment_approval")
    wendy.page.get_by_role("button", name="Undo").click()
    assert save(wendy, "Revert") == version + 1
    sees(ivy, "housekeeping")
    wendy.open("/plugin/access/history")
    expect(wendy.page.get_by_role("row").filter(has_text="ticket 12")).to_contain_text("wendy@example.com")
    wendy.is_at_ease()


def test_role_on_a_bundle(visitors: Visitors) -> None:
    """From a Dag to its bundle: a role that is given there reaches every Dag of it, until it is revoked."""
    ivy, wendy = visitors["ivy"], visitors["wendy"]
    wendy.open("/plugin/access/dags/housekeeping")
    wendy.page.get_by_role("link", name="bundle dags-folder", exact=True).click()
    users = wendy.page.get_by_role("table", name="Who may do what through bundle dags-folder")
    expect(users).to_contain_text("bea@example.com")
    wendy.page.get_by_role("button", name="Give access to this bundle").click()
    dialog = wendy.dialog()
    expect(dialog.get_by_label("Bundle")).to_have_value("dags-folder")
    dialog.get_by_label("E-mail").fill("ivy@example.com")
    dialog.get_by_label("Role", exact=True).select_option("DAG_VIEWER")
    expect(preview(wendy)).to_contain_text("ivy@example.com may then, on Dags in bundle `dags-folder`")
    dialog.get_by_role("button", name="Save", exact=True).click()
    expect(users).to_contain_text("ivy@example.com")
    sees(ivy, *DAGS)
    wendy.page.get_by_role("button", name="Undo").click()
    save(wendy, "Revert")
    sees(ivy, "housekeeping")


def test_team(visitors: Visitors) -> None:
    """A Team is made with a member and a role, and deleted."""
    olga, dean = visitors["olga"], visitors["dean"]
    olga.open("/plugin/access/teams")
    olga.page.get_by_role("button", name="Create a Team").click()
    dialog = olga.dialog()
    expect(dialog.get_by_label("Name")).to_be_focused()
    dialog.get_by_label("Name").fill("night watch/1")
    dialog.get_by_label("Members", exact=True).fill("dean@example.com")
    dialog.get_by_label("Members", exact=True).press("Enter")
    expect(dialog.get_by_role("button", name="Remove dean@example.com")).to_be_visible()
    dialog.get_by_label("Last day of dean@example.com").fill("2099-01-31")
    dialog.get_by_text("Give it a role at once").click()
    filled(olga, "DAG_VIEWER", dag="house")
    expect(dialog).to_contain_text("You see no Dag of this id.")
    filled(olga, "DAG_VIEWER", dag="housekeeping")
    expect(dialog).not_to_contain_text("You see no Dag of this id.")
    expect(preview(olga)).to_contain_text("dean@example.com may then")
    olga.page.keyboard.press("Tab")
    expect(dialog.get_by_role("button", name="Back")).to_be_focused()
    olga.dialog().get_by_role("button", name="Create", exact=True).click()
    expect(olga.page.get_by_role("heading", name="night watch/1")).to_be_visible()
    member = olga.page.get_by_role("table", name="Members").get_by_role("row").filter(has_text="dean@example.com")
    expect(member.locator("time")).to_have_attribute("datetime", "2099-01-31T23:59:59Z")
    sees(dean, "housekeeping")
    olga.page.get_by_role("button", name="Delete").click()
    save(olga, "Delete")
    sees(dean)
    olga.is_at_ease()


def test_membership(visitors: Visitors) -> None:
    """A member is added with an end and a note, gets others, and keeps neither; groups are for Organization Owners."""
    wendy, ivy = visitors["wendy"], visitors["ivy"]
    wendy.open("/plugin/access/teams/finance")
    row = wendy.page.get_by_role("table", name="Members").get_by_role("row").filter(has_text="ivy@example.com")
    wendy.page.get_by_role("button", name="Add members").click()
    dialog = wendy.dialog()
    dialog.get_by_label("Members", exact=True).fill("ivy@example.com")
    dialog.get_by_label("Until").fill("2099-01-31")
    dialog.get_by_label("Note").fill("on call")
    expect(dialog.get_by_label("Groups")).not_to_be_editable()
    expect(dialog).to_contain_text("Only Organization Owners may change the groups of a Team.")
    expect(preview(wendy)).to_contain_text("ivy@example.com may then, on Dags tagged `team:finance`")
    dialog.get_by_role("button", name="Save").click()
    expect(row.locator("time")).to_have_attribute("datetime", "2099-01-31T23:59:59Z")
    expect(row).to_contain_text("on call")
    sees(ivy, "exchange_rates", "housekeeping", "invoice_totals", "ledger_reconciliation", "payment_approval")
    wendy.open(f"{USERS}/ivy@example.com")
    joined = wendy.page.get_by_role("table", name="Teams").get_by_role("row").filter(has_text="finance")
    expect(joined.locator("time")).to_have_attribute("datetime", "2099-01-31T23:59:59Z")

    wendy.open("/plugin/access/teams/finance")
    wendy.page.get_by_role("button", name="Change ivy@example.com").click()
    expect(dialog.get_by_role("button", name="Preview")).to_be_disabled()
    expect(dialog.get_by_label("Until")).to_have_value("2099-01-31")
    dialog.get_by_label("Until").fill("2099-02-28")
    dialog.get_by_label("Note").fill("on call, ticket 4711")
    save(wendy)
    expect(row.locator("time")).to_have_attribute("datetime", "2099-02-28T23:59:59Z")
    expect(row).to_contain_text("ticket 4711")
    wendy.page.get_by_role("button", name="Change ivy@example.com").click()
    dialog.get_by_label("Until").fill("")
    dialog.get_by_label("Note").fill("")
    save(wendy)
    expect(row).to_contain_text("no end")
    expect(row).not_to_contain_text("on call")
    wendy.page.get_by_role("button", name="Remove ivy@example.com").click()
    save(wendy)
    expect(row).to_have_count(0)
    wendy.is_at_ease()


def test_support(visitors: Visitors) -> None:
    """Members of a support Team lose sight of its Dags while support access is disallowed, which all readers see."""
    olga, wendy, ivy = visitors["olga"], visitors["wendy"], visitors["ivy"]
    finance = ("exchange_rates", "housekeeping", "invoice_totals", "ledger_reconciliation", "payment_approval")
    olga.open("/plugin/access/teams")
    olga.page.get_by_role("button", name="Create a Team").click()
    dialog = olga.dialog()
    dialog.get_by_label("Name").fill("helpers")
    dialog.get_by_text("Support Team", exact=True).click()
    dialog.get_by_label("Members", exact=True).fill("ivy@example.com")
    dialog.get_by_text("Give it a role at once").click()
    filled(olga, "DAG_VIEWER", tag="team:finance")
    preview(olga).get_by_role("button", name="Create", exact=True).click()
    expect(olga.page.get_by_text("Support Team", exact=True)).to_be_visible()
    expect(olga.page.get_by_text("can only have roles that read")).to_be_visible()
    sees(ivy, *finance)

    olga.open("/plugin/access/teams")
    off = "Support access is disallowed"
    expect(olga.page.get_by_text("Support access is allowed")).to_be_visible()
    olga.page.get_by_role("button", name="Disallow support access").click()
    expect(preview(olga)).to_contain_text("ivy@example.com may then no longer")
    dialog.get_by_role("button", name="Disallow", exact=True).click()
    expect(olga.page.get_by_text(off).first).to_be_visible()
    sees(ivy, "housekeeping")
    for page in ("/plugin/access/teams", "/plugin/access/teams/helpers"):
        wendy.open(page)
        expect(wendy.page.locator(".chakra-alert__root").filter(has_text=off)).to_be_visible()
        expect(wendy.page.get_by_role("button", name="Allow support access")).to_have_count(0)
    wendy.is_at_ease()

    olga.page.get_by_role("button", name="Allow support access").click()
    save(olga, "Allow")
    expect(olga.page.get_by_text(off)).to_have_count(0)
    sees(ivy, *finance)
    olga.open("/plugin/access/teams/helpers")
    olga.page.get_by_role("button", name="Change", exact=True).click()
    dialog.get_by_text("Support Team", exact=True).click()
    save(olga)
    expect(olga.page.get_by_text("Support Team", exact=True)).to_have_count(0)
    olga.page.get_by_role("button", name="Delete").click()
    save(olga, "Delete")
    olga.is_at_ease()


def test_renames(visitors: Visitors, stack: DemoStack) -> None:
    """A Team and a role get other names, and those who had something by them have it still."""
    olga, wendy, ivy = visitors["olga"], visitors["wendy"], visitors["ivy"]
    words = [f"dag.airflow.{name}.get" for name in ("dag", "dagRun", "taskInstance", "dagDependencies")]
    role = {"name": "peeker", "scope": "DAG", "permissions": words, "description": "Only looks."}
    scope = {"kind": "Dag", "id": "invoice_totals", "deployment_id": "cldep0demo"}
    team = {"name": "late/shift", "members": ["ivy@example.com"], "grant": [{"role": "peeker", "scope": scope}]}
    with access(stack, "olga") as client:
        client.post("/roles", json=role).raise_for_status()
        client.post("/teams", json=team).raise_for_status()
    sees(ivy, "housekeeping", "invoice_totals")

    olga.open("/plugin/access/teams/late%2Fshift")
    olga.page.get_by_role("button", name="Rename", exact=True).click()
    dialog = olga.dialog()
    expect(dialog.get_by_role("button", name="Preview")).to_be_disabled()
    dialog.get_by_label("New name").fill("night/shift")
    expect(preview(olga)).to_contain_text("renamed to `night/shift`")
    dialog.get_by_role("button", name="Rename", exact=True).click()
    expect(olga.page.get_by_role("heading", name="night/shift")).to_be_visible()
    expect(olga.page).to_have_url(f"{stack.url}/plugin/access/teams/night%2Fshift")
    expect(olga.page.get_by_role("table", name="Members")).to_contain_text("ivy@example.com")
    olga.is_at_ease()

    olga.open("/plugin/access/roles")
    olga.page.get_by_role("button", name="Rename peeker").click()
    dialog.get_by_label("New name").fill("glancer")
    save(olga, "Rename")
    row = olga.page.get_by_role("table", name="Custom roles").get_by_role("row").filter(has_text="glancer")
    expect(row).to_contain_text("Only looks.")
    expect(row).to_contain_text("Team `night/shift`")
    olga.is_at_ease()
    sees(ivy, "housekeeping", "invoice_totals")
    for page, text in (("teams/night%2Fshift", "Members"), ("roles", "glancer")):
        wendy.open(f"/plugin/access/{page}")
        expect(wendy.page.get_by_text(text).first).to_be_visible()
        expect(wendy.page.get_by_role("button", name=re.compile("Rename"))).to_have_count(0)


def test_token(visitors: Visitors, stack: DemoStack) -> None:
    """The secret of an API token is shown once, works, and does not when it is revoked."""
    dora = visitors["dora"]
    dora.open("/plugin/access/tokens")
    dora.page.get_by_role("button", name="Create an API token").click()
    dora.dialog().get_by_label("Name").fill("nightly")
    filled(dora, "DAG_VIEWER", tag="team:finance")
    preview(dora).get_by_role("button", name="Create", exact=True).click()
    shown = dora.page.get_by_role("alertdialog")
    secret = shown.get_by_label("Secret").inner_text().strip()
    dora.page.keyboard.press("Escape")
    shown.get_by_role("button", name="I have kept it").click()
    expect(shown).to_have_count(0)
    assert secret not in dora.page.content()
    # Older versions bring no API tokens back, and take none away.
    expect(dora.page.get_by_text("Done: version")).to_be_visible()
    expect(dora.page.get_by_role("button", name="Undo")).to_have_count(0)
    headers = {"Authorization": f"Bearer {secret}"}
    assert httpx.get(f"{stack.url}/api/v2/dags", headers=headers).json()["total_entries"] == 4
    dora.page.get_by_role("button", name="Revoke nightly").click()
    save(dora, "Revoke")
    assert httpx.get(f"{stack.url}/api/v2/dags", headers=headers).status_code == HTTPStatus.UNAUTHORIZED
    dora.is_at_ease()


def test_custom_role(visitors: Visitors) -> None:
    """A role is made from a template; who is to lose something by its change is named before."""
    olga = visitors["olga"]
    olga.open("/plugin/access/roles")
    olga.page.get_by_role("button", name="Create a role").click()
    dialog = olga.dialog()
    dialog.get_by_label("Name").fill("pauser")
    dialog.get_by_label("Start from").select_option("dag-viewer")
    dialog.get_by_label("Search permissions").fill("reparse")
    dialog.get_by_role("group", name="dag", exact=True).get_by_text("update", exact=True).click()
    save(olga)
    expect(olga.page.get_by_role("row").filter(has_text="pauser")).to_contain_text("12 permissions")
    olga.page.get_by_role("button", name="Change run-operator").click()
    olga.dialog().get_by_role("group", name="taskLog").get_by_text("get").click()
    expect(preview(olga)).to_contain_text("rita@example.com may then no longer")
    olga.is_at_ease()


def test_conflict(visitors: Visitors, stack: DemoStack) -> None:
    """What another user changed meanwhile is shown beside what one wants, and both are there at the end."""
    wendy = visitors["wendy"]
    wendy.open(f"{USERS}/mia@example.com")
    wendy.page.get_by_role("button", name="Give a role").click()
    dialog = filled(wendy, "DAG_VIEWER", dag="housekeeping")
    with access(stack, "olga") as olga:
        known = olga.get("/users/mia@example.com")
        grant = {"role": "WORKSPACE_ACCESSOR", "scope": {"kind": "Workspace", "id": "clws0data"}}
        etag = {"If-Match": known.headers["ETag"]}
        olga.patch("/users/mia@example.com", json={"grant": [grant]}, headers=etag).raise_for_status()
    dialog.get_by_role("button", name="Preview").click()
    expect(dialog).to_contain_text("+ WORKSPACE_ACCESSOR on Workspace clws0data")
    dialog.get_by_role("button", name="Apply mine on top").click()
    dialog.get_by_role("button", name="Save").click()
    rows = wendy.page.get_by_role("table", name="Roles given directly")
    expect(rows).to_contain_text("WORKSPACE_ACCESSOR")
    expect(rows).to_contain_text("Dag housekeeping")


def test_a_link_to_what_one_may_not_give(visitors: Visitors) -> None:
    """Who opens it reads why not, and who may, instead of an empty form."""
    asked = "?grant=WORKSPACE_OWNER&kind=Workspace&id=clws0data"
    for user in ("dora", "mel"):
        visitor = visitors[user]
        visitor.open(f"{USERS}/dora@example.com{asked}")
        dialog = visitor.dialog()
        expect(dialog).to_contain_text("WORKSPACE_OWNER on Workspace Data Platform")
        expect(dialog).to_contain_text("you may not give `WORKSPACE_OWNER` on `clws0data`")
        expect(dialog).to_contain_text("Who may do it: lena@example.com, olga@example.com or wendy@example.com")
        expect(dialog).to_contain_text(CONTACT)
        expect(dialog.get_by_role("button", name="Preview")).to_have_count(0)
        assert barriers(visitor) == []
        dialog.get_by_role("button", name="Close").first.click()
        expect(dialog).to_have_count(0)
        visitor.is_at_ease()


def test_denied(visitors: Visitors) -> None:
    """A change that is refused says why, and the form is as it was."""
    olga = visitors["olga"]
    olga.open(f"{USERS}/olga@example.com")
    olga.page.get_by_role("button", name="Revoke ORGANIZATION_OWNER").click()
    olga.dialog().get_by_label("Reason").fill("no more of it")
    olga.dialog().get_by_role("button", name="Preview").click()
    expect(olga.dialog()).to_contain_text("This would leave no Organization Owner")
    expect(olga.dialog().get_by_label("Reason")).to_have_value("no more of it")


def test_search_finds_accounts_without_roles(visitors: Visitors) -> None:
    """Who has signed in and has no role yet is found and proposed, so that the first role can be given."""
    wendy = visitors["wendy"]
    wendy.open("/plugin/access")
    wendy.page.get_by_label("Search users").fill("nora")
    expect(wendy.page.get_by_role("row").filter(has_text="nora@example.com")).to_contain_text("active")
    wendy.page.get_by_role("button", name="Give a role").click()
    wendy.dialog().get_by_label("E-mail").fill("nor")
    expect(wendy.dialog().locator("option[value='nora@example.com']")).to_have_count(1)
    wendy.is_at_ease()


def test_my_access(visitors: Visitors) -> None:
    """Who may not do something gets the smallest role to ask for, and a link that opens the dialog filled in."""
    vera, wendy = visitors["vera"], visitors["wendy"]
    vera.open("/")
    vera.nav().get_by_role("button", name="User", exact=True).click()
    vera.page.get_by_role("menuitem", name="My access").click()
    vera.page.get_by_label("What").select_option(label="Delete its runs")
    vera.page.get_by_label("Dag", exact=True).fill("invoice_totals")
    vera.page.get_by_role("button", name="Ask").click()
    expect(vera.page.get_by_text("No. Delete its runs: invoice_totals", exact=True)).to_be_in_viewport()
    asked = vera.page.get_by_label("Request to send")
    expect(asked).to_contain_text("Please give vera@example.com the role DAG_AUTHOR")
    expect(vera.page.get_by_text(f"Contact for access: {CONTACT}").first).to_be_visible()
    vera.is_at_ease()
    (link,) = re.findall(r"http\S+", asked.inner_text())
    wendy.open(link)
    expect(wendy.dialog().get_by_label("Role", exact=True)).to_have_value("DAG_AUTHOR")
    expect(wendy.dialog()).to_contain_text("Give a role to vera@example.com")


def test_tab_of_a_dag(visitors: Visitors) -> None:
    """At a Dag everybody reads what they may do and why; readers of access read it of others; owners give more."""
    vera, wendy = visitors["vera"], visitors["wendy"]
    for visitor in (vera, wendy):
        visitor.open("/dags/invoice_totals")
        visitor.page.locator("a[href$='/plugin/access-dag']").click()
        expect(visitor.page.get_by_role("heading", name="Access to invoice_totals")).to_be_visible()
        visitor.is_at_ease()
    expect(vera.page.get_by_role("table")).to_have_count(1)
    table = wendy.page.get_by_role("table", name="Who may do what on invoice_totals")
    expect(table.get_by_role("row").filter(has_text="finn@example.com")).to_contain_text("Team finance")
    wendy.page.get_by_role("button", name="Give access to this Dag").click()
    expect(wendy.dialog().get_by_role("combobox", name="Dag", exact=True)).to_have_value("invoice_totals")


def access(stack: DemoStack, user: str) -> httpx.Client:
    """A client of the API of access."""
    given = token(stack.url, user, stack.people[user]).json()["access_token"]
    headers = {"Authorization": f"Bearer {given}"}
    return httpx.Client(base_url=f"{stack.url}/access/api/v1", headers=headers, timeout=60)
