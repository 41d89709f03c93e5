"""The home of an Airflow with rows on every Dag: seeded once in a run of the tests, then copied."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.shared import alone, copy_database

# Where rows say in which folder a Dag is.
PLACES = {"dag": "fileloc", "dag_code": "fileloc", "serialized_dag": "data"}


def fill(home: Path, kind: str, seed: Callable[[], None]) -> None:
    """Fills the home with what `seed` writes there, and keeps a copy by the name of `kind` for the others that want it."""
    with alone(kind) as kept:
        if kept.exists():
            _copy(kept, home)
            _move_dags(home, (kept / "home").read_text())
        else:
            seed()
            # What is only half there, because the disk is full, is not taken for whole.
            fresh = kept.with_suffix(".new")
            _copy(home, fresh)
            (fresh / "home").write_text(str(home))
            fresh.rename(kept)


def _copy(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    shutil.copytree(source / "logs", target / "logs")
    copy_database(source / "airflow.db", target / "airflow.db")


def _move_dags(home: Path, before: str) -> None:
    with closing(sqlite3.connect(home / "airflow.db")) as connection, connection:
        for table, column in PLACES.items():
            moved = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"
            connection.execute(moved, (f"{before}/dags/", f"{home}/dags/"))
