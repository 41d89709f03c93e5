"""Dags with their tags and files, kept in the process for the seconds that `[astro_auth] tag_cache_ttl` says.

Only what the database says of Dags is kept, never an answer: a change of the policy applies at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

from astro_auth_plugin.authorization import dag_lookup
from astro_auth_plugin.rbac.model.scopes import Dag
from astro_auth_plugin.runtime import state
from astro_auth_plugin.runtime.database import Along

MAX_KEPT = 50_000
"""How many Dags are kept at most; those read first go first."""


class _Kept(NamedTuple):
    dag: Dag
    read_at: float


class DagCache:
    """Looks Dags up, and keeps them for a time. Safe for many threads.

    Args:
        ttl: for how many seconds a Dag is cached; 0 keeps none.
        clock: returns seconds that never go back.
    """

    def __init__(self, ttl: float = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self._ttl = ttl
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def look_up(self, dag_ids: Collection[str]) -> dict[str, Dag]:
        """Return those of the Dags that exist. One statement, none where all are kept.

        A Dag that does not exist is read again each time.
        """
        if not self._ttl:
            return dag_lookup.read_dags(dag_ids)
        # From before the statement, or what is read while a tag goes would be kept for longer than it may.
        now = self._clock()
        found, unknown = dict[str, Dag](), list[str]()
        for dag_id in dag_ids:
            kept = self._kept.get(dag_id)
            if kept is not None and now - kept.read_at < self._ttl:
                found[dag_id] = kept.dag
            else:
                unknown.append(dag_id)
        if unknown:
            read = dag_lookup.read_dags(unknown)
            self._keep(read, now)
            found |= read
        return found

    def kept(self, dag_id: str) -> Dag | None:
        """Return a Dag that is kept; None when it has to be looked up."""
        kept = self._kept.get(dag_id)
        return kept.dag if kept is not None and self._clock() - kept.read_at < self._ttl else None

    def along(self) -> Along:
        """Return what a request reads along with its account to know a Dag; nothing where Dags are kept."""
        return Along() if self._ttl else dag_lookup.ALONG

    @staticmethod
    def found(rows: Sequence[Sequence[Any]], dag_id: str) -> dict[str, Dag | None]:
        """Return the Dag of what was read along; None in its place if it does not exist."""
        return dag_lookup.dags_of(rows, dag_id)

    def _keep(self, dags: dict[str, Dag], now: float) -> None:
        with self._lock:
            for dag_id, dag in dags.items():
                # Taken out first, so that the order is that of reading.
                self._kept.pop(dag_id, None)
                self._kept[dag_id] = _Kept(dag, now)
            while len(self._kept) > MAX_KEPT:
                del self._kept[next(iter(self._kept))]


def kept(dag_id: str) -> Dag | None:
    """Return a Dag that the process keeps; None when it has to be looked up."""
    started = state.started()
    return started.dag_cache.kept(dag_id) if started is not None else None


def look_up(dag_ids: Collection[str]) -> dict[str, Dag]:
    """Read from the cache of the process; where no server runs, from the database."""
    cache = state.current().dag_cache if state.is_started() else DagCache()
    return cache.look_up(dag_ids)
