"""Which accounts are the only ones of their users, kept for the seconds that `[astro_auth] identity_cache_ttl` says.

To look for other active accounts with the same e-mail is most of what the statement of a request takes. Everything
else is read afresh all the same: whether the account is active, its e-mail and groups, and whether its JWT is revoked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from astro_auth_plugin.accounts import accounts
from astro_auth_plugin.accounts.accounts import Account
from astro_auth_plugin.runtime.database import Along

MAX_KEPT = 10_000
"""How many accounts are kept at most; those looked for first go first."""


class _Only(NamedTuple):
    email: str
    read_at: float


class IdentityCache:
    """Reads accounts, and keeps for a time which are the only active ones with their e-mail. Safe for many threads.

    Args:
        ttl: for how many seconds; 0 keeps none.
        clock: returns seconds that never go back.
    """

    def __init__(self, ttl: float = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self._ttl = ttl
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[int, _Only] = {}

    def read_account(
        self, account_id: int | None, along: Along, values: Mapping[str, Any]
    ) -> tuple[Account | None, list[tuple[Any, ...]]]:
        """Return what `accounts.read_account` does, without a look for other accounts if that was a moment ago.

        Raises:
            SQLAlchemyError: if the database does not answer.
        """
        if not self._ttl or account_id is None:
            return accounts.read_account(account_id, along, values)
        # From before the statement, or it would count for longer than it may.
        now = self._clock()
        kept = self._kept.get(account_id)
        if kept is not None and now - kept.read_at < self._ttl:
            account, rows = accounts.read_account(account_id, along, values, alone=True)
            if account is not None and account.active and account.email == kept.email:
                return account, rows
        account, rows = accounts.read_account(account_id, along, values)
        if account is not None and account.active and account.subject:
            self._keep(account, now)
        return account, rows

    def _keep(self, account: Account, now: float) -> None:
        with self._lock:
            # Taken out first, so that the order is that of reading.
            self._kept.pop(account.id, None)
            self._kept[account.id] = _Only(account.email, now)
            while len(self._kept) > MAX_KEPT:
                del self._kept[next(iter(self._kept))]
