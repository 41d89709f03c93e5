"""Signing in at a real OpenID Connect provider: its groups become Teams, and every check of the protocol counts."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import httpx
import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from tests.e2e.browser.visitor import chromium
from tests.e2e.database import Database
from tests.e2e.live import LiveAirflow, free_port
from tests.e2e.tables import BEFORE_3_2

from .identity_provider import PASSWORD
from .small import NOTHING, OUT, REFUSED, Person, SmallAirflow, dags_in, password_answers, running

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

CLIENT = {"OIDC_CLIENT_ID": "airflow", "OIDC_CLIENT_SECRET": "client-secret-of-the-tests"}
# The provider of the tests speaks plain http.
INSECURE = {"AUTHLIB_INSECURE_TRANSPORT": "1", "OAUTHLIB_INSECURE_TRANSPORT": "1"}


class Provider:
    """The running identity provider; `groups` says who is in which group."""

    def __init__(self, home: Path) -> None:
        self.url = f"http://localhost:{free_port()}"
        self.home = home
        self._database = Database(sa.create_engine(f"sqlite:///{home}/provider.db"))

    def start(self, redirect_uri: str) -> subprocess.Popen:
        """Returns the process when it answers."""
        port, database = self.url.rsplit(":", 1)[1], str(self.home / "provider.db")
        command = [sys.executable, "-m", "tests.e2e.sign_in.identity_provider", port, database, *CLIENT.values()]
        environment = INSECURE | {"PYTHONPATH": str(Path(__file__).parents[3])}
        with (self.home / "provider.log").open("w") as log:
            process = subprocess.Popen([*command, redirect_uri], env=environment, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while not self._answers():
            assert process.poll() is None and time.monotonic() < deadline, (self.home / "provider.log").read_text()
            time.sleep(0.1)
        return process

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/o/.well-known/openid-configuration", verify=False).status_code == 200
        except httpx.TransportError:
            return False

    def tokens(self) -> list[str]:
        """The access tokens and refresh tokens that it has given."""
        tables = ("oauth2_provider_accesstoken", "oauth2_provider_refreshtoken")
        return [row[0] for table in tables for row in self._database.rows(f"SELECT token FROM {table}")]

    def says(self, user: str, id_token: dict[str, Any] | None = None, userinfo: dict[str, Any] | None = None) -> None:
        """Changes claims of somebody from now on, in the ID token and at /userinfo; None takes one away."""
        changes = json.dumps({"id_token": id_token or {}, "userinfo": userinfo or {}})
        self._database.run(
            "UPDATE auth_user SET last_name = :changes WHERE username = :user", changes=changes, user=user
        )

    def groups(self, user: str, *names: str) -> None:
        """Puts somebody into these groups and no other."""
        user_id = self._database.value("SELECT id FROM auth_user WHERE username = :user", user=user)
        self._database.run("DELETE FROM auth_user_groups WHERE user_id = :user", user=user_id)
        for name in names:
            self._database.run(
                "INSERT OR IGNORE INTO auth_group (name) VALUES (:name)",
                "INSERT INTO auth_user_groups (user_id, group_id) SELECT :user, id FROM auth_group WHERE name = :name",
                user=user_id,
                name=name,
            )


@pytest.fixture(scope="module")
def provider(folder: Path) -> Provider:
    """The identity provider; it starts with the Airflow that it leads back to."""
    home = folder / "provider"
    home.mkdir()
    return Provider(home)


@pytest.fixture(scope="module")
def airflow(folder: Path, provider: Provider) -> Iterator[SmallAirflow]:
    """An Airflow that signs people in there."""
    settings = CLIENT | INSECURE | {"OIDC_ISSUER": f"{provider.url}/o"}
    issuer = {"issuer": f"{provider.url}/o", "audience": CLIENT["OIDC_CLIENT_ID"], "email_claim": "email"}
    issuers = json.dumps([{**issuer, "jwks_url": f"{provider.url}/o/.well-known/jwks.json"}])
    with running(folder / "oidc", "oidc.py", settings | {"AIRFLOW__ASTRO_AUTH__TRUSTED_ISSUERS": issuers}) as live:
        process = provider.start(f"{live.url}/auth/oauth-authorized/sso")
        yield live
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="module")
def database(airflow: LiveAirflow) -> Database:
    """The metadata database behind it."""
    return Database(airflow.engine)


def unchanged(url: str) -> str:
    return url


def sign_in(
    airflow: LiveAirflow,
    user: str,
    *,
    there: Callable[[str], str] = unchanged,
    back: Callable[[str], str] = unchanged,
    next_page: str = "",
) -> Person:
    """A person who went through the whole flow; `there` and `back` change the address of a redirect on its way."""
    person = Person(airflow.url)
    query = f"?{urlencode({'next': next_page})}" if next_page else ""
    person.http.follow_redirects = False
    leave = person.http.get(f"/auth/login/sso{query}").headers["location"]
    page = person.http.get(there(leave))
    if page.headers.get("location", "").startswith("/login/"):
        form_url = str(page.url.join(page.headers["location"]))
        token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', person.http.get(form_url).text)
        assert token
        data = {"username": user, "password": PASSWORD, "csrfmiddlewaretoken": token[1]}
        page = person.http.post(form_url, data=data)
        page = person.http.get(str(page.url.join(page.headers["location"])))
    landed = person.http.get(back(page.headers["location"]))
    person.http.follow_redirects = True
    while landed.has_redirect_location and landed.headers["location"].removeprefix(airflow.url).startswith("/auth"):
        landed = person.http.get(landed.headers["location"], follow_redirects=False)
    person.landed = landed.text
    return person


def changing(name: str, value: str) -> Callable[[str], str]:
    """A function that puts another value into the query of an address."""

    def change(url: str) -> str:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        assert name in query, url
        return urlunsplit(parts._replace(query=urlencode({**query, name: [value]}, doseq=True)))

    return change


def test_no_pages_of_registration(airflow: SmallAirflow) -> None:
    """Accounts are made at sign-ins, and not by a form that anyone can fill in."""
    for path in ("form", "activation/x"):
        assert Person(airflow.url).http.get(f"/auth/register/{path}", follow_redirects=False).status_code == 404
    assert "Traceback" not in airflow.log()


def test_group_is_team(airflow: SmallAirflow, provider: Provider) -> None:
    """A group at the provider makes somebody of whom Airflow has never heard a member of the Team, and no more."""
    provider.groups("ana", "finance", "elsewhere")
    ana = sign_in(airflow, "ana")
    assert ana.dags() == ["ledger"]
    assert ana.http.patch("/api/v2/dags/ledger", json={"is_paused": True}).status_code == 200
    assert ana.http.patch("/api/v2/dags/sync", json={"is_paused": True}).status_code == 403


DAG_IDS = ("ledger", "sync")


def test_explain_agrees(airflow: SmallAirflow, provider: Provider) -> None:
    """The commands that ask the policy count the groups of the last sign-in as the server does, and name the group."""
    answers = {}
    for groups in (["finance"], []):
        provider.groups("ana", *groups)
        ana = sign_in(airflow, "ana")
        asked = [("explain", "--as", "ana@example.com", "PATCH", f"/api/v2/dags/{dag_id}") for dag_id in DAG_IDS]
        *explained, access = airflow.all_reported(*asked, ("access", "--as", "ana@example.com"))
        for dag_id, reported in zip(DAG_IDS, explained, strict=True):
            status = ana.http.patch(f"/api/v2/dags/{dag_id}", json={"is_paused": True}).status_code
            holders = {grant["holder"] for case in reported["cases"] for grant in case["grants"]}
            answers[*groups, dag_id] = (status, reported["answer"], reported["groups"], holders)
        assert ana.dags() == (dags_in(access) or NOTHING)
    assert answers == {
        ("finance", "ledger"): (200, "yes", ["finance"], {"Team `finance` (group `finance`)"}),
        ("finance", "sync"): (403, "no", ["finance"], set()),
        ("ledger",): (403, "no", [], set()),
        ("sync",): (403, "no", [], set()),
    }


def test_group_taken_away(airflow: SmallAirflow, provider: Provider) -> None:
    """A group that is taken away counts until the next sign-in; then it is gone, for older tokens and sessions as well."""
    provider.groups("ana", "finance")
    before = sign_in(airflow, "ana")
    provider.groups("ana")
    assert before.dags() == ["ledger"]
    after = sign_in(airflow, "ana")
    assert after.dags() == before.dags() == NOTHING


def test_member_without_groups(airflow: SmallAirflow, provider: Provider) -> None:
    """Who is listed in the policy by e-mail needs no group."""
    assert sign_in(airflow, "bo").dags() == ["sync"]


def test_hundreds_of_groups(airflow: SmallAirflow, provider: Provider) -> None:
    """Hundreds of groups are no trouble; cookies say who somebody is, in less than 1 KB, and none of the groups."""
    provider.groups("cleo", "finance", *(f"group {number} of the company" for number in range(300)))
    cleo = sign_in(airflow, "cleo")
    assert cleo.dags() == ["ledger"]
    cookies = {cookie.name: cookie for cookie in cleo.http.cookies.jar if cookie.name in ("_token", "session")}
    assert len(cookies) == 2
    for cookie in cookies.values():
        assert len(f"{cookie.name}={cookie.value}") < 1024
        assert cookie.path == "/"
        assert cookie.has_nonstandard_attr("HttpOnly")
        if cookie.name == "session" or not BEFORE_3_2:
            assert cookie.get_nonstandard_attr("SameSite") == "Lax"


def test_what_leaves(airflow: SmallAirflow) -> None:
    """A sign-in leaves with state, nonce and the challenge of PKCE."""
    leave = Person(airflow.url).http.get("/auth/login/sso").headers["location"]
    query = parse_qs(urlsplit(leave).query)
    assert {"state", "nonce", "code_challenge"} <= set(query)
    assert query["code_challenge_method"] == ["S256"]
    assert query["redirect_uri"] == [f"{airflow.url}/auth/oauth-authorized/sso"]


@pytest.mark.parametrize(
    ("there", "back"),
    [
        pytest.param(changing("nonce", "another"), unchanged, id="nonce"),
        pytest.param(changing("code_challenge", "A" * 43), unchanged, id="PKCE"),
        pytest.param(changing("state", "another"), unchanged, id="state-there"),
        pytest.param(unchanged, changing("state", "another"), id="state-back"),
        pytest.param(unchanged, changing("code", "another"), id="code"),
    ],
)
def test_tampered(
    there: Callable[[str], str], back: Callable[[str], str], airflow: SmallAirflow, provider: Provider
) -> None:
    """A sign-in of which state, nonce, challenge or code has been changed on its way is none."""
    provider.groups("ana", "finance")
    ana = sign_in(airflow, "ana", there=there, back=back)
    assert "_token" not in {cookie.name for cookie in ana.http.cookies.jar}
    assert ana.dags() == OUT


def test_somebody_elses_answer(airflow: SmallAirflow, provider: Provider) -> None:
    """The provider's answer to one browser signs nobody in at another one."""
    caught: list[str] = []

    def catch(url: str) -> str:
        caught.append(url)
        return "/auth/login/"

    sign_in(airflow, "ana", back=catch)
    victim = Person(airflow.url)
    victim.http.get("/auth/login/sso")
    victim.http.get(caught[0])
    assert victim.dags() == OUT


