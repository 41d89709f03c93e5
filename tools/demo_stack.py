"""A whole Airflow in one folder: what `make demo` shows, and what live tests can ask.

`with DemoStack(folder) as stack:` prepares and starts it, waits until it is ready, and stops it at the end; inside,
`stack.url` is where it is and `stack.people["olga"]` a password.
"""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TextIO

from sqlalchemy import create_engine, text

from tools.demo_people import Person, passwords, read_people
from tools.demo_processes import Child, Children, tail
from tools.demo_settings import HOST, airflow_settings, free_port, inherited, is_free, plugin_settings

ROOT = Path(__file__).resolve().parent.parent
DEV_DAGS = ROOT / "dev_dags"
AUTH_MANAGER = "astro_auth_plugin.auth_manager.AstroAuthManager"
DEPLOYMENT_ID = "cldep0demo"  # as in dev_dags/policy.yaml

# Each component, and its name in Airflow's answer about its health. Task logs are read from the folder that all
# share, so nobody serves them: the api-server's is the only port, and only this machine reaches it.
COMPONENTS: dict[str, tuple[tuple[str, ...], str]] = {
    "api-server": (("api-server", "--host", HOST, "--workers", "1"), "metadatabase"),
    "scheduler": (("scheduler", "--skip-serve-logs"), "scheduler"),
    "dag-processor": (("dag-processor",), "dag_processor"),
    "triggerer": (("triggerer", "--skip-serve-logs"), "triggerer"),
}

# What runs code of Dags needs no secret with which users are signed in. The scheduler signs the tokens of tasks.
PARSES_DAGS = ("dag-processor", "triggerer")
WITHOUT_SECRETS = {"AIRFLOW__API__SECRET_KEY": "unused", "AIRFLOW__API_AUTH__JWT_SECRET": "unused"}


class DemoError(Exception):
    """The stack cannot start or go on; the message says why, for the person at the terminal."""


