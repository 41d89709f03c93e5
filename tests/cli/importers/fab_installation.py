"""A small installation of FAB as it is after an upgrade from Airflow 2, and FAB's own answers about its people.

Run in processes of their own, in which FAB's auth manager is the configured one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]

DAGS: dict[str, Any] = {
    "ledger": {"finance": {"can_read", "can_edit"}},
    "invoices": {"finance": {"can_read"}},
    "campaigns": {"marketing": {"DAGs": {"can_read", "can_edit", "can_delete"}, "DAG Runs": {"can_create"}}},
    "plain": None,
}
"""The Dags, with their `access_control`."""

ACCOUNTS = (
    ("admin", "admin@example.com", ("Admin",)),
    ("op", "op@example.com", ("Op",)),
    ("user", "user@example.com", ("User",)),
    ("viewer", "viewer@example.com", ("Viewer",)),
    ("ana", "ana@example.com", ("analyst",)),
    ("bo", "bo@example.com", ("base", "finance")),
    ("cy", "cy@example.com", ("finance",)),
    ("dan", "dan@example.com", ("base", "finance", "marketing", "hr")),
    ("eve", "eve@example.com", ("api runner",)),
    ("fay", "fay@example.com", ("Viewer",)),
    ("gus", "gus", ("analyst",)),
    ("hal", "hal@example.com", ("Public",)),
    ("ivy", "ivy@example.com", ("Viewer",)),
    ("ivy2", "IVY@example.com", ("Op",)),
)
"""Thirteen people; Fay's account is not active, Gus has no e-mail, and Ivy has two accounts."""

# What Airflow 2 had no words for, and the menu item that hand-made roles mostly lack.
_NEWER = {"DAG Versions", "DAG Warnings", "HITL Detail", "Asset Aliases", "Documentation"}

ON_DAG = {
    "GET": "dag.get",
    "PUT": "dag.update",
    "DELETE": "dag.delete",
    "GET RUN": "dagRun.get",
    "POST RUN": "dagRun.create",
    "PUT RUN": "dagRun.update",
    "DELETE RUN": "dagRun.delete",
    "GET TASK": "dag.get",
    "GET TASK_INSTANCE": "taskInstance.get",
    "PUT TASK_INSTANCE": "taskInstance.update",
    "GET HITL_DETAIL": "taskInstance.get",
    "PUT HITL_DETAIL": "taskInstance.update",
    "GET TASK_LOGS": "taskLog.get",
    "GET CODE": "dagCode.get",
    "GET XCOM": "xcom.get",
    "GET VERSION": "dag.get",
    "GET WARNING": "dag.get",
    "GET AUDIT_LOG": "auditLog.get",
}
"""What is asked about each Dag, with the permission that it needs."""

ELSEWHERE = {
    "connection GET": "connection.get",
    "connection POST": "connection.create",
    "variable GET": "variable.get",
    "variable DELETE": "variable.delete",
    "pool GET": "pool.get",
    "pool PUT": "pool.update",
    "configuration GET": "config.get",
    "asset GET": "datasets.get",
    "asset_alias GET": "datasets.get",
    "asset POST": "datasets.create",
    "view CLUSTER_ACTIVITY": "clusterActivity.get",
    "view IMPORT_ERRORS": "importError.get",
    "view JOBS": "job.get",
    "view PLUGINS": "plugin.get",
    "view PROVIDERS": "provider.get",
    "view DOCS": "docs.get",
    "view WEBSITE": "website.get",
}
"""What is asked about the Deployment."""


def run(home: Path, code: str) -> str:
    """Run code in a process in which FAB's auth manager is configured and this plugin is not; return its output."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "ASTRO_"))}
    environment |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def build() -> None:
    """Make the metadata database with FAB's roles, Dags and people."""
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.providers.fab.auth_manager.models import Role, User
    from airflow.providers.fab.www.security_appless import ApplessAirflowSecurityManager
    from airflow.utils import db
    from airflow.utils.session import create_session
    from sqlalchemy import select

    db.initdb()
    with create_session(scoped=False) as session:
        security = ApplessAirflowSecurityManager(session=session)
        stock = {role["role"]: frozenset(role["perms"]) for role in security.ROLE_CONFIGS}
        old = frozenset(pair for pair in stock["User"] if pair[1] not in _NEWER)
        made = {
            "analyst": old,
            "base": frozenset(pair for pair in old if pair[1] != "DAGs"),
            "api runner": {(f"can_{verb}", "DAGs") for verb in ("read", "edit")}
            | {(f"can_{verb}", "DAG Runs") for verb in ("read", "create")},
            "hr": {("can_read", "Users"), ("can_edit", "Users")},
            **dict.fromkeys(("finance", "marketing", "Public"), frozenset()),
        }
        security.bulk_sync_roles([{"role": name, "perms": sorted(of)} for name, of in {**stock, **made}.items()])
        # What FAB does at its start: Admin has everything there is.
        security.create_perm_vm_for_all_dag()
        security.sync_roles()
        session.add(DagBundleModel(name="dags-folder"))
        session.flush()
        session.add_all(DagModel(dag_id=dag_id, bundle_name="dags-folder", fileloc="x.py") for dag_id in DAGS)
        for dag_id, access_control in DAGS.items():
            security.sync_perm_for_dag(dag_id, access_control)
        roles = {role.name: role for role in session.scalars(select(Role)).unique()}
        for name, email, held in ACCOUNTS:
            active = name != "fay"
            names = {"first_name": name, "last_name": "x", "username": name, "password": "x"}
            session.add(User(email=email, active=active, roles=[roles[role] for role in held], **names))
        session.commit()


def answer() -> None:
    """Print FAB's own answers as JSON: by account, question and Dag, and the Dags that its list has."""
    from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager
    from airflow.providers.fab.auth_manager.models import User
    from airflow.utils.session import create_session
    from sqlalchemy import select

    manager = FabAuthManager()  # type: ignore[no-untyped-call]
    with create_session(scoped=False) as session:
        users = session.scalars(select(User)).unique().all()
        found = {user.username: _answers(manager, user) for user in users}
    sys.stdout.write("ANSWERS" + json.dumps(found))


def _answers(manager: Any, user: Any) -> dict[str, Any]:
    from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity, DagDetails

    # FAB signs in no account that is not active.
    if not user.is_active:
        return {"dags": [], "yes": []}
    yes = []
    for dag_id in DAGS:
        for question in ON_DAG:
            method, _, entity = question.partition(" ")
            access_entity: Any = DagAccessEntity[entity] if entity else None
            details = DagDetails(id=dag_id)
            if manager.is_authorized_dag(method=method, access_entity=access_entity, details=details, user=user):
                yes.append(f"{dag_id}: {question}")
    for question in ELSEWHERE:
        what, _, word = question.partition(" ")
        if what == "view":
            allowed = manager.is_authorized_view(access_view=AccessView[word], user=user)
        else:
            allowed = getattr(manager, f"is_authorized_{what}")(method=word, user=user)
        yes += [question] if allowed else []
    return {"dags": sorted(manager.get_authorized_dag_ids(user=user)), "yes": yes}
