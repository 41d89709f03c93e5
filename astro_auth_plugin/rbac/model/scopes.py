"""Where a grant reaches: Organization > Workspace > Deployment > Dag, or the Dags of a tag or bundle; or an object.

Ids and tags are opaque. They are compared for exact equality, never by pattern or after stripping; only objects, which
are connections, Variables and pools, can be granted by a prefix, which is a kind of scope of its own. A bundle can be
narrowed to a folder in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from astro_auth_plugin.rbac.model.folders import folders_around
from astro_auth_plugin.rbac.model.permissions import ON_OBJECTS, ObjectKind
from astro_auth_plugin.rbac.model.resources import Resource, prefixes_of
from astro_auth_plugin.rbac.model.roles import Level

ScopeName = Literal[
    "Organization",
    "Workspace",
    "Deployment",
    "bundle",
    "Dag",
    "tag",
    "connection",
    "connection prefix",
    "Variable",
    "Variable prefix",
    "pool",
    "pool prefix",
]


class ScopeKind(NamedTuple):
    """A kind of scope, and how a policy writes grants in it.

    Attributes:
        name: as in messages and JSON.
        level: the level of the roles that can be granted in it.
        entity_type: what the role of an API token calls it.
        key: the key of users and Teams that has their grants in it.
        id_key: the key of such a grant that has the scope's id; '' where the grant is the role alone.
        in_deployment: whether it is a part of a Deployment, so that a grant names that too.
        object_kind: of which objects, where it is one object or those with a prefix.
        is_prefix: whether its id is a prefix of ids.
    """

    name: ScopeName
    level: Level
    entity_type: str
    key: str
    id_key: str
    in_deployment: bool = False
    object_kind: ObjectKind | None = None
    is_prefix: bool = False


def _of_objects(name: ScopeName, kind: ObjectKind, id_key: str, *, is_prefix: bool = False) -> ScopeKind:
    entity_type = f"{kind.upper()}_PREFIX" if is_prefix else kind.upper()
    return ScopeKind(name, "OBJECT", entity_type, "object_roles", id_key, True, kind, is_prefix)


KINDS: Mapping[str, ScopeKind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            ScopeKind("Organization", "ORGANIZATION", "ORGANIZATION", "organization_role", ""),
            ScopeKind("Workspace", "WORKSPACE", "WORKSPACE", "workspace_roles", "workspace_id"),
            ScopeKind("Deployment", "DEPLOYMENT", "DEPLOYMENT", "deployment_roles", "deployment_id"),
            ScopeKind("bundle", "DAG", "DAG_BUNDLE", "dag_roles", "bundle", in_deployment=True),
            ScopeKind("tag", "DAG", "DAG_TAG", "dag_roles", "tag", in_deployment=True),
            ScopeKind("Dag", "DAG", "DAG", "dag_roles", "dag_id", in_deployment=True),
            _of_objects("connection prefix", "connection", "connection_prefix", is_prefix=True),
            _of_objects("connection", "connection", "connection_id"),
            _of_objects("Variable prefix", "variable", "variable_prefix", is_prefix=True),
            _of_objects("Variable", "variable", "variable_key"),
            _of_objects("pool prefix", "pool", "pool_prefix", is_prefix=True),
            _of_objects("pool", "pool", "pool"),
        )
    }
)
"""Every kind of scope by name, the widest first."""

KINDS_BY_ENTITY: Mapping[str, ScopeKind] = MappingProxyType({kind.entity_type: kind for kind in KINDS.values()})
"""Every kind of scope by the entity type of API tokens."""


class GrantScope(NamedTuple):
    """The scope of one grant.

    `id` is '' for the Organization, of which a policy has one; `deployment_id` is that of a part of a Deployment.
    `folder` is the folder of a bundle that it is narrowed to, '' for the whole bundle.
    """

    kind: ScopeName
    id: str
    deployment_id: str = ""
    folder: str = ""

    @property
    def is_deployment_wide(self) -> bool:
        """Whether it reaches the whole Deployment, rather than some of its Dags or objects."""
        return not KINDS[self.kind].in_deployment

    @property
    def object_kind(self) -> ObjectKind | None:
        """Which objects it is about; None for every other scope."""
        return KINDS[self.kind].object_kind

    @property
    def is_on_dags(self) -> bool:
        """Whether it reaches some Dags."""
        return KINDS[self.kind].level == "DAG"

    def is_on(self, resource: Resource) -> bool:
        """Whether it is on this object, or on a prefix of its id, in whatever Deployment."""
        kind = KINDS[self.kind]
        if kind.object_kind != resource.kind:
            return False
        return self.id in prefixes_of(resource.id) if kind.is_prefix else self.id == resource.id

    def narrowed(self, permissions: int) -> int:
        """Return what of a role's permissions there is in this scope: on a connection, those on connections."""
        kind = self.object_kind
        return permissions if kind is None else permissions & ON_OBJECTS[kind]

    def __str__(self) -> str:
        if self.kind == "Organization":
            return "the Organization"
        return f"folder `{self.folder}` of bundle `{self.id}`" if self.folder else f"{self.kind} `{self.id}`"


