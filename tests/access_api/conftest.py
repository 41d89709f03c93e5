"""The API over a metadata database of the tests, with a policy in it, called as one user or another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.api_fastapi.core_api.security import get_user
from airflow.models.log import Log
from sqlalchemy import delete
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from astro_auth_plugin.access_api.app import make_app
from astro_auth_plugin.access_management import publisher
from astro_auth_plugin.access_management.publisher import Actor, Wanted
from astro_auth_plugin.authorization.dag_cache import DagCache
from astro_auth_plugin.rbac.changes import edits
from astro_auth_plugin.rbac.model.subjects import token_subject, user_subject
from astro_auth_plugin.rbac.policy import yaml_reader
from astro_auth_plugin.rbac.policy.entries import plain
from astro_auth_plugin.runtime import state
from astro_auth_plugin.runtime.identity import AstroIdentity
from astro_auth_plugin.runtime.policy_store import PolicyStore
from astro_auth_plugin.runtime.policy_versions import VERSIONS
from astro_auth_plugin.runtime.settings import Settings
from tests import process_state
from tests.in_request import HEAD

HASH = "0123456789abcdef" * 4
POLICY = f"""\
{HEAD}teams:
  - {{name: data, members: [mia@example.com], dag_roles: [{{deployment_id: dep, tag: t, role: DAG_VIEWER}}]}}
  - {{name: elsewhere, members: [fay@example.com], workspace_roles: [{{workspace_id: ws-other, role: WORKSPACE_MEMBER}}]}}
api_tokens:
  - {{id: ci, name: CI, secret_sha256: {HASH}, expires_at: never,
     roles: [{{role: WORKSPACE_OWNER, entity_type: WORKSPACE, entity_id: ws}}]}}
  - {{id: afar, name: Afar, secret_sha256: {HASH}, expires_at: never,
     roles: [{{role: WORKSPACE_MEMBER, entity_type: WORKSPACE, entity_id: ws-other}}]}}
users:
  - {{email: olga@example.com, organization_role: ORGANIZATION_OWNER}}
  - {{email: wendy@example.com, workspace_roles: [{{workspace_id: ws, role: WORKSPACE_OWNER}}]}}
  - {{email: mo@example.com, workspace_roles: [{{workspace_id: ws, role: WORKSPACE_MEMBER}}]}}
  - {{email: fred@example.com, workspace_roles: [{{workspace_id: ws-other, role: WORKSPACE_OWNER}}]}}
"""


class Api:
    """The API, as users call it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.app = make_app()

    def ask(self, name: str, method: str, path: str, etag: str = "", **kwargs: Any) -> Any:
        """Return the answer to a request of a user, or of the API token `token:ci`."""
        headers = {"Authorization": "Bearer x", **({"If-Match": f'"{etag}"'} if etag else {})}
        return self.send(name, method, path, headers, **kwargs)

    def send(self, name: str, method: str, path: str, headers: dict[str, str], **kwargs: Any) -> Any:
        """Return the answer to a request of a user with these headers."""
        self.app.dependency_overrides[get_user] = lambda: self.identity(name)
        with TestClient(self.app, base_url="http://airflow") as client:
            return client.request(method, f"/api/v1{path}", headers=headers, **kwargs)

    def identity(self, name: str) -> AstroIdentity:
        """Return who calls."""
        engine = state.current().policy_store.engine()
        if name.startswith("token:"):
            subject = token_subject(name.removeprefix("token:"))
            identity = AstroIdentity(id=subject, username=name, email="", subject=subject, engine=engine)
            identity.key = "key"
            return identity
        email = f"{name}@example.com"
        return AstroIdentity(id=1, username=name, email=email, subject=user_subject(email), engine=engine)

    def version(self) -> int:
        """Return the number of the newest version."""
        number: int = self.ask("olga", "GET", "/me").json()["policy"]["version"]
        return number


@pytest.fixture
def api(metadata_database: Any, fresh_state: None) -> Iterator[Api]:
    """The API with the policy of the tests as version 1."""
    clear(metadata_database)
    settings = Settings(None, "dep")
    values = plain(yaml_reader.read(POLICY.encode()).values)
    publisher.publish(Wanted(edits.replace(values), "import"), Actor("root", "shell"), settings)
    store = PolicyStore(settings)
    process_state.start_with(settings=settings, policy_store=store, dag_cache=DagCache())
    yield Api(settings)
    clear(metadata_database)


@pytest.fixture
def in_file(metadata_database: Any, fresh_state: None, tmp_path: Path) -> Api:
    """The API with a policy in a file, which has a custom role."""
    file = tmp_path / "policy.yaml"
    file.write_text(f"{POLICY}roles: [{{name: peek, scope: DAG, permissions: [dag.airflow.dag.get]}}]\n")
    settings = Settings(file, "dep")
    process_state.start_with(settings=settings, policy_store=PolicyStore(settings), dag_cache=DagCache())
    return Api(settings)


def clear(database: Any) -> None:
    """Take away what a test has written."""
    with Session(database) as session:
        session.execute(delete(VERSIONS))
        session.execute(delete(Log).where(Log.event.startswith("astro_auth.")))
        session.commit()
