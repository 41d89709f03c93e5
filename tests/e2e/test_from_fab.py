"""The way from FAB as docs/from-fab.md describes it, with an installation of FAB that has thirteen people, and back."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from tests.cli.importers.fab_installation import ACCOUNTS, DAGS

from .fab_seed import PASSWORD
from .live import AUTH_MANAGER, LiveAirflow
from .stock import STOCK

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

IDS = ("--organization", "org", "--workspace", "ws", "--deployment", "dep-prod")
DONE = "/api/v2/dags/{}/dagRuns/done/taskInstances"
EVERYWHERE = ("/api/v2/dags/~/dagRuns", "/api/v2/dags/~/dagRuns/~/taskInstances")
REQUESTS: tuple[tuple[str, str, Any], ...] = (
    *(("GET", path, None) for path in ("/api/v2/dags", "/ui/dags", *EVERYWHERE)),
    *(("GET", f"/api/v2/dags/{dag_id}", None) for dag_id in DAGS),
    *(("GET", f"/api/v2/dags/{dag_id}/dagRuns", None) for dag_id in ("ledger", "campaigns")),
    ("GET", f"{DONE.format('ledger')}/load", None),
    ("GET", f"{DONE.format('ledger')}/load/xcomEntries", None),
    ("GET", "/api/v2/dags/ledger/tasks", None),
    ("GET", "/api/v2/dagSources/ledger", None),
    *(("GET", f"/api/v2/{name}", None) for name in ("connections", "variables", "pools", "importErrors", "eventLogs")),
    ("GET", "/api/v2/plugins", None),
    ("PATCH", "/api/v2/dags/ledger", {"is_paused": False}),
    ("PATCH", "/api/v2/dags/campaigns", {"is_paused": False}),
    ("POST", "/api/v2/dags/ledger/dagRuns", {"logical_date": None}),
    ("POST", "/api/v2/dags/campaigns/dagRuns", {"logical_date": None}),
    ("POST", "/api/v2/dags/plain/clearTaskInstances", {"dry_run": True, "only_failed": False}),
    ("PATCH", "/api/v2/variables/region", {"key": "region", "value": "eu"}),
    ("DELETE", "/api/v2/connections/no_such_connection", None),
)
EMPTY = "nothing"
Matrix = dict[str, dict[str, Any]]


class Installation(LiveAirflow):
    """An Airflow whose database and Dags are those of the installation of FAB."""

    @property
    def shadow_log(self) -> Path:
        """The log of the server in shadow mode."""
        return self.home / "shadow.log"

    def prepare(self) -> None:
        """Fills home and database."""
        (self.home / "dags").mkdir(parents=True)
        dags = "from airflow.sdk import DAG\nfrom tests.e2e.fab_seed import make_dags\nmake_dags(globals())\n"
        (self.home / "dags" / "dags.py").write_text(dags)
        self.run("-m", "tests.e2e.fab_seed")

    def run(self, *words: str, code: int = 0) -> str:
        """Runs Python; returns what it prints."""
        command = [sys.executable, *words]
        environment = self.environment()
        done = subprocess.run(
            command, env=environment, cwd=self.home, capture_output=True, text=True, timeout=400, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def command(self, *words: str, code: int = 0) -> str:
        """Runs a command of the plugin."""
        return self.run("-m", "airflow", "astro-auth", *words, code=code)


@contextmanager
def served(live: Installation, auth_manager: str, **options: str) -> Iterator[httpx.Client]:
    """A client of a server with an auth manager."""
    live.settings = {"AIRFLOW__CORE__AUTH_MANAGER": auth_manager, **options}
    live.start()
    try:
        with httpx.Client(base_url=live.url, timeout=180) as client:
            yield client
    finally:
        live.stop()


def matrix(client: httpx.Client) -> Matrix:
    """What every person is answered."""
    return {name: _answers(client, name) for name, _, _ in ACCOUNTS}


def _answers(client: httpx.Client, name: str) -> dict[str, Any]:
    answer = client.post("/auth/token", json={"username": name, "password": PASSWORD})
    if answer.status_code != 201:
        return {"sign-in": answer.status_code}
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    return {
        f"{method} {path}": _read(client.request(method, path, json=body, headers=headers))
        for method, path, body in REQUESTS
    }


def _read(answer: httpx.Response) -> Any:
    """The status; of a list of Dags, or of what belongs to Dags, which ones are in it."""
    found = answer.json() if answer.status_code == 200 and answer.request.method == "GET" else None
    rows = next((value for value in found.values() if isinstance(value, list)), None) if found else None
    if rows == []:
        return EMPTY
    if rows and "dag_id" in rows[0] and "/eventLogs" not in str(answer.url):
        return sorted({row["dag_id"] for row in rows})
    return answer.status_code


def differences(one: Matrix, other: Matrix) -> dict[str, dict[str, tuple[Any, Any]]]:
    """What two matrices say differently, by person."""
    found = {
        name: {what: (said, other[name].get(what)) for what, said in of.items() if said != other[name].get(what)}
        for name, of in one.items()
    }
    return {name: of for name, of in found.items() if of}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The installation, with the policy that `import fab` makes of it."""
    home = tmp_path_factory.mktemp("fab")
    options = {"AIRFLOW__CORE__AUTH_MANAGER": STOCK}
    live = Installation(home, database=f"sqlite:///{home}/airflow.db", settings=options)
    live.prepare()
    live.command("import", "fab", *IDS, "--out", str(live.policy))
    return live


