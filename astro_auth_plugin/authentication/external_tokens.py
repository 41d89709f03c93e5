"""Signing in with a JWT of another issuer, which says who a user is, and not what they may do."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from airflow.utils.session import create_session
from flask_appbuilder.const import AUTH_REMOTE_USER
from jwt import InvalidTokenError

from astro_auth_plugin.accounts import identities
from astro_auth_plugin.accounts.accounts import Account, find_account
from astro_auth_plugin.authentication import account_identity, api_tokens
from astro_auth_plugin.authentication.trusted_issuers import ExternalIdentity
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.runtime import state
from astro_auth_plugin.runtime.identity import AstroIdentity

log = logging.getLogger(__name__)

_NOBODY = "Neither an active account nor an API token is behind it"


def account_of(external: ExternalIdentity, read: Callable[[int | None], Account | None]) -> Account | None:
    """Return the active account that a verified JWT of another issuer names; None when it names an API token.

    Args:
        external: what the JWT says.
        read: reads an account, and what else the request needs; without an id the latter only.

    Raises:
        InvalidTokenError: if there is no such account.
    """
    if external.token_id:
        return read(None)
    try:
        account_id = find_account(external.email)
        account = None if account_id is None else read(account_id)
    except ValueError:
        # An e-mail that no database can have.
        account = None
    if account is None or not account.active:
        raise InvalidTokenError(_NOBODY)
    with create_session(scoped=False) as database:
        bound = identities.identity_of(database, account.id)
    if bound is None or _proxies_sign_in():
        # An account that a proxy finds by its user name has the groups of the user who signed in last; its e-mail can
        # belong to another user.
        return account._replace(groups=frozenset())
    if bound.issuer == external.issuer and bound.subject != external.subject:
        # The issuer has given the e-mail to another user than the person whose account it has bound.
        log.warning("A JWT of %s has the e-mail of the account %s and another `sub`", external.issuer, account.id)
        raise InvalidTokenError(_NOBODY)
    return account


def _proxies_sign_in() -> bool:
    """Whether users are signed in by a proxy, and accounts found by their user names, whatever they were bound to."""
    app = state.current().fab_app if state.is_started() else None
    return app is not None and app.config.get("AUTH_TYPE") == AUTH_REMOTE_USER


def identity_of(external: ExternalIdentity, account: Account | None, engine: Engine) -> AstroIdentity:
    """Return who a verified JWT of another issuer is.

    Args:
        external: what the JWT says.
        account: from `account_of`.
        engine: the policy.

    Raises:
        InvalidTokenError: if the JWT is revoked, or names an API token that is not valid.
    """
    identity: AstroIdentity | None
    if account is None:
        identity = api_tokens.by_id(engine, external.token_id)
    else:
        try:
            identity = account_identity.identity_of(engine, account, external.issued_at)
            identity.since = external.issued_at
        except ValueError:
            identity = None
    if identity is None:
        raise InvalidTokenError(_NOBODY)
    ends_at = time_of(external.ends_at)
    identity.ends_at = min(ends_at, identity.ends_at or ends_at)
    return identity


def time_of(seconds: int) -> datetime:
    """Return seconds since 1970 as a time; one that is too far away is the last there is."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.max.replace(tzinfo=UTC)
