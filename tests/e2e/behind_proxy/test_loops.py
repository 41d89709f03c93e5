"""Whatever is wrong, nobody is sent round in circles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import jwt
import pytest

from tests.e2e.database import Database

from .person import sign_in, steps, wish
from .stack import PATH, Fronted, Nginx

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

Browse = Callable[..., httpx.Client]
DEEP = "/dags/ledger"


def keep_trying(client: httpx.Client, page: str, rounds: int = 20) -> list[httpx.Response]:
    """Does what a browser with Airflow's page does: where the page is not let in, it goes to sign in again."""
    answers = [client.get(page)]
    for _ in range(rounds):
        if answers[-1].status_code != 200 or client.get("/ui/auth/menus").status_code == 200:
            break
        answers.append(wish(client, page))
    return answers


def token_of(client: httpx.Client) -> str:
    return str(client.cookies.get("_token", path=f"{PATH}/"))


def set_token(client: httpx.Client, value: str) -> None:
    client.cookies.delete("_token", domain="localhost.local", path=f"{PATH}/")
    client.cookies.set("_token", value, domain="localhost.local", path=f"{PATH}/")


def test_expired_token(browse: Browse, airflow: Fronted) -> None:
    """Whose token has expired gets a new one without a question, and the page that was wanted."""
    client = browse()
    sign_in(client, "olga")
    claims = jwt.decode(token_of(client), options={"verify_signature": False})
    claims |= {"iat": claims["iat"] - 90_000, "nbf": claims["nbf"] - 90_000, "exp": claims["iat"] - 3600}
    secret = airflow.environment()["AIRFLOW__API_AUTH__JWT_SECRET"]
    set_token(client, jwt.encode(claims, secret, algorithm="HS512"))
    assert client.get("/ui/auth/menus").status_code == 401
    answers = keep_trying(client, DEEP)
    assert (len(answers), str(answers[-1].url)) == (2, f"{airflow.front}{DEEP}")


def test_token_of_another_server(browse: Browse, airflow: Fronted) -> None:
    """A token signed with another secret is replaced, likewise."""
    client = browse()
    sign_in(client, "olga")
    claims = jwt.decode(token_of(client), options={"verify_signature": False})
    set_token(client, jwt.encode(claims, "another" * 20, algorithm="HS512"))
    answers = keep_trying(client, DEEP)
    assert (len(answers), str(answers[-1].url)) == (2, f"{airflow.front}{DEEP}")


@pytest.mark.parametrize(
    ("user", "change"),
    [
        ("leaver", "DELETE FROM ab_user WHERE username = 'leaver'"),
        ("stale", "UPDATE ab_user SET active = false WHERE username = 'stale'"),
    ],
)
def test_account_gone(user: str, change: str, browse: Browse, airflow: Fronted) -> None:
    """Whose account is deleted or switched off reads the form to sign in, and gets no further."""
    client = browse()
    sign_in(client, user)
    assert client.get("/api/v2/dags").status_code == 200
    Database(airflow.engine).run(change)
    refused = client.get("/api/v2/dags")
    assert (refused.status_code, refused.json()["detail"]) == (401, "Invalid JWT token")  # which sends pages to sign in
    answer = wish(client, DEEP)
    assert (answer.status_code, len(answer.history)) == (200, 1)
    assert 'name="csrf_token"' in answer.text


def test_nobody(browse: Browse) -> None:
    """Who holds nothing stays on the page that says so."""
    client = browse()
    sign_in(client, "nobody")
    assert [answer.status_code for answer in keep_trying(client, DEEP)] == [403]


ALTERED = {
    "stricter flags": "proxy_cookie_flags _token samesite=strict; proxy_cookie_flags session samesite=strict;",
    "another path": f"proxy_cookie_path {PATH}/ /;",
}


@pytest.fixture(scope="module", params=ALTERED)
def altering(request: pytest.FixtureRequest, folder: Path, nginx: Nginx, airflow: Fronted) -> Iterator[str]:
    """The name of what a proxy does to the cookies, which stands in the place of the good one meanwhile."""
    nginx.extra = ALTERED[request.param]
    nginx.restart()
    yield request.param
    nginx.extra = ""
    nginx.restart()


def test_proxy_alters_cookies(altering: str, browse: Browse, airflow: Fronted) -> None:
    """A proxy that changes the cookies' flags or path keeps nobody out, and sends nobody round."""
    client = browse()
    answer = sign_in(client, "olga", DEEP)
    assert (answer.status_code, str(answer.url)) == (200, f"{airflow.front}{DEEP}")
    assert len(keep_trying(client, DEEP)) == 1


def test_token_that_is_lost(browse: Browse) -> None:
    """Where the cookie of the token never comes back, people are told after a few rounds, in words and without a loop."""
    client = browse()
    sign_in(client, "olga")
    client.event_hooks["request"] = [_lose_token]
    answers = keep_trying(client, DEEP)
    assert (answers[-1].status_code, len(answers[-1].history)) == (403, 1)
    assert "airflow astro-auth doctor" in answers[-1].text
    assert len(answers) == 7
    client.event_hooks["request"] = []
    # Another page is another try.
    assert wish(client, "/variables").status_code == 200


def _lose_token(request: httpx.Request) -> None:
    kept = [part for part in request.headers.get("cookie", "").split("; ") if not part.startswith("_token=")]
    request.headers["cookie"] = "; ".join(kept)


def test_plain_http(browse: Browse, airflow: Fronted) -> None:
    """Behind TLS no answer sends anybody to http://, however it is asked."""
    client = browse()
    sign_in(client, "olga")
    for page in ("/auth", "/auth/users/list", "/api/v2/auth/login", "/api/v2/auth/logout", "/auth/logout", "/"):
        for answer in (client.get(page), client.get(page, headers={"X-Forwarded-Proto": "http"})):
            assert not answer.headers.get("location", "").startswith("http://"), page
    assert steps(wish(client, DEEP))[-1].startswith("https://")
