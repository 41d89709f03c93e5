"""The vocabulary: every word of the installed Airflow has a row, and a word without one is denied."""

from __future__ import annotations

import logging
from enum import Enum
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from airflow.api_fastapi.auth.managers import base_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity
from airflow.api_fastapi.common.types import MenuItem

from astro_auth_plugin.authorization import action_map, authorizer, dag_access
from astro_auth_plugin.authorization.access_request import enum_name
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.permissions import mask, names
from tests.in_request import ask, ask_dag, ask_view, engine_of, person

# Written from the specification: what each question about a Dag needs, by GET, POST, PUT and DELETE.
DAG_TABLE = {
    "": ("dag.get", "dag.update", "dag.update", "dag.delete"),
    "AUDIT_LOG": ("auditLog.get", None, None, None),
    "CODE": ("dagCode.get", None, None, None),
    "DEPENDENCIES": ("dagDependencies.get", None, None, None),
    "HITL_DETAIL": ("taskInstance.get", "taskInstance.update", "taskInstance.update", None),
    "RUN": ("dagRun.get", "dagRun.create", "dagRun.update", "dagRun.delete"),
    "TASK": ("dag.get", None, None, None),
    "TASK_INSTANCE": ("taskInstance.get", "taskInstance.create", "taskInstance.update", "taskInstance.delete"),
    "TASK_LOGS": ("taskLog.get", None, None, None),
    "VERSION": ("dag.get", None, None, None),
    "WARNING": ("dag.get", None, None, None),
    "XCOM": ("xcom.get", "xcom.create", "xcom.update", "xcom.delete"),
}
OBJECT_TABLE = {
    "configuration": ("config.get", None, None, None),
    "connection": ("connection.get", "connection.create", "connection.update", "connection.delete"),
    "pool": ("pool.get", "pool.create", "pool.update", "pool.delete"),
    "variable": ("variable.get", "variable.create", "variable.update", "variable.delete"),
    "asset": ("dag.get datasets.get", "datasets.create", "datasets.update", "datasets.delete"),
    "asset_alias": ("dag.get datasets.get", "datasets.create", "datasets.update", "datasets.delete"),
}
METHODS = ("GET", "POST", "PUT", "DELETE")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return engine_of("users: [{email: olga@example.com, organization_role: ORGANIZATION_OWNER}]\n")


@pytest.fixture(autouse=True)
def _nothing_warned_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(action_map, "_warned", set())


def words(vocabulary: Any) -> set[str]:
    """Return the words of an enum, or of what is a Literal in older versions."""
    if isinstance(vocabulary, type) and issubclass(vocabulary, Enum):
        return set(vocabulary.__members__)
    return set(get_args(vocabulary))


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.mark.parametrize(
    ("table", "rows"), [(DAG_TABLE, action_map.DAG_ENTITIES), (OBJECT_TABLE, action_map.OBJECTS)], ids=["Dag", "object"]
)
def test_rows_are_those_of_the_specification(table: Any, rows: Any) -> None:
    """Each method of each entity and object needs what the specification says, and there are no others."""
    found = {
        name: tuple(" ".join(sorted(names(row[method]))) if method in row else None for method in METHODS)
        for name, row in rows.items()
    }
    assert found == table


def test_every_method_is_known() -> None:
    """Airflow asks with these methods only; `MENU` comes with custom views, whose method is ignored."""
    known = words(base_auth_manager.ResourceMethod)
    assert known
    assert known - {"MENU"} <= set(METHODS)


@pytest.mark.parametrize(
    ("vocabulary", "rows"),
    [(DagAccessEntity, action_map.DAG_ENTITIES), (AccessView, action_map.VIEWS), (MenuItem, action_map.MENU_ITEMS)],
    ids=["entities", "views", "menu items"],
)
def test_every_word_has_a_row(vocabulary: Any, rows: Any) -> None:
    """When a newer Airflow adds a word, this fails and not a user."""
    assert words(vocabulary)
    assert words(vocabulary) - set(rows) == set()


@pytest.mark.parametrize(("vocabulary", "ask"), [(AccessView, ask_view), (MenuItem, authorizer.may_see_menu_item)])
def test_members_are_understood(vocabulary: Any, ask: Any, engine: Engine) -> None:
    """Members of Airflow's own enums find their rows."""
    assert all(ask(person(engine, "olga"), member) for member in vocabulary)


def test_members_of_entities_and_methods_are_understood(engine: Engine) -> None:
    """Airflow's own members of entities, with its own methods, find their rows."""
    method = (
        next(iter(base_auth_manager.ResourceMethod)) if isinstance(base_auth_manager.ResourceMethod, type) else "GET"
    )
    assert enum_name(method) == "GET"
    assert all(ask_dag(person(engine, "olga"), method, entity, None) for entity in DagAccessEntity)


@pytest.mark.parametrize(
    ("ask", "args", "word"),
    [
        (ask_dag, ("PATCH", None, "x"), "method PATCH of Dag"),
        (ask_dag, ("GET", "SECRETS", "x"), "method GET of SECRETS"),
        (ask_dag, ("PUT", "TASK_LOGS", None), "method PUT of TASK_LOGS"),
        (ask_dag, ("get", None, "x"), "method get of Dag"),
        (ask_dag, (None, None, "x"), "method  of Dag"),
        (ask_dag, ("GET", SimpleNamespace(name="RUNS"), "x"), "method GET of RUNS"),
        (ask, ("connection", "MENU"), "method MENU of connection"),
        (ask, ("secret", "GET"), "method GET of secret"),
        (ask, ("configuration", "PUT"), "method PUT of configuration"),
        (ask, ("asset", "PATCH"), "method PATCH of asset"),
        (ask_view, ("SECRETS",), "view SECRETS"),
        (ask_view, ("docs",), "view docs"),
        (authorizer.may_see_menu_item, ("SECRETS",), "menu item SECRETS"),
        (dag_access.readable_dag_ids, ("HEAD",), "method HEAD of Dag"),
    ],
)
def test_unknown_words_are_denied(
    ask: Any, args: tuple[Any, ...], word: str, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody may do what has no row, the Organization's Owner included; one warning is logged for each word."""
    assert not any(ask(person(engine, "olga"), *args) for _ in range(3))
    assert warnings(caplog) == [f"Denied a question of Airflow that has no row in the action map: {word}"]


def test_views_of_nobody_are_of_no_other_kind() -> None:
    """FAB's pages are in one list each."""
    lists = [action_map.ACCOUNT_VIEWS, action_map.OWN_ACCOUNT_VIEWS, action_map.FAB_ROLE_VIEWS]
    assert sum(map(len, lists)) == len(frozenset().union(*lists))
    assert mask("customMenu.get") == action_map.CUSTOM_VIEW
