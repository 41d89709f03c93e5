"""Every route of the application has a line in routes.yaml, and every line has a route."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.reference_engine import DAG_PERMISSIONS, DEPLOYMENT_PERMISSIONS

from .live import LiveAirflow
from .routes import table, without_dag


@pytest.fixture(scope="session")
def running(airflow: LiveAirflow) -> dict:
    """The version and the routes of the application, told by a process with the server's environment."""
    command = [sys.executable, str(Path(__file__).parent / "list_routes.py")]
    done = subprocess.run(command, env=airflow.environment(), cwd=airflow.home, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@cache
def expected(version: str) -> set[str]:
    """The lines of the table for a version."""
    first_two = ".".join(version.split(".")[:2])
    return {name for name, route in table().items() if route.is_of(first_two)}


def test_every_route_has_a_line(running: dict) -> None:
    """A route without a line in routes.yaml is one that nobody has decided on."""
    # The API of access has no hook to correct: it decides by itself, and tests of its own ask every route of it.
    own = {"* /access/*"}
    assert sorted(set(running["routes"]) - expected(running["version"]) - own) == []
    assert own <= set(running["routes"])


def test_every_line_has_a_route(running: dict) -> None:
    """A line without a route tests nothing, and says something about Airflow that is not so."""
    assert sorted(expected(running["version"]) - set(running["routes"])) == []


def test_enough_routes(running: dict) -> None:
    """The list is that of a whole application: public API, UI API, FAB's API and pages, the execution API."""
    count = dict.fromkeys(("/api/v2", "/ui", "/auth/fab/v1", "/auth/users", "/execution", "/static"), 0)
    for name in running["routes"]:
        for prefix in count:
            count[prefix] += name.split(" ", 1)[1].startswith(prefix)
    assert all(count.values()), count
    assert sum(count.values()) > 180, count


@pytest.mark.parametrize("name", table())
def test_words_are_known(name: str) -> None:
    """A line names permissions that exist, on a Dag such as exist there."""
    route = table()[name]
    on_dag = set().union(*route.needs, route.also.values(), route.items.values())
    assert on_dag <= (DEPLOYMENT_PERMISSIONS if without_dag(route) else DAG_PERMISSIONS)
    assert route.deployment_wide <= DEPLOYMENT_PERMISSIONS
