"""Signing in at a real OpenLDAP: its groups become Teams, and only its passwords count."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from astro_auth_plugin.authentication import ldap_directory
from tests.e2e.database import Database

from .directory import BASE, PASSWORD, Directory
from .small import LONG_GROUP, NOTHING, OUT, REFUSED, Person, SmallAirflow, form_token, password_answers, running

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

GROUPS = f"ou=groups,{BASE}"


@pytest.fixture(scope="module")
def directory(folder: Path) -> Iterator[Directory]:
    """Ana is in a group with a long name and in hundreds of others; Dora is in none, Olga has another password here."""
    found = Directory(folder / "slapd")
    found.start()
    for uid in ("nobody", "ana", "bo", "dora"):
        found.person(uid)
    parents = LONG_GROUP.split(",")
    for number in range(len(parents) - 4, 0, -1):
        found._add(",".join(parents[number:]), "organizationalUnit", ou=parents[number].removeprefix("ou="))
    found.group(LONG_GROUP, "ana")
    for number in range(300):
        found.group(f"cn=group {number} of the company,{GROUPS}", "ana")
    yield found
    found.stop()


@pytest.fixture(scope="module")
def airflow(folder: Path, directory: Directory) -> Iterator[SmallAirflow]:
    """An Airflow that asks this directory."""
    settings = {"LDAP_SERVER": directory.url, "LDAP_BIND_PASSWORD": PASSWORD}
    with running(folder / "ldap", "ldap.py", settings) as live:
        yield live


def with_password(airflow: SmallAirflow, user: str, password: str) -> Person:
    """Somebody with the token that a password gives."""
    answer = httpx.post(
        f"{airflow.url}/auth/token", json={"username": user, "password": password}, timeout=180, verify=False
    )
    assert answer.status_code == 201, answer.text
    return Person(airflow.url, token=answer.json()["access_token"])


def test_long_group_among_hundreds(airflow: SmallAirflow) -> None:
    """The whole name of a group, however long, is what `idp_groups` says, among however many; no FAB role is mapped."""
    assert len(LONG_GROUP) > 300
    assert with_password(airflow, "ana", "ana").dags() == ["ledger"]


def test_form(airflow: SmallAirflow) -> None:
    """The sign-in page brings the groups, too."""
    ana = Person(airflow.url)
    token = form_token(ana.http)["X-CSRFToken"]
    form = {"username": "ana", "password": "ana", "csrf_token": token}
    ana.http.post("/auth/login/", data=form, follow_redirects=True)
    assert ana.dags() == ["ledger"]


def test_without_groups(airflow: SmallAirflow) -> None:
    """Who is in no group has what the policy gives to the e-mail, which may be nothing."""
    assert with_password(airflow, "bo", "bo").dags() == ["sync"]
    assert with_password(airflow, "dora", "dora").dags() == NOTHING


def test_only_its_passwords(airflow: SmallAirflow) -> None:
    """A password in FAB's database opens none of the doors, and neither does a wrong or an empty one."""
    assert set(password_answers(airflow.url, "olga", "olga")) <= REFUSED
    assert set(password_answers(airflow.url, "ana", "wrong")) <= REFUSED
    assert set(password_answers(airflow.url, "ana", "")) <= REFUSED


def test_group_left(airflow: SmallAirflow, directory: Directory) -> None:
    """Who leaves a group has lost the Team with the next sign-in, in whatever way the person is signed in elsewhere."""
    before = with_password(airflow, "ana", "ana")
    directory.leave(LONG_GROUP, "ana")
    assert before.dags() == ["ledger"]
    assert with_password(airflow, "ana", "ana").dags() == NOTHING
    assert before.dags() == NOTHING


def refusal(airflow: SmallAirflow, user: str) -> str:
    """Why the right password gives no token, as a program is told."""
    body = {"username": user, "password": user.strip()}
    with Person(airflow.url.replace("localhost", "127.0.0.1"), address="127.0.2.1").http as client:
        answer = client.post("/auth/token", json=body)
    assert answer.status_code == 401, answer.text
    return answer.json()["detail"]


