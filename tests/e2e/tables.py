"""Reads the expected tables: aligned text that a person writes and reviews."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from packaging.version import Version

HERE = Path(__file__).parent
ALLOWED, REFUSED, HIDDEN = "y", ".", "0"
AIRFLOW = Version(version("apache-airflow-core"))
BEFORE_3_2, BEFORE_3_3 = Version("3.2") > AIRFLOW, Version("3.3") > AIRFLOW


@dataclass(frozen=True)
class Person:
    """Somebody who signs in."""

    user: str
    email: str
    password: str
    column: str


@dataclass(frozen=True)
class Row:
    """One request and what each column of people is answered: one letter, or one for each of two Dags."""

    name: str
    method: str
    path: str
    cells: dict[str, str]


@cache
def people() -> tuple[Person, ...]:
    """Everybody of people.yaml."""
    listed = yaml.safe_load((HERE / "people.yaml").read_text())["people"]
    return tuple(Person(p["user"], p["email"], p["password"], p["column"]) for p in listed)


@cache
def older(part: str) -> dict[str, Any]:
    """The entries of a part of expected_before.yaml that count for this Airflow."""
    entries = yaml.safe_load((HERE / "expected_before.yaml").read_text())[part]
    return {name: entry for name, entry in entries.items() if Version(entry["before"]) > AIRFLOW}


@cache
def rows(file_name: str) -> tuple[Row, ...]:
    """The rows of a table as this Airflow answers them."""
    kept = (row for row in every_row(file_name) if "lacks" not in older("rows").get(row.name, {}))
    return tuple(_of_this_airflow(row, older("rows").get(row.name, {})) for row in kept)


def _of_this_airflow(row: Row, entry: dict[str, Any]) -> Row:
    cells = entry.get("cells", {})
    if cells.keys() - row.cells.keys() or any(len(cell) != len(row.cells["O"]) for cell in cells.values()):
        raise ValueError(f"not cells of {row.name}: {cells}")
    return replace(row, path=entry.get("asks", row.path), cells={**row.cells, **cells})


@cache
def every_row(file_name: str) -> tuple[Row, ...]:
    """The rows of a table as they stand there; raises ValueError for a row that is not as its head says."""
    lines = [line for line in (HERE / file_name).read_text().splitlines() if line and not line.startswith("#")]
    columns = lines[0].rpartition("|")[2].split()
    return tuple(_row(line, columns) for line in lines[1:])


def _row(line: str, columns: list[str]) -> Row:
    name, request, answers = (part.strip() for part in line.split("|"))
    cells = dict(zip(columns, answers.split(), strict=True))
    method, _, path = request.rpartition(" ")
    if len({len(cell) for cell in cells.values()}) != 1 or set("".join(cells.values())) - {ALLOWED, REFUSED, HIDDEN}:
        raise ValueError(f"not a row: {line}")
    if ("{" in path and "dag" in path) and len(cells["O"]) != 2:
        raise ValueError(f"two Dags, two letters: {line}")
    return Row(name, method or "GET", path, cells)


@cache
def lists() -> dict[str, Any]:
    """The document expected_lists.yaml, without what this Airflow lacks or refuses as a whole."""
    found = yaml.safe_load((HERE / "expected_lists.yaml").read_text())
    for name, entry in older("lists").items():
        for group in entry["refused"]:
            del found["lists"][name][group]
    for menus in (found["menus"], found["more_menus"]):
        for user, items in menus.items():
            menus[user] = [item for item in items if item not in older("menus")]
    return found


def letter(status: int) -> str:
    """The letter of an answer; the status itself where it is neither a yes, a refusal nor a hiding."""
    if 200 <= status < 300:
        return ALLOWED
    return {403: REFUSED, 404: HIDDEN}.get(status, str(status))
