"""Accounts cannot be used to climb: who may create, change and delete FAB's accounts, on real rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.fab.auth_manager.models import User
from flask_appbuilder.const import AUTH_LDAP, AUTH_OAUTH, AUTH_REMOTE_USER
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from astro_auth_plugin.accounts import account_guard, sign_ins
from astro_auth_plugin.accounts.account_guard import AccountChangeRefused
from astro_auth_plugin.accounts.last_owner import LAST_OWNER
from astro_auth_plugin.authorization.access_request import AccessRequest
from astro_auth_plugin.authorization.authorizer import authorize
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.runtime.identity import AstroIdentity
from tests.in_request import engine_of, facts_of, person, serving
from tests.process_state import start_with

POLICY = """\
roles:
  - {name: everything, scope: DEPLOYMENT, permissions: [deployment.airflow.dag.get, deployment.update]}
teams:
  - {name: lifted, members: [team@example.com], workspace_roles: [{workspace_id: ws, role: WORKSPACE_OWNER}]}
  - {name: chiefs, idp_groups: [chiefs], organization_role: ORGANIZATION_OWNER}
users:
  - {email: owner@example.com, organization_role: ORGANIZATION_OWNER}
  - {email: boss@example.com, organization_role: ORGANIZATION_OWNER}
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
IN_WORKSPACE = "nobody plain viewer custom dadmin member oper wowner wadmin team viewer2 dadmin2"
MAY_CHANGE = {
    "owner": f"{IN_WORKSPACE} owner wother viewer3 billing",
    "wowner": IN_WORKSPACE,
    "wadmin": IN_WORKSPACE,
    "team": IN_WORKSPACE,
    "dadmin": "",
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
NOT_YOURS = "You may not see or change accounts: that is for Workspace Owners and Organization Owners."
NAMES = {"first_name": "F", "last_name": "L", "password": "x"}


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
        with serving(facts_of("POST /users/edit")) as context, Session(metadata_database) as session:
            context.actor, context.signing_in = actor, signing_in
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


@pytest.mark.parametrize("column", ["email", "username", "password", "active", "first_name", "last_name"])
@pytest.mark.parametrize("actor", ["wowner", "dadmin", "member"])
def test_what_is_guarded(engine: Engine, accounts: Any, change: Callable[..., str], actor: str, column: str) -> None:
    """E-mail, user name, password, the active flag and names are guarded, whoever's they are."""
    values: dict[str, Any] = {"email": "new@example.com", "active": False}
    for name in ("owner", "member", "nobody"):
        account = accounts(name, email_of(name))
        refused = bool(change(person(engine, actor, account_id=99), account, **{column: values.get(column, "new")}))
        assert refused is (name not in MAY_CHANGE[actor].split())
        if not refused:
            change(person(engine, "owner"), account, username=f"{name}-old", email=f"old-{name}@example.com")


def test_what_is_not_guarded(engine: Engine, accounts: Any, change: Callable[..., str]) -> None:
    """Counts of sign-ins and values that stay the same need no permission."""
    account = accounts("owner", email_of("owner"))
    member = person(engine, "member")
    assert change(member, account, login_count=3) == ""
    assert change(member, account, email=email_of("owner"), active=True, first_name="F") == ""


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
    with serving(facts_of("POST /users/edit")) as context, Session(metadata_database) as session:
        context.actor = person(engine, "wowner")
        account = session.get(User, account_id)
        assert account is not None
        session.expire(account)
        account.email = email_of("nobody")
        assert "owner@example.com, who has roles that you may not grant: `ORGANIZATION_OWNER`" in flush(session)


@pytest.mark.parametrize(
    ("actor", "email", "said"),
    [
        ("owner", "owner", ""),
        ("wowner", "member", ""),
        ("wowner", "nobody", ""),
        (
            "wowner",
            "Owner",
            "You may not change the account of Owner@example.com, who has roles that you may not grant: `ORGANIZATION_OWNER`.",
        ),
        ("dadmin", "nobody", NOT_YOURS),
        ("member", "nobody", NOT_YOURS),
    ],
)
def test_new_accounts(engine: Engine, accounts: Any, metadata_database: Any, actor: str, email: str, said: str) -> None:
    """A new account is its person from the start, so creating it needs as much as changing it."""
    with serving(facts_of("POST /users/add")) as context, Session(metadata_database) as session:
        context.actor = person(engine, actor)
        session.add(User(username="new", first_name="F", last_name="L", email=email_of(email), password="x"))
        assert flush(session) == said


@pytest.mark.parametrize(("actor", "allowed"), [("owner", True), ("wowner", False), ("member", False)])
def test_deleted_accounts(engine: Engine, accounts: Any, metadata_database: Any, actor: str, allowed: bool) -> None:
    """Deleting an account needs as much as changing it."""
    account_id = accounts("someone", email_of("owner"))
    accounts("boss", "boss@example.com")
    with serving(facts_of("POST /users/delete")) as context, Session(metadata_database) as session:
        context.actor = person(engine, actor)
        session.delete(session.get(User, account_id))
        assert (flush(session) == "") is allowed
    with Session(metadata_database) as session:
        assert (session.get(User, account_id) is None) is allowed


@pytest.mark.parametrize(
    ("others", "allowed"),
    [
        ((), False),
        (({"email": "boss@example.com"},), True),
        (({"email": "boss@example.com", "active": False},), False),
        (({"email": "boss@example.com"}, {"email": "Boss@example.com"}), False),
        (({"email": "chief@example.com"},), False),
    ],
    ids=["alone", "another", "inactive", "duplicates", "no owner"],
)
@pytest.mark.parametrize("way", ["delete", "deactivate", "another e-mail"])
def test_last_owner(
    engine: Engine, accounts: Any, metadata_database: Any, way: str, others: tuple[Any, ...], allowed: bool
) -> None:
    """The last active account of an Organization Owner stays, whatever is done to it and whoever does it."""
    account_id = accounts("owner", "owner@example.com")
    for number, other in enumerate(others):
        accounts(f"other{number}", **other)
    with serving(facts_of("POST /users/edit")) as context, Session(metadata_database) as session:
        context.actor = person(engine, "owner")
        account = session.get(User, account_id)
        if way == "delete":
            session.delete(account)
        elif way == "deactivate":
            account.active = False
        else:
            account.email = "owner@example.org"
        said = flush(session)
    assert said == ("" if allowed else LAST_OWNER)


def test_what_the_last_owner_may_do(engine: Engine, accounts: Any, change: Callable[..., str]) -> None:
    """Other changes of that account are allowed, and it may be taken away where it gives no access."""
    only = accounts("owner", "owner@example.com")
    owner = person(engine, "owner", account_id=only)
    assert change(owner, only, first_name="New", email="Owner@example.com") == ""
    twin = accounts("twin", "owner@example.com")
    assert change(owner, twin, active=False) == ""
    assert change(owner, only, active=False) == LAST_OWNER


def test_own_password(engine: Engine, accounts: Any, change: Callable[..., str]) -> None:
    """Everybody may change the own password, and nothing else of the own account with it."""
    own, other = accounts("member", email_of("member")), accounts("viewer", email_of("viewer"))
    member = person(engine, "member", account_id=own)
    assert change(member, own, password="new") == ""
    assert change(member, own, password="newer", first_name="Me") == NOT_YOURS
    assert change(member, own, last_name="Me") == NOT_YOURS
    assert change(member, other, password="new") == NOT_YOURS
    assert change(member, own, password="again", email="owner@example.com") == NOT_YOURS
    assert change(member, own, active=False) == NOT_YOURS
    assert change(member, own, email="owner@example.com") == NOT_YOURS


@pytest.mark.parametrize("auth_type", [AUTH_LDAP, AUTH_OAUTH, AUTH_REMOTE_USER])
def test_own_password_past_a_provider(
    auth_type: int, engine: Engine, accounts: Any, change: Callable[..., str]
) -> None:
    """Where users sign in otherwise, users cannot set their own password; those who may change accounts still can."""
    start_with(
        policy_store=SimpleNamespace(engine=lambda: engine),
        fab_app=SimpleNamespace(config={"AUTH_TYPE": auth_type}),
    )
    own, owners = accounts("member", email_of("member")), accounts("owner", email_of("owner"))
    member, owner = person(engine, "member", account_id=own), person(engine, "owner", account_id=owners)
    assert change(member, own, password="new") == NOT_YOURS
    assert change(owner, own, password="new") == ""
    assert change(owner, owners, password="new") == ""
    ask = AccessRequest("GET", "custom_view", "My Password")
    assert not authorize(member, ask).allowed
    assert authorize(member, ask._replace(entity="My Profile")).allowed


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


def test_nobody_signed_in(engine: Engine, accounts: Any, change: Callable[..., str]) -> None:
    """Who has not signed in, as in self-registration, may only touch accounts of people who hold nothing."""
    start_with(policy_store=SimpleNamespace(engine=lambda: engine))
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


def test_email_is_noted(accounts: Any, metadata_database: Any) -> None:
    """The digest of an e-mail is written with each change of an account through FAB, and goes with the account."""

    def noted(account_id: int) -> str | None:
        with metadata_database.connect() as connection:
            column = select(sign_ins.SIGN_INS.c.email_digest).where(sign_ins.SIGN_INS.c.account_id == account_id)
            return connection.scalar(column)

    with Session(metadata_database) as session:
        session.add(account := User(username="new", email="New@example.com", **NAMES))
        session.commit()
        account_id = account.id
        assert noted(account_id) == sign_ins.digest_of("new@EXAMPLE.com")
        account.email = "other@example.com"
        session.commit()
        assert noted(account_id) == sign_ins.digest_of("other@example.com")
        session.delete(account)
        session.commit()
    assert noted(account_id) is None


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
    accounts("second", "boss@example.com")
    accounts("worker", email_of("member"))
    path = {} if username is None else {"username": username}
    with serving(facts_of("PATCH /auth/fab/v1/users/{username}", path=path, body=body)):
        assert (account_guard.refusal_of_route(person(engine, actor)) == "") is allowed


@pytest.mark.parametrize(
    ("method", "body", "said"),
    [
        ("DELETE", None, LAST_OWNER),
        ("PATCH", {"email": "nobody@example.com"}, LAST_OWNER),
        ("PATCH", {"email": "Owner@example.com"}, ""),
        ("PATCH", {"first_name": "New"}, ""),
    ],
)
def test_last_owner_at_the_users_api(engine: Engine, accounts: Any, method: str, body: Any, said: str) -> None:
    """The API denies the same before it begins, and with another Owner it denies nothing."""
    accounts("boss", email_of("owner"))
    request = facts_of(f"{method} /auth/fab/v1/users/{{username}}", path={"username": "boss"}, body=body)
    with serving(request):
        assert account_guard.refusal_of_route(person(engine, "owner")) == said
    accounts("second", "boss@example.com")
    with serving(request):
        assert account_guard.refusal_of_route(person(engine, "owner")) == ""


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
    context = facts_of("PATCH /auth/fab/v1/users/{username}", path={"username": "Bo"}, body={"password": "x"})
    with serving(context):
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
        ({"email": "n@b.c"}, True),
    ],
)
def test_what_ends(
    engine: Engine, accounts: Any, change: Callable[..., str], values: dict[str, Any], ends: bool
) -> None:
    """A new password or e-mail, or being switched off, ends what the account was given before; nothing else does."""
    account = accounts("bo", email_of("nobody"))
    assert sign_ins.tokens_valid_after(account) == 0
    assert change(person(engine, "owner"), account, **values) == ""
    assert (sign_ins.tokens_valid_after(account) > 0) is ends


