"""Makes API tokens' ids and secrets: the random part of what `rbac.model.token_secrets` describes."""

from __future__ import annotations

import secrets

from astro_auth_plugin.rbac.model import token_secrets


def new_token_id() -> str:
    """Return an id for a new API token."""
    return f"tok_{secrets.token_hex(5)}"


def new_secret(token_id: str) -> str:
    """Return a new secret of an API token."""
    random_part = "".join(secrets.choice(token_secrets.ALPHABET) for _ in range(token_secrets.RANDOM_LENGTH))
    return token_secrets.compose(token_id, random_part)
