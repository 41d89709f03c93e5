"""Which route a path is for, and what a line of the table can say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from astro_auth_plugin.authorization import route_table
from astro_auth_plugin.authorization.route_table import table
from astro_auth_plugin.rbac.explain import route_rows
from astro_auth_plugin.rbac.explain.routes import find
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
    assert table("3.1")[events].deployment_wide == {"datasets.create", "dagRun.create"}
    assert table("3.2")[events].deployment_wide == table()[events].deployment_wide == {"datasets.create"}
    assert "GET /ui/gantt/{dag_id}/{run_id}" not in table("3.1")
    assert "GET /ui/gantt/{dag_id}/{run_id}" in table("3.2")
    assert table("3.1")["GET /ui/backfills"].where == "query or Deployment"
    assert set().union(*map(table, ("3.1", "3.2", "3.3", "3.4"))) == set(table())


ROW = {"needs": "dag.get dagRun.get", "where": "path"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"needs": "dag.get"}, "`where` is missing"),
        ({"where": "path"}, "`needs` or `items` is missing"),
        ({"needs": "public", "where": "path"}, "`where` does not go with `public`"),
        ({"needs": "dag.get", "where": "everywhere"}, "unknown where `everywhere`"),
        ({**ROW, "nedds": "x"}, "unknown key `nedds`, did you mean `needs`?"),
        ({**ROW, "needs": "dagg.get"}, "unknown permission `dagg.get`, did you mean `dag.get`?"),
        ({**ROW, "wide": "dagg.get"}, "unknown permission `dagg.get`, did you mean `dag.get`?"),
        ({**ROW, "needs": ["dag.get"]}, "`needs`: expected text, found `['dag.get']`"),
        ({**ROW, "also": "xcom.get"}, "`also`: expected a mapping, found `xcom.get`"),
        ({**ROW, "also": {"sometimes": "xcom.get"}}, "unknown also `sometimes`"),
        ({**ROW, "also": {"of a stored connection": "xcom"}}, "unknown permission `xcom`"),
        ({**ROW, "items": {"update": "dagRun"}}, "unknown permission `dagRun`"),
        ({**ROW, "adds": "xcom.get"}, "`adds`: the row does not need `xcom.get`"),
        ({**ROW, "adds_wide": "xcom.get"}, "`adds_wide`: the row does not need `xcom.get`"),
        ({**ROW, "before": {"3.2": {"also": {}}}}, "unknown key `also`"),
        ({**ROW, "before": {"3.4": {"adds": "xcom.get"}}}, "`adds`: the row does not need `xcom.get`"),
    ],
)
def test_bad_rows(row: dict[str, Any], message: str) -> None:
    """A row that is not as the head of the table says is an error with the row and the word, and never a route."""
    with pytest.raises(ValueError, match=re.escape(f"`GET /x`: {message}")):
        route_rows.table({"Section": {"GET /x": row}}, "3.3")


def test_bad_names() -> None:
    """A row is of one method, and of one section."""
    with pytest.raises(ValueError, match="`FETCH /x`: unknown method `FETCH`"):
        route_rows.table({"Section": {"FETCH /x": ROW}})
    with pytest.raises(ValueError, match="`GET /x`: duplicate row"):
        route_rows.table({"One": {"GET /x": ROW}, "Other": {"GET /x": ROW}})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Dags:\n  GET /x: {needs: public}\n  GET /x: {needs: public}\n", "line 2: duplicate key `GET /x`"),
        ("Dags:\n  GET /x: {needs: public, needs: denied}\n", "line 2: duplicate key `needs`"),
        ("Dags: {GET /x: {needs: pubic}}\n", "`GET /x`: `where` is missing"),
        ("Dags: [\n", "expected"),
        ("Dags\n", "expected sections of rows"),
        ("Dags: {GET /x: public}\n", "`GET /x`: expected a mapping, found `public`"),
    ],
)
def test_bad_files(text: str, message: str, tmp_path: Path) -> None:
    """A table that cannot be used names the file, too."""
    file = tmp_path / "routes.yaml"
    file.write_text(text)
    with pytest.raises(route_table.RouteTableError, match=re.escape(message)) as caught:
        route_table.read(file)
    assert str(caught.value).startswith(f"{file}: ")