ORGANIZATION = GrantScope("Organization", "")


def enclosing_scopes(scope: GrantScope, workspaces: Mapping[str, str]) -> tuple[GrantScope, ...]:
    """Return a scope and all those around it, the narrowest first.

    Args:
        scope: the scope.
        workspaces: the Workspace of each Deployment.
    """
    around = [scope, *_prefixes_around(scope), *_folders_around(scope)]
    deployment_id = scope.id if scope.kind == "Deployment" else scope.deployment_id
    if scope.deployment_id:
        around.append(GrantScope("Deployment", deployment_id))
    if deployment_id:
        around.append(GrantScope("Workspace", workspaces[deployment_id]))
    return tuple(dict.fromkeys([*around, ORGANIZATION]))


def _prefixes_around(scope: GrantScope) -> Iterator[GrantScope]:
    """Yield the scopes of the prefixes that an object's id, or another prefix, begins with; the longest first."""
    kind = scope.object_kind
    if kind is not None:
        name = next(each.name for each in KINDS.values() if each.object_kind == kind and each.is_prefix)
        for prefix in reversed([*prefixes_of(scope.id)]):
            yield GrantScope(name, prefix, scope.deployment_id)


def _folders_around(scope: GrantScope) -> Iterator[GrantScope]:
    """Yield the scopes of the folders that a folder is in, the narrowest first; at the end the bundle."""
    if scope.folder:
        for folder in reversed([*folders_around(scope.folder)]):
            yield scope._replace(folder=folder)
        yield scope._replace(folder="")


BundlePlace = tuple[str, str]
"""A bundle and a folder in it, '' for the whole bundle."""


class DagFile(NamedTuple):
    """The file that a Dag was parsed from: its bundle, and its path from the bundle's root."""

    bundle: str
    path: str

    @property
    def places(self) -> Iterator[BundlePlace]:
        """The bundle, and each of its folders that the file is below."""
        yield self.bundle, ""
        for folder in folders_around(self.path):
            yield self.bundle, folder

    def contains(self, path: str) -> bool:
        """Whether a path in its bundle is the file, or within it: archives have Dags in them."""
        return path == self.path or path.startswith(f"{self.path}/")


class Dag(NamedTuple):
    """A Dag as a decision sees it: its id, the tags it carries now, and where it was parsed, if that is known."""

    id: str
    tags: frozenset[str]
    file: DagFile | None = None


Label = str | BundlePlace
"""What several Dags can have in common: a tag, or a bundle or folder."""


def labels(dag: Dag) -> frozenset[Label]:
    """Return the tags of a Dag, its bundle, and the folders that it is in."""
    return dag.tags.union(dag.file.places) if dag.file else dag.tags


def label_of(scope: GrantScope) -> Label | None:
    """Return what the Dags of a scope have in common; None for a scope that is not of a tag or bundle."""
    if scope.kind == "bundle":
        return scope.id, scope.folder
    return scope.id if scope.kind == "tag" else None
