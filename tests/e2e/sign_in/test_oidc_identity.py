"""Whose account a sign-in at a real OpenID Connect provider opens, whatever names and e-mails it says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.e2e.database import Database
from tests.e2e.live import LiveAirflow

from .small import NOTHING, OUT, Person, SmallAirflow, running
from .test_oidc import CLIENT, INSECURE, Provider, changing, sign_in

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

NO_EMAIL = {"email": None, "email_verified": None}
UNVERIFIED = {"email": "olga@example.com", "email_verified": False}
OLGA = {"email": "olga@example.com", "preferred_username": "somebody"}
REFUSED = "Sign-in refused"
ALL = ["ledger", "notes", "sync"]


@pytest.fixture(scope="module")
def provider(folder: Path) -> Provider:
    """The identity provider; it starts with the Airflow that it leads back to."""
    home = folder / "provider-of-identities"
    home.mkdir()
    return Provider(home)


@pytest.fixture(scope="module")
def airflow(folder: Path, provider: Provider) -> Iterator[SmallAirflow]:
    """An Airflow that signs people in there, and has Olga's account from the time of passwords."""
    settings = CLIENT | INSECURE | {"OIDC_ISSUER": f"{provider.url}/o"}
    with running(folder / "identities", "oidc.py", settings) as live:
        process = provider.start(f"{live.url}/auth/oauth-authorized/sso")
        yield live
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="module")
def database(airflow: LiveAirflow) -> Database:
    """The metadata database behind it."""
    return Database(airflow.engine)


@pytest.fixture(autouse=True)
def as_it_was(airflow: LiveAirflow, provider: Provider, database: Database) -> Iterator[None]:
    """Olga alone has an account before each test, and nobody is bound."""
    yield
    for user in ("ana", "mallory", "newcomer"):
        provider.says(user)
    database.run(
        "DELETE FROM astro_auth_identity",
        "DELETE FROM ab_user_role",
        "DELETE FROM ab_user WHERE username <> 'olga'",
        "UPDATE ab_user SET email = 'olga@example.com' WHERE username = 'olga'",
    )


@pytest.mark.parametrize(
    ("id_token", "userinfo"),
    [
        pytest.param(NO_EMAIL, NO_EMAIL, id="no e-mail"),
        pytest.param(NO_EMAIL | {"email": ""}, NO_EMAIL | {"email": ""}, id="an empty e-mail"),
        pytest.param(NO_EMAIL, UNVERIFIED, id="a thin ID token and an e-mail that is not verified"),
        pytest.param(NO_EMAIL, OLGA | {"email_verified": None}, id="an e-mail of which nothing is said"),
        pytest.param(UNVERIFIED, UNVERIFIED, id="an e-mail that is not verified"),
        pytest.param(UNVERIFIED | {"email_verified": True}, UNVERIFIED, id="documents that contradict each other"),
        pytest.param(NO_EMAIL, OLGA | {"email_verified": True, "sub": "999"}, id="UserInfo of somebody else"),
        pytest.param({}, {"email": "olga@example.com"}, id="two e-mails"),
    ],
)
def test_somebody_elses_account(
    id_token: dict[str, Any], userinfo: dict[str, Any], airflow: SmallAirflow, provider: Provider, database: Database
) -> None:
    """A chosen user name and an e-mail that is not vouched for open no account and make none; the page says so."""
    name = {"preferred_username": "olga"}
    provider.says("mallory", id_token | name, userinfo | name)
    mallory = sign_in(airflow, "mallory")
    assert mallory.dags() == OUT
    assert REFUSED in mallory.landed
    assert database.rows("SELECT username FROM ab_user") == [("olga",)]


def test_scope_that_the_browser_drops(airflow: SmallAirflow, provider: Provider) -> None:
    """Who takes `openid` out of the scope on the way to the provider is refused, also with a verified e-mail."""
    for scope in ("profile", "email profile"):
        assert sign_in(airflow, "mallory", there=changing("scope", scope)).dags() == OUT


