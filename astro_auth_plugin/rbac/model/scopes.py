"""Where a grant reaches: Organization > Workspace > Deployment > Dag, or the Dags that carry a tag.

Ids and tags are opaque. They are compared for exact equality, never by prefix, pattern or after stripping.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from astro_auth_plugin.rbac.model.roles import Level

ScopeName = Literal["Organization", "Workspace", "Deployment", "Dag", "tag"]


class ScopeKind(NamedTuple):
    """A kind of scope, and how a policy writes grants in it.

    Attributes:
        name: as in messages and JSON.
        level: the level of the roles that can be granted in it.
        entity_type: what the role of an API token calls it.
        key: the key of users and Teams that has their grants in it.
        id_key: the key of such a grant that has the scope's id; '' where the grant is the role alone.
        in_deployment: whether it is a part of a Deployment, so that a grant names that too.
    """

    name: ScopeName
    level: Level
    entity_type: str
    key: str
    id_key: str
    in_deployment: bool = False


KINDS: Mapping[str, ScopeKind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            ScopeKind("Organization", "ORGANIZATION", "ORGANIZATION", "organization_role", ""),
            ScopeKind("Workspace", "WORKSPACE", "WORKSPACE", "workspace_roles", "workspace_id"),
            ScopeKind("Deployment", "DEPLOYMENT", "DEPLOYMENT", "deployment_roles", "deployment_id"),
            ScopeKind("tag", "DAG", "DAG_TAG", "dag_roles", "tag", in_deployment=True),
            ScopeKind("Dag", "DAG", "DAG", "dag_roles", "dag_id", in_deployment=True),
        )
    }
)
"""Every kind of scope by name, the widest first."""

KINDS_BY_ENTITY: Mapping[str, ScopeKind] = MappingProxyType({kind.entity_type: kind for kind in KINDS.values()})
"""Every kind of scope by the entity type of API tokens."""


class GrantScope(NamedTuple):
    """The scope of one grant.

    `id` is '' for the Organization, of which a policy has one; `deployment_id` is that of a part of a Deployment.
    """

    kind: ScopeName
    id: str
    deployment_id: str = ""

    @property
    def is_deployment_wide(self) -> bool:
        """Whether it reaches the whole Deployment, rather than some of its Dags."""
        return not KINDS[self.kind].in_deployment

    def __str__(self) -> str:
        return "the Organization" if self.kind == "Organization" else f"{self.kind} `{self.id}`"


ORGANIZATION = GrantScope("Organization", "")


def enclosing_scopes(scope: GrantScope, workspaces: Mapping[str, str]) -> tuple[GrantScope, ...]:
    """Return a scope and all those around it, the narrowest first.

    Args:
        scope: the scope.
        workspaces: the Workspace of each Deployment.
    """
    around = [scope]
    deployment_id = scope.id if scope.kind == "Deployment" else scope.deployment_id
    if scope.deployment_id:
        around.append(GrantScope("Deployment", deployment_id))
    if deployment_id:
        around.append(GrantScope("Workspace", workspaces[deployment_id]))
    return tuple(dict.fromkeys([*around, ORGANIZATION]))


class DagFile(NamedTuple):
    """The file that a Dag was parsed from: its bundle, and its path from the bundle's root."""

    bundle: str
    path: str

    def contains(self, path: str) -> bool:
        """Whether a path in its bundle is the file, or within it: archives have Dags in them."""
        return path == self.path or path.startswith(f"{self.path}/")


class Dag(NamedTuple):
    """A Dag as a decision sees it: its id, the tags it carries now, and where it was parsed, if that is known."""

    id: str
    tags: frozenset[str]
    file: DagFile | None = None
