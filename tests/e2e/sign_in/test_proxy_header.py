"""Signing in by a header of a proxy in front: it counts from the configured addresses, and from nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.database import Database

from .small import NOTHING, OUT, REFUSED, Person, SmallAirflow, dags_in, form_token, password_answers, running

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PROXY, ELSEWHERE = "127.0.0.2", "127.0.0.9"
SETTINGS = {
    "AIRFLOW__ASTRO_AUTH__TRUSTED_PROXIES": f"{PROXY}, 10.1.0.0/16",
    "AIRFLOW__ASTRO_AUTH__PROXY_GROUPS_HEADER": "X-Forwarded-Groups",
}
ANA = {"X-Remote-User": "ana@example.com", "X-Forwarded-Groups": "elsewhere, finance"}


@pytest.fixture(scope="module")
def airflow(folder: Path) -> Iterator[SmallAirflow]:
    """An Airflow behind a proxy, which is whoever asks from one of the addresses of this machine."""
    with running(folder / "proxy", "proxy.py", SETTINGS) as live:
        yield live


def arrive(airflow: SmallAirflow, address: str, headers: dict[str, str] | list[tuple[str, str]]) -> Person:
    """Somebody at the sign-in page, with what the proxy, or who pretends to be it, sends along."""
    person = Person(airflow.url.replace("localhost", "127.0.0.1"), address=address)
    person.http.get("/auth/login/", headers=headers, follow_redirects=True)
    return person


def test_from_the_proxy(airflow: SmallAirflow) -> None:
    """Who the proxy says, with the groups that it names, is signed in; the header is not needed after that."""
    ana = arrive(airflow, PROXY, ANA)
    assert ana.dags() == dags_in(airflow.reported("access", "--as", "ana@example.com")) == ["ledger"]
    made = "SELECT email FROM ab_user WHERE username = 'ana@example.com'"
    assert Database(airflow.engine).rows(made) == [("ana@example.com",)]


def test_groups_taken_away(airflow: SmallAirflow) -> None:
    """Without groups in the header at a sign-in there are none."""
    before = arrive(airflow, PROXY, ANA)
    assert before.dags() == ["ledger"]
    after = arrive(airflow, PROXY, {"X-Remote-User": "ana@example.com"})
    assert (after.dags(), before.dags()) == (NOTHING, NOTHING)
    assert dags_in(airflow.reported("access", "--as", "ana@example.com")) == []


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        pytest.param(ELSEWHERE, ANA, id="from elsewhere"),
        pytest.param(ELSEWHERE, {**ANA, "X-Forwarded-For": PROXY}, id="with the proxy in X-Forwarded-For"),
        pytest.param(PROXY, {"X_Remote_User": "olga@example.com"}, id="spelled with an underscore"),
        pytest.param(
            PROXY, [("X-Remote-User", "olga@example.com"), ("X-Remote-User", "ana@example.com")], id="sent twice"
        ),
        pytest.param(
            PROXY, [("X_Remote-User", "olga@example.com"), ("X-Remote-User", "ana@example.com")], id="sent in two ways"
        ),
        pytest.param(PROXY, {"X-Remote-User": ""}, id="empty"),
        pytest.param(PROXY, {}, id="missing"),
    ],
)
def test_forged(address: str, headers: dict[str, str], airflow: SmallAirflow) -> None:
    """A header that is forged, doubtful or missing signs nobody in, and ends in words instead of in a loop."""
    person = arrive(airflow, address, headers)
    assert person.dags() == OUT
    answer = person.http.get("/auth/login/", headers=headers)
    assert (answer.status_code, answer.has_redirect_location) == (httpx.codes.FORBIDDEN, False)
    assert "Sign-in refused" in answer.text


def test_header_opens_no_route(airflow: SmallAirflow) -> None:
    """The header counts at the sign-in page only."""
    person = Person(airflow.url.replace("localhost", "127.0.0.1"), address=PROXY)
    assert person.http.get("/api/v2/dags", headers=ANA).status_code == 401


def test_passwords_are_closed(airflow: SmallAirflow) -> None:
    """Passwords in FAB's database open nothing where a proxy signs people in."""
    assert set(password_answers(airflow.url, "olga", "olga")) <= REFUSED


def test_no_way_past_the_proxy(folder: Path) -> None:
    """Where passwords are allowed beside the proxy, a user cannot give the own account one; an Owner can."""
    settings = {**SETTINGS, "AIRFLOW__ASTRO_AUTH__ALLOW_DATABASE_PASSWORDS": "True"}
    with running(folder / "proxy-and-passwords", "proxy.py", settings) as live:
        bo = arrive(live, PROXY, {"X-Remote-User": "bo@example.com"})
        assert bo.dags() == ["sync"]
        form = "/auth/resetmypassword/form"
        assert bo.http.get(form, follow_redirects=False).status_code == 302
        new = {"password": "of-my-own-1", "conf_password": "of-my-own-1"}
        bo.http.post(form, data=new, headers=form_token(bo.http), follow_redirects=False)
        assert set(password_answers(live.url, "bo@example.com", "of-my-own-1")) <= REFUSED
        olga = Person(live.url)
        token = olga.http.post("/auth/token", json={"username": "olga", "password": "olga"}).json()["access_token"]
        change = Person(live.url, token).http.patch("/auth/fab/v1/users/bo@example.com", json={"password": "given"})
        assert change.status_code == 200, change.text
        assert 201 in password_answers(live.url, "bo@example.com", "given")
