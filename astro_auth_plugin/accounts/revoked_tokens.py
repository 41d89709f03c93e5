"""Airflow's table of tokens and sessions that have been signed out one by one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, exists, select

from astro_auth_plugin.runtime.database import Along

__all__ = ["IS_REVOKED", "RevokedToken", "clean"]

try:
    from airflow.models.revoked_token import RevokedToken
except ImportError:
    # Airflow 3.1 cannot end a single token or session, so there everything ends that the account was given.
    RevokedToken = None  # type: ignore[assignment,misc]


def _is_revoked() -> Along:
    if RevokedToken is None:
        return Along()
    table: Any = RevokedToken.__table__
    return Along((exists(select(table.c.jti).where(table.c.jti == bindparam("jti"))),))


IS_REVOKED = _is_revoked()
"""Whether the token `jti` is revoked, to be read along; nothing where Airflow has no such table."""


def clean() -> None:
    """Let Airflow delete what has expired, as it does now and then when it looks for a token itself."""
    if RevokedToken is not None:
        RevokedToken.is_revoked("")
