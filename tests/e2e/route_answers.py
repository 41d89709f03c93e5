"""What each person may be answered on each route, by the words of routes.yaml and the reference engine."""

from __future__ import annotations

import re

from .crowd import SEE, TREES, Crowd
from .database import Database
from .routes import Route, without_dag
from .tables import BEFORE_3_2, BEFORE_3_3

MARKER = re.compile("|".join(TREES))

# Answers that do not name their Dag.
NAMELESS = {
    "GET /api/v2/dags/{dag_id}/tasks/{task_id}",
    "GET /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/wait",
    "GET /ui/dags/{dag_id}/dagRuns/{dag_run_id}/stats",
    "GET /ui/calendar/{dag_id}",
    "GET /ui/next_run_assets/{dag_id}",
    "GET /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/dependencies",
    "GET /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}/dependencies",
    "GET /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/externalLogUrl/{try_number}",
    "GET /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/links",
    "GET /ui/dashboard/dag_stats",
    "GET /ui/dashboard/historical_metrics_data",
}
_DEADLINES = "GET /ui/dags/{dag_id}/dagRuns/{dag_run_id}/deadlines"
NO_LIST = {_DEADLINES} if BEFORE_3_3 else set()
"""Routes that know no `~` yet, and answer without their Dag: before Airflow 3.3 alerts have no names."""
NAMELESS |= NO_LIST
# To who may ask, these answer otherwise than with 200.
ANSWERED = {
    # The log handler of the tests has no address to send to.
    "GET /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/externalLogUrl/{try_number}": 400,
}
_NEIGHBOURS = "GET /ui/structure/structure_data"
_DEPENDENCIES = "GET /ui/dependencies"
_BACKFILLS = "GET /ui/backfills"
# Airflow 3.1 does not look at whose Dags are in a file, nor at which Dag an asset starts.
_WIDE_BEFORE_3_2 = {
    "GET /api/v2/importErrors": SEE,
    "GET /api/v2/importErrors/{import_error_id}": SEE,
    "POST /api/v2/assets/{asset_id}/materialize": {"dagRun.create"},
}
_UPSTREAM = "GET /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/upstreamAssetEvents"

# How many rows each Dag has in a list: a SELECT of Dag and number.
_RUNS = "SELECT dag_id, count(*) FROM dag_run GROUP BY dag_id"
# Those without a run, which SQLite keeps when another test deletes the run, are in no list.
_TASKS = "SELECT dag_id, count(*) FROM task_instance JOIN dag_run USING (dag_id, run_id) GROUP BY dag_id"
COUNTS = {
    "GET /api/v2/dags": "SELECT dag_id, 1 FROM dag",
    "GET /ui/dags": "SELECT dag_id, 1 FROM dag",
    "GET /api/v2/dags/{dag_id}/dagVersions": "SELECT dag_id, count(*) FROM dag_version GROUP BY dag_id",
    "GET /api/v2/dagWarnings": "SELECT dag_id, count(*) FROM dag_warning GROUP BY dag_id",
    "GET /api/v2/dagStats": "SELECT DISTINCT dag_id, 1 FROM dag_run",
    "GET /api/v2/dags/{dag_id}/dagRuns": _RUNS,
    "POST /api/v2/dags/{dag_id}/dagRuns/list": _RUNS,
    "GET /ui/dags/{dag_id}/dagRuns/{dag_run_id}/deadlines": (
        "SELECT dag_id, count(*) FROM deadline JOIN dag_run ON dag_run.id = dagrun_id GROUP BY dag_id"
    ),
    "GET /ui/backfills": "SELECT dag_id, count(*) FROM backfill GROUP BY dag_id",
    "GET /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances": _TASKS,
    "POST /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/list": _TASKS,
    "GET /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/hitlDetails": (
        "SELECT dag_id, count(*) FROM hitl_detail JOIN task_instance ON id = ti_id GROUP BY dag_id"
    ),
    "GET /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/xcomEntries": (
        "SELECT dag_id, count(*) FROM xcom GROUP BY dag_id"
    ),
    "GET /ui/partitioned_dag_runs": "SELECT target_dag_id, count(*) FROM asset_partition_dag_run GROUP BY target_dag_id",
    "GET /ui/dashboard/dag_stats": "SELECT dag_id, 1 FROM dag WHERE NOT is_paused",
    "GET /ui/dashboard/historical_metrics_data": (
        "SELECT dag_id, count(*) FROM dag_run WHERE start_date < '2026-01-01 12:00:00' GROUP BY dag_id"
    ),
}


