"""What the doctor finds about FAB's settings and accounts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from airflow.models.serialized_dag import SerializedDagModel
from sqlalchemy import delete
from sqlalchemy.orm import Session

from astro_auth_plugin.accounts import fab_authorization, web_sessions
from astro_auth_plugin.doctor import check_accounts
from astro_auth_plugin.doctor.installation import Installation
from tests.doctor.diagnostics import reported
from tests.in_request import HEAD


@pytest.mark.parametrize("name", check_accounts.UNUSED_SETTINGS)
def test_unused_settings(name: str, set_up: Callable[..., Installation]) -> None:
    """Each setting of FAB that does nothing is named when it is set."""
    installation = set_up(f"{name} = ['Admin']")
    ((verdict, text),) = reported(check_accounts.unused_settings, installation)
    assert (verdict, text.startswith(f"{name}: in webserver_config.py has no effect")) == ("hint", True)


@pytest.mark.parametrize("name", check_accounts.UNUSED_OPTIONS)
def test_unused_options(name: str, set_up: Callable[..., Installation]) -> None:
    """So is each option, and one that has its default is not."""
    assert reported(check_accounts.unused_settings, set_up()) == []
    ((verdict, text),) = reported(check_accounts.unused_settings, set_up(**{f"fab__{name}": '{"a": []}'}))
    assert (verdict, text.startswith(f"[fab] {name}: has no effect")) == ("hint", True)


def test_update_fab_perms(set_up: Callable[..., Installation]) -> None:
    """That FAB's permissions are not brought up to date does no harm."""
    ((verdict, _),) = reported(check_accounts.unused_settings, set_up(fab__update_fab_perms="False"))
    assert verdict == "ok"


def test_unused_roles(set_up: Callable[..., Installation], monkeypatch: pytest.MonkeyPatch) -> None:
    """Roles that somebody has made in FAB are named, the first few of many."""
    monkeypatch.setattr(fab_authorization, "read_role_names", lambda: set(check_accounts.FAB_ROLES))
    assert reported(check_accounts.unused_roles, set_up()) == []
    monkeypatch.setattr(
        fab_authorization, "read_role_names", lambda: {"Admin", *(f"role{number}" for number in range(7))}
    )
    ((verdict, text),) = reported(check_accounts.unused_roles, set_up())
    assert (verdict, "`role0`, `role1`, `role2`, `role3`, `role4` and 2 more" in text) == ("hint", True)