def test_passwords_are_closed(airflow: SmallAirflow) -> None:
    """Passwords in FAB's database open nothing where people sign in at a provider."""
    assert set(password_answers(airflow.url, "olga", "olga")) <= REFUSED
    assert "allow_database_passwords is not set" in airflow.log()


def test_sign_out(airflow: SmallAirflow, provider: Provider) -> None:
    """Sign-out ends the token, as a cookie and as a bearer's, and copies of the session."""
    provider.groups("ana", "finance")
    ana = sign_in(airflow, "ana")
    cookies = {cookie.name: cookie.value for cookie in ana.http.cookies.jar if cookie.name in ("_token", "session")}
    thief = Person(airflow.url, token=cookies["_token"])
    assert thief.dags() == ["ledger"]
    ana.http.get("/api/v2/auth/logout", follow_redirects=False)
    assert thief.dags() == OUT
    copied = Person(airflow.url)
    for name, value in cookies.items():
        copied.http.cookies.set(name, value)
    assert copied.dags() == OUT
    answer = copied.http.get("/auth/", follow_redirects=True)
    assert "_token" not in {cookie.name for seen in (*answer.history, answer) for cookie in seen.cookies.jar}


@pytest.mark.parametrize("end", ["UPDATE ab_user SET active = false WHERE email = 'cleo@example.com'", "DELETE"])
def test_disabled_or_deleted(end: str, airflow: SmallAirflow, provider: Provider, database: Database) -> None:
    """Whose account is switched off or deleted is out with the next request, at the API and on FAB's pages."""
    provider.groups("cleo", "finance")
    cleo = sign_in(airflow, "cleo")
    assert cleo.dags() == ["ledger"]
    cleo_id = database.value("SELECT id FROM ab_user WHERE email = 'cleo@example.com'")
    if end == "DELETE":
        database.run("DELETE FROM ab_user_role WHERE user_id = :id", "DELETE FROM ab_user WHERE id = :id", id=cleo_id)
    else:
        database.run(end)
    assert cleo.dags() == OUT
    page = cleo.http.get("/auth/users/list/", follow_redirects=False)
    assert (page.status_code, "/auth/login" in page.headers.get("location", "")) == (302, True)
    if end != "DELETE":
        assert sign_in(airflow, "cleo").dags() == OUT
        database.run("UPDATE ab_user SET active = true WHERE email = 'cleo@example.com'")


