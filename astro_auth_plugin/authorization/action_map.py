"""The one table from Airflow's questions to permissions.

Airflow's words are compared as text and not as members of its enums, because which members there are changes from
version to version. A word without a row is denied, with one warning for each word and process.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import NamedTuple

from astro_auth_plugin.rbac.model.permissions import EVERYTHING, ObjectKind, mask

log = logging.getLogger(__name__)

Row = Mapping[str, int]


def _crud(name: str) -> Row:
    verbs = {"GET": "get", "POST": "create", "PUT": "update", "DELETE": "delete"}
    return {method: mask(f"{name}.{verb}") for method, verb in verbs.items()}


def _only_get(name: str) -> Row:
    return {"GET": mask(f"{name}.get")}


SEE_DAG = mask("dag.get")

DAG_ENTITIES: Mapping[str, Row] = {
    # '' is the Dag itself. Nothing creates a Dag through Airflow's pages; such a check is about a change of it.
    "": {
        "GET": SEE_DAG,
        "POST": mask("dag.update"),
        "PUT": mask("dag.update"),
        "DELETE": mask("dag.delete"),
    },
    "AUDIT_LOG": _only_get("auditLog"),
    "CODE": _only_get("dagCode"),
    "DEPENDENCIES": _only_get("dagDependencies"),
    "HITL_DETAIL": {
        "GET": mask("taskInstance.get"),
        "POST": mask("taskInstance.update"),
        "PUT": mask("taskInstance.update"),
    },
    "RUN": _crud("dagRun"),
    "TASK": {"GET": SEE_DAG},
    "TASK_INSTANCE": _crud("taskInstance"),
    "TASK_LOGS": _only_get("taskLog"),
    "VERSION": {"GET": SEE_DAG},
    "WARNING": {"GET": SEE_DAG},
    "XCOM": _crud("xcom"),
}
"""What a question about an entity of a Dag needs on that Dag, by entity and method; `dag.get` is added to all."""

# What an asset answers names all its Dags, so to read assets is to read Dags.
_ASSET: Row = {**_crud("datasets"), "GET": mask("datasets.get", "dag.get")}

OBJECTS: Mapping[str, Row] = {
    "configuration": _only_get("config"),
    "connection": _crud("connection"),
    "pool": _crud("pool"),
    "variable": _crud("variable"),
    "asset": _ASSET,
    "asset_alias": _ASSET,
}
"""What a question about an object of the whole Deployment needs, Deployment-wide."""

VIEWS: Mapping[str, tuple[int, ...]] = {
    "CLUSTER_ACTIVITY": (mask("clusterActivity.get"),),
    "DOCS": (mask("docs.get"),),
    "IMPORT_ERRORS": (mask("importError.get"),),
    "JOBS": (mask("job.get"),),
    # The navigation of plugins' pages comes from this view too, so anyone who may open such pages may see it.
    "PLUGINS": (mask("plugin.get"), mask("customMenu.get"), mask("astronomer.get")),
    "PROVIDERS": (mask("provider.get"),),
    "TRIGGERS": (mask("trigger.get"),),
    "WEBSITE": (mask("website.get"),),
    # From Airflow 3.4 on: the rows that belong to no Dag.
    "IMPORT_ERRORS_ALL": (mask("importError.get"),),
    "AUDIT_LOGS_ALL": (mask("auditLog.get"),),
    "REPARSE_ALL": (mask("dag.update"),),
    # From Airflow 3.4.1 on: all bundles, their files, and how many import errors these have.
    "DAG_BUNDLES": (mask("dag.get", "importError.get"),),
}
"""What a view needs, Deployment-wide: any one of these sets."""


PLUGIN_LIST = "GET /api/v2/plugins"
"""The route from which Airflow's pages know those of plugins. It opens for all who open Airflow's pages: anyone who
holds nothing that the view needs gets the entries of this plugin alone, from `web.plugin_list`."""

OPEN_PAGES = mask("website.get")


class MenuRule(NamedTuple):
    """When a menu item is shown: `deployment_wide` is held Deployment-wide, or `on_dags` is held through Dag roles.

    That of a kind of objects is shown for a `get` on a single one, too.
    """

    deployment_wide: int
    on_dags: int = 0
    object_kind: ObjectKind | None = None


def _admin_menu(name: str, object_kind: ObjectKind | None = None) -> MenuRule:
    return MenuRule(mask("adminMenu.get", f"{name}.get"), object_kind=object_kind)


MENU_ITEMS: Mapping[str, MenuRule] = {
    "ASSETS": MenuRule(_ASSET["GET"]),
    "AUDIT_LOG": MenuRule(mask("browseMenu.get", "auditLog.get")),
    "CONFIG": _admin_menu("config"),
    "CONNECTIONS": _admin_menu("connection", "connection"),
    "DAGS": MenuRule(SEE_DAG, SEE_DAG),
    "DAG_BUNDLES": MenuRule(SEE_DAG, SEE_DAG),
    "DEADLINES": MenuRule(mask("browseMenu.get", "dagRun.get"), mask("dagRun.get", "dag.get")),
    "DOCS": MenuRule(mask("docs.get")),
    "JOBS": MenuRule(mask("browseMenu.get", "job.get")),
    "PLUGINS": _admin_menu("plugin"),
    "POOLS": _admin_menu("pool", "pool"),
    "PROVIDERS": _admin_menu("provider"),
    "REQUIRED_ACTIONS": MenuRule(mask("browseMenu.get", "taskInstance.get"), mask("taskInstance.get", "dag.get")),
    "VARIABLES": _admin_menu("variable", "variable"),
    "XCOMS": MenuRule(mask("browseMenu.get", "xcom.get"), mask("xcom.get", "dag.get")),
}

ACCOUNT_VIEWS = frozenset(
    {
        "Users",
        "List Users",
        "User Stats Chart",
        "User's Statistics",
        "Passwords",
        "RegisterUserModelView",
        "User Registrations",
    }
)
"""FAB's pages of accounts, by resource name: for anyone who may change accounts."""

