"""A real request for each route that reads: what stands in the places of its template, and its query or body."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from .routes import Route

PLACE = re.compile(r"[{<](?:string:|path:)?(\w+)(?::path)?[}>]")

# What stands in the places of a template, where it is the same on every Dag; the rest comes from `names_of`.
PLACES = {
    "dag_run_id": "done",
    "run_id": "done",
    "task_id": "load",
    "map_index": "0",
    "group_id": "group",
    "try_number": "1",
    "task_try_number": "1",
    "version_number": "1",
    "xcom_key": "return_value",
    "key": "e2e",
    "section": "core",
    "option": "parallelism",
    "connection_id": "e2e",
    "pool_name": "e2e",
    "variable_key": "e2e",
    "username": "nobody",
    "name": "Admin",
    "pk": "1",
    "filename": "e2e",
    "group_by": "0",
    "rest_of_path": "dags",
    "_": "e2e",
    "task_instance_id": "00000000-0000-0000-0000-000000000000",
    "offset": "0",
}
_MAPPED = {"task_id": "mapped"}
_ASKS = {"task_id": "ask", "map_index": "-1"}
_TI = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}"
# Other things in the places of single routes.
PLACES_OF = {
    f"GET {_TI}/listMapped": _MAPPED,
    f"GET {_TI}/{{map_index}}": _MAPPED,
    f"GET {_TI}/{{map_index}}/dependencies": _MAPPED,
    f"GET {_TI}/{{map_index}}/tries": _MAPPED,
    f"GET {_TI}/{{map_index}}/tries/{{task_try_number}}": _MAPPED,
    f"GET {_TI}/{{map_index}}/hitlDetails": _ASKS,
    f"GET {_TI}/{{map_index}}/hitlDetails/tries/{{try_number}}": _ASKS,
}
QUERY_OF = {
    "PATCH /api/v2/dags": "dag_id_pattern={dag}",
    "GET /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/wait": "interval=1",
    "GET /api/v2/backfills": "dag_id={dag}",
    "GET /ui/backfills": "dag_id={dag}",
    "GET /api/v2/eventLogs": "dag_id={dag}",
    "GET /ui/structure/structure_data": "dag_id={dag}&external_dependencies=true",
    "GET /ui/grid/ti_summaries/{dag_id}": "run_ids=done",
    "GET /ui/pending_partitioned_dag_run/{dag_id}": "partition_key=part-of-{dag}",
    "GET /ui/dashboard/historical_metrics_data": "start_date=2025-12-31T12:00:00Z&end_date=2026-01-01T12:00:00Z",
    "GET /api/v2/connections/enqueue-test": "connection_id=e2e",
    "GET /auth/resetpassword/form": "pk=1",
}
LISTS_ASKED_BY_POST = (
    "POST /api/v2/dags/{dag_id}/dagRuns/list",
    "POST /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/list",
)
ASKED_ABOUT: Counter[str] = Counter()
"""How many requests of each route were made ready, for the summary at the end."""


def is_read(route: Route) -> bool:
    """Whether the route changes nothing and is asked with GET, or is a list that is asked for with POST."""
    return route.method == "GET" or route.name in LISTS_ASKED_BY_POST


def path_of(route: Route, names: dict[str, Any], query: str | None = None, **places: str) -> str:
    """The path and query of a request of a route, for the names of one Dag; `places` wins over what stands here."""
    ASKED_ABOUT[route.name] += 1
    fixed = {**PLACES, **ids_of(names), **PLACES_OF.get(route.name, {}), **places}
    path = PLACE.sub(lambda found: str(fixed[found[1]]), route.path)
    query = QUERY_OF.get(route.name, "").format(**names) if query is None else query
    return f"{path}?{query}" if query else path


def ids_of(names: dict[str, Any]) -> dict[str, Any]:
    """What stands in the places of templates for the names of one Dag."""
    return {
        "dag_id": names["dag"],
        "backfill_id": names["backfill"],
        "event_log_id": names["audit"],
        "asset_id": names["asset"],
        "asset_alias_id": names["alias"],
        "import_error_id": names["import_error"],
        "file_token": names["file_token"],
        "partition_key": f"part-of-{names['dag']}",
        "connection_test_id": "e2e",
    }


def list_path_of(route: Route, names: dict[str, Any], offset: int) -> tuple[str, dict[str, Any] | None]:
    """Path and body of one page of a list of all Dags: `~` in the place of every id."""
    everything = dict.fromkeys(("dag_id", "dag_run_id", "run_id", "task_id"), "~")
    if route.name in LISTS_ASKED_BY_POST:
        return path_of(route, names, "", **everything), {"page_limit": 100, "page_offset": offset}
    query = QUERY_OF.get(route.name, "") if "dag_id" not in QUERY_OF.get(route.name, "") else ""
    paging = f"limit=100&offset={offset}"
    return path_of(route, names, f"{query}&{paging}" if query else paging, **everything), None
