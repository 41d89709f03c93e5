"""Policy files for the commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.in_request import HEAD

ODD = """\
teams: [{name: empty}]
users:
  - email: ana@example.com
    dag_roles:
      - {deployment_id: dep, tag: finance, role: DAG_VIEWER}
      - {deployment_id: dep, tag: no-such-tag, role: DAG_VIEWER}
      - {deployment_id: dep, dag_id: no_such_dag, role: DAG_VIEWER}
"""
BAD = """\
users:
  - email: nobody
    dag_roles: [{deployment_id: dep, tag: x, role: DAG_VIEVER}]
  - emial: a@b
"""
BAD_PROBLEMS = [
    "6:12: users[0].email: `nobody` is not an e-mail address",
    "7:52: users[0].dag_roles[0].role: unknown role `DAG_VIEVER`, did you mean `DAG_VIEWER`?",
    "8:5: users[1]: the key `email` is missing",
    "8:5: users[1].emial: unknown key `emial`, did you mean `email`?",
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A policy file in which nothing is odd."""
    path = tmp_path / "policy.yaml"
    path.write_text(HEAD)
    return path
