"""The lines of a plan: what one cause changes, for all subjects that gain and lose exactly the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from astro_auth_plugin.rbac.engine.decision import HeldGrant
from astro_auth_plugin.rbac.policy.grants import Principal
from astro_auth_plugin.rbac.review.policy_snapshot import Side, Spot

CauseKind = Literal["Team", "joins", "leaves", "user", "token", "tags"]


class Cause(NamedTuple):
    """Why something changed.

    `kind` is "Team", "user" or "token" when the roles of that principal changed, "joins" or "leaves" when people did so
    with a Team, "tags" when a Dag's tags or file changed; `name` is the Team, e-mail, token id or Dag id.
    """

    kind: CauseKind
    name: str


class Reason(NamedTuple):
    """A grant behind a line: new ("+"), gone ("-"), or of a custom role that is now another one ("~")."""

    sign: Literal["+", "-", "~"]
    grant: HeldGrant


class Line(NamedTuple):
    """What one cause changes for subjects that gain and lose exactly the same. A cause can have several lines.

    Attributes:
        cause: what was changed.
        subjects: those for whom exactly these gains and losses apply.
        unaffected: for how many members of the Team nothing changes, because other grants give them the same; only on
            the first line of a cause.
        gains: sets of permissions, each with where it is gained; None is the whole Deployment.
        losses: the same of what is lost.
        reasons: the grants that were changed.
        shared: whether the cause has other lines too, for subjects with other gains and losses.
    """

    cause: Cause
    subjects: tuple[str, ...]
    unaffected: int
    gains: Mapping[int, tuple[Spot | None, ...]]
    losses: Mapping[int, tuple[Spot | None, ...]]
    reasons: tuple[Reason, ...]
    shared: bool = False

    @property
    def widens(self) -> bool:
        """Whether a user gains something."""
        return bool(self.gains)


class GrowingLines:
    """The lines of one cause, to which subjects are still added."""

    def __init__(self) -> None:
        self._changes: dict[str, _Changes] = defaultdict(_Changes)

    def add(self, subject: str, place: Spot | None, gained: int, lost: int) -> None:
        """Add what a subject gains and loses in one place; None is the whole Deployment."""
        changes = self._changes[subject]
        for kept, permissions in ((changes.gains, gained), (changes.losses, lost)):
            if permissions:
                kept[place] = kept.get(place, 0) | permissions

    def lines(self, cause: Cause, before: Side, after: Side) -> Iterator[Line]:
        """Yield a line for all subjects with exactly the same gains and losses."""
        alike: dict[Any, list[str]] = defaultdict(list)
        for subject, changes in sorted(self._changes.items()):
            alike[changes.key].append(subject)
        reasons: tuple[Reason, ...] = ()
        if cause.kind in ("Team", "user", "token"):
            holder = Principal(cause.kind, cause.name)
            reasons = tuple(_reasons(holder, before, after))
        unaffected = self._unaffected(cause, before, after)
        for subjects in alike.values():
            changes = self._changes[subjects[0]]
            gains, losses = _by_permissions(changes.gains), _by_permissions(changes.losses)
            yield Line(cause, tuple(subjects), unaffected, gains, losses, reasons, shared=len(alike) > 1)
            unaffected = 0

    def _unaffected(self, cause: Cause, before: Side, after: Side) -> int:
        if cause.kind != "Team":
            return 0
        sides = [members for side in (before, after) if (members := side.members(cause.name)) is not None]
        return len(frozenset.intersection(*sides).difference(self._changes))


class _Changes:
    """What one subject gains and loses through one cause, by place."""

    def __init__(self) -> None:
        self.gains: dict[Spot | None, int] = {}
        self.losses: dict[Spot | None, int] = {}

    @property
    def key(self) -> tuple[frozenset[tuple[Spot | None, int]], frozenset[tuple[Spot | None, int]]]:
        return frozenset(self.gains.items()), frozenset(self.losses.items())


def _by_permissions(places: Mapping[Spot | None, int]) -> dict[int, tuple[Spot | None, ...]]:
    found: dict[int, list[Spot | None]] = defaultdict(list)
    for place, permissions in places.items():
        found[permissions].append(place)
    # The whole Deployment first, then where the most changes.
    ordered = sorted(found, key=lambda permissions: (None not in found[permissions], -permissions.bit_count()))
    return {permissions: tuple(found[permissions]) for permissions in ordered}


def _reasons(holder: Principal, before: Side, after: Side) -> Iterator[Reason]:
    had, has = ({(grant.role, grant.scope): grant for grant in side.grants.get(holder, ())} for side in (before, after))
    for key, grant in had.items():
        if key not in has:
            yield Reason("-", grant)
    for key, grant in has.items():
        if key not in had:
            yield Reason("+", grant)
        elif after.permissions_of(grant) != before.permissions_of(had[key]):
            yield Reason("~", grant)
