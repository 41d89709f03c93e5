"""Which Dags are in each person's lists: exactly those of expected_lists.yaml, no more and no fewer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .client import Caller, Everybody
from .tables import lists

EXPECTED = lists()
ALL_TASKS = "/api/v2/dags/~/dagRuns/~/taskInstances"
DAY = "start_date=2025-12-31T12:00:00Z&end_date=2026-01-01T12:00:00Z"


def paged(path: str, key: str, find: Callable[[dict], str] = lambda row: row["dag_id"]) -> Callable[[Caller], set[str]]:
    """Reads a list to its end and returns the Dag ids in it."""

    def read(caller: Caller) -> set[str]:
        found: list[str] = []
        while True:
            body = caller.json(path, params={"limit": 100, "offset": len(found)})
            found += [find(row) for row in body[key]]
            assert body[key] or len(found) == body["total_entries"], "the total counts rows that are not shown"
            if len(found) >= body["total_entries"]:
                return set(found)

    return read


def posted(path: str, key: str) -> Callable[[Caller], set[str]]:
    """Reads a list that is asked for with POST; one page of it, which is enough to see every Dag."""

    def read(caller: Caller) -> set[str]:
        found: list[str] = []
        while True:
            answer = caller.request("POST", path, json={"page_limit": 100, "page_offset": len(found)})
            assert answer.status_code == 200, answer.text
            found += [row["dag_id"] for row in answer.json()[key]]
            if len(found) >= answer.json()["total_entries"]:
                return set(found)

    return read


def dependencies(caller: Caller) -> set[str]:
    """Every Dag named by a node or an edge of the graph of dependencies."""
    graph = caller.json("/ui/dependencies")
    ends = [node["id"] for node in graph["nodes"]]
    ends += [edge[end] for edge in graph["edges"] for end in ("source_id", "target_id")]
    return {end.removeprefix("dag:") for end in ends if end.startswith("dag:")}


def run_statistics(caller: Caller) -> set[str]:
    """The Dags of the run statistics, which have no pages."""
    return {row["dag_id"] for row in caller.json("/api/v2/dagStats")["dags"]}


READERS: dict[str, Callable[[Caller], set[str]]] = {
    "Dags": paged("/api/v2/dags", "dags"),
    "Dags in the UI": paged("/ui/dags", "dags"),
    "versions": paged("/api/v2/dags/~/dagVersions", "dag_versions"),
    "warnings": paged("/api/v2/dagWarnings", "dag_warnings"),
    "runs": paged("/api/v2/dags/~/dagRuns", "dag_runs"),
    "runs requested by POST": posted("/api/v2/dags/~/dagRuns/list", "dag_runs"),
    "run statistics": run_statistics,
    "backfills": paged("/ui/backfills", "backfills"),
    "task instances": paged(ALL_TASKS, "task_instances"),
    "task instances requested by POST": posted(f"{ALL_TASKS}/list", "task_instances"),
    "questions": paged(
        "/api/v2/dags/~/dagRuns/~/hitlDetails", "hitl_details", lambda row: row["task_instance"]["dag_id"]
    ),
    "XComs": paged(f"{ALL_TASKS}/~/xcomEntries", "xcom_entries"),
    "dependencies": dependencies,
}

COUNTERS: dict[str, Callable[[Caller], int]] = {
    "active Dags": lambda caller: caller.json("/ui/dashboard/dag_stats")["active_dag_count"],
    "runs of one day": lambda caller: sum(
        caller.json(f"/ui/dashboard/historical_metrics_data?{DAY}")["dag_run_states"].values()
    ),
}


def members(group: str, everybody: Everybody) -> list[Caller]:
    """The people of a group."""
    return [everybody[user] for user in EXPECTED["groups"][group]]


def dags(names: str) -> set[str]:
    """The Dags of a set, or of several joined by `+`."""
    return {dag_id for name in names.split("+") for dag_id in EXPECTED["sets"][name]}


def test_every_list_is_read() -> None:
    """Each list of the document is read, and each that is read stands in the document."""
    assert set(READERS) == set(EXPECTED["lists"])
    assert set(COUNTERS) == set(EXPECTED["counts"])


@pytest.mark.parametrize("name", READERS)
def test_list(name: str, everybody: Everybody) -> None:
    """Everybody who may ask finds exactly their Dags in the list."""
    wrong: list[Any] = []
    for group, expected in EXPECTED["lists"][name].items():
        for caller in members(group, everybody):
            got = READERS[name](caller)
            if got != dags(expected):
                wrong.append((caller.user, "too many", got - dags(expected), "missing", dags(expected) - got))
    assert not wrong


@pytest.mark.parametrize("name", COUNTERS)
def test_count(name: str, everybody: Everybody) -> None:
    """Nobody's counts tell of Dags that they do not see."""
    wrong = []
    for group, expected in EXPECTED["counts"][name].items():
        for caller in members(group, everybody):
            got = COUNTERS[name](caller)
            if got != len(dags(expected)):
                wrong.append(f"{caller.user}: expected {len(dags(expected))}, got {got}")
    assert not wrong


@pytest.mark.parametrize("group", EXPECTED["tags"])
def test_tags(group: str, everybody: Everybody) -> None:
    """The list of tags holds those of the Dags that one sees."""
    for caller in members(group, everybody):
        assert sorted(caller.json("/api/v2/dagTags?limit=100")["tags"]) == sorted(EXPECTED["tags"][group]), caller.user


@pytest.mark.parametrize("group", EXPECTED["menus"])
def test_menu(group: str, everybody: Everybody) -> None:
    """The menu has the entries that lead somewhere for this person."""
    for caller in members(group, everybody):
        expected = EXPECTED["menus"][group] + EXPECTED["more_menus"].get(caller.user, [])
        assert sorted(caller.json("/ui/auth/menus")["authorized_menu_items"]) == sorted(expected), caller.user


@pytest.mark.parametrize("user", ["deployment.accessor", "workspace.accessor", "nobody", "fab.admin", "twin.one"])
def test_menu_of_nobody(user: str, everybody: Everybody) -> None:
    """Whoever holds nothing has no menu entry but what DEPLOYMENT_ACCESSOR reads."""
    assert everybody[user].json("/ui/auth/menus")["authorized_menu_items"] == EXPECTED["more_menus"][user]
