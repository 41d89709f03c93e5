"""Changes of accounts in the audit log: those that are committed, and those that are refused."""

from __future__ import annotations

from collections.abc import Iterable

from airflow.providers.fab.auth_manager.models import User
from sqlalchemy.orm import Session, object_session

from astro_auth_plugin.runtime import audit_log
from astro_auth_plugin.runtime.request_context import current_request

_NOTED = "astro_auth_account_changes"


def note_change(name: str, account: User, changed: Iterable[str]) -> None:
    """Note a change in a request once its transaction is committed."""
    session = object_session(account)
    if session is not None and current_request() is not None:
        session.info.setdefault(_NOTED, []).append(_event(name, account, changed))


def after_commit(session: Session) -> None:
    """Note what the transaction changed."""
    for change in session.info.pop(_NOTED, ()):
        audit_log.note(change)


def after_rollback(session: Session) -> None:
    """Forget what the transaction would have changed."""
    session.info.pop(_NOTED, None)


def note_refusal(account_id: int | None, email: object, changed: Iterable[str], reason: str) -> None:
    """Note that a change is refused, once in a request.

    Args:
        account_id: the account; None for one that does not exist.
        email: the e-mail that it has, or is to have.
        changed: the names of the fields.
        reason: the stable word for why.
    """
    context = current_request()
    if context is not None and not any(kept.name == audit_log.ACCOUNT_CHANGE_REFUSED for kept in context.events):
        audit_log.note(_event_of(audit_log.ACCOUNT_CHANGE_REFUSED, account_id, email, changed, reason=reason))


def _event(name: str, account: User, changed: Iterable[str]) -> audit_log.Event:
    return _event_of(name, account.id, account.email, changed)


def _event_of(name: str, account_id: int | None, email: object, changed: Iterable[str], **more: str) -> audit_log.Event:
    """Return an event with the names of the fields that change, never their values."""
    context = current_request()
    actor = (context.api_token or context.actor) if context else None
    fields = {
        "user": actor.username if actor else "",
        "email": actor.email if actor else "",
        "account": account_id,
        "account_email": audit_log.shortened(email),
        "changed": sorted(changed),
        "at_sign_in": bool(context and context.signing_in),
        **more,
    }
    return audit_log.Event(name, actor.username if actor else "", fields, actor.id if actor else audit_log.STRANGERS)