@pytest.mark.parametrize(
    ("webserver_config", "perms", "expected"),
    [
        ("", "True", []),
        ("AUTH_TYPE = 1", "True", []),
        ("AUTH_TYPE = 4", "True", ["AUTH_USER_REGISTRATION"]),
        ("AUTH_TYPE = 2\nAUTH_USER_REGISTRATION = True", "True", []),
        ("AUTH_TYPE = 4\nAUTH_USER_REGISTRATION = True", "False", ["AUTH_USER_REGISTRATION_ROLE"]),
        ("AUTH_TYPE = 4\nAUTH_USER_REGISTRATION = True\nAUTH_USER_REGISTRATION_ROLE = 'Admin'", "False", []),
        ("AUTH_TYPE = 4\nAUTH_USER_REGISTRATION = True\nAUTH_USER_REGISTRATION_ROLE = 'Mine'", "False", []),
        (
            "AUTH_TYPE = 4\nAUTH_USER_REGISTRATION = True\nAUTH_USER_REGISTRATION_ROLE = 'Gone'",
            "True",
            ["AUTH_USER_REGISTRATION_ROLE"],
        ),
    ],
)
def test_registration(
    webserver_config: str,
    perms: str,
    expected: list[str],
    set_up: Callable[..., Installation],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever comes through an identity provider for the first time needs an account, and FAB a role for it."""
    monkeypatch.setattr(fab_authorization, "read_role_names", lambda: {"Mine"})
    found = reported(check_accounts.registration, set_up(webserver_config, fab__update_fab_perms=perms))
    assert [(verdict, text.split(":")[0]) for verdict, text in found] == [("hint", name) for name in expected]


def test_duplicate_accounts(accounts: Any, set_up: Callable[..., Installation]) -> None:
    """Active accounts that are one person are named; one of them alone is none, nor is one that is switched off."""
    accounts("ana", "ana@example.com")
    accounts("old", "Ana@Example.com", active=False)
    assert reported(check_accounts.duplicate_accounts, set_up()) == [("ok", "accounts: 1 active, no duplicates.")]
    second = accounts("ana2", "ANA@example.com")
    ((verdict, text),) = reported(check_accounts.duplicate_accounts, set_up())
    assert (verdict, f"{second} are duplicate active accounts for `ana@example.com`" in text) == ("wrong", True)


def test_people(accounts: Any, file: Path, set_up: Callable[..., Installation]) -> None:
    """People without an account, accounts without a role, and that nobody may give every role are hints, all bounded."""
    many = ", ".join(f"{{email: u{number:02}@b, organization_role: ORGANIZATION_MEMBER}}" for number in range(12))
    file.write_text(HEAD + f"users: [{{email: olga@b, organization_role: ORGANIZATION_OWNER}}, {many}]\n")
    installation = set_up(astro_auth__policy_file=str(file), astro_auth__deployment_id="dep")
    accounts("zoe", "Zoe@b")
    accounts("olga", "Olga@b", active=False)
    missing, idle, owner = reported(check_accounts.users, installation)
    assert missing[0] == idle[0] == owner[0] == "hint"
    assert missing[1].startswith("users of the policy: 13 (`olga@b`, `u00@b`, ")
    assert "`u08@b`, …) without an active account" in missing[1]
    assert idle[1] == "accounts: 1 (`zoe@b`) without a role in this Deployment: they have no access."
    assert "no active account has `ORGANIZATION_OWNER`" in owner[1]
    accounts("olga-2", "OLGA@b")
    assert [
        words for _, words in reported(check_accounts.users, installation) if "no active account has" in words
    ] == []


def test_access_control(metadata_database: Any, set_up: Callable[..., Installation]) -> None:
    """Dags that set `access_control` in their newest version are named, since it has no effect here."""
    stored = {
        "old": [{"access_control": {"Ops": {"DAGs": ["can_read"]}}}, {}],
        "new": [{}, {"access_control": {"Ops": {"DAGs": ["can_read"]}}}],
        "without": [{"access_control": None}],
    }
    rows = []
    for dag_id, versions in stored.items():
        for number, dag in enumerate(versions):
            row = SerializedDagModel(SimpleNamespace(dag_id=dag_id, data={"dag": dag}))
            row.dag_version_id = uuid4()
            row.created_at = datetime(2026, 1, 1 + number, tzinfo=UTC)
            rows.append(row)
    with metadata_database.connect() as connection:
        # The rows stand alone here: a Dag and its versions would have to be parsed.
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.commit()
        with Session(connection) as session:
            session.add_all(rows)
            session.commit()
        ((verdict, text),) = reported(check_accounts.access_control, set_up())
        connection.execute(delete(SerializedDagModel))
        connection.commit()
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")
    assert (verdict, text.startswith("access_control: 1 (`new`) set it")) == ("hint", True)


def test_people_without_a_policy(set_up: Callable[..., Installation]) -> None:
    """Nothing is said of people where the policy cannot be used; that has a finding of its own."""
    assert reported(check_accounts.users, set_up(astro_auth__policy_file="/no/such/file")) == []


def test_sessions(set_up: Callable[..., Installation], monkeypatch: pytest.MonkeyPatch) -> None:
    """Many sessions that have expired are a hint, with the command that deletes them."""
    requested: list[datetime] = []
    monkeypatch.setattr(web_sessions, "count_expired", lambda now: requested.append(now) or 10_001)
    ((verdict, text),) = reported(check_accounts.sessions, set_up())
    assert (verdict, "10001 rows" in text, "`airflow astro-auth clean-sessions`" in text) == ("hint", True, True)
    assert datetime.now(UTC) - requested[0] < timedelta(minutes=1)


def test_roles_are_read(metadata_database: Any) -> None:
    """Roles of FAB are read from the database."""
    assert fab_authorization.read_role_names() == set()
