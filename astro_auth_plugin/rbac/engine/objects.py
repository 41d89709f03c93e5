"""What one subject has on connections, Variables and pools, and which of them it reaches, without looking at any."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from astro_auth_plugin.rbac.model.resources import prefixes_of


class ObjectClause(NamedTuple):
    """One condition on an object: it has one of these ids, or its id begins with one of these prefixes."""

    ids: frozenset[str]
    prefixes: frozenset[str]

    def matches(self, name: str) -> bool:
        """Whether the object of this id meets it."""
        return name in self.ids or not self.prefixes.isdisjoint(prefixes_of(name))


class ObjectSelection(NamedTuple):
    """With which objects of one kind a subject may do something, without looking at any.

    An object is selected when every clause matches it; without clauses, `everything` says whether it is all or none.
    """

    everything: bool
    clauses: tuple[ObjectClause, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether no object at all can be selected."""
        return not self.everything and not self.clauses

    def matches(self, name: str) -> bool:
        """Whether the object of this id is selected."""
        return not self.nothing and all(clause.matches(name) for clause in self.clauses)


class ObjectAccess(NamedTuple):
    """What one subject has on single objects of one kind; `anywhere` is the union."""

    by_id: dict[str, int]
    by_prefix: dict[str, int]
    anywhere: int

    def on(self, name: str) -> int:
        """Return all permissions on the object of this id: the grants that apply to it add up."""
        return self.by_id.get(name, 0) | self.on_prefix(name)

    def on_prefix(self, prefix: str) -> int:
        """Return all permissions on every object whose id begins so."""
        held = 0
        if self.by_prefix:
            for each in prefixes_of(prefix):
                held |= self.by_prefix.get(each, 0)
        return held

    def clauses(self, permissions: list[int]) -> Iterator[ObjectClause]:
        """Yield for each permission the condition under which an object has it."""
        for bit in permissions:
            yield ObjectClause(
                *(frozenset(name for name, held in by.items() if held & bit) for by in (self.by_id, self.by_prefix))
            )


NO_OBJECTS = ObjectAccess({}, {}, 0)
