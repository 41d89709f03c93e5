"""The plugin's tables after a roll-back: a newer version has migrated them, and this one has to live with that."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MIGRATED


@pytest.mark.parametrize("words", [("db", "migrate"), ("db", "check-migrations")])
def test_after_a_roll_back(words: tuple[str, ...], metadata_database: Any, tmp_path: Path) -> None:
    """A database that a newer version has migrated is left as it is, with one warning, and Airflow goes on."""
    database = tmp_path / "airflow.db"
    shutil.copy(MIGRATED, database)
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE alembic_version_astro_auth SET version_num = '9999'")
    environment = os.environ | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{database}",
        "AIRFLOW__ASTRO_AUTH__DEPLOYMENT_ID": "dep",
    }
    command = [sys.executable, "-m", "airflow", *words]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=600)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert said.count("newer than this version's") == 1
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version_astro_auth").fetchall() == [("9999",)]
