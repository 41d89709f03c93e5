"""With `--proxy-headers`, on each server that Airflow offers, X-Forwarded-For makes nobody the trusted proxy."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from .small import OUT, Person, SmallAirflow, running

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PROXY, ELSEWHERE, LOCAL, CLIENT = "127.0.0.2", "127.0.0.9", "127.0.0.1", "198.51.100.7"
ANA, OLGA = "ana@example.com", "olga@example.com"
SETTINGS = {
    "AIRFLOW__ASTRO_AUTH__TRUSTED_PROXIES": PROXY,
    "AIRFLOW__ASTRO_AUTH__PROXY_GROUPS_HEADER": "X-Forwarded-Groups",
    "AIRFLOW__ASTRO_AUTH__ALLOW_DATABASE_PASSWORDS": "true",
    # The window has to be longer than a busy machine takes for the test.
    "AIRFLOW__FAB__AUTH_RATE_LIMIT": "5 per hour",
}
SERVERS = [
    pytest.param(("uvicorn", ""), id="uvicorn, which believes this machine"),
    pytest.param(("uvicorn", "*"), id="uvicorn that believes everybody"),
    pytest.param(("gunicorn", ""), id="gunicorn, which believes everybody"),
    pytest.param(("gunicorn", PROXY), id="gunicorn that believes the proxy"),
]
FORGED = [PROXY, *(f"{PROXY}:{port}" for port in ("01234", "+1234", "1_2", "4711")), f"[::ffff:{PROXY}]:1", f"{PROXY},"]


@pytest.fixture(scope="module", params=SERVERS)
def airflow(request: pytest.FixtureRequest, folder: Path) -> Iterator[SmallAirflow]:
    """An Airflow that rewrites addresses by X-Forwarded-For, on one of its servers."""
    server, believed = request.param
    if server == "gunicorn" and importlib.util.find_spec("airflow.api_fastapi.gunicorn_app") is None:
        pytest.skip("this Airflow has no [api] server_type")
    settings = {**SETTINGS, "AIRFLOW__API__SERVER_TYPE": server}
    if believed:
        settings["FORWARDED_ALLOW_IPS"] = believed
    with running(folder / f"peer-{server}-{len(believed)}", "proxy.py", settings, "--proxy-headers") as live:
        yield live


def at(airflow: SmallAirflow, address: str) -> Person:
    return Person(airflow.url.replace("localhost", "127.0.0.1"), address=address)


@pytest.mark.parametrize("address", [ELSEWHERE, LOCAL])
def test_forged_address(address: str, airflow: SmallAirflow) -> None:
    """The proxy's address in X-Forwarded-For, however it is written, signs nobody in."""
    for forwarded in FORGED:
        person = at(airflow, address)
        answer = person.http.get("/auth/login/", headers={"X-Remote-User": OLGA, "X-Forwarded-For": forwarded})
        assert (answer.status_code, person.dags()) == (httpx.codes.FORBIDDEN, OUT), forwarded
    assert "is not in [astro_auth] trusted_proxies" in airflow.log()


@pytest.mark.parametrize("forwarded", [CLIENT, f"{CLIENT}:4711", PROXY, f"{CLIENT}, {PROXY}"])
def test_proxy(forwarded: str, airflow: SmallAirflow) -> None:
    """The trusted proxy signs people in, whatever address it forwards."""
    ana = at(airflow, PROXY)
    headers = {"X-Remote-User": ANA, "X-Forwarded-Groups": "finance", "X-Forwarded-For": forwarded}
    ana.http.get("/auth/login/", headers=headers, follow_redirects=True)
    assert ana.dags() == ["ledger"]


def test_wrong_passwords(airflow: SmallAirflow) -> None:
    """Another X-Forwarded-For for each wrong password gives no more of them, and nobody else is kept out."""
    answers = []
    with at(airflow, ELSEWHERE).http as guesser:
        for number in range(20):
            body = {"username": "olga", "password": "wrong"}
            answers.append(guesser.post("/auth/token", json=body, headers={"X-Forwarded-For": f"192.0.2.{number}"}))
        assert [answer.status_code for answer in answers[:5]] == [401] * 5
        assert {answer.status_code for answer in answers[5:]} == {429}
        assert int(answers[-1].headers["Retry-After"]) > 0
        assert "Too many wrong passwords" in answers[-1].json()["detail"]
    with at(airflow, LOCAL).http as olga:
        assert olga.post("/auth/token", json={"username": "olga", "password": "olga"}).status_code == 201
