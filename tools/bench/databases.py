"""The metadata databases: one is migrated, and copied for each number of Dags."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa

from tools.bench.data import MANY_ACCOUNTS, WRITTEN, dags, policy
from tools.bench.engines import ENGINES, STRICT, environment
from tools.demo_processes import tail


class Databases(Protocol):
    """A kind of database."""

    kind: str

    def address(self, name: str) -> str:
        """Where the database of this name is."""

    def copy(self, source: str, target: str) -> None:
        """Make a database out of another one, which nobody uses just now."""


class SQLite:
    """Files of a folder."""

    kind = "SQLite"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def address(self, name: str) -> str:
        """Where the file is."""
        return f"sqlite:///{self._folder / name}.db"

    def copy(self, source: str, target: str) -> None:
        """Copy a file."""
        shutil.copy(self._folder / f"{source}.db", self._folder / f"{target}.db")


class Postgres:
    """Databases of a server, of which the address of one is given."""

    kind = "PostgreSQL"

    def __init__(self, address: str) -> None:
        self._server = sa.make_url(address)
        self._run('CREATE DATABASE "base"')

    def address(self, name: str) -> str:
        """Where the database is."""
        return self._server.set(database=name).render_as_string(hide_password=False)

    def copy(self, source: str, target: str) -> None:
        """Let the server copy a database."""
        self._run(f'CREATE DATABASE "{target}" TEMPLATE "{source}"')

    def _run(self, statement: str) -> None:
        engine = sa.create_engine(self._server, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text(statement))
        engine.dispose()


def prepare(folder: Path, databases: Databases, sizes: list[int], tell: Callable[[str], None]) -> dict[int, str]:
    """Write the policy and the first Dag, fill a database for each number of Dags, and return their addresses.

    Raises:
        RuntimeError: if that fails, with the end of the log.
    """
    (folder / "dags").mkdir(parents=True, exist_ok=True)
    (folder / "policy.yaml").write_text(policy(), encoding="utf-8")
    (folder / "policy-folders.yaml").write_text(policy(folders=True), encoding="utf-8")
    (folder / "dags" / "bench.py").write_text(_DAG_FILE.format(id=WRITTEN, tags=list(dags(1)[0].tags)))
    tell("migrating a database")
    _fill(folder, databases.address("base"), "base")
    addresses = {size: databases.address(f"dags{size}") for size in sizes}
    for size in sizes:
        databases.copy("base", f"dags{size}")
    tell(f"filling copies of it with {', '.join(map(str, sizes))} Dags")
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        # The largest first, since it takes longest.
        list(pool.map(lambda size: _fill(folder, addresses[size], "dags", str(size)), sorted(sizes, reverse=True)))
    return addresses


def with_many_accounts(folder: Path, databases: Databases, size: int, tell: Callable[[str], None]) -> str:
    """Copy the database with so many Dags, add accounts, and return the copy's address."""
    tell(f"filling a copy of it with {MANY_ACCOUNTS} accounts")
    databases.copy(f"dags{size}", f"crowd{size}")
    address = databases.address(f"crowd{size}")
    _fill(folder, address, "accounts", str(MANY_ACCOUNTS))
    return address


_DAG_FILE = '''"""The first Dag of the benchmark."""

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

with DAG("{id}", schedule=None, tags={tags}, is_paused_upon_creation=False, max_active_runs=1000000):
    EmptyOperator(task_id="only")
'''


def _fill(folder: Path, address: str, *words: str) -> None:
    log = folder / f"fill-{'-'.join(words)}.log"
    engine = next(engine for engine in ENGINES if engine.name == STRICT)
    with log.open("w") as output:
        done = subprocess.run(
            [sys.executable, "-m", "tools.bench.fill", *words],
            env=environment(engine, folder, address),
            cwd=folder,
            stdout=output,
            stderr=output,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"filling a database failed:\n{tail(log)}")