@pytest.fixture(scope="module")
def planned(live: Installation) -> dict[str, Any]:
    """What `plan fab` says before the change, by user."""
    said = json.loads(live.command("plan", "fab", str(live.policy), "-o", "json"))
    return {row["subject"]: row for row in said["people"]}


@pytest.fixture(scope="module")
def in_shadow(live: Installation) -> tuple[Matrix, Any, str]:
    """What FAB answers in shadow mode, what is reported of it, and what the doctor says."""
    settings = {"AIRFLOW__ASTRO_AUTH__SHADOW": "true"}
    with served(live, STOCK, **settings) as client:
        found = matrix(client)
        _wait_for_report(live)
    (live.home / live.log_name).rename(live.shadow_log)
    doctor = live.command("doctor", "-o", "json", code=1)
    return found, json.loads(live.command("shadow", "report", "-o", "json", code=2)), doctor


def _wait_for_report(live: Installation) -> None:
    """Waits until the last answer that differs is in the table; the last account has one at its last request."""
    deadline = time.monotonic() + 120
    last = sa.text("SELECT count(*) FROM astro_auth_shadow WHERE object = 'no_such_connection'")
    while time.monotonic() < deadline:
        with live.engine.connect() as connection:
            if connection.scalar(last):
                return
        time.sleep(0.2)
    raise AssertionError((live.home / live.log_name).read_text()[-6000:])


@pytest.fixture(scope="module")
def by_policy(live: Installation, in_shadow: object) -> Matrix:
    """What the plugin answers after the change."""
    with served(live, AUTH_MANAGER) as client:
        return matrix(client)


@pytest.fixture(scope="module")
def back(live: Installation, by_policy: object) -> Matrix:
    """What FAB answers after the way back, without shadow mode."""
    with served(live, STOCK) as client:
        return matrix(client)


LOSE_EVERYTHING = {"gus", "ivy", "ivy2"}
"""Gus has no e-mail, and Ivy has two accounts: `import fab` and `plan fab` say so."""
OWN_PAGES = {"GET /api/v2/plugins": (403, 200)}
"""The list of plugins, in which the plugin answers with its own pages alone."""
ALL = sorted(DAGS)
LISTED: dict[str, dict[str, tuple[Any, Any]]] = {
    "user": OWN_PAGES,
    "viewer": OWN_PAGES,
    # Rounded up: FAB's pages of Dags need permissions that roles of Airflow 2 lack.
    "ana": OWN_PAGES | {"GET /ui/dags": (403, ALL)},
    "bo": OWN_PAGES | {"GET /ui/dags": (403, ["invoices", "ledger"])},
    "dan": OWN_PAGES | {"GET /ui/dags": (403, ["campaigns", "invoices", "ledger"])},
    # Who sees a Dag gets lists that are empty instead of 403, and sees the names of its tasks.
    "cy": OWN_PAGES
    | {"GET /ui/dags": (403, EMPTY), "GET /api/v2/dags/ledger/tasks": (403, 200)}
    | {f"GET {path}": (403, EMPTY) for path in EVERYWHERE},
    "eve": OWN_PAGES
    | {"GET /ui/dags": (403, EMPTY), "GET /api/v2/dags/ledger/tasks": (403, 200)}
    | {f"GET {EVERYWHERE[1]}": (403, EMPTY)},
}
"""All that is answered otherwise after the change, before and after."""


