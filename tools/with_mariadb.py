"""Runs a command beside a MariaDB of its own: `python -m tools.with_mariadb COMMAND...`.

As `tools.with_postgres`, with the binaries of Debian's `mariadb-server`. Root starts the server as `mysql`, the user
that the package makes, or as `nobody`.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.with_postgres import START_SECONDS, free_port, run_beside, unprivileged

# Nothing has to survive a power cut. Airflow gives ids a collation of their own, and all else the server's: with most
# of these no Dag can have two tags that differ by case alone, as Dags of the tests do.
SETTINGS = (
    "skip-log-bin",
    "innodb-flush-log-at-trx-commit=0",
    "innodb-doublewrite=0",
    "character-set-server=utf8mb4",
    "collation-server=utf8mb4_nopad_bin",
    "transaction-isolation=READ-COMMITTED",
    "max-connections=300",
)


def binary(name: str) -> str:
    """The path of a program of MariaDB; exits if there is none. Debian keeps the server off the PATH of users."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if found is None:
        sys.exit(f"{name} was not found: install MariaDB (on Debian: apt-get install mariadb-server)")
    return found


@contextmanager
def mariadb() -> Iterator[str]:
    """A running server; gives its address for SQLAlchemy. Exits with the log if the server does not start."""
    as_whom = unprivileged("mysql", "nobody")
    with tempfile.TemporaryDirectory(prefix="astro-auth-mariadb-", ignore_cleanup_errors=True) as folder:
        home, password, port = Path(folder), secrets.token_hex(16), free_port()
        (home / "begin.sql").write_text(
            "CREATE DATABASE airflow;\n"
            f"CREATE USER airflow@'127.0.0.1' IDENTIFIED BY '{password}';\n"
            "GRANT ALL ON *.* TO airflow@'127.0.0.1' WITH GRANT OPTION;\n"
        )
        if as_whom:
            for path in (home, home / "begin.sql"):
                os.chown(path, as_whom["user"], as_whom["group"])
        make = [
            binary("mariadb-install-db"),
            "--no-defaults",
            f"--datadir={home}/data",
            "--auth-root-authentication-method=normal",
        ]
        subprocess.run([*make, "--skip-test-db"], check=True, cwd=home, stdout=subprocess.DEVNULL, **as_whom)
        command = [binary("mariadbd"), "--no-defaults", f"--datadir={home}/data", f"--socket={home}/socket"]
        command += [f"--port={port}", "--bind-address=127.0.0.1", f"--init-file={home}/begin.sql"]
        with (home / "log").open("w") as log:
            # A session of its own: Ctrl-C is for the command, which needs the database until it has ended.
            server = subprocess.Popen(
                [*command, *(f"--{setting}" for setting in SETTINGS)],
                cwd=home,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **as_whom,
            )
        try:
            _wait_for(server, port, password, home / "log")
            yield f"mysql+mysqldb://airflow:{password}@127.0.0.1:{port}/airflow?charset=utf8mb4"
        finally:
            server.kill()
            server.wait()


def _wait_for(server: subprocess.Popen[bytes], port: int, password: str, log: Path) -> None:
    """Returns when the server answers; exits with its log if it ends, or takes too long."""
    ask = [binary("mariadb-admin"), "--no-defaults", "-h127.0.0.1", f"-P{port}", "-uairflow", "ping"]
    environment = {**os.environ, "MYSQL_PWD": password}
    deadline = time.monotonic() + START_SECONDS
    while subprocess.run(ask, check=False, env=environment, capture_output=True).returncode != 0:
        if server.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"MariaDB did not start:\n{log.read_text()}")
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(run_beside(mariadb, sys.argv[1:]))
