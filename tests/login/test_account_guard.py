"""Accounts cannot be used to climb: who may create, change and delete FAB's accounts, on real rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.fab.auth_manager.models import User
from sqlalchemy import event
from sqlalchemy.orm import Session

from astro_auth_plugin.airflow_bridge import sign_ins
from astro_auth_plugin.airflow_bridge.identity import AstroIdentity
from astro_auth_plugin.login import account_guard
from astro_auth_plugin.login.account_guard import AccountChangeRefused
from astro_auth_plugin.rbac.engine import Engine
from tests.in_request import engine_of, facts_of, person, serving

POLICY = """\
roles:
  - {name: everything, scope: DEPLOYMENT, permissions: [deployment.airflow.dag.get, deployment.update]}
teams:
  - {name: lifted, members: [team@example.com], workspace_roles: [{workspace_id: ws, role: WORKSPACE_OWNER}]}
  - {name: chiefs, idp_groups: [chiefs], organization_role: ORGANIZATION_OWNER}
users:
  - {email: owner@example.com, organization_role: ORGANIZATION_OWNER}
  - {email: wowner@example.com, workspace_roles: [{workspace_id: ws, role: WORKSPACE_OWNER}]}
  - {email: wadmin@example.com, workspace_roles: [{workspace_id: ws, role: WORKSPACE_ADMIN}]}
  - {email: wother@example.com, workspace_roles: [{workspace_id: ws-other, role: WORKSPACE_OWNER}]}
  - {email: oper@example.com, workspace_roles: [{workspace_id: ws, role: WORKSPACE_OPERATOR}]}
  - {email: member@example.com, workspace_roles: [{workspace_id: ws, role: WORKSPACE_MEMBER}]}
  - {email: dadmin@example.com, deployment_roles: [{deployment_id: dep, role: DEPLOYMENT_ADMIN}]}
  - {email: dadmin2@example.com, deployment_roles: [{deployment_id: dep-2, role: DEPLOYMENT_ADMIN}]}
  - {email: custom@example.com, deployment_roles: [{deployment_id: dep, role: everything}]}
  - {email: viewer@example.com, dag_roles: [{deployment_id: dep, tag: x, role: DAG_VIEWER}]}
  - {email: viewer2@example.com, dag_roles: [{deployment_id: dep-2, tag: x, role: DAG_VIEWER}]}
  - {email: viewer3@example.com, dag_roles: [{deployment_id: dep-other, tag: x, role: DAG_VIEWER}]}
  - {email: plain@example.com, organization_role: ORGANIZATION_MEMBER}
  - {email: billing@example.com, organization_role: ORGANIZATION_BILLING_ADMIN}
"""
# Who (by line) may change the account of whom. Nobody is somebody whom the policy does not name.
HERE = "nobody plain viewer custom dadmin"
IN_WORKSPACE = f"{HERE} member oper wowner wadmin team viewer2 dadmin2"
MAY_CHANGE = {
    "owner": f"{IN_WORKSPACE} owner wother viewer3 billing",
    "wowner": IN_WORKSPACE,
    "wadmin": IN_WORKSPACE,
    "team": IN_WORKSPACE,
    "dadmin": HERE,
    "oper": "",
    "member": "",
    "custom": "",
    "viewer": "",
    "wother": "",
    "dadmin2": "",
    "billing": "",
    "nobody": "",
}
EVERYBODY = MAY_CHANGE["owner"].split()
NOT_YOURS = "You may not change accounts: that is for Owners and Admins."


@pytest.fixture(scope="module")
def engine() -> Engine:
    return engine_of(POLICY)


@pytest.fixture(autouse=True)
def _installed() -> None:
    account_guard.install()


@pytest.fixture
def change(metadata_database: Any) -> Callable[..., str]:
    """A function that changes an account in a request, and returns why that was refused, '' when it was not."""

    def change(actor: AstroIdentity | None, account_id: int, signing_in: bool = False, **values: Any) -> str:
        with serving(facts_of("POST /users/edit")) as facts, Session(metadata_database) as session:
            facts.actor, facts.signing_in = actor, signing_in
            account = session.get(User, account_id)
            for name, value in values.items():
                setattr(account, name, value)
            return flush(session)

    return change


def flush(session: Session) -> str:
    try:
        session.commit()
    except AccountChangeRefused as refusal:
        return str(refusal)
    return ""


def email_of(name: str) -> str:
    return f"{name}@example.com"


@pytest.mark.parametrize("actor", MAY_CHANGE)
def test_who_may_change_whose_account(engine: Engine, actor: str) -> None:
    """An account may be changed by who may give every role that its person holds, and by nobody else."""
    allowed = {name for name in EVERYBODY if not account_guard.refusal(engine, person(engine, actor), {email_of(name)})}
    assert allowed == set(MAY_CHANGE[actor].split())


@pytest.mark.parametrize("column", ["email", "username", "password", "active"])
@pytest.mark.parametrize("actor", ["wowner", "dadmin", "member"])
def test_what_is_guarded(engine: Engine, accounts: Any, change: Callable[..., str], actor: str, column: str) -> None:
    """E-mail, user name, password and the active flag are guarded, whoever's they are."""
    values = {"email": "new@example.com", "username": "new", "password": "new", "active": False}
    for name in ("owner", "member", "nobody"):
        account = accounts(name, email_of(name))
        refused = bool(change(person(engine, actor, account_id=99), account, **{column: values[column]}))
        assert refused is (name not in MAY_CHANGE[actor].split())
        if not refused:
            change(person(engine, "owner"), account, username=f"{name}-old", email=f"old-{name}@example.com")