def test_scope_in_the_address_of_the_sign_in_page(airflow: SmallAirflow, provider: Provider) -> None:
    """What the browser puts into the address of the sign-in page does not reach the request to the provider."""
    page = Person(airflow.url).http.get("/auth/login/sso?scope=openid&nonce=x&code_challenge=x", follow_redirects=False)
    query = parse_qs(urlsplit(page.headers["location"]).query)
    assert query["scope"] == ["openid email profile"]
    assert query["nonce"] != ["x"]
    assert query["code_challenge"] != ["x"]


def test_chosen_name_is_not_taken_over(airflow: SmallAirflow, provider: Provider, database: Database) -> None:
    """With a verified e-mail of one's own, a chosen user name is neither Olga's account nor the name of the new one."""
    provider.says("mallory", {"preferred_username": "olga"}, {"preferred_username": "olga"})
    assert sign_in(airflow, "mallory").dags() == NOTHING
    assert set(database.rows("SELECT username, email FROM ab_user")) == {
        ("olga", "olga@example.com"),
        ("mallory@example.com", "mallory@example.com"),
    }


def test_from_passwords_to_a_provider(airflow: SmallAirflow, provider: Provider, database: Database) -> None:
    """An account from before is found by the verified e-mail, whatever the user names are, and bound."""
    provider.says("ana", OLGA, OLGA)
    assert sign_in(airflow, "ana").dags() == ALL
    assert database.rows("SELECT username FROM ab_user") == [("olga",)]
    bound = "SELECT i.provider FROM astro_auth_identity i JOIN ab_user u ON u.id = i.account_id"
    assert database.rows(bound) == [("oauth sso",)]


def test_email_that_changes(airflow: SmallAirflow, provider: Provider, database: Database) -> None:
    """After the first sign-in the identity decides: a new verified e-mail is taken over by the same account."""
    sign_in(airflow, "mallory")
    account = database.value("SELECT id FROM ab_user WHERE email = 'mallory@example.com'")
    moved = {"email": "bo@example.com", "given_name": "Malou"}
    provider.says("mallory", moved, moved)
    assert sign_in(airflow, "mallory").dags() == ["sync"]
    assert database.rows("SELECT email, first_name FROM ab_user WHERE id = :id", id=account) == [
        ("bo@example.com", "Malou")
    ]


def test_email_of_another_account(airflow: SmallAirflow, provider: Provider, database: Database) -> None:
    """A bound account whose new e-mail another account has is refused in words, and stays as it was."""
    sign_in(airflow, "mallory")
    provider.says("mallory", OLGA, OLGA)
    mallory = sign_in(airflow, "mallory")
    assert (mallory.dags(), "another account has the e-mail" in mallory.landed) == (OUT, True)
    assert database.value("SELECT count(*) FROM ab_user WHERE email = 'mallory@example.com'") == 1


def test_email_that_is_given_again(airflow: SmallAirflow, provider: Provider) -> None:
    """An e-mail that the provider gives to another `sub` does not open the account of the one who had it."""
    provider.says("ana", OLGA, OLGA)
    assert sign_in(airflow, "ana").dags() == ALL
    provider.says("newcomer", OLGA, OLGA)
    newcomer = sign_in(airflow, "newcomer")
    assert (newcomer.dags(), "belongs to another identity" in newcomer.landed) == (OUT, True)
    assert sign_in(airflow, "ana").dags() == ALL


def test_disabled(airflow: SmallAirflow, provider: Provider, database: Database) -> None:
    """A disabled account is refused in words, and no second one is made."""
    sign_in(airflow, "mallory")
    database.run("UPDATE ab_user SET active = :no WHERE email = 'mallory@example.com'", no=False)
    mallory = sign_in(airflow, "mallory")
    assert (mallory.dags(), "your account is disabled" in mallory.landed) == (OUT, True)
    assert database.value("SELECT count(*) FROM ab_user") == 2
