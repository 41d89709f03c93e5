"""What two versions of a policy let people do differently.

The difference is that of the answers, not that of the text: whoever keeps a power in another way loses nothing. Each
difference of a subject is then put down to its causes (a Team's roles changed, somebody joined a Team, …), so that the
change of one Team is one line, whoever is in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from operator import or_
from typing import Literal, NamedTuple

from astro_auth_plugin.rbac.comparison_sides import NOTHING, ON_DAGS, SEE_DAG, Holder, Powers, Side, Spot, Spots
from astro_auth_plugin.rbac.decision import HeldGrant
from astro_auth_plugin.rbac.engine import Engine
from astro_auth_plugin.rbac.scopes import Dag

CauseKind = Literal["Team", "joins", "leaves", "user", "token", "tags"]
_ORDER: tuple[CauseKind, ...] = ("Team", "joins", "leaves", "user", "token", "tags")


class Cause(NamedTuple):
    """Why something changed.

    `kind` is "Team", "user" or "token" when the roles of that holder changed, "joins" or "leaves" when people did so
    with a Team, "tags" when a Dag's tags changed; `name` is the Team, e-mail, token id or Dag id.
    """

    kind: CauseKind
    name: str


class Difference(NamedTuple):
    """What changes for one subject: sets of permissions in the whole Deployment, and besides on single places.

    What is gained or lost in the whole Deployment is not repeated for its Dags. `on` has pairs of gained and lost.
    """

    gained: int
    lost: int
    on: Mapping[Spot, tuple[int, int]]


class Reason(NamedTuple):
    """A grant behind a line: new ("+"), gone ("-"), or of a custom role that is now another one ("~")."""

    sign: Literal["+", "-", "~"]
    grant: HeldGrant


class Line(NamedTuple):
    """What one cause brings to everybody whom it concerns.

    Attributes:
        cause: what was changed.
        subjects: those for whom something changes; not all of them gain all of it, if they hold a part otherwise.
        unaffected: of how many people of the Team nothing changes, for they hold it otherwise.
        gains: sets of permissions, each with where it is gained; None is the whole Deployment.
        losses: the same of what is lost.
        reasons: the grants that were changed.
    """

    cause: Cause
    subjects: tuple[str, ...]
    unaffected: int
    gains: Mapping[int, tuple[Spot | None, ...]]
    losses: Mapping[int, tuple[Spot | None, ...]]
    reasons: tuple[Reason, ...]

    @property
    def widens(self) -> bool:
        """Whether somebody gains something."""
        return bool(self.gains)


class Plan(NamedTuple):
    """The difference between two versions of a policy in one Deployment.

    `differences` is exact, by subject; `lines` tells the same by cause. `by_scope` says that no Dags were known, so
    that places are tags and ids. Who gains nothing on any of these, and nothing in the whole Deployment, gains nothing.
    """

    deployment_id: str
    differences: Mapping[str, Difference]
    lines: tuple[Line, ...]
    by_scope: bool

    @property
    def widens(self) -> bool:
        """Whether somebody gains something."""
        return any(line.widens for line in self.lines)


def compare(
    deployment_id: str,
    old: Engine | None,
    new: Engine | None,
    old_dags: Iterable[Dag] | None = None,
    new_dags: Iterable[Dag] | None = None,
) -> Plan:
    """Tell who gains and who loses what.

    Args:
        deployment_id: the Deployment of both engines.
        old: the engine of the version before; None where that does not list the Deployment.
        new: the engine of the version after; None likewise.
        old_dags: the Dags with their tags; None tells the difference by tag and id.
        new_dags: the Dags with their tags as they are after the change; None leaves them as they are. A Dag that is
            in one of the lists only counts as one without tags in the other.
    """
    before, after = Side(old), Side(new)
    by_scope = old_dags is None
    spots = Spots.of_scopes(before, after) if old_dags is None else _dags(old, new, list(old_dags), new_dags)
    differences: dict[str, Difference] = {}
    lines: dict[Cause, _Growing] = defaultdict(_Growing)
    known: dict[tuple[Holder, bool, bool], _Known] = {}
    for subject in dict.fromkeys([*before.subjects, *after.subjects]):
        one = _Subject(subject, before, after, spots, known)
        difference = one.difference()
        if difference.gained or difference.lost or difference.on:
            differences[subject] = difference
            for cause, place, gained, lost in one.shares(difference):
                lines[cause].add(subject, place, gained, lost)
    ordered = sorted(lines, key=lambda cause: (_ORDER.index(cause.kind), cause.name))
    told = tuple(lines[cause].line(cause, before, after) for cause in ordered)
    return Plan(deployment_id, differences, told, by_scope)


def _dags(old: Engine | None, new: Engine | None, old_dags: list[Dag], new_dags: Iterable[Dag] | None) -> Spots:
    """Return the Dags with those tags that count on each side: the versions may protect other tags."""
    if not any(engine and engine.tag_rules for engine in (old, new)):
        return Spots.of_dags(old_dags, new_dags)
    later = old_dags if new_dags is None else new_dags
    return Spots.of_dags(_counted(old, old_dags), _counted(new, later))


def _counted(engine: Engine | None, dags: Iterable[Dag]) -> list[Dag]:
    return [engine.counted(dag) if engine else dag for dag in dags]


_Known = dict[Spot, tuple[int, int]]


class _Part(NamedTuple):
    """What one holder gives a subject, before and after; `known` keeps what that is on places."""

    cause: Cause
    had: Powers
    has: Powers
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
        self, subject: str, before: Side, after: Side, spots: Spots, known: dict[tuple[Holder, bool, bool], _Known]
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
        old, new = Powers.sum(self.old.values()), Powers.sum(self.new.values())
        gained, lost = new.wide & ~old.wide, old.wide & ~new.wide
        on = {}
        for spot in self._concerned(old, new):
            had, has = self.spots.counts(old.on(spot.before)), self.spots.counts(new.on(spot.after))
            more, less = has & ~had & ~gained, had & ~has & ~lost
            if more or less:
                on[spot] = (more, less)
        return Difference(gained, lost, on)

    def _concerned(self, old: Powers, new: Powers) -> Iterable[Spot]:
        """Return the places on which something may change that does not change everywhere."""
        # To see a Dag at last, or no more, changes what all the other grants on it give.
        every = bool((old.wide ^ new.wide) & SEE_DAG)
        if every and self.spots.are_dags and old.wide & new.wide & ON_DAGS:
            # What is held in the whole Deployment before and after changes with it on the Dags that no grant names.
            return self.spots.by_id.values()
        tags = [tag for tag in {**old.by_tag, **new.by_tag} if every or old.by_tag.get(tag) != new.by_tag.get(tag)]
        dags = [each for each in {**old.by_dag, **new.by_dag} if every or old.by_dag.get(each) != new.by_dag.get(each)]
        found = dict.fromkeys(spot for tag in tags for spot in self.spots.by_tag.get(tag, ()))
        found.update((self.spots.by_id[each], None) for each in dags if each in self.spots.by_id)
        for tag in {**old.by_tag, **new.by_tag} if self.spots.moved else ():
            found.update((spot, None) for spot in self.spots.moved.get(tag, ()))
        return found

    def shares(self, difference: Difference) -> Iterator[tuple[Cause, Spot | None, int, int]]:
        """Yield what each cause has to do with a difference: where, and what is gained and lost."""
        parts = [self._part(holder) for holder in dict.fromkeys([*self.old, *self.new])]
        for part in parts:
            gained = difference.gained & part.has.wide & ~part.had.wide
            lost = difference.lost & part.had.wide & ~part.has.wide
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

    def _part(self, holder: Holder) -> _Part:
        had, has = self.old.get(holder, NOTHING), self.new.get(holder, NOTHING)
        # All who are in a Team on the same sides get the same from it, so that is found out once.
        known = self.known.setdefault((holder, had is NOTHING, has is NOTHING), {})
        return _Part(self._cause(holder), had, has, known)

    def _woken(self, spot: Spot, permissions: int) -> int:
        """Return what is given on a Dag both before and after, but counts only once one may see the Dag too."""
        before = _union(each.on(spot.before) for each in self.old.values())
        after = _union(each.on(spot.after) for each in self.new.values())
        return permissions & before & after

    def _cause(self, holder: Holder) -> Cause:
        if holder.kind == "Team" and holder.name in self.before.members and holder.name in self.after.members:
            was, is_now = (self.subject in side.members[holder.name] for side in (self.before, self.after))
            if was != is_now:
                return Cause("joins" if is_now else "leaves", holder.name)
        return Cause(*holder)


class _Growing:
    """A line to which subjects are still added."""

    def __init__(self) -> None:
        self._subjects: dict[str, None] = {}
        self._gains: dict[Spot | None, int] = {}
        self._losses: dict[Spot | None, int] = {}

    def add(self, subject: str, place: Spot | None, gained: int, lost: int) -> None:
        self._subjects[subject] = None
        for kept, permissions in ((self._gains, gained), (self._losses, lost)):
            if permissions:
                kept[place] = kept.get(place, 0) | permissions

    def line(self, cause: Cause, before: Side, after: Side) -> Line:
        subjects = tuple(sorted(self._subjects))
        unaffected: frozenset[str] = frozenset()
        reasons: tuple[Reason, ...] = ()
        if cause.kind in ("Team", "user", "token"):
            holder = Holder(cause.kind, cause.name)
            reasons = tuple(_reasons(before.grants.get(holder, ()), after.grants.get(holder, ())))
        if cause.kind == "Team":
            sides = [side.members[cause.name] for side in (before, after) if cause.name in side.members]
            unaffected = frozenset.intersection(*sides).difference(subjects)
        return Line(cause, subjects, len(unaffected), _by_powers(self._gains), _by_powers(self._losses), reasons)


def _by_powers(places: Mapping[Spot | None, int]) -> dict[int, tuple[Spot | None, ...]]:
    found: dict[int, list[Spot | None]] = defaultdict(list)
    for place, permissions in places.items():
        found[permissions].append(place)
    # The whole Deployment first, then where the most changes.
    ordered = sorted(found, key=lambda permissions: (None not in found[permissions], -permissions.bit_count()))
    return {permissions: tuple(found[permissions]) for permissions in ordered}


def _reasons(before: Iterable[HeldGrant], after: Iterable[HeldGrant]) -> Iterator[Reason]:
    had, has = ({(grant.role, grant.reach): grant for grant in grants} for grants in (before, after))
    for key, grant in had.items():
        if key not in has:
            yield Reason("-", grant)
    for key, grant in has.items():
        if key not in had:
            yield Reason("+", grant)
        elif grant.powers != had[key].powers:
            yield Reason("~", grant)


def _due(difference: int, woken: int, contributed: int) -> int:
    """Return the part of a difference that is due to a contribution, and with the right to see all that this wakes."""
    return difference & contributed | (woken if contributed & SEE_DAG else 0)


def _union(many: Iterable[int]) -> int:
    return reduce(or_, many, 0)