def test_nothing_is_kept_of_the_deleted(engine: Engine, accounts: Any, metadata_database: Any) -> None:
    """With an account goes what its sign-ins brought."""
    account_id = accounts("bo", email_of("nobody"))
    sign_ins.keep(account_id, email_of("nobody"), ["chiefs"])
    with serving(facts_of("POST /users/delete")) as context, Session(metadata_database) as session:
        context.actor = person(engine, "owner")
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
        assert now <= sign_ins.tokens_valid_after(account.id) <= int(time.time())
        session.delete(account)
        session.commit()


@pytest.mark.parametrize(
    "name",
    [
        *(
            "token ci",
            "Token ci",
            "token ",
            " token ci",
            "token\tci",
            "token\u00a0ci",
            "token\u200b ci",
            "token\u2028ci",
        ),
        *("\u200btoken ci", "to\u00adken  ci", "\uff34oken ci", "token\u3000ci", "to\u034fken\u2800ci"),
    ],
)
def test_name_of_a_token(
    name: str, accounts: Any, change: Callable[..., str], engine: Engine, metadata_database: Any
) -> None:
    """No account is called as API tokens are in the audit log, whoever wants it so."""
    with Session(metadata_database) as session:
        session.add(User(username=name, email="bo@b.c", **NAMES))
        assert flush(session).startswith("No user name may begin with `token `")
    account = accounts("tokenizer", email_of("nobody"))
    assert "No user name may begin" in change(person(engine, "owner"), account, username=name)


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        *((valid, True) for valid in ("tokenizer", "token", "x" * 250, "ünï cøde", "bo@b.c")),
        *((invalid, False) for invalid in ("x" * 251, "bo\u200b", "bo\tx", "bo\u202egnp", "bo\u00a0x", "bo\x00")),
    ],
)
def test_valid_names(name: str, valid: bool, accounts: Any, change: Callable[..., str], engine: Engine) -> None:
    """User names are printable and of a sane length; others are refused in words, also at the route of FAB's API."""
    said = "" if valid else "A user name must have 250 characters at most, all of them printable."
    account = accounts("bo", email_of("nobody"))
    assert change(person(engine, "owner"), account, username=name).startswith(said)
    with serving(facts_of("POST /auth/fab/v1/users", body={"username": name})):
        assert bool(account_guard.refusal_of_route(person(engine, "owner"))) is not valid