def test_name_with_a_blank(airflow: SmallAirflow) -> None:
    """A name that the directory takes for the same, in other case or with a blank behind it, is the same account."""
    accounts = Database(airflow.engine)
    assert with_password(airflow, "bo", "bo").dags() == ["sync"]
    number = accounts.value("SELECT count(*) FROM ab_user")
    for name in ("bo ", "BO"):
        answer = httpx.post(
            f"{airflow.url}/auth/token", json={"username": name, "password": "bo"}, timeout=180, verify=False
        )
        assert Person(airflow.url, token=answer.json()["access_token"]).dags() == ["sync"]
    assert accounts.value("SELECT count(*) FROM ab_user") == number


def test_email_of_somebody_else(airflow: SmallAirflow, directory: Directory) -> None:
    """An e-mail that two entries have opens the account of neither's name; the one who is bound goes on."""
    directory.person("mo")
    directory.emails("mo", "bo@example.com")
    with_password(airflow, "bo", "bo")
    assert "several entries of the directory" in refusal(airflow, "mo")
    assert with_password(airflow, "bo", "bo").dags() == ["sync"]
    directory.emails("mo", "olga@example.com")
    assert with_password(airflow, "mo", "mo").dags() == ["ledger", "notes", "sync"]
    directory.remove("mo")
    directory.person("mo")
    directory.emails("mo", "olga@example.com")
    assert "belongs to another identity" in refusal(airflow, "mo")


def test_several_emails(airflow: SmallAirflow, directory: Directory) -> None:
    """Of several e-mails that of the account counts; without an account the sign-in is refused in words."""
    directory.person("dido")
    directory.emails("dido", "dido@example.com", "d.o@example.com")
    assert "several e-mails" in refusal(airflow, "dido")
    directory.emails("dido", "dido@example.com")
    assert with_password(airflow, "dido", "dido").dags() == NOTHING
    directory.emails("dido", "a.first@example.com", "dido@example.com")
    assert with_password(airflow, "dido", "dido").dags() == NOTHING
    directory.emails("dido")
    assert "no verified e-mail" in refusal(airflow, "dido")


def test_silent_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that accepts connections and never answers is given up on, by the real python-ldap."""
    import ldap

    options = (ldap.OPT_NETWORK_TIMEOUT, ldap.OPT_TIMEOUT)
    monkeypatch.setattr(ldap_directory, "LONGEST_ANSWER", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        try:
            ldap_directory.limit_waiting()
            connection = ldap.initialize(f"ldap://127.0.0.1:{silent.getsockname()[1]}")
            with pytest.raises((ldap.TIMEOUT, ldap.SERVER_DOWN)):
                connection.simple_bind_s("cn=a", "b")
        finally:
            for option in options:
                ldap.set_option(option, -1)


def test_too_many_wrong_passwords(airflow: SmallAirflow) -> None:
    """After five wrong passwords an address has to wait, at each door, and also with a right one; others need not."""
    body = {"username": "bo", "password": "wrong"}
    with Person(airflow.url, address="127.0.0.3").http as guesser:
        assert [guesser.post("/auth/token", json=body).status_code for _ in range(6)] == [401] * 5 + [429]
        assert guesser.post("/auth/token", json={**body, "password": "bo"}).status_code == 429
        login = {"username": "bo", "password": "bo", "provider": "ldap"}
        headers = form_token(guesser)
        assert guesser.post("/auth/api/v1/security/login", json=login, headers=headers).status_code == 429
    assert with_password(airflow, "bo", "bo").dags() == ["sync"]


def test_directory_away(airflow: SmallAirflow, directory: Directory) -> None:
    """When the directory does not answer, nobody is signed in, and whoever is stays so."""
    bo = with_password(airflow, "bo", "bo")
    directory.stop()
    assert set(password_answers(airflow.url, "bo", "bo")) <= REFUSED
    assert bo.dags() == ["sync"]
    assert Person(airflow.url).dags() == OUT


def test_nothing_secret_is_logged(airflow: SmallAirflow) -> None:
    """After all of this the log at level debug has no password, neither of a person nor of the directory."""
    said = airflow.log()
    assert "debug" in said.lower()
    assert PASSWORD not in said
    assert re.findall(r"(?i)password\W{1,4}(?:ana|bo|dora|wrong)\b.{0,40}", said) == []
    assert "eyJ" not in said
