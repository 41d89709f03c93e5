"""docs/behind-a-proxy.md shows the files that the live tests run, and what the doctor really says about them."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import HOME
from tests.test_docs import blocks

PAGE = "docs/behind-a-proxy.md"
FILES = Path(__file__).parent / "e2e" / "behind_proxy"
POLICY_FILE = "/opt/airflow/policy/policy.yaml"
POLICY = """\
version: 1
organization_id: clorg0main
workspaces: [{id: clws0data}]
deployments: [{id: cldep0prod, workspace_id: clws0data}]
users: [{email: olga@example.com, organization_role: ORGANIZATION_OWNER}]
"""
SECRETS = {"AIRFLOW__API__SECRET_KEY": "shown-to-nobody-" * 4, "AIRFLOW__API_AUTH__JWT_SECRET": "shown-to-nobody-" * 4}


@pytest.mark.parametrize(("file", "language"), [("nginx.conf", "nginx"), ("airflow.cfg", "ini")])
def test_files_are_shown(file: str, language: str) -> None:
    """The page has the files as the live tests have them."""
    shown = blocks(PAGE, language)
    assert (FILES / file).read_text() in shown


@pytest.fixture
def home(tmp_path: Path, metadata_database: Any) -> Path:
    """A folder with the files of the page, a policy, and a database without accounts."""
    with sqlite3.connect(HOME / "airflow.db") as source, sqlite3.connect(tmp_path / "airflow.db") as copy:
        source.backup(copy)
        copy.execute("DELETE FROM ab_user")
    (tmp_path / "policy.yaml").write_text(POLICY)
    text = (FILES / "airflow.cfg").read_text()
    (tmp_path / "airflow.cfg").write_text(text.replace(POLICY_FILE, str(tmp_path / "policy.yaml")))
    (tmp_path / "webserver_config.py").write_text((FILES / "webserver_config.py").read_text())
    return tmp_path


def doctor(home: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What the command says, with the path of the policy as in the page."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    place = {"AIRFLOW_HOME": str(home), "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db"}
    return subprocess.run(
        [sys.executable, "-m", "airflow", "astro-auth", "doctor", *options],
        env={**kept, **place, "OIDC_CLIENT_SECRET": "shown-to-nobody", **environment},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def shown(number: int) -> list[str]:
    """The command of an example in the page, and the words that follow."""
    return blocks(PAGE, "console")[number].split()


def words(home: Path, done: subprocess.CompletedProcess[str]) -> list[str]:
    # The path has another length, and so the lines break elsewhere. Airflow may log before.
    text = done.stdout[done.stdout.index("ok     Airflow") :]
    return text.replace(str(home / "policy.yaml"), POLICY_FILE).split()


@pytest.mark.slow
def test_wrong_setup(home: Path) -> None:
    """Without the secrets and the option it is the first example, with exit code 1."""
    with (home / "webserver_config.py").open("a") as file:
        file.write('AUTH_ROLES_MAPPING = {"engineers": ["Admin"]}\n')
    done = doctor(home)
    assert done.returncode == 1
    assert "shown-to-nobody" not in done.stdout + done.stderr
    assert ["$", "airflow", "astro-auth", "doctor", *words(home, done)] == shown(0)


@pytest.mark.slow
def test_right_setup(home: Path) -> None:
    """With all that the page says it is the second example, with exit code 0."""
    done = doctor(home, "--proxy-headers", FORWARDED_ALLOW_IPS="127.0.0.1", **SECRETS)
    assert done.returncode == 0
    assert "shown-to-nobody" not in done.stdout + done.stderr
    assert ["$", "airflow", "astro-auth", "doctor", "--proxy-headers", *words(home, done)] == shown(1)
