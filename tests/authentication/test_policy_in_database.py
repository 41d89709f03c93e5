"""Who signs in is decided by the newest version in the database, which is read with the account."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.utils.session import create_session
from fastapi import HTTPException
from sqlalchemy import delete
from sqlalchemy.exc import OperationalError

from astro_auth_plugin.auth_manager import AstroAuthManager
from astro_auth_plugin.authentication.authenticator import Authenticator
from astro_auth_plugin.authentication.trusted_issuers import Issuers
from astro_auth_plugin.rbac.model import token_secrets
from astro_auth_plugin.rbac.policy import yaml_reader
from astro_auth_plugin.runtime import policy_versions, state
from astro_auth_plugin.runtime.identity import AstroIdentity
from astro_auth_plugin.runtime.policy_store import PolicyStore
from astro_auth_plugin.runtime.policy_versions import VERSIONS, Change
from astro_auth_plugin.runtime.settings import Settings
from astro_auth_plugin.runtime.state import State
from tests.in_request import HEAD

SECRET = token_secrets.compose("ci", "a" * token_secrets.RANDOM_LENGTH)
TOKEN = f"""\
api_tokens: [{{id: ci, name: ci, secret_sha256: "{token_secrets.sha256(SECRET)}", expires_at: never}}]
"""


def publish(text: str) -> None:
    """Make a policy the newest version."""
    values = yaml_reader.read((HEAD + text).encode()).values
    policy_versions.publish(policy_versions.newest_number(), values, Change("tests", "shell", "import"))


def start(policy_file: Path | None) -> AstroAuthManager:
    """Begin with the policy of a file, or of the database."""
    settings = Settings(policy_file, "dep")
    store = PolicyStore(settings)
    made: Any = {"authenticator": Authenticator(store, Issuers(())), "dag_cache": None}
    state.start(State(settings=settings, policy_store=store, **made))
    return AstroAuthManager()


@pytest.fixture
def bearer(metadata_database: Any, accounts: Any, tmp_path: Path) -> Iterator[Any]:
    """A function that returns a JWT of Ana, and one that starts with either store."""
    publish(TOKEN)
    ana = accounts("ana", "ana@example.com")

    def of_ana(manager: AstroAuthManager) -> str:
        engine = state.current().policy_store.newest
        return manager.generate_jwt(AstroIdentity(id=ana, username="ana", email="", subject="", engine=engine))

    yield of_ana
    with create_session(scoped=False) as session:
        session.execute(delete(VERSIONS))


def who(manager: AstroAuthManager, credential: str) -> AstroIdentity:
    """Return who a credential is of."""
    return asyncio.run(manager.get_user_from_token(credential))


def test_no_further_statement(bearer: Any, statements: Any, tmp_path: Path) -> None:
    """A user costs one statement, as with a file; so does an API token, which reads no account."""
    (tmp_path / "policy.yaml").write_text(HEAD + TOKEN)
    counted = []
    for file in (tmp_path / "policy.yaml", None):
        manager = start(file)
        jwt = bearer(manager)
        who(manager, jwt)  # What is done now and then is done.
        for credential in (jwt, SECRET):
            with statements() as sent:
                who(manager, credential)
            counted.append(len(sent))
    of_user, of_token, of_user_in_database, of_token_in_database = counted
    assert (of_user, of_user_in_database) == (1, 1)
    assert (of_token, of_token_in_database) == (0, 1)


def test_nobody_costs_nothing(bearer: Any, statements: Any) -> None:
    """A page of FAB that nobody has signed in to looks for no version, and so needs no further connection."""
    start(None)
    with statements() as sent:
        assert state.current().authenticator.identity_of_user(None).subject == ""
    assert sent == []


def test_newest_version_counts(bearer: Any) -> None:
    """What is published counts for the next request of users and API tokens."""
    manager = start(None)
    jwt = bearer(manager)
    assert not who(manager, jwt).engine.policy.document.users
    publish("users: [{email: ana@example.com, organization_role: ORGANIZATION_OWNER}]\n")
    assert who(manager, jwt).engine.policy.document.users
    with pytest.raises(HTTPException) as refused:
        who(manager, SECRET)
    assert refused.value.status_code == 401


def test_database_away(bearer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the database, API tokens are refused with 503 and not decided on by the last version."""
    manager = start(None)

    def fail() -> Any:
        raise OperationalError("SELECT secret words", {}, Exception())

    monkeypatch.setattr(policy_versions, "connect", fail)
    with pytest.raises(HTTPException) as refused:
        who(manager, SECRET)
    assert (refused.value.status_code, refused.value.detail) == (503, "The policy cannot be read at the moment.")
