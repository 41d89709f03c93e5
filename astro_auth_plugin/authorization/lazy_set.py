"""Answers of many ids, which are read on first use, and in SQL are the statement that finds them.

Airflow pastes such answers into its own statements. As a sub-select no id travels, however many there are.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")


class LazySet(AbstractSet[T]):
    """A set that cannot be changed, and is loaded at most once, when it is first looked into.

    It is used like a `set`, and what is made from it is a plain `set`. It does not extend `set`, because C code reads
    the insides of one directly. Several threads may use it.

    Args:
        load: reads what is in it. When that fails there is nothing in it: the caller is denied, and the log says
            why.
    """

    __slots__ = ("_found", "_load", "_lock")

    def __init__(self, load: Callable[[], Iterable[T]]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._found: frozenset[T] | None = None

    @property
    def loaded(self) -> frozenset[T]:
        """What is in it."""
        if self._found is None:
            with self._lock:
                if self._found is None:
                    self._found = self._read()
        return self._found

    def read(self) -> frozenset[T]:
        """Return what is in it now, read again; raises what the reading raises."""
        return frozenset(self._load())

    def _read(self) -> frozenset[T]:
        try:
            return self.read()
        except Exception:
            log.exception("Denied, because a list could not be read")
            return frozenset()

    def __bool__(self) -> bool:
        """Whether there may be something in it: not loaded for this: Airflow evaluates it for every answer."""
        return self._found is None or bool(self._found)

    def __contains__(self, item: object) -> bool:
        return item in self.loaded

    def __iter__(self) -> Iterator[T]:
        return iter(self.loaded)

    def __len__(self) -> int:
        return len(self.loaded)

    def __hash__(self) -> int:
        return hash(self.loaded)

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy is of what is in it: neither a lock nor a way to the database can be sent anywhere.
        return frozenset, (tuple(self.loaded),)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {'not loaded' if self._found is None else set(self._found)}>"

    # -- what a set has besides what every Set has ---------------------------------------------------------------------

    def copy(self) -> set[T]:
        """Return a set of its own."""
        return set(self.loaded)

    def intersection(self, *others: Iterable[object]) -> set[T]:
        """Return what is in all of them."""
        return set(self.loaded.intersection(*others))

    def union(self, *others: Iterable[Any]) -> set[Any]:
        """Return what is in any of them."""
        return set(self.loaded.union(*others))

    def difference(self, *others: Iterable[object]) -> set[T]:
        """Return what is in none of the others."""
        return set(self.loaded.difference(*others))

    def symmetric_difference(self, other: Iterable[Any]) -> set[Any]:
        """Return what is in one of the two only."""
        return set(self.loaded.symmetric_difference(other))

    def issubset(self, other: Iterable[object]) -> bool:
        """Whether all of it is in the other."""
        return self.loaded.issubset(other)

    def issuperset(self, other: Iterable[object]) -> bool:
        """Whether all of the other is in it."""
        return self.loaded.issuperset(other)

    def isdisjoint(self, other: Iterable[object]) -> bool:
        """Whether nothing is in both."""
        return self.loaded.isdisjoint(other)

    # -- operators: as between sets, whichever side it stands on -------------------------------------------------------

    def __and__(self, other: Any) -> Any:
        return set(self.loaded & _plain(other))

    def __rand__(self, other: Any) -> Any:
        return other & self.loaded

    def __or__(self, other: Any) -> Any:
        return set(self.loaded | _plain(other))

    def __ror__(self, other: Any) -> Any:
        return other | self.loaded

    def __sub__(self, other: Any) -> Any:
        return set(self.loaded - _plain(other))

    def __rsub__(self, other: Any) -> Any:
        return other - self.loaded

    def __xor__(self, other: Any) -> Any:
        return set(self.loaded ^ _plain(other))

    def __rxor__(self, other: Any) -> Any:
        return other ^ self.loaded

    def __eq__(self, other: object) -> bool:
        return bool(self.loaded == _plain(other))

    def __le__(self, other: Any) -> Any:
        return self.loaded <= _plain(other)

    def __lt__(self, other: Any) -> Any:
        return self.loaded < _plain(other)

    def __ge__(self, other: Any) -> Any:
        return self.loaded >= _plain(other)

    def __gt__(self, other: Any) -> Any:
        return self.loaded > _plain(other)


class SubSelect(LazySet[T]):
    """The same for what one statement finds: `column.in_(it)` becomes a sub-select, and nothing is loaded.

    Args:
        statement: a SELECT of one column that finds exactly what is in the set.
        run: sends it, and returns the values.
    """

    __slots__ = ("_statement",)

    def __init__(self, statement: Any, run: Callable[[Any], Iterable[T]]) -> None:
        super().__init__(lambda: run(statement))
        self._statement = statement

    def __clause_element__(self) -> Any:
        """Return the statement; how SQLAlchemy requests the SQL of an object."""
        return self._statement


def _plain(other: Any) -> Any:
    # The operators of built-in sets take none but built-in sets.
    return other.loaded if isinstance(other, LazySet) else other
