"""Whether a credential is valid for an API token now: its secret, or what a JWT says it was exchanged for.

An id that no user has takes the same steps as one that a user has, so that no clock shows which ids exist.
"""

from __future__ import annotations

from datetime import datetime
from hmac import compare_digest
from typing import NamedTuple

from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model import token_secrets
from astro_auth_plugin.rbac.policy.document import NEVER, ApiToken


class Holding(NamedTuple):
    """A valid credential: the token it is for, the key of the secret behind it, and its end, None for never."""

    token: ApiToken
    key: str
    ends_at: datetime | None


class _Known(NamedTuple):
    sha256: str
    ends_at: datetime | None


# Stands in for a token that does not exist. No text has this SHA-256, as far as anyone can find one.
_NOBODY = ApiToken(id="nobody", name="nobody", secret_sha256="0" * 64, expires_at=NEVER)


def by_secret(engine: Engine, secret: str, now: datetime) -> Holding | None:
    """Return the token that a secret is valid for; None when it is valid for none, whatever the reason."""
    token_id = token_secrets.token_id_of(secret)
    if token_id is None:
        return None
    presented = token_secrets.sha256(secret)
    token = engine.api_token(token_id) or _NOBODY
    matches = [(compare_digest(known.sha256, presented), known) for known in _known(token)]
    return _held(token, matches, now)


def by_key(engine: Engine, token_id: str, key: str, now: datetime) -> Holding | None:
    """Return the token that the secret of a key is valid for; None when it is valid for none, whatever the reason.

    Args:
        engine: the policy.
        token_id: the token's id, from a JWT that is valid.
        key: from the same JWT, `token_secrets.key_of` the secret that the JWT was exchanged for.
        now: the time.
    """
    token = engine.api_token(token_id) or _NOBODY
    # As bytes: text that is not ASCII cannot be compared this way.
    presented = key.encode(errors="replace")
    matches = [
        (compare_digest(token_secrets.key_of(known.sha256).encode(), presented), known) for known in _known(token)
    ]
    return _held(token, matches, now)


def by_id(engine: Engine, token_id: str, now: datetime) -> Holding | None:
    """Return a token whose holder a trusted issuer has authenticated; None when there is none, or it has expired."""
    token = engine.api_token(token_id) or _NOBODY
    return _held(token, [(True, _known(token)[0])], now)


def refusal(engine: Engine, secret: str) -> str:
    """Say why `by_secret` answers None, for the log and for who has the policy, never for who presents the secret."""
    token_id = token_secrets.token_id_of(secret)
    if token_id is None:
        return "it is no secret of an API token, or not a whole one"
    token = engine.api_token(token_id) or _NOBODY
    presented = token_secrets.sha256(secret)
    ended = [known for known in _known(token) if compare_digest(known.sha256, presented)]
    if token is _NOBODY:
        return f"the policy has no API token `{token_id}`"
    if ended:
        return f"the secret of API token `{token_id}` ended at {ended[0].ends_at:%Y-%m-%dT%H:%M:%SZ}"
    return f"it is not the secret of API token `{token_id}`, or not any more"


def _known(token: ApiToken) -> tuple[_Known, _Known]:
    """Return the secret of a token, and the one before it; what stands in for one that is not there never matches."""
    previous = token.previous_secret_sha256 or _NOBODY.secret_sha256
    return (
        _Known(token.secret_sha256, token.expires_at),
        _Known(previous, token.previous_secret_expires_at),
    )


def _held(token: ApiToken, matches: list[tuple[bool, _Known]], now: datetime) -> Holding | None:
    for matched, known in matches:
        good = known.sha256 != _NOBODY.secret_sha256 and (known.ends_at is None or now < known.ends_at)
        if matched and good:
            return Holding(token, token_secrets.key_of(known.sha256), known.ends_at)
    return None
