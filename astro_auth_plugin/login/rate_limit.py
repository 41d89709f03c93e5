"""Failed passwords are counted by address, whichever way they come; FAB itself counts those of its page only."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from flask import current_app
from limits import RateLimitItem, parse_many
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter, RateLimiter

from astro_auth_plugin.airflow_bridge.request import current_request

# A few addresses share one; a lock for each would be memory for whoever has many addresses.
_TURNS = [threading.RLock() for _ in range(64)]
_NAME = "astro_auth failed passwords"


def turn() -> AbstractContextManager[object]:
    """Return what the passwords from one address wait for: those that come at once are counted one after the other."""
    return _TURNS[hash(_address()) % len(_TURNS)]


def is_reached(security_manager: Any) -> bool:
    """Whether too many passwords from the address of this request have failed lately."""
    return not all(_counter().test(limit, _NAME, _address()) for limit in _limits(security_manager))


def count_failure(security_manager: Any) -> None:
    """Count a password that was wrong."""
    for limit in _limits(security_manager):
        _counter().hit(limit, _NAME, _address())


def _limits(security_manager: Any) -> list[RateLimitItem]:
    return parse_many(security_manager.auth_rate_limit) if security_manager.is_auth_limited else []


def _counter() -> RateLimiter:
    return _counter_at(current_app.config.get("RATELIMIT_STORAGE_URI") or "memory://")


@cache
def _counter_at(uri: str) -> RateLimiter:
    # One for the process. FAB's own would do, were there not a new one for each token with Airflow 3.1.
    return FixedWindowRateLimiter(storage_from_string(uri))


def _address() -> str:
    # As uvicorn sees it, so that it is a person's own behind a proxy whose headers uvicorn was told to believe.
    facts = current_request()
    client = facts.scope.get("client") if facts else None
    return client[0] if client else ""
