"""Routes on which Airflow asks too little, or about another Dag than the one acted on."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
from itsdangerous import URLSafeSerializer

from astro_auth_plugin.authorization import dag_access, dag_lookup, route_rules, route_table
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.permissions import mask, names
from astro_auth_plugin.runtime.request_context import RequestContext
from tests.in_request import ask, ask_dag, engine_of, facts_of, person, serving

SEE = mask("dag.get", "dagRun.get")
WRITE = mask("dag.get", "dagRun.create")
RUN = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}"
TASK_INSTANCES = f"PATCH {RUN}/taskInstances"
UPSTREAM_EVENTS = f"GET {RUN}/upstreamAssetEvents"
DRY_RUNS = (
    f"PATCH {RUN}/taskInstances/{{task_id}}/dry_run",
    f"PATCH {RUN}/taskInstances/{{task_id}}/{{map_index}}/dry_run",
    f"PATCH {RUN}/taskGroupInstances/{{group_id}}/dry_run",
)
TASK_STATE, ASSET_STATE = f"{RUN}/taskInstances/{{task_id}}/state-store", "/api/v2/assets/{asset_id}/state-store"
STATE_OF_TASKS, STATE_OF_ASSETS = (
    [f"GET {path}", f"DELETE {path}", *(f"{method} {path}/{{key:path}}" for method in ("GET", "PUT", "DELETE", *more))]
    for path, more in ((TASK_STATE, ("PATCH",)), (ASSET_STATE, ()))
)
QUEUED_EVENTS = (
    "DELETE /api/v2/assets/{asset_id}/queuedEvents",
    "DELETE /api/v2/dags/{dag_id}/assets/queuedEvents",
    "DELETE /api/v2/dags/{dag_id}/assets/{asset_id}/queuedEvents",
)
INSTALLED = route_rules.RELEASE


@pytest.fixture(autouse=True)
def newest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules are those for the newest Airflow, whichever is installed; a test of an older one's says so."""
    monkeypatch.setattr(route_rules, "RELEASE", "3.3")


def correct(context: RequestContext | None, *, reads: bool, dag_id: str | None, needed: int) -> route_rules.Corrected:
    return route_rules.rule_of(context).correct(context, reads=reads, dag_id=dag_id, needed=needed)


def test_outside_of_a_request() -> None:
    """Where no request is known, the question is taken as it is."""
    assert correct(None, reads=True, dag_id="a", needed=SEE) == route_rules.Corrected("a", SEE)


# -- rows of the audit log -----------------------------------------------------------------------------------------


def audit_row(row: object, query: str = "") -> route_rules.Corrected:
    context = facts_of("GET /api/v2/eventLogs/{event_log_id}", path={"event_log_id": str(row)}, query=query)
    return correct(context, reads=True, dag_id="fin_daily", needed=SEE)


def test_row_of_the_audit_log(audit_rows: dict[str | None, int]) -> None:
    """The Dag of a row is the row's own, whatever Airflow says and the query names; no row is of no Dag."""
    assert audit_row(audit_rows["ops_sync"], "dag_id=fin_daily").dag_id == "ops_sync"
    assert audit_row(audit_rows[None], "dag_id=fin_daily").dag_id is None
    assert audit_row(999_999).dag_id is None
    assert audit_row("x").dag_id is None


def test_who_reads_rows_of_the_audit_log(engine: Engine, audit_rows: dict[str | None, int]) -> None:
    """A DAG_VIEWER reads rows of that Dag, and neither others nor those of no Dag."""
    allowed = {}
    for dag_id, row in audit_rows.items():
        context = facts_of(
            "GET /api/v2/eventLogs/{event_log_id}", path={"event_log_id": str(row)}, query="dag_id=fin_daily"
        )
        with serving(context):
            allowed[dag_id] = ask_dag(person(engine, "vera"), "GET", "AUDIT_LOG", "fin_daily")
    assert allowed == {"fin_daily": True, "ops_sync": False, None: False}


# -- backfills -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ["GET /api/v2/backfills", "GET /ui/backfills"])
@pytest.mark.parametrize(
    ("query", "headers", "expected"),
    [
        ("dag_id=other", {}, ("other", False)),
        ("dag_id=other", {"content-length": "17"}, ("other", True)),
        ("dag_id=other", {"transfer-encoding": "chunked"}, ("other", True)),
        ("dag_id=own&dag_id=other", {}, ("other", True)),
        ("dag_id=own&dag_id=own", {}, ("own", False)),
        ("", {}, (None, False)),
        ("", {"content-length": "17"}, (None, True)),
    ],
)
def test_list_of_backfills(route: str, query: str, headers: dict[str, str], expected: tuple[str | None, bool]) -> None:
    """The Dag of the query counts, and a request that names another elsewhere is refused."""
    found = correct(facts_of(route, query=query, headers=headers), reads=True, dag_id="own", needed=SEE)
    assert (found.dag_id, found.refused) == expected


