"""Signing in through a proxy that takes TLS off, under a sub-path: the way there and back, cookies, links."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from .person import links, sign_in, steps, submit, wish
from .stack import PASSWORDS, PATH, Fronted, cookies_of

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

Browse = Callable[..., httpx.Client]
# Airflow 3.1 loses what follows a `&`, whoever the auth manager is.
DEEP = "/dags/ledger/runs?state=%C3%A4"


def test_deep_link(browse: Browse, airflow: Fronted) -> None:
    """Whoever opens a page is sent to sign in, and ends on that page; no step leaves https, the host or the path."""
    client = browse()
    answer = sign_in(client, "olga", DEEP)
    assert answer.status_code == 200
    assert str(answer.url) == f"{airflow.front}{DEEP}"
    assert all(step.startswith(f"{airflow.front}/") for step in steps(answer))
    assert client.get("/ui/auth/menus").status_code == 200


def test_deep_link_after_a_wrong_password(browse: Browse, airflow: Fronted) -> None:
    """A wrong password does not lose the page."""
    client = browse()
    refused = sign_in(client, "olga", DEEP, password="wrong")
    assert "Invalid login" in refused.text
    assert client.get("/ui/auth/menus").status_code == 401
    assert str(sign_in(client, "olga", DEEP).url) == f"{airflow.front}{DEEP}"


@pytest.mark.parametrize(
    "page",
    [
        "https://evil.example.com/",
        "//evil.example.com/",
        "/\\evil.example.com",
        "\\\\evil.example.com",
        "/\t/evil.example.com",
    ],
)
def test_next_leads_nowhere_else(page: str, browse: Browse, airflow: Fronted) -> None:
    """A forged link to the sign-in page leads to no other site, neither after the form nor whoever is signed in."""
    client = browse()
    form = client.get("/auth/login/", params={"next": page}, follow_redirects=True)
    answer = submit(client, form, {"username": "olga", "password": PASSWORDS["olga"]})
    assert client.get("/ui/auth/menus").status_code == 200
    again = client.get("/auth/login/", params={"next": page}, follow_redirects=True)
    followed = [each.headers.get("location", "") for each in [*answer.history, *again.history]]
    # A browser takes a backslash for a slash.
    targets = [urlsplit(urljoin(f"{airflow.front}/", target.replace("\\", "/"))) for target in followed]
    assert {target.netloc for target in targets} == {urlsplit(airflow.front).netloc}


def test_cookies(browse: Browse) -> None:
    """Both cookies say who it is and nothing more, are small, and leave neither https nor the sub-path nor the site."""
    answer = sign_in(browse(), "olga")
    found = {name: cookie for each in answer.history for name, cookie in cookies_of(each).items()}
    assert set(found) == {"_token", "session"}
    for cookie in found.values():
        assert cookie["size"] < 1024
        # Of `_token` Airflow 3.1 says nothing, which browsers take for Lax.
        assert (cookie["path"], cookie.get("samesite", "Lax")) == (f"{PATH}/", "Lax")
        assert cookie["secure"]
        # Airflow 3.1.0 let its pages read `_token`; none of the supported ones needs to.
        assert cookie["httponly"]
    claims = found["_token"]["value"].split(".")[1]
    reported = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert set(reported) <= {"sub", "jti", "aud", "iss", "nbf", "exp", "iat"}


def test_redirects_stay(browse: Browse, airflow: Fronted) -> None:
    """Addresses without a slash at the end, and the path of Airflow without one, lead to https and the same place."""
    client = browse()
    sign_in(client, "olga")
    for page in ("/auth/users/list", "/auth/login", "/auth/"):
        answer = client.get(page, follow_redirects=True)
        assert all(step.startswith(airflow.front) for step in steps(answer)), page
    home = client.get(airflow.front, follow_redirects=True)
    assert (home.status_code, str(home.url)) == (200, f"{airflow.front}/")


@pytest.mark.parametrize("page", ["/auth/login/", "/auth/users/list/", "/auth/users/add", "/auth/users/userinfo/"])
def test_links_of_pages(page: str, browse: Browse, airflow: Fronted) -> None:
    """FAB's pages load, and everything that they name is under the sub-path."""
    client = browse()
    if page != "/auth/login/":
        sign_in(client, "olga")
    answer = client.get(page)
    assert answer.status_code == 200
    inside = {link for link in links(answer) if urljoin(str(answer.url), link).startswith(f"{airflow.front}/")}
    outside = {
        link for link in links(answer) - inside if urljoin(str(answer.url), link).startswith("https://localhost")
    }
    assert inside
    assert outside == set()


def test_no_access(browse: Browse, airflow: Fronted) -> None:
    """Who holds nothing reads so, in one step and under the address they wanted; the links there work."""
    client = browse()
    answer = sign_in(client, "nobody", DEEP)
    assert (answer.status_code, str(answer.url)) == (403, f"{airflow.front}{DEEP}")
    assert "You have no access to this Airflow yet" in answer.text
    assert links(answer) == {f"{PATH}/", f"{PATH}/api/v2/auth/logout"}
    assert client.get(f"{airflow.front}/").status_code == 403
    out = client.get("/api/v2/auth/logout", follow_redirects=True)
    assert (out.status_code, str(out.url)) == (200, f"{airflow.front}/auth/login/")


def test_sign_out(browse: Browse, airflow: Fronted) -> None:
    """Signing out takes both cookies away, at the path where they are."""
    client = browse()
    sign_in(client, "olga")
    answer = client.get("/api/v2/auth/logout", follow_redirects=True)
    assert all(step.startswith(f"{airflow.front}/") for step in steps(answer))
    assert "_token" not in client.cookies
    assert client.get("/ui/auth/menus").status_code == 401
    assert 'name="csrf_token"' in wish(client, DEEP).text


def test_the_page_of_the_sub_path(browse: Browse) -> None:
    """Airflow's page takes everything from under the sub-path."""
    assert f'<base href="{PATH}/" />' in browse().get("/").text


def test_api_token(airflow: Fronted, certificate: Path) -> None:
    """A script gets its token through the proxy, and uses it there."""
    with httpx.Client(base_url=airflow.front, verify=str(certificate), timeout=180) as client:
        body = {"username": "olga", "password": "Olga-secret-1"}
        token = client.post("/auth/token", json=body).json()["access_token"]
        answer = client.get("/api/v2/dags", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
