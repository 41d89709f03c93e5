"""Signing in with an API token: with its secret, or with a JWT that the secret was exchanged for.

A JWT of a token names the token and the secret, and gives no right by itself: each request looks both up in the policy.
So what is revoked, expired, rotated or narrowed applies from the next request, whatever the JWT says.
"""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime
from typing import Any

from airflow.configuration import conf
from fastapi import HTTPException, status

from astro_auth_plugin.rbac.engine import api_tokens
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.subjects import TOKEN_PREFIX
from astro_auth_plugin.runtime.identity import AstroIdentity
from astro_auth_plugin.runtime.request_context import current_request

log = logging.getLogger(__name__)

KEY_CLAIM = "astro_token_key"
"""The claim of a JWT that says which secret of the token it was exchanged for."""

_ACCOUNT_ID = re.compile(r"[0-9]{1,18}")


def now() -> datetime:
    """Return the time; the tests move it."""
    return datetime.now(UTC)


def refused(detail: str) -> HTTPException:
    """Return the answer to an invalid or expired credential, as RFC 6750 has it; it says no more than that."""
    header = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    return HTTPException(status.HTTP_401_UNAUTHORIZED, detail, header)


def by_secret(engine: Engine, secret: str) -> AstroIdentity | None:
    """Return the API token that a secret signs in; None, and a line in the log, when it is invalid or expired."""
    held = api_tokens.by_secret(engine, secret, now())
    if held is None:
        log.warning("Refused an API token: %s", api_tokens.refusal(engine, secret))
        return None
    identity = AstroIdentity.of_token(held, engine)
    context = current_request()
    if context is not None:
        context.api_token = identity
    return identity


def by_id(engine: Engine, token_id: str) -> AstroIdentity | None:
    """Return an API token that another issuer names; None when there is none, or it has expired."""
    held = api_tokens.by_id(engine, token_id, now())
    return None if held is None else AstroIdentity.of_token(held, engine)


def is_of_token(claims: dict[str, Any]) -> bool:
    """Whether the claims of a valid JWT name an API token, and not an account.

    Raises:
        ValueError: if they name an account as only those of an API token may.
        KeyError: if there is no subject.
    """
    if str(claims["sub"]).startswith(TOKEN_PREFIX):
        return True
    if KEY_CLAIM in claims:
        raise ValueError("A JWT of an API token cannot name an account")
    return False


def by_claims(engine: Engine, claims: dict[str, Any]) -> AstroIdentity:
    """Return the API token that the claims of a valid JWT name.

    Raises:
        ValueError: if the token, or the secret that the JWT was exchanged for, is no longer valid.
        KeyError: if a claim is missing.
    """
    subject, key = str(claims["sub"]), claims.get(KEY_CLAIM)
    held = api_tokens.by_key(engine, subject.removeprefix(TOKEN_PREFIX), str(key), now())
    if held is None:
        raise ValueError(f"{subject} is revoked, rotated or expired")
    identity = AstroIdentity.of_token(held, engine)
    jwt_ends_at = datetime.fromtimestamp(claims["exp"], UTC)
    identity.ends_at = min(jwt_ends_at, held.ends_at or jwt_ends_at)
    return identity


def account_id_of(claims: dict[str, Any]) -> int:
    """Return the account that the claims of a valid JWT name.

    Raises:
        ValueError: if the subject is no id of an account.
        KeyError: if there is no subject.
    """
    if not _ACCOUNT_ID.fullmatch(str(claims["sub"])):
        raise ValueError("The subject of the JWT is neither an account nor an API token")
    return int(claims["sub"])


def claims_of(token: AstroIdentity) -> dict[str, Any]:
    """Return what a JWT of an API token says of it."""
    return {"sub": token.get_id(), KEY_CLAIM: token.key}


def jwt_lifetime(user: Any, wanted: int | None) -> int:
    """Return for how many seconds a JWT of a user may be valid; None takes what Airflow's configuration says."""
    seconds = conf.getint("api_auth", "jwt_expiration_time") if wanted is None else wanted
    return seconds_left(user, seconds) if isinstance(user, AstroIdentity) else seconds


def seconds_left(token: AstroIdentity, wanted: int) -> int:
    """Return for how long a JWT may be valid: not beyond the credential that requests it.

    A JWT that makes another one is such a credential, so none of them prolongs itself.
    """
    if token.ends_at is None:
        return wanted
    # Airflow adds this to a clock that it reads a moment later, in whole seconds.
    return min(wanted, int(token.ends_at.timestamp()) - int(now().timestamp()) - 1)


def secret_to_exchange(body: dict[str, Any]) -> str | None:
    """Return the secret in the body of POST /auth/token; None when it is a sign-in with user name and password.

    Raises:
        ValueError: if the body has both, or no text; FAB shows the message.
    """
    if "token" not in body:
        return None
    if body.keys() & {"username", "password"}:
        raise ValueError("Pass either `token`, or `username` and `password`")
    if not isinstance(body["token"], str):
        raise ValueError("`token` has to be text")  # noqa: TRY004 - FAB answers with 400 to this one only
    return body["token"]