def test_what_is_not_guarded(engine: Engine, accounts: Any, change: Callable[..., str]) -> None:
    """Names of a person, counts of sign-ins and values that stay the same are nobody's business."""
    account = accounts("owner", email_of("owner"))
    member = person(engine, "member")
    assert change(member, account, first_name="New", last_name="Name", login_count=3) == ""
    assert change(member, account, email=email_of("owner"), active=True) == ""


@pytest.mark.parametrize(
    ("old", "new", "allowed"),
    [
        ("nobody", "plain", True),
        ("nobody", "member", True),
        ("nobody", "owner", False),
        ("owner", "nobody", False),
        ("nobody", "OWNER", False),
        ("wother", "nobody", False),
        ("viewer", "viewer3", False),
    ],
)
def test_both_emails_count(
    engine: Engine, accounts: Any, change: Callable[..., str], old: str, new: str, allowed: bool
) -> None:
    """The roles of the e-mail before and of the one after a change have both to be the actor's to give."""
    account = accounts("someone", email_of(old))
    assert (change(person(engine, "wowner"), account, email=email_of(new)) == "") is allowed


def test_email_that_sqlalchemy_has_not_loaded(engine: Engine, accounts: Any, metadata_database: Any) -> None:
    """The old e-mail is read from the row, also when the object in memory has forgotten it."""
    account_id = accounts("someone", email_of("owner"))
    with serving(facts_of("POST /users/edit")) as facts, Session(metadata_database) as session:
        facts.actor = person(engine, "wowner")
        account = session.get(User, account_id)
        assert account is not None
        session.expire(account)
        account.email = email_of("nobody")
        assert "owner@example.com, who holds roles that you may not give: `ORGANIZATION_OWNER`" in flush(session)


@pytest.mark.parametrize(
    ("actor", "email", "said"),
    [
        ("owner", "owner", ""),
        ("wowner", "member", ""),
        ("wowner", "nobody", ""),
        (
            "wowner",
            "Owner",
            "You may not change the account of Owner@example.com, who holds roles that you may not give: `ORGANIZATION_OWNER`.",
        ),
        (
            "dadmin",
            "team",
            "You may not change the account of team@example.com, who holds roles that you may not give: `WORKSPACE_OWNER`.",
        ),
        ("member", "nobody", NOT_YOURS),
    ],
)
def test_new_accounts(engine: Engine, accounts: Any, metadata_database: Any, actor: str, email: str, said: str) -> None:
    """A new account is its person from the start, so creating it needs as much as changing it."""
    with serving(facts_of("POST /users/add")) as facts, Session(metadata_database) as session:
        facts.actor = person(engine, actor)
        session.add(User(username="new", first_name="F", last_name="L", email=email_of(email), password="x"))
        assert flush(session) == said


@pytest.mark.parametrize(("actor", "allowed"), [("owner", True), ("wowner", False), ("member", False)])
def test_deleted_accounts(engine: Engine, accounts: Any, metadata_database: Any, actor: str, allowed: bool) -> None:
    """Deleting an account needs as much as changing it."""
    account_id = accounts("someone", email_of("owner"))
    with serving(facts_of("POST /users/delete")) as facts, Session(metadata_database) as session:
        facts.actor = person(engine, actor)
        session.delete(session.get(User, account_id))
        assert (flush(session) == "") is allowed
    with Session(metadata_database) as session:
        assert (session.get(User, account_id) is None) is allowed