@pytest.mark.browser
def test_in_a_browser(airflow: SmallAirflow, provider: Provider) -> None:
    """In a browser one goes to the provider and comes back to the page that one wanted; the group decides what is there."""
    provider.groups("ana", "finance")
    with chromium() as browser:
        page = browser.new_page(base_url=airflow.url)
        page.goto("/dags/ledger")
        page.locator("#btn-signin-sso").click()
        page.locator("#id_username").fill("ana")
        page.locator("#id_password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/dags/ledger")
        expect(page.get_by_text("ledger").first).to_be_visible()
        provider.groups("ana")
        page.goto("about:blank")
        page.request.get("/api/v2/auth/logout")
        page.goto("/")
        page.locator("#btn-signin-sso").click()
        expect(page.get_by_text("You have no access to this Airflow yet")).to_be_visible()


# -- the provider's JWTs as credentials ----------------------------------------------------------------------------


def id_token(airflow: LiveAirflow, provider: Provider, user: str) -> str:
    """The JWT that the provider gives to a client for somebody: the flow of a sign-in, and nobody told Airflow."""
    with httpx.Client(base_url=provider.url, verify=False) as http:
        form = http.get("/login/")
        token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', form.text)
        assert token
        http.post("/login/", data={"username": user, "password": PASSWORD, "csrfmiddlewaretoken": token[1]})
        client = {"client_id": CLIENT["OIDC_CLIENT_ID"], "redirect_uri": f"{airflow.url}/auth/oauth-authorized/sso"}
        # RFC 7636, appendix B
        challenge = {"code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256"}
        query = {"response_type": "code", "scope": "openid email", **client, **challenge}
        code = parse_qs(urlsplit(http.get("/o/authorize/", params=query).headers["location"]).query)["code"][0]
        body = {"grant_type": "authorization_code", "code": code, **client}
        body |= {"code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"}
        answer = http.post("/o/token/", data={**body, "client_secret": CLIENT["OIDC_CLIENT_SECRET"]})
        return answer.json()["id_token"]


