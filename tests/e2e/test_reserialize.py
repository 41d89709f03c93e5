"""Commands that parse Dags where the policy cannot be read: they stop, and what is stored stays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from .live import POLICY_STORE, LiveAirflow

POLICY = """\
version: 1
organization_id: org-e2e
workspaces: [{id: ws-data}]
deployments: [{id: dep-prod, workspace_id: ws-data}]
"""
UNREAD = {
    "file": "cannot read the policy file: No such file or directory",
    "database": "the policy store: the metadata database does not answer",
}
DAG = """\
from airflow.sdk import DAG
with DAG("{name}", schedule=None, tags={tags}):
    pass
"""


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> LiveAirflow:
    """An Airflow with one Dag that has a tag and one that has none, both stored."""
    home = tmp_path_factory.mktemp("reserialize")
    live = LiveAirflow(home, database=f"sqlite:///{home}/airflow.db")
    (home / "dags").mkdir()
    (home / "dags" / "tagged.py").write_text(DAG.format(name="tagged", tags=["team:finance"]))
    live.policy.write_text(POLICY)
    for command in (["db", "migrate"], ["dags", "reserialize"]):
        done = airflow(live, *command)
        assert done.returncode == 0, done.stderr[-4000:]
        if command == ["db", "migrate"]:
            live.publish_policy()
    assert [row.dag_id for row in rows(live)["dag"]] == ["tagged"]
    return live


def airflow(live: LiveAirflow, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of Airflow to its end."""
    return subprocess.run(
        [sys.executable, "-m", "airflow", *command],
        env=live.environment(),
        cwd=live.home,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def rows(live: LiveAirflow) -> dict[str, list[Any]]:
    """What is stored about Dags."""
    tables = ("dag", "dag_tag", "serialized_dag", "import_error", "dag_run")
    with live.engine.connect() as connection:
        return {table: list(connection.execute(sa.text(f"SELECT * FROM {table} ORDER BY 1"))) for table in tables}


@pytest.fixture
def without_policy(stored: LiveAirflow) -> Any:
    """The same where the policy file is not mounted, or the table of the policy cannot be read."""
    if POLICY_STORE == "file":
        kept: Path = stored.policy.rename(stored.policy.with_suffix(".away"))
        yield stored
        kept.rename(stored.policy)
        return
    with stored.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE astro_auth_policy_version RENAME TO away"))
    yield stored
    with stored.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE away RENAME TO astro_auth_policy_version"))


@pytest.mark.parametrize("command", [["dags", "reserialize"], ["dags", "test", "tagged"]])
def test_stops_and_touches_nothing(without_policy: LiveAirflow, command: list[str]) -> None:
    """Without a policy the command ends with an error in two sentences, and every row about Dags is as before."""
    before = rows(without_policy)
    done = airflow(without_policy, *command)
    assert done.returncode == 1
    assert UNREAD[POLICY_STORE] in done.stderr
    assert "Run this command where the policy can be read" in done.stderr
    assert "Traceback" not in done.stderr
    assert rows(without_policy) == before


def test_dags_without_tags_need_no_policy(without_policy: LiveAirflow) -> None:
    """A Dag without tags is stored, whether there is a policy or not."""
    (without_policy.home / "dags" / "tagged.py").rename(without_policy.home / "tagged.py")
    (without_policy.home / "dags" / "plain.py").write_text(DAG.format(name="plain", tags=[]))
    done = airflow(without_policy, "dags", "reserialize")
    assert done.returncode == 0, done.stderr[-4000:]
    found = rows(without_policy)
    assert "plain" in {row.dag_id for row in found["dag"]}
    assert found["import_error"] == []
