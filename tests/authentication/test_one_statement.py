"""What a request with a JWT reads: account, revoked token and the Dag of its path, afresh and in one statement."""

from __future__ import annotations

import ast
import asyncio
import inspect
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.api_fastapi.auth.managers.base_auth_manager import BaseAuthManager
from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager
from airflow.utils.session import create_session
from fastapi import HTTPException
from sqlalchemy import delete, func, insert, select, text

from astro_auth_plugin.accounts.revoked_tokens import RevokedToken
from astro_auth_plugin.auth_manager import AstroAuthManager
from astro_auth_plugin.authorization import dag_lookup
from astro_auth_plugin.authorization.dag_cache import DagCache
from astro_auth_plugin.rbac.model import token_secrets
from astro_auth_plugin.runtime import state
from astro_auth_plugin.runtime.identity import AstroIdentity
from astro_auth_plugin.runtime.request_context import RequestContext
from tests import process_state
from tests.conftest import CountStatements
from tests.dag_fixtures import PEOPLE
from tests.in_request import HEAD, facts_of, serving

SECRET = token_secrets.compose("ci", "a" * token_secrets.RANDOM_LENGTH)
TOKEN = f"""\
api_tokens:
  - id: ci
    name: ci
    secret_sha256: "{token_secrets.sha256(SECRET)}"
    expires_at: never
    roles: [{{role: DAG_VIEWER, entity_type: DAG_TAG, entity_id: finance, deployment_id: dep}}]
"""
needs_table = pytest.mark.skipif(RevokedToken is None, reason="Airflow 3.1 cannot revoke a single token")


@pytest.fixture
def manager(tmp_path: Path, dags: Any) -> AstroAuthManager:
    """The auth manager of a running server."""
    (tmp_path / "policy.yaml").write_text(HEAD + PEOPLE + TOKEN)
    process_state.start(tmp_path / "policy.yaml")
    return AstroAuthManager()


@pytest.fixture
def vera(manager: AstroAuthManager, accounts: Any) -> str:
    """A JWT of Vera, who may see the Dags with the tag finance, and has made a request before."""
    made = AstroIdentity(
        id=accounts("vera", "vera@example.com"),
        username="vera",
        email="",
        subject="",
        engine=state.current().policy_store.newest,
    )
    bearer = manager.generate_jwt(made)
    signed_in(manager, bearer)
    return bearer


@pytest.fixture
def no_revoked_tokens() -> Iterator[None]:
    """An empty table of revoked tokens afterwards."""
    yield
    with create_session() as session:
        session.execute(delete(RevokedToken))


def signed_in(manager: AstroAuthManager, bearer: str) -> AstroIdentity:
    """Return who a credential is of."""
    return asyncio.run(manager.get_user_from_token(bearer))


def of_dag(dag_id: str) -> RequestContext:
    """Return a request about a Dag."""
    return facts_of("GET /api/v2/dags/{dag_id}", path={"dag_id": dag_id})


def may_see(manager: AstroAuthManager, bearer: str, dag_id: str, asked: str = "") -> bool:
    """Whether a request about a Dag is allowed for it, or for another one that is asked for."""
    with serving(of_dag(dag_id)):
        user = signed_in(manager, bearer)
        return manager.is_authorized_dag(method="GET", user=user, details=SimpleNamespace(id=asked or dag_id))


@pytest.mark.parametrize(
    ("dag_id", "allowed"), [("fin_daily", True), ("ops_sync", False), ("FIN_DAILY", False), ("no_such_dag", False)]
)
@pytest.mark.parametrize("kind", ["account", "token"])
def test_one_statement(
    manager: AstroAuthManager, vera: str, statements: CountStatements, kind: str, dag_id: str, allowed: bool
) -> None:
    """A request about a Dag is decided with one statement, for an account and for an API token."""
    bearer = vera
    if kind == "token":
        token = state.current().authenticator.identity_of_secret(SECRET)
        assert token is not None
        bearer = manager.generate_jwt(token)
    with statements() as sent:
        assert may_see(manager, bearer, dag_id) is allowed
    assert len(sent) == 1


