"""Files that all processes of one run of the tests make once: the processes of pytest-xdist find each other's here."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

FOLDER_VARIABLE = "TESTS_SHARED_FOLDER"


def shared_folder() -> Path:
    """The folder of this run: the first process makes and removes it, those that it starts inherit its name."""
    if FOLDER_VARIABLE not in os.environ:
        os.environ[FOLDER_VARIABLE] = tempfile.mkdtemp(prefix="astro-auth-tests-shared-")
        atexit.register(shutil.rmtree, os.environ[FOLDER_VARIABLE], ignore_errors=True)
    return Path(os.environ[FOLDER_VARIABLE])


@contextmanager
def alone(name: str) -> Iterator[Path]:
    """A path of this run that no other process makes or reads as long as the block lasts."""
    path = shared_folder() / name
    with (shared_folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield path


def copy_database(source: Path, target: Path) -> None:
    """Copies an SQLite database with all that has been committed, also while others have it open."""
    with closing(sqlite3.connect(source)) as found, closing(sqlite3.connect(target)) as copy:
        found.backup(copy)
