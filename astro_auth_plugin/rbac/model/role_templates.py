"""Starting points for custom roles: they are no roles, and a role that was made from one does not change with it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from astro_auth_plugin.rbac.model.permissions import DAG_WORDS, DEPLOYMENT_WORDS
from astro_auth_plugin.rbac.model.roles import BUILT_IN


class RoleTemplate(NamedTuple):
    """A template: its name, the scope of the role that it is for, and the permissions as a policy writes them."""

    name: str
    scope: Literal["DEPLOYMENT", "DAG"]
    permissions: tuple[str, ...]
    description: str


def _template(name: str, role: str, scope: Literal["DEPLOYMENT", "DAG"], description: str) -> RoleTemplate:
    words = DEPLOYMENT_WORDS if scope == "DEPLOYMENT" else DAG_WORDS
    held = BUILT_IN[role].permissions
    return RoleTemplate(name, scope, tuple(word for word, bit in words.items() if bit & held), description)


TEMPLATES: Mapping[str, RoleTemplate] = MappingProxyType(
    {
        template.name: template
        for template in (
            _template("deployment-viewer", "WORKSPACE_MEMBER", "DEPLOYMENT", "look at all Dags, runs and logs"),
            _template("deployment-author", "WORKSPACE_AUTHOR", "DEPLOYMENT", "run and change all Dags"),
            _template("deployment-operator", "WORKSPACE_OPERATOR", "DEPLOYMENT", "everything in Airflow"),
            _template("dag-viewer", "DAG_VIEWER", "DAG", "look at single Dags"),
            _template("dag-author", "DAG_AUTHOR", "DAG", "run and change single Dags"),
        )
    }
)
"""Astro's "Deployment Viewer", "Author" and "Operator", like Airflow's Viewer, User and Op; and two for Dags."""
