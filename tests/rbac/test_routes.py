"""Which route a path is for, and what a line of the table can say."""

from __future__ import annotations

import pytest

from astro_auth_plugin.cli.route_table import table
from astro_auth_plugin.rbac import routes
from astro_auth_plugin.rbac.routes import find
from tests.e2e.route_requests import path_of

NAMES = dict.fromkeys(("backfill", "audit", "asset", "alias", "import_error"), 7) | {
    "dag": "fin_daily",
    "file_token": "abc.def",
}
# These answer whatever has no route of its own.
EVERY_OTHER = ("GET /{rest_of_path:path}", "GET /api/{_:path}", "GET /api/v1/{_:path}")
# Below another path these are taken for pages of the UI, which are everybody's as well.
AT_THE_TOP = ("/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc", "/health")


def name_of(method: str, path: str, version: str = "3.3") -> str | None:
    found = find(table(version).values(), method, path)
    return found.route.name if found else None


@pytest.mark.parametrize("prefix", ["", "/airflow", "/team/airflow"])
@pytest.mark.parametrize("version", ["3.1", "3.2", "3.3"])
def test_every_route_is_found(version: str, prefix: str) -> None:
    """Each route is found by a path that it answers, below whatever path Airflow is served."""
    kept = [route for route in table(version).values() if route.name not in EVERY_OTHER]
    assert len(kept) > 250
    for route in kept:
        if prefix and route.path in AT_THE_TOP:
            continue
        method = "GET" if route.method == "*" else route.method
        path = path_of(route, NAMES, "").replace("*", "x")
        assert name_of(method, prefix + path, version) == route.name


@pytest.mark.parametrize(
    ("method", "path", "name", "places"),
    [
        ("GET", "/api/v2/dags/a b", "GET /api/v2/dags/{dag_id}", {"dag_id": "a b"}),
        (
            "GET",
            "/api/v2/dags/d/dagRuns/r/taskInstances/t/xcomEntries/a/b",
            "GET /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/xcomEntries/{xcom_key:path}",
            {"dag_id": "d", "dag_run_id": "r", "task_id": "t", "xcom_key": "a/b"},
        ),
        ("GET", "/api/v2/assets/aliases", "GET /api/v2/assets/aliases", {}),
        (
            "GET",
            "/execution/xcoms/d/r/t/a/b/item/3",
            "GET /execution/xcoms/{dag_id}/{run_id}/{task_id}/{key:path}/item/{offset}",
            {"dag_id": "d", "run_id": "r", "task_id": "t", "key": "a/b", "offset": "3"},
        ),
        ("GET", "/dags/api", "GET /{rest_of_path:path}", {}),
        ("GET", "/", "GET /{rest_of_path:path}", {}),
        ("GET", "/airflow/dags/x/runs/y", "GET /{rest_of_path:path}", {}),
    ],
)
def test_places(method: str, path: str, name: str, places: dict[str, str]) -> None:
    """The route with the most words of its own is found, and what stands in its places."""
    found = find(table("3.3").values(), method, path)
    assert found is not None
    assert (found.route.name, dict(found.places)) == (name, places)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v2/dgas"),
        ("GET", "/airflow/api/v2/dag/x"),
        ("GET", "/api/v2/dags//details"),
        ("DELETE", "/api/v2/dags"),
        ("POST", "/dags/x"),
        ("GET", "/ui/nothing"),
    ],
)
def test_no_route(method: str, path: str) -> None:
    """A path of the API that no route answers is not taken for one of the pages."""
    assert name_of(method, path) is None


def test_a_table_without_pages() -> None:
    """Where nothing answers every path, a path without a route has none."""
    assert find([], "GET", "/dags/x") is None


def test_versions() -> None:
    """A release has its own routes, and needs what it needs."""
    events = "POST /api/v2/assets/{asset_id}/materialize"
    assert table("3.1")[events].wide == {"datasets.create", "dagRun.create"}
    assert table("3.2")[events].wide == table()[events].wide == {"datasets.create"}
    assert "GET /ui/gantt/{dag_id}/{run_id}" not in table("3.1")
    assert "GET /ui/gantt/{dag_id}/{run_id}" in table("3.2")
    assert table("3.1")["GET /ui/backfills"].where == "query or Deployment"
    assert set(table("3.1")) | set(table("3.2")) | set(table("3.3")) == set(table())


@pytest.mark.parametrize(
    "line",
    [
        {"needs": "dag.get"},
        {"where": "path"},
        {"needs": "public", "where": "path"},
        {"needs": "dag.get", "where": "everywhere"},
        {"needs": "dag.get", "where": "path", "nedds": "x"},
    ],
)
def test_bad_lines(line: dict[str, str]) -> None:
    """A line that is not as the head of the table says is an error, and no route that needs nothing."""
    with pytest.raises(ValueError, match="not a line of the table: GET /x"):
        routes.table({"Section": {"GET /x": line}})