def test_own_password(engine: Engine, accounts: Any, change: Callable[..., str]) -> None:
    """Everybody may change the own password, and nothing else of the own account with it."""
    own, other = accounts("member", email_of("member")), accounts("viewer", email_of("viewer"))
    member = person(engine, "member", account_id=own)
    assert change(member, own, password="new") == ""
    assert change(member, own, password="newer", first_name="Me") == ""
    assert change(member, other, password="new") == NOT_YOURS
    assert change(member, own, password="again", email="owner@example.com") == NOT_YOURS
    assert change(member, own, active=False) == NOT_YOURS
    assert change(member, own, email="owner@example.com") == NOT_YOURS


def test_twins_may_change_nothing(engine: Engine, accounts: Any, change: Callable[..., str]) -> None:
    """Somebody who holds nothing for having two accounts may still change the own password, and nothing else."""
    own = accounts("owner", email_of("owner"))
    twin = AstroIdentity(id=own, username="owner", email=email_of("owner"), subject="", engine=engine)
    assert change(twin, own, password="new") == ""
    assert change(twin, own, email="free@example.com") == NOT_YOURS


def test_outside_of_a_request(engine: Engine, accounts: Any, metadata_database: Any) -> None:
    """Whoever has a shell on the server needs no account, so commands are not guarded."""
    account_id = accounts("someone", email_of("owner"))
    with Session(metadata_database) as session:
        account = session.get(User, account_id)
        assert account is not None
        account.email = email_of("nobody")
        assert flush(session) == ""
        session.delete(account)
        assert flush(session) == ""


def test_while_signing_in(engine: Engine, accounts: Any, change: Callable[..., str]) -> None:
    """What an identity provider says of its people is taken over, whoever they are."""
    account = accounts("someone", email_of("nobody"))
    assert change(None, account, signing_in=True, email=email_of("owner"), active=True) == ""


def test_nobody_signed_in(
    engine: Engine, accounts: Any, change: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has not signed in, as in self-registration, may only touch accounts of people who hold nothing."""
    manager = SimpleNamespace(policy_store=SimpleNamespace(engine=lambda: engine))
    monkeypatch.setattr(account_guard, "get_auth_manager", lambda: manager)
    account = accounts("someone", email_of("nobody"))
    assert change(None, account, email=email_of("plain")) == ""
    assert "`WORKSPACE_MEMBER`" in change(None, account, email=email_of("member"))


def test_refusals_are_logged(
    engine: Engine, accounts: Any, change: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    """A refused change of an account is a line in the log: whose, by whom, and why."""
    account = accounts("someone", email_of("owner"))
    said = change(person(engine, "wowner"), account, password="mine")
    assert f"Refused a change of the account {account} by <AstroIdentity 7 wowner@example.com>: {said}" in caplog.text
    assert "mine" not in caplog.text


def test_installed_once() -> None:
    """Guarding twice guards once."""
    account_guard.install()
    account_guard.install()
    for name, listener in (
        ("before_insert", account_guard._on_insert),
        ("before_update", account_guard._on_update),
        ("before_delete", account_guard._on_delete),
    ):
        assert event.contains(User, name, listener)
        assert list(getattr(User.__mapper__.dispatch, name)).count(listener) <= 1


# -- what a request to FAB's users API asks for --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("actor", "username", "body", "allowed"),
    [
        ("wowner", None, {"email": "nobody@example.com"}, True),
        ("wowner", None, {"email": "owner@example.com"}, False),
        ("wowner", "boss", {}, False),
        ("wowner", "BOSS", {"email": "nobody@example.com"}, False),
        ("wowner", "worker", {"email": "nobody@example.com"}, True),
        ("wowner", "worker", {"email": "owner@example.com"}, False),
        ("owner", "boss", {"email": "nobody@example.com"}, True),
        ("wowner", "no such name", None, True),
        ("member", "worker", {}, False),
        ("member", None, {"email": ["owner@example.com"]}, False),
        ("owner", None, {"username": "token ci", "email": "nobody@example.com"}, False),
    ],
)
def test_routes_of_the_users_api(
    engine: Engine, accounts: Any, actor: str, username: str | None, body: Any, allowed: bool
) -> None:
    """The account of the path and the e-mail of the body have both to be the actor's to change."""
    accounts("boss", email_of("owner"))
    accounts("worker", email_of("member"))
    path = {} if username is None else {"username": username}
    with serving(facts_of("PATCH /auth/fab/v1/users/{username}", path=path, body=body)):
        assert (account_guard.refusal_of_route(person(engine, actor)) == "") is allowed


def test_groups_of_the_account(engine: Engine, accounts: Any, change: Callable[..., str]) -> None:
    """Who would be an Owner through the groups of the last sign-in has an Owner's account, whatever its e-mail is now."""
    account = accounts("bo", email_of("nobody"))
    sign_ins.keep(account, email_of("nobody"), ["chiefs"])
    for values in ({"password": "new"}, {"email": email_of("plain")}, {"active": False}):
        assert "`ORGANIZATION_OWNER`" in change(person(engine, "wowner"), account, **values)
    assert change(person(engine, "owner"), account, email=email_of("plain")) == ""
    assert "`ORGANIZATION_OWNER`" in change(person(engine, "wowner"), account, password="new")


def test_groups_of_the_account_at_the_route(engine: Engine, accounts: Any) -> None:
    """FAB's users API is asked about the groups of the account, too."""
    account = accounts("bo", email_of("nobody"))
    facts = facts_of("PATCH /auth/fab/v1/users/{username}", path={"username": "Bo"}, body={"password": "x"})
    with serving(facts):
        assert account_guard.refusal_of_route(person(engine, "wowner")) == ""
        sign_ins.keep(account, email_of("nobody"), ["chiefs"])
        assert "`ORGANIZATION_OWNER`" in account_guard.refusal_of_route(person(engine, "wowner"))


def test_groups_of_the_actor(engine: Engine) -> None:
    """Who is an Owner through a group may change what an Owner may."""
    chief = person(engine, "nobody")
    assert account_guard.refusal(engine, chief, {email_of("owner")}) == NOT_YOURS
    chief.groups = frozenset(["chiefs"])
    assert account_guard.refusal(engine, chief, {email_of("owner")}) == ""


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        ({"password": "new"}, True),
        ({"active": False}, True),
        ({"first_name": "New"}, False),
        ({"email": "n@b.c"}, False),
    ],
)
def test_what_ends(
    engine: Engine, accounts: Any, change: Callable[..., str], values: dict[str, Any], ends: bool
) -> None:
    """A new password, or being switched off, ends what the account was given before; nothing else does."""
    account = accounts("bo", email_of("nobody"))
    assert sign_ins.not_before(account) == 0
    assert change(person(engine, "owner"), account, **values) == ""
    assert (sign_ins.not_before(account) > 0) is ends


