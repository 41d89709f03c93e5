"""Accounts cannot be used to climb.

Anyone who sets the e-mail, user name, password or active flag of an account can act as its person. FAB changes accounts
on several pages and routes, so the rule is kept where all of them end: where SQLAlchemy writes the row. Who may change
what is checked in requests only: anyone who has a shell on the server needs no account. That a person has one active
account at most is kept for commands, too.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from airflow import settings
from airflow.providers.fab.auth_manager.models import User
from airflow.utils.session import create_session
from fastapi import HTTPException, status
from flask_appbuilder.const import AUTH_DB
from sqlalchemy import event, inspect
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session, object_session

from astro_auth_plugin.accounts import account_events, accounts, identities, sign_ins
from astro_auth_plugin.accounts.account_events import note_change, note_refusal
from astro_auth_plugin.accounts.account_names import NAME_NOT_VALID, NAME_OF_TOKEN, refusal_of_name
from astro_auth_plugin.accounts.last_owner import LAST_OWNER, loses_last_owner
from astro_auth_plugin.accounts.sign_in_events import because
from astro_auth_plugin.rbac.engine import delegation
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.subjects import is_same_email
from astro_auth_plugin.runtime import audit_log, state
from astro_auth_plugin.runtime.identity import AstroIdentity
from astro_auth_plugin.runtime.request_context import RequestContext, current_request

log = logging.getLogger(__name__)

_HARMLESS_FAB_ROLES = frozenset({"Public"})
_GUARDED = ("email", "username", "password", "active", "first_name", "last_name")
_MAKES_ACTIVE_PERSON = {"email", "active"}
NOT_ALLOWED = "You may not see or change accounts: that is for Workspace Owners and Organization Owners."
NO_FAB_ROLES = "Roles, groups and permissions of FAB are not used: access comes from the policy."
NO_OWN_PASSWORD = "Users of this Airflow do not sign in with passwords."  # noqa: S105 - says why
NO_TOKENS = "API tokens cannot create, change or delete accounts: sign in as a user who may."


class AccountChangeRefused(HTTPException):
    """A change of an account that is refused; the message says why, for the actor. FAB's API answers 403 with it."""

    def __init__(self, message: str) -> None:
        super().__init__(status.HTTP_403_FORBIDDEN, message)
        refusals = _refusals.get()
        if refusals is not None:
            refusals.append(self)

    def __str__(self) -> str:
        """Return the message alone, as FAB's pages show it."""
        return str(self.detail)


_refusals: ContextVar[list[AccountChangeRefused] | None] = ContextVar("astro_auth_account_refusals", default=None)


@contextmanager
def not_swallowed() -> Iterator[None]:
    """Raise a refusal of the block again at its end: FAB's security manager hides it, by False or by another exception.

    A command ends with the message. At a sign-in FAB's own answer is used.
    """
    refusals: list[AccountChangeRefused] = []
    token = _refusals.set(refusals)
    context = current_request()
    try:
        yield
    except Exception:
        if not refusals or (context is not None and context.signing_in):
            raise
    finally:
        _refusals.reset(token)
        if refusals and settings.Session is not None:
            # Airflow 3.1 gives the session, with its failed transaction, to the next request of the thread.
            settings.Session.rollback()
    if refusals and context is None:
        raise SystemExit(str(refusals[-1]))
    if refusals and context is not None and not context.signing_in:
        raise refusals[-1]


def install() -> None:
    """Guard FAB's accounts in this process, from now on, and end what a change of them ends. Twice does it once."""
    for name, listener in (
        ("before_insert", _on_insert),
        ("after_insert", _after_insert),
        ("before_update", _on_update),
        ("before_delete", _on_delete),
        ("after_delete", _after_delete),
    ):
        if not event.contains(User, name, listener):
            event.listen(User, name, listener)
    for name, heard in (
        ("after_commit", account_events.after_commit),
        ("after_commit", sign_ins.end_again),
        ("after_rollback", sign_ins.forget_ends),
        ("after_rollback", account_events.after_rollback),
    ):
        if not event.contains(Session, name, heard):
            event.listen(Session, name, heard)


def refusal(
    engine: Engine, actor: AstroIdentity | None, emails: set[str], account_groups: frozenset[str] = frozenset()
) -> str:
    """Say why a user may not change an account; '' when it is allowed.

    Args:
        engine: the policy.
        actor: who changes it; None for no one, who may only touch accounts of people who have no permissions.
        emails: the e-mail of the account, the one before and the one after the change.
        account_groups: the groups that the account's last sign-in brought.
    """
    if actor and actor.is_token:
        return NO_TOKENS
    subject, groups = (actor.subject, actor.groups) if actor else ("", frozenset[str]())
    if actor and not delegation.may_change_accounts(engine, subject, groups):
        return NOT_ALLOWED
    for email in sorted(emails):
        beyond = delegation.roles_beyond(engine, subject, email, groups=groups, account_groups=account_groups)
        if beyond:
            roles = ", ".join(sorted({f"`{given.role}`" for given in beyond}))
            return f"You may not change the account of {email}, who has roles that you may not grant: {roles}."
    return ""


