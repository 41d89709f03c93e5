"""Pages of other sites, texts that would be code, and secrets: what the Access pages and the API make of them."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from playwright.sync_api import Response, expect

from tools.demo_stack import DemoStack

from .access_pages import USERS, filled, preview, save
from .rest import token
from .visitor import Visitor, Visitors

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.slow]

CODE = "\"'><img src=x onerror=window.ran=1><script>window.ran=1</script>${7*7}{{7*7}}"
FORMULA = '=HYPERLINK("http://localhost:1","x")'
BIDI = "\u202egnp.exe\u2066"


@pytest.fixture(scope="module")
def stack(access_stack: DemoStack) -> DemoStack:
    """An Airflow without runs, with the policy in its database."""
    return access_stack


@pytest.fixture(scope="module")
def visitors(access_visitors: Visitors) -> Visitors:
    """Everybody in the browser."""
    return access_visitors


@pytest.fixture(scope="module")
def olga(stack: DemoStack) -> Iterator[httpx.Client]:
    """The Organization Owner at the API."""
    given = token(stack.url, "olga", stack.people["olga"]).json()["access_token"]
    headers = {"Authorization": f"Bearer {given}"}
    with httpx.Client(base_url=f"{stack.url}/access/api/v1", headers=headers, timeout=180) as client:
        yield client


# -- other sites ---------------------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[int]:
    """The port of a server with an empty page."""
    (tmp_path / "index.html").write_text("<!doctype html><title>elsewhere</title>")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


# As a request that needs no permission of the server, as one that does, and as a form.
ATTACK = """async ([url, routes]) => {
  for (const [method, path] of routes) {
    const how = {method, credentials: "include", body: "{}"};
    await fetch(url + path, {...how, mode: "no-cors", headers: {"Content-Type": "text/plain"}}).catch(() => 0);
    await fetch(url + path, {...how, headers: {"Content-Type": "application/json"}}).catch(() => 0);
    const frame = document.createElement("iframe");
    frame.name = "f" + Math.random();
    document.body.appendChild(frame);
    const form = document.body.appendChild(document.createElement("form"));
    Object.assign(form, {method: "post", action: url + path, target: frame.name, enctype: "text/plain"});
    await new Promise(done => { frame.onload = done; setTimeout(done, 5000); form.submit(); });
  }
}"""


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_pages_of_other_sites_change_nothing(
    host: str, elsewhere: int, visitors: Visitors, stack: DemoStack, olga: httpx.Client
) -> None:
    """A page on another port of the same host, or of another site, gets no change through, on no route."""
    routes = unsafe_routes(olga)
    before = olga.get("/me").json()["policy"]["version"]
    visitor = visitors["olga"]
    visitor.open("/plugin/access")
    expect(visitor.page.get_by_role("table", name="Users")).to_be_visible()
    page = visitor.context.new_page()
    answers: list[tuple[str, str, int]] = []
    page.on("response", lambda answer: answers.append(_seen(answer, stack.url)))
    page.goto(f"http://{host}:{elsewhere}/")
    page.evaluate(ATTACK, [f"{stack.url}/access/api/v1", routes])
    page.close()
    reached = [answer for answer in answers if answer[0] not in ("", "OPTIONS")]
    assert {path for method, path, _ in reached if method == "POST"} >= {path for _, path in routes}
    assert {status for _, _, status in reached} == {HTTPStatus.FORBIDDEN}, reached
    assert olga.get("/me").json()["policy"]["version"] == before
    # With the same cookie, the own page gets an answer: it is the other site that was refused.
    asked = """() => fetch("/access/api/v1/explain", {method: "POST", body: '{"action": "see"}',
        headers: {"Content-Type": "application/json"}}).then(answer => answer.status)"""
    assert visitor.page.evaluate(asked) == HTTPStatus.OK


def _seen(answer: Response, url: str) -> tuple[str, str, int]:
    place = answer.url.removeprefix(f"{url}/access/api/v1")
    return (answer.request.method if place != answer.url else "", place, answer.status)


def unsafe_routes(client: httpx.Client) -> list[list[str]]:
    """Every route that changes something, with names of the demo in its places."""
    names = {"email": "vera@example.com", "name": "finance", "token_id": "tok0ci", "number": "1"}
    found = []
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        place = re.sub(r"\{(\w+)\}", lambda name: names.get(name[1], "x"), path.removeprefix("/api/v1"))
        found += [[method.upper(), place] for method in methods if method != "get"]
    assert ["PUT", "/support_access"] in found and ["POST", "/history/1/revert"] in found
    return found


# -- secrets -------------------------------------------------------------------------------------------------------


def test_a_secret_is_in_one_answer_and_in_no_place_of_the_browser(visitors: Visitors, olga: httpx.Client) -> None:
    """Made and rotated in the pages, a secret is in one answer each, and in no address, storage or later page."""
    dora = visitors["dora"]
    bodies: list[tuple[str, str]] = []
    dora.page.on("response", lambda answer: _keep(bodies, answer))
    dora.open("/plugin/access/tokens")
    dora.page.get_by_role("button", name="Create an API token").click()
    dora.dialog().get_by_label("Name").fill("kept nowhere")
    filled(dora, "DAG_VIEWER", tag="team:finance")
    preview(dora).get_by_role("button", name="Create", exact=True).click()
    secrets = [_shown_secret(dora)]
    dora.page.get_by_role("button", name="Rotate kept nowhere").click()
    preview(dora).get_by_role("button", name="Rotate", exact=True).click()
    secrets.append(_shown_secret(dora))
    assert secrets[0] != secrets[1]
    for page in ("tokens", "history", "audit"):
        dora.open(f"/plugin/access/{page}")
        dora.is_at_ease()
        assert not [secret for secret in secrets if secret in dora.page.content()]
    for secret in secrets:
        assert [path for path, body in bodies if secret in body or secret in path] == [
            next(path for path, body in bodies if secret in body)
        ]
        parts = "() => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, history.state])"
        assert secret not in dora.page.evaluate(parts)
        random = secret.rsplit("_", 1)[1]
        every = [place for place in olga.get("/openapi.json").json()["paths"] if "{" not in place]
        for place in every:
            assert random not in olga.get(place.removeprefix("/api/v1"), params={"kind": "user", "tag": "x"}).text
    dora.open("/plugin/access/tokens")
    dora.page.get_by_role("button", name="Revoke kept nowhere").click()
    save(dora, "Revoke")


def _shown_secret(visitor: Visitor) -> str:
    shown = visitor.page.get_by_role("alertdialog")
    secret = shown.get_by_label("Secret").inner_text().strip()
    shown.get_by_role("button", name="I have kept it").click()
    expect(shown).to_have_count(0)
    return str(secret)


def _keep(bodies: list[tuple[str, str]], answer: Response) -> None:
    if "/access/api/" in answer.url and answer.ok:
        bodies.append((answer.url, answer.text()))


# -- texts ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def texts(olga: httpx.Client) -> dict[str, str]:
    """What would run in a page or a spreadsheet, in every text that the policy has; returns the names by kind."""
    text = f"{FORMULA} {BIDI} {CODE}"
    tag = {"kind": "tag", "id": CODE, "deployment_id": "cldep0demo"}
    dag = {**tag, "kind": "Dag"}
    end = "2099-01-01T00:00:00Z"
    name = f"{FORMULA}{CODE}"
    role = {"name": name, "scope": "DAG", "permissions": ["dag.airflow.dag.get"], "description": text, "reason": text}
    _done(olga.post("/roles", json=role))
    grants = [{"role": name, "scope": scope, "expires_at": end, "note": text} for scope in (tag, dag)]
    member = {"email": "finn@example.com", "expires_at": end, "note": text}
    team = {"name": name, "description": text, "idp_groups": [text], "members": [member], "grant": grants}
    _done(olga.post("/teams", json={**team, "reason": text}))
    read = olga.get("/users/vera@example.com").headers["ETag"]
    given = {"grant": grants, "reason": text}
    _done(olga.patch("/users/vera@example.com", json=given, headers={"If-Match": read}))
    roles = [{"role": name, "scope": tag}]
    made = olga.post("/tokens", json={"name": name, "description": text, "roles": roles, "expires_at": end})
    _done(made)
    return {"name": name, "text": text, "tag": CODE}


def _done(answer: httpx.Response) -> None:
    assert answer.is_success, answer.text


def _place(name: str) -> str:
    return str(httpx.QueryParams({"x": name})).removeprefix("x=").replace("+", "%20")


# Each page, the buttons there that open a dialog with such texts in it, and the kind of text that it shows.
PLACES: dict[str, tuple[str, list[str]]] = {
    "users/vera@example.com": ("text", ["Revoke"]),
    "users/finn@example.com": ("name", ["Remove from"]),
    "teams": ("text", []),
    "teams/{name}": ("text", ["Give a role", "Revoke", "Add members", "Change finn", "Remove", "Rename", "Delete"]),
    "tokens": ("text", ["Rotate =", "Revoke ="]),
    "roles": ("text", ["Change =", "Rename =", "Delete ="]),
    "tags/{tag}": ("tag", ["Give access"]),
    "history": ("text", ["Revert to version 1"]),
    "history/1/5": ("name", []),
}


@pytest.mark.parametrize("page", PLACES)
def test_texts_are_only_text(page: str, texts: dict[str, str], visitors: Visitors) -> None:
    """Names, descriptions, notes, reasons, groups and tags are shown as they are, and nothing of them runs."""
    visitor = visitors["olga"]
    kind, buttons = PLACES[page]
    visitor.open(f"/plugin/access/{page.format(**{key: _place(text) for key, text in texts.items()})}")
    shown = visitor.page.locator(".astro-access")
    expect(shown.get_by_text(texts[kind]).first).to_be_visible()
    runs_nothing(visitor)
    for button in buttons:
        shown.get_by_role("button", name=button).first.click()
        dialog = visitor.dialog()
        expect(dialog).to_be_visible()
        send = dialog.get_by_role("button", name="Preview")
        if send.is_enabled():
            send.click()
            expect(dialog.get_by_role("button", name="Back").or_(dialog.get_by_role("alert")).first).to_be_visible()
        runs_nothing(visitor)
        dialog.get_by_role("button", name="Close", exact=True).click()
        expect(dialog).to_have_count(0)


def runs_nothing(visitor: Visitor) -> None:
    """No text has become an element or run as a script."""
    assert visitor.page.evaluate("() => window.ran") is None
    made = ".astro-access :is(img, script, iframe), .astro-access [onerror], .astro-access a[href^='javascript']"
    expect(visitor.page.locator(made)).to_have_count(0)


def test_search_and_addresses_are_only_text(visitors: Visitors) -> None:
    """What is typed into a search, and names in the address that nothing has."""
    visitor = visitors["olga"]
    for path in (
        f"?search={_place(CODE)}",
        *(f"/{kind}/{_place(CODE)}" for kind in ("users", "teams", "tags", "dags")),
    ):
        visitor.open(f"/plugin/access/users{path}" if path[0] == "?" else f"/plugin/access{path}")
        expect(
            visitor.page.locator(".astro-access").get_by_text(re.compile("0 users|There is no|Tag ")).first
        ).to_be_visible()
        runs_nothing(visitor)
    visitor.open(f"{USERS}/ivy@example.com?grant={_place(CODE)}&kind=tag&id={_place(CODE)}")
    expect(visitor.dialog()).to_contain_text(CODE)
    runs_nothing(visitor)


def test_no_cell_of_the_export_is_a_formula(texts: dict[str, str], olga: httpx.Client) -> None:
    """The export for spreadsheets begins no cell as a formula begins; the one for programs has the texts as they are."""
    head, *lines = csv.reader(io.StringIO(olga.get("/audit?format=csv").text, newline=""))
    assert "details" in head and lines
    assert not [cell for line in lines for cell in line if cell[:1] and cell[0] in "=+-@\t\r\n"]
    events = [json.loads(line) for line in olga.get("/audit?format=jsonl").text.splitlines()]
    reasons: list[Any] = [event["details"].get("reason") for event in events]
    assert reasons.count(texts["text"]) == 3