def claims_of(token: str) -> dict[str, int]:
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def test_jwt_of_the_provider(airflow: SmallAirflow, provider: Provider, database: Database) -> None:
    """A JWT of a trusted issuer is the person with that e-mail, as long as there is an active account."""
    provider.groups("ana", "finance")
    sign_in(airflow, "ana")
    ana = Person(airflow.url, id_token(airflow, provider, "ana"))
    assert ana.dags() == ["ledger"]
    assert ana.http.patch("/api/v2/dags/ledger", json={"is_paused": False}).status_code == 200
    assert ana.http.patch("/api/v2/dags/sync", json={"is_paused": True}).status_code == 403
    database.run("UPDATE ab_user SET active = :no WHERE email = 'ana@example.com'", no=False)
    try:
        assert ana.dags() == OUT
    finally:
        database.run("UPDATE ab_user SET active = :yes WHERE email = 'ana@example.com'", yes=True)
    assert ana.dags() == ["ledger"]


def test_jwt_without_an_account(airflow: SmallAirflow, provider: Provider, database: Database) -> None:
    """A JWT of a trusted issuer makes no account: who has none is nobody."""
    sign_in(airflow, "cleo")
    token = id_token(airflow, provider, "cleo")
    assert Person(airflow.url, token).dags() != OUT
    database.run(
        "DELETE FROM ab_user_role WHERE user_id IN (SELECT id FROM ab_user WHERE email = 'cleo@example.com')",
        "DELETE FROM ab_user WHERE email = 'cleo@example.com'",
    )
    answer = Person(airflow.url, token).http.get("/api/v2/dags")
    assert (answer.status_code, answer.json()["detail"]) == (401, "Invalid JWT token")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_forged_jwts(airflow: SmallAirflow, provider: Provider) -> None:
    """What the provider has not signed is refused, and its end holds for what it is exchanged for, however often."""
    sign_in(airflow, "bo")
    token = id_token(airflow, provider, "bo")
    header, payload, signature = token.split(".")
    assert Person(airflow.url, token).dags() == ["sync"]
    none = base64.urlsafe_b64encode(b'{"alg": "none"}').rstrip(b"=").decode()
    changed = base64.urlsafe_b64encode(json.dumps(claims_of(token) | {"email": "ana@example.com"}).encode())
    for forged in (
        f"{header}.{payload}.{signature[:-4]}AAAA",
        f"{header}.{payload}.",
        f"{none}.{payload}.",
        f"{header}.{changed.rstrip(b'=').decode()}.{signature}",
    ):
        assert Person(airflow.url, forged).http.get("/api/v2/dags").status_code == 401