def test_another_dag(manager: AstroAuthManager, vera: str) -> None:
    """What is decided on is the Dag that the hook is asked about, whatever the path names."""
    assert may_see(manager, vera, "ops_sync", asked="fin_daily")
    assert not may_see(manager, vera, "fin_daily", asked="ops_sync")


def test_loose_database() -> None:
    """A Dag that only a database takes for the one that was asked for is none."""
    rows = [("FIN_DAILY", "finance", "bundle", "file.py"), ("fin_daily ", None, "bundle", "file.py")]
    assert dag_lookup.dags_of(rows, "fin_daily") == {"fin_daily": None}


@pytest.mark.parametrize("dag_id", ["a\0b", "x" * 251, "a\U0001f600"])
def test_no_id_of_a_dag(manager: AstroAuthManager, vera: str, dag_id: str, statements: CountStatements) -> None:
    """A path that no Dag can have is not read along; the JWT is valid all the same."""
    with serving(of_dag(dag_id)), statements() as sent:
        assert signed_in(manager, vera).dags == {}
    assert len(sent) == 1
    assert "dag_tag" not in sent[0]


def test_kept_dags(manager: AstroAuthManager, vera: str, tmp_path: Path, statements: CountStatements) -> None:
    """With the tag cache the Dag is read once, and not along with the account."""
    process_state.start(tmp_path / "policy.yaml", dag_cache=DagCache(60))
    with statements() as sent:
        for _ in range(3):
            assert may_see(manager, vera, "fin_daily")
    assert sum("dag_tag" in statement for statement in sent) == 1


def test_tags_are_fresh(manager: AstroAuthManager, vera: str, metadata_database: Any) -> None:
    """A tag that goes takes its access with it in the next request."""
    assert may_see(manager, vera, "fin_daily")
    with metadata_database.begin() as connection:
        connection.execute(text("UPDATE dag_tag SET name = 'other' WHERE dag_id = 'fin_daily'"))
    try:
        assert not may_see(manager, vera, "fin_daily")
    finally:
        with metadata_database.begin() as connection:
            connection.execute(text("UPDATE dag_tag SET name = 'finance' WHERE dag_id = 'fin_daily'"))


@needs_table
@pytest.mark.usefixtures("no_revoked_tokens")
def test_revoked(manager: AstroAuthManager, vera: str) -> None:
    """A revoked JWT is refused, and only that one."""
    other = manager.generate_jwt(signed_in(manager, vera))
    manager.revoke_token(vera)
    with pytest.raises(HTTPException) as refused:
        signed_in(manager, vera)
    assert (refused.value.status_code, refused.value.detail) == (401, "Invalid JWT token")
    assert signed_in(manager, other).username == "vera"


@needs_table
@pytest.mark.usefixtures("no_revoked_tokens")
def test_cleaned(manager: AstroAuthManager, vera: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow's table of revoked tokens is still cleaned, which Airflow does when it looks for a token itself."""
    long_ago = datetime.now(UTC) - timedelta(days=900)
    with create_session() as session:
        session.execute(insert(RevokedToken).values(jti="old", exp=long_ago))
    monkeypatch.setattr(RevokedToken, "_last_cleanup_time", -1e9)
    process_state.start(tmp_path / "policy.yaml")
    signed_in(manager, vera)
    with create_session() as session:
        assert session.scalar(select(func.count()).where(RevokedToken.jti == "old")) == 0


def test_airflow_verifies_no_more() -> None:
    """Airflow's own way from a JWT to a user has no check that is missing here."""
    assert "get_user_from_token" not in vars(FabAuthManager)
    source = textwrap.dedent(inspect.getsource(BaseAuthManager.get_user_from_token))
    called = {
        node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
    }
    known = {"_get_token_validator", "avalidated_claims", "get", "is_revoked", "deserialize_user", "error", "str"}
    assert called - known - {"InvalidTokenError"} == set()
