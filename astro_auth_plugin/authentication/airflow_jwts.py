"""JWTs that Airflow itself has issued: verified by Airflow, and then looked up as the account or API token is now."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager
from jwt import InvalidTokenError

from astro_auth_plugin.accounts.accounts import Account
from astro_auth_plugin.authentication import account_identity, api_tokens, external_tokens
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.runtime.identity import AstroIdentity


@functools.cache
def _verifier() -> Any:
    return FabAuthManager()  # type: ignore[no-untyped-call]


async def verified_claims(token: str) -> dict[str, Any]:
    """Return the claims of a JWT of Airflow, which may have been revoked.

    `BaseAuthManager.get_user_from_token` looks that up and reads the user, each on the event loop and with a statement
    of its own; here both are in the statement of the account.

    Raises:
        InvalidTokenError: if Airflow has not issued it, or it has expired.
    """
    claims: dict[str, Any] = await _verifier()._get_token_validator().avalidated_claims(token)  # noqa: SLF001 - as Airflow does
    return claims


def account_of(claims: dict[str, Any], read: Callable[[int | None], Account | None]) -> Account | None:
    """Return the account that the claims of a verified JWT name, as it is now; None when they name an API token.

    Args:
        claims: of the JWT.
        read: reads an account, and what else the request needs; without an id the latter only.

    Raises:
        ValueError: if there is no such account, or it is not active.
        KeyError: if a claim is missing.
    """
    if api_tokens.is_of_token(claims):
        return read(None)
    return account_identity.active(read(api_tokens.account_id_of(claims)))


def identity_of(claims: dict[str, Any], account: Account | None, engine: Engine) -> AstroIdentity:
    """Return who the claims of a verified JWT name.

    Args:
        claims: of the JWT.
        account: from `account_of`.
        engine: the policy.

    Raises:
        ValueError: if the JWT is revoked, or its API token does not exist any more.
        KeyError: if a claim is missing.
    """
    if account is None:
        return api_tokens.by_claims(engine, claims)
    issued_at = claims.get("iat", 0)
    identity = account_identity.identity_of(engine, account, issued_at)
    identity.since = issued_at
    if "exp" in claims:
        identity.ends_at = external_tokens.time_of(claims["exp"])
    return identity


def revoke(token: str) -> None:
    """Revoke a JWT of Airflow; one that Airflow cannot verify is left alone.

    Airflow logs a traceback for each token that it cannot verify, and strangers can send many.
    """
    verifier = _verifier()
    try:
        verifier._get_token_validator().validated_claims(token)  # noqa: SLF001 - Airflow has no other way to verify one
    except InvalidTokenError:
        return
    verifier.revoke_token(token)
