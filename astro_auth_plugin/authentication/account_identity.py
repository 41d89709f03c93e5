"""The identity behind an account of FAB, for a credential or session that was issued at some time."""

from __future__ import annotations

import math

from astro_auth_plugin.accounts.accounts import Account
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.runtime.identity import AstroIdentity


def active(account: Account | None) -> Account:
    """Return an account that is active.

    Raises:
        ValueError: if there is no such account, or it is not active.
    """
    if account is None or not account.active:
        raise ValueError("The account does not exist or is not active")
    return account


def identity_of(engine: Engine, account: Account, issued_at: float = math.inf) -> AstroIdentity:
    """Return the identity of an active account.

    Args:
        engine: the policy.
        account: as it is now.
        issued_at: when the credential was issued, in seconds since 1970; by default after every revocation.

    Raises:
        ValueError: if the credential has been revoked.
    """
    if issued_at < account.tokens_valid_after:
        raise ValueError(f"The credential is from before account {account.id} signed out or changed its password")
    return AstroIdentity(
        id=account.id,
        username=account.username,
        email=account.email,
        subject=account.subject,
        groups=account.groups,
        engine=engine,
    )
