"""What FAB's roles give, in permissions: FAB's own auth manager runs the checks that Airflow would run.

A permission is granted only where FAB allows every check that the permission allows here. So nothing is said
twice, nothing is guessed, and no user gets more than FAB gave.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from typing import Any, NamedTuple, Self

from airflow import __version__ as airflow_version
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity, DagDetails
from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager
from airflow.providers.fab.auth_manager.models import Action, Permission, Resource, Role, User
from airflow.utils.session import create_session
from packaging.version import Version
from sqlalchemy import select

from astro_auth_plugin.authorization.action_map import DAG_ENTITIES, OBJECTS, SEE_DAG, VIEWS
from astro_auth_plugin.rbac.model.permissions import DAG_WORDS, mask, names
from astro_auth_plugin.rbac.model.roles import ACCESSOR_PERMISSIONS

Pair = tuple[str, str]
"""A permission of FAB: action and resource, such as ("can_read", "DAG Runs")."""

NEVER_CHECKED = frozenset(
    {("", "POST"), ("HITL_DETAIL", "POST"), *(("asset_alias", method) for method in ("POST", "PUT", "DELETE"))}
    | ({("asset", "PUT")} if Version(Version(airflow_version).base_version) < Version("3.3") else set())
)
"""Questions that the action map answers and no route of this Airflow checks; FAB may say no to everybody then."""

OF_ONE_DAG = ("DAG:", "DAG Run:")
"""How resources of a single Dag begin; its id follows."""

# What FAB checks of its pages and menus by pair, and not through a check that the action map has.
_BY_PAIR: Mapping[str, Pair] = {
    "adminMenu.get": ("menu_access", "Admin"),
    "browseMenu.get": ("menu_access", "Browse"),
    "slaMiss.get": ("can_read", "SLA Misses"),
    "taskReschedule.get": ("can_read", "Task Reschedules"),
}
# FAB knows each page of a plugin by itself, and this plugin's own not at all: only who has everything gets these.
_NOT_IN_FAB = mask("astronomer.get", "customMenu.get")
_ON_DAGS = mask(*(word.removeprefix("dag.airflow.") for word in DAG_WORDS))
_SOME_DAG = "some_dag"


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


def permissions(pairs: frozenset[Pair], all_pairs: frozenset[Pair]) -> FabPermissions:
    """Return what pairs of FAB give, never more.

    Args:
        pairs: those of a role, or of all roles of an account.
        all_pairs: every pair that the database has.
    """
    deployment_wide = _held(_of_all_dags(pairs), _SOME_DAG)
    on_dags = {}
    # The page opens to anyone who has a Dag role, and what one may not see one may not touch.
    if not ACCESSOR_PERMISSIONS & ~deployment_wide:
        held = {dag_id: _held(pairs, dag_id, deployment_wide=False) & _ON_DAGS for dag_id in dag_ids(pairs)}
        on_dags = {dag_id: permissions for dag_id, permissions in held.items() if permissions & SEE_DAG}
    everything = deployment_wide == _known() and not _of_all_dags(all_pairs) - pairs
    return FabPermissions.of(deployment_wide, on_dags, everything=everything)


def dag_ids(pairs: Iterable[Pair]) -> set[str]:
    """Return the Dags that pairs are about by id."""
    found = {
        resource.removeprefix(prefix) for _, resource in pairs for prefix in OF_ONE_DAG if resource.startswith(prefix)
    }
    # FAB takes an id with such a beginning for the resource itself, and so for another Dag.
    return {dag_id for dag_id in found if dag_id and not dag_id.startswith(OF_ONE_DAG)}


@cache
def needs() -> Mapping[str, frozenset[Pair]]:
    """Return the pairs that each permission needs in the whole Deployment, by the permission's name."""
    found = {}
    for permission in names(_known()):
        person = _Person(_Everything())
        for question in _questions():
            if question.permission & mask(permission):
                question.ask(person, _SOME_DAG)
        found[permission] = _of_all_dags(person.perms.requested)
    return found


def _of_all_dags(pairs: Iterable[Pair]) -> frozenset[Pair]:
    return frozenset(pair for pair in pairs if not pair[1].startswith(OF_ONE_DAG))


# -- FAB's checks ----------------------------------------------------------------------------------------------------


class _Person(NamedTuple):
    """All that FAB reads of a user."""

    perms: Any


class _Everything(frozenset[Pair]):
    """A set that has every pair, and remembers which were requested."""

    requested: set[Pair]

    def __new__(cls) -> Self:
        made = super().__new__(cls)
        made.requested = set()
        return made

    def __bool__(self) -> bool:
        return True

    def __contains__(self, pair: object) -> bool:
        self.requested.add(pair)  # type: ignore[arg-type]  # FAB requests nothing else
        return True


class _Question(NamedTuple):
    """A question of Airflow that a permission answers: how FAB checks it for a user and a Dag."""

    permission: int
    ask: Callable[[_Person, str], bool]
    deployment_wide: bool = False


def _held(pairs: frozenset[Pair], dag_id: str, *, deployment_wide: bool = True) -> int:
    person, held = _Person(pairs), _known()
    for question in _questions():
        if (
            question.permission & held
            and (deployment_wide or not question.deployment_wide)
            and not question.ask(person, dag_id)
        ):
            held &= ~question.permission
    return held


@cache
def _known() -> int:
    held = 0
    for question in _questions():
        held |= question.permission
    return held


@cache
def _questions() -> tuple[_Question, ...]:
    manager = FabAuthManager()  # type: ignore[no-untyped-call]
    return (*_about_dags(manager), *_about_the_rest(manager))


def _about_dags(manager: FabAuthManager) -> Iterator[_Question]:
    for entity, row in DAG_ENTITIES.items():
        for method, needed in row.items():
            if (entity, method) not in NEVER_CHECKED and (not entity or entity in DagAccessEntity.__members__):
                access_entity = DagAccessEntity[entity] if entity else None
                ask = partial(_ask_about_dag, manager, method, access_entity)
                yield _Question(needed & ~SEE_DAG or SEE_DAG, ask)


def _about_the_rest(manager: FabAuthManager) -> Iterator[_Question]:
    for name, row in OBJECTS.items():
        hook = getattr(manager, f"is_authorized_{name}")
        for method, needed in row.items():
            if (name, method) not in NEVER_CHECKED:
                yield _Question(needed & ~SEE_DAG, partial(_ask, hook, method=method))
    for view, alternatives in VIEWS.items():
        if view in AccessView.__members__:
            ask = partial(_ask, manager.is_authorized_view, access_view=AccessView[view])
            everywhere = view.endswith("_ALL")
            yield from (_Question(one, ask, everywhere) for one in alternatives if one & ~_NOT_IN_FAB)
    for name, (action, resource) in _BY_PAIR.items():
        ask = partial(_ask, manager.is_authorized_custom_view, method=action, resource_name=resource)
        yield _Question(mask(name), ask)


def _ask_about_dag(manager: FabAuthManager, method: Any, entity: Any, person: Any, dag_id: str) -> bool:
    details = DagDetails(id=dag_id)
    return _ask(manager.is_authorized_dag, person, method=method, access_entity=entity, details=details)


def _ask(hook: Callable[..., bool], person: Any, _dag_id: str = "", **question: Any) -> bool:
    try:
        return hook(user=person, **question)
    except Exception:  # noqa: BLE001 - a word that FAB does not know; FAB granted nothing by it
        return False