class DemoStack:
    """Airflow's components with the plugin, its accounts and its Dags, all in `folder`.

    `port` 0 takes a free one. With `policy_store` database the policy is imported from the file once. `extra_env` comes
    last and so wins over every setting made here.
    """

    def __init__(  # noqa: PLR0913 - each has a default that `make demo` uses
        self,
        folder: Path,
        *,
        port: int = 0,
        policy_store: str = "file",
        policy_file: Path = DEV_DAGS / "policy.yaml",
        deployment_id: str = DEPLOYMENT_ID,
        access_contact: str = "the platform team (platform@example.com)",
        dags_folder: Path = DEV_DAGS,
        people: Sequence[Person] | None = None,
        components: Sequence[str] = tuple(COMPONENTS),
        auth_manager: str = AUTH_MANAGER,
        extra_env: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.port = port or free_port()
        self.policy_file = policy_file.resolve()
        self.dags_folder = dags_folder.resolve()
        self.persons = tuple(people) if people is not None else read_people(DEV_DAGS / "people.yaml")
        self.people: dict[str, str] = {}
        self._plugin = plugin_settings(policy_store, self.policy_file, deployment_id, access_contact)
        self._auth_manager = auth_manager
        self._components = tuple(components)
        self._extra_env = dict(extra_env or {})
        self._children = Children(self.logs)
        self._lock: TextIO | None = None

    @property
    def url(self) -> str:
        """Return where people sign in, without a slash at the end."""
        return f"http://localhost:{self.port}"

    @property
    def logs(self) -> Path:
        """Return the folder with a log file per component."""
        return self.folder / "logs"

    @property
    def env(self) -> dict[str, str]:
        """Return the environment of every process, for an `airflow` command of one's own too. Needs `prepare`."""
        return {
            **inherited(),
            **airflow_settings(self.folder / "home", self.port, self.dags_folder),
            "AIRFLOW__CORE__AUTH_MANAGER": self._auth_manager,
            **self._plugin,
            **self._extra_env,
        }

    def prepare(self) -> None:
        """Make the folder, the database and the accounts ready. Raises DemoError; starts no component."""
        for folder in (self.folder, self.folder / "home", self.logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._take_folder()
        self._children.end_leftovers()
        if not is_free(self.port):
            raise DemoError(f"port {self.port} is taken: choose another one, for example PORT={self.port + 1}")
        self.people = passwords(self.folder, self.persons)
        self._migrate()
        if self._plugin["AIRFLOW__ASTRO_AUTH__POLICY_STORE"] == "database" and not self._has_policy():
            command = ["-m", "airflow", "astro-auth", "policy", "import", str(self.policy_file)]
            self._run("policy", [*command, "--reason", "the policy of the demo"])
        self.put_accounts(self.persons)

    def put_accounts(self, persons: Sequence[Person]) -> None:
        """Create these accounts, or set them back to what is said here and to the passwords in `people`."""
        self.people |= passwords(self.folder, persons)
        entries = [
            {
                "user_name": person.user_name,
                "name": person.name,
                "email": person.email,
                "password": self.people[person.user_name],
                "fab_roles": person.fab_roles,
            }
            for person in persons
        ]
        self._run("accounts", [str(ROOT / "tools" / "demo_accounts_job.py")], stdin=json.dumps(entries))

    def start(self) -> None:
        """Start the components. They need a while to answer: see `wait_ready`."""
        for log in self.logs.glob("*.log"):
            if log.stem in COMPONENTS:
                log.unlink()
        for name in self._components:
            arguments, _ = COMPONENTS[name]
            port = ["--port", str(self.port)] if name == "api-server" else []
            env = {**self.env, **WITHOUT_SECRETS} if name in PARSES_DAGS else self.env
            self._children.start(name, [sys.executable, "-m", "airflow", *arguments, *port], env, self.folder)

    def wait_ready(self, seconds: float = 180) -> None:
        """Return when all components are healthy and the Dags are parsed.

        Raises DemoError when one ends before that, with the end of its log, or when `seconds` are over.
        """
        deadline = time.monotonic() + seconds
        while missing := self._missing():
            self.check_alive()
            if time.monotonic() > deadline:
                raise DemoError(f"not ready after {seconds:.0f} seconds: {missing}; the logs are in {self.logs}")
            time.sleep(0.5)

    def check_alive(self) -> None:
        """Raise DemoError when a component has ended by itself."""
        if dead := self._children.dead():
            raise DemoError(_last_words(dead))

    def stop(self) -> None:
        """Stop all components and whatever they started, and leave the folder to others. Stopping twice is fine."""
        # The api-server goes last: tasks that end tell it so.
        self._children.stop(last="api-server")
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        """Prepare, start and wait; whatever goes wrong, nothing keeps running."""
        try:
            self.prepare()
            self.start()
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def _take_folder(self) -> None:
        lock = (self.folder / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise DemoError(f"another demo is running from {self.folder}: stop that one first") from None
        self._lock = lock

    def _migrate(self) -> None:
        done = self.folder / "home" / "migrated"
        if not done.exists():
            # A first migration that was cut off leaves tables without a version, which no later one understands.
            (self.folder / "home" / "airflow.db").unlink(missing_ok=True)
        self._run("migrate", ["-m", "airflow", "db", "migrate"])
        done.touch()

    def _has_policy(self) -> bool:
        engine = create_engine(self.env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])
        try:
            with engine.connect() as connection:
                return bool(connection.scalar(text("SELECT count(*) FROM astro_auth_policy_version")))
        finally:
            engine.dispose()

    def _run(self, name: str, arguments: Sequence[str], stdin: str = "") -> None:
        log = self.logs / f"{name}.log"
        with log.open("w") as output:
            code = subprocess.run(
                [sys.executable, *arguments],
                input=stdin.encode(),
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.env,
                cwd=self.folder,
                check=False,
            ).returncode
        if code:
            raise DemoError(f"{name} failed with exit code {code}; the end of {log}:\n{tail(log)}")

    def _missing(self) -> str:
        """Say what is not ready yet, nothing when all is."""
        health = self._health()
        ill = [name for name in self._components if _status(health, COMPONENTS[name][1]) != "healthy"]
        if ill:
            return f"{', '.join(ill)} not healthy"
        if "dag-processor" in self._components and (unparsed := self._dag_files() - self._parsed_files()):
            return f"{', '.join(sorted(unparsed))} not parsed"
        return ""

    def _health(self) -> dict[str, Any]:
        try:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(f"http://{HOST}:{self.port}/api/v2/monitor/health", timeout=5) as answer:
                return dict(json.load(answer))
        except (OSError, ValueError):
            return {}

    def _dag_files(self) -> set[str]:
        # Airflow skips a file that does not mention both words, so no Dag ever comes of it.
        found = self.dags_folder.rglob("*.py")
        return {
            str(file.relative_to(self.dags_folder))
            for file in found
            if all(word in file.read_bytes().lower() for word in (b"dag", b"airflow"))
        }

    def _parsed_files(self) -> set[str]:
        engine = create_engine(self.env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])
        try:
            with engine.connect() as connection:
                with_dags = connection.execute(text("SELECT relative_fileloc FROM dag"))
                with_errors = connection.execute(text("SELECT filename FROM import_error"))
                return {str(name) for row in (*with_dags, *with_errors) for name in row}
        finally:
            engine.dispose()


def _status(health: Mapping[str, Any], name: str) -> object:
    return (health.get(name) or {}).get("status")


def _last_words(child: Child) -> str:
    return f"{child.name} ended with exit code {child.exit_code}; the end of {child.log}:\n{tail(child.log)}"
