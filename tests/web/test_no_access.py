"""The page for somebody who is signed in and holds nothing: who gets it, where, and what it says."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN

from astro_auth_plugin.authentication import revocation
from astro_auth_plugin.runtime import html_pages, state
from astro_auth_plugin.web.middleware import RequestMiddleware
from tests.in_request import engine_of, person
from tests.process_state import start_with
from tests.web.asgi import Answer, ask

POLICY = """\
users:
  - {email: vera@example.com, dag_roles: [{deployment_id: dep, tag: finance, role: DAG_VIEWER}]}
  - {email: door@example.com, deployment_roles: [{deployment_id: dep, role: DEPLOYMENT_ACCESSOR}]}
  - {email: acc@example.com, workspace_roles: [{workspace_id: ws, role: WORKSPACE_ACCESSOR}]}
  - {email: bill@example.com, organization_role: ORGANIZATION_BILLING_ADMIN}
  - {email: away@example.com, workspace_roles: [{workspace_id: ws-other, role: WORKSPACE_OWNER}]}
"""


class Manager:
    """Stands for the authenticator: a token is the name of a person."""

    engine = engine_of(POLICY)

    async def authenticate(self, token: str) -> Any:
        """Return the person, or fail."""
        if token == "bad":
            raise ValueError("Invalid JWT token")
        return person(self.engine, token)

    async def sign_out(self, tokens: set[str], cookies: str) -> None:
        """End nothing: there are no real tokens here."""


@pytest.fixture(autouse=True)
def _manager(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = Manager()
    start_with(authenticator=manager)
    monkeypatch.setattr(revocation, "sign_out", manager.sign_out)
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__POLICY_FILE", "/p")
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__DEPLOYMENT_ID", "dep")
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__ACCESS_CONTACT", "the platform team")


async def ui(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"the UI"})


def opened(path: str = "/", *, who: str | None = "nobody", method: str = "GET", **options: Any) -> Answer:
    headers = {"accept": "text/html,*/*", **options.pop("headers", {})}
    if who is not None:
        headers["cookie"] = f"{COOKIE_NAME_JWT_TOKEN}={who}"
    return asyncio.run(ask(RequestMiddleware(ui), method, path, headers=headers, **options))


def is_page(answer: Answer) -> bool:
    return answer.status == 403 and b"You have no access to this Airflow yet" in answer.body


# -- who gets it, and where ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["nobody", "acc", "bill", "away"])
def test_who_holds_nothing(who: str) -> None:
    """Somebody whose roles give nothing here gets the page, which nobody keeps in a cache."""
    answer = opened(who=who)
    assert is_page(answer)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert f"<strong>{who}@example.com</strong>".encode() in answer.body


@pytest.mark.parametrize("who", ["vera", "door", "bad", None])
def test_who_gets_the_ui(who: str | None) -> None:
    """Whoever holds anything, and whoever is not signed in, gets Airflow's UI, which knows what to do."""
    assert opened(who=who).body == b"the UI"


@pytest.mark.parametrize("path", ["/", "/dags", "/dags/x/runs/y", "/login-ish", "/plugin/astro", "/apis", "/authors"])
def test_pages_of_the_ui(path: str) -> None:
    """Every page of the UI is replaced."""
    assert is_page(opened(path))


@pytest.mark.parametrize(
    "path",
    [
        "/api/v2/dags",
        "/ui/config",
        "/auth/logout",
        "/auth/login/",
        "/static/x.js",
        "/docs",
        "/execution/x",
        "/openapi.json",
    ],
)
def test_everything_else(path: str) -> None:
    """What is no page of the UI is left alone; signing out above all."""
    assert opened(path).body == b"the UI"


@pytest.mark.parametrize(
    "options", [{"method": "POST"}, {"method": "HEAD"}, {"headers": {"accept": "application/json"}}]
)
def test_what_is_not_opening_a_page(options: dict[str, Any]) -> None:
    """Only a browser that opens a page gets one."""
    assert opened(**options).body == b"the UI"


def test_under_a_path_of_its_own() -> None:
    """Where Airflow is served under a path, the page appears there, and its links stay there."""
    answer = opened("/airflow/dags", root_path="/airflow")
    assert is_page(answer)
    assert b'href="/airflow/"' in answer.body
    assert b'href="/airflow/api/v2/auth/logout"' in answer.body
    assert opened("/airflow/api/v2/dags", root_path="/airflow").body == b"the UI"
    assert opened("/airflow/auth/logout", root_path="/airflow").body == b"the UI"


def test_before_init() -> None:
    """Before the auth manager is initialized, Airflow's UI deals with whoever it is."""
    state.reset()
    assert opened().body == b"the UI"


# -- what it says --------------------------------------------------------------------------------------------------

HOSTILE = "<script>alert(1)</script>\"'&"
HARMLESS = "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&amp;"


def test_contact_of_the_options() -> None:
    """The page names whom the option names."""
    assert b"To get access, ask the platform team." in opened().body


@pytest.mark.parametrize(
    ("contact", "said"),
    [
        ("", "Ask the Owner of your Workspace for a role."),
        ("platform@example.com", "To get access, ask platform@example.com."),
        (
            "https://x.example/a?b=1&c=2",
            'here: <a href="https://x.example/a?b=1&amp;c=2">https://x.example/a?b=1&amp;c=2</a>',
        ),
        ("http://x.example", '<a href="http://x.example">http://x.example</a>'),
        ("javascript:alert(1)", "To get access, ask javascript:alert(1)."),
        (HOSTILE, f"To get access, ask {HARMLESS}."),
        ("https://x/" + HOSTILE, f'<a href="https://x/{HARMLESS}">'),
        ("{email} {0} {{", "To get access, ask {email} {0} {{."),
    ],
)
def test_contact(contact: str, said: str) -> None:
    """A contact is text, or a link if it is a web address, and never markup."""
    page = html_pages.no_access("ana@example.com", contact, "")
    assert said in page
    assert "<script>" not in page
    assert ('href="javascript' in page) is False


def test_email_is_text() -> None:
    """Whatever an identity provider calls an e-mail is shown as text."""
    page = html_pages.no_access(f"{HOSTILE}@{{contact}}", "", "")
    assert f"<strong>{HARMLESS}@{{contact}}</strong>" in page
    assert "<script>" not in page


def test_page_without_a_path() -> None:
    """At the root the links are to the root."""
    page = html_pages.no_access("ana@example.com", "", "")
    assert 'href="/"' in page
    assert 'href="/api/v2/auth/logout"' in page
    assert 'href="&quot;' not in page
    assert 'href="&quot;' in html_pages.no_access("ana@example.com", "", '"><x')
