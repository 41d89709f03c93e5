"""Recognizes requests with a token that Airflow's execution API accepts before their bodies are read. Workers have one.

FastAPI parses the body of a request before it checks the token.
"""

from __future__ import annotations

import functools
import logging
from typing import Any

from airflow.api_fastapi.auth.tokens import JWTValidator, get_sig_validation_args
from airflow.configuration import conf
from starlette.types import Scope

log = logging.getLogger(__name__)


@functools.cache
def validator() -> JWTValidator:
    """Return a validator like the one that the execution API keeps to itself."""
    issuer: Any = conf.get("api_auth", "jwt_issuer", fallback=None)
    required = {"aud", "exp", "iat", "iss"} if issuer else {"aud", "exp", "iat"}
    return JWTValidator(
        required_claims=frozenset(required),
        issuer=issuer,
        audience=conf.get_mandatory_list_value("execution_api", "jwt_audience"),
        **get_sig_validation_args(make_secret_key_if_needed=False),
    )


async def is_from_worker(scope: Scope) -> bool:
    """Whether a request has a valid token of a worker."""
    authorization = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    kind, _, token = authorization.decode("latin-1").partition(" ")
    if kind.lower() != "bearer":
        return False
    try:
        await validator().avalidated_claims(token.strip())
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the token, the execution API answers it
        log.debug("A large body has no valid token of a worker: %s", type(error).__name__)
        return False
    return True
