"""The questions of Airflow that FAB and a policy both answer: FAB's own auth manager runs the checks.

A permission is what several questions need. FAB gives it where it says yes to all of them, so nothing is said twice
and nothing is guessed. Some questions are harmless beside the others of their permission, and roles that were made
for Airflow 2 lack what FAB checks for them: these may be rounded up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from typing import Any, NamedTuple, Self

from airflow import __version__ as airflow_version
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity, DagDetails
from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager
from packaging.version import Version

from astro_auth_plugin.authorization.action_map import DAG_ENTITIES, OBJECTS, SEE_DAG, VIEWS
from astro_auth_plugin.rbac.model.permissions import mask, names
from astro_auth_plugin.rbac.model.roles import ACCESSOR_PERMISSIONS

Pair = tuple[str, str]
"""A permission of FAB: action and resource, such as ("can_read", "DAG Runs")."""

NEVER_CHECKED = frozenset(
    {("", "POST"), ("HITL_DETAIL", "POST"), *(("asset_alias", method) for method in ("POST", "PUT", "DELETE"))}
    | ({("asset", "PUT")} if Version(Version(airflow_version).base_version) < Version("3.3") else set())
)
"""Questions that the action map answers and no route of this Airflow checks; FAB may say no to everybody then."""

ROUNDED = frozenset(
    {
        # The names of a Dag's tasks and its versions and warnings, for those who see the Dag.
        *(("TASK", "GET"), ("VERSION", "GET"), ("WARNING", "GET")),
        # What a task asks of people, for those who see its instances; anyone who may mark it may answer for it.
        *(("HITL_DETAIL", "GET"), ("HITL_DETAIL", "PUT")),
        ("asset_alias", "GET"),
        # FAB's Viewer and User see import errors, and no bundles.
        ("view", "DAG_BUNDLES"),
    }
)
"""Questions that a permission answers with yes although FAB says no, unless the import is to be exact."""

OF_ONE_DAG = ("DAG:", "DAG Run:")
"""How resources of a single Dag begin; its id follows."""

SOME_DAG = "some_dag"
"""A Dag that no resource is about: what FAB allows for it is allowed for all Dags."""

# What FAB checks of its pages and menus by pair, and not through a check that the action map has.
_BY_PAIR: Mapping[str, Pair] = {
    "adminMenu.get": ("menu_access", "Admin"),
    "browseMenu.get": ("menu_access", "Browse"),
    "slaMiss.get": ("can_read", "SLA Misses"),
    "taskReschedule.get": ("can_read", "Task Reschedules"),
}
# FAB knows each page of a plugin by itself, and this plugin's own not at all: only who has everything gets these.
NOT_IN_FAB = mask("astronomer.get", "customMenu.get")


class Person(NamedTuple):
    """All that FAB reads of a user."""

    perms: Any


class Question(NamedTuple):
    """A question of Airflow.

    Attributes:
        name: its method and what it is about, such as "GET VERSION".
        permission: what it counts for.
        needed: what a policy needs for a yes: any of these sets.
        ask: how FAB checks it for a user and a Dag.
        of_dag: whether it is about a Dag; otherwise about the whole Deployment.
        everywhere: whether it is never about a single Dag.
        rounded: whether it may be rounded up.
    """

    name: str
    permission: int
    needed: tuple[int, ...]
    ask: Callable[[Person, str], bool]
    of_dag: bool = False
    everywhere: bool = False
    rounded: bool = False

    def allowed(self, held: int) -> bool:
        """Whether a policy that gives these permissions says yes."""
        return any(not needed & ~held for needed in self.needed)


def held(pairs: frozenset[Pair], dag_id: str, *, deployment_wide: bool = True, exact: bool = True) -> int:
    """Return the permissions that pairs of FAB give on a Dag and in the Deployment.

    Args:
        pairs: what FAB's roles have.
        dag_id: the Dag.
        deployment_wide: whether questions count that are never about a single Dag.
        exact: whether FAB has to say yes to questions that may be rounded up.
    """
    person, found = Person(pairs), known()
    for question in questions():
        counts = (deployment_wide or not question.everywhere) and (exact or not question.rounded)
        if counts and question.permission & found and not question.ask(person, dag_id):
            found &= ~question.permission
    return found


@cache
def known() -> int:
    """Return the permissions that FAB knows."""
    found = 0
    for question in questions():
        found |= question.permission
    return found


@cache
def needs(*, exact: bool = True) -> Mapping[str, frozenset[Pair]]:
    """Return the pairs that each permission needs in the whole Deployment, by the permission's name."""
    found = {}
    for permission in names(known()):
        person = Person(_Everything())
        for question in questions():
            if question.permission & mask(permission) and (exact or not question.rounded):
                question.ask(person, SOME_DAG)
        found[permission] = of_all_dags(person.perms.requested)
    return found


