"""How many statements a question costs, and what a refusal says."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.api_fastapi.core_api.security import PermittedDagFilter
from airflow.models import DagModel
from sqlalchemy import select

from astro_auth_plugin.auth_manager import AstroAuthManager
from astro_auth_plugin.authorization import dag_access, dag_lookup, route_rules
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.permissions import mask, names
from astro_auth_plugin.rbac.policy import loader
from astro_auth_plugin.runtime.request_context import RequestContext
from tests.conftest import CountStatements
from tests.in_request import HEAD, ask, ask_dag, ask_dags, engine_of, facts_of, person, serving
from tests.process_state import start

EVERY = {"fin_daily", "fin_report", "ops_sync", "FIN_DAILY", "untagged"}

pytestmark = pytest.mark.usefixtures("dags")


def test_deployment_wide_holders_ask_nothing(engine: Engine, statements: CountStatements) -> None:
    """Whoever holds a permission Deployment-wide is answered without the database."""
    identity = person(engine, "olga")
    with statements() as sent:
        assert ask_dag(identity, "PUT", "RUN", "fin_daily")
        assert ask_dag(identity, "GET", None, None)
        assert ask_dags(identity, [("GET", None, dag_id) for dag_id in EVERY])
        assert ask(identity, "connection", "DELETE")
        assert ask(identity, "asset", "GET")
    assert sent == []


def test_who_can_hold_nothing_asks_nothing(engine: Engine, statements: CountStatements) -> None:
    """A permission that is held nowhere is refused without the database, where nothing is told of the Dag."""
    with statements() as sent:
        assert not ask_dag(person(engine, "vera"), "PUT", None, "fin_daily")
        assert not ask_dag(person(engine, "nobody"), "GET", "RUN", "fin_daily")
        assert dag_access.readable_dag_ids(person(engine, "nobody"), "GET") == set()
        assert not ask_dag(person(engine, "vera"), "GET", None, "~")
        assert not ask_dag(person(engine, "vera"), "GET", None, "")
    assert sent == []


def test_one_statement_for_one_dag(engine: Engine, statements: CountStatements) -> None:
    """A Dag is read once in a request, however often it is asked about."""
    identity = person(engine, "vera")
    with statements() as sent, serving(facts_of("PATCH /api/v2/dags/{dag_id}", path={"dag_id": "fin_daily"})):
        for entity in (None, "RUN", "TASK_INSTANCE"):
            assert ask_dag(identity, "GET", entity, "fin_daily")
        assert not ask_dag(identity, "PUT", None, "fin_daily")
        assert dag_access.filter_dag_ids(identity, "GET", ["fin_daily"]) == set()
    assert len(sent) == 1


def test_one_statement_for_a_missing_dag(engine: Engine, statements: CountStatements) -> None:
    """That a Dag is not there is remembered, too."""
    identity = person(engine, "vera")
    with statements() as sent:
        assert not ask_dag(identity, "GET", None, "no_such_dag")
        assert not ask_dag(identity, "GET", "RUN", "no_such_dag")
    assert len(sent) == 1


def test_one_statement_for_a_batch(engine: Engine, statements: CountStatements) -> None:
    """A batch of a hundred Dags is one statement."""
    requested = [("GET", "RUN", f"dag{number}") for number in range(99)]
    with statements() as sent:
        assert not ask_dags(person(engine, "vera"), [("GET", None, "fin_daily"), *requested])
    assert len(sent) == 1


@pytest.mark.parametrize("grants", [1, 5_000, 20_000])
def test_one_statement_for_a_list(grants: int, statements: CountStatements) -> None:
    """The list is one statement, however many ids and tags are granted, and databases take it."""
    roles = [{"deployment_id": "dep", "dag_id": f"dag{number}", "role": "DAG_VIEWER"} for number in range(grants)]
    roles.append({"deployment_id": "dep", "tag": "finance", "role": "DAG_AUTHOR"})
    document = {
        "version": 1,
        "organization_id": "org",
        "workspaces": [{"id": "ws"}],
        "deployments": [{"id": "dep", "workspace_id": "ws"}],
        "users": [{"email": "many@example.com", "dag_roles": roles}],
    }
    checked = loader.from_values(document).policy
    assert checked is not None
    identity = person(Engine(checked, "dep", datetime.now(UTC)), "many")
    with statements() as sent:
        assert dag_access.readable_dag_ids(identity, "GET") == {"fin_daily", "fin_report"}
    assert len(sent) == 1
    assert sent[0].count("?") <= dag_lookup.MAX_PARAMETERS
    with statements() as sent:
        ask_dag(identity, "POST", "RUN", None)
        assert dag_access.filter_dag_ids(identity, "GET", EVERY) == {"fin_daily", "fin_report"}
    assert len(sent) == 1


@pytest.mark.parametrize(
    ("name", "values", "seen"), [("olga", [], EVERY), ("vera", [["finance"]], {"fin_daily", "fin_report"})]
)
def test_no_ids_travel(
    engine: Engine, metadata_database: Any, name: str, values: list[Any], seen: set[str], statements: CountStatements
) -> None:
    """A list of Airflow's is one statement, and what travels with it is what was granted, and not the Dags."""
    with statements() as sent:
        ids = dag_access.readable_dag_ids(person(engine, name), "GET")
        query = PermittedDagFilter(ids).to_orm(select(DagModel.dag_id))  # type: ignore[arg-type]
        assert list(query.compile().params.values()) == values
        assert sent == []
        with metadata_database.connect() as connection:
            assert set(connection.scalars(query)) == seen
    assert len(sent) == 1