def test_everyone_is_asked_everything(in_shadow: tuple[Matrix, Any, str]) -> None:
    """Thirteen people, one of them with two accounts, make 25 requests and more; one cannot sign in."""
    answered, _, _ = in_shadow
    assert len(REQUESTS) >= 25
    assert {name for name, of in answered.items() if len(of) == len(REQUESTS)} == {name for name, _, _ in ACCOUNTS} - {
        "fay"
    }
    assert answered["fay"] == {"sign-in": 401}
    assert answered["admin"]["GET /api/v2/dags"] == ALL
    assert answered["cy"]["GET /api/v2/dags"] == ["invoices", "ledger"]
    assert answered["bo"]["PATCH /api/v2/dags/ledger"] == 200
    assert answered["bo"]["PATCH /api/v2/dags/campaigns"] == 403


def test_the_same_but_for_what_is_listed(in_shadow: tuple[Matrix, Any, str], by_policy: Matrix) -> None:
    """The policy of `import fab` gives what FAB gave; those who are left out of it have nothing."""
    answered, _, _ = in_shadow
    found = differences(answered, by_policy)
    lost = {name: found.pop(name) for name in LOSE_EVERYTHING}
    assert found == LISTED
    for name, of in lost.items():
        assert set(by_policy[name].values()) == {403}, name
        assert set(of) == {what for what, said in answered[name].items() if said != 403}, name


def test_back(in_shadow: tuple[Matrix, Any, str], back: Matrix) -> None:
    """After the way back FAB answers as before, and as it did in shadow mode."""
    answered, _, _ = in_shadow
    assert back == answered


def test_plan(planned: dict[str, Any]) -> None:
    """`plan fab` names them before the change, with the reason, and no other user loses access to a Dag."""
    losers = {who for who, row in planned.items() if row["fab"] and not row["policy"]}
    emails = {email for name, email, _ in ACCOUNTS if name in LOSE_EVERYTHING}
    assert losers == emails
    assert all(planned[who]["note"] for who in losers)
    assert {who for who, row in planned.items() if any(each["dags"] for each in row["losses"])} - losers <= {
        "eve@example.com"
    }


def test_report(in_shadow: tuple[Matrix, Any, str], by_policy: Matrix) -> None:
    """Shadow mode has found before the change whom it will concern, and nothing about anyone else."""
    answered, report, _ = in_shadow
    emails = {name: email for name, email, _ in ACCOUNTS}
    concerned = {emails[name] for name, of in differences(answered, by_policy).items() if of.keys() - OWN_PAGES.keys()}
    assert {row["user"] for row in report["differences"]} == concerned
    assert report["compared"] > 300
    assert (report["failed"], report["left_out"]) == (0, 0)
    said = {(row["user"], row["question"], row["object"], row["today"], row["policy"]) for row in report["differences"]}
    assert ("cy@example.com", "GET TASK", "ledger", "no", "yes") in said
    assert ("IVY@example.com", "PUT variable", "region", "yes", "no") in said
    assert ("gus", "GET list of Dags", "plain", "yes", "no") in said
    assert {row["policy"] for row in report["differences"] if row["user"] == "cy@example.com"} == {"yes"}


def test_doctor(in_shadow: tuple[Matrix, Any, str]) -> None:
    """The doctor says since when there has been no difference, and not that the policy has no effect by mistake."""
    _, _, said = in_shadow
    found = {each["what"]: each for each in json.loads(said)}
    assert found["shadow mode"]["verdict"] == "hint"
    assert "answers compared" in found["shadow mode"]["words"]
    assert "in shadow mode" in found["[core] auth_manager"]["words"]


def test_log(live: Installation, in_shadow: tuple[Matrix, Any, str]) -> None:
    """Each difference has had a line, and no request of shadow mode has failed."""
    log = live.shadow_log.read_text()
    assert "cy@example.com: GET TASK ledger: the auth manager denies, the policy allows" in log
    assert "Traceback" not in log
