"""Requests of users with roles on bundles: they are decided by the bundle of the stored row."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from astro_auth_plugin.authorization import authorizer, dag_access
from astro_auth_plugin.rbac.engine.engine import Engine
from tests.conftest import CountStatements
from tests.in_request import ask_dag, ask_dags, engine_of, person

POLICY = """
users:
  - {email: ana@example.com, dag_roles: [{deployment_id: dep, bundle: of-team-ops, role: DAG_VIEWER}]}
  - {email: bo@example.com, dag_roles: [{deployment_id: dep, bundle: Plain, role: DAG_AUTHOR}]}
  - {email: cy@example.com, dag_roles: [{deployment_id: dep, bundle: plain, folder: x/, role: DAG_AUTHOR}]}
"""


@pytest.fixture(scope="module")
def bundles() -> Engine:
    return engine_of(POLICY)


@pytest.mark.usefixtures("dags")
def test_decisions(bundles: Engine, statements: CountStatements) -> None:
    """Single Dags, batches and lists: those of the bundle, for one statement each; nothing of another one."""
    ana = person(bundles, "ana")
    with statements() as sent:
        assert ask_dag(ana, "GET", None, "ops_sync")
        assert not ask_dag(ana, "PUT", None, "ops_sync")
        assert len(sent) == 1
    assert not ask_dag(ana, "GET", None, "fin_daily")
    assert not ask_dags(person(bundles, "ana"), [("GET", None, "ops_sync"), ("GET", None, "fin_daily")])
    fresh = person(bundles, "ana")
    assert dag_access.readable_dag_ids(fresh, "GET") == {"ops_sync"}
    assert dag_access.filter_dag_ids(fresh, "GET", {"ops_sync", "fin_daily"}) == {"ops_sync"}


@pytest.mark.parametrize("name", ["bo", "cy"])
@pytest.mark.usefixtures("dags")
def test_other_places(name: str, bundles: Engine) -> None:
    """Another spelling is another bundle, and a Dag whose path is not stored is in no folder."""
    found = person(bundles, name)
    assert not ask_dag(found, "GET", None, "fin_daily")
    assert dag_access.readable_dag_ids(person(bundles, name), "GET") == set()


def test_menu(bundles: Engine) -> None:
    """The menu has the pages of Dags for a user with a role on a bundle."""
    assert authorizer.may_see_menu_item(person(bundles, "ana"), SimpleNamespace(name="DAGS"))
    assert not authorizer.may_see_menu_item(person(bundles, "stranger"), SimpleNamespace(name="DAGS"))