@pytest.mark.skipif(BEFORE_3_2, reason="Airflow 3.1 has no route that makes a JWT of a JWT")
def test_jwt_prolongs_nothing(airflow: SmallAirflow, provider: Provider) -> None:
    """A JWT of Airflow that is fetched with one of the provider ends with it, and so does one that is fetched with that."""
    sign_in(airflow, "bo")
    token = id_token(airflow, provider, "bo")
    end = claims_of(token)["exp"]
    for _ in range(3):
        answer = Person(airflow.url, token).http.post("/ui/auth/token", json={})
        assert answer.status_code in (200, 201), answer.text
        token = answer.json()["access_token"]
        assert claims_of(token)["exp"] <= end
    assert Person(airflow.url, token).dags() == ["sync"]


def test_nothing_secret_is_logged(airflow: SmallAirflow, provider: Provider) -> None:
    """After all of this the log at level debug has no secret and no token, apart from addresses that Airflow itself logs."""
    sign_in(airflow, "bo")
    given = provider.tokens()
    assert given
    said = "\n".join(
        line for line in airflow.log().splitlines() if " HTTP/1" not in line and "[http.access]" not in line
    )
    assert "debug" in said.lower()
    assert CLIENT["OIDC_CLIENT_SECRET"] not in said
    assert "eyJ" not in said
    assert [token for token in given if token in said] == []
    # `refresh_token.py` of Airflow stands in the traceback of a request whose browser has gone away.
    names = r"(?:access_token|refresh_token(?!\.py\b)|id_token|client_secret|code_verifier).{0,80}"
    assert re.findall(names, said) == []
