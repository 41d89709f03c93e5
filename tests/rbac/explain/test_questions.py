"""From an action or a request to the question that it is."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import pytest

from astro_auth_plugin.authorization.route_table import table
from astro_auth_plugin.rbac.explain.questions import Question, of_action, of_request
from astro_auth_plugin.rbac.explain.routes import find
from astro_auth_plugin.rbac.model.permissions import mask

SEE = mask("dag.get")


def request(words: str, dag_id: str | None = None, version: str = "3.3") -> Question:
    """Return the question of a method, a path and a query."""
    method, _, address = words.partition(" ")
    path, _, query = address.partition("?")
    found = find(table(version).values(), method, path)
    assert found is not None
    return of_request(words, found, parse_qs(query, keep_blank_values=True), dag_id)


@pytest.mark.parametrize(
    ("word", "resource", "where", "needs"),
    [
        ("trigger", "sales", "Dag", "dag.get dagRun.create"),
        ("trigger", None, "Deployment", "dag.get dagRun.create"),
        ("trigger", "~", "Deployment", "dag.get dagRun.create"),
        ("trigger", "", "Deployment", "dag.get dagRun.create"),
        ("dagRun.get", "sales", "Dag", "dag.get dagRun.get"),
        ("deployment.airflow.dagRun.get", "sales", "Deployment", "dag.get dagRun.get"),
        ("see-jobs", None, "Deployment", "job.get"),
    ],
)
def test_action(word: str, resource: str | None, where: str, needs: str) -> None:
    """An action is about the Dag that is named, and about the whole Deployment without one."""
    question = of_action(word, resource)
    assert question is not None
    assert (question.where, question.needs) == (where, (mask(*needs.split()),))
    assert question.dag_id == (resource if where == "Dag" else None)


def test_things_that_are_all_alike() -> None:
    """Jobs are not told apart, and the reader is told so."""
    question = of_action("see-jobs", "warehouse")
    assert question is not None
    assert "`warehouse` is ignored" in question.note


@pytest.mark.parametrize(
    ("word", "kind", "needs"),
    [
        ("see-connection", "connection", "connection.get"),
        ("edit-pool", "pool", "pool.create pool.update pool.delete"),
        ("variable.delete", "variable", "variable.delete"),
        ("object.airflow.variable.get", "variable", "variable.get"),
    ],
)
def test_actions_on_one_object(word: str, kind: str, needs: str) -> None:
    """What is done with a connection, Variable or pool is about the one that is named, and about all without one."""
    question = of_action(word, "x")
    assert question is not None
    assert (question.where, question.resource, question.needs) == ("object", (kind, "x"), (mask(*needs.split()),))
    assert (question.named, question.dag_id) == ("x", None)
    every = of_action(word)
    assert every is not None
    assert (every.where, every.resource) == ("Deployment", None)


def test_permissions_on_every_object() -> None:
    """The word of a Deployment role is about every object."""
    question = of_action("deployment.airflow.pool.get", "x")
    assert question is not None
    assert (question.where, "`x` is ignored" in question.note) == ("Deployment", True)


def test_words_that_are_no_questions() -> None:
    """An unknown word is no question; one that Airflow never asks about is refused with the reason."""
    assert of_action("triger", "sales") is None
    requested = of_action("deployment.update")
    assert requested is not None
    assert "Airflow never checks `deployment.update`" in requested.refused


@pytest.mark.parametrize(
    ("words", "given", "expected"),
    [
        ("POST /api/v2/dags/d/dagRuns", None, {"where": "Dag", "dag_id": "d"}),
        ("POST /api/v2/dags/d/dagRuns?dag_id=other", None, {"where": "Dag", "dag_id": "d"}),
        ("POST /api/v2/dags/~/dagRuns", None, {"where": "Deployment", "needs": (mask("dagRun.create") | SEE,)}),
        ("GET /api/v2/dags/~/dagRuns", None, {"where": "Dags", "opens": SEE, "needs": (mask("dagRun.get") | SEE,)}),
        ("GET /api/v2/dags", None, {"where": "Dags", "opens": SEE, "needs": (SEE,)}),
        ("GET /api/v2/dags?order_by=last_run_state", None, {"where": "Dags", "needs": (mask("dagRun.get") | SEE,)}),
        ("GET /api/v2/dags?dag_run_state=failed", None, {"where": "Dags", "needs": (mask("dagRun.get") | SEE,)}),
        ("POST /api/v2/dags/~/dagRuns/list", None, {"where": "Dags", "opens": SEE}),
        ("PATCH /api/v2/dags?dag_id_pattern=x", None, {"where": "Dags", "opens": mask("dag.update") | SEE}),
        ("PATCH /api/v2/dags?dag_id=x", None, {"where": "Dags", "dag_id": None}),
        ("GET /api/v2/dagWarnings?dag_id=d", None, {"where": "Dag", "dag_id": "d"}),
        ("GET /api/v2/dagWarnings?dag_id=~", None, {"where": "Dags"}),
        ("GET /ui/partitioned_dag_runs", None, {"where": "Dags", "deployment_wide": mask("datasets.get") | SEE}),
        (
            "GET /ui/partitioned_dag_runs?dag_id=d",
            None,
            {"where": "Dag", "deployment_wide": 0, "needs": (mask("datasets.get", "dagRun.get") | SEE,)},
        ),
        ("GET /api/v2/backfills?dag_id=d", None, {"where": "Dag", "dag_id": "d", "refused": ""}),
        ("GET /api/v2/backfills?dag_id=d&dag_id=e", None, {"refused": "the query names several Dags"}),
        ("GET /ui/structure/structure_data?dag_id=d&dag_id=e", None, {"where": "Dag", "dag_id": "e", "refused": ""}),
        ("GET /api/v2/backfills", None, {"where": "some Dag"}),
        ("GET /ui/backfills", None, {"where": "Dags"}),
        ("GET /api/v2/eventLogs", None, {"where": "Deployment"}),
        ("GET /api/v2/eventLogs?dag_id=d", None, {"where": "Dag", "dag_id": "d"}),
        ("GET /api/v2/eventLogs/7", None, {"where": "some Dag"}),
        ("GET /api/v2/eventLogs/7?dag_id=own", None, {"where": "some Dag"}),
        ("GET /api/v2/eventLogs/7", "d", {"where": "Dag", "dag_id": "d"}),
        ("POST /api/v2/backfills", "d", {"where": "Dag", "dag_id": "d"}),
        ("PATCH /api/v2/dags/d/dagRuns", None, {"where": "Dag", "dag_id": "d"}),
        ("PATCH /api/v2/dags/~/dagRuns", None, {"where": "some Dag"}),
        ("PATCH /api/v2/dags/~/dagRuns/~/taskInstances", None, {"where": "some Dag"}),
        ("PUT /api/v2/parseDagFile/abc", None, {"where": "some Dag", "unnamed": "the Dags of the file"}),
        ("GET /api/v2/connections?dag_id=d", "d", {"where": "objects", "object_kind": "connection"}),
        ("GET /api/v2/connections/c", None, {"where": "object", "object_id": "c", "object_kind": "connection"}),
        ("GET /api/v2/variables/a/b", None, {"where": "object", "object_id": "a/b", "object_kind": "variable"}),
        ("POST /api/v2/pools", None, {"where": "some object", "unnamed": "the pool that the body names"}),
        ("POST /api/v2/pools", "p", {"where": "object", "object_id": "p"}),
        ("PATCH /api/v2/variables", None, {"where": "some object", "object_kind": "variable"}),
        ("POST /api/v2/connections/defaults", None, {"where": "Deployment"}),
        ("GET /ui/connections/hook_meta", None, {"where": "objects", "object_kind": "connection"}),
        ("GET /api/v2/dags/d/dagRuns/r/wait", None, {"needs": (mask("dagRun.get") | SEE,)}),
        ("GET /api/v2/dags/d/dagRuns/r/wait?result=", None, {"needs": (mask("dagRun.get", "xcom.get") | SEE,)}),
        (
            "GET /api/v2/plugins",
            None,
            {"needs": tuple(mask(f"{n}.get") for n in ("plugin", "customMenu", "astronomer", "website"))},
        ),
        ("GET /api/v2/version", None, {"people": "public"}),
    ],
)
def test_request(words: str, given: str | None, expected: dict[str, Any]) -> None:
    """A request is about the Dag that Airflow acts on: that of the path, before that of the query."""
    question = request(words, given)
    assert {name: getattr(question, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("words", "cases"),
    [
        ("GET /api/v2/dags/d", {"": 0}),
        (
            "PATCH /api/v2/connections",
            {f"an item to {verb}": mask(f"connection.{verb}") for verb in ("create", "update", "delete")},
        ),
        (
            "POST /api/v2/backfills",
            {"where existing runs are processed again": mask("dagRun.update"), "otherwise": 0},
        ),
        ("GET /api/v2/dags/d/dagRuns/r/wait?result=x", {"": 0}),
    ],
)
def test_cases(words: str, cases: dict[str, int]) -> None:
    """What the body decides are cases; what the query decides is not."""
    assert dict(request(words).cases) == cases


def test_every_case_is_known() -> None:
    """Each case of the table that a query decides is looked up in the query: none is left to the body by its name."""
    named = {case for route in table().values() for case in route.also if "query" in case or "filtered" in case}
    assert named == {"with result in the query", "filtered or ordered by runs"}
