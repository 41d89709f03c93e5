"""The users API: an account is changed only by who may give every role that its person holds."""

from __future__ import annotations

import json
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


@pytest.mark.parametrize(
    ("roles", "status"),
    [({}, 200), ({"roles": None}, 200), ({"roles": []}, 200), ({"roles": [{"name": "no such role"}]}, 400)],
)
def test_roles_of_a_new_account(roles: Any, status: int, everybody: Everybody, database: Database) -> None:
    """An account that is created without a role gets FAB's `Public`, which grants nothing; the answer is no 500."""
    body = {"username": "made", "email": "made@example.com", "first_name": "A", "last_name": "B", "password": "x"}
    answer = everybody["organization.owner"].request("POST", USERS, json={**body, **roles})
    assert answer.status_code == status, answer.text
    if status == 200:
        assert [role["name"] for role in answer.json()["roles"]] == ["Public"]
        patched = everybody["organization.owner"].request("PATCH", f"{USERS}/made", json=roles)
        assert patched.status_code == 200
    else:
        make(database, "absent.nothing")
        assert everybody["organization.owner"].request("PATCH", f"{USERS}/made", json=roles).status_code == status


def test_no_second_account(everybody: Everybody, database: Database) -> None:
    """Nobody gets a second active account through the users API, by whatever letter case, and Owners are told why."""
    owner = everybody["organization.owner"]
    taken = {"email": "Organization.Owner@EXAMPLE.com"}
    body = {"username": "made", "first_name": "A", "last_name": "B", "password": "x", **taken}
    created = owner.request("POST", USERS, json=body)
    assert (created.status_code, database.rows(ACCOUNT)) == (403, [])
    assert "has the same e-mail as Organization.Owner@EXAMPLE.com" in created.json()["detail"]
    make(database, "absent.nothing")
    changed = owner.request("PATCH", f"{USERS}/made", json=taken)
    assert (changed.status_code, owner.get("/api/v2/dags").status_code) == (403, 200)


def test_account_changes_are_in_the_audit_log(everybody: Everybody, database: Database) -> None:
    """Account changes, done and refused, are rows of Airflow's audit log, without a password in them."""
    before = database.value("SELECT coalesce(max(id), 0) FROM log")
    body = {"username": "made", "email": "made@example.com", "first_name": "A", "last_name": "B", "password": "s3cret"}
    owner = everybody["organization.owner"]
    assert owner.request("POST", USERS, json=body).status_code == 200
    assert owner.request("PATCH", f"{USERS}/made", json={"password": "n3w"}).status_code == 200
    assert everybody["nobody"].request("PATCH", f"{USERS}/made", json={"password": "n3w"}).status_code == 403
    assert owner.request("DELETE", f"{USERS}/made").status_code == 204
    rows = database.rows(
        "SELECT event, owner, extra FROM log WHERE event LIKE 'astro_auth.account%' AND id > :before ORDER BY id",
        before=before,
    )
    assert [(event.removeprefix("astro_auth.account_"), who) for event, who, _ in rows] == [
        ("created", "organization.owner"),
        ("changed", "organization.owner"),
        ("change_refused", "nobody"),
        ("deleted", "organization.owner"),
    ]
    assert json.loads(rows[1][2])["changed"] == ["password"]
    assert json.loads(rows[2][2])["reason"] == "not_allowed"
    assert "s3cret" not in str(rows) and "n3w" not in str(rows)


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


@pytest.mark.parametrize("name", ["Admin", "Op", "Viewer", "no such role"])
def test_fab_roles_are_given_by_organization_owners_alone(name: str, everybody: Everybody, database: Database) -> None:
    """They grant nothing, but would again after a way back to FAB's own auth manager."""
    owner, roles = everybody["workspace.owner"], [{"name": name}]
    body = {"username": "made", "email": "made@example.com", "first_name": "A", "last_name": "B", "password": "x"}
    refused = owner.request("PATCH", f"{USERS}/nobody?update_mask=roles", json={"roles": roles})
    assert refused.status_code == 403
    refused = owner.request("POST", USERS, json={**body, "roles": roles})
    assert refused.status_code == 403


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
