"""The users API: an account is changed only by who may give every role that its person holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .accounts import ACCOUNT, CASES, forget, make
from .client import Everybody
from .database import Database

USERS = "/auth/fab/v1/users"


@pytest.fixture(autouse=True)
def no_account(database: Database) -> Iterator[None]:
    """The account that the tests make does not outlive them."""
    yield
    forget(database)


def outcome(status: int, changed: bool) -> str:
    """Both halves of an answer in one word."""
    return f"{'allowed' if 200 <= status < 300 else 'refused' if status == 403 else status}, {changed=}"


def expected(allowed: bool) -> str:
    """What `outcome` says when all is well."""
    return outcome(200 if allowed else 403, allowed)


@pytest.mark.parametrize(("name", "actor", "allowed"), CASES)
def test_create(name: str, actor: str, allowed: bool, everybody: Everybody, database: Database) -> None:
    """An account is made only by who may give what its person holds."""
    body = {"username": "made", "email": f"{name}@example.com", "first_name": "A", "last_name": "B", "password": "x"}
    # Without a role, FAB looks for one that only an installation with a configuration of its own has.
    body |= {"roles": [{"name": "Public"}]}
    answer = everybody[actor].request("POST", USERS, json=body)
    assert outcome(answer.status_code, bool(database.rows(ACCOUNT))) == expected(allowed)


@pytest.mark.parametrize(
    "change",
    [{"password": "stolen"}, {"username": "renamed"}, {"email": "absent.other@example.com"}],
    ids=lambda change: next(iter(change)),
)
@pytest.mark.parametrize(("name", "actor", "allowed"), CASES)
def test_change(
    *, change: dict[str, str], name: str, actor: str, allowed: bool, everybody: Everybody, database: Database
) -> None:
    """An account's password, name and e-mail are changed only by who may give what its person holds."""
    make(database, name)
    before = database.rows(ACCOUNT)
    answer = everybody[actor].request("PATCH", f"{USERS}/made", json=change)
    assert outcome(answer.status_code, database.rows(ACCOUNT) != before) == expected(allowed)


@pytest.mark.parametrize(("name", "actor", "allowed"), CASES)
def test_new_email(name: str, actor: str, allowed: bool, everybody: Everybody, database: Database) -> None:
    """Nobody's account becomes somebody's only by who may give what that person holds."""
    make(database, "absent.other")
    answer = everybody[actor].request("PATCH", f"{USERS}/made", json={"email": f"{name}@example.com"})
    changed = database.rows(ACCOUNT)[0][1] != "absent.other@example.com"
    assert outcome(answer.status_code, changed) == expected(allowed)


@pytest.mark.parametrize(("name", "actor", "allowed"), CASES)
def test_delete(name: str, actor: str, allowed: bool, everybody: Everybody, database: Database) -> None:
    """An account is deleted only by who may give what its person holds."""
    make(database, name)
    answer = everybody[actor].request("DELETE", f"{USERS}/made")
    assert outcome(answer.status_code, not database.rows(ACCOUNT)) == expected(allowed)


def test_refusal_says_why(everybody: Everybody, database: Database) -> None:
    """A refused change of an account says more than `Forbidden`."""
    make(database, "absent.owner")
    for actor in ("workspace.owner", "nobody"):
        detail = everybody[actor].request("PATCH", f"{USERS}/made", json={"password": "x"}).json()["detail"]
        assert detail not in ("Forbidden", "Invalid JWT token")


def test_fab_roles_change_nothing(everybody: Everybody, database: Database) -> None:
    """Making somebody a FAB Admin gives them nothing."""
    role = database.value("SELECT id FROM ab_role WHERE name = 'Admin'")
    user = database.value("SELECT id FROM ab_user WHERE username = 'nobody'")
    admins = "SELECT count(*) FROM ab_user_role WHERE user_id = :user AND role_id = :role"
    patch = {"roles": [{"name": "Admin"}]}
    assert everybody["organization.owner"].request("PATCH", f"{USERS}/nobody", json=patch).status_code == 200
    assert database.value(admins, user=user, role=role) == 1
    assert everybody["nobody"].get("/api/v2/dags").status_code == 403
    assert everybody["nobody"].get(USERS).status_code == 403


@pytest.mark.parametrize("actor", ["organization.owner", "workspace.operator", "fab.admin"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/auth/fab/v1/roles", {"name": "e2e", "actions": []}),
        ("PATCH", "/auth/fab/v1/roles/Viewer", {"name": "e2e", "actions": []}),
        ("DELETE", "/auth/fab/v1/roles/Viewer", None),
        ("GET", "/auth/fab/v1/roles/Viewer", None),
    ],
)
def test_fab_roles_api(
    *, actor: str, method: str, path: str, body: Any, everybody: Everybody, database: Database
) -> None:
    """FAB's roles are for nobody."""
    before = database.rows("SELECT name FROM ab_role ORDER BY name")
    assert everybody[actor].request(method, path, json=body).status_code == 403
    assert database.rows("SELECT name FROM ab_role ORDER BY name") == before
