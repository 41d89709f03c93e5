"""JWTs that Airflow itself has issued: verified by Airflow, and then looked up as the account or API token is now."""

from __future__ import annotations

import functools
from typing import Any

from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager
from anyio import to_thread
from jwt import InvalidTokenError

from astro_auth_plugin.authentication import account_identity, api_tokens, external_tokens
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.runtime.identity import AstroIdentity


class _Verifier(FabAuthManager):
    """Airflow's verification of a JWT, which ends with its claims.

    Airflow verifies and looks the user up in one step on the event loop, and to read an account is work for a thread.
    """

    def deserialize_user(self, token: dict[str, Any]) -> Any:  # type: ignore[override]
        """Return the claims as they are."""
        return token


@functools.cache
def _verifier() -> Any:
    return _Verifier()  # type: ignore[no-untyped-call]


async def authenticate(token: str, engine: Engine) -> AstroIdentity:
    """Return who a JWT of Airflow is of.

    Raises:
        InvalidTokenError: if Airflow has not issued it, it has expired, or it is revoked.
        ValueError: if its account or API token does not exist any more, or is not active.
        KeyError: if a claim is missing.
    """
    claims = await _verifier().get_user_from_token(token)
    return await to_thread.run_sync(identity_of_claims, claims, engine)


def identity_of_claims(claims: dict[str, Any], engine: Engine) -> AstroIdentity:
    """Return who the claims of a verified JWT name, as the account or API token is now.

    Raises:
        ValueError: if there is no such account or token, or it is not active.
        KeyError: if a claim is missing.
    """
    api_token = api_tokens.by_claims(engine, claims)
    if api_token is not None:
        return api_token
    issued_at = claims.get("iat", 0)
    identity = account_identity.load_identity(engine, api_tokens.account_id_of(claims), issued_at)
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