def test_nothing_is_kept_of_the_deleted(engine: Engine, accounts: Any, metadata_database: Any) -> None:
    """With an account goes what its sign-ins brought."""
    account_id = accounts("bo", email_of("nobody"))
    sign_ins.keep(account_id, email_of("nobody"), ["chiefs"])
    with serving(facts_of("POST /users/delete")) as facts, Session(metadata_database) as session:
        facts.actor = person(engine, "owner")
        session.delete(session.get(User, account_id))
        assert flush(session) == ""
        assert sign_ins.groups_kept(session, account_id) == frozenset()


def test_new_account_is_somebody_else(engine: Engine, metadata_database: Any) -> None:
    """An account that is made outside of a request, too, ends what an earlier one of its number was given."""
    now = int(time.time())
    with Session(metadata_database) as session:
        account = User(username="bo", email="bo@b.c", first_name="B", last_name="O", password="x", active=True)
        session.add(account)
        session.commit()
        assert now <= sign_ins.not_before(account.id) <= int(time.time())
        session.delete(account)
        session.commit()


@pytest.mark.parametrize("name", ["token ci", "Token ci", "token "])
def test_name_of_a_token(name: str, accounts: Any, change: Callable[..., str], engine: Engine) -> None:
    """No account is called as API tokens are in the audit log, whoever wants it so."""
    with pytest.raises(account_guard.AccountChangeRefused, match="No user name may begin with `token `"):
        accounts(name, "bo@b.c")
    account = accounts("tokenizer", email_of("nobody"))
    assert "No user name may begin" in change(person(engine, "owner"), account, username=name)


@pytest.mark.parametrize("active", [True, False])
def test_no_second_account_at_a_sign_in(active: bool, accounts: Any, engine: Engine, metadata_database: Any) -> None:
    """A sign-in makes no account for an e-mail that another one has, in whatever letter case, switched off or not."""
    accounts("bo", "bo@b.c", active=active)
    for email, refusal in (("BO@b.c", "Another account has this e-mail."), ("cy@b.c", "")):
        with serving(facts_of("POST /auth/login/")) as facts, Session(metadata_database) as session:
            facts.signing_in = True
            names = {"username": email, "first_name": "B", "last_name": "O", "password": "x"}
            session.add(User(email=email, active=True, **names))
            assert flush(session) == refusal
