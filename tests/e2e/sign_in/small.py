"""An Airflow with three Dags and a policy of Teams by group, for one way to sign in."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy.orm import Session

from tests.e2e.live import LiveAirflow
from tests.shared import alone, copy_database

HERE = Path(__file__).parent
DAGS = {"ledger": "finance", "sync": "ops", "notes": ""}
OUT, NOTHING = "out", "nothing"
# FAB's own door answers 400 for a kind of password that is not in use, depending on its version.
REFUSED = {400, 401}
LONG_GROUP = "cn=ledger readers," + ",".join(f"ou=unit {number} of the finance department" for number in range(12))
LONG_GROUP += ",ou=groups,dc=example,dc=com"
POLICY = f"""\
version: 1
organization_id: org
workspaces: [{{id: ws}}]
deployments: [{{id: dep-prod, workspace_id: ws}}]
teams:
  - name: finance
    idp_groups: [finance, "{LONG_GROUP}"]
    dag_roles: [{{deployment_id: dep-prod, tag: finance, role: DAG_AUTHOR}}]
  - name: ops
    members: [bo@example.com]
    dag_roles: [{{deployment_id: dep-prod, tag: ops, role: DAG_VIEWER}}]
users:
  - {{email: olga@example.com, organization_role: ORGANIZATION_OWNER}}
"""


_ADDRESSES = itertools.count(1)
_SEVERAL = """
import contextlib, json, sys
from astro_auth_plugin.cli.main import main
for words in json.loads(sys.argv[1]):
    with contextlib.suppress(SystemExit):
        main(words)
"""


class SmallAirflow(LiveAirflow):
    """`config` is one of the files that docs/sign-in.md shows; `settings` are further environment variables."""

    def __init__(self, home: Path, config: str, settings: dict[str, str]) -> None:
        quick = {
            "AIRFLOW__FAB__CONFIG_FILE": str(HERE / "config" / config),
            # FAB has but the role `Admin` then: signing in has to work without any of its roles.
            "AIRFLOW__FAB__UPDATE_FAB_PERMS": "False",
            "AIRFLOW__FAB__AUTH_RATE_LIMITED": "True",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
        }
        super().__init__(home, database=f"sqlite:///{home}/airflow.db", settings=quick | settings)

    def prepare(self) -> None:
        """Migrates the database, once for all that have its auth manager, and adds the Dags and Olga, who has a password."""
        self.home.mkdir(parents=True)
        self.policy.write_text(POLICY)
        self._migrate()
        from airflow.models import DagModel
        from airflow.models.dag import DagTag
        from airflow.models.dagbundle import DagBundleModel
        from airflow.providers.fab.auth_manager.models import User
        from werkzeug.security import generate_password_hash

        with Session(self.engine) as session:
            session.add(DagBundleModel(name="dags-folder"))
            session.flush()
            for dag_id, tag in DAGS.items():
                file = {"fileloc": f"/dags/{dag_id}.py", "relative_fileloc": f"{dag_id}.py", "owners": "tests"}
                session.add(DagModel(dag_id=dag_id, bundle_name="dags-folder", is_stale=False, is_paused=False, **file))
                session.flush()
                session.add_all([DagTag(name=tag, dag_id=dag_id)] if tag else [])
            password = generate_password_hash("olga", method="pbkdf2:sha256:1000")
            names = {"username": "olga", "first_name": "Olga", "last_name": "O", "email": "olga@example.com"}
            session.add(User(**names, password=password, active=True))
            session.commit()

    def _migrate(self) -> None:
        with alone(f"migrated by {self.environment()['AIRFLOW__CORE__AUTH_MANAGER']}") as migrated:
            if not migrated.exists():
                command = [sys.executable, "-m", "airflow", "db", "migrate"]
                subprocess.run(command, env=self.environment(), cwd=self.home, check=True, capture_output=True)
                copy_database(self.home / "airflow.db", migrated)
            else:
                copy_database(migrated, self.home / "airflow.db")

    def reported(self, *words: str) -> dict[str, Any]:
        """What `airflow astro-auth` answers on this machine, for machines."""
        command = [sys.executable, "-m", "airflow", "astro-auth", *words, "--output", "json"]
        (answer,) = self._answers_of(command)
        return answer

    def all_reported(self, *commands: tuple[str, ...]) -> list[dict[str, Any]]:
        """What `astro-auth` answers to several commands, which one process runs: Airflow takes seconds to load."""
        words = json.dumps([[*command, "--output", "json"] for command in commands])
        return self._answers_of([sys.executable, "-c", _SEVERAL, words])

    def _answers_of(self, command: list[str]) -> list[dict[str, Any]]:
        # What Airflow says at level debug may stand between the lines of the answer.
        quiet = self.environment() | {"AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING"}
        done = subprocess.run(command, env=quiet, cwd=self.home, check=False, capture_output=True, text=True)
        assert done.returncode in (0, 2), done.stderr
        text, answers = done.stdout, []
        while (begin := text.find("{")) >= 0:
            answer, end = json.JSONDecoder().raw_decode(text[begin:])
            answers.append(answer)
            text = text[begin + end :]
        return answers

    def log(self) -> str:
        """What the server has said so far."""
        return (self.home / "server.log").read_text()


def dags_in(answer: dict[str, Any]) -> list[str]:
    """The Dags that somebody may see, as `access` tells it with what the last sign-in brought."""
    return sorted(dag_id for dags in answer["dags"] for dag_id in dags["dag_ids"])


@contextmanager
def running(home: Path, config: str, settings: dict[str, str], *options: str) -> Iterator[SmallAirflow]:
    """A server, started with these options, and its end."""
    live = SmallAirflow(home, config, settings)
    live.options = options
    live.prepare()
    live.start()
    try:
        yield live
    finally:
        live.stop()


class Person:
    """Somebody with the cookies of a browser or with a token, asking the REST API."""

    def __init__(self, url: str, token: str = "", address: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        transport = httpx.HTTPTransport(verify=False, local_address=address)  # plain http
        self.http = httpx.Client(base_url=url, headers=headers, timeout=180, transport=transport)
        self.landed = ""
        # Nobody closes it otherwise: people live as long as what names them.
        weakref.finalize(self.http, transport.close)

    def dags(self) -> list[str] | str:
        """The Dags that the person sees; `OUT` when nobody is signed in, `NOTHING` for who may see no list."""
        answer = self.http.get("/api/v2/dags")
        if answer.status_code == httpx.codes.OK:
            return sorted(dag["dag_id"] for dag in answer.json()["dags"])
        assert answer.status_code in (401, 403), answer.text
        return NOTHING if self.http.get("/ui/auth/menus").status_code == httpx.codes.OK else OUT


def form_token(client: httpx.Client) -> dict[str, str]:
    """The header that FAB wants from a form, taken from its sign-in page; nothing where that has no form."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/auth/login/").text)
    return {"X-CSRFToken": found[1]} if found else {}


def password_answers(url: str, user: str, password: str) -> list[int]:
    """How each door for passwords answers: Airflow's, that of its CLI, and FAB's own for both kinds of password.

    Each time from another address of this machine, since wrong passwords are counted by address.
    """
    with Person(url.replace("localhost", "127.0.0.1"), address=f"127.0.1.{next(_ADDRESSES)}").http as client:
        body = {"username": user, "password": password}
        answers = [client.post(f"/auth/token{path}", json=body) for path in ("", "/cli")]
        answers += [
            client.post("/auth/api/v1/security/login", json={**body, "provider": kind}, headers=form_token(client))
            for kind in ("db", "ldap")
        ]
        return [answer.status_code for answer in answers]
