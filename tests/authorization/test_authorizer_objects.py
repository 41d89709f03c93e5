"""Questions about everything but Dags: objects of the Deployment, assets, views, menus, teams, and assigned tasks."""

from __future__ import annotations

import pytest
from airflow import __version__ as airflow_version
from packaging.version import Version

from astro_auth_plugin.authorization import action_map, authorizer
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.runtime.identity import AstroIdentity
from tests.conftest import CountStatements
from tests.in_request import ask, ask_batch, ask_view, engine_of, facts_of, person, serving

POLICY = """\
roles:
  - {name: pools, scope: DEPLOYMENT, permissions: [deployment.airflow.pool.update]}
  - {name: recorder, scope: DEPLOYMENT, permissions: [deployment.airflow.datasets.create]}
  - {name: launcher, scope: DEPLOYMENT, permissions: [deployment.airflow.datasets.create, deployment.airflow.dagRun.create]}
  - {name: astro, scope: DEPLOYMENT, permissions: [deployment.airflow.astronomer.get]}
  - {name: assets, scope: DAG, permissions: [dag.airflow.dag.get, dag.airflow.datasets.get]}
  - {name: sees, scope: DAG, permissions: [dag.airflow.dag.get]}
  - {name: answers, scope: DAG, permissions: [dag.airflow.dag.get, dag.airflow.taskInstance.update]}
users:
  - {email: olga@example.com, organization_role: ORGANIZATION_OWNER}
  - {email: auth@example.com, workspace_roles: [{workspace_id: ws, role: WORKSPACE_AUTHOR}]}
  - {email: mel@example.com, workspace_roles: [{workspace_id: ws, role: WORKSPACE_MEMBER}]}
  - {email: door@example.com, deployment_roles: [{deployment_id: dep, role: DEPLOYMENT_ACCESSOR}]}
  - {email: pool@example.com, deployment_roles: [{deployment_id: dep, role: pools}]}
  - {email: rec@example.com, deployment_roles: [{deployment_id: dep, role: recorder}]}
  - {email: run@example.com, deployment_roles: [{deployment_id: dep, role: launcher}]}
  - {email: astro@example.com, deployment_roles: [{deployment_id: dep, role: astro}]}
  - {email: vera@example.com, dag_roles: [{deployment_id: dep, tag: finance, role: DAG_VIEWER}]}
  - {email: asha@example.com, dag_roles: [{deployment_id: dep, tag: finance, role: assets}]}
  - {email: sees@example.com, dag_roles: [{deployment_id: dep, tag: ops, role: sees}]}
  - {email: hal@example.com, dag_roles: [{deployment_id: dep, tag: finance, role: answers}]}
"""

pytestmark = pytest.mark.usefixtures("dags")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return engine_of(POLICY)


# -- connections, Variables, pools, configuration ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "methods"),
    [
        ("olga", "connection", "GET POST PUT DELETE"),
        ("olga", "configuration", "GET"),
        ("auth", "connection", "GET"),
        ("auth", "variable", "GET"),
        ("auth", "pool", "GET"),
        ("auth", "configuration", ""),
        ("mel", "pool", ""),
        ("pool", "pool", "PUT"),
        ("pool", "variable", ""),
        ("vera", "variable", ""),
        ("nobody", "connection", ""),
    ],
)
def test_things(engine: Engine, name: str, kind: str, methods: str) -> None:
    """An object of the Deployment needs its own permission, Deployment-wide."""
    allowed = [verb for verb in ("GET", "POST", "PUT", "DELETE") if ask(person(engine, name), kind, verb)]
    assert allowed == methods.split()


def test_batch_of_things(engine: Engine) -> None:
    """A batch needs every item; an empty one any verb of the object."""
    assert ask_batch(person(engine, "pool"), "pool", ["PUT", "PUT"])
    assert not ask_batch(person(engine, "pool"), "pool", ["PUT", "GET"])
    assert ask_batch(person(engine, "pool"), "pool", [])
    assert not ask_batch(person(engine, "pool"), "variable", [])
    assert not ask_batch(person(engine, "mel"), "connection", [])