def refusal_of_request(identity: AstroIdentity, *, writes: bool) -> str:
    """Return `refusal_of_route`, and note the refusal of a request that writes in the audit log."""
    text = refusal_of_route(identity)
    context = current_request()
    if text and writes and context is not None and context.writes and not context.events:
        email = context.body_field("email") or context.scope.get("path_params", {}).get("username") or ""
        changed = [name for name in _GUARDED if context.body_field(name) is not None]
        note_refusal(None, email, changed, _reason_of(text))
    return text


def refusal_of_route(identity: AstroIdentity) -> str:
    """Say why the person may not make the change that a request to FAB's users API makes; '' when it may.

    The guard on the rows would stop it too, but there FAB makes a server error of it.
    """
    context = current_request()
    name = context.body_field("username") if context else None
    refused = refusal_of_name(name) if isinstance(name, str) else ""
    refused = refused or _refusal_of_fab_roles(identity, context)
    if refused:
        return refused
    email = context.body_field("email") if context else None
    emails = {email} if isinstance(email, str) else set()
    username = context.scope.get("path_params", {}).get("username") if context else None
    account_id: int | None = None
    active: bool | None = True
    groups, old_emails = frozenset[str](), set[str]()
    with create_session(scoped=False) as session:
        if username:
            for account_id, old_email, active in accounts.named_alike(username, session):  # noqa: B007 - there is at most one
                old_emails.add(old_email)
                groups |= sign_ins.groups_kept(session, account_id)
        emails |= old_emails
        refused = refusal(identity.engine, identity, emails, groups)
        deletes = context is not None and context.scope["method"] == "DELETE"
        lost = {old for old in old_emails if deletes or (isinstance(email, str) and not is_same_email(old, email))}
        document = identity.engine.policy.document
        if not refused and lost and loses_last_owner(session, document, document, lost):
            return LAST_OWNER
        if refused or not active or not isinstance(email, str):
            return refused
        return _second_account(email, account_id, session)


def _refusal_of_fab_roles(identity: AstroIdentity, context: RequestContext | None) -> str:
    """Say why the person may not give an account FAB's roles: after a way back to FAB they would grant something."""
    roles = context.body_field("roles") if context else None
    names = {str(role.get("name")) for role in roles if isinstance(role, dict)} if isinstance(roles, list) else set()
    owner = "ORGANIZATION" in delegation.levels_given(identity.engine, identity.subject, identity.groups)
    if owner or names <= _HARMLESS_FAB_ROLES:
        return ""
    return "Only an Organization Owner may give an account FAB's roles, other than Public. They grant nothing here."


def ask_before_insert(account: User, connection: Connection) -> None:
    """Raise AccountChangeRefused if the account may not be created: by this actor, or at all."""
    _refuse_name(account)
    _guard(account, set(_GUARDED), None)
    _refuse_second_account(account, connection)


def ask_before_delete(account: User, connection: Connection) -> None:
    """Raise AccountChangeRefused if the actor may not delete the account."""
    _guard(account, set(_GUARDED), connection)
    _keep_last_owner(account, connection, accounts.email_of(account.id, connection))


def _on_insert(_mapper: Any, connection: Connection, account: User) -> None:
    ask_before_insert(account, connection)


def _after_insert(_mapper: Any, connection: Connection, account: User) -> None:
    sign_ins.begin(connection, account.id, account.email)
    identities.unbind(connection, [account.id])
    note_change(audit_log.ACCOUNT_CREATED, account, _GUARDED)


def _on_update(_mapper: Any, connection: Connection, account: User) -> None:
    state: Any = inspect(account)
    changed = {name for name in _GUARDED if state.attrs[name].history.has_changes()}
    if "username" in changed:
        _refuse_name(account)
    _guard(account, changed, connection)
    if changed & _MAKES_ACTIVE_PERSON:
        lost = {email for email in accounts.email_of(account.id, connection) if not is_same_email(email, account.email)}
        _keep_last_owner(account, connection, lost if account.active else {*lost, account.email})
        _refuse_second_account(account, connection)
    if "email" in changed:
        sign_ins.note_email(connection, account.id, account.email)
    if changed & ({"password", "active"} if _signs_in() else {"password", "active", "email"}):
        # Under another e-mail the account is another person's, unless the identity that it is bound to has a new one.
        sign_ins.end_all(connection, account.id)
        sign_ins.note_end(object_session(account), account.id)
    if changed:
        note_change(audit_log.ACCOUNT_CHANGED, account, changed)


