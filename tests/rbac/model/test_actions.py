"""The names of actions, and what each of them needs."""

from __future__ import annotations

import pytest

from astro_auth_plugin.rbac.model.actions import ACTIONS, TITLES, WORDS, Meant, meant, spelled
from astro_auth_plugin.rbac.model.permissions import ASTRO_WORDS, EVERYTHING, mask, names
from astro_auth_plugin.rbac.model.roles import BUILT_IN
from tests.reference_engine import DAG_PERMISSIONS, DEPLOYMENT_PERMISSIONS


@pytest.mark.parametrize(
    ("word", "needs", "on_dag"),
    [
        ("see", "dag.get dagRun.get taskInstance.get dagDependencies.get", True),
        ("see-xcom", "xcom.get", True),
        ("trigger", "dagRun.create", True),
        ("backfill", "dagRun.create", True),
        ("clear", "dagRun.update taskInstance.update", True),
        ("mark", "dagRun.update taskInstance.update", True),
        ("answer", "taskInstance.update", True),
        ("unpause", "dag.update", True),
        ("delete", "dag.delete", True),
        ("edit-variable", "variable.create variable.update variable.delete", False),
        ("see-config", "config.get", False),
        ("see-assets", "datasets.get dag.get", False),
        ("dagRun.create", "dagRun.create", True),
        ("dag.airflow.dagRun.create", "dagRun.create", True),
        ("deployment.airflow.dagRun.create", "dag.get dagRun.create", False),
        ("deployment.airflow.configMenu.get", "config.get", False),
        ("pool.get", "pool.get", False),
        ("datasets.create", "datasets.create", False),
    ],
)
def test_meaning(word: str, needs: str, on_dag: bool) -> None:
    """A plain name or a permission says what is needed, and whether it can be about one Dag."""
    found = meant(word)
    assert found is not None
    assert found[:2] == (mask(*needs.split()), on_dag)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("edit-variable", "variable"),
        ("pool.get", "pool"),
        ("object.airflow.connection.create", "connection"),
        ("deployment.airflow.connection.create", None),
        ("trigger", None),
        ("see-config", None),
    ],
)
def test_words_about_objects(word: str, kind: str | None) -> None:
    """A word can be about one object of a kind if all that it needs can be granted on one."""
    found = meant(word)
    assert found is not None
    assert found.object_kind == kind


@pytest.mark.parametrize("word", ["", "Trigger", "trigger ", "dag.airflow.pool.get", "dag.get.", "*"])
def test_unknown_words(word: str) -> None:
    """Words are compared exactly."""
    assert meant(word) is None


def test_words_of_astro() -> None:
    """What Airflow never asks about is known, and needs nothing that could be held."""
    assert {meant(word) for word in ASTRO_WORDS} == {Meant(0, on_dag=False)}


def test_every_permission_is_a_word() -> None:
    """Each permission can be asked for by its name, alone and with either scope."""
    alone = {
        name
        for name in DEPLOYMENT_PERMISSIONS
        if (found := meant(name)) and found[:2] == (mask(name), name in DAG_PERMISSIONS)
    }
    assert alone == DEPLOYMENT_PERMISSIONS
    assert all(meant(word) for word in WORDS)
    assert len(set(WORDS)) == len(WORDS)


def test_actions_about_dags_can_be_held_there() -> None:
    """What is about one Dag needs only what can be held on one Dag."""
    assert {name for action in ACTIONS if not action.deployment_wide for name in names(action.needs)} <= DAG_PERMISSIONS


@pytest.mark.parametrize(
    ("permissions", "on_dag", "words"),
    [
        (BUILT_IN["DEPLOYMENT_ACCESSOR"].permissions, False, ("open", "docs.get")),
        (mask("dag.get", "dagRun.get", "taskLog.get"), True, ("see-logs", "dag.get", "dagRun.get")),
        (mask("dag.get", "pool.get", "website.get"), True, ("dag.get",)),
        (0, True, ()),
    ],
)
def test_in_few_words(permissions: int, on_dag: bool, words: tuple[str, ...]) -> None:
    """What is held is told in plain names, and the rest by permissions; on a Dag without what is no Dag's."""
    assert spelled(permissions, on_dag=on_dag) == words


def test_everything_in_few_words() -> None:
    """Whoever holds everything may do every action."""
    assert {action.names[0] for action in ACTIONS} <= set(spelled(EVERYTHING, on_dag=False))


def test_everything_has_a_title() -> None:
    """What a preview says of any set of permissions has a title in words, and no two of them the same."""
    for on_dag in (True, False):
        found = [TITLES[name] for name in spelled(EVERYTHING, on_dag=on_dag)]
        assert len({*found}) == len(found)
    assert {*names(EVERYTHING)} < TITLES.keys()
    assert all(title[0].isupper() and "." not in title for title in TITLES.values())
