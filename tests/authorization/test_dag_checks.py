"""The short way to a yes answers as the authorizer does, and leaves the same behind."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails

from astro_auth_plugin.auth_manager import AstroAuthManager
from astro_auth_plugin.authorization import authorizer, dag_checks
from astro_auth_plugin.authorization.access_request import AccessRequest
from astro_auth_plugin.authorization.dag_cache import DagCache
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.runtime.request_context import RequestContext
from tests.conftest import CountStatements
from tests.in_request import HEAD, engine_of, facts_of, person, serving
from tests.process_state import start

pytestmark = pytest.mark.usefixtures("dags")

NAMES = ("olga", "vera", "art", "tilde", "nobody")
METHODS = ("GET", "PUT", "FETCH")
ENTITIES = (None, DagAccessEntity.RUN, DagAccessEntity.CODE, "RUN", "NOTHING")
DAG_IDS = ("fin_daily", "ops_sync", "no_such_dag", "", "~", None)
STORE = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/state-store/{key:path}"


@pytest.fixture(params=[0, 30], ids=["strict", "cached"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> AstroAuthManager:
    """The auth manager, without and with the tag cache."""
    (tmp_path / "policy.yaml").write_text(HEAD)
    start(tmp_path / "policy.yaml", dag_cache=DagCache(request.param))
    return AstroAuthManager()


def requests() -> list[RequestContext]:
    """Requests whose routes have no row, and rows that add permissions, read the request, or name another Dag."""
    path = {"dag_id": "fin_daily"}
    return [
        facts_of("GET /api/v2/dags/{dag_id}", path=path),
        facts_of("PATCH /api/v2/dags/{dag_id}", path=path),
        facts_of("POST /api/v2/somewhere", query="dag_id=fin_daily"),
        facts_of(f"GET {STORE}", path=path),
        facts_of(f"PUT {STORE}", path=path),
        facts_of("GET /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/wait", path=path, query="result=x"),
        facts_of("DELETE /api/v2/dags/{dag_id}/assets/queuedEvents", path=path),
        facts_of("POST /api/v2/dags/{dag_id}/dagRuns/list", path={"dag_id": "~"}),
    ]


def left_by(context: RequestContext | None) -> list[Any]:
    """What a check has left in its request."""
    if context is None:
        return []
    denied = [getattr(each, "reason", None) for each in (context.denial, context.denied_write, context.denied_read)]
    return [context.allowed, context.written, *denied]


@pytest.mark.parametrize("number", [None, *range(len(requests()))])
def test_as_the_authorizer(manager: AstroAuthManager, engine: Engine, number: int | None) -> None:
    """Whoever asks whatever on whichever route gets the authorizer's answer, and the list afterwards is as narrow."""
    answers = set()
    for name, method, entity, dag_id in product(NAMES, METHODS, ENTITIES, DAG_IDS):
        details = None if dag_id is None else DagDetails(id=dag_id)
        found = []
        for short in (False, True):
            identity, context = person(engine, name), None if number is None else requests()[number]
            with serving(context):  # type: ignore[arg-type]
                if short:
                    allowed = manager.is_authorized_dag(
                        method=method,  # type: ignore[arg-type]
                        access_entity=entity,  # type: ignore[arg-type]
                        details=details,
                        user=identity,
                    )
                else:
                    request = AccessRequest.of_dag(method, entity, details)
                    allowed = authorizer.authorize(identity, request).allowed
            found.append([allowed, identity.requested, *left_by(context)])
        assert found[0] == found[1], (name, method, entity, dag_id)
        answers.add(found[0][0])
    assert answers == {True, False}


@pytest.mark.parametrize("number", [None, *range(len(requests()))])
def test_batches_as_the_authorizer(manager: AstroAuthManager, engine: Engine, number: int | None) -> None:
    """So it is for a batch, with what is asked after the first denial."""
    answers = set()
    for name, method, entity, last in product(NAMES, METHODS, ENTITIES, DAG_IDS):
        checks = [
            {"method": "GET", "details": DagDetails(id="fin_daily")},
            {"method": method, "access_entity": entity, "details": None if last is None else DagDetails(id=last)},
        ]
        found = []
        for short in (False, True):
            identity, context = person(engine, name), None if number is None else requests()[number]
            with serving(context):  # type: ignore[arg-type]
                if short:
                    allowed = manager.batch_is_authorized_dag(checks, user=identity)
                else:
                    items = [AccessRequest.of_item("dag", check) for check in checks]
                    allowed = authorizer.authorize_all(identity, "dag", items).allowed
            found.append([allowed, identity.requested, *left_by(context)])
        assert found[0] == found[1], (name, method, entity, last)
        answers.add(found[0][0])
    assert answers == {True, False}
    nobody, owner = person(engine, "nobody"), person(engine, "olga")
    assert (manager.batch_is_authorized_dag([], user=nobody), manager.batch_is_authorized_dag([], user=owner)) == (
        False,
        True,
    )


@pytest.mark.parametrize("manager", [30], indirect=True)
@pytest.mark.usefixtures("manager")
def test_a_yes_asks_nothing_else(engine: Engine, monkeypatch: pytest.MonkeyPatch, statements: CountStatements) -> None:
    """A yes with the tags known neither asks the authorizer nor the database; a batch takes one statement."""
    monkeypatch.setattr(authorizer, "authorize", None)
    monkeypatch.setattr(authorizer, "authorize_all", None)
    ids = [DagDetails(id=dag_id) for dag_id in ("fin_daily", "fin_report")]
    with statements() as sent:
        assert dag_checks.allow(person(engine, "vera"), [{"method": "GET", "details": each} for each in ids])
    assert len(sent) == 1
    with statements() as sent:
        assert all(dag_checks.allows(person(engine, "vera"), "GET", None, each) for each in ids)
        assert dag_checks.allows(person(engine, "olga"), "PUT", DagAccessEntity.RUN, SimpleNamespace(id="any"))
    assert sent == []


def test_protected_tags_count_where_they_may_be(manager: AstroAuthManager) -> None:
    """A tag that its Dag may not carry gives nothing on the short way either."""
    protected = engine_of(
        "protected_tags: [{deployment_id: dep, tag: ops, only_in: [{bundle: elsewhere, files: ['**']}]}]\n"
        "users:\n  - {email: ana@example.com, dag_roles: [{deployment_id: dep, tag: ops, role: DAG_AUTHOR}]}\n"
    )
    for _ in range(2):
        assert not manager.is_authorized_dag(
            method="GET", details=DagDetails(id="ops_sync"), user=person(protected, "ana")
        )


@pytest.mark.parametrize("odd", [{"details": DagDetails(id=["x"])}, {"access_entity": []}, {"method": ["GET"]}])  # type: ignore[arg-type]
def test_what_cannot_be_compared_is_denied(manager: AstroAuthManager, engine: Engine, odd: dict[str, Any]) -> None:
    """A word of no type that Airflow has is denied, and does not raise."""
    asked: dict[str, Any] = {"method": "GET", "details": DagDetails(id="fin_daily"), **odd}
    assert manager.is_authorized_dag(user=person(engine, "vera"), **asked) is False
    assert manager.batch_is_authorized_dag([asked], user=person(engine, "vera")) is False  # type: ignore[list-item]