def test_every_connection(engine: Engine, statements: CountStatements, tmp_path: Path) -> None:
    """So are lists of connections, Variables, pools, assets and teams, whose rights are those of the Deployment."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(HEAD)
    start(policy)
    manager = AstroAuthManager()
    for kind in ("connections", "variables", "pools", "assets", "teams"):
        get = getattr(manager, f"get_authorized_{kind}")
        with statements() as sent:
            assert str(get(user=person(engine, "olga")).__clause_element__()).startswith("SELECT")
            assert get(user=person(engine, "vera")) == set()
        assert kind == "teams" or sent == []  # whose teams somebody may see depends on the Dags in them


# -- what a refusal says -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "method", "entity", "dag_id", "said"),
    [
        ("vera", "POST", "RUN", "fin_daily", "Missing permission `dag.airflow.dagRun.create` on Dag `fin_daily`."),
        ("vera", "POST", "RUN", "ops_sync", "There is no Dag `ops_sync`, or you may not see it."),
        ("vera", "POST", "RUN", "no_such_dag", "There is no Dag `no_such_dag`, or you may not see it."),
        ("blind", "POST", "RUN", "fin_daily", "There is no Dag `fin_daily`, or you may not see it."),
        ("vera", "PUT", None, None, "Missing permission `deployment.airflow.dag.get`, `deployment.airflow.dag.update` in this Deployment."),
        ("mel", "DELETE", None, "ops_sync", "Missing permission `dag.airflow.dag.delete` on Dag `ops_sync`."),
        ("mel", "PUT", None, None, "Missing permission `deployment.airflow.dag.update` in this Deployment."),
    ],
)  # fmt: skip
def test_refused_write(
    engine: Engine, name: str, method: str, entity: str | None, dag_id: str | None, said: str
) -> None:
    """A refused write names what is missing and where, and does not tell strangers whether a Dag exists."""
    with serving(facts_of("POST /somewhere/{dag_id}", path={"dag_id": dag_id or "~"})) as context:
        assert not ask_dag(person(engine, name), method, entity, dag_id)
    assert context.denial_reason == said


@pytest.mark.parametrize(
    "context",
    [
        facts_of("PUT /api/v2/parseDagFile/{file_token}", path={"file_token": "t"}),
        facts_of("PUT /api/v2/backfills/{backfill_id}/pause", path={"backfill_id": "1"}, query="dag_id=ops_sync"),
        facts_of("POST /api/v2/dags/{dag_id}/dagRuns", path={"dag_id": "fin_daily"}, body={"dag_id": ["ops_sync"]}),
    ],
)
def test_refusal_names_no_dag_that_the_caller_has_not_named(engine: Engine, context: RequestContext) -> None:
    """An id or a file leads to a Dag whose name a stranger does not learn."""
    with serving(context):
        assert not ask_dag(person(engine, "vera"), "PUT", "RUN", "ops_sync")
    assert context.denial_reason == "There is no such Dag, or you may not see it."


def test_refusal_names_the_dag_of_the_body(engine: Engine) -> None:
    """A Dag that the body names is named."""
    with serving(facts_of("POST /api/v2/backfills", body={"dag_id": "ops_sync"})) as context:
        assert not ask_dag(person(engine, "vera"), "POST", "RUN", "ops_sync")
    assert context.denial_reason == "There is no Dag `ops_sync`, or you may not see it."


@pytest.mark.parametrize("held", [False, True])
def test_refusal_with_protected_tags(held: bool, dags: dict[str, set[str]]) -> None:
    """What is missing is told, and kept for the audit log, by the tags that count: a protected one elsewhere does not."""
    protected = engine_of(
        "protected_tags: [{deployment_id: dep, tag: ops, only_in: [{bundle: elsewhere, files: ['**']}]}]\n"
        "users:\n  - email: ana@example.com\n    dag_roles:\n"
        "      - {deployment_id: dep, dag_id: ops_sync, role: DAG_VIEWER}\n"
        f"      - {{deployment_id: dep, tag: {'finance' if held else 'ops'}, role: DAG_AUTHOR}}\n"
    )
    with serving(facts_of("DELETE /api/v2/dags/{dag_id}", path={"dag_id": "ops_sync"})) as context:
        assert not ask_dag(person(protected, "ana"), "DELETE", None, "ops_sync")
    assert context.denial_reason == "Missing permission `dag.airflow.dag.delete` on Dag `ops_sync`."
    assert names(context.denial.missing) == ("dag.delete",)


def test_refusal_of_another_dag_of_the_file(dags: dict[str, set[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an answer concerns several Dags, what is missing is told of the one on which it is missing."""
    two = route_rules.Corrected("fin_daily", mask("dag.get", "dag.update"), also=frozenset({"ops_sync"}))
    monkeypatch.setattr(route_rules.RouteRule, "correct", lambda *_args, **_kwargs: two)
    author = engine_of(
        "users:\n  - email: art@example.com\n    dag_roles:\n"
        "      - {deployment_id: dep, dag_id: fin_daily, role: DAG_AUTHOR}\n"
        "      - {deployment_id: dep, dag_id: ops_sync, role: DAG_VIEWER}\n"
    )
    with serving(facts_of("PUT /api/v2/parseDagFile/{file_token}")) as context:
        assert not ask_dag(person(author, "art"), "PUT", None, "fin_daily")
    assert context.denial_reason == "Missing permission `dag.airflow.dag.update` on Dag `ops_sync`."
    assert (context.denial.dag.id, names(context.denial.missing)) == ("ops_sync", ("dag.update",))


