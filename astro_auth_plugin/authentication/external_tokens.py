"""Signing in with a JWT of another issuer, which says who a user is, and not what they may do."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from airflow.utils.session import create_session
from anyio import to_thread
from jwt import InvalidTokenError

from astro_auth_plugin.accounts import identities
from astro_auth_plugin.accounts.accounts import find_account
from astro_auth_plugin.authentication import account_identity, api_tokens
from astro_auth_plugin.authentication.trusted_issuers import ExternalIdentity, Issuers
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.runtime.identity import AstroIdentity

log = logging.getLogger(__name__)


async def authenticate(token: str, engine: Engine, issuers: Issuers) -> AstroIdentity:
    """Return who a JWT of another issuer is.

    Args:
        token: the JWT.
        engine: the policy.
        issuers: the issuers that are trusted.

    Raises:
        InvalidTokenError: if the JWT is invalid, or neither an active account nor an API token is behind it.
    """
    external = await issuers.verify(token)
    if external.token_id:
        identity = api_tokens.by_id(engine, external.token_id)
    else:
        identity = await to_thread.run_sync(_person, external, engine)
    if identity is None:
        raise InvalidTokenError("Neither an active account nor an API token is behind it")
    ends_at = time_of(external.ends_at)
    identity.ends_at = min(ends_at, identity.ends_at or ends_at)
    return identity


def time_of(seconds: int) -> datetime:
    """Return seconds since 1970 as a time; one that is too far away is the last there is."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.max.replace(tzinfo=UTC)


def _person(external: ExternalIdentity, engine: Engine) -> AstroIdentity | None:
    try:
        account = find_account(external.email)
        if account is None or _is_of_another(account.id, external):
            return None
        return account_identity.identity_of(engine, account, external.issued_at)
    except ValueError:
        # Revoked, or an e-mail that no database can have.
        return None


def _is_of_another(account_id: int, external: ExternalIdentity) -> bool:
    """Whether the issuer has given the e-mail to another user than the person whose account it has bound."""
    with create_session(scoped=False) as database:
        bound = identities.identity_of(database, account_id)
    if bound is None or bound.issuer != external.issuer or bound.subject == external.subject:
        return False
    log.warning("A JWT of %s has the e-mail of the account %s and another `sub`", external.issuer, account_id)
    return True
