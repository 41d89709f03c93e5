"""Wrong passwords are counted, whichever way they come, by account and by the address that they come from.

Three limits, each a multiple of `[fab] auth_rate_limit`: for an account from one address; for an account from
anywhere, except addresses from which its password was right lately, so that no one can lock a user out from
elsewhere; for an address whatever the account, where the address is one person's.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_network
from math import ceil
from time import time
from typing import Any

from flask import current_app, g
from limits import RateLimitItem, parse, parse_many
from limits.storage import MemoryStorage, storage_from_string
from limits.strategies import FixedWindowRateLimiter, RateLimiter

from astro_auth_plugin.accounts.account_names import letters_shown
from astro_auth_plugin.authentication import proxy_auth
from astro_auth_plugin.runtime.request_context import RequestContext, current_request
from astro_auth_plugin.runtime.settings import read_settings

MOST_COUNTERS = 50_000
ANYWHERE, ANY_ACCOUNT = 4, 20
"""How many times the limit counts for an account from anywhere, and for an address whatever the account."""

_LONGEST_NAME = 256
_NETWORK_OF_A_PERSON = 64
_RIGHT_LATELY = parse("1 per 30 day")
# A few attempts share one; a lock for each would be memory for anyone who has many addresses.
_UNCOUNTED = "astro_auth_uncounted"
_TURNS = [threading.RLock() for _ in range(64)]
_NAME = "astro_auth failed passwords"
_LATIN = re.compile(r"LATIN SMALL LETTER (?:DOTLESS )?([A-Z]+)(?: WITH .*)?")


@dataclass(frozen=True, slots=True)
class Attempt:
    """A password that is to be looked at: for which account, from which address; '' where that is not known."""

    account: str
    address: str

    def turn(self) -> AbstractContextManager[object]:
        """Return what passwords for one account from one address wait for, so that none is looked at uncounted."""
        return _TURNS[hash(self) % len(_TURNS)]


def attempt(security_manager: Any, username: object) -> Attempt:
    """Return what the current request tries.

    Args:
        security_manager: FAB's.
        username: as it was typed.
    """
    is_counted()
    return Attempt(_account(security_manager, str(username)), sender(current_request()))


def sender(context: RequestContext | None) -> str:
    """Return the address that sends a request, or the network of a person where it is IPv6; '' if it is not known."""
    address = proxy_auth.sender(context, read_settings().trusted_proxies) if context else None
    if address is not None and address.version == 6:  # noqa: PLR2004 - of the Internet Protocol
        address = ip_network((address, _NETWORK_OF_A_PERSON), strict=False).network_address
    return str(address or "")


def _account(security_manager: Any, typed: str) -> str:
    # One account has one count, by its user name and its e-mail, in whatever letters a directory or database takes.
    exact = "".join(filter(str.isprintable, unicodedata.normalize("NFKC", typed)))
    # Active Directory takes `José`, and what has invisible characters, for `jose`; some directories `ø` for `o`.
    names = ["".join(name.casefold().split())[:_LONGEST_NAME] for name in (exact, letters_shown(typed))]
    base = "".join(map(_base_letter, names[-1]))
    # As it was typed, too: FAB compares e-mails, and user names with blanks, exactly.
    for name in filter(None, dict.fromkeys([*names, typed, base])):
        user = security_manager.find_user(username=name) or security_manager.find_user(email=name)
        if user:
            return f"account {user.id}"
    return f"name {base}"


def _base_letter(character: str) -> str:
    """Return the letters without a stroke that a directory may take a small one for; such names only share a count."""
    found = None if character.isascii() else _LATIN.fullmatch(unicodedata.name(character, ""))
    return found[1].casefold() if found else character


def seconds_to_wait(security_manager: Any, tried: Attempt) -> int:
    """Return for how many seconds no password is looked at any more; 0 if this one is."""
    reached = [
        _counter().get_window_stats(limit, *key).reset_time - time()
        for limit, key in _limits(security_manager, tried)
        if not _counter().test(limit, *key)
    ]
    return max(1, ceil(max(reached))) if reached else 0


def count_failure(security_manager: Any, tried: Attempt) -> None:
    """Count a password that was wrong."""
    for limit, key in _limits(security_manager, tried, every=True):
        _counter().hit(limit, *key)


def do_not_count() -> None:
    """Say that a sign-in of this request fails for another reason than its password."""
    setattr(g, _UNCOUNTED, True)


def is_counted() -> bool:
    """Whether a sign-in that has failed counts as a wrong password, and forget what was said of it."""
    return not g.pop(_UNCOUNTED, False)


def keep_success(tried: Attempt) -> None:
    """Remember that the account's password was right from this address."""
    if tried.address:
        key = _key("right", tried.account, tried.address)
        # A window begins with its first hit, and is not prolonged by the next one.
        _counter().clear(_RIGHT_LATELY, *key)
        _counter().hit(_RIGHT_LATELY, *key)


def _limits(
    security_manager: Any, tried: Attempt, *, every: bool = False
) -> Iterator[tuple[RateLimitItem, tuple[str, str]]]:
    known = tried.address and not _counter().test(_RIGHT_LATELY, *_key("right", tried.account, tried.address))
    for limit in parse_many(security_manager.password_limit) if security_manager.password_limit else ():
        if tried.address:
            yield limit, _key("both", tried.account, tried.address)
        if every or not known:
            yield _times(ANYWHERE, limit), _key("account", tried.account)
        if tried.address:
            yield _times(ANY_ACCOUNT, limit), _key("address", tried.address)


def _times(factor: int, limit: RateLimitItem) -> RateLimitItem:
    return type(limit)(limit.amount * factor, limit.multiples)


def _key(*parts: str) -> tuple[str, str]:
    return _NAME, hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _counter() -> RateLimiter:
    return _counter_at(current_app.config.get("RATELIMIT_STORAGE_URI") or "memory://", os.getpid())


@cache
def _counter_at(uri: str, _process: int) -> RateLimiter:
    # One for the process. FAB's own would do, were there not a new one for each token with Airflow 3.1.
    return FixedWindowRateLimiter(BoundedStorage() if uri == "memory://" else storage_from_string(uri))


class BoundedStorage(MemoryStorage):
    """Counters in memory, which forgets the oldest ones when strangers make too many."""

    STORAGE_SCHEME = None  # type: ignore[assignment]

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count, and return the count."""
        if len(self.storage) >= MOST_COUNTERS:
            for old in list(self.storage)[: MOST_COUNTERS // 50]:
                self.clear(old)
        return super().incr(key, expiry, amount)
