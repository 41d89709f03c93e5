"""Which Dags Airflow's graphs would name beside a Dag."""

from __future__ import annotations

import pytest
from airflow.models.serialized_dag import SerializedDagModel
from airflow.serialization.dag_dependency import DagDependency

from astro_auth_plugin.authorization import dag_access, dag_lookup, route_rules
from astro_auth_plugin.rbac.engine.engine import Engine
from tests.in_request import ask_dag, facts_of, person, serving

pytestmark = pytest.mark.usefixtures("dags")

STRUCTURE = "GET /ui/structure/structure_data"
OUTSIDE = "dag_id=fin_daily&external_dependencies=true"


def edge(source: str, target: str, kind: str) -> DagDependency:
    return DagDependency(source=source, target=target, label="label", dependency_type=kind, dependency_id="id")


@pytest.fixture(autouse=True)
def dependencies(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ops_sync` starts `fin_daily`, for which `waits` waits; `fin_report` and `fin_daily` share an asset."""
    found = {
        "ops_sync": [edge("ops_sync", "fin_daily", "trigger")],
        "fin_daily": [edge("fin_daily", "asset", "asset"), edge("asset:1", "fin_daily", "asset-alias")],
        "fin_report": [edge("asset", "fin_report", "asset")],
        "starts": [edge("starts", "gone", "trigger")],
        "waits": [edge("fin_daily", "waits", "sensor")],
    }
    monkeypatch.setattr(SerializedDagModel, "get_dag_dependencies", lambda: found)


@pytest.mark.parametrize(
    ("dag_id", "near"),
    [
        ("ops_sync", {"fin_daily"}),
        ("fin_daily", {"ops_sync"}),
        ("fin_report", set()),
        ("starts", {"gone"}),
        ("waits", {"fin_daily"}),
        ("gone", {"starts"}),
        ("unparsed", set()),
    ],
)
def test_next_to(dag_id: str, near: set[str]) -> None:
    """Beside a Dag its graph names what it starts, waits for and is started by; assets and aliases are no Dags."""
    assert dag_lookup.next_to(dag_id) == near


def test_without_outsiders() -> None:
    """A Dag with an edge to one that is not in the set is left out, whether or not that one exists."""
    everything = {"ops_sync", "fin_daily", "fin_report", "starts", "waits", "unparsed"}
    assert dag_lookup.without_outsiders(everything) == everything - {"starts"}
    assert dag_lookup.without_outsiders({"ops_sync", "fin_report"}) == {"fin_report"}


@pytest.mark.parametrize(("version", "narrowed"), [("3.1", True), ("3.2", True), ("3.3", False)])
def test_list_of_dependencies(version: str, narrowed: bool, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 3.3 a Dag with an edge to one that may not be seen is not in the graph of all Dags; Owners see all."""
    monkeypatch.setattr(route_rules, "RELEASE", version)
    with serving(facts_of("GET /ui/dependencies")):
        everybody = dag_access.readable_dag_ids(person(engine, "olga"), "GET")
        assert {"fin_daily", "ops_sync"} <= everybody
        seen = dag_access.readable_dag_ids(person(engine, "mix"), "GET")
        assert seen == {"fin_daily", "ops_sync"}
        monkeypatch.setattr(
            SerializedDagModel,
            "get_dag_dependencies",
            lambda: {"fin_daily": [edge("fin_daily", "fin_report", "trigger")]},
        )
        seen = dag_access.readable_dag_ids(person(engine, "mix"), "GET")
        assert seen == ({"ops_sync"} if narrowed else {"fin_daily", "ops_sync"})
    with serving(facts_of("GET /ui/dags")):
        assert "fin_daily" in dag_access.readable_dag_ids(person(engine, "vera"), "GET")


@pytest.mark.parametrize(
    ("version", "query", "user", "allowed"),
    [
        ("3.1", OUTSIDE, "vera", False),
        ("3.1", OUTSIDE.replace("true", "1"), "vera", False),
        ("3.1", OUTSIDE + "&external_dependencies=false", "vera", False),
        ("3.1", OUTSIDE.replace("true", "false"), "vera", True),
        ("3.1", "dag_id=fin_daily", "vera", True),
        ("3.1", OUTSIDE, "olga", True),
        ("3.2", OUTSIDE, "vera", True),
        ("3.3", OUTSIDE, "vera", True),
    ],
)
def test_graph_of_a_dag(
    version: str, query: str, user: str, allowed: bool, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On 3.1 the graph with external dependencies takes a look at every Dag beside, and without them it does not."""
    monkeypatch.setattr(route_rules, "RELEASE", version)
    with serving(facts_of(STRUCTURE, query=query)):
        assert ask_dag(person(engine, user), "GET", "DEPENDENCIES", "fin_daily") is allowed


def test_graph_beside_nothing_hidden(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """On 3.1 the graph with external dependencies opens where the Dags beside may be seen, or there are none."""
    monkeypatch.setattr(route_rules, "RELEASE", "3.1")
    monkeypatch.setattr(
        SerializedDagModel, "get_dag_dependencies", lambda: {"fin_report": [edge("fin_report", "fin_daily", "trigger")]}
    )
    with serving(facts_of(STRUCTURE, query=OUTSIDE)):
        assert ask_dag(person(engine, "vera"), "GET", "DEPENDENCIES", "fin_daily")
        assert ask_dag(person(engine, "vera"), "GET", None, "fin_daily")
