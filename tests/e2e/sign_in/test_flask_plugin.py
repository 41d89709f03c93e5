"""What people get from FAB where a plugin of Airflow 2 makes Airflow run a second application of Flask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from .small import Person, SmallAirflow, form_token, running

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PLUGIN = """\
from airflow.plugins_manager import AirflowPlugin
from flask import Blueprint
from flask_appbuilder import BaseView, expose, has_access


class Denied(BaseView):
    default_view = "page"

    @expose("/page")
    @has_access
    def page(self):
        return "seen"


class Plain(AirflowPlugin):
    name = "plain"
    flask_blueprints = [Blueprint("plain", __name__)]
    appbuilder_views = [{"name": "Denied", "category": "Plain", "view": Denied()}]
"""
OLGA = {"username": "olga", "password": "olga"}
# Signed in, whoever opens the sign-in page is led on.
LED_ON = {"params": {"next": "/"}, "follow_redirects": False}


@pytest.fixture(scope="module")
def airflow(folder: Path) -> Iterator[SmallAirflow]:
    """An Airflow with a plugin that has one empty Blueprint, where people sign in with passwords."""
    home = folder / "flask-plugin"
    plugins = folder / "flask-plugins"
    plugins.mkdir()
    (plugins / "plain.py").write_text(PLUGIN)
    settings = {"AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins), "AIRFLOW__FAB__AUTH_RATE_LIMITED": "False"}
    with running(home, "none.py", settings) as live:
        yield live


def browser(airflow: SmallAirflow) -> httpx.Client:
    """Olga's browser, in which she has signed in."""
    client = Person(airflow.url).http
    answer = client.post("/auth/login/", data=OLGA, headers=form_token(client))
    assert answer.status_code == 302
    return client


def is_signed_in(airflow: SmallAirflow, cookie: str) -> bool:
    """Whether a copy of the cookie of a web session opens something."""
    with httpx.Client(
        base_url=airflow.url, verify=False, headers={"Cookie": f"session={cookie}"}, timeout=180
    ) as copied:
        return copied.get("/auth/login/", **LED_ON).status_code == 302


@pytest.mark.parametrize("way_out", ["/auth/logout", "/api/v2/auth/logout"])
def test_sign_out(airflow: SmallAirflow, way_out: str) -> None:
    """Signing out ends the web session, copies of its cookie included, whichever application was made last."""
    client = browser(airflow)
    cookie = client.cookies["session"]
    assert is_signed_in(airflow, cookie)
    client.get(way_out, follow_redirects=False)
    assert not is_signed_in(airflow, cookie)


def test_fab_tokens_end_with_a_sign_out(airflow: SmallAirflow) -> None:
    """The tokens of FAB's own API, that of 30 days too, end when their person signs out; later ones count."""
    client = browser(airflow)
    machine = Person(airflow.url).http
    tokens = machine.post(
        "/auth/api/v1/security/login", json={**OLGA, "provider": "db", "refresh": True}, headers=form_token(machine)
    ).json()
    renew = {"Authorization": f"Bearer {tokens['refresh_token']}", **form_token(machine)}
    assert machine.post("/auth/api/v1/security/refresh", headers=renew).status_code == 200
    client.get("/api/v2/auth/logout", follow_redirects=False)
    assert machine.post("/auth/api/v1/security/refresh", headers=renew).status_code == 401
    again = {**OLGA, "provider": "db", "refresh": True}
    fresh = machine.post("/auth/api/v1/security/login", json=again, headers=form_token(machine)).json()
    renew["Authorization"] = f"Bearer {fresh['refresh_token']}"
    assert machine.post("/auth/api/v1/security/refresh", headers=renew).status_code == 200


def test_plugins_sign_nobody_in(airflow: SmallAirflow) -> None:
    """The application of plugins has no sign-in, no tokens and no accounts; a page of it leads to FAB's sign-in."""
    client = Person(airflow.url).http
    headers = form_token(client)
    tokens = {**OLGA, "provider": "db"}
    assert client.post("/pluginsv2/login/", data=OLGA, headers=headers).status_code == 405
    for path in ("login", "refresh"):
        answer = client.post(f"/pluginsv2/api/v1/security/{path}", json=tokens, headers=headers)
        assert answer.status_code == 404, path
    for path in ("logout/", "users/list/", "roles/list/", "resetmypassword/form"):
        assert client.get(f"/pluginsv2/{path}", follow_redirects=False).status_code == 404, path
    denied = client.get("/pluginsv2/denied/page", follow_redirects=False)
    assert denied.status_code == 302
    led = client.get(denied.headers["location"], follow_redirects=False)
    assert led.status_code == 302
    assert "/auth/login/" in led.headers["location"]  # Airflow 3.1 forgets which page it was


def test_closed_page(airflow: SmallAirflow) -> None:
    """Who is signed in and opens a page of FAB's that is closed to them is told so, and not sent round."""
    client, page = browser(airflow), "/auth/roles/list/"
    first = client.get(page, follow_redirects=False)
    assert first.status_code == 302
    second = client.get(first.headers["location"], follow_redirects=False)
    assert second.status_code == 403, second.text
    assert page in second.text
    assert "cookie" not in second.text
    assert "/login" not in second.text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/auth/token", OLGA),
        ("/auth/token/cli", OLGA),
        ("/auth/api/v1/security/login", {**OLGA, "provider": "db"}),
    ],
)
def test_tokens_are_not_stored(airflow: SmallAirflow, path: str, body: dict[str, str]) -> None:
    """No cache keeps an answer that carries a token."""
    client = Person(airflow.url).http
    answer = client.post(path, json=body, headers=form_token(client))
    assert answer.status_code in (200, 201)
    assert answer.headers["cache-control"] == "no-store"


def test_wrong_user_name_begins_no_line(airflow: SmallAirflow) -> None:
    """A line break in a user name does not begin a line of the log."""
    client = Person(airflow.url).http
    name = "mallory\nFORGED line\r\x1b[2Jred"
    assert client.post("/auth/token", json={"username": name, "password": "x"}).status_code == 401
    client.post("/auth/login/", data={"username": name, "password": "x"}, headers=form_token(client))
    reported = airflow.log()
    assert "FORGED line" in reported
    assert not [line for line in reported.splitlines() if line.startswith("FORGED")]
    assert "\x1b[2Jred" not in reported
