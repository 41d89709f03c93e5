"""What one subject holds, compiled; and which Dags it reaches, without looking at any."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from astro_auth_plugin.rbac.engine.decision import HeldGrant
from astro_auth_plugin.rbac.model.scopes import Dag
from astro_auth_plugin.rbac.policy.tag_rules import NO_RULES, TagRules


class Clause(NamedTuple):
    """One condition on a Dag: it carries one of these tags, or has one of these ids."""

    tags: frozenset[str]
    dag_ids: frozenset[str]


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
        return all(dag.id in clause.dag_ids or tags & clause.tags for clause in self.clauses)


class Access(NamedTuple):
    """What one subject has in the Deployment, compiled.

    `deployment_wide` applies to everything, `by_tag` and `by_dag` to the Dags with that tag or id. `anywhere` is their
    union.
    """

    grants: tuple[HeldGrant, ...]
    deployment_wide: int
    by_tag: dict[str, int]
    by_dag: dict[str, int]
    anywhere: int

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
        return held


def compile_access(grants: tuple[HeldGrant, ...]) -> Access:
    """Add up what the grants of one subject give."""
    deployment_wide = 0
    narrow: dict[str, dict[str, int]] = {"tag": {}, "Dag": {}}
    anywhere = 0
    for grant in grants:
        anywhere |= grant.permissions
        if grant.scope.is_deployment_wide:
            deployment_wide |= grant.permissions
        else:
            by = narrow[grant.scope.kind]
            by[grant.scope.id] = by.get(grant.scope.id, 0) | grant.permissions
    return Access(grants, deployment_wide, narrow["tag"], narrow["Dag"], anywhere)


def _clause(access: Access, bit: int) -> Clause:
    tags = frozenset(tag for tag, permissions in access.by_tag.items() if permissions & bit)
    return Clause(tags, frozenset(dag_id for dag_id, permissions in access.by_dag.items() if permissions & bit))


def _bits(permissions: int) -> Iterator[int]:
    while permissions:
        bit = permissions & -permissions
        yield bit
        permissions ^= bit