@pytest.mark.parametrize("active", [True, False])
def test_no_second_account_at_a_sign_in(active: bool, accounts: Any, engine: Engine, metadata_database: Any) -> None:
    """A sign-in makes no account for an e-mail that another one has, in whatever letter case, switched off or not."""
    accounts("bo", "bo@b.c", active=active)
    for email, refusal in (("BO@b.c", "Another account has this e-mail."), ("cy@b.c", "")):
        with serving(facts_of("POST /auth/login/")) as context, Session(metadata_database) as session:
            context.signing_in = True
            names = {"username": email, "first_name": "B", "last_name": "O", "password": "x"}
            session.add(User(email=email, active=True, **names))
            assert flush(session) == refusal


# -- one person, one active account --------------------------------------------------------------------------------

PERSON = "the same e-mail as"


@pytest.mark.parametrize("in_request", [True, False])
@pytest.mark.parametrize("email", ["OWNER@example.com", "jose\u0301@example.com"])
def test_no_second_active_account(
    email: str, in_request: bool, engine: Engine, accounts: Any, metadata_database: Any
) -> None:
    """Not even an Organization Owner, or a command, creates a second active account of a person."""
    accounts("first", "owner@example.com")
    accounts("second", "JOS\u00c9@example.com")
    with ExitStack() as stack:
        if in_request:
            stack.enter_context(serving(facts_of("POST /users/add"))).actor = person(engine, "owner")
        for active, refused in ((True, True), (None, True), (False, False)):
            with Session(metadata_database) as session:
                session.add(User(username="new", email=email, active=active, **NAMES))
                assert (PERSON in flush(session)) is refused


