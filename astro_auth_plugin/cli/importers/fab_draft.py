"""A policy from the roles and accounts of Airflow's FAB provider: what they give, or with `exact` never more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from astro_auth_plugin.cli.importers import fab_people, fab_roles
from astro_auth_plugin.cli.importers.fab_lines import Lacking, add_rounded, not_expressed, rounded
from astro_auth_plugin.cli.importers.fab_names import Names, dag_role_name
from astro_auth_plugin.cli.importers.fab_questions import Pair
from astro_auth_plugin.cli.importers.fab_roles import FabPermissions, Tables
from astro_auth_plugin.cli.importers.policy_draft import Draft, Entry
from astro_auth_plugin.rbac.model.permissions import names, word
from astro_auth_plugin.rbac.model.roles import ACCESSOR_PERMISSIONS, BUILT_IN

MADE = (
    "Made by `astro-auth import fab` from the roles and users of Airflow's FAB provider; {extent}. It has no "
    "ORGANIZATION_OWNER: add the users who may grant roles."
)
_EXACT = "it grants no more than FAB did"
_ROUNDED = "it grants what FAB did, and no more than that but for what is listed as rounded up"


class Ids(NamedTuple):
    """Which Deployment the policy is for, and where that is."""

    organization: str
    workspace: str
    deployment: str


def draft_of(tables: Tables, ids: Ids, *, exact: bool = False) -> Draft:
    """Return a policy in which every account has what its roles in FAB give, as far as that can be expressed.

    Args:
        tables: what FAB has.
        ids: where the Deployment is.
        exact: never give more than FAB; otherwise what is harmless is rounded up, and listed.
    """
    draft = Draft(MADE.format(extent=_EXACT if exact else _ROUNDED), ids.organization)
    draft.lists = {
        "workspaces": [Entry({"id": ids.workspace})],
        "deployments": [Entry({"id": ids.deployment, "workspace_id": ids.workspace})],
        "roles": [],
        "teams": [],
    }
    people = fab_people.people(tables)
    draft.left_out += fab_people.left_out(people)
    roles_of = {each.account.email: each.account.roles for each in people if not each.left_out}
    writer, lacking = _Writer(draft, ids.deployment), Lacking()
    for unit in _units(tables, roles_of, exact=exact):
        writer.add(unit)
        add_rounded(lacking, unit.name, unit.pairs, unit.permissions)
        draft.left_out += not_expressed(unit.name, unit.pairs, unit.permissions, exact=exact)
    draft.rounded += rounded(lacking)
    unused = sorted(set(tables.roles).difference(*roles_of.values()))
    draft.left_out += [f"role `{role}`: no account in the policy has it" for role in unused]
    return draft


# -- who ----------------------------------------------------------------------------------------------------------


class Unit(NamedTuple):
    """Roles of FAB that are given together as one Team: mostly a single one."""

    roles: tuple[str, ...]
    pairs: frozenset[Pair]
    permissions: FabPermissions
    members: list[str]

    @property
    def name(self) -> str:
        """The roles as text."""
        return " + ".join(self.roles)


def _units(tables: Tables, people: Mapping[str, frozenset[str]], *, exact: bool) -> list[Unit]:
    """Return which roles to give together to whom.

    FAB looks at the union of a user's roles, so two can give together what neither gives by itself. Only then are
    they one unit; otherwise everybody is in the Team of each role.
    """
    units: dict[tuple[str, ...], Unit] = {}

    def unit(roles: tuple[str, ...]) -> Unit:
        if roles not in units:
            pairs = frozenset[Pair]().union(*(tables.roles[role] for role in roles))
            units[roles] = Unit(roles, pairs, fab_roles.permissions(pairs, tables.pairs, exact=exact), [])
        return units[roles]

    for email, roles in people.items():
        whole, single = unit(tuple(sorted(roles))), [unit((role,)) for role in sorted(roles)]
        alone = FabPermissions.union(each.permissions for each in single) == whole.permissions
        for each in single if alone else [whole]:
            each.members.append(email)
    return [units[roles] for roles in sorted(units) if units[roles].members]


# -- what ----------------------------------------------------------------------------------------------------------


class _Writer:
    """Adds Teams and roles to a draft, each role once."""

    def __init__(self, draft: Draft, deployment_id: str) -> None:
        self._draft = draft
        self._deployment_id = deployment_id
        self._names = Names()
        self._dag_roles = {role.permissions: role.name for role in BUILT_IN.values() if role.level == "DAG"}

    def add(self, unit: Unit) -> None:
        """Add the Team of a unit, with the roles that it needs."""
        permissions, team = unit.permissions, self._names.of_roles(unit.roles)
        here = {"deployment_id": self._deployment_id}
        grants: dict[str, list[dict[str, str]]] = {}
        if permissions.everything:
            grants["deployment_roles"] = [{**here, "role": "DEPLOYMENT_ADMIN"}]
        elif permissions.deployment_wide:
            grants["deployment_roles"] = [{**here, "role": self._role(team, permissions.deployment_wide, unit)}]
        for held, ids in _by_permissions(permissions.on_dags).items():
            role = self._dag_role(held)
            grants.setdefault("dag_roles", []).extend({**here, "dag_id": dag_id, "role": role} for dag_id in ids)
        if grants:
            entry = {"name": team, "members": unit.members, **grants}
            self._draft.lists["teams"].append(Entry(entry, (_reported(unit),)))

    def _role(self, name: str, held: int, unit: Unit) -> str:
        """Return the role of the Deployment that gives exactly this, a new custom one unless one is built in."""
        if held == ACCESSOR_PERMISSIONS:
            return "DEPLOYMENT_ACCESSOR"
        words = [word(each, "DEPLOYMENT") for each in names(held)]
        values = {"name": name, "description": _described(unit), "scope": "DEPLOYMENT", "permissions": words}
        self._draft.lists["roles"].append(Entry(values, (_nearest(held),)))
        return name

    def _dag_role(self, held: int) -> str:
        """Return the role that gives exactly this on a Dag, the same one for all Teams."""
        if held not in self._dag_roles:
            words = [word(each, "DAG") for each in names(held)]
            name, described = dag_role_name(held)
            name = self._dag_roles[held] = self._names.free(name)
            values = {"name": name, "description": described, "scope": "DAG", "permissions": words}
            self._draft.lists["roles"].append(Entry(values))
        return self._dag_roles[held]


def _by_permissions(on_dags: Mapping[str, int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for dag_id, held in on_dags.items():
        found[held].append(dag_id)
    return found


def _reported(unit: Unit) -> str:
    if len(unit.roles) == 1:
        return f"FAB's role `{unit.name}`."
    roles = ", ".join(f"`{role}`" for role in unit.roles)
    return f"FAB's roles {roles}, which together give permissions that none of them gives alone."


def _described(unit: Unit) -> str:
    if len(unit.roles) == 1:
        return f"What FAB's role {unit.name} gave on all Dags and in the Deployment"
    return f"What FAB's roles {', '.join(unit.roles)} gave together on all Dags and in the Deployment"


_NEAR = ("WORKSPACE", "DEPLOYMENT")


def _nearest(held: int) -> str:
    """Return how the built-in role that differs least differs, as text."""
    today = [role for role in BUILT_IN.values() if role.level in _NEAR and role.today is None and role.permissions]
    nearest = min(today, key=lambda role: ((role.permissions ^ held).bit_count(), len(role.gives)))
    more, less = " ".join(names(nearest.permissions & ~held)), " ".join(names(held & ~nearest.permissions))
    differs = [f"it would also give {more}" if more else "", f"it would not give {less}" if less else ""]
    return (
        f"The nearest of Astro's roles is {nearest.name}: {', and '.join(filter(None, differs)) or 'it is the same'}."
    )
