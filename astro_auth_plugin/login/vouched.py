"""Signing in with a JWT of another issuer, which says who somebody is, and not what they may do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from anyio import to_thread
from jwt import InvalidTokenError

from astro_auth_plugin.airflow_bridge.identity import AstroIdentity
from astro_auth_plugin.airflow_bridge.issuers import Issuers, Vouched
from astro_auth_plugin.login import api_tokens
from astro_auth_plugin.login.accounts import Account, find_account
from astro_auth_plugin.rbac.engine import Engine


async def identity_of(
    issuers: Issuers, token: str, engine: Engine, as_person: Callable[[Account, float], AstroIdentity]
) -> AstroIdentity:
    """Return who a JWT of another issuer is.

    Args:
        issuers: the issuers that are trusted.
        token: the JWT.
        engine: the policy.
        as_person: makes an identity of an account, for something that was issued then.

    Raises:
        InvalidTokenError: if the JWT is not to be believed, or nobody is behind it.
    """
    vouched = await issuers.vouched(token)
    if vouched.token_id:
        identity = api_tokens.by_id(engine, vouched.token_id)
    else:
        identity = await to_thread.run_sync(_person, vouched, as_person)
    if identity is None:
        raise InvalidTokenError("Neither an active account nor an API token is behind it")
    ends_at = time_of(vouched.ends_at)
    identity.ends_at = min(ends_at, identity.ends_at or ends_at)
    return identity


def time_of(seconds: int) -> datetime:
    """Return seconds since 1970 as a time; one that is too far away is the last there is."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.max.replace(tzinfo=UTC)


def _person(vouched: Vouched, as_person: Callable[[Account, float], AstroIdentity]) -> AstroIdentity | None:
    try:
        account = find_account(vouched.email)
        return None if account is None else as_person(account, vouched.issued_at)
    except ValueError:
        # What has ended, or an e-mail that no database can have.
        return None