def rounding(permission: str) -> frozenset[Pair]:
    """Return the pairs without which a permission is given only because it is rounded up."""
    if mask(permission) & ACCESSOR_PERMISSIONS:
        return needs()[permission]
    return needs()[permission] - needs(exact=False)[permission]


def dag_ids(pairs: Iterable[Pair]) -> set[str]:
    """Return the Dags that pairs are about by id."""
    found = {
        resource.removeprefix(prefix) for _, resource in pairs for prefix in OF_ONE_DAG if resource.startswith(prefix)
    }
    # FAB takes an id with such a beginning for the resource itself, and so for another Dag.
    return {dag_id for dag_id in found if dag_id and not dag_id.startswith(OF_ONE_DAG)}


def of_all_dags(pairs: Iterable[Pair]) -> frozenset[Pair]:
    """Return the pairs that are not about a single Dag."""
    return frozenset(pair for pair in pairs if not pair[1].startswith(OF_ONE_DAG))


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


# -- FAB's checks ----------------------------------------------------------------------------------------------------


@cache
def questions() -> tuple[Question, ...]:
    """Return every question that a permission of FAB answers."""
    manager = FabAuthManager()  # type: ignore[no-untyped-call]
    return (*_about_dags(manager), *_about_objects(manager), *_about_views(manager))


def _about_dags(manager: FabAuthManager) -> Iterator[Question]:
    for entity, row in DAG_ENTITIES.items():
        for method, needed in row.items():
            if (entity, method) not in NEVER_CHECKED and (not entity or entity in DagAccessEntity.__members__):
                access_entity = DagAccessEntity[entity] if entity else None
                ask = partial(_ask_about_dag, manager, method, access_entity)
                permission, rounded = needed & ~SEE_DAG or SEE_DAG, (entity, method) in ROUNDED
                name = f"{method} {entity or 'DAG'}"
                yield Question(name, permission, (needed | SEE_DAG,), ask, of_dag=True, rounded=rounded)


def _about_objects(manager: FabAuthManager) -> Iterator[Question]:
    for name, row in OBJECTS.items():
        hook = getattr(manager, f"is_authorized_{name}")
        for method, needed in row.items():
            if (name, method) not in NEVER_CHECKED:
                ask, rounded = partial(_ask, hook, method=method), (name, method) in ROUNDED
                yield Question(f"{method} {name}", needed & ~SEE_DAG, (needed,), ask, rounded=rounded)


def _about_views(manager: FabAuthManager) -> Iterator[Question]:
    for view, alternatives in VIEWS.items():
        if view in AccessView.__members__:
            ask = partial(_ask, manager.is_authorized_view, access_view=AccessView[view])
            everywhere, rounded = view.endswith("_ALL"), ("view", view) in ROUNDED
            for one in alternatives:
                if one & ~NOT_IN_FAB:
                    permission = one & ~SEE_DAG or one
                    yield Question(
                        f"view {view}", permission, alternatives, ask, everywhere=everywhere, rounded=rounded
                    )
    for name, (action, resource) in _BY_PAIR.items():
        ask = partial(_ask, manager.is_authorized_custom_view, method=action, resource_name=resource)
        yield Question(f"{action} on {resource}", mask(name), (mask(name),), ask)


def _ask_about_dag(manager: FabAuthManager, method: Any, entity: Any, person: Any, dag_id: str) -> bool:
    details = DagDetails(id=dag_id)
    return _ask(manager.is_authorized_dag, person, method=method, access_entity=entity, details=details)


def _ask(hook: Callable[..., bool], person: Any, _dag_id: str = "", **question: Any) -> bool:
    try:
        return hook(user=person, **question)
    except Exception:  # noqa: BLE001 - a word that FAB does not know; FAB granted nothing by it
        return False