def test_refused_thing(engine: Engine) -> None:
    """The refused write of an object says what is missing."""
    with serving(facts_of("POST /api/v2/variables")) as context:
        assert not ask(person(engine, "auth"), "variable", "POST")
    assert context.denial_reason == "Missing permission `deployment.airflow.variable.create` in this Deployment."


# -- assets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["asset", "asset_alias"])
@pytest.mark.parametrize(
    ("name", "methods"),
    [
        ("olga", "GET POST PUT DELETE"),
        ("auth", "GET POST"),
        ("mel", "GET"),
        ("rec", ""),
        ("run", "POST"),
        ("vera", ""),
        ("asha", ""),
        ("nobody", ""),
    ],
)
def test_assets(engine: Engine, name: str, kind: str, methods: str) -> None:
    """Assets are for Deployment-wide holders; to read one is to read Dags, and to write one starts Dags."""
    allowed = [verb for verb in ("GET", "POST", "PUT", "DELETE") if ask(person(engine, name), kind, verb)]
    assert allowed == methods.split()


@pytest.mark.parametrize(
    ("name", "dag_id", "allowed"),
    [
        ("asha", "fin_daily", True),
        ("vera", "fin_daily", True),
        ("asha", "ops_sync", False),
        ("sees", "ops_sync", False),
        ("asha", "no_such_dag", False),
        ("mel", "ops_sync", True),
    ],
)
def test_assets_on_the_page_of_a_dag(engine: Engine, name: str, dag_id: str, allowed: bool) -> None:
    """On a route whose path names a Dag, assets are read with the permission on that Dag."""
    with serving(facts_of("GET /ui/next_run_assets/{dag_id}", path={"dag_id": dag_id})):
        assert ask(person(engine, name), "asset", "GET") is allowed


def test_assets_are_written_deployment_wide(engine: Engine) -> None:
    """A write of assets is not opened by a Dag in the path, and neither is the page of upstream events."""
    with serving(facts_of("DELETE /api/v2/dags/{dag_id}/assets/queuedEvents", path={"dag_id": "fin_daily"})):
        assert not ask(person(engine, "asha"), "asset", "DELETE")
    upstream = "GET /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/upstreamAssetEvents"
    with serving(facts_of(upstream, path={"dag_id": "fin_daily", "dag_run_id": "r"})):
        assert not ask(person(engine, "asha"), "asset", "GET")
        assert ask(person(engine, "mel"), "asset", "GET")


# -- views and menus -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "views"),
    [
        ("mel", "CLUSTER_ACTIVITY DOCS IMPORT_ERRORS JOBS PLUGINS WEBSITE IMPORT_ERRORS_ALL DAG_BUNDLES"),
        (
            "auth",
            "CLUSTER_ACTIVITY DOCS IMPORT_ERRORS JOBS PLUGINS PROVIDERS WEBSITE IMPORT_ERRORS_ALL REPARSE_ALL DAG_BUNDLES",
        ),
        ("door", "DOCS WEBSITE"),
        ("vera", "DOCS WEBSITE"),
        ("astro", "PLUGINS"),
        ("nobody", ""),
    ],
)
def test_views(engine: Engine, name: str, views: str) -> None:
    """Views are for Deployment-wide holders; plugins' pages for whoever may open one of them."""
    allowed = {view for view in action_map.VIEWS if ask_view(person(engine, name), view)}
    assert allowed == set(views.split())
    assert all(ask_view(person(engine, "olga"), view) for view in action_map.VIEWS)


@pytest.mark.parametrize(
    ("name", "items"),
    [
        ("mel", "ASSETS DAGS DAG_BUNDLES DEADLINES DOCS JOBS REQUIRED_ACTIONS"),
        (
            "auth",
            "ASSETS CONNECTIONS DAGS DAG_BUNDLES DEADLINES DOCS JOBS PLUGINS POOLS PROVIDERS REQUIRED_ACTIONS VARIABLES XCOMS",
        ),
        ("vera", "DAGS DAG_BUNDLES DEADLINES DOCS REQUIRED_ACTIONS XCOMS"),
        ("sees", "DAGS DAG_BUNDLES DOCS"),
        ("door", "DOCS"),
        ("pool", ""),
        ("nobody", ""),
    ],
)
def test_menu_items(engine: Engine, name: str, items: str) -> None:
    """A menu item is shown to whoever finds something behind it."""
    shown = {item for item in action_map.MENU_ITEMS if authorizer.may_see_menu_item(person(engine, name), item)}
    assert shown == set(items.split())
    assert all(authorizer.may_see_menu_item(person(engine, "olga"), item) for item in action_map.MENU_ITEMS)


