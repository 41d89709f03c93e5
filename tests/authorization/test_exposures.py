"""What Airflow shows and nothing can keep back: whom the policy opens it to."""

from __future__ import annotations

from typing import Any

import pytest
from packaging.version import Version
from sqlalchemy.orm import Session

from astro_auth_plugin.authorization import dag_lookup, exposures
from tests.in_request import engine_of

ROLES = """
roles:
  - {name: fixer, scope: DEPLOYMENT, permissions: [deployment.airflow.importError.get]}
  - {name: all-fixer, scope: DEPLOYMENT, permissions: [deployment.airflow.importError.get, deployment.airflow.dag.get]}
  - {name: coder, scope: DEPLOYMENT, permissions: [deployment.airflow.dag.get, deployment.airflow.dagCode.get]}
  - {name: looker, scope: DAG, permissions: [dag.airflow.dag.get, dag.airflow.importError.get]}
  - {name: jobs, scope: DEPLOYMENT, permissions: [deployment.airflow.job.get]}
  - {name: jobs-and-dags, scope: DEPLOYMENT, permissions: [deployment.airflow.job.get, deployment.airflow.dag.get]}
"""
FIXER = "deployment_roles: [{deployment_id: dep, role: fixer}]"
ALL_FIXER = "deployment_roles: [{deployment_id: dep, role: all-fixer}]"
CODER = "deployment_roles: [{deployment_id: dep, role: coder}]"
VIEWER = "dag_roles: [{deployment_id: dep, tag: finance, role: DAG_VIEWER}]"
LOOKER = "dag_roles: [{deployment_id: dep, tag: finance, role: looker}]"
ELSEWHERE = "dag_roles: [{deployment_id: dep-2, tag: finance, role: DAG_VIEWER}]"
SOURCE, ERRORS, JOBS = (exposure.shows for exposure in exposures.EXPOSURES)


def warned(*grants: str, airflow: str, monkeypatch: pytest.MonkeyPatch, shares_files: bool = True) -> list[str]:
    """Return what is warned of when each grant is of a person of their own."""
    users = "".join(f"  - {{email: person{number}@example.com, {grant}}}\n" for number, grant in enumerate(grants))
    monkeypatch.setattr(exposures, "_AIRFLOW", Version(airflow))
    return [
        str(problem) for problem in exposures.warnings(engine_of(f"{ROLES}users:\n{users}"), shares_files=shares_files)
    ]


@pytest.mark.parametrize("airflow", ["3.1.8", "3.3.2", "4.0"])
@pytest.mark.parametrize(
    ("grants", "shown"),
    [
        ([VIEWER], True),
        ([CODER], False),
        ([f"{CODER}, {VIEWER}"], False),
        ([CODER, VIEWER], True),
        ([LOOKER], False),
        ([ELSEWHERE], False),
    ],
)
def test_old_source(grants: list[str], shown: bool, airflow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads the code of some Dags and not of all may read that of Dags that have left a shared file."""
    assert any(SOURCE in line for line in warned(*grants, airflow=airflow, monkeypatch=monkeypatch)) is shown
    assert warned(*grants, airflow=airflow, monkeypatch=monkeypatch, shares_files=False) == []


@pytest.mark.parametrize(
    ("airflow", "grants", "shown"),
    [
        ("3.3.2", [FIXER], True),
        ("3.2.0", [FIXER], True),
        ("3.1.8", [FIXER], False),
        ("3.4.0", [FIXER], False),
        ("3.3.2", [ALL_FIXER], False),
        ("3.3.2", [LOOKER], False),
        ("3.3.2", [ALL_FIXER, FIXER], True),
    ],
)
def test_import_errors(airflow: str, grants: list[str], shown: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads import errors and may not see all Dags reads those of files that have no Dag yet, from 3.2 to 3.4."""
    found = warned(*grants, airflow=airflow, monkeypatch=monkeypatch, shares_files=False)
    assert [ERRORS in line for line in found] == ([True] if shown else [])


@pytest.mark.parametrize(("role", "shown"), [("jobs", True), ("jobs-and-dags", False)])
def test_jobs(role: str, shown: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sees jobs and may not see all Dags reads the Dags' ids there."""
    grant = f"deployment_roles: [{{deployment_id: dep, role: {role}}}]"
    found = warned(grant, airflow="3.3.2", monkeypatch=monkeypatch)
    assert [JOBS in line for line in found] == ([True] if shown else [])


def test_once_at_the_first_grant(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many grants open it, there is one warning, with the line of the first, the release and the way out."""
    (line,) = warned(CODER, VIEWER, VIEWER, LOOKER, airflow="3.3.2", monkeypatch=monkeypatch)
    assert line.startswith("15:1: warning: users[1].dag_roles[0]: on Airflow 3.3.2 older versions of a file's source ")
    assert line.endswith("(no Airflow closes it yet): keep Dags with restricted access in separate files")
    (line,) = warned(FIXER, airflow="3.3.2", monkeypatch=monkeypatch)
    assert "(Airflow 3.4 closes it): " in line


def test_shared_files(dags: dict[str, set[str]], metadata_database: Any) -> None:
    """A file is shared when several Dags of one bundle are in it."""
    from airflow.models import DagModel

    def put(**files: str | None) -> bool:
        with Session(metadata_database) as session:
            for dag_id, file in files.items():
                session.get(DagModel, dag_id).relative_fileloc = file
            session.commit()
        return dag_lookup.has_shared_files()

    try:
        assert put(fin_daily="a.py", fin_report="b.py", ops_sync="a.py") is False
        assert put(fin_report="a.py") is True
    finally:
        assert put(fin_daily=None, fin_report=None, ops_sync=None) is False
