"""Runs a command beside a PostgreSQL of its own: `python -m tools.with_postgres COMMAND...`.

The command finds the database's address in `E2E_SQL_ALCHEMY_CONN`, and its exit status is returned. The server uses
the binaries of the system, listens on a free port of this machine only, keeps everything in a temporary folder, and is
gone afterwards, however the command ends. PostgreSQL refuses to run as root: root starts it as `postgres`, the
user that Debian's package makes, or as `nobody`.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

START_SECONDS = 60
# Nothing has to survive a power cut, and everything is faster for it.
FAST = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")


def binary(name: str) -> str:
    """The path of a program of the newest PostgreSQL installed; exits if there is none. Debian keeps them off PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    found = shutil.which(name) or (str(versions[-1] / name) if versions else None)
    if found is None:
        sys.exit(f"{name} was not found: install PostgreSQL (on Debian: apt-get install postgresql)")
    return found


def unprivileged(*users: str) -> dict[str, Any]:
    """What `subprocess` needs to run a server: nothing for a person, the ids of the first of these users for root."""
    if os.geteuid() != 0:
        return {}
    for name in users:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}
    sys.exit(f"the server does not run as root, and there is neither a user {' nor '.join(users)}")


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def postgres(*settings: str) -> Iterator[str]:
    """A running server; gives its address for SQLAlchemy. Exits with the log if the server does not start.

    `settings` are those of the server that differ from its defaults.
    """
    as_whom = unprivileged("postgres", "nobody")
    with tempfile.TemporaryDirectory(prefix="astro-auth-postgres-", ignore_cleanup_errors=True) as folder:
        home, password, port = Path(folder), secrets.token_hex(16), free_port()
        (home / "password").write_text(password)
        if as_whom:
            for path in (home, home / "password"):
                os.chown(path, as_whom["user"], as_whom["group"])
        make = [binary("initdb"), "-D", f"{home}/data", "-U", "airflow", "-A", "scram-sha-256", "-E", "UTF8"]
        make += [f"--pwfile={home}/password", "--locale=C", "--no-sync"]
        subprocess.run(make, check=True, cwd=home, stdout=subprocess.DEVNULL, **as_whom)
        command = [binary("postgres"), "-D", f"{home}/data", "-p", str(port), "-k", ""]
        for setting in ("listen_addresses=127.0.0.1", *FAST, *settings):
            command += ["-c", setting]
        with (home / "log").open("w") as log:
            # A session of its own: Ctrl-C is for the command, which needs the database until it has ended.
            server = subprocess.Popen(command, cwd=home, stdout=log, stderr=log, start_new_session=True, **as_whom)
        try:
            wait_for(server, port, home / "log")
            yield f"postgresql+psycopg2://airflow:{password}@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)  # ends open connections; SIGTERM would wait for them
            server.wait()


def wait_for(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Returns when the server answers; exits with its log if it ends, or takes too long."""
    ask = [binary("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    deadline = time.monotonic() + START_SECONDS
    while subprocess.run(ask, check=False).returncode != 0:
        if server.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"PostgreSQL did not start:\n{log.read_text()}")
        time.sleep(0.1)


def run_beside(server: Callable[[], AbstractContextManager[str]], command: list[str]) -> int:
    """Runs the command beside a server; returns its exit status."""
    with server() as address:
        done = subprocess.Popen(command, env={**os.environ, "E2E_SQL_ALCHEMY_CONN": address})
        # Ctrl-C reaches the command as well, which cleans up; a request to end is passed on.
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: done.terminate())
        return done.wait()


if __name__ == "__main__":
    sys.exit(run_beside(postgres, sys.argv[1:]))