def test_refused_list_of_backfills(engine: Engine) -> None:
    """No role opens a list whose request names two Dags."""
    with serving(facts_of("GET /api/v2/backfills", query="dag_id=fin_daily", headers={"content-length": "9"})):
        assert not ask_dag(person(engine, "olga"), "GET", "RUN", "fin_daily")


@pytest.mark.parametrize("version", ["3.1", "3.2"])
def test_list_of_all_backfills(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 3.2 the list of all backfills is not cut to one's own Dags, so only who sees every Dag may ask."""
    monkeypatch.setattr(route_rules, "RELEASE", version)
    found = correct(facts_of("GET /ui/backfills"), reads=True, dag_id=None, needed=SEE)
    assert found.dag_id == (route_rules.EVERY_DAG if version == "3.1" else None)


@pytest.mark.parametrize(
    ("body", "more"),
    [
        ({"reprocess_behavior": "completed"}, True),
        ({"reprocess_behavior": "failed"}, True),
        ({"reprocess_behavior": "anything"}, True),
        ({"reprocess_behavior": ["none"]}, True),
        ({"reprocess_behavior": "none"}, False),
        ({"reprocess_behavior": None}, False),
        ({}, False),
        (None, False),
    ],
)
def test_backfill_that_reprocesses(body: object, more: bool) -> None:
    """A backfill over runs that are there clears them, so it needs dagRun.update too."""
    found = correct(facts_of("POST /api/v2/backfills", body=body), reads=False, dag_id="a", needed=WRITE)
    assert found[:3] == ("a", WRITE | (mask("dagRun.update") if more else 0), False)


@pytest.mark.parametrize("route", ["PUT /api/v2/backfills/{backfill_id}/cancel", "GET /api/v2/backfills/{backfill_id}"])
def test_backfill_by_its_id(route: str, backfill: int) -> None:
    """The Dag of a backfill is the backfill's own, whatever Airflow says and the query names."""
    for spelled in (str(backfill), f"{backfill}.0", f" {backfill} "):
        context = facts_of(route, path={"backfill_id": spelled}, query="dag_id=fin_daily")
        assert correct(context, reads=False, dag_id="fin_daily", needed=WRITE) == route_rules.Corrected(
            "ops_sync", WRITE
        )


@pytest.mark.parametrize("spelled", ["999999", "-1", "x", "", "1e3", "1.5"])
def test_backfill_that_is_not_there(spelled: str, backfill: int) -> None:
    """A backfill that is not there is every Dag's, so nobody learns of it who does not see all."""
    context = facts_of("GET /api/v2/backfills/{backfill_id}", path={"backfill_id": spelled}, query="dag_id=fin_daily")
    assert correct(context, reads=True, dag_id="fin_daily", needed=SEE).dag_id == route_rules.EVERY_DAG


# -- XComs, and Dags in the query ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("query", "more"), [("result=t", True), ("result=", True), ("interval=1", False)])
def test_wait_for_results(query: str, more: bool) -> None:
    """Waiting for a run with results answers with XComs."""
    context = facts_of("GET /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/wait", path={"dag_id": "a"}, query=query)
    found = correct(context, reads=True, dag_id="a", needed=SEE)
    assert found[:3] == ("a", SEE | (mask("xcom.get") if more else 0), False)


@pytest.mark.parametrize(
    ("route", "path", "reads", "dag_id"),
    [
        ("PATCH /api/v2/dags", {}, False, None),
        ("POST /api/v2/pools", {}, False, None),
        ("GET /api/v2/eventLogs", {}, True, "own"),
        ("PATCH /api/v2/dags/{dag_id}", {"dag_id": "own"}, False, "own"),
        (TASK_INSTANCES, {"dag_id": "~"}, False, "own"),
        ("POST /api/v2/backfills", {}, False, "own"),
        ("POST /api/v2/backfills/dry_run", {}, False, "own"),
        ("POST /api/v2/assets/{asset_id}/materialize", {"asset_id": "1"}, False, "own"),
    ],
)
def test_dag_that_only_the_query_names(route: str, path: dict[str, str], reads: bool, dag_id: str | None) -> None:
    """A write is about the Dag of the query only where Airflow got the Dag from somewhere else as well."""
    context = facts_of(route, path=path, query="dag_id=own")
    assert correct(context, reads=reads, dag_id="own", needed=WRITE).dag_id == dag_id


def test_dag_that_the_query_does_not_name() -> None:
    """A Dag that Airflow read from elsewhere stays the question's Dag."""
    context = facts_of("PUT /api/v2/parseDagFile/{file_token}", path={"file_token": "t"}, query="dag_id=own")
    assert correct(context, reads=False, dag_id="other", needed=WRITE).dag_id == "other"


# -- writes and lists ----------------------------------------------------------------------------------------------


@pytest.mark.skipif(INSTALLED == "3.1", reason="Airflow 3.1 does not ask about each task instance")
def test_filtered_writes(engine: Engine) -> None:
    """Writes that Airflow filters open for whoever may write somewhere, others do not."""
    with serving(facts_of("PATCH /api/v2/dags")):
        assert ask_dag(person(engine, "art"), "PUT", None, None)
        assert not ask_dag(person(engine, "vera"), "PUT", None, None)
    with serving(facts_of(TASK_INSTANCES, path={"dag_id": "~"})):
        assert ask_dag(person(engine, "art"), "PUT", "TASK_INSTANCE", None)
        assert not ask_dag(person(engine, "mix"), "PUT", "TASK_INSTANCE", None)
    with serving(facts_of("DELETE /api/v2/dags/{dag_id}", path={"dag_id": "~"})):
        assert not ask_dag(person(engine, "art"), "DELETE", None, None)


@pytest.mark.parametrize(
    ("route", "query", "needs"),
    [
        ("GET /ui/partitioned_dag_runs", "", "dagRun.get"),
        ("GET /ui/dashboard/dag_stats", "", "dagRun.get"),
        ("GET /ui/dags", "", "dagRun.get taskInstance.get"),
        ("GET /api/v2/dags", "", ""),
        ("GET /api/v2/dags", "order_by=dag_id&tags=x", ""),
        ("GET /api/v2/dags", "last_dag_run_state=failed", "dagRun.get"),
        ("GET /api/v2/dags", "dag_run_start_date_gte=2026-01-01", "dagRun.get"),
        ("GET /api/v2/dags", "order_by=dag_id&order_by=-last_run_state", "dagRun.get"),
        ("GET /api/v2/pools", "last_dag_run_state=failed", ""),
    ],
)
def test_lists_that_show_runs(route: str, query: str, needs: str, engine: Engine) -> None:
    """Lists that show runs, or find and order Dags by their runs, have only Dags whose runs may be seen."""
    with serving(facts_of(route, query=query)) as context:
        assert " ".join(names(route_rules.rule_of(context).lists_need(context))) == needs
        allowed = {"fin_daily"} if needs else {"fin_daily", "ops_sync"}
        assert dag_access.readable_dag_ids(person(engine, "art"), "GET") == allowed
        assert dag_access.filter_dag_ids(person(engine, "art"), "GET", ["fin_daily", "ops_sync"]) == allowed
    assert route_rules.rule_of(None).lists_need(None) == 0


@pytest.mark.parametrize(("version", "together"), [("3.1", True), ("3.2", True), ("3.3", False)])
def test_file_of_several_dags(version: str, together: bool, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 3.3 the code of a Dag comes with that of its file's other Dags, so all of them have to be one's to see."""
    monkeypatch.setattr(route_rules, "RELEASE", version)
    monkeypatch.setattr(dag_lookup, "read_dag_ids_of_same_file", lambda _: {"fin_daily", "ops_sync"})
    with serving(facts_of("GET /api/v2/dagSources/{dag_id}", path={"dag_id": "fin_daily"})):
        assert ask_dag(person(engine, "vera"), "GET", "CODE", "fin_daily") is not together
        assert ask_dag(person(engine, "olga"), "GET", "CODE", "fin_daily")
    monkeypatch.setattr(dag_lookup, "read_dag_ids_of_same_file", lambda _: {"fin_daily", "fin_report"})
    with serving(facts_of("GET /api/v2/dagSources/{dag_id}", path={"dag_id": "fin_daily"})):
        assert ask_dag(person(engine, "vera"), "GET", "CODE", "fin_daily")


@pytest.mark.parametrize(
    ("version", "route", "needs_run"),
    [
        ("3.1", "POST /api/v2/assets/{asset_id}/materialize", True),
        ("3.3", "POST /api/v2/assets/{asset_id}/materialize", False),
        ("3.3", "POST /api/v2/assets/events", True),
    ],
)
def test_assets_that_start_dags(version: str, route: str, needs_run: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write of assets needs dagRun.create unless Airflow asks about the Dag again."""
    monkeypatch.setattr(route_rules, "RELEASE", version)
    assert route_rules.rule_of(facts_of(route)).starts_dags is needs_run
    assert route_rules.rule_of(None).starts_dags


def dag_of_assets(context: RequestContext | None) -> str | None:
    return route_rules.rule_of(context).dag_of_assets(context)


def installed_routes() -> set[str]:
    from airflow.api_fastapi.core_api.routes.public import public_router
    from airflow.api_fastapi.core_api.routes.ui import ui_router

    return {
        f"{method} {route.path}"
        for router in (public_router, ui_router)
        for route in router.routes
        for method in route.methods
    }


@pytest.mark.parametrize("release", ["3.1", "3.2", "3.3"])
def test_the_table_can_be_used(release: str) -> None:
    """Every row of every release names functions that exist; each function is named by a row of some release."""
    assert len(route_rules.rules(release)) > 250


def test_every_function_is_named_by_a_row() -> None:
    """A function that no row names is none that corrects anything."""
    rows = [row for release in ("3.1", "3.2", "3.3") for row in route_table.table(release).values()]
    assert {row.rule for row in rows} - {""} == set(route_rules.RULES)
    assert {row.list_rule for row in rows} - {""} == set(route_rules.LIST_RULES)


def test_every_installed_route_has_a_row() -> None:
    """A route without a row would be corrected by nothing."""
    assert installed_routes() - set(route_table.table(INSTALLED)) == set()


def test_a_function_that_does_not_exist() -> None:
    """A row with a misspelled function is an error, which names the row and the word."""
    row = route_table.table()["GET /api/v2/eventLogs/{event_log_id}"]
    message = "routes.yaml: `GET /api/v2/eventLogs/{event_log_id}`: unknown rule `dag_of_the_evnet`, did you mean `dag_of_the_event`?"
    with pytest.raises(route_table.RouteTableError, match=re.escape(message)):
        route_rules.compiled(replace(row, rule="dag_of_the_evnet"))


@pytest.fixture
def token_of_file() -> tuple[str, SimpleNamespace]:
    """What names a file to Airflow, and the application that can read it."""
    secret = "not a secret"
    token = URLSafeSerializer(secret).dumps({"bundle_name": "plain", "relative_fileloc": "shared.py"})
    return str(token), SimpleNamespace(state=SimpleNamespace(secret_key=secret))


@pytest.mark.parametrize("version", ["3.1", "3.2"])
def test_file_to_parse_again(
    version: str, engine: Engine, token_of_file: tuple[str, SimpleNamespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before 3.3 the Dags of the token's file are decided on, all of them, and not the one that the query names."""
    monkeypatch.setattr(route_rules, "RELEASE", version)
    monkeypatch.setattr(dag_lookup, "read_dag_ids_of_file", lambda *_: {"fin_daily"})
    token, app = token_of_file
    context = facts_of("PUT /api/v2/parseDagFile/{file_token}", path={"file_token": token}, query="dag_id=ops_sync")
    context.scope["app"] = app
    with serving(context):
        assert ask_dag(person(engine, "art"), "PUT", None, "ops_sync")
        assert not ask_dag(person(engine, "vera"), "PUT", None, "ops_sync")
    monkeypatch.setattr(dag_lookup, "read_dag_ids_of_file", lambda *_: {"fin_daily", "ops_sync"})
    with serving(context):
        assert not ask_dag(person(engine, "art"), "PUT", None, "fin_daily")


@pytest.mark.parametrize("token", ["", "forged", "eyJhIjoxfQ.c2ln"])
def test_token_that_is_not_airflows(
    token: str, engine: Engine, token_of_file: tuple[str, SimpleNamespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token that names no file is a question about every Dag."""
    monkeypatch.setattr(route_rules, "RELEASE", "3.2")
    context = facts_of("PUT /api/v2/parseDagFile/{file_token}", path={"file_token": token}, query="dag_id=fin_daily")
    context.scope["app"] = token_of_file[1]
    with serving(context):
        assert not ask_dag(person(engine, "art"), "PUT", None, "fin_daily")
        assert ask_dag(person(engine, "olga"), "PUT", None, "fin_daily")


@pytest.mark.parametrize("route", ["GET /api/v2/assets/events", UPSTREAM_EVENTS])
def test_asset_events_show_runs(route: str) -> None:
    """Events of assets come with the runs that took them, of whatever Dag, so these have to be one's to see."""
    seen = engine_of(
        "roles: [{name: assets, scope: DEPLOYMENT, permissions: [deployment.airflow.datasets.get, deployment.airflow.dag.get]}]\n"
        "users: [{email: eva@example.com, deployment_roles: [{deployment_id: dep, role: assets}]}]"
    )
    with serving(facts_of(route, path={"dag_id": "fin_daily"} if "{dag_id}" in route else {})):
        assert not ask(person(seen, "eva"), "asset", "GET")
    with serving(facts_of("GET /api/v2/assets")):
        assert ask(person(seen, "eva"), "asset", "GET")


XCOM_OF = {
    "GET": ("xcom.get",),
    "PUT": ("xcom.create", "xcom.update"),
    "PATCH": ("xcom.update",),
    "DELETE": ("xcom.delete",),
}


@pytest.mark.parametrize("route", STATE_OF_TASKS)
def test_state_of_tasks(route: str) -> None:
    """What a task keeps takes what its XComs take, besides what Airflow asks for."""
    found = correct(facts_of(route, path={"dag_id": "a"}), reads=route.startswith("GET"), dag_id="a", needed=SEE)
    assert found == route_rules.Corrected("a", SEE | mask(*XCOM_OF[route.split(" ", maxsplit=1)[0]]))


@pytest.mark.parametrize("route", STATE_OF_ASSETS)
def test_state_of_assets(route: str) -> None:
    """So does what tasks keep with an asset, in the whole Deployment."""
    assert route_rules.rule_of(facts_of(route)).deployment_wide == mask(*XCOM_OF[route.split(" ", maxsplit=1)[0]])


@pytest.mark.skipif(INSTALLED in ("3.1", "3.2"), reason="Airflow 3.3 is the first to keep state")
def test_every_route_of_state_has_a_rule() -> None:
    """Every route of Airflow on kept state is among these."""
    of_state = {route for route in installed_routes() if "state-store" in route}
    assert of_state == {*STATE_OF_TASKS, *STATE_OF_ASSETS}


@pytest.mark.parametrize("route", QUEUED_EVENTS)
def test_deleted_queued_events(route: str, engine: Engine) -> None:
    """To take waiting events from a Dag is to change when it runs, also where Airflow only asks for a look at it."""
    path = {"dag_id": "fin_daily"} if "{dag_id}" in route else {"asset_id": "1"}
    found = correct(facts_of(route, path=path, query="dag_id=ops_sync"), reads=True, dag_id="ops_sync", needed=SEE)
    assert found.needed == SEE | mask("dag.update")
    assert found.dag_id == path.get("dag_id")


@pytest.mark.parametrize("route", DRY_RUNS)
def test_dry_run_shows(route: str) -> None:
    """A dry run changes nothing and shows task instances, so these have to be one's to see."""
    found = correct(facts_of(route, path={"dag_id": "a"}), reads=False, dag_id="a", needed=mask("taskInstance.update"))
    assert found == route_rules.Corrected("a", mask("taskInstance.update", "taskInstance.get"))


@pytest.mark.parametrize(("version", "more"), [("3.1", "taskInstance.delete"), ("3.2", "")])
def test_many_task_instances(version: str, more: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 3.2 Airflow does not ask again about those that are to be deleted."""
    monkeypatch.setattr(route_rules, "RELEASE", version)
    found = correct(facts_of(TASK_INSTANCES, path={"dag_id": "a"}), reads=False, dag_id="a", needed=WRITE)
    assert found == route_rules.Corrected("a", WRITE | mask(*filter(None, [more])))


@pytest.mark.parametrize(
    ("query", "dag_id"), [("dag_id=a", "a"), ("dag_id=a&dag_id=b", None), ("", None), ("dag_id=", "")]
)
def test_partitioned_runs(query: str, dag_id: str | None) -> None:
    """The page of one partitioned Dag asks about that Dag's assets; without one Dag the question is about all."""
    assert dag_of_assets(facts_of("GET /ui/partitioned_dag_runs", query=query)) == dag_id


def test_assets_of_a_path() -> None:
    """A path that names a Dag asks about that Dag's assets, but for the events that came before one of its runs."""
    path = {"dag_id": "a"}
    assert dag_of_assets(facts_of("GET /ui/next_run_assets/{dag_id}", path=path)) == "a"
    assert dag_of_assets(facts_of(UPSTREAM_EVENTS, path=path)) is None
    assert dag_of_assets(None) is None
