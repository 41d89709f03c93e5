"""FAB's tables, and what FAB's roles give in permissions: see `fab_questions` for what is asked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from airflow.providers.fab.auth_manager.models import Action, Permission, Resource, Role, User
from airflow.utils.session import create_session
from sqlalchemy import select

from astro_auth_plugin.authorization.action_map import SEE_DAG
from astro_auth_plugin.cli.importers import fab_questions
from astro_auth_plugin.cli.importers.fab_questions import SOME_DAG, Pair, dag_ids, of_all_dags
from astro_auth_plugin.rbac.model.permissions import DAG_WORDS, mask
from astro_auth_plugin.rbac.model.roles import ACCESSOR_PERMISSIONS

_ON_DAGS = mask(*(word.removeprefix("dag.airflow.") for word in DAG_WORDS))


class Account(NamedTuple):
    """An account of FAB, with the names of its roles."""

    id: int
    email: str
    active: bool
    roles: frozenset[str]


class Tables(NamedTuple):
    """FAB's tables: the pairs of each role, every pair that there is, and the accounts."""

    roles: Mapping[str, frozenset[Pair]]
    pairs: frozenset[Pair]
    accounts: tuple[Account, ...]


class FabPermissions(NamedTuple):
    """What pairs of FAB give: in the whole Deployment, and on Dags by id where that is more.

    `everything`: nothing in this database is beyond them, accounts and roles included.
    """

    deployment_wide: int
    on_dags: Mapping[str, int]
    everything: bool = False

    @classmethod
    def union(cls, several: Iterable[FabPermissions]) -> FabPermissions:
        """Return what several give together when each is given by itself."""
        deployment_wide, on_dags, everything = 0, defaultdict[str, int](int), False
        for each in several:
            deployment_wide |= each.deployment_wide
            everything |= each.everything
            for dag_id, held in each.on_dags.items():
                on_dags[dag_id] |= held
        return cls.of(deployment_wide, on_dags, everything=everything)

    @classmethod
    def of(cls, deployment_wide: int, on_dags: Mapping[str, int], *, everything: bool = False) -> FabPermissions:
        """Return these permissions in the one form in which equal ones are equal."""
        more = {
            dag_id: held | (deployment_wide & _ON_DAGS) for dag_id, held in on_dags.items() if held & ~deployment_wide
        }
        return cls(deployment_wide, dict(sorted(more.items())), everything)


def read() -> Tables:
    """Read FAB's roles and accounts from the metadata database. Three statements."""
    roles: dict[str, set[Pair]] = defaultdict(set)
    accounts: dict[int, Account] = {}
    with create_session(scoped=False) as session:
        of_roles = select(Role.name, Action.name, Resource.name).outerjoin(Role.permissions)
        rows: Iterable[Any] = session.execute(of_roles.outerjoin(Permission.action).outerjoin(Permission.resource))
        for role, action, resource in rows:
            roles[role] |= {(action, resource)} if action is not None else set()
        there: Iterable[Any] = session.execute(
            select(Action.name, Resource.name).select_from(Permission).join(Permission.action).join(Permission.resource)
        )
        pairs = frozenset((action, resource) for action, resource in there)
        rows = session.execute(select(User.id, User.email, User.active, Role.name).outerjoin(User.roles))
        for account_id, email, active, role in rows:
            before = accounts.get(account_id, Account(account_id, email or "", bool(active), frozenset()))
            accounts[account_id] = before._replace(roles=before.roles | ({role} if role is not None else set()))
    return Tables({name: frozenset(of) for name, of in roles.items()}, pairs, tuple(accounts.values()))


def permissions(pairs: frozenset[Pair], all_pairs: frozenset[Pair], *, exact: bool = False) -> FabPermissions:
    """Return what pairs of FAB give.

    Args:
        pairs: those of a role, or of all roles of an account.
        all_pairs: every pair that the database has.
        exact: never more than FAB gives; otherwise what is harmless is rounded up.
    """
    deployment_wide = fab_questions.held(of_all_dags(pairs), SOME_DAG, exact=exact)
    held = {
        dag_id: fab_questions.held(pairs, dag_id, deployment_wide=False, exact=exact) & _ON_DAGS
        for dag_id in dag_ids(pairs)
    }
    # What one may not see one may not touch.
    on_dags = {dag_id: permissions for dag_id, permissions in held.items() if permissions & SEE_DAG}
    # The page opens to anyone who has a Dag role.
    if exact and ACCESSOR_PERMISSIONS & ~deployment_wide:
        on_dags = {}
    elif not exact and (deployment_wide or on_dags):
        deployment_wide |= ACCESSOR_PERMISSIONS
    everything = deployment_wide == fab_questions.known() and not of_all_dags(all_pairs) - pairs
    return FabPermissions.of(deployment_wide, on_dags, everything=everything)