def test_refusal_names_only_what_is_missing(engine: Engine) -> None:
    """A permission that is held on the Dag is not told as missing."""
    route = facts_of("POST /api/v2/backfills", body={"dag_id": "fin_daily", "reprocess_behavior": "completed"})
    with serving(route) as context:
        assert not ask_dag(person(engine, "half"), "POST", "RUN", "fin_daily")
    assert context.denial_reason == "Missing permission `dag.airflow.dagRun.update` on Dag `fin_daily`."


@pytest.mark.parametrize("route", ["GET /somewhere", "POST /api/v2/dags/{dag_id}/dagRuns/list"])
def test_refused_read(engine: Engine, route: str) -> None:
    """A refused read keeps what Airflow says."""
    with serving(facts_of(route)) as context:
        assert not ask_dag(person(engine, "vera"), "GET", "RUN", "ops_sync")
        assert not ask(person(engine, "vera"), "variable", "GET")
    assert context.denial_reason == ""


def test_more_dags_than_a_statement_takes(statements: CountStatements) -> None:
    """However many Dags are asked for, it is one statement, and what comes back is what was asked for."""
    with statements() as sent:
        found = dag_lookup.read_dags({"fin_daily", *(f"dag{number}" for number in range(20_000))})
    assert {dag.id: dag.tags for dag in found.values()} == {"fin_daily": {"finance"}}
    assert len(sent) == 1
    assert dag_lookup.read_dags([]) == {}


def test_refused_batch_costs_as_little_as_an_allowed_one(
    engine: Engine, dags: Any, statements: CountStatements
) -> None:
    """A batch of many unknown Dags is one statement and one refusal, so that nobody can keep the server busy with it."""
    identity = person(engine, "vera")
    with statements() as sent:
        assert not ask_dags(identity, [("PUT", "RUN", f"d{number}") for number in range(5000)])
    assert len(sent) == 1
    with statements() as sent:
        assert not ask_dags(person(engine, "mel"), [("PUT", "RUN", f"d{number}") for number in range(5000)])
    assert len(sent) <= 2
