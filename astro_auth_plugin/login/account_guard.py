"""Accounts cannot be used to climb.

Whoever sets the e-mail, user name, password or active flag of an account can act as its person. FAB changes accounts
on several pages and routes, so the rule is kept where all of them end: where SQLAlchemy writes the row. Only requests
are guarded; whoever has a shell on the server needs no account.
"""

from __future__ import annotations

import logging
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.providers.fab.auth_manager.models import User
from airflow.utils.session import create_session
from sqlalchemy import event, func, inspect, select
from sqlalchemy.engine import Connection

from astro_auth_plugin.airflow_bridge import sign_ins
from astro_auth_plugin.airflow_bridge.identity import NAME_PREFIX, AstroIdentity
from astro_auth_plugin.airflow_bridge.request import RequestFacts, current_request
from astro_auth_plugin.login.accounts import known_by
from astro_auth_plugin.rbac import delegation
from astro_auth_plugin.rbac.engine import Engine

log = logging.getLogger(__name__)

_GUARDED = ("email", "username", "password", "active")
_NAME_OF_TOKEN = f"No user name may begin with `{NAME_PREFIX}`: so API tokens are called in the audit log."


class AccountChangeRefused(Exception):
    """A change of an account that the actor may not make; the message says why, for the actor."""


def install() -> None:
    """Guard FAB's accounts in this process, from now on, and end what a change of them ends. Twice does it once."""
    for name, listener in (
        ("before_insert", _on_insert),
        ("after_insert", _after_insert),
        ("before_update", _on_update),
        ("before_delete", _on_delete),
    ):
        if not event.contains(User, name, listener):
            event.listen(User, name, listener)


def refusal(
    engine: Engine, actor: AstroIdentity | None, emails: set[str], account_groups: frozenset[str] = frozenset()
) -> str:
    """Say why somebody may not change an account; '' when it is allowed.

    Args:
        engine: the policy.
        actor: who changes it; None for nobody, who may only touch accounts of people who hold nothing.
        emails: the e-mail of the account, the one before and the one after the change.
        account_groups: the groups that the account's last sign-in brought.
    """
    subject, groups = (actor.subject, actor.groups) if actor else ("", frozenset[str]())
    if actor and not delegation.may_change_accounts(engine, subject, groups):
        return "You may not change accounts: that is for Owners and Admins."
    for email in sorted(emails):
        beyond = delegation.roles_beyond(engine, subject, email, groups=groups, account_groups=account_groups)
        if beyond:
            roles = ", ".join(sorted({f"`{given.role}`" for given in beyond}))
            return f"You may not change the account of {email}, who holds roles that you may not give: {roles}."
    return ""


def refusal_of_route(identity: AstroIdentity) -> str:
    """Say why the person may not make the change that a request to FAB's users API asks for; '' when it may.

    The guard on the rows would stop it too, but there FAB makes a server error of it.
    """
    facts = current_request()
    name = facts.body_field("username") if facts else None
    if isinstance(name, str) and _is_name_of_token(name):
        return _NAME_OF_TOKEN
    email = facts.body_field("email") if facts else None
    emails = {email} if isinstance(email, str) else set()
    username = facts.scope.get("path_params", {}).get("username") if facts else None
    groups = frozenset[str]()
    if username:
        named = select(User.id, User.email).where(func.lower(User.username) == username.lower())
        with create_session(scoped=False) as session:
            for account_id, email in session.execute(named).all():
                emails.add(email)
                groups |= sign_ins.groups_kept(session, account_id)
    return refusal(identity.engine, identity, emails, groups)


def ask_before_insert(account: User) -> None:
    """Raise AccountChangeRefused if the actor may not create the account."""
    _guard(account, set(_GUARDED), None)


def ask_before_delete(account: User, connection: Connection) -> None:
    """Raise AccountChangeRefused if the actor may not delete the account."""
    _guard(account, set(_GUARDED), connection)


def _on_insert(_mapper: Any, connection: Connection, account: User) -> None:
    _refuse_name_of_token(account)
    _refuse_second_account(account, connection)
    ask_before_insert(account)


def _after_insert(_mapper: Any, connection: Connection, account: User) -> None:
    sign_ins.begin(connection, account.id)


def _on_update(_mapper: Any, connection: Connection, account: User) -> None:
    state: Any = inspect(account)
    changed = {name for name in _GUARDED if state.attrs[name].history.has_changes()}
    if "username" in changed:
        _refuse_name_of_token(account)
    _guard(account, changed, connection)
    if changed & {"password", "active"}:
        sign_ins.end_all(connection, account.id)


def _on_delete(_mapper: Any, connection: Connection, account: User) -> None:
    ask_before_delete(account, connection)
    sign_ins.forget(connection, account.id)


def _refuse_second_account(account: User, connection: Connection) -> None:
    """Let no sign-in make a second account of a person, who may be switched off, and would hold nothing with two."""
    facts = current_request()
    if facts is not None and facts.signing_in and known_by(account.email, connection):
        log.warning("Refused to make an account at a sign-in: another account has the e-mail %s", account.email)
        raise AccountChangeRefused("Another account has this e-mail.")


def _refuse_name_of_token(account: User) -> None:
    if _is_name_of_token(account.username):
        raise AccountChangeRefused(_NAME_OF_TOKEN)


def _is_name_of_token(name: str) -> bool:
    return name.lower().startswith(NAME_PREFIX)


def _guard(account: User, changed: set[str], connection: Connection | None) -> None:
    facts = current_request()
    if facts is None or facts.signing_in or not changed or _is_own_password(facts, account, changed):
        return
    emails, groups = {account.email}, frozenset[str]()
    if connection is not None:
        # Read, not taken from the object: SQLAlchemy does not know the old value of what it had not loaded.
        emails |= set(connection.scalars(select(User.email).where(User.id == account.id)))
        groups = sign_ins.groups_kept(connection, account.id)
    text = _refusal_in(facts, emails, groups)
    if text:
        log.warning("Refused a change of the account %s by %s: %s", account.id, facts.actor, text)
        raise AccountChangeRefused(text)


def _is_own_password(facts: RequestFacts, account: User, changed: set[str]) -> bool:
    return facts.actor is not None and facts.actor.id == account.id and changed == {"password"}


def _refusal_in(facts: RequestFacts, emails: set[str], groups: frozenset[str]) -> str:
    if facts.actor:
        return refusal(facts.actor.engine, facts.actor, emails, groups)
    manager: Any = get_auth_manager()
    return refusal(manager.policy_store.engine(), None, emails, groups)
