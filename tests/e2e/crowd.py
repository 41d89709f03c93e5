"""The people of the route tests: every built-in role, and custom roles of every unevenness, with what each holds.

What somebody holds comes from the reference engine and the values of the policy file, never from the plugin.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from functools import cache
from typing import Any

from tests import reference_engine
from tests.reference_engine import DAG_PERMISSIONS, DEPLOYMENT_PERMISSIONS, Dag

from .database import Database
from .tables import Person

DEPLOYMENT = "dep-prod"
SEE = frozenset({"dag.get"})

# Where Dag roles reach: the first by id, the second by tag; on the others only who is named below holds anything.
OWN, UNEVEN, OTHER, FAR = TREES = ("alder", "birch", "cedar", "dogwood")

GONE = f"{OWN}-gone"

BUILT_IN = (
    *("organization.owner", "workspace.owner", "workspace.operator", "workspace.admin", "deployment.admin"),
    *("workspace.author", "workspace.editor", "workspace.member", "workspace.viewer", "workspace.accessor"),
    *("deployment.accessor", "billing.admin", "observe.admin", "observe.member", "organization.member"),
    *("other.workspace", "other.deployment", "nobody", "fab.admin", "twin.one"),
)
DAG_ROLES = {"dag.viewer": "DAG_VIEWER", "dag.author": "DAG_AUTHOR"}
RESTRICTED = "one.dag"
"""Who holds everything on the first Dag, only `dag.get` on the second, and nothing else."""


def on_dag(permission: str) -> str:
    """Who holds only this on the first Dag, and everything else, without this, on the second."""
    return f"only.{permission}".lower()


def only_wide(permission: str) -> str:
    """Who holds only this in the whole Deployment."""
    return f"wide.{permission}".lower()


def all_but(permission: str) -> str:
    """Who holds everything but this in the whole Deployment, and this on the first Dag."""
    return f"less.{permission}".lower()


NEWCOMERS = (
    *DAG_ROLES,
    RESTRICTED,
    *map(on_dag, sorted(DAG_PERMISSIONS)),
    *map(only_wide, sorted(DEPLOYMENT_PERMISSIONS)),
    *map(all_but, sorted(DEPLOYMENT_PERMISSIONS)),
)
"""Whom people.yaml does not have: their accounts are copies of nobody's, with nobody's password."""


def person(user: str) -> Person:
    """Somebody of whom there is no more to say."""
    return Person(user, f"{user}@example.com", "pw-28", "")


def invite(database: Database) -> None:
    """Makes the accounts of the newcomers; those of a session that was here before stay."""
    known = {name for (name,) in database.rows("SELECT username FROM ab_user")}
    for user in NEWCOMERS:
        if user not in known:
            database.copy("ab_user", {"username": "nobody"}, username=user, email=f"{user}@example.com")


def with_newcomers(policy: dict[str, Any]) -> dict[str, Any]:
    """The values of a policy with the newcomers' roles and grants added."""
    policy = copy.deepcopy(policy)
    for user, role in DAG_ROLES.items():
        _add_user(policy, user, own=role)
    for permission in sorted(DAG_PERMISSIONS):
        alone = _add_role(policy, f"only {permission}", "DAG", SEE | {permission})
        rest = _add_role(policy, f"but {permission}", "DAG", DAG_PERMISSIONS - {permission})
        _add_user(policy, on_dag(permission), own=alone, uneven=rest)
    for permission in sorted(DEPLOYMENT_PERMISSIONS):
        alone = _add_role(policy, f"wide {permission}", "DEPLOYMENT", {permission})
        _add_user(policy, only_wide(permission), deployment_wide=alone)
        rest = _add_role(policy, f"less {permission}", "DEPLOYMENT", DEPLOYMENT_PERMISSIONS - {permission})
        on_own = f"only {permission}" if permission in DAG_PERMISSIONS else ""
        _add_user(policy, all_but(permission), deployment_wide=rest, own=on_own)
    _add_user(policy, RESTRICTED, own=_add_role(policy, "all", "DAG", DAG_PERMISSIONS), uneven="only dag.get")
    return policy


def _add_role(policy: dict[str, Any], name: str, scope: str, permissions: Iterable[str]) -> str:
    prefix = "dag" if scope == "DAG" else "deployment"
    words = sorted(f"{prefix}.airflow.{permission}" for permission in permissions)
    policy["roles"].append({"name": name, "scope": scope, "permissions": words})
    return name


def _add_user(policy: dict[str, Any], user: str, *, own: str = "", uneven: str = "", deployment_wide: str = "") -> None:
    entry: dict[str, Any] = {"email": f"{user}@example.com"}
    if deployment_wide:
        entry["deployment_roles"] = [{"deployment_id": DEPLOYMENT, "role": deployment_wide}]
    # The second id is that of a Dag which some tests make and delete.
    grants = [{"deployment_id": DEPLOYMENT, "dag_id": dag_id, "role": own} for dag_id in (OWN, GONE) if own]
    grants += [{"deployment_id": DEPLOYMENT, "tag": f"wood:{UNEVEN}", "role": uneven}] if uneven else []
    if grants:
        entry["dag_roles"] = grants
    policy["users"].append(entry)


class Crowd:
    """Everybody of the route tests and what they hold, by the reference engine."""

    def __init__(self, policy: dict[str, Any], dags: Iterable[Dag]) -> None:
        self._policy = policy
        self.dags = {dag.id: dag for dag in dags}
        self._held: dict[tuple[str, str | None], frozenset[str]] = {}

    def held(self, user: str, dag_id: str | None = None) -> frozenset[str]:
        """What somebody holds on a Dag, or in the whole Deployment."""
        if (user, dag_id) not in self._held:
            dag = None if dag_id is None else self.dags[dag_id]
            self._held[user, dag_id] = self._ask(reference_email(user), dag)
        return self._held[user, dag_id]

    def _ask(self, subject: str, dag: Dag | None) -> frozenset[str]:
        held: set[str] = set()
        # Two accounts of one person: neither holds anything, which the policy does not know.
        grants = () if subject.startswith("twin") else reference_engine.grants_of(self._policy, subject)
        for grant in grants:
            if reference_engine.reaches(self._policy, DEPLOYMENT, grant, dag):
                held |= reference_engine.permissions(self._policy, grant.role)
        return frozenset(held)

    def may(self, user: str, needs: Iterable[str], dag_id: str | None = None) -> bool:
        """Whether somebody holds all of this; on a Dag, `dag.get` besides."""
        needed = set(needs) if dag_id is None else set(needs) | SEE
        return needed <= self.held(user, dag_id)

    def dags_of(self, user: str, needs: Iterable[str]) -> set[str]:
        """The Dags on which somebody holds all of this, and dag.get."""
        return {dag_id for dag_id in self.dags if self.may(user, needs, dag_id)}


@cache
def reference_email(user: str) -> str:
    """The subject of a user of these tests."""
    return reference_engine.normal_email("twin@example.com" if user == "twin.one" else f"{user}@example.com")


def concerned(permissions: Iterable[str], *, on_dags: bool = True) -> list[str]:
    """Who may be decided on wrongly where these permissions matter: each alone, each missing, and their relatives."""
    wanted = sorted(set(permissions))
    objects = {name.split(".")[0] for name in wanted}
    near = sorted(name for name in DEPLOYMENT_PERMISSIONS if name.split(".")[0] in objects)
    found = [all_but(name) for name in wanted] + [only_wide(name) for name in near]
    if on_dags:
        found += [on_dag(name) for name in sorted({*wanted, *near, "dag.get"} & DAG_PERMISSIONS)]
    return list(dict.fromkeys(found))