def test_no_second_active_account_by_a_change(engine: Engine, accounts: Any, change: Callable[..., str]) -> None:
    """A new e-mail or activation makes no second active account of a person, at a sign-in neither."""
    accounts("olga", "olga@example.com")
    bo = accounts("bo", "bo@example.com")
    off = accounts("off", "Olga@example.com", active=False)
    owner = person(engine, "owner")
    for signing_in in (False, True):
        assert PERSON in change(owner, bo, email="OLGA@example.com", signing_in=signing_in)
        assert PERSON in change(owner, off, active=True, signing_in=signing_in)
    assert change(owner, bo, email="OLGA@example.com", active=False) == ""
    assert change(owner, bo, email="bo@example.com", active=True) == ""


def test_one_of_two_can_be_mended(
    engine: Engine, accounts: Any, change: Callable[..., str], metadata_database: Any
) -> None:
    """Where a person has two active accounts already, one of them can be given another e-mail, or be disabled."""
    for change_of in ({"email": "other@example.com"}, {"active": False}, {"password": "new"}):
        one, two = accounts("one", "plain@example.com"), accounts("two", "Plain@example.com")
        assert change(person(engine, "owner"), two, **change_of) == ""
        with serving(facts_of("POST /users/delete")) as context, Session(metadata_database) as session:
            context.actor = person(engine, "owner")
            for account_id in (one, two):
                session.delete(session.get(User, account_id))
            assert flush(session) == ""


