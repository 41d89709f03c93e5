"""What is measured: each cell asks one thing of one engine as one of the two people."""

from __future__ import annotations

from typing import NamedTuple

from tools.bench.data import ACCENTED, PAGE, TAG_COUNTS, WRITTEN
from tools.bench.engines import CACHED, MOST_DAGS_OF_KEYCLOAK_LISTS, OURS, STRICT, Engine

TITLES = {
    "decision": "one decision, everything that is cached being warm",
    "first": "first decision on a user, nothing being cached",
    "batch": "batch of 100 decisions",
    "list": "list of Dags, read out",
    "lazy": "list of Dags, not read",
    "filter": "which of 100 Dags",
    "tags": "list of Dags, read out, by the number of tags given",
}
CALLS = tuple(TITLES)
REQUESTS = {
    "api_dags": ("GET", f"/api/v2/dags?limit={PAGE}"),
    "ui_dags": ("GET", f"/ui/dags?limit={PAGE}"),
    "dag_runs": ("GET", f"/api/v2/dags/~/dagRuns?limit={PAGE}"),
    "task_instances": ("GET", f"/api/v2/dags/~/dagRuns/~/taskInstances?limit={PAGE}"),
    "get_dag": ("GET", f"/api/v2/dags/{WRITTEN}"),
    "get_dag_first": ("GET", f"/api/v2/dags/{WRITTEN}"),
    "patch": ("PATCH", f"/api/v2/dags/{WRITTEN}"),
    "trigger": ("POST", f"/api/v2/dags/{WRITTEN}/dagRuns"),
}
ONCE = ("batch", "filter", "get_dag_first", "patch", "trigger")
FIRSTS = ("first", "get_dag_first")
BODIES = {"patch": {"is_paused": False}, "trigger": {"logical_date": None}}
ONE_DAG = ("get_dag", "patch", "trigger")
"""Requests whose times lie close together, so that more rounds are needed to tell them apart."""
LISTS = ("list", "lazy", "api_dags", "ui_dags", "dag_runs", "task_instances", "filter")
FLOORS = {
    "floor_tags_of_dag": "tags of one Dag, SQLAlchemy Core",
    "floor_tags_of_dag_orm": "tags of one Dag, session and ORM",
    "floor_all": "all ids of Dags, ORM",
    "floor_tagged": "ids of Dags with one of 20 tags, ORM",
    "floor_decision": "tags in a dictionary",
    "floor_set": "id in a set",
}
PARTS = ("calls", "requests", "floors")


class Cell(NamedTuple):
    """One thing that is measured, as one person; floors are nobody's."""

    name: str
    person: str = ""

    def __str__(self) -> str:
        return f"{self.name}/{self.person}" if self.person else self.name

    @classmethod
    def parse(cls, text: str) -> Cell:
        """Return the cell of this name."""
        return cls(*text.split("/", 1))


def cells_of(engine: Engine, size: int, parts: tuple[str, ...] = PARTS) -> list[Cell]:
    """Return what an engine is asked at this number of Dags."""
    if engine.only:
        return [Cell(name, person) for name in engine.only for person in engine.people]
    found = []
    for person in engine.people:
        if "calls" in parts and engine.calls:
            found += [Cell(name, person) for name in CALLS if name != "tags"]
        if "requests" in parts:
            found += [Cell(name, person) for name in REQUESTS]
        if person != engine.people[0]:
            # These are about one Dag, or Dags that both may see: once is enough.
            found = [cell for cell in found if cell.name not in ONCE or cell.person != person]
    if "calls" in parts and engine.auth_manager == OURS and engine.name != CACHED:
        found += [Cell("tags", f"tags{count}") for count in TAG_COUNTS]
    if engine.name == STRICT and "requests" in parts:
        found.append(Cell("get_dag", ACCENTED))
    if "floors" in parts and engine.name == "none":
        found += [Cell(name) for name in FLOORS]
    return [cell for cell in found if not left_out(engine, size, cell)]


def left_out(engine: Engine, size: int, cell: Cell) -> str:
    """Say why a cell is not measured; nothing when it is."""
    if engine.name == "none" and cell.name == "get_dag_first":
        return "nothing is cached there"
    if engine.name == "keycloak" and cell.name in LISTS and size > MOST_DAGS_OF_KEYCLOAK_LISTS:
        return "each list asks Keycloak once for every Dag"
    return ""
