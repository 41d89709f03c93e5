"""What the hooks make of the words of Airflow."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.api_fastapi.auth.managers.models.resource_details import (
    AccessView,
    AssetAliasDetails,
    AssetDetails,
    BackfillDetails,
    ConfigurationDetails,
    ConnectionDetails,
    DagAccessEntity,
    DagDetails,
    PoolDetails,
    VariableDetails,
)

from astro_auth_plugin.auth_manager import AstroAuthManager
from astro_auth_plugin.authorization import authorizer
from astro_auth_plugin.authorization.access_decision import ALLOWED
from astro_auth_plugin.authorization.access_request import AccessRequest
from tests.in_request import HEAD, engine_of, person
from tests.process_state import start


@pytest.fixture
def requested(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[AccessRequest]:
    """What the authorizer has been asked, which says yes to everything."""
    (tmp_path / "policy.yaml").write_text(HEAD)
    start(tmp_path / "policy.yaml")
    found: list[AccessRequest] = []

    def decide(_identity: Any, request: AccessRequest) -> Any:
        found.append(request)
        return ALLOWED

    monkeypatch.setattr(authorizer, "authorize", decide)
    return found


@pytest.mark.parametrize(
    ("hook", "arguments", "request_made"),
    [
        (
            "dag",
            {"method": "PUT", "access_entity": DagAccessEntity.RUN, "details": DagDetails(id="a")},
            AccessRequest("PUT", "dag", "RUN", dag_id="a"),
        ),
        ("dag", {"method": "GET"}, AccessRequest("GET", "dag")),
        (
            "backfill",
            {"method": "GET", "details": BackfillDetails(id=3)},
            AccessRequest("GET", "backfill", resource_id=3),
        ),
        (
            "connection",
            {"method": "GET", "details": ConnectionDetails(conn_id="c", team_name="t")},
            AccessRequest("GET", "connection", resource_id="c", team="t"),
        ),
        (
            "variable",
            {"method": "GET", "details": VariableDetails(key="k", team_name="t")},
            AccessRequest("GET", "variable", resource_id="k", team="t"),
        ),
        (
            "pool",
            {"method": "GET", "details": PoolDetails(name="p", team_name="t")},
            AccessRequest("GET", "pool", resource_id="p", team="t"),
        ),
        ("pool", {"method": "GET"}, AccessRequest("GET", "pool")),
        (
            "configuration",
            {"method": "GET", "details": ConfigurationDetails(section="core")},
            AccessRequest("GET", "configuration", resource_id="core"),
        ),
        ("asset", {"method": "GET", "details": AssetDetails(id="1")}, AccessRequest("GET", "asset", resource_id="1")),
        (
            "asset_alias",
            {"method": "GET", "details": AssetAliasDetails(id="1")},
            AccessRequest("GET", "asset_alias", resource_id="1"),
        ),
        (
            "team",
            {"method": "GET", "details": SimpleNamespace(name="ops")},
            AccessRequest("GET", "team", resource_id="ops"),
        ),
        ("view", {"access_view": AccessView.JOBS}, AccessRequest("GET", "view", "JOBS")),
        ("custom_view", {"method": "MENU", "resource_name": "Users"}, AccessRequest("MENU", "custom_view", "Users")),
    ],
)
def test_hooks_keep_all_details(
    requested: list[AccessRequest], hook: str, arguments: dict[str, Any], request_made: AccessRequest
) -> None:
    """Everything that Airflow says of a request is in it."""
    assert getattr(AstroAuthManager(), f"is_authorized_{hook}")(user=person(engine_of(""), "olga"), **arguments)
    assert requested == [request_made]


def test_batches_keep_all_details(requested: list[AccessRequest]) -> None:
    """So it is for the items of a batch."""
    owner = engine_of("users: [{email: olga@example.com, organization_role: ORGANIZATION_OWNER}]")
    manager, user = AstroAuthManager(), person(owner, "olga")
    details = ConnectionDetails(conn_id="c", team_name="t")
    assert manager.batch_is_authorized_connection([{"method": "PUT", "details": details}], user=user)
    dags = [{"method": "GET", "access_entity": DagAccessEntity.XCOM, "details": DagDetails(id="a")}, {"method": "PUT"}]
    assert manager.batch_is_authorized_dag(dags, user=user)
    assert requested == [
        AccessRequest("PUT", "connection", resource_id="c", team="t"),
        AccessRequest("GET", "dag", "XCOM", dag_id="a"),
        AccessRequest("PUT", "dag"),
    ]
