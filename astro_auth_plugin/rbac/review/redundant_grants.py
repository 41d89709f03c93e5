"""The grants of a policy by entry, and which of them others make redundant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from astro_auth_plugin.rbac.model.permissions import ASTRO_WORDS, EVERYTHING
from astro_auth_plugin.rbac.model.roles import ACCESSOR_PERMISSIONS, BUILT_IN
from astro_auth_plugin.rbac.model.scopes import KINDS, GrantScope, enclosing_scopes
from astro_auth_plugin.rbac.model.subjects import user_subject
from astro_auth_plugin.rbac.policy.document import PolicyDocument
from astro_auth_plugin.rbac.policy.grants import Grant, first_end, grants_of, members_of, role_permissions
from astro_auth_plugin.rbac.policy.yaml_reader import Path

_WIDEST_FIRST = (*KINDS,)


class Redundant(NamedTuple):
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
        self.of_teams = [list(grants_of(("teams", at), team)) for at, team in enumerate(document.teams)]
        self.of_users = [list(grants_of(("users", at), user)) for at, user in enumerate(document.users)]
        self.of_tokens = [list(grants_of(("api_tokens", at), token)) for at, token in enumerate(document.api_tokens)]
        self._document = document
        self._workspaces = {deployment.id: deployment.workspace_id for deployment in document.deployments}
        self._permissions = role_permissions(document)
        for name, role in BUILT_IN.items():
            # Each level at which a role may be given on is one more bit, so that no role covers one that may give more.
            self._permissions[name] |= (EVERYTHING + 1) * ((1 << len(role.gives)) - 1)
        # What a role gives outside of Airflow is not known here, so no other role makes it redundant.
        self._beyond = {role.name for role in document.roles if not ASTRO_WORDS.isdisjoint(role.permissions)}

    def everything(self) -> Iterator[Grant]:
        """Yield every grant."""
        for entries in (self.of_teams, self.of_users, self.of_tokens):
            for grants in entries:
                yield from grants

    def permissions(self, role: str) -> int:
        """Return what a role gives in Airflow, the giving of roles included as bits of their own."""
        return self._permissions.get(role, 0)

    def given(self, grant: Grant) -> int:
        """Return what a grant gives where it reaches."""
        return grant.scope.narrowed(self.permissions(grant.role))

    def enclosing(self, scope: GrantScope) -> tuple[GrantScope, ...]:
        """Return a scope and all those around it."""
        return enclosing_scopes(scope, self._workspaces)

    def redundant(self) -> Iterator[Redundant]:
        """Yield grants that can all be taken away at once, and no answer changes."""
        removed: set[Path] = set()
        for grants in (*self.of_teams, *self.of_tokens):
            yield from self._redundant(grants, [], removed)
        teams: dict[str, dict[int, datetime | None]] = defaultdict(dict)
        for at, team in enumerate(self._document.teams):
            for member, end in members_of(team).items():
                teams[member][at] = end
        for user, grants in zip(self._document.users, self.of_users, strict=True):
            through_teams = [
                grant._replace(expires_at=first_end(grant.expires_at, end))
                for at, end in teams.get(user_subject(user.email), {}).items()
                # What support Teams give can be switched off.
                if not self._document.teams[at].support
                for grant in self.of_teams[at]
                if grant.path not in removed
            ]
            yield from self._redundant(grants, through_teams, removed)

    def _redundant(self, own: list[Grant], others: list[Grant], removed: set[Path]) -> Iterator[Redundant]:
        # The narrowest first, and of two that are alike the later one.
        for grant in sorted(own, key=lambda each: (-_WIDEST_FIRST.index(each.scope.kind), -own.index(each))):
            rest = [other for other in own if other.path != grant.path and other.path not in removed] + others
            covers = self._covers(grant, rest)
            if covers:
                removed.add(grant.path)
                yield Redundant(grant, covers)

    def _covers(self, grant: Grant, others: Iterable[Grant]) -> tuple[Grant, ...]:
        """Return the grants that together give all that one gives; none if they do not."""
        needed = self.given(grant)
        around = self.enclosing(grant.scope)
        others = [other for other in others if other.outlives(grant)]
        same_role = [other for other in others if other.role == grant.role and other.scope in around]
        if not needed or (grant.role in self._beyond and not same_role):
            return ()
        covers = [other for other in others if other.scope in around and self.given(other) & needed]
        if not grant.scope.is_deployment_wide:
            page = [other for other in others if self._opens_page(other, grant.scope.deployment_id)]
            if not page:
                return ()
        given = 0
        for other in covers:
            given |= self.given(other)
        return tuple(same_role[:1] or covers) if not needed & ~given else ()

    def _opens_page(self, grant: Grant, deployment_id: str) -> bool:
        """Whether a grant gives what comes along with every role on Dags or objects: what an Accessor has."""
        if not grant.scope.is_deployment_wide:
            return grant.scope.deployment_id == deployment_id
        deployment_wide = self.enclosing(GrantScope("Deployment", deployment_id))
        return grant.scope in deployment_wide and not ACCESSOR_PERMISSIONS & ~self.permissions(grant.role)
