"""The API and the Access pages as each person of the demo: who gets which answer, by a table written by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tools.demo_stack import DemoStack

from .rest import token
from .visitor import Visitors, is_without_access

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.slow]

ANALYTICS = {"orders_ingest", "orders_report", "regional_rollup", "revenue_forecast"}
FINANCE = {"invoice_totals", "ledger_reconciliation", "payment_approval"}
BOTH = {"exchange_rates"}
ALL = {*ANALYTICS, *FINANCE, *BOTH, "housekeeping"}

# The Dags that each person with a role here sees. Who is not in the table has none.
SEES = {
    **dict.fromkeys(["olga", "wendy", "lena", "dora", "omar", "arthur", "mel", "eddie", "vic", "bo", "tess"], ALL),
    **{user: set[str]() for user in ("bill", "obi", "otto", "mia", "axel", "dean", "carla", "cora")},
    "bea": ALL,
    "vera": FINANCE | BOTH,
    "rita": FINANCE | BOTH,
    "finn": FINANCE | BOTH,
    "ana": ANALYTICS | BOTH,
    "max": ANALYTICS | BOTH | {"invoice_totals"},
    "ivy": {"housekeeping"},
    "lou": {"ledger_reconciliation"},
}
NO_ROLE = {"erin", "stan", "nora"}
# With these roles one may not open Airflow's pages, either.
NO_PAGES = NO_ROLE | {"bill", "obi", "otto", "mia", "axel"}
ANYONE = {*SEES}
OWNER = {"olga"}
# Who may change accounts, grant roles in the Workspace, grant roles on Dags, make API tokens, and read access.
WORKSPACE = {"olga", "wendy", "lena"}
GIVERS = WORKSPACE | {"dora"}
MAKERS = GIVERS | {"omar"}
READERS = MAKERS | {"arthur", "mel", "eddie", "vic", "bo", "tess"}

READS = {
    "/health": ANYONE | NO_ROLE,
    "/me": ANYONE,
    "/me/dags": ANYONE,
    "/actions": ANYONE,
    "/catalogue": ANYONE,
    "/suggest?kind=user": ANYONE,
    "/suggest?kind=dag": ANYONE,
    "/suggest?kind=tag": ANYONE,
    "/suggest?kind=bundle": ANYONE,
    "/suggest?kind=folder&bundle=dags-folder": ANYONE,
    "/suggest?kind=team": ANYONE,
    "/suggest?kind=role": ANYONE,
    "/users": READERS,
    "/users?has=account": WORKSPACE,
    "/users/vera@example.com": READERS,
    "/users/nora@example.com": READERS,
    "/teams": READERS,
    "/teams/finance": READERS,
    "/roles": READERS,
    "/tags": READERS,
    "/tags/access?tag=team:finance": READERS,
    "/bundles": READERS,
    "/bundles/access?bundle=dags-folder": READERS,
    "/tokens": MAKERS,
    "/history": GIVERS,
    "/history/1": GIVERS,
    "/history/1/diff/1": GIVERS,
    "/audit": GIVERS,
    **{f"/dags/{dag}/access": {name for name, seen in SEES.items() if dag in seen} for dag in sorted(ALL)},
    "/dags/no_such_dag/access": set[str](),
}

VIEWER = {"role": "DAG_VIEWER", "scope": {"kind": "tag", "id": "team:finance", "deployment_id": "cldep0demo"}}
MEMBER = {"role": "WORKSPACE_MEMBER", "scope": {"kind": "Workspace", "id": "clws0data"}}
ROLE = {"permissions": ["dag.airflow.dag.get"]}
LATER = "2099-01-01T00:00:00Z"
TOKEN = {"name": "n", "expires_at": None}
# Who may make which change: only tried, and so not refused as one that the person may not make.
CHANGES: list[tuple[str, str, dict[str, Any], set[str]]] = [
    ("POST", "/explain", {"action": "see", "dag_id": "housekeeping"}, ANYONE),
    ("POST", "/explain", {"action": "see", "as": "wendy@example.com"}, READERS),
    ("POST", "/explain", {"action": "see", "as": "token:tok0ci"}, MAKERS),
    ("PATCH", "/users/dean@example.com", {"grant": [VIEWER]}, GIVERS),
    ("PATCH", "/users/dean@example.com", {"grant": [{**VIEWER, "expires_at": LATER}]}, GIVERS),
    ("PATCH", "/users/dean@example.com", {"grant": [MEMBER]}, WORKSPACE),
    ("PATCH", "/users/mel@example.com", {"revoke": [MEMBER]}, WORKSPACE),
    ("POST", "/teams", {"name": "new"}, OWNER),
    ("POST", "/teams", {"name": "new", "members": [{"email": "dean@example.com", "expires_at": LATER}]}, OWNER),
    ("PATCH", "/teams/finance", {"add_members": ["dean@example.com"], "expires_at": LATER, "note": "n"}, GIVERS),
    ("PATCH", "/teams/finance", {"remove_members": ["finn@example.com"]}, GIVERS),
    ("PATCH", "/teams/platform", {"add_members": ["dean@example.com"]}, WORKSPACE),
    ("PATCH", "/teams/finance", {"add_groups": ["g"]}, OWNER),
    ("PATCH", "/teams/finance", {"name": "money"}, OWNER),
    ("PATCH", "/teams/finance", {"description": "d"}, OWNER),
    ("DELETE", "/teams/finance", {}, OWNER),
    ("PUT", "/support_access", {"support_access": "disallowed"}, OWNER),
    ("POST", "/tokens", {**TOKEN, "roles": [VIEWER]}, GIVERS),
    ("POST", "/tokens", {**TOKEN, "roles": [MEMBER]}, WORKSPACE | {"omar"}),
    ("POST", "/tokens/tok0ci/rotate", {"overlap_hours": 1}, GIVERS),
    ("DELETE", "/tokens/tok0ci", {}, GIVERS),
    ("POST", "/roles", {**ROLE, "name": "new", "scope": "DAG"}, OWNER),
    ("PUT", "/roles/log-reader", ROLE, OWNER),
    ("PUT", "/roles/log-reader", {**ROLE, "name": "seer"}, OWNER),
    ("DELETE", "/roles/log-reader", {}, OWNER),
    ("POST", "/history/1/revert", {}, GIVERS),
]

# What each page shows, and who gets it: by the last part of its address.
PAGES = {
    "users": ("Search users", READERS),
    "teams": ("Search Teams", READERS),
    "tokens": ("Search API tokens", MAKERS),
    "roles": ("Built-in roles", READERS),
    "tags": ("Search tags", READERS),
    "history": ("Versions", GIVERS),
    "audit": ("Download CSV", GIVERS),
    "me": ("Your roles, and why", ANYONE),
}
TABS = ("Users", "Teams", "API tokens", "Custom roles", "Dags and tags", "History", "Audit export", "My access")
# One of each kind: nothing of what they may not read is at its address, either.
KINDS = ("omar", "mel", "dora")


@pytest.fixture(scope="module")
def stack(access_stack: DemoStack) -> DemoStack:
    """An Airflow without runs, with the policy in its database."""
    return access_stack


@pytest.fixture(scope="module")
def visitors(access_visitors: Visitors) -> Visitors:
    """Everybody in the browser."""
    return access_visitors


@pytest.fixture(scope="module")
def callers(stack: DemoStack) -> Iterator[dict[str, httpx.Client]]:
    """Everybody at the API."""
    found = {}
    for user, password in stack.people.items():
        given = token(stack.url, user, password).json()["access_token"]
        headers = {"Authorization": f"Bearer {given}"}
        found[user] = httpx.Client(base_url=f"{stack.url}/access/api/v1", headers=headers, timeout=180)
    yield found
    for client in found.values():
        client.close()


def test_everybody_and_everything_is_in_the_tables(callers: dict[str, httpx.Client]) -> None:
    """The tables name each person of the demo, and each route of the API."""
    assert {*callers} == ANYONE | NO_ROLE and len(callers) == 30
    asked = {("GET", _bare(path)) for path in READS} | {(method, _bare(path)) for method, path, _, _ in CHANGES}
    for path, methods in callers["olga"].get("/openapi.json").json()["paths"].items():
        route = re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path.removeprefix("/api/v1"))))
        for method in methods:
            assert any(method.upper() == verb and route.fullmatch(place) for verb, place in asked), (method, path)


def _bare(path: str) -> str:
    return path.partition("?")[0]


@pytest.mark.parametrize("path", READS)
def test_reads(path: str, callers: dict[str, httpx.Client]) -> None:
    """Who gets an answer; who may not read access reads of no other user, and of no Dag out of sight."""
    answers = {user: client.get(path) for user, client in callers.items()}
    assert {user for user, answer in answers.items() if answer.status_code == HTTPStatus.OK} == READS[path]
    for user, answer in answers.items():
        if answer.status_code != HTTPStatus.OK:
            assert answer.status_code in (403, 404, 422) and answer.json()["code"], (user, answer.text)
        told_nothing_hidden(user, answer, path)


@pytest.mark.parametrize(("method", "path", "body", "who"), CHANGES)
def test_changes(method: str, path: str, body: dict[str, Any], who: set[str], callers: dict[str, httpx.Client]) -> None:
    """Who may make a change; who may not is told so, and nothing besides."""
    etag = _etag(callers["olga"], path)
    may = set()
    for user, client in callers.items():
        query = {} if path == "/explain" else {"dry_run": "true"}
        content = {} if method == "DELETE" else {"json": body}
        answer = client.request(method, path, params=query, headers={"If-Match": f'"{etag}"'}, **content)
        assert answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR and answer.status_code != 412, answer.text
        if answer.status_code in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
            assert answer.json()["detail"]
        else:
            may.add(user)
        told_nothing_hidden(user, answer, f"{path} {body}")
    assert may == who


def _etag(client: httpx.Client, path: str) -> str:
    if path.startswith("/roles"):
        return next(str(role["etag"]) for role in client.get("/roles").json()["roles"] if role["name"] == "log-reader")
    if path.startswith("/tokens"):
        return str(client.get("/tokens").json()["tokens"][0]["etag"])
    if path.startswith("/history"):
        return "1"
    return str(client.get(path).json().get("etag", "")) if path.count("/") > 1 else ""


def told_nothing_hidden(user: str, answer: httpx.Response, asked: str) -> None:
    """An answer names no Dag that the user does not see, and to those who may not read access no other user."""
    unseen = ALL - SEES.get(user, set())
    assert not [dag for dag in unseen if dag in answer.text and dag not in asked], (user, answer.text)
    if user not in READERS:
        emails = {*re.findall(r"[\w.]+@example\.com", answer.text)}
        assert emails <= {f"{user}@example.com", "platform@example.com", *re.findall(r"[\w.]+@example\.com", asked)}
    assert "secret_sha256" not in answer.text and "astroauth_tok" not in answer.text


def test_lists_of_dags(callers: dict[str, httpx.Client]) -> None:
    """Each person gets exactly the Dags and tags that they see, in the list and in suggestions."""
    for user, seen in SEES.items():
        client = callers[user]
        assert {dag["dag_id"] for dag in client.get("/me/dags").json()["dags"]} == seen
        suggested = {each["value"] for each in client.get("/suggest?kind=dag").json()["suggestions"]}
        assert suggested == seen
        tags = {each["value"] for each in client.get("/suggest?kind=tag").json()["suggestions"]}
        known = {"team:analytics": ANALYTICS | BOTH, "team:finance": FINANCE | BOTH}
        assert tags == {tag for tag, dags in known.items() if dags & seen}, user


@pytest.mark.parametrize("user", sorted(ANYONE | NO_ROLE))
def test_pages(user: str, visitors: Visitors) -> None:
    """Who may open Airflow's pages has My access, and readers of access the tabs of what they may read."""
    visitor = visitors[user]
    visitor.open("/plugin/my-access")
    if user in NO_PAGES:
        is_without_access(visitor, "/plugin/my-access")
        return
    shown = visitor.page.locator(".astro-access")
    expect(shown.get_by_text("Your roles", exact=True)).to_be_visible()
    visitor.is_at_ease()
    others = {*re.findall(r"[\w.]+@example\.com", shown.inner_text())} - {f"{user}@example.com", "platform@example.com"}
    assert others == set()
    visitor.open("/plugin/access")
    if user not in READERS:
        expect(visitor.page.get_by_role("heading", name="404")).to_be_visible()
        expect(shown).to_have_count(0)
        return
    expect(shown.get_by_label("Search users")).to_be_visible()
    expected = [tab for tab, (_, who) in zip(TABS, PAGES.values(), strict=True) if user in who]
    expect(shown.get_by_role("navigation", name="Access").get_by_role("link")).to_have_text(expected)
    visitor.is_at_ease()
    for page, (text, who) in PAGES.items() if user in KINDS else ():
        visitor.open(f"/plugin/access/{page}")
        allowed = shown.get_by_label(text, exact=True).or_(shown.get_by_text(text, exact=True)).first
        denied = shown.get_by_text(re.compile("^You may not (do this|read)")).first
        expect(allowed if user in who else denied).to_be_visible()
        assert user in who or shown.get_by_role("table").count() == 0


@pytest.mark.parametrize("user", ["mel", "vera", "max"])
def test_tab_of_a_dag(user: str, visitors: Visitors) -> None:
    """The tab of a Dag says what one may do; other users are there for readers of access alone."""
    visitor = visitors[user]
    visitor.open("/dags/invoice_totals/plugin/access-dag")
    shown = visitor.page.locator(".astro-access")
    expect(shown.get_by_text("You may:")).to_be_visible()
    visitor.is_at_ease()
    assert shown.get_by_text("Who has access").count() == (user in READERS)
    assert ("finn@example.com" in shown.inner_text()) == (user in READERS)
