"""What each built-in role has in Airflow.

The sets M (Member), A (Author) and O (Operator) are Astro's "User permissions reference", completed by what the role
tables of Airflow's FAB provider give to the same kind of person.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from astro_auth_plugin.rbac.model.permissions import DAG_WORDS, EVERYTHING, ON_OBJECTS, mask

Level = Literal["ORGANIZATION", "WORKSPACE", "DEPLOYMENT", "DAG", "OBJECT"]


class Role(NamedTuple):
    """A role: its name, the level at which it is assigned, and the permissions it has where it reaches.

    `today` is the current name of a legacy role, None for all others. `gives` are the levels at which its principal may
    give roles to others, inside the place where it is granted: Astro's "who may change access". `gives_tokens` are the
    levels at which its principal may give roles to API tokens besides, up to what this role has itself.
    """

    name: str
    level: Level
    permissions: int
    description: str
    today: str | None = None
    gives: frozenset[Level] = frozenset()
    gives_tokens: frozenset[Level] = frozenset()

    @property
    def changes_accounts(self) -> bool:
        """Whether its principal may change accounts, of users whose roles the principal may give."""
        return "WORKSPACE" in self.gives


_MEMBER = mask(
    "website.get",
    "docs.get",
    "browseMenu.get",
    "clusterActivity.get",
    "customMenu.get",
    "astronomer.get",
    "dag.get",
    "dagCode.get",
    "dagDependencies.get",
    "dagRun.get",
    "taskInstance.get",
    "taskLog.get",
    "taskReschedule.get",
    "slaMiss.get",
    "importError.get",
    "job.get",
    "datasets.get",
)
_RUN_DAGS = mask(
    "dag.update",
    "dag.delete",
    "dagRun.create",
    "dagRun.update",
    "dagRun.delete",
    "taskInstance.create",
    "taskInstance.update",
    "taskInstance.delete",
    "datasets.create",
)
_LOOK_AT_ADMIN = mask(
    "adminMenu.get",
    "connection.get",
    "variable.get",
    "plugin.get",
    "provider.get",
    "pool.get",
    "xcom.get",
)
_AUTHOR = _MEMBER | _RUN_DAGS | _LOOK_AT_ADMIN
# Legacy Editors never saw connections and Variables, which the 2023 reference shows to the Admin only.
_EDITOR = _MEMBER | _RUN_DAGS
_OPERATOR = EVERYTHING
_ACCESSOR = mask("website.get", "docs.get")

_DAG_VIEWER = 0
_DAG_AUTHOR = 0
for _word, _bit in DAG_WORDS.items():
    _DAG_AUTHOR |= _bit
    if _word.endswith(".get"):
        _DAG_VIEWER |= _bit
# Writing XComs would feed values to tasks that run with the Dag's connections; nothing in the UI needs it.
_DAG_AUTHOR &= ~mask("xcom.create", "xcom.update")


def _object_verbs(*verbs: str) -> int:
    return mask(*(f"{kind}.{verb}" for kind in ON_OBJECTS for verb in verbs))


_IN_DEPLOYMENT: frozenset[Level] = frozenset({"DEPLOYMENT", "DAG", "OBJECT"})
_IN_WORKSPACE: frozenset[Level] = _IN_DEPLOYMENT | {"WORKSPACE"}
_IN_ORGANIZATION: frozenset[Level] = _IN_WORKSPACE | {"ORGANIZATION"}

_ROLES = (
    Role(
        "ORGANIZATION_OWNER",
        "ORGANIZATION",
        _OPERATOR,
        "everything in every Workspace",
        gives=_IN_ORGANIZATION,
    ),
    Role("ORGANIZATION_BILLING_ADMIN", "ORGANIZATION", 0, "nothing in Airflow"),
    Role("ORGANIZATION_OBSERVE_ADMIN", "ORGANIZATION", 0, "nothing in Airflow"),
    Role("ORGANIZATION_OBSERVE_MEMBER", "ORGANIZATION", 0, "nothing in Airflow"),
    Role("ORGANIZATION_MEMBER", "ORGANIZATION", 0, "nothing in Airflow"),
    Role(
        "WORKSPACE_OWNER",
        "WORKSPACE",
        _OPERATOR,
        "everything in the Workspace's Deployments",
        gives=_IN_WORKSPACE,
    ),
    Role(
        "WORKSPACE_OPERATOR",
        "WORKSPACE",
        _OPERATOR,
        "everything in Airflow, but not who may do what",
        gives_tokens=frozenset({"WORKSPACE"}),
    ),
    Role("WORKSPACE_AUTHOR", "WORKSPACE", _AUTHOR, "run and change Dags, look at connections and Variables"),
    Role("WORKSPACE_MEMBER", "WORKSPACE", _MEMBER, "look at Dags, runs, logs and assets"),
    Role("WORKSPACE_ACCESSOR", "WORKSPACE", 0, "nothing in Airflow by itself"),
    Role(
        "WORKSPACE_ADMIN",
        "WORKSPACE",
        _OPERATOR,
        "legacy: as Workspace Owner",
        "WORKSPACE_OWNER",
        gives=_IN_WORKSPACE,
    ),
    Role("WORKSPACE_EDITOR", "WORKSPACE", _EDITOR, "legacy: run and change Dags", "WORKSPACE_OPERATOR"),
    Role("WORKSPACE_VIEWER", "WORKSPACE", _MEMBER, "legacy: as Workspace Member", "WORKSPACE_MEMBER"),
    Role(
        "DEPLOYMENT_ADMIN",
        "DEPLOYMENT",
        _OPERATOR,
        "everything in this Deployment",
        gives=_IN_DEPLOYMENT,
    ),
    Role("DEPLOYMENT_ACCESSOR", "DEPLOYMENT", _ACCESSOR, "open the page, without any Dag"),
    Role("DAG_VIEWER", "DAG", _DAG_VIEWER, "look at its Dags and what belongs to them"),
    Role("DAG_AUTHOR", "DAG", _DAG_AUTHOR, "run, change and delete its Dags"),
    Role("OBJECT_VIEWER", "OBJECT", _object_verbs("get"), "look at its connections, Variables and pools"),
    Role("OBJECT_EDITOR", "OBJECT", _object_verbs("get", "update"), "look at and change them"),
    Role(
        "OBJECT_ADMIN",
        "OBJECT",
        _object_verbs("get", "create", "update", "delete"),
        "create, look at, change and delete them",
    ),
)

BUILT_IN: Mapping[str, Role] = MappingProxyType({role.name: role for role in _ROLES})
"""Every built-in role by name, today's and legacy ones."""

ACCESSOR_PERMISSIONS = _ACCESSOR
"""What anyone who has a role on Dags or objects has besides, so that the page opens."""
