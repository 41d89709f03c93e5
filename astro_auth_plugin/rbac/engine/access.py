"""What one subject holds, compiled; and which Dags it reaches, without looking at any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from astro_auth_plugin.rbac.engine.decision import HeldGrant
from astro_auth_plugin.rbac.engine.objects import NO_OBJECTS, ObjectAccess, ObjectSelection
from astro_auth_plugin.rbac.model.permissions import ObjectKind
from astro_auth_plugin.rbac.model.scopes import KINDS, BundlePlace, Dag
from astro_auth_plugin.rbac.policy.tag_rules import NO_RULES, TagRules


class Clause(NamedTuple):
    """One condition on a Dag: it carries one of these tags, has one of these ids, or is in one of these places."""

    tags: frozenset[str]
    dag_ids: frozenset[str]
    places: frozenset[BundlePlace] = frozenset()

    @property
    def size(self) -> int:
        """How many tags, ids and places it has."""
        return len(self.tags) + len(self.dag_ids) + len(self.places)

    def has_place_of(self, dag: Dag) -> bool:
        """Whether a Dag is in one of the places. Without any, its path is not taken apart: there may be many Dags."""
        return bool(self.places) and dag.file is not None and not self.places.isdisjoint(dag.file.places)


class DagSelection(NamedTuple):
    """Which Dags a subject may do something with, without looking at any Dag.

    A Dag is selected when every clause matches it; without clauses, `everything` says whether it is all or none.
    """

    everything: bool
    clauses: tuple[Clause, ...] = ()
    tag_rules: TagRules = NO_RULES

    @property
    def nothing(self) -> bool:
        """Whether no Dag at all can be selected."""
        return not self.everything and not self.clauses

    def matches(self, dag: Dag) -> bool:
        """Whether this Dag is selected."""
        if self.nothing:
            return False
        tags = self.tag_rules.effective_tags(dag)
        return all(dag.id in each.dag_ids or tags & each.tags or each.has_place_of(dag) for each in self.clauses)


class Access(NamedTuple):
    """What one subject has in the Deployment, compiled.

    `deployment_wide` applies to everything, `by_tag`, `by_dag` and `by_place` to the Dags with that tag or id, or in
    that bundle or folder. `anywhere` is their union. `objects` has what applies to single connections, Variables and
    pools, for those kinds of which there is any.
    """

    grants: tuple[HeldGrant, ...]
    deployment_wide: int
    by_tag: dict[str, int]
    by_dag: dict[str, int]
    anywhere: int
    objects: Mapping[ObjectKind, ObjectAccess] = MappingProxyType({})
    by_place: Mapping[BundlePlace, int] = MappingProxyType({})

    def clauses(self, permissions: int) -> tuple[Clause, ...]:
        """Return the conditions under which a Dag has all of these permissions, which are not held everywhere."""
        return tuple(dict.fromkeys(_clause(self, bit) for bit in _bits(permissions)))

    def on(self, dag: Dag) -> int:
        """Return all permissions on a Dag: the grants that apply to it add up."""
        held, by_tag = self.deployment_wide, self.by_tag
        if dag.id in self.by_dag:
            held |= self.by_dag[dag.id]
        for tag in dag.tags:
            if tag in by_tag:
                held |= by_tag[tag]
        if self.by_place and dag.file is not None:
            for place in dag.file.places:
                held |= self.by_place.get(place, 0)
        return held

    def on_object(self, kind: ObjectKind, name: str) -> int:
        """Return all permissions on a connection, Variable or pool: the grants that apply to it add up."""
        return self.deployment_wide | self.objects.get(kind, NO_OBJECTS).on(name)

    def objects_with(self, kind: ObjectKind, permissions: int) -> ObjectSelection:
        """Return on which objects of a kind all of these permissions are held; none for no permission."""
        missing = permissions & ~self.deployment_wide
        if not missing:
            return ObjectSelection(bool(permissions))
        held = self.objects.get(kind, NO_OBJECTS)
        if missing & ~held.anywhere:
            return ObjectSelection(everything=False)
        return ObjectSelection(False, tuple(dict.fromkeys(held.clauses([*_bits(missing)]))))


def compile_access(grants: tuple[HeldGrant, ...]) -> Access:
    """Add up what the grants of one subject give."""
    deployment_wide = 0
    narrow: dict[str, dict[str, int]] = {"tag": {}, "Dag": {}}
    by_place: dict[BundlePlace, int] = {}
    anywhere = 0
    objects: dict[ObjectKind, ObjectAccess] = {}
    for grant in grants:
        kind = grant.scope.object_kind
        if kind is not None:
            objects[kind] = _with_object_grant(objects.get(kind), grant)
            continue
        anywhere |= grant.permissions
        if grant.scope.is_deployment_wide:
            deployment_wide |= grant.permissions
        elif grant.scope.kind == "bundle":
            place = grant.scope.id, grant.scope.folder
            by_place[place] = by_place.get(place, 0) | grant.permissions
        else:
            by = narrow[grant.scope.kind]
            by[grant.scope.id] = by.get(grant.scope.id, 0) | grant.permissions
    return Access(grants, deployment_wide, narrow["tag"], narrow["Dag"], anywhere, objects, by_place)


def _with_object_grant(held: ObjectAccess | None, grant: HeldGrant) -> ObjectAccess:
    held = held or ObjectAccess({}, {}, 0)
    by = held.by_prefix if KINDS[grant.scope.kind].is_prefix else held.by_id
    by[grant.scope.id] = by.get(grant.scope.id, 0) | grant.permissions
    return held._replace(anywhere=held.anywhere | grant.permissions)


def _clause(access: Access, bit: int) -> Clause:
    tags = frozenset(tag for tag, permissions in access.by_tag.items() if permissions & bit)
    dag_ids = frozenset(dag_id for dag_id, permissions in access.by_dag.items() if permissions & bit)
    return Clause(
        tags, dag_ids, frozenset(place for place, permissions in access.by_place.items() if permissions & bit)
    )


def _bits(permissions: int) -> Iterator[int]:
    while permissions:
        bit = permissions & -permissions
        yield bit
        permissions ^= bit