def deployment_wide(route: Route) -> frozenset[str]:
    """What a route needs in the whole Deployment, besides what it needs on a Dag."""
    return route.deployment_wide | (_WIDE_BEFORE_3_2.get(route.name, frozenset()) if BEFORE_3_2 else frozenset())


def may(route: Route, crowd: Crowd, user: str, dag_id: str | None) -> bool:
    """Whether somebody may do what the route does, on a Dag; a line without `needs` is not asked here."""
    if route.name == _NEIGHBOURS and BEFORE_3_2 and dag_id in TREES:
        return all(_holds(route, crowd, user, one) for one in (dag_id, *beside(dag_id)))
    return _holds(route, crowd, user, dag_id)


def _holds(route: Route, crowd: Crowd, user: str, dag_id: str | None) -> bool:
    if not deployment_wide(route) <= crowd.held(user):
        return False
    place = None if without_dag(route) else dag_id
    return any(crowd.may(user, one, place) for one in route.needs)


def beside(dag_id: str) -> tuple[str, str]:
    """The Dag that starts this one, and the one that it starts."""
    place = TREES.index(dag_id)
    return TREES[place - 1], TREES[(place + 1) % len(TREES)]


def shows_error(crowd: Crowd, user: str, dag_ids: set[str]) -> bool:
    """Whether somebody reads the text of an import error of a file with these Dags."""
    return crowd.may(user, {"importError.get"}) and all(crowd.may(user, SEE, dag_id) for dag_id in dag_ids)


def named(route: Route, crowd: Crowd, user: str, dag_id: str) -> set[str]:
    """The Dags that an answer about one Dag names, to somebody who may ask."""
    if route.name in NAMELESS:
        return set()
    if route.name == _NEIGHBOURS:
        return {dag_id} | {other for other in beside(dag_id) if _holds(route, crowd, user, other)}
    return {dag_id, beside(dag_id)[0]} if route.name == _UPSTREAM else {dag_id}


def opens(route: Route, crowd: Crowd, user: str) -> bool:
    """Whether somebody gets a list at all, with rows or without."""
    if route.name == _BACKFILLS and BEFORE_3_2:
        # Airflow 3.1 does not cut this list to one's own Dags.
        return crowd.may(user, {"dagRun.get"} | SEE)
    return deployment_wide(route) <= crowd.held(user) and bool(crowd.dags_of(user, SEE))


def listed(route: Route, crowd: Crowd, user: str) -> set[str]:
    """The Dags whose rows are in a list."""
    return set().union(*(crowd.dags_of(user, one) for one in route.needs))


def shown(route: Route, dags: set[str]) -> set[str]:
    """The Dags that a list names when it has the rows of these."""
    found = dags & set(TREES)
    if route.name == _DEPENDENCIES and BEFORE_3_3:
        # Here a Dag names the one that it starts, so it is left out where that one may not be seen.
        found = {dag_id for dag_id in found if beside(dag_id)[1] in found}
        found |= {beside(dag_id)[1] for dag_id in found}
    return found


def count(route: Route, database: Database, dags: set[str]) -> int | None:
    """How many rows a list has when it has those of these Dags; None where lists of this kind tell no number."""
    if route.name not in COUNTS:
        return None
    return sum(number for dag_id, number in database.rows(COUNTS[route.name]) if dag_id in dags)
