"""All that a user can do, Dag by Dag; and everybody who can do something with a Dag, or through a tag or bundle."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from astro_auth_plugin.rbac.engine.decision import HeldGrant, reaches, reaching
from astro_auth_plugin.rbac.engine.engine import NO_GROUPS
from astro_auth_plugin.rbac.explain.answers import Answerer, together
from astro_auth_plugin.rbac.explain.questions import SEE_DAG
from astro_auth_plugin.rbac.model.actions import NEED_DAG_GET
from astro_auth_plugin.rbac.model.permissions import DAG_WORDS
from astro_auth_plugin.rbac.model.scopes import Dag, GrantScope
from astro_auth_plugin.rbac.policy.grants import Grant

_ON_DAGS = 0
for _bit in DAG_WORDS.values():
    _ON_DAGS |= _bit


class Share(NamedTuple):
    """Dags on which a user has the same permissions, and the grants that give them on one or more of these."""

    dag_ids: tuple[str, ...]
    permissions: int
    grants: tuple[HeldGrant, ...]


class ObjectShare(NamedTuple):
    """What a user has on a connection, Variable or pool, or on all with a prefix, and the grants that give it."""

    scope: GrantScope
    permissions: int
    grants: tuple[HeldGrant, ...]


class Holder(NamedTuple):
    """A principal with permissions: a subject, or the people of an identity provider's groups in a Team."""

    who: str
    permissions: int
    grants: tuple[HeldGrant, ...]


def deployment_wide_permissions(asking: Answerer, subject: str, groups: frozenset[str] = NO_GROUPS) -> int:
    """Return what a subject has in the whole Deployment."""
    if subject in asking.expired:
        return 0
    held = asking.engine.access(subject, groups).deployment_wide
    # Airflow checks `dag.get` besides, so without it these open nothing in the whole Deployment.
    return held if held & SEE_DAG else held & ~NEED_DAG_GET


def of_subject(asking: Answerer, subject: str, dags: Iterable[Dag], groups: frozenset[str] = NO_GROUPS) -> list[Share]:
    """Return what a subject can do with which of the Dags; Dags with the same answer are together.

    A Dag that the subject may not see is left out: anyone who may not see it may do nothing with it.
    """
    access = asking.engine.access(subject, groups)
    alike: dict[int, list[str]] = defaultdict(list)
    through: dict[int, dict[HeldGrant, None]] = defaultdict(dict)
    for dag in () if subject in asking.expired else map(asking.engine.with_effective_tags, dags):
        permissions = access.on(dag) & _ON_DAGS
        if permissions & SEE_DAG:
            alike[permissions].append(dag.id)
            through[permissions].update(dict.fromkeys(_giving(access.grants, dag)))
    shares = [Share(tuple(sorted(ids)), permissions, tuple(through[permissions])) for permissions, ids in alike.items()]
    return sorted(shares, key=lambda share: (-len(share.dag_ids), share.dag_ids))


def objects_of_subject(asking: Answerer, subject: str, groups: frozenset[str] = NO_GROUPS) -> list[ObjectShare]:
    """Return the objects and prefixes that a subject's grants name, with what it has there and the grants that give it.

    What it has in the whole Deployment is not repeated.
    """
    if subject in asking.expired:
        return []
    access = asking.engine.access(subject, groups)
    found = []
    for scope in dict.fromkeys(grant.scope for grant in access.grants if grant.scope.object_kind):
        around = asking.engine.enclosing(scope)
        giving = tuple(grant for grant in access.grants if grant.scope.object_kind and grant.scope in around)
        found.append(ObjectShare(scope, together(giving) & ~access.deployment_wide, giving))
    return [share for share in found if share.permissions]


def groups_matter(asking: Answerer, subject: str) -> bool:
    """Whether a subject can have more through groups."""
    engine = asking.engine
    return engine.access(subject, engine.groups).grants != engine.access(subject).grants


def of_dag(asking: Answerer, dag: Dag) -> Iterator[Holder]:
    """Yield everybody who may see a Dag, with all that they may do with it; groups of Teams at the end."""
    dag = asking.engine.with_effective_tags(dag)
    for who, grants in _everybody(asking, lambda grant: reaches(grant.scope, dag)):
        here = _giving(grants, dag)
        permissions = together(here) & _ON_DAGS
        if permissions & SEE_DAG:
            yield Holder(who, permissions, here)


def of_tag(asking: Answerer, tag: str) -> Iterator[Holder]:
    """Yield everybody to whom a grant on a tag gives something, with what it gives; groups of Teams at the end."""
    return _through(asking, lambda grant: grant.scope.kind == "tag" and grant.scope.id == tag)


def of_bundle(asking: Answerer, bundle: str, folder: str = "") -> Iterator[Holder]:
    """Yield everybody to whom grants on a bundle, or on a folder and what is around it, give something there."""
    here = set(asking.engine.enclosing(GrantScope("bundle", bundle, asking.engine.deployment_id, folder)))
    return _through(asking, lambda grant: grant.scope.kind == "bundle" and grant.scope in here)


def _through(asking: Answerer, fits: Callable[[Grant | HeldGrant], bool]) -> Iterator[Holder]:
    for who, grants in _everybody(asking, fits):
        through = tuple(grant for grant in grants if fits(grant))
        if through:
            yield Holder(who, together(through), through)


def _everybody(asking: Answerer, fits: Callable[[Grant], bool]) -> Iterator[tuple[str, tuple[HeldGrant, ...]]]:
    """Yield all who have a grant that fits, with every grant of theirs, and the groups of every Team with theirs."""
    engine = asking.engine
    among = engine.subjects_with(fits)
    for subject in engine.subjects():
        if subject in among and subject not in asking.expired:
            yield subject, engine.access(subject).grants
    for index, team in enumerate(engine.policy.document.teams):
        if team.idp_groups:
            yield groups_of(team.name, team.idp_groups), engine.team_grants(index)


def groups_of(team: str, groups: list[str]) -> str:
    """Return as text who is in a Team through groups of an identity provider."""
    return f"people of {', '.join(f'`{group}`' for group in groups)} (Team `{team}`)"


def _giving(grants: tuple[HeldGrant, ...], dag: Dag) -> tuple[HeldGrant, ...]:
    return tuple(grant for grant in reaching(grants, dag) if grant.permissions & _ON_DAGS)
