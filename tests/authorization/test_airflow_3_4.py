"""What Airflow 3.4 adds, which the tests cannot install: its words are written here as its source has them.

What is shown is what they mean, not that a server of 3.4 runs. `DAG_BUNDLES`, a view of 3.4.1, has the name of its menu item:
only the changelog of FAB's provider was read.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import pytest
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity
from airflow.api_fastapi.common.types import MenuItem

from astro_auth_plugin.auth_manager import AstroAuthManager
from astro_auth_plugin.authorization import action_map, authorizer, route_rules, route_table
from astro_auth_plugin.cli.importers import fab_questions
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.permissions import mask
from tests.in_request import ask_dag, ask_view, engine_of, facts_of, person, serving

ADDED_VIEWS = ("AUDIT_LOGS_ALL", "DAG_BUNDLES", "IMPORT_ERRORS_ALL", "REPARSE_ALL")
View34 = Enum("View34", {name: name for name in [*AccessView.__members__, *ADDED_VIEWS]})  # type: ignore[misc]
MenuItem34 = Enum("MenuItem34", {name: name for name in [*MenuItem.__members__, "DAG_BUNDLES"]})  # type: ignore[misc]

POLICY = """\
roles:
  - {name: errors, scope: DEPLOYMENT, permissions: [deployment.airflow.importError.get, deployment.airflow.auditLog.get]}
users:
  - {email: olga@example.com, organization_role: ORGANIZATION_OWNER}
  - {email: wes@example.com, workspace_roles: [{workspace_id: ws, role: WORKSPACE_OWNER}]}
  - {email: dee@example.com, deployment_roles: [{deployment_id: dep, role: DEPLOYMENT_ADMIN}]}
  - {email: mel@example.com, workspace_roles: [{workspace_id: ws, role: WORKSPACE_MEMBER}]}
  - {email: erin@example.com, deployment_roles: [{deployment_id: dep, role: errors}]}
  - {email: ana@example.com, dag_roles: [{deployment_id: dep, tag: finance, role: DAG_AUTHOR}]}
"""

pytestmark = pytest.mark.usefixtures("dags")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return engine_of(POLICY)


@pytest.fixture(autouse=True)
def release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route_rules, "RELEASE", "3.4")
    monkeypatch.setattr(action_map, "_warned", set())


@pytest.mark.parametrize("name", ["olga", "wes", "dee"])
def test_owners_may_use_everything_new(name: str, engine: Engine) -> None:
    """No view, menu item or entity that is known is denied to Owners and Deployment Admins."""
    assert all(ask_view(person(engine, name), view) for view in View34)
    assert all(authorizer.may_see_menu_item(person(engine, name), item) for item in MenuItem34)
    assert all(ask_dag(person(engine, name), "GET", entity, None) for entity in DagAccessEntity)


@pytest.mark.parametrize(
    ("name", "views"),
    [
        ("mel", {"DAG_BUNDLES", "IMPORT_ERRORS_ALL"}),
        ("erin", {"AUDIT_LOGS_ALL", "IMPORT_ERRORS_ALL"}),
        ("ana", set()),
        ("nobody", set()),
    ],
)
def test_new_views(name: str, views: set[str], engine: Engine) -> None:
    """The new views belong to no Dag, so they need Deployment-wide permissions, and each those of what it shows."""
    assert {view for view in ADDED_VIEWS if ask_view(person(engine, name), View34[view])} == views


@pytest.mark.parametrize("name", ["olga", "mel", "ana"])
def test_what_comes_later_is_denied(name: str, engine: Engine) -> None:
    """A word that even 3.4 does not have opens nothing."""
    unknown = Enum("unknown", ["SECRETS_ALL"])  # type: ignore[misc]
    assert not ask_view(person(engine, name), unknown["SECRETS_ALL"])
    assert not authorizer.may_see_menu_item(person(engine, name), unknown["SECRETS_ALL"])
    assert not ask_dag(person(engine, name), "GET", unknown["SECRETS_ALL"], None)


@pytest.mark.parametrize(("name", "seen"), [("mel", True), ("ana", False)])
def test_team_of_a_view(name: str, seen: bool, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow 3.4 asks about a view of a team; the team decides nothing."""
    manager = AstroAuthManager()
    monkeypatch.setattr(AstroAuthManager, "_identity", lambda _self, user: user)
    for team in (None, "red"):
        view: Any = View34["IMPORT_ERRORS_ALL"]
        assert manager.is_authorized_view(access_view=view, user=person(engine, name), team_name=team) is seen


def test_routes_of_bundles(engine: Engine) -> None:
    """They are routes of 3.4 alone, and a Dag in the query of one decides nothing."""
    added = set(route_table.table("3.4")) - set(route_table.table("3.3"))
    assert added == {f"GET /api/v2/dagBundles{rest}" for rest in ("", "/{bundle_name}", "/{bundle_name}/files")}
    with serving(facts_of("GET /api/v2/dagBundles", query="dag_id=fin_daily")):
        assert not ask_dag(person(engine, "nobody"), "GET", None, None)
        assert ask_dag(person(engine, "mel"), "GET", None, None)


def test_import_from_fab(monkeypatch: pytest.MonkeyPatch) -> None:
    """FAB's Viewer sees no bundles from FAB provider 3.11 on, and keeps the Dags and import errors that it sees."""

    class Manager:
        def __getattr__(self, _name: str) -> Any:
            return lambda **_: False

    monkeypatch.setattr(fab_questions, "AccessView", View34)
    asked = {each.name: each for each in fab_questions._about_views(Manager())}  # type: ignore[arg-type]
    bundles = asked["view DAG_BUNDLES"]
    assert (bundles.permission, bundles.rounded) == (mask("importError.get"), True)
    assert not asked["view IMPORT_ERRORS"].rounded