def test_two_at_once(engine: Engine, accounts: Any, metadata_database: Any) -> None:
    """Of two accounts of a person that are created at the same time, on whichever servers, one is refused."""
    first, said = Event(), []

    def create(username: str, email: str) -> None:
        with Session(metadata_database) as session:
            session.add(User(username=username, email=email, active=True, **NAMES))
            if username == "one":
                session.flush()
                first.set()
                # The other one is inside of its transaction now, and waits for the end of this one.
                waiting.wait(30)
            said.append(flush(session))

    waiting = Event()

    def create_second(*_: Any) -> None:
        waiting.set()

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(create, "one", "bo@example.com")
        assert first.wait(30)
        original = sign_ins.lock_accounts
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sign_ins, "lock_accounts", lambda connection: (create_second(), original(connection)))
            two = pool.submit(create, "two", "BO@example.com")
            two.result(60)
        one.result(60)
    assert sorted(map(bool, said)) == [False, True]


@pytest.mark.parametrize("actor", ["owner", "wowner"])
def test_second_account_at_the_users_api(actor: str, engine: Engine, accounts: Any) -> None:
    """FAB's users API is told about the other account before it writes anything."""
    accounts("boss", "nobody@example.com")
    accounts("off", "off@example.com", active=False)
    taken = {"email": "Nobody@example.com"}
    cases = [(None, taken, True), ("boss", taken, False), ("off", taken, False), (None, {"email": "new@b.c"}, False)]
    accounts("worker", "plain@example.com")
    for username, body, refused in [*cases, ("worker", taken, True)]:
        path = {"username": username} if username else {}
        with serving(facts_of("PATCH /auth/fab/v1/users/{username}", path=path, body=body)):
            assert (PERSON in account_guard.refusal_of_route(person(engine, actor))) is refused


# -- API tokens ----------------------------------------------------------------------------------------------------


def test_tokens_change_no_accounts(engine: Engine, accounts: Any, metadata_database: Any) -> None:
    """An API token creates, changes and deletes no account, whatever it holds, and is told so."""
    account_id = accounts("bo", email_of("nobody"))
    token = person(engine, "owner")
    token.key = "key"
    assert account_guard.refusal(engine, token, {email_of("nobody")}) == account_guard.NO_TOKENS
    with serving(facts_of("POST /users/add")) as context, Session(metadata_database) as session:
        context.actor = person(engine, "owner")
        context.api_token = token
        session.add(User(username="new", email="new@example.com", **NAMES))
        assert flush(session) == account_guard.NO_TOKENS
        session.rollback()
        session.delete(session.get(User, account_id))
        assert flush(session) == account_guard.NO_TOKENS


# -- refusals that FAB would swallow -------------------------------------------------------------------------------


def swallowing(refuse: bool) -> bool:
    """What FAB's security manager does with an exception."""
    try:
        if refuse:
            raise AccountChangeRefused("because")  # noqa: TRY301
    except Exception:  # noqa: BLE001 - as FAB does
        return False
    return True


def test_refusals_are_not_swallowed() -> None:
    """A refusal comes through FAB's security manager: 403 in a request, words and exit code 1 in a command."""
    with pytest.raises(SystemExit, match="because"), account_guard.not_swallowed():
        assert not swallowing(refuse=True)
    with serving(facts_of("PATCH /auth/fab/v1/users/{username}")) as context:
        with pytest.raises(AccountChangeRefused, match="because") as refused, account_guard.not_swallowed():
            assert not swallowing(refuse=True)
        assert refused.value.status_code == 403
        context.signing_in = True
        with account_guard.not_swallowed():
            assert not swallowing(refuse=True)
    with account_guard.not_swallowed():
        assert swallowing(refuse=False)


def test_refusals_behind_other_errors() -> None:
    """A refusal counts also where FAB raises another error of its own instead; errors without a refusal stay."""

    def write(refuse: bool) -> None:
        swallowing(refuse)
        raise ValueError("Error adding new user to database")

    with pytest.raises(SystemExit, match="because"), account_guard.not_swallowed():
        write(refuse=True)
    with pytest.raises(ValueError, match="Error adding"), account_guard.not_swallowed():
        write(refuse=False)
    with serving(facts_of("POST /auth/fab/v1/users")) as context:
        with pytest.raises(AccountChangeRefused, match="because"), account_guard.not_swallowed():
            write(refuse=True)
        context.signing_in = True
        with pytest.raises(ValueError, match="Error adding"), account_guard.not_swallowed():
            write(refuse=True)


