"""FAB's sign-in page for people who are signed in already."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask, flash, g

from astro_auth_plugin.authentication import redirect_loop_guard


class SignInPage:
    """Stands for a page of FAB's."""

    appbuilder = SimpleNamespace(get_url_for_index="/auth/", get_url_for_login="/auth/login/")

    def login(self, provider: str = "") -> str:
        """What FAB's page does for whoever is not signed in."""
        return f"form {provider}"

    login._urls = (("/login/", ("GET",)),)  # type: ignore[attr-defined]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that stands."""
    stopped = SimpleNamespace(now=1_000_000.0)
    monkeypatch.setattr(redirect_loop_guard.time, "time", lambda: stopped.now)
    return stopped


@pytest.fixture
def visit(monkeypatch: pytest.MonkeyPatch, clock: SimpleNamespace) -> Any:
    """A function that returns what somebody in one browser gets who comes with `next`: a page, or where it leads."""
    monkeypatch.setattr(redirect_loop_guard, "_redirect", lambda to: f"to {to}")
    app = Flask("fab")
    app.secret_key = "x"
    app.config["FAB_SAFE_REDIRECT_HOSTS"] = []
    app.appbuilder = SignInPage.appbuilder  # type: ignore[attr-defined]
    page = redirect_loop_guard.lead_on(SignInPage)()
    kept: dict[str, Any] = {}

    def visit(wanted: str, signed_in: bool = True, **words: str) -> Any:
        query = {"next": wanted} if wanted else {}
        with app.test_request_context("/login/", base_url="https://airflow.example.com", query_string=query):
            from flask import session

            session.update(kept)
            g.user = SimpleNamespace(is_authenticated=signed_in)
            answer = page.login(**words)
            kept.update(session)
            return answer if isinstance(answer, str) else (answer.status_code, answer.get_data(as_text=True))

    return visit


def test_leads_on(visit: Any) -> None:
    """Whoever is signed in goes on to the page that was wanted, or home; others get the form."""
    assert visit("https://airflow.example.com/dags/x") == "to https://airflow.example.com/dags/x"
    assert visit("") == "to /auth/"
    assert visit("/dags/x", signed_in=False) == "form "
    assert visit("", signed_in=False, provider="sso") == "form sso"


def test_long_addresses(visit: Any) -> None:
    """What the session keeps until a provider answers is not long; a form, which keeps nothing, may have more."""
    fits = "/" + "x" * (redirect_loop_guard.LONGEST_QUERY - len("next=/"))
    assert visit(fits, signed_in=False, provider="sso") == "form sso"
    assert visit(fits + "x", signed_in=False, provider="sso") == (414, redirect_loop_guard.TOO_LONG)
    assert visit(fits + "x", signed_in=False) == "form "
    assert visit(fits + "x", provider="sso") == f"to {fits}x"


@pytest.mark.parametrize("wanted", ["/\\evil.example.com", "/\r\n//evil.example.com", "/\nx", "/\u2028x"])
@pytest.mark.parametrize("signed_in", [True, False])
def test_odd_spellings(signed_in: bool, wanted: str, visit: Any) -> None:
    """A page on another site, spelled as FAB lets it through, is forgotten before there is a form; so is half a header."""
    assert visit(wanted, signed_in) == "to /auth/login/"


@pytest.mark.parametrize("wanted", ["https://evil.example.com/", "//evil.example.com/", "javascript:alert(1)"])
def test_other_sites(wanted: str, visit: Any) -> None:
    """Nobody is led to another site."""
    assert visit(wanted) == "to /auth/"


def test_circles_end(visit: Any, clock: SimpleNamespace) -> None:
    """Who comes again and again for one page is told; not for another page, and not after a while."""
    assert [visit("/dags/x") for _ in range(redirect_loop_guard.MOST)] == ["to /dags/x"] * redirect_loop_guard.MOST
    assert visit("/dags/x") == (403, redirect_loop_guard.REDIRECT_LOOP)
    assert visit("/dags/y") == "to /dags/y"
    for _ in range(redirect_loop_guard.MOST):
        visit("/dags/x")
    assert visit("/dags/x") == (403, redirect_loop_guard.REDIRECT_LOOP)
    clock.now += redirect_loop_guard.WITHIN + 1
    assert visit("/dags/x") == "to /dags/x"


def test_closed_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whom a page of FAB's sends here although they are signed in is told that it is closed, and not sent back."""
    settings = SimpleNamespace(access_contact="platform@example.com")
    monkeypatch.setattr(redirect_loop_guard, "read_settings", lambda: settings)
    monkeypatch.setattr(redirect_loop_guard, "_redirect", lambda to: f"to {to}")
    app = Flask("fab")
    app.secret_key = "x"
    app.config["FAB_SAFE_REDIRECT_HOSTS"] = []
    page = redirect_loop_guard.lead_on(SignInPage)()

    def arrive(wanted: str, *categories: str) -> Any:
        query, below = {"next": wanted}, "https://airflow.example.com/auth"
        with app.test_request_context("/login/", base_url=below, query_string=query):
            for category in categories:
                flash("Access is Denied", category)
            g.user = SimpleNamespace(is_authenticated=True)
            return page.login()

    closed = arrive("https://airflow.example.com/auth/roles/<list>/", "danger")
    assert closed.status_code == 403
    assert closed.headers["cache-control"] == "no-store"
    text = closed.get_data(as_text=True)
    assert "<code>/auth/roles/&lt;list&gt;/</code>" in text
    assert "platform@example.com" in text
    assert 'href="/auth/"' in text
    assert arrive("/dags/x", "danger") == "to /dags/x"
    assert arrive("/auth/users/list/") == "to /auth/users/list/"
    assert arrive("/auth/users/list/", "info") == "to /auth/users/list/"


def test_stays_fabs_page() -> None:
    """The page keeps its name and addresses, of which FAB makes links."""
    made = redirect_loop_guard.lead_on(SignInPage)
    assert made.__name__ == "SignInPage"
    assert made.login._urls == SignInPage.login._urls  # type: ignore[attr-defined]


def test_every_way_to_sign_in() -> None:
    """All of FAB's sign-in pages are made so."""
    from airflow.providers.fab.auth_manager.security_manager.override import FabAirflowSecurityManagerOverride

    from astro_auth_plugin.authentication.security_manager import with_sign_in

    made = with_sign_in(FabAirflowSecurityManagerOverride)
    names = ("authdbview", "authldapview", "authoauthview", "authremoteuserview")
    assert [getattr(made, name).__mro__[0].__qualname__ for name in names] == ["lead_on.<locals>.LeadingView"] * 4
