"""What is compared: what each holder gives on one side, and the places where that may matter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from astro_auth_plugin.rbac.decision import HeldGrant
from astro_auth_plugin.rbac.engine import Engine
from astro_auth_plugin.rbac.permissions import DAG_WORDS, EVERYTHING, mask, names
from astro_auth_plugin.rbac.roles import BUILT_IN, Level
from astro_auth_plugin.rbac.scopes import Dag
from astro_auth_plugin.rbac.subjects import token_subject, user_subject

SEE_DAG = mask("dag.get")
ON_DAGS = 0
"""Every permission that can be held on single Dags."""
for _bit in DAG_WORDS.values():
    ON_DAGS |= _bit

# Who may give roles is no permission of the table, but it is power, and a plan that hid it would lie. Each level
# includes those below.
_GIVES: dict[Level, tuple[int, str]] = {
    "DEPLOYMENT": (EVERYTHING + 1, "giveRoles.deployment"),
    "WORKSPACE": ((EVERYTHING + 1) << 1, "giveRoles.workspace"),
    "ORGANIZATION": ((EVERYTHING + 1) << 2, "giveRoles.organization"),
}
GROUP_PREFIX = "group "
"""What a group of an identity provider begins with as a subject; no e-mail has a space."""


class Holder(NamedTuple):
    """An entry of the policy that has roles: a Team by name, a user by subject, an API token by id."""

    kind: Literal["Team", "user", "token"]
    name: str


class Powers(NamedTuple):
    """What some grants give: in the whole Deployment, by tag and by Dag id."""

    wide: int
    by_tag: Mapping[str, int]
    by_dag: Mapping[str, int]

    @classmethod
    def of(cls, grants: Iterable[HeldGrant]) -> Powers:
        """Add up grants."""
        wide, by_tag, by_dag = 0, dict[str, int](), dict[str, int]()
        for grant in grants:
            if grant.reach.is_wide:
                wide |= grant.powers | _giving(grant.role)
            else:
                by = by_tag if grant.reach.kind == "tag" else by_dag
                by[grant.reach.id] = by.get(grant.reach.id, 0) | grant.powers
        return cls(wide, by_tag, by_dag)

    @classmethod
    def sum(cls, many: Iterable[Powers]) -> Powers:
        """Add up what several holders give."""
        wide, by_tag, by_dag = 0, dict[str, int](), dict[str, int]()
        for each in many:
            wide |= each.wide
            for total, part in ((by_tag, each.by_tag), (by_dag, each.by_dag)):
                for name, powers in part.items():
                    total[name] = total.get(name, 0) | powers
        return cls(wide, by_tag, by_dag)

    def on(self, dag: Dag) -> int:
        """Return what is given on a Dag, of what can be held on single Dags."""
        held = self.wide | self.by_dag.get(dag.id, 0)
        for tag in dag.tags:
            held |= self.by_tag.get(tag, 0)
        return held & ON_DAGS


NOTHING = Powers(0, {}, {})


@dataclass(frozen=True, slots=True, eq=False)
class Spot:
    """A place to compare: a Dag as it is before and after, or a tag, told as a Dag with that tag and no other.

    Each is made once, so they are the same only if they are one object; that makes them fast keys.
    """

    kind: Literal["Dag", "tag"]
    name: str
    before: Dag
    after: Dag

    def __str__(self) -> str:
        return f"{self.kind} `{self.name}`"


class Spots(NamedTuple):
    """All places to compare, by tag and by Dag id; `moved` has those Dags that get or lose the tag."""

    by_tag: Mapping[str, tuple[Spot, ...]]
    by_id: Mapping[str, Spot]
    moved: Mapping[str, tuple[Spot, ...]]
    are_dags: bool

    def counts(self, held: int) -> int:
        """Return what counts of what is held in a place: on a Dag that cannot be seen, nothing.

        Of a tag alone that cannot be told, since a Dag's other tags and its id may show the Dag.
        """
        return held if not self.are_dags or held & SEE_DAG else 0

    @classmethod
    def of_dags(cls, old: Iterable[Dag], new: Iterable[Dag] | None) -> Spots:
        """Return the Dags of two lists; without a second one nothing moves."""
        before = {dag.id: dag for dag in old}
        after = before if new is None else {dag.id: dag for dag in new}
        by_tag: dict[str, list[Spot]] = defaultdict(list)
        moved: dict[str, list[Spot]] = defaultdict(list)
        by_id = {}
        for name in {**before, **after}:
            untagged = Dag(name, frozenset())
            spot = Spot("Dag", name, before.get(name, untagged), after.get(name, untagged))
            by_id[name] = spot
            for tag in spot.before.tags | spot.after.tags:
                by_tag[tag].append(spot)
            for tag in spot.before.tags ^ spot.after.tags:
                moved[tag].append(spot)
        return cls(_fixed(by_tag), by_id, _fixed(moved), are_dags=True)

    @classmethod
    def of_scopes(cls, *sides: Side) -> Spots:
        """Return every tag and Dag id on which somebody holds something."""
        every = [powers for side in sides for powers in side.powers.values()]
        by_tag = {tag: (_alone(tag),) for powers in every for tag in powers.by_tag}
        by_id = {name: Dag(name, frozenset()) for powers in every for name in powers.by_dag}
        return cls(by_tag, {name: Spot("Dag", name, dag, dag) for name, dag in by_id.items()}, {}, are_dags=False)


class Side:
    """One version of a policy in one Deployment; without an engine nobody holds anything.

    Attributes:
        subjects: people, API tokens, and groups of the identity provider, whose people nobody knows here.
        members: the subjects in each Team.
        grants: what is given to each holder, without what only comes along with it.
        powers: what each holder gives, where it gives anything.
    """

    def __init__(self, engine: Engine | None) -> None:
        self.members: dict[str, frozenset[str]] = {}
        self.grants: dict[Holder, tuple[HeldGrant, ...]] = {}
        self.powers: dict[Holder, Powers] = {}
        self._holders: dict[str, list[Holder]] = defaultdict(list)
        if engine:
            self._read(engine)
        self.subjects = tuple(self._holders)

    def held(self, subject: str) -> dict[Holder, Powers]:
        """Return what each holder gives to a subject, where it gives anything."""
        return {holder: self.powers[holder] for holder in self._holders.get(subject, ()) if holder in self.powers}

    def _read(self, engine: Engine) -> None:
        document = engine.policy.document
        for user in document.users:
            subject = user_subject(user.email)
            self._add(Holder("user", subject), [subject], engine.own_grants(subject))
        for index, team in enumerate(document.teams):
            groups = [f"{GROUP_PREFIX}{group}" for group in team.idp_groups]
            people = dict.fromkeys([*map(user_subject, team.members), *groups])
            self.members[team.name] = frozenset(people)
            self._add(Holder("Team", team.name), people, engine.team_grants(index))
        for token in document.api_tokens:
            subject = token_subject(token.id)
            self._add(Holder("token", token.id), [subject], engine.own_grants(subject))

    def _add(self, holder: Holder, subjects: Iterable[str], grants: tuple[HeldGrant, ...]) -> None:
        for subject in subjects:
            self._holders[subject].append(holder)
        powers = Powers.of(grants)
        if powers != NOTHING:
            self.powers[holder] = powers
        # The Accessor role that comes with a Dag role has the place of that role, and stands behind it.
        self.grants[holder] = tuple({grant.path: grant for grant in reversed(grants)}.values())[::-1]


def words(permissions: int) -> tuple[str, ...]:
    """Return the names in a set of permissions, those of giving roles included."""
    return (*names(permissions), *(word for bit, word in _GIVES.values() if permissions & bit))


def _giving(role: str) -> int:
    built_in = BUILT_IN.get(role)
    if built_in is None or not built_in.gives:
        return 0
    bit, _ = _GIVES[built_in.level]
    # A level includes those below it.
    return (bit << 1) - 1 & ~EVERYTHING


def _alone(tag: str) -> Spot:
    # No Dag has an empty id, and no grant names one.
    dag = Dag("", frozenset([tag]))
    return Spot("tag", tag, dag, dag)


def _fixed(lists: Mapping[str, list[Spot]]) -> dict[str, tuple[Spot, ...]]:
    return {name: tuple(spots) for name, spots in lists.items()}
