"""Whether a list of many Dags is answered with the driver psycopg 3, which limits the values of a statement."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

from tools.bench.crew import Key, crew
from tools.bench.data import ALL
from tools.bench.databases import Databases
from tools.bench.engines import ENGINES, STRICT
from tools.bench.results import Results
from tools.bench.rounds import tell

_ASKED = (STRICT, "fab")


def ask(results: Results, folder: Path, databases: Databases, addresses: Mapping[int, str]) -> None:
    """Ask for the list of Dags at the largest number of them, and keep the status of each answer."""
    what = "/api/v2/dags with psycopg 3"
    if databases.kind != "PostgreSQL":
        results.left_out[what] = "the database is not PostgreSQL"
        return
    if importlib.util.find_spec("psycopg") is None:
        results.left_out[what] = "the package psycopg is not installed"
        return
    size = results.sizes[-1]
    address = addresses[size].replace("+psycopg2", "+psycopg")
    engines = [engine for engine in ENGINES if engine.name in _ASKED]
    with crew(folder, [(engine, size, address, "") for engine in engines], tell) as workers:
        for name in _ASKED:
            results.statuses[name] = workers[Key(name, size)].do("status", cell=f"api_dags/{ALL}")
