"""What two versions of a policy let people do differently.

The difference is that of the answers, not that of the text: anyone who keeps a permission in another way loses nothing.
Each difference of a subject is then put down to its causes (a Team's roles changed, a user joined a Team, …). Subjects
with the same gains and losses through one cause share a line, so that the change of one Team is few lines.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from operator import or_
from typing import NamedTuple

from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.scopes import Dag
from astro_auth_plugin.rbac.policy.grants import Principal
from astro_auth_plugin.rbac.review.plan_lines import Cause, CauseKind, GrowingLines, Line
from astro_auth_plugin.rbac.review.policy_snapshot import NOTHING, ON_DAGS, SEE_DAG, PermissionSets, Side, Spot, Spots

_ORDER: tuple[CauseKind, ...] = ("Team", "joins", "leaves", "user", "token", "tags")


class Difference(NamedTuple):
    """What changes for one subject: sets of permissions in the whole Deployment, and besides on single places.

    What is gained or lost in the whole Deployment is not repeated for its Dags. `on` has pairs of gained and lost.
    """

    gained: int
    lost: int
    on: Mapping[Spot, tuple[int, int]]


class Plan(NamedTuple):
    """The difference between two versions of a policy in one Deployment.

    `differences` is exact, by subject; `lines` has the same by cause. `by_scope` says that no Dags were known, so
    that places are tags, bundles and ids. Who gains nothing on any of these, and nothing in the whole Deployment, gains
    nothing.
    """

    deployment_id: str
    differences: Mapping[str, Difference]
    lines: tuple[Line, ...]
    by_scope: bool

    @property
    def widens(self) -> bool:
        """Whether a user gains something."""
        return any(line.widens for line in self.lines)


def compare(  # noqa: PLR0913 - two sides, and what is known of them
    deployment_id: str,
    old: Engine | None,
    new: Engine | None,
    old_dags: Iterable[Dag] | None = None,
    new_dags: Iterable[Dag] | None = None,
    *,
    only: frozenset[str] | None = None,
) -> Plan:
    """Return who gains and who loses what.

    Args:
        deployment_id: the Deployment of both engines.
        old: the engine of the version before; None where that does not list the Deployment.
        new: the engine of the version after; None likewise.
        old_dags: the Dags with their tags; None gives the difference by tag, bundle and id.
        new_dags: the Dags with their tags as they are after the change; None leaves them as they are. A Dag that is
            in one of the lists only is one without tags and bundle in the other.
        only: the subjects for whom anything can be different, where that is known; others are not compared.
    """
    before, after = Side(old, only), Side(new, only)
    by_scope = old_dags is None
    spots = Spots.of_scopes(before, after) if old_dags is None else _dags(old, new, list(old_dags), new_dags)
    differences: dict[str, Difference] = {}
    lines: dict[Cause, GrowingLines] = defaultdict(GrowingLines)
    known: dict[tuple[Principal, bool, bool], _Known] = {}
    for subject in dict.fromkeys([*before.subjects, *after.subjects]):
        one = _Subject(subject, before, after, spots, known)
        difference = one.difference()
        if difference.gained or difference.lost or difference.on:
            differences[subject] = difference
            for cause, place, gained, lost in one.shares(difference):
                lines[cause].add(subject, place, gained, lost)
    ordered = sorted(lines, key=lambda cause: (_ORDER.index(cause.kind), cause.name))
    exact = tuple(line for cause in ordered for line in lines[cause].lines(cause, before, after))
    return Plan(deployment_id, differences, exact, by_scope)


def _dags(old: Engine | None, new: Engine | None, old_dags: list[Dag], new_dags: Iterable[Dag] | None) -> Spots:
    """Return the Dags with their effective tags on each side: the versions may protect other tags."""
    if not any(engine and engine.tag_rules for engine in (old, new)):
        return Spots.of_dags(old_dags, new_dags)
    later = old_dags if new_dags is None else new_dags
    return Spots.of_dags(_counted(old, old_dags), _counted(new, later))


def _counted(engine: Engine | None, dags: Iterable[Dag]) -> list[Dag]:
    return [engine.with_effective_tags(dag) if engine else dag for dag in dags]


_Known = dict[Spot, tuple[int, int]]


class _Part(NamedTuple):
    """What one principal gives a subject, before and after; `known` keeps what that is on places."""

    cause: Cause
    had: PermissionSets
    has: PermissionSets
    known: _Known

    def on(self, spot: Spot) -> tuple[int, int]:
        """Return what is given in a place before and after."""
        found = self.known.get(spot)
        if found is None:
            found = self.known[spot] = (self.had.on(spot.before), self.has.on(spot.after))
        return found


class _Subject:
    """One subject on both sides."""

    def __init__(
        self, subject: str, before: Side, after: Side, spots: Spots, known: dict[tuple[Principal, bool, bool], _Known]
    ) -> None:
        self.subject = subject
        self.known = known
        self.before = before
        self.after = after
        self.spots = spots
        self.old = before.held(subject)
        self.new = after.held(subject)

    def difference(self) -> Difference:
        if self.old == self.new and not self.spots.moved:
            return Difference(0, 0, {})
        old, new = PermissionSets.sum(self.old.values()), PermissionSets.sum(self.new.values())
        gained, lost = new.deployment_wide & ~old.deployment_wide, old.deployment_wide & ~new.deployment_wide
        on = {}
        for spot in self._concerned(old, new):
            had = self.spots.counts(spot, old.on(spot.before))
            has = self.spots.counts(spot, new.on(spot.after))
            more, less = has & ~had & ~gained, had & ~has & ~lost
            if more or less:
                on[spot] = (more, less)
        return Difference(gained, lost, on)

    def _concerned(self, old: PermissionSets, new: PermissionSets) -> Iterable[Spot]:
        """Return the places on which something may change that does not change everywhere."""
        yield from self._concerned_dags(old, new)
        if old.by_object != new.by_object:
            yield from map(self.spots.of_object, {**old.by_object, **new.by_object})

    def _concerned_dags(self, old: PermissionSets, new: PermissionSets) -> Iterable[Spot]:
        # To see a Dag at last, or no more, changes what all the other grants on it give.
        every = bool((old.deployment_wide ^ new.deployment_wide) & SEE_DAG)
        if every and self.spots.are_dags and old.deployment_wide & new.deployment_wide & ON_DAGS:
            # What is granted Deployment-wide before and after changes with it on the Dags that no grant names.
            return self.spots.by_id.values()
        had, has = old.by_label, new.by_label
        labels = [label for label in {**had, **has} if every or had.get(label) != has.get(label)]
        dags = [each for each in {**old.by_dag, **new.by_dag} if every or old.by_dag.get(each) != new.by_dag.get(each)]
        found = dict.fromkeys(spot for label in labels for spot in self.spots.by_label.get(label, ()))
        found.update((self.spots.by_id[each], None) for each in dags if each in self.spots.by_id)
        for label in {**had, **has} if self.spots.moved else ():
            found.update((spot, None) for spot in self.spots.moved.get(label, ()))
        return found

    def shares(self, difference: Difference) -> Iterator[tuple[Cause, Spot | None, int, int]]:
        """Yield what each cause has to do with a difference: where, and what is gained and lost."""
        parts = [self._part(holder) for holder in dict.fromkeys([*self.old, *self.new])]
        for part in parts:
            gained = difference.gained & part.has.deployment_wide & ~part.had.deployment_wide
            lost = difference.lost & part.had.deployment_wide & ~part.has.deployment_wide
            if gained or lost:
                yield part.cause, None, gained, lost
        changed = [part for part in parts if part.had != part.has]
        for spot, (more, less) in difference.on.items():
            woken = self._woken(spot, more) if (more | difference.gained) & SEE_DAG else 0
            sleeping = self._woken(spot, less) if (less | difference.lost) & SEE_DAG else 0
            for part in changed if spot.before == spot.after else parts:
                before, after = part.on(spot)
                gained, lost = _due(more, woken, after & ~before), _due(less, sleeping, before & ~after)
                if gained or lost:
                    yield part.cause if part in changed else Cause("tags", spot.name), spot, gained, lost

    def _part(self, holder: Principal) -> _Part:
        had, has = self.old.get(holder, NOTHING), self.new.get(holder, NOTHING)
        # All who are in a Team on the same sides get the same from it, so that is found out once.
        known = self.known.setdefault((holder, had is NOTHING, has is NOTHING), {})
        return _Part(self._cause(holder), had, has, known)

    def _woken(self, spot: Spot, permissions: int) -> int:
        """Return what is given on a Dag both before and after, but has an effect only together with `dag.get`."""
        before = _union(each.on(spot.before) for each in self.old.values())
        after = _union(each.on(spot.after) for each in self.new.values())
        return permissions & before & after

    def _cause(self, holder: Principal) -> Cause:
        if holder.kind == "Team":
            members = [side.members(holder.name) for side in (self.before, self.after)]
            was, is_now = (each is not None and self.subject in each for each in members)
            if was != is_now and None not in members:
                return Cause("joins" if is_now else "leaves", holder.name)
        return Cause(*holder)


def _due(difference: int, woken: int, contributed: int) -> int:
    """Return the part of a difference that is due to a contribution, and with the right to see all that this wakes."""
    return difference & contributed | (woken if contributed & SEE_DAG else 0)


def _union(many: Iterable[int]) -> int:
    return reduce(or_, many, 0)