OWN_PASSWORD_VIEW = "My Password"  # noqa: S105 - a name of FAB's
"""For everybody who is signed in, where users sign in with passwords."""

OWN_ACCOUNT_VIEWS = frozenset({OWN_PASSWORD_VIEW, "My Profile"})
"""FAB's pages of one's own account: for everybody who is signed in."""

FAB_ROLE_VIEWS = frozenset(
    {
        "Roles",
        "List Roles",
        "Groups",
        "List Groups",
        "UserGroupModelView",
        "Actions",
        "Resources",
        "Permissions",
        "Permission Pairs",
        "Permission Views",
        "View Menus",
        "Base Permissions",
        "Views/Menus",
        "Permission on Views/Menus",
    }
)
"""FAB's pages of its own roles: for no one, since FAB's roles grant nothing here."""

CUSTOM_VIEW = mask("customMenu.get")
"""What any other page of a plugin needs, to look at it."""

CUSTOM_CHANGE = EVERYTHING
"""What any other page of a plugin needs to change something there: no word says what its code may do."""

CHANGING_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
"""The methods of a page that change something; other words for what a page does say nothing of that."""


def needed(rows: Mapping[str, Row], name: str, method: str) -> int | None:
    """Return what a question needs, None when the table does not know the question."""
    row = rows.get(name)
    permissions = row.get(method) if row else None
    if permissions is None:
        warn_unknown(f"method {method} of {name or 'Dag'}")
    return permissions


_warned: set[str] = set()


def warn_unknown(question: str) -> None:
    """Log, once for each question and process, that an unknown question was denied."""
    if question not in _warned:
        _warned.add(question)
        log.warning("Denied a question of Airflow that has no row in the action map: %s", question)
