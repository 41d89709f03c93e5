"""Every operation of Airflow's OpenAPI documents, asked what schemathesis makes up by somebody with roles on two Dags.

Nothing of other Dags is told, nothing but one's own Dag is changed, and no request fails that does not fail with
Airflow's own auth manager too. The same code is asked the same in every run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from .client import FUZZED, Everybody
from .crowd import OTHER, OWN, RESTRICTED, TREES, UNEVEN
from .database import Database
from .fuzz import operations, send
from .kept import Kept, RowsOfOthers, changes
from .live import LiveAirflow
from .route_requests import LISTS_ASKED_BY_POST
from .routes import Route, without_dag
from .stock import StockAirflow
from .test_routes import ROUTES, World, world

__all__ = ["world"]
pytestmark = [pytest.mark.e2e, pytest.mark.slow]

DOCUMENTED = re.compile(r"/api/v2/|/ui/|/auth/fab/v1/|/auth/token|/auth/logout$")
FUZZED_ROUTES = [route for route in ROUTES if DOCUMENTED.match(route.path)]
# Whoever sees a Dag may have it as a favourite.
FAVOURITE = re.compile(rf"[+-] dag_favorite .*'{UNEVEN}'")


class Fuzz:
    """Asks, and judges what is answered and what has changed."""

    def __init__(self, world: World, airflow: LiveAirflow, file: Path, stock: StockAirflow) -> None:
        self.operations = operations(world.names)
        self._url = airflow.url
        self._file = file
        self._stock = stock
        self._caller = world.caller(RESTRICTED)
        self.secret = secrets(world)
        self._others = RowsOfOthers(airflow.engine, OWN)
        self._kept = Kept(file)
        self._before = self._others.read()

    def ask(self, case: Any) -> list[str]:
        """What is wrong with the answer to one request."""
        answer = send(case, self._url, self._caller)
        FUZZED[case.operation.label, answer.status_code] += 1
        requested = f"{unquote(answer.request.url)} {answer.request.body}"
        reported = set(self.secret.findall(answer.text))
        if answer.status_code >= 400 or not is_read(case):
            # What refuses or changes something may repeat what it was asked.
            reported -= set(self.secret.findall(requested))
        wrong = [f"tells of {sorted(reported)}: {answer.text[:300]}"] if reported else []
        if answer.status_code >= 500:
            alone = self._stock.answer(case, Kept(self._file))
            wrong += [f"Airflow alone answers {alone}"] if alone < 500 else []
        return [f"{case.method} {requested}: {answer.status_code}, {line}" for line in wrong]

    def changed(self) -> list[str]:
        """What has changed that does not belong to one's own Dag; everything is put back."""
        found = [line for line in changes(self._before, self._others.read()) if not FAVOURITE.match(line)]
        self._kept.put_back()
        return found


def is_read(case: Any) -> bool:
    """Whether a request changes nothing, so that an answer tells what there is."""
    return case.method == "GET" or case.operation.label in LISTS_ASKED_BY_POST


def secrets(world: World) -> re.Pattern[str]:
    """What no answer may have in it: ids of Dags that one may not see, and whatever is inside other Dags' runs."""
    foreign = "|".join(set(TREES) - {OWN})
    inside = rf"(?:(?:run|part)-of-|(?:note|log|value|audit)[\w ]* of |\"of )(?:{foreign})"
    # Each makes an asset, which the next awaits: this one is neither made nor awaited by a Dag that may be seen.
    unseen = "|".join({*TREES, f"timber-{TREES.index(OTHER)}"} - {OWN, UNEVEN})
    # Some of these ids are words, so they count in quotes, and where the value of a row ends with them.
    others = "|".join(re.escape(name) for name in {*world.crowd.dags, "ledger"} - {*TREES})
    return re.compile(rf"{inside}|{unseen}|(?:(?<=\")| of |:)(?:{others})(?!\w)")


@pytest.fixture(scope="module")
def fuzz(
    world: World, airflow: LiveAirflow, database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fuzz]:
    """The database is afterwards what it was before."""
    if database.dialect != "sqlite":
        pytest.skip("what the requests change is put back by copying an SQLite file")
    file = Path(airflow.database.removeprefix("sqlite:///"))
    before = Kept(file)
    for dag_id in TREES:
        new = {"dag_run_id": f"run-of-{dag_id}", "logical_date": "2026-01-05T00:00:00Z"}
        world.ask("organization.owner", "POST", f"/api/v2/dags/{dag_id}/dagRuns", json=new).raise_for_status()
    # Nothing would ever end them, and one route waits for the end.
    database.run("UPDATE dag_run SET state = 'success' WHERE run_id LIKE 'run-of-%'")
    stock = StockAirflow(tmp_path_factory.mktemp("stock"), airflow)
    yield Fuzz(world, airflow, file, stock)
    stock.stop()
    before.put_back()


@pytest.mark.parametrize("route", FUZZED_ROUTES, ids=lambda route: route.name)
def test_operation(route: Route, fuzz: Fuzz) -> None:
    """Whatever is asked, other Dags are neither told of nor changed, and nothing fails that Airflow alone answers."""
    wrong: list[str] = []
    # Shrinking would ask hundreds of times more; and of what is the whole Deployment's there is less to try.
    bounded = settings(
        max_examples=4 if without_dag(route) or route.people else 8,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )

    @bounded
    @given(fuzz.operations[route.name.replace(":path", "")].as_strategy())
    def ask(case: Any) -> None:
        wrong.extend(fuzz.ask(case))

    try:
        ask()
    finally:
        wrong += fuzz.changed()
    assert not wrong, "\n".join(["", *wrong])


@pytest.mark.parametrize("path", ["dags", "dags/~/dagRuns", "dags/cedar/dagRuns/done/taskInstances/load/logs/1"])
def test_others_are_told(path: str, fuzz: Fuzz, everybody: Everybody) -> None:
    """What is looked for in the answers is in those that others are given."""
    assert fuzz.secret.search(everybody["workspace.operator"].get(f"/api/v2/{path}").text)


def test_every_documented_operation(fuzz: Fuzz) -> None:
    """No operation of the documents is left out."""
    assert set(fuzz.operations) == {route.name.replace(":path", "") for route in FUZZED_ROUTES}