def _signs_in() -> bool:
    context = current_request()
    return context is not None and context.signing_in


def _on_delete(_mapper: Any, connection: Connection, account: User) -> None:
    ask_before_delete(account, connection)
    sign_ins.forget(connection, account.id)
    identities.unbind(connection, [account.id])


def _after_delete(_mapper: Any, _connection: Connection, account: User) -> None:
    note_change(audit_log.ACCOUNT_DELETED, account, ())


def _reason_of(text: str) -> str:
    """Return the stable word for why a change is refused."""
    words = {NO_TOKENS: "api_token", NOT_ALLOWED: "not_allowed", LAST_OWNER: "last_owner"}
    words |= {NAME_OF_TOKEN: "name_of_token", NAME_NOT_VALID: "name_not_valid"}
    if text in words:
        return words[text]
    return "second_account" if text.startswith("The active account") else "roles_beyond"


def _refuse_second_account(account: User, connection: Connection) -> None:
    """Refuse what would make a second active account of a person: with two, none of them would have any permissions.

    A sign-in makes none for a person whose account is disabled either.
    """
    context = current_request()
    # One at a time, also on several servers: else two of them would look before either has written.
    sign_ins.lock_accounts(connection)
    is_new = account.id is None
    if context is not None and context.signing_in and is_new and accounts.known_by(account.email, connection):
        log.warning("Refused to create an account at a sign-in: another account has the e-mail %r", account.email)
        because("second_account")
        raise AccountChangeRefused("Another account has this e-mail.")
    if not account.active and not (is_new and account.active is None):
        return  # A new account is active unless it says otherwise.
    text = _second_account(account.email, account.id, connection)
    if text:
        log.warning("Refused a second active account: %s", text)
        note_refusal(account.id, account.email, ("email", "active"), _reason_of(text))
        raise AccountChangeRefused(text)


def _keep_last_owner(account: User, connection: Connection, lost: set[str]) -> None:
    """Refuse a change in a request that takes the account from the last Organization Owner who has one."""
    context = current_request()
    if context is None or context.actor is None or context.signing_in or not lost:
        return
    # Changes of the policy that take an Organization Owner away lock the accounts, too.
    sign_ins.lock_accounts(connection)
    engine = state.current().policy_store.engine() if state.is_started() else context.actor.engine
    document = engine.policy.document
    if loses_last_owner(connection, document, document, lost):
        note_refusal(account.id, account.email, ("email", "active"), "last_owner")
        raise AccountChangeRefused(LAST_OWNER)


def _second_account(email: str, account_id: int | None, database: Connection | Session) -> str:
    others = [known for known in accounts.known_by(email, database) if known.active and known.id != account_id]
    if not others:
        return ""
    names = ", ".join(f"`{known.username}`" for known in others)
    return (
        f"The active account {names} has the same e-mail as {email}: e-mails are compared case-insensitively. "
        "Change that account, or deactivate it first."
    )


def _refuse_name(account: User) -> None:
    text = refusal_of_name(account.username)
    if text:
        note_refusal(account.id, account.email, ["username"], _reason_of(text))
        raise AccountChangeRefused(text)


def _guard(account: User, changed: set[str], connection: Connection | None) -> None:
    context = current_request()
    if context is None or context.signing_in or not changed or _is_own_password(context, account, changed):
        return
    emails, groups = {account.email}, frozenset[str]()
    if connection is not None:
        # Read, not taken from the object: SQLAlchemy does not know the old value of what it had not loaded.
        emails |= accounts.email_of(account.id, connection)
        groups = sign_ins.groups_kept(connection, account.id)
    text = _refusal_in(context, emails, groups)
    if text:
        log.warning("Refused a change of the account %s by %s: %s", account.id, context.actor, text)
        note_refusal(account.id, account.email, changed, _reason_of(text))
        raise AccountChangeRefused(text)


def users_sign_in_with_passwords() -> bool:
    """Whether passwords are how users sign in, so that each may change the own one.

    Elsewhere a user's own password would open the account past the proxy or provider, and after the user's end there.
    """
    app = state.current().fab_app if state.is_started() else None
    return app is None or app.config.get("AUTH_TYPE", AUTH_DB) == AUTH_DB


def _is_own_password(context: RequestContext, account: User, changed: set[str]) -> bool:
    if not users_sign_in_with_passwords():
        return False
    return context.actor is not None and context.actor.id == account.id and changed == {"password"}


def _refusal_in(context: RequestContext, emails: set[str], groups: frozenset[str]) -> str:
    if context.api_token:
        return NO_TOKENS
    if context.actor:
        return refusal(context.actor.engine, context.actor, emails, groups)
    return refusal(state.current().policy_store.engine(), None, emails, groups)
