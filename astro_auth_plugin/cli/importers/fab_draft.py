"""A policy from the roles and accounts of Airflow's FAB provider, which never gives more than they do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from astro_auth_plugin.cli.importers import fab_roles
from astro_auth_plugin.cli.importers.fab_roles import Account, FabPermissions, Pair, Tables
from astro_auth_plugin.cli.importers.policy_draft import Draft, Entry
from astro_auth_plugin.rbac.model.permissions import mask, names, word
from astro_auth_plugin.rbac.model.roles import ACCESSOR_PERMISSIONS, BUILT_IN
from astro_auth_plugin.rbac.model.subjects import is_email, normalize_email, only_account

MADE = (
    "Made by `astro-auth import fab` from the roles and users of Airflow's FAB provider; it grants no more than FAB "
    "did. It has no ORGANIZATION_OWNER: add the users who may grant roles."
)


class Ids(NamedTuple):
    """Which Deployment the policy is for, and where that is."""

    organization: str
    workspace: str
    deployment: str


def draft_of(tables: Tables, ids: Ids) -> Draft:
    """Return a policy in which every account has what its roles in FAB give, as far as that can be expressed."""
    draft = Draft(MADE, ids.organization)
    draft.lists = {
        "workspaces": [Entry({"id": ids.workspace})],
        "deployments": [Entry({"id": ids.deployment, "workspace_id": ids.workspace})],
        "roles": [],
        "teams": [],
    }
    people = _people(tables.accounts, draft.left_out)
    name = _namer()
    for unit in _units(tables, people):
        _add(draft, unit, name, ids.deployment)
        draft.left_out += _not_expressed(unit)
    unused = sorted(set(tables.roles).difference(*people.values()))
    draft.left_out += [f"role `{role}`: no account in the policy has it" for role in unused]
    return draft


# -- who ----------------------------------------------------------------------------------------------------------


def _people(accounts: Iterable[Account], left_out: list[str]) -> dict[str, frozenset[str]]:
    """Return the roles of everyone who has a usable e-mail."""
    same: dict[str, list[Account]] = defaultdict(list)
    for account in sorted(accounts, key=lambda account: (normalize_email(account.email), account.id)):
        who = f"account {account.id} `{account.email}`"
        if not account.active:
            left_out.append(f"{who}: it is not active")
        elif not is_email(account.email):
            left_out.append(f"{who}: invalid e-mail address")
        elif not account.roles:
            left_out.append(f"{who}: it has no role")
        same[normalize_email(account.email)] += [account] if account.active and is_email(account.email) else []
    for several in same.values():
        if len(several) > 1:
            ids = ", ".join(str(account.id) for account in several)
            left_out.append(
                f"accounts {ids} `{several[0].email}`: duplicate accounts for one e-mail, access is denied for all"
            )
    found = map(only_account, same.values())
    return {account.email: account.roles for account in found if account is not None and account.roles}


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


def _units(tables: Tables, people: Mapping[str, frozenset[str]]) -> list[Unit]:
    """Return which roles to give together to whom.

    FAB looks at the union of a user's roles, so two can give together what neither gives by itself. Only then are
    they one unit; otherwise everybody is in the Team of each role.
    """
    units: dict[tuple[str, ...], Unit] = {}

    def unit(roles: tuple[str, ...]) -> Unit:
        if roles not in units:
            pairs = frozenset[Pair]().union(*(tables.roles[role] for role in roles))
            units[roles] = Unit(roles, pairs, fab_roles.permissions(pairs, tables.pairs), [])
        return units[roles]

    for email, roles in people.items():
        whole, single = unit(tuple(sorted(roles))), [unit((role,)) for role in sorted(roles)]
        alone = fab_roles.FabPermissions.union(each.permissions for each in single) == whole.permissions
        for each in single if alone else [whole]:
            each.members.append(email)
    return [units[roles] for roles in sorted(units) if units[roles].members]


# -- what ----------------------------------------------------------------------------------------------------------


def _namer() -> Callable[[str], str]:
    """Return what makes a name of FAB's free for a role or Team: not built in, and given once."""
    taken = set(BUILT_IN)

    def free(name: str) -> str:
        candidate, number = name or "without a name", 1
        while candidate in taken:
            number += 1
            candidate = f"{name} ({number})"
        taken.add(candidate)
        return candidate

    return free