# -- teams of multi-team Airflow -----------------------------------------------------------------------------------

with_teams = pytest.mark.skipif(Version("3.2") > Version(airflow_version), reason="Airflow 3.1 asks about no team")


@with_teams
@pytest.mark.parametrize(
    ("name", "team", "allowed"),
    [
        ("mel", "ops", True),
        ("mel", "no such team", True),
        ("sees", "ops", True),
        ("sees", "no such team", False),
        ("vera", "ops", False),
        ("sees", "", False),
        ("sees", None, False),
        ("door", "ops", False),
        ("nobody", "ops", False),
    ],
)
def test_teams(engine: Engine, name: str, team: str | None, allowed: bool) -> None:
    """A team is seen by who reads all Dags, and by who reads one in a bundle of the team; nobody changes it."""
    assert ask(person(engine, name), "team", "GET", team) is allowed
    assert not any(ask(person(engine, "olga"), "team", method, team) for method in ("POST", "PUT", "DELETE"))


@with_teams
def test_team_costs_one_statement(engine: Engine, statements: CountStatements) -> None:
    """The Dags of a team are one statement, and none for who reads all or nothing."""
    with statements() as sent:
        ask(person(engine, "sees"), "team", "GET", "ops")
    assert len(sent) == 1
    with statements() as sent:
        ask(person(engine, "mel"), "team", "GET", "ops")
        ask(person(engine, "nobody"), "team", "GET", "ops")
    assert sent == []


# -- tasks that are assigned to people -----------------------------------------------------------------------------


def named(engine: Engine, **changes: object) -> AstroIdentity:
    context = {"id": 41, "username": "hal", "email": "Hal@Example.com", "subject": "hal@example.com", "engine": engine}
    return AstroIdentity(**{**context, **changes})


HITL = "PATCH /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}/hitlDetails"


@pytest.mark.parametrize(
    ("assigned", "changes", "allowed"),
    [
        ({"41"}, {}, True),
        ({"hal"}, {}, True),
        ({"hal@example.com"}, {}, True),
        ({"HAL@EXAMPLE.COM"}, {}, True),
        ({"zoe", "7", "hal@example.com"}, {}, True),
        (set(), {}, False),
        ({"Hal"}, {}, False),
        ({"041"}, {}, False),
        ({"4"}, {}, False),
        ({""}, {}, False),
        ({"hal@example.co"}, {}, False),
        ({"ana@example.com"}, {"username": "ana@example.com"}, False),
        ({"7"}, {"username": "7"}, False),
        ({"\u00b2"}, {"username": "\u00b2"}, False),
        ({"hal@example.com", "41", "hal"}, {"subject": ""}, False),
        ({"41"}, {"email": "sees@example.com", "subject": "sees@example.com"}, False),
    ],
)
def test_assigned_tasks(engine: Engine, assigned: set[str], changes: dict[str, object], allowed: bool) -> None:
    """An entry is an e-mail, an id or a user name by its shape alone, and counts with the permission on the Dag only."""
    with serving(facts_of(HITL, path={"dag_id": "fin_daily"})):
        assert authorizer.authorize_hitl_task(named(engine, **changes), assigned).allowed is allowed


def test_assigned_task_of_another_dag(engine: Engine) -> None:
    """The permission has to be held on the Dag of the task; Deployment-wide it is held on every one."""
    with serving(facts_of(HITL, path={"dag_id": "ops_sync"})):
        assert not authorizer.authorize_hitl_task(named(engine), {"hal"}).allowed
        assert authorizer.authorize_hitl_task(person(engine, "olga"), {"olga"}).allowed
    assert authorizer.authorize_hitl_task(named(engine), {"hal"}).allowed
