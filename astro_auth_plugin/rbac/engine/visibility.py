"""What a subject may read about the access of others: the parts of a policy that the Access pages and API show.

Users, Teams and their grants in this Workspace are readable for those who see every Dag of the Deployment through a
built-in role (Workspace Members and above, Deployment Admins), and for custom roles with `deployment.users.get` and
`deployment.teams.get`. What a grant is about is readable only for those who see that anyway: a Dag role in another
Deployment names Dags there.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import NamedTuple

from astro_auth_plugin.rbac.engine import delegation
from astro_auth_plugin.rbac.engine.decision import HeldGrant
from astro_auth_plugin.rbac.engine.engine import NO_GROUPS, Engine
from astro_auth_plugin.rbac.model.permissions import ON_OBJECTS, mask
from astro_auth_plugin.rbac.model.roles import BUILT_IN
from astro_auth_plugin.rbac.model.scopes import GrantScope

_SEE_DAG = mask("dag.get")
_SEE_OBJECTS = mask(*(f"{kind}.get" for kind in ON_OBJECTS))
_ABOVE = ("Organization", "Workspace")
_READ_ACCESS = frozenset({"deployment.users.get", "deployment.teams.get"})


class Visibility(NamedTuple):
    """What a subject may read about the access of others.

    Attributes:
        engine: of the Deployment and the policy.
        everything: whether that is the whole policy, as for Organization Owners.
        access: whether it is users, Teams, and their grants in this Workspace.
        tokens: whether it is API tokens.
        changes: whether it is what changed in this Workspace, and the audit log.
        dags_here: whether grants on Dags and tags of this Deployment are among them.
        dags_beside: whether those of the other Deployments of the Workspace are.
        objects_here: permissions to read all objects of a kind: grants on such objects here are among them.
        objects_beside: the same of the other Deployments of the Workspace.
    """

    engine: Engine
    everything: bool
    access: bool
    tokens: bool
    changes: bool
    dags_here: bool
    dags_beside: bool
    objects_here: int
    objects_beside: int

    @property
    def sight(self) -> tuple[object, ...]:
        """What `sees` depends on: callers with the same one see the same."""
        places = tuple((each.id, each.workspace_id) for each in self.engine.policy.document.deployments)
        here = (self.engine.workspace_id, self.engine.deployment_id)
        objects = (self.objects_here, self.objects_beside)
        return (self.everything, self.dags_here, self.dags_beside, *objects, *here, places)

    def sees(self, scope: GrantScope) -> bool:
        """Whether grants in a scope are readable, by whatever part of the policy they are."""
        if self.everything or scope.kind == "Organization":
            return True
        if scope.kind == "Workspace":
            return scope.id == self.engine.workspace_id
        deployment_id = scope.deployment_id or scope.id
        if self.engine.workspace_of(deployment_id) != self.engine.workspace_id:
            return False
        if scope.kind == "Deployment":
            return True
        is_here = deployment_id == self.engine.deployment_id
        if scope.object_kind is not None:
            return bool(mask(f"{scope.object_kind}.get") & (self.objects_here if is_here else self.objects_beside))
        return self.dags_here if is_here else self.dags_beside


def visibility_of(engine: Engine, subject: str, groups: frozenset[str] = NO_GROUPS) -> Visibility:
    """Return what a subject, with these groups, may read about the access of others."""
    held = engine.access(subject, groups)
    gives = delegation.levels_given(engine, subject, groups)
    words = delegation.astro_words(engine, (grant.role for grant in held.grants))
    reading = [grant for grant in held.grants if _reads(grant)]
    makes_tokens = any(BUILT_IN[grant.role].gives_tokens for grant in held.grants if grant.role in BUILT_IN)
    access = bool(reading) or words >= _READ_ACCESS
    return Visibility(
        engine=engine,
        everything="ORGANIZATION" in gives,
        access=access,
        tokens=bool(gives) or makes_tokens or "deployment.apiTokens.get" in words,
        changes=bool(gives),
        dags_here=bool(held.deployment_wide & _SEE_DAG),
        dags_beside=any(grant.scope.kind in _ABOVE for grant in reading),
        objects_here=held.deployment_wide & _SEE_OBJECTS,
        objects_beside=_SEE_OBJECTS
        & reduce(or_, (each.permissions for each in reading if each.scope.kind in _ABOVE), 0),
    )


def _reads(grant: HeldGrant) -> bool:
    role = BUILT_IN.get(grant.role)
    return role is not None and role.level != "DAG" and bool(role.permissions & _SEE_DAG)
