"""What is compared: what each principal gives on one side, and the places where that may matter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from astro_auth_plugin.rbac.engine.decision import HeldGrant
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.permissions import DAG_WORDS, EVERYTHING, mask, names
from astro_auth_plugin.rbac.model.roles import BUILT_IN, Level, Role
from astro_auth_plugin.rbac.model.scopes import (
    Dag,
    DagFile,
    GrantScope,
    Label,
    ScopeName,
    enclosing_scopes,
    label_of,
    labels,
)
from astro_auth_plugin.rbac.policy.grants import Principal, people_of, principal_of, subjects_of

SEE_DAG = mask("dag.get")
ON_DAGS = 0
"""Every permission that can be granted on single Dags."""
for _bit in DAG_WORDS.values():
    ON_DAGS |= _bit

# The right to change others' access is no permission of the table, but a plan that hid it would lie. What a level has
# besides what the levels below it have:
_OF_LEVEL: dict[Level, tuple[str, ...]] = {
    "DAG": (),
    "OBJECT": (),
    "DEPLOYMENT": ("apiTokens.create", "apiTokens.rotate", "apiTokens.delete", "giveRoles.deployment"),
    "WORKSPACE": ("makeApiTokens.workspace", "giveRoles.workspace"),
    "ORGANIZATION": ("giveRoles.organization",),
}
_Key = TypeVar("_Key")

_OVER_OTHERS = {
    word: (EVERYTHING + 1) << index
    for index, word in enumerate(["changeAccounts", *(word for words in _OF_LEVEL.values() for word in words)])
}


class PermissionSets(NamedTuple):
    """What some grants give: in the whole Deployment, by label, by Dag id, and by object or prefix of objects."""

    deployment_wide: int
    by_label: Mapping[Label, int]
    by_dag: Mapping[str, int]
    by_object: Mapping[GrantScope, int]

    @classmethod
    def of(cls, grants: Iterable[tuple[HeldGrant, int]]) -> PermissionSets:
        """Add up grants, each with its permissions."""
        deployment_wide, by_label, by_dag, by_object = 0, dict[Label, int](), dict[str, int](), dict[GrantScope, int]()
        for grant, permissions in grants:
            scope = grant.scope
            if scope.is_deployment_wide:
                deployment_wide |= permissions
            elif scope.object_kind is not None:
                by_object[scope] = by_object.get(scope, 0) | permissions
            elif (label := label_of(scope)) is not None:
                by_label[label] = by_label.get(label, 0) | permissions
            else:
                by_dag[scope.id] = by_dag.get(scope.id, 0) | permissions
        return cls(deployment_wide, by_label, by_dag, by_object)

    @classmethod
    def sum(cls, many: Iterable[PermissionSets]) -> PermissionSets:
        """Add up what several principals give."""
        deployment_wide, by_label, by_dag, by_object = 0, dict[Label, int](), dict[str, int](), dict[GrantScope, int]()
        for each in many:
            deployment_wide |= each.deployment_wide
            _add(by_label, each.by_label)
            _add(by_dag, each.by_dag)
            _add(by_object, each.by_object)
        return cls(deployment_wide, by_label, by_dag, by_object)

    def on(self, place: Dag | GrantScope) -> int:
        """Return what is given on a Dag, of what can be granted on single Dags; or on every object of a scope."""
        if isinstance(place, GrantScope):
            return self._on_objects(place)
        dag = place
        held = self.deployment_wide | self.by_dag.get(dag.id, 0)
        for label in labels(dag) if self.by_label else ():
            held |= self.by_label.get(label, 0)
        return held & ON_DAGS

    def _on_objects(self, scope: GrantScope) -> int:
        held = self.deployment_wide
        for around in enclosing_scopes(scope, {scope.deployment_id: ""}):
            held |= self.by_object.get(around, 0)
        return scope.narrowed(held)


def _add(total: dict[_Key, int], part: Mapping[_Key, int]) -> None:
    for name, permissions in part.items():
        total[name] = total.get(name, 0) | permissions


NOTHING = PermissionSets(0, {}, {}, {})


@dataclass(frozen=True, slots=True, eq=False)
class Spot:
    """A place to compare: a Dag as it is before and after, a label, represented as a Dag with only that, or objects.

    Each is made once, so they are the same only if they are one object; that makes them fast keys.
    """

    kind: ScopeName
    name: str
    before: Dag | GrantScope
    after: Dag | GrantScope
    folder: str = ""

    def __str__(self) -> str:
        return str(GrantScope(self.kind, self.name, folder=self.folder))


class Spots(NamedTuple):
    """All places to compare, by label and by Dag id; `moved` has those Dags that get or lose the label.

    `objects` are made where grants name them: which objects there are is not known.
    """

    by_label: Mapping[Label, tuple[Spot, ...]]
    by_id: Mapping[str, Spot]
    moved: Mapping[Label, tuple[Spot, ...]]
    are_dags: bool
    objects: dict[GrantScope, Spot]

    def of_object(self, scope: GrantScope) -> Spot:
        """Return the place of an object, or of all objects with a prefix."""
        return self.objects.setdefault(scope, Spot(scope.kind, scope.id, scope, scope))

    def counts(self, spot: Spot, held: int) -> int:
        """Return what is effective of what is granted in a place: on a Dag that cannot be seen, nothing.

        Of a label alone that is unknown, since a Dag's other labels and its id may show the Dag.
        """
        return held if not self.are_dags or held & SEE_DAG or spot.kind != "Dag" else 0

    @classmethod
    def of_dags(cls, old: Iterable[Dag], new: Iterable[Dag] | None) -> Spots:
        """Return the Dags of two lists; without a second one nothing moves."""
        before = {dag.id: dag for dag in old}
        after = before if new is None else {dag.id: dag for dag in new}
        by_label: dict[Label, list[Spot]] = defaultdict(list)
        moved: dict[Label, list[Spot]] = defaultdict(list)
        by_id = {}
        for name in {**before, **after}:
            untagged = Dag(name, frozenset())
            was, is_now = before.get(name, untagged), after.get(name, untagged)
            spot = Spot("Dag", name, was, is_now)
            by_id[name] = spot
            had, has = labels(was), labels(is_now)
            for label in had | has:
                by_label[label].append(spot)
            for label in had ^ has:
                moved[label].append(spot)
        return cls(_fixed(by_label), by_id, _fixed(moved), are_dags=True, objects={})

    @classmethod
    def of_scopes(cls, *sides: Side) -> Spots:
        """Return every label and Dag id on which a user has something."""
        every = [permissions for side in sides for permissions in side.permissions.values()]
        by_label = {label: (_alone(label),) for permissions in every for label in permissions.by_label}
        by_id = {name: Dag(name, frozenset()) for permissions in every for name in permissions.by_dag}
        places = {name: Spot("Dag", name, dag, dag) for name, dag in by_id.items()}
        return cls(by_label, places, {}, are_dags=False, objects={})


class Side:
    """One version of a policy in one Deployment; without an engine no user has any permissions.

    Attributes:
        subjects: people, API tokens, and groups of the identity provider, whose people are unknown here.
        grants: what is given to each principal, without what only comes along with it.
        permissions: what each principal gives, where it gives anything.

    Args:
        engine: of the version.
        only: the subjects to read, for a comparison of these alone; None reads all.
    """

    def __init__(self, engine: Engine | None, only: frozenset[str] | None = None) -> None:
        self._only = only
        self._at = engine.at if engine else None
        self._teams = {team.name: team for team in engine.policy.document.teams} if engine else {}
        self._members: dict[str, frozenset[str]] = {}
        self.grants: dict[Principal, tuple[HeldGrant, ...]] = {}
        self.permissions: dict[Principal, PermissionSets] = {}
        self._holders: dict[str, list[Principal]] = defaultdict(list)
        self._over_others = {name: _permissions_over_others(role) for name, role in BUILT_IN.items()}
        if engine:
            self._read(engine)
        self.subjects = tuple(self._holders)

    def held(self, subject: str) -> dict[Principal, PermissionSets]:
        """Return what each principal gives to a subject, where it gives anything."""
        return {
            holder: self.permissions[holder] for holder in self._holders.get(subject, ()) if holder in self.permissions
        }

    def members(self, team: str) -> frozenset[str] | None:
        """Return the subjects in a Team; None where the version has no such Team."""
        if team not in self._teams:
            return None
        if team not in self._members:
            self._members[team] = frozenset(people_of(self._teams[team], self._at))
        return self._members[team]

    def permissions_of(self, grant: HeldGrant) -> int:
        """Return what a grant gives where it reaches, the right to change the access of others included."""
        return grant.permissions | (self._over_others[grant.role] if grant.scope.is_deployment_wide else 0)

    def _read(self, engine: Engine) -> None:
        document = engine.policy.document
        for role in document.roles:
            self._over_others[role.name] = _bits(word.removeprefix("deployment.") for word in role.permissions)
        for key, index, entry in engine.entries_of(self._only):
            subjects = tuple(each for each in subjects_of(entry, engine.at) if self._only is None or each in self._only)
            if not subjects:
                continue
            holder = principal_of(entry)
            if key == "teams":
                self._add(holder, subjects, engine.team_grants(index))
            else:
                # Two spellings of an e-mail are one user.
                name = subjects[0] if key == "users" else holder.name
                self._add(holder._replace(name=name), subjects, engine.own_grants(subjects[0]))

    def _add(self, holder: Principal, subjects: Iterable[str], grants: tuple[HeldGrant, ...]) -> None:
        for subject in subjects:
            self._holders[subject].append(holder)
        permissions = PermissionSets.of((grant, self.permissions_of(grant)) for grant in grants)
        if permissions != NOTHING:
            self.permissions[holder] = permissions
        self.grants[holder] = tuple(grant for grant in grants if not grant.derived)


def words(permissions: int) -> tuple[str, ...]:
    """Return the names in a set of permissions, those of the right to change the access of others included."""
    return (*names(permissions), *(word for word, bit in _OVER_OTHERS.items() if permissions & bit))


def _permissions_over_others(role: Role) -> int:
    accounts = ["changeAccounts"] if role.changes_accounts else []
    tokens = [f"makeApiTokens.{level.lower()}" for level in role.gives_tokens]
    return _bits([*accounts, *tokens, *(word for level in role.gives for word in _OF_LEVEL[level])])


def _bits(words_over_others: Iterable[str]) -> int:
    permissions = 0
    for word in words_over_others:
        permissions |= _OVER_OTHERS.get(word, 0)
    return permissions


def _alone(label: Label) -> Spot:
    # No Dag has an empty id, and no grant names one.
    if isinstance(label, str):
        dag = Dag("", frozenset([label]))
        return Spot("tag", label, dag, dag)
    bundle, folder = label
    dag = Dag("", frozenset(), DagFile(bundle, folder))
    return Spot("bundle", bundle, dag, dag, folder)


def _fixed(lists: Mapping[Label, list[Spot]]) -> dict[Label, tuple[Spot, ...]]:
    return {name: tuple(spots) for name, spots in lists.items()}