# -- the audit log -------------------------------------------------------------------------------------------------


def test_changes_are_noted(engine: Engine, metadata_database: Any, accounts: Any) -> None:
    """A change is noted when it is committed, with the names of what changed and no values; one that is not, is not."""
    with serving(facts_of("POST /users/add")) as context, Session(metadata_database) as session:
        context.actor = person(engine, "owner")
        session.add(User(username="new", email="new@example.com", **NAMES))
        session.flush()
        session.rollback()
        assert context.events == []
        account = User(username="new", email="new@example.com", **NAMES)
        session.add(account)
        session.commit()
        account.password, account.login_count = "hidden", 3
        session.commit()
        account.login_count = 4
        session.commit()
        session.delete(account)
        session.commit()
    assert [event.name for event in context.events] == [
        "astro_auth.account_created",
        "astro_auth.account_changed",
        "astro_auth.account_deleted",
    ]
    assert {event.owner for event in context.events} == {"owner"}
    assert context.events[1].fields["changed"] == ["password"]
    assert "hidden" not in str(context.events)


@pytest.mark.parametrize(
    ("actor", "values", "reason"),
    [
        ("member", {"password": "hidden"}, "not_allowed"),
        ("wowner", {"email": "owner@example.com"}, "roles_beyond"),
        ("owner", {"email": "TAKEN@example.com"}, "second_account"),
        ("owner", {"username": "token ci"}, "name_of_token"),
        ("owner", {"username": "bo\u200b"}, "name_not_valid"),
    ],
)
def test_refused_changes_are_noted(
    actor: str, values: dict[str, str], reason: str, engine: Engine, accounts: Any, metadata_database: Any
) -> None:
    """A refused change is noted once, with who wanted what and a stable reason."""
    accounts("taken", "taken@example.com")
    account_id = accounts("bo", email_of("nobody"))
    with serving(facts_of("POST /users/edit")) as context, Session(metadata_database) as session:
        context.actor = person(engine, actor)
        account = session.get(User, account_id)
        for name, value in values.items():
            setattr(account, name, value)
        assert flush(session)
    (event,) = context.events
    assert (event.name, event.owner) == ("astro_auth.account_change_refused", actor)
    assert (event.fields["account"], event.fields["reason"]) == (account_id, reason)
    assert "hidden" not in str(event)


@pytest.mark.parametrize(("writes", "noted"), [(True, 1), (False, 0)])
def test_refused_requests_are_noted(engine: Engine, writes: bool, noted: int) -> None:
    """A request to FAB's API that is refused before it writes is noted; a page that asks about its menu is not."""
    body = {"email": "owner@example.com", "password": "hidden"}
    with serving(facts_of("POST /auth/fab/v1/users", body=body)) as context:
        for _ in range(2):
            assert account_guard.refusal_of_request(person(engine, "wowner"), writes=writes)
    assert [event.fields["changed"] for event in context.events] == [["email", "password"]] * noted
    assert "hidden" not in str(context.events)


@pytest.mark.parametrize(("seconds", "ends"), [(0.5, 1002), (5.0, 1007)])
@pytest.mark.parametrize("is_committed", [True, False])
def test_a_commit_that_is_slow_to_come(
    seconds: float,
    ends: int,
    is_committed: bool,
    accounts: Any,
    metadata_database: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Until a new password is committed, sign-ins read the old one: what they were given meanwhile ends with the commit."""
    clock = SimpleNamespace(time=lambda: 1000.5, monotonic=lambda: 50.0)
    monkeypatch.setattr(sign_ins, "time", clock)
    ana = accounts("ana", "ana@example.com")
    with Session(metadata_database) as session:
        session.get_one(User, ana).password = "new"
        session.flush()
        clock.time, clock.monotonic = (lambda: 1000.5 + seconds), (lambda: 50.0 + seconds)
        if is_committed:
            session.commit()
        else:
            session.rollback()
            # What was rolled back is not ended by what the session does next.
            session.get_one(User, ana).first_name = "A"
            session.commit()
    assert sign_ins.tokens_valid_after(ana) == (ends if is_committed else 0)
