"""One Airflow of the tests' own: a home folder, a metadata database, and an API server on a free port.

Environment: `E2E_SQL_ALCHEMY_CONN` names another database than SQLite (it is emptied first!); `E2E_POLICY_STORE` is
`database` for a policy in that database; `E2E_KEEP` names a new folder to keep the home in, for a look at its logs.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import zlib
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
import yaml

from . import seeded

HERE = Path(__file__).parent
AUTH_MANAGER = "astro_auth_plugin.auth_manager.AstroAuthManager"
BUNDLES = "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"
START_SECONDS = 400
POLICY_STORE = os.environ.get("E2E_POLICY_STORE", "file")
in_a_file = pytest.mark.skipif(POLICY_STORE != "file", reason="about the policy file; the policy is in the database")


class LiveAirflow:
    """A running Airflow. `url` is the server's address, `policy` the file it reads, `engine` its database.

    `settings` are environment variables beyond those that every Airflow of the tests has; `options` are those of the
    command that starts the server. Where the policy is in the database, the file has what was published last.
    """

    options: tuple[str, ...] = ()
    log_name = "server.log"

    def __init__(self, home: Path, *, database: str | None = None, settings: dict[str, str] | None = None) -> None:
        self.home = home
        self.settings = settings or {}
        self.policy = home / "policy.yaml"
        self.url = f"http://localhost:{free_port()}"
        self.database = database or os.environ.get("E2E_SQL_ALCHEMY_CONN", f"sqlite:///{home}/airflow.db")
        self.engine = sa.create_engine(self.database, connect_args=self._wait_for_locks())
        self._server: subprocess.Popen | None = None

    def prepare(self) -> None:
        """Fills home and database; raises with the log's end if the seed fails."""
        self.home.mkdir(parents=True, exist_ok=True)
        shutil.copytree(HERE / "dags", self.home / "dags", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(HERE / "policy.yaml", self.policy)
        if self.database == f"sqlite:///{self.home}/airflow.db" and BUNDLES not in self.settings:
            store = self.environment()["AIRFLOW__ASTRO_AUTH__POLICY_STORE"]
            seeded.fill(self.home, f"seeded-{store}", self._seed)
        else:
            self._seed()

    def _seed(self) -> None:
        log = self.home / "seed.log"
        command = [sys.executable, str(HERE / "seed.py"), str(HERE / "people.yaml")]
        with log.open("w") as out:
            done = subprocess.run(command, env=self.environment(), cwd=self.home, stdout=out, stderr=out, check=False)
        if done.returncode:
            raise RuntimeError(f"the seed failed:\n{log.read_text()[-6000:]}")

    def start(self) -> None:
        """Starts the API server and returns when it answers; raises with its log's end if it does not."""
        self.publish_policy()
        log = self.home / self.log_name
        port = self.url.split(":")[-1]
        command = [sys.executable, "-m", "airflow", "api-server", "--workers", "1", "--port", port, *self.options]
        with log.open("w") as out:
            self._server = subprocess.Popen(
                command, env=self.environment(), cwd=self.home, stdout=out, stderr=out, start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._server.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"the API server did not start:\n{log.read_text()[-6000:]}")
            time.sleep(0.2)

    def put_policy(self, data: bytes) -> None:
        """Replaces the policy at once, as an operator's tool does."""
        fresh = self.policy.with_suffix(".new")
        fresh.write_bytes(data)
        fresh.replace(self.policy)
        self.publish_policy()

    def publish_policy(self) -> None:
        """Makes what the file says the newest version in the database, valid or not, if the policy is there."""
        if self.environment().get("AIRFLOW__ASTRO_AUTH__POLICY_STORE") == "database":
            add_version(self.engine, self.policy.read_bytes())

    def stop(self) -> None:
        """Ends the server by force: Python takes four seconds to clear up what Airflow has imported."""
        self.engine.dispose()
        if self._server is not None:
            os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait()

    def environment(self) -> dict[str, str]:
        """The environment of every process of this Airflow: the caller's, without its Airflow settings."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "ASTRO_"))}
        ours = {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__AUTH_MANAGER": os.environ.get("E2E_AUTH_MANAGER", AUTH_MANAGER),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.home / "dags"),
            # The Dag files name Airflow only through shape.py, which safe mode would not follow.
            "AIRFLOW__CORE__DAG_DISCOVERY_SAFE_MODE": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__FERNET_KEY": "ZTJlLXRlc3RzLW9ubHktZTJlLXRlc3RzLW9ubHktMTI=",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.database,
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__EXPOSE_CONFIG": "True",
            "AIRFLOW__API__SECRET_KEY": "e2e-tests-only-" * 5,
            "AIRFLOW__API_AUTH__JWT_SECRET": "e2e-tests-only-" * 5,
            # Ninety sign-ins from one address in one minute are no attack here.
            "AIRFLOW__FAB__AUTH_RATE_LIMITED": "False",
            "AIRFLOW__ASTRO_AUTH__POLICY_FILE": str(self.policy),
            "AIRFLOW__ASTRO_AUTH__POLICY_STORE": POLICY_STORE,
            "AIRFLOW__ASTRO_AUTH__DEPLOYMENT_ID": "dep-prod",
            "AIRFLOW__ASTRO_AUTH__ACCESS_CONTACT": "access@example.com",
            "PYTHONPATH": os.pathsep.join(
                filter(None, [str(HERE / "startup"), str(HERE.parents[1]), kept.get("PYTHONPATH")])
            ),
        }
        return kept | ours | self.settings

    def _answers(self) -> bool:
        try:
            # To read the certificates of this machine, for which plain http has no use, takes longer than to ask.
            return httpx.get(f"{self.url}/api/v2/monitor/health", timeout=5, verify=False).status_code == 200
        except httpx.TransportError:
            return False

    def _wait_for_locks(self) -> dict[str, int]:
        return {"timeout": 30} if self.database.startswith("sqlite") else {}


def add_version(engine: sa.Engine, text: bytes) -> None:
    """Writes a version of the policy as a row, without the plugin, so that it may be wrong."""
    try:
        document = json.dumps(yaml.safe_load(text), default=lambda time: time.isoformat()).encode()
    except yaml.YAMLError:
        document = b"{"
    with engine.begin() as connection:
        number = connection.scalar(sa.text("SELECT coalesce(max(id), 0) + 1 FROM astro_auth_policy_version"))
        digest = hashlib.sha256(b"%d\n%s" % (number, document)).hexdigest()
        row = {"id": number, "digest": digest, "document": zlib.compress(document), "time": int(time.time())}
        connection.execute(
            sa.text(
                "INSERT INTO astro_auth_policy_version (id, digest, policy_format, created_at, author, author_kind, "
                "source, reason, changes, document) "
                "VALUES (:id, :digest, 1, :time, 'tests', 'shell', 'import', '', '[]', :document)"
            ),
            row,
        )


def free_port() -> int:
    """A port that nothing listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