def _add(draft: Draft, unit: Unit, name: Callable[[str], str], deployment_id: str) -> None:
    permissions, team = unit.permissions, name(unit.name)
    grants: dict[str, list[dict[str, str]]] = {}
    if permissions.everything:
        grants["deployment_roles"] = [{"deployment_id": deployment_id, "role": "DEPLOYMENT_ADMIN"}]
    elif permissions.deployment_wide:
        role = _role(draft, team, permissions.deployment_wide, unit)
        grants["deployment_roles"] = [{"deployment_id": deployment_id, "role": role}]
    for held, ids in _by_permissions(permissions.on_dags).items():
        role = _dag_role(draft, lambda: name(f"{team} on Dags"), held, unit)
        grants.setdefault("dag_roles", []).extend(
            {"deployment_id": deployment_id, "dag_id": dag_id, "role": role} for dag_id in ids
        )
    if grants:
        draft.lists["teams"].append(Entry({"name": team, "members": unit.members, **grants}, (_reported(unit),)))


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


def _role(draft: Draft, name: str, held: int, unit: Unit) -> str:
    """Return the role of the Deployment that gives exactly this, a new custom one unless one is built in."""
    if held == ACCESSOR_PERMISSIONS:
        return "DEPLOYMENT_ACCESSOR"
    values = {"name": name, "scope": "DEPLOYMENT", "permissions": [word(each, "DEPLOYMENT") for each in names(held)]}
    draft.lists["roles"].append(Entry(values, (f"{_reported(unit)} {_nearest(held)}",)))
    return name


def _dag_role(draft: Draft, new_name: Callable[[], str], held: int, unit: Unit) -> str:
    for role in BUILT_IN.values():
        if role.level == "DAG" and role.permissions == held:
            return role.name
    name = new_name()
    values = {"name": name, "scope": "DAG", "permissions": [word(each, "DAG") for each in names(held)]}
    draft.lists["roles"].append(Entry(values, (f"{_reported(unit)} Its permissions on some Dags.",)))
    return name


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


# -- what not ------------------------------------------------------------------------------------------------------

# The menu shows what one may open, everybody has the own account, and backfills are runs.
_ELSEWHERE = ("My Password", "My Profile", "Backfills")


def _not_expressed(unit: Unit) -> Iterator[str]:
    """Yield what FAB gave and the policy does not."""
    if unit.permissions.everything:
        return
    if not unit.pairs:
        yield f"role `{unit.name}`: it has no permissions in FAB"
    who, needs = f"role `{unit.name}`", fab_roles.needs()
    for lacking, permissions in _half_there(unit, needs).items():
        yield f"{who}: {', '.join(permissions)}, since FAB's role lacks {_spell(lacking)}"
    known = frozenset[Pair]().union(*needs.values())
    other = {
        (action, resource)
        for action, resource in unit.pairs - known
        if action != "menu_access" and resource not in _ELSEWHERE and not resource.startswith(fab_roles.OF_ONE_DAG)
    }
    if other:
        yield f"{who}: a policy has no equivalent of {_spell(other)}"
    yield from _dags_not_expressed(unit, who, needs)


def _half_there(unit: Unit, needs: Mapping[str, frozenset[Pair]]) -> dict[frozenset[Pair], list[str]]:
    """Return the permissions of which FAB's role has a part, by what it lacks of them."""
    given, found = unit.permissions.deployment_wide, defaultdict[frozenset[Pair], list[str]](list)
    for held in unit.permissions.on_dags.values():
        given |= held
    for permission, needed in needs.items():
        own = needed - needs["dag.get"] or needed
        if not given & mask(permission) and own & unit.pairs:
            found[needed - unit.pairs].append(permission)
    return found


def _dags_not_expressed(unit: Unit, who: str, needs: Mapping[str, frozenset[Pair]]) -> Iterator[str]:
    permissions = unit.permissions
    if not (mask("dag.get") | ACCESSOR_PERMISSIONS) & ~permissions.deployment_wide:
        return
    lost = sorted(fab_roles.dag_ids(unit.pairs) - set(permissions.on_dags))
    if lost:
        opening = frozenset[Pair]().union(*(needs[each] for each in ("dag.get", *names(ACCESSOR_PERMISSIONS))))
        lacking = opening - unit.pairs - {("can_read", "DAGs")}
        what = f"lacks {_spell(lacking)}" if lacking else "has no `can_read` on them"
        dags = ", ".join(f"`{dag_id}`" for dag_id in lost)
        yield f"{who}: what it has on the Dags {dags}, since FAB's role {what}, which is needed to see a Dag"


def _spell(pairs: Iterable[Pair]) -> str:
    return ", ".join(f"`{action} on {resource}`" for action, resource in sorted(pairs))
