"""The policy in the metadata database: commands change it, and every server has the change on its next request."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import sqlalchemy as sa

from .live import add_version, free_port
from .sign_in.small import POLICY, SmallAirflow

SERVER = os.environ.get("E2E_SQL_ALCHEMY_CONN", "")
DATABASE = {"AIRFLOW__ASTRO_AUTH__POLICY_STORE": "database", "AIRFLOW__ASTRO_AUTH__POLICY_FILE": ""}
LEDGER = "/api/v2/dags?dag_id_pattern=ledger"


class Stored(SmallAirflow):
    """An Airflow whose policy is in its database: on the database server of the tests, if there is one."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, "ldap.py", {**DATABASE, "AIRFLOW__FAB__CONFIG_FILE": str(home / "webserver_config.py")})
        if SERVER:
            self.database = sa.make_url(SERVER).set(database="stores").render_as_string(hide_password=False)
            self.engine = sa.create_engine(self.database)

    def _migrate(self) -> None:
        if not SERVER:
            super()._migrate()
            return
        server = sa.create_engine(SERVER, isolation_level="AUTOCOMMIT")
        with server.connect() as connection:
            connection.exec_driver_sql("DROP DATABASE IF EXISTS stores")
            connection.exec_driver_sql("CREATE DATABASE stores")
        server.dispose()
        command = [sys.executable, "-m", "airflow", "db", "migrate"]
        subprocess.run(command, env=self.environment(), cwd=self.home, check=True, capture_output=True)

    def command(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command of `airflow astro-auth`, run to its end."""
        quiet = self.environment() | {"AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING"}
        command = [sys.executable, "-m", "airflow", "astro-auth", *words]
        done = subprocess.run(command, env=quiet, cwd=self.home, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not check, done.stderr
        return done

    def publish_policy(self) -> None:
        """Leaves the policy to the commands."""


class Both(NamedTuple):
    """Two servers over one database, and a client of each with Olga's and Bo's tokens."""

    live: Stored
    urls: tuple[str, str]

    def statuses(self, path: str, headers: dict[str, str], method: str = "GET", **kwargs: Any) -> list[int]:
        """The answers of both servers to a request."""
        return [
            httpx.request(method, f"{url}{path}", headers=headers, timeout=120, **kwargs).status_code
            for url in self.urls
        ]

    def sees(self, headers: dict[str, str]) -> list[bool]:
        """Whether the list of each server has the Dag."""
        answers = [httpx.get(f"{url}{LEDGER}", headers=headers, timeout=120, verify=False) for url in self.urls]
        assert [answer.status_code for answer in answers] == [200, 200]
        return [bool(answer.json()["dags"]) for answer in answers]

    def bearer(self, user: str) -> dict[str, str]:
        """The header of a person, who signs in."""
        answer = httpx.post(f"{self.urls[0]}/auth/token", json={"username": user, "password": "olga"}, timeout=120)
        answer.raise_for_status()
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """The database, with accounts of Olga and Bo, and without a policy."""
    live = Stored(tmp_path_factory.mktemp("stored") / "home")
    live.prepare()
    (live.home / "webserver_config.py").write_text("from flask_appbuilder.const import AUTH_DB\nAUTH_TYPE = AUTH_DB\n")
    with live.engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO ab_user (id, username, first_name, last_name, email, password, active) "
                "SELECT 77, 'bo', 'Bo', 'B', 'bo@example.com', password, active FROM ab_user WHERE username = 'olga'"
            )
        )
    return live


@pytest.fixture(scope="module")
def both(stored: Stored) -> Iterator[Both]:
    """Two servers, which begin with the imported policy."""
    refused = subprocess.run(
        [sys.executable, "-m", "airflow", "api-server", "--workers", "1", "--port", str(free_port())],
        env=stored.environment(),
        cwd=stored.home,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert refused.returncode
    for way in ("airflow astro-auth policy import FILE", "airflow astro-auth policy init --owner EMAIL"):
        assert way in refused.stdout + refused.stderr
    stored.policy.write_text(POLICY)
    stored.command("policy", "import", str(stored.policy), "--reason", "the first one")
    second = Stored(stored.home)
    second.log_name = "second.log"
    stored.start()
    second.start()
    yield Both(stored, (stored.url, second.url))
    second.stop()
    stored.stop()


def test_next_request_on_every_server(both: Both) -> None:
    """Each grant and revocation by a command counts on both servers with the next request, and leaves a row."""
    bo = both.bearer("bo")
    assert both.sees(bo) == [False, False]
    for _ in range(2):
        both.live.command("user", "grant", "bo@example.com", "--dag-role", "dep-prod", "ledger", "DAG_VIEWER")
        assert both.sees(bo) == [True, True]
        both.live.command("user", "revoke", "bo@example.com", "--dag-role", "dep-prod", "ledger", "DAG_VIEWER")
        assert both.sees(bo) == [False, False]
    history = json.loads(both.live.command("policy", "history", "--output", "json").stdout)
    assert [version["id"] for version in history] == [5, 4, 3, 2, 1]
    assert history[1]["changes"] == [
        "+ user `bo@example.com`",
        "+ user `bo@example.com`: `DAG_VIEWER` on Dag `ledger` of Deployment `dep-prod`",
    ]
    with both.live.engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT extra FROM log WHERE event = 'astro_auth.policy_changed'")).all()
    assert [json.loads(extra)["version"] for (extra,) in rows] == [1, 2, 3, 4, 5]


def test_api_token(both: Both) -> None:
    """A token that is made with a command works on both servers, and ends on both when it is revoked, with its JWTs."""
    made = both.live.command(
        *("token", "create", "--name", "ci", "--expires-in", "1d", "--dag-role", "dep-prod", "ledger", "DAG_VIEWER")
    )
    secret = made.stdout.strip().splitlines()[-1]
    bearer = {"Authorization": f"Bearer {secret}"}
    assert both.sees(bearer) == [True, True]
    jwt = httpx.post(f"{both.urls[0]}/auth/token", json={"token": secret}, timeout=120).json()["access_token"]
    assert both.sees({"Authorization": f"Bearer {jwt}"}) == [True, True]
    both.live.command("token", "revoke", "ci")
    assert both.statuses(LEDGER, bearer) == [401, 401]
    assert both.statuses(LEDGER, {"Authorization": f"Bearer {jwt}"}) == [401, 401]
    with both.live.engine.connect() as connection:
        for table in ("astro_auth_policy_version", "log"):
            for row in connection.execute(sa.text(f"SELECT * FROM {table}")):
                assert secret not in repr(row)


def test_bad_newest_version(both: Both) -> None:
    """A version that was written by hand and is no policy changes nothing, and says so in the logs of both servers."""
    bo = both.bearer("bo")
    add_version(both.live.engine, b"version: 1\norganization_id: org\nusers: [{email: nobody}]\n")
    assert both.sees(bo) == [False, False]
    assert both.sees(both.bearer("olga")) == [True, True]
    for name in ("server.log", "second.log"):
        assert "`nobody` is not an e-mail address" in (both.live.home / name).read_text()
    refused = both.live.command(
        "user", "grant", "bo@example.com", "--dag-role", "dep-prod", "ledger", "DAG_VIEWER", check=False
    )
    assert (refused.returncode, "has errors" in refused.stderr) == (3, True)
    both.live.command("policy", "import", str(both.live.policy))
    both.live.command("user", "grant", "bo@example.com", "--dag-role", "dep-prod", "ledger", "DAG_VIEWER")
    assert both.sees(bo) == [True, True]


def test_last_owner(both: Both) -> None:
    """The account of the last Organization Owner can be neither disabled nor given another e-mail, nor the role taken."""
    olga = both.bearer("olga")
    for method, body in (("PATCH", {"email": "olga@example.org"}), ("DELETE", None)):
        for url in both.urls:
            answer = httpx.request(method, f"{url}/auth/fab/v1/users/olga", headers=olga, json=body, timeout=120)
            assert (answer.status_code, "no Organization Owner who has an active account" in answer.text) == (403, True)
    taken = both.live.command(
        "user", "revoke", "olga@example.com", "--organization-role", "ORGANIZATION_OWNER", check=False
    )
    assert (taken.returncode, "no Organization Owner" in taken.stderr) == (1, True)
    assert both.sees(olga) == [True, True]


def test_database_away(both: Both) -> None:
    """While the table cannot be read, API tokens get 503 and people no answer from an older version; both recover."""
    made = both.live.command(
        *("token", "create", "--name", "away", "--expires-in", "1d", "--dag-role", "dep-prod", "ledger", "DAG_VIEWER")
    )
    bearer = {"Authorization": f"Bearer {made.stdout.strip().splitlines()[-1]}"}
    bo = both.bearer("bo")
    assert both.sees(bearer) == [True, True]
    with both.live.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE astro_auth_policy_version RENAME TO away"))
    try:
        assert both.statuses(LEDGER, bearer) == [503, 503]
        assert all(status >= 401 for status in both.statuses(LEDGER, bo))
    finally:
        with both.live.engine.begin() as connection:
            connection.execute(sa.text("ALTER TABLE away RENAME TO astro_auth_policy_version"))
    assert both.sees(bearer) == [True, True]
    assert both.sees(bo) == [True, True]
