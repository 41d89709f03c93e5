"""Every grant of a policy in one form, and which of them others make superfluous."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from astro_auth_plugin.rbac.permissions import ASTRO_WORDS, DAG_WORDS, DEPLOYMENT_WORDS, EVERYTHING
from astro_auth_plugin.rbac.policy_document import ApiToken, PolicyDocument, Team, User
from astro_auth_plugin.rbac.policy_text import Path
from astro_auth_plugin.rbac.roles import ACCESSOR_POWERS, BUILT_IN
from astro_auth_plugin.rbac.subjects import user_subject

_WIDTH = ("DAG", "DAG_TAG", "DEPLOYMENT", "WORKSPACE", "ORGANIZATION")


class Where(NamedTuple):
    """Where a grant reaches: an entity type of Astro, its id or the tag, and for Dags their Deployment."""

    kind: str
    id: str
    deployment_id: str = ""

    @property
    def on_dags(self) -> bool:
        """Whether it reaches single Dags."""
        return self.kind in ("DAG", "DAG_TAG")


class Grant(NamedTuple):
    """A role that an entry of the policy has somewhere."""

    path: Path
    role: str
    where: Where


class Superfluous(NamedTuple):
    """A grant that gives nothing which the grants in `covers` do not give."""

    grant: Grant
    covers: tuple[Grant, ...]


class Grants:
    """All grants of a policy.

    Attributes:
        of_teams: those of each Team, by its place in the policy.
        of_users: those of each user.
        of_tokens: those of each API token.
    """

    def __init__(self, document: PolicyDocument) -> None:
        self.of_teams = [list(_of_holder(("teams", at), team)) for at, team in enumerate(document.teams)]
        self.of_users = [list(_of_holder(("users", at), user)) for at, user in enumerate(document.users)]
        self.of_tokens = [list(_of_token(("api_tokens", at), token)) for at, token in enumerate(document.api_tokens)]
        self._document = document
        self._workspaces = {deployment.id: deployment.workspace_id for deployment in document.deployments}
        self._powers: dict[str, int] = {name: _built_in_powers(name) for name in BUILT_IN}
        # What a role gives outside of Airflow is not known here, so no other role makes it superfluous.
        self._beyond = {role.name for role in document.roles if not ASTRO_WORDS.isdisjoint(role.permissions)}
        for role in document.roles:
            words = DAG_WORDS if role.scope == "DAG" else DEPLOYMENT_WORDS
            for word in role.permissions:
                self._powers[role.name] = self._powers.get(role.name, 0) | words.get(word, 0)

    def everything(self) -> Iterator[Grant]:
        """Yield every grant."""
        for entries in (self.of_teams, self.of_users, self.of_tokens):
            for grants in entries:
                yield from grants

    def powers(self, role: str) -> int:
        """Return what a role gives in Airflow, the giving of roles included as bits of their own."""
        return self._powers.get(role, 0)

    def reaching(self, where: Where) -> tuple[Where, ...]:
        """Return the places that reach all of a place: itself, and those around it."""
        around = [where]
        deployment_id = where.deployment_id
        if where.on_dags:
            around.append(Where("DEPLOYMENT", deployment_id))
        elif where.kind == "DEPLOYMENT":
            deployment_id = where.id
        if deployment_id:
            around.append(Where("WORKSPACE", self._workspaces[deployment_id]))
        return (*around, Where("ORGANIZATION", ""))

    def superfluous(self) -> Iterator[Superfluous]:
        """Yield grants that can all be taken away at once, and no answer changes."""
        removed: set[Path] = set()
        for grants in (*self.of_teams, *self.of_tokens):
            yield from self._superfluous(grants, [], removed)
        teams: dict[str, list[int]] = defaultdict(list)
        for at, team in enumerate(self._document.teams):
            for member in dict.fromkeys(map(user_subject, team.members)):
                teams[member].append(at)
        for user, grants in zip(self._document.users, self.of_users, strict=True):
            through_teams = [
                grant
                for at in teams.get(user_subject(user.email), ())
                for grant in self.of_teams[at]
                if grant.path not in removed
            ]
            yield from self._superfluous(grants, through_teams, removed)

    def _superfluous(self, own: list[Grant], others: list[Grant], removed: set[Path]) -> Iterator[Superfluous]:
        # The narrowest first, and of two that are alike the later one.
        for grant in sorted(own, key=lambda each: (_WIDTH.index(each.where.kind), -own.index(each))):
            rest = [other for other in own if other.path != grant.path and other.path not in removed] + others
            covers = self._covers(grant, rest)
            if covers:
                removed.add(grant.path)
                yield Superfluous(grant, covers)

    def _covers(self, grant: Grant, others: Iterable[Grant]) -> tuple[Grant, ...]:
        """Return the grants that together give all that one gives; none if they do not."""
        needed = self.powers(grant.role)
        around = self.reaching(grant.where)
        same_role = [other for other in others if other.role == grant.role and other.where in around]
        if not needed or (grant.role in self._beyond and not same_role):
            return ()
        covers = [other for other in others if other.where in around and self.powers(other.role) & needed]
        if grant.where.on_dags:
            page = [other for other in others if self._opens_page(other, grant.where.deployment_id)]
            if not page:
                return ()
        given = 0
        for other in covers:
            given |= self.powers(other.role)
        return tuple(same_role[:1] or covers) if not needed & ~given else ()

    def _opens_page(self, grant: Grant, deployment_id: str) -> bool:
        """Whether a grant gives what comes along with every Dag role: what an Accessor of the Deployment holds."""
        if grant.where.on_dags:
            return grant.where.deployment_id == deployment_id
        wide = self.reaching(Where("DEPLOYMENT", deployment_id))
        return grant.where in wide and not ACCESSOR_POWERS & ~self.powers(grant.role)


def _built_in_powers(name: str) -> int:
    role = BUILT_IN[name]
    # Each level at which a role may be given on is one more bit, so that no role covers one that may give more.
    return role.powers | (EVERYTHING + 1) * ((1 << len(role.gives)) - 1)


def _of_holder(path: Path, holder: User | Team) -> Iterator[Grant]:
    if holder.organization_role:
        yield Grant((*path, "organization_role"), holder.organization_role, Where("ORGANIZATION", ""))
    for at, workspace in enumerate(holder.workspace_roles):
        where = Where("WORKSPACE", workspace.workspace_id)
        yield Grant((*path, "workspace_roles", at), workspace.role, where)
    for at, deployment in enumerate(holder.deployment_roles):
        where = Where("DEPLOYMENT", deployment.deployment_id)
        yield Grant((*path, "deployment_roles", at), deployment.role, where)
    for at, dag in enumerate(holder.dag_roles):
        kind, name = ("DAG_TAG", dag.tag) if dag.tag else ("DAG", dag.dag_id)
        yield Grant((*path, "dag_roles", at), dag.role, Where(kind, name, dag.deployment_id))


def _of_token(path: Path, token: ApiToken) -> Iterator[Grant]:
    for at, role in enumerate(token.roles):
        name = "" if role.entity_type == "ORGANIZATION" else role.entity_id
        yield Grant((*path, "roles", at), role.role, Where(role.entity_type, name, role.deployment_id))
