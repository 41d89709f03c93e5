"""An Airflow behind a real nginx that takes TLS off, with the files that docs/behind-a-proxy.md shows."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from sqlalchemy.orm import Session

from tests.e2e.live import LiveAirflow
from tests.shared import copy_database

HERE = Path(__file__).parent
PATH = "/a/b"
PASSWORDS = {
    "olga": "Olga-secret-1",
    "nobody": "Nobody-secret-1",
    "leaver": "Leaver-secret-1",
    "stale": "Stale-secret-1",
}
POLICY = """\
version: 1
organization_id: org
workspaces: [{id: ws}]
deployments: [{id: cldep0prod, workspace_id: ws}]
users:
  - {email: olga@example.com, organization_role: ORGANIZATION_OWNER}
  - {email: ana@example.com, workspace_roles: [{workspace_id: ws, role: WORKSPACE_MEMBER}]}
  - {email: leaver@example.com, workspace_roles: [{workspace_id: ws, role: WORKSPACE_MEMBER}]}
  - {email: stale@example.com, workspace_roles: [{workspace_id: ws, role: WORKSPACE_MEMBER}]}
"""
# What airflow.cfg says must not be said by the environment, too, which counts more.
IN_FILE = {
    "AIRFLOW__CORE__AUTH_MANAGER",
    "AIRFLOW__API__BASE_URL",
    "AIRFLOW__ASTRO_AUTH__POLICY_FILE",
    "AIRFLOW__ASTRO_AUTH__DEPLOYMENT_ID",
}


class Fronted(LiveAirflow):
    """An api-server that people reach through a proxy only; `front` is what they type."""

    options = ("--proxy-headers",)

    def __init__(self, home: Path, front: str, settings: dict[str, str]) -> None:
        reported = {"FORWARDED_ALLOW_IPS": "127.0.0.1", "AIRFLOW__FAB__UPDATE_FAB_PERMS": "False"}
        super().__init__(home, database=f"sqlite:///{home}/airflow.db", settings=reported | settings)
        self.front = front
        self.port = int(self.url.rsplit(":", maxsplit=1)[-1])

    def environment(self) -> dict[str, str]:
        """That of other Airflows of the tests, without what airflow.cfg says."""
        return {name: value for name, value in super().environment().items() if name not in IN_FILE}

    def fill(self, migrated: Path) -> None:
        """Takes over a migrated database, and adds the people."""
        self.home.mkdir(parents=True)
        self.policy.write_text(POLICY)
        text = (HERE / "airflow.cfg").read_text()
        text = text.replace(f"https://airflow.example.com{PATH}", self.front)
        text = text.replace("port = 8080", f"port = {self.port}")
        (self.home / "airflow.cfg").write_text(text.replace("/opt/airflow/policy/policy.yaml", str(self.policy)))
        copy_database(migrated, self.home / "airflow.db")
        from airflow.providers.fab.auth_manager.models import User
        from werkzeug.security import generate_password_hash

        with Session(self.engine) as session:
            for name, password in PASSWORDS.items():
                hashed = generate_password_hash(password, method="pbkdf2:sha256:1000")
                names = {"username": name, "first_name": name, "last_name": "N", "email": f"{name}@example.com"}
                session.add(User(**names, password=hashed, active=True))
            session.commit()


class Nginx:
    """nginx with the server of the docs, on a port of its own.

    `extra` are further lines for the path of Airflow, `says` is what the header X-Remote-User is set to.
    """

    def __init__(self, folder: Path, port: int, upstream: int, *, extra: str = "", says: str = '""') -> None:
        self.folder = folder
        self.port = port
        self.upstream = upstream
        self.extra = extra
        self.says = says
        self._process: subprocess.Popen | None = None

    def restart(self) -> None:
        """Begins anew, with what `extra` is now."""
        self.__exit__()
        self.__enter__()

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "nginx.conf"
        config.write_text(self._config())
        # As the one process, in the foreground, so that it is ours to end.
        command = [find_nginx(), "-p", str(self.folder), "-c", str(config), "-e", str(self.folder / "start.log")]
        self._process = subprocess.Popen(command)
        deadline = time.monotonic() + 60
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError(f"nginx did not start:\n{(self.folder / 'start.log').read_text()[-3000:]}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(60)

    def _answers(self) -> bool:
        try:
            return bool(httpx.get(f"https://localhost:{self.port}/", verify=False, timeout=5).status_code)
        except httpx.TransportError:
            return False

    def _config(self) -> str:
        server = (HERE / "nginx.conf").read_text()
        for shown, ours in (
            ("listen 443 ssl;", f"listen 127.0.0.1:{self.port} ssl;"),
            ("server_name airflow.example.com;", "server_name localhost;"),
            ("/etc/nginx/tls/airflow.", f"{self.folder}/airflow."),
            ("127.0.0.1:8080;", f"127.0.0.1:{self.upstream};"),
            ('X-Remote-User "";', f"X-Remote-User {self.says};"),
            (f"    location {PATH}/ {{\n", f"    location {PATH}/ {{\n{self.extra}\n"),
        ):
            assert shown in server
            server = server.replace(shown, ours)
        places = "".join(
            f"{name}_temp_path {self.folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        head = f"daemon off;\nmaster_process off;\npid {self.folder}/nginx.pid;\nevents {{}}\n"
        return f"{head}http {{\naccess_log {self.folder}/access.log;\n{places}{server}}}\n"


def make_certificate(folder: Path) -> Path:
    """Makes a certificate for localhost that nobody has signed but itself; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    out = ["-keyout", str(folder / "airflow.key"), "-out", str(folder / "airflow.crt")]
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        *names,
        *out,
    ]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "airflow.crt"


def find_nginx() -> str:
    """The path of nginx. Without one the test is skipped, or fails where `CI` is `true`."""
    # Debian keeps it out of the PATH of most people.
    found = shutil.which("nginx", path="/usr/local/sbin:/usr/sbin:/usr/bin:/usr/local/bin") or shutil.which("nginx")
    if found:
        return found
    reason = "needs nginx, and there is none: on Debian `apt-get install nginx` brings it"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def cookies_of(answer: httpx.Response) -> dict[str, dict[str, Any]]:
    """What an answer sets: each cookie's value, and its attributes in small letters; those that it deletes are left out."""
    found = {}
    for line in answer.headers.get_list("set-cookie"):
        (name, _, value), *rest = (part.strip().partition("=") for part in line.split(";"))
        attributes = {key.lower(): text or True for key, _, text in rest}
        if attributes.get("max-age") != "0":
            found[name] = {"value": value, "size": len(line), **attributes}
    return found
