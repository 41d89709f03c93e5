"""A few Dags in the metadata database, and a policy about them."""

from __future__ import annotations

from typing import Any

import pytest

from astro_auth_plugin.rbac.engine.engine import Engine
from tests.in_request import engine_of

DAGS = {
    "fin_daily": {"finance"},
    "fin_report": {"finance", "shared"},
    "ops_sync": {"ops"},
    "FIN_DAILY": {"Finance"},
    "untagged": set(),
}
BUNDLE_OF_TEAM = {"ops_sync": "of-team-ops"}

PEOPLE = """\
roles:
  - {name: sees, scope: DAG, permissions: [dag.airflow.dag.get]}
  - {name: runs, scope: DAG, permissions: [dag.airflow.dag.get, dag.airflow.dagRun.get, dag.airflow.dagRun.create]}
  - {name: blind, scope: DAG, permissions: [dag.airflow.xcom.get, dag.airflow.dagRun.create]}
  - {name: codeless, scope: DEPLOYMENT, permissions: [deployment.airflow.dag.get]}
teams:
  - {name: finance, idp_groups: [okta-finance], dag_roles: [{deployment_id: dep, tag: finance, role: DAG_VIEWER}]}
users:
  - email: olga@example.com
    organization_role: ORGANIZATION_OWNER
  - email: mel@example.com
    workspace_roles: [{workspace_id: ws, role: WORKSPACE_MEMBER}]
  - email: vera@example.com
    dag_roles: [{deployment_id: dep, tag: finance, role: DAG_VIEWER}]
  - email: art@example.com
    dag_roles: [{deployment_id: dep, dag_id: fin_daily, role: DAG_AUTHOR}, {deployment_id: dep, tag: ops, role: sees}]
  - email: mix@example.com
    dag_roles: [{deployment_id: dep, dag_id: fin_daily, role: runs}, {deployment_id: dep, dag_id: ops_sync, role: DAG_VIEWER}]
  - email: blind@example.com
    dag_roles: [{deployment_id: dep, tag: finance, role: blind}]
  - email: gone@example.com
    dag_roles: [{deployment_id: dep, dag_id: no_such_dag, role: DAG_AUTHOR}]
  - email: tilde@example.com
    dag_roles: [{deployment_id: dep, dag_id: "~", role: DAG_AUTHOR}]
  - email: half@example.com
    deployment_roles: [{deployment_id: dep, role: codeless}]
    dag_roles: [{deployment_id: dep, dag_id: fin_daily, role: runs}]
  - email: elsewhere@example.com
    dag_roles: [{deployment_id: dep-2, tag: finance, role: DAG_AUTHOR}]
"""


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The policy of PEOPLE."""
    return engine_of(PEOPLE)


@pytest.fixture(scope="session")
def dags(metadata_database: Any) -> dict[str, set[str]]:
    """Dags by id, with their tags; `ops_sync` is in a bundle of the Airflow team `ops`."""
    from airflow.models import DagModel
    from airflow.models.dag import DagTag
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.team import Team, dag_bundle_team_association_table
    from sqlalchemy.orm import Session

    with Session(metadata_database) as session:
        session.add_all([DagBundleModel(name="plain"), DagBundleModel(name="of-team-ops")])
        if "team_name" in dag_bundle_team_association_table.c:  # Airflow 3.1 has tables of teams, and no use for them
            session.add(Team(name="ops"))
            session.flush()
            association = {"dag_bundle_name": "of-team-ops", "team_name": "ops"}
            session.execute(dag_bundle_team_association_table.insert().values(association))
        session.flush()
        for dag_id, tags in DAGS.items():
            session.add(DagModel(dag_id=dag_id, bundle_name=BUNDLE_OF_TEAM.get(dag_id, "plain"), is_stale=False))
            session.flush()
            session.add_all(DagTag(name=tag, dag_id=dag_id) for tag in tags)
        session.commit()
    return DAGS


@pytest.fixture
def audit_rows(dags: dict[str, set[str]], metadata_database: Any) -> dict[str | None, int]:
    """Ids of rows of the audit log, by the Dag that each belongs to; None for the one of no Dag."""
    from airflow.models.log import Log
    from sqlalchemy.orm import Session

    with Session(metadata_database) as session:
        rows = {"ops_sync": Log("test"), "fin_daily": Log("test"), None: Log("test")}
        for dag_id, row in rows.items():
            row.dag_id = dag_id
            session.add(row)
        session.commit()
        return {dag_id: row.id for dag_id, row in rows.items()}


@pytest.fixture(scope="session")
def backfill(dags: dict[str, set[str]], metadata_database: Any) -> int:
    """Id of a backfill of `ops_sync`."""
    from datetime import UTC, datetime

    from airflow.models.backfill import Backfill
    from sqlalchemy.orm import Session

    day = datetime(2026, 1, 1, tzinfo=UTC)
    with Session(metadata_database) as session:
        row = Backfill(dag_id="ops_sync", from_date=day, to_date=day, dag_run_conf={}, max_active_runs=1)
        session.add(row)
        session.commit()
        return row.id
