"""Questions about Dags, against a real metadata database."""

from __future__ import annotations

from typing import Any

import pytest

from astro_auth_plugin.authorization import dag_access
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.permissions import mask
from astro_auth_plugin.runtime.identity import AstroIdentity
from tests.in_request import ask, ask_dag, ask_dags, ask_view, engine_of, facts_of, person, serving

EVERY = {"fin_daily", "fin_report", "ops_sync", "FIN_DAILY", "untagged"}

pytestmark = pytest.mark.usefixtures("dags")


def readable(identity: AstroIdentity) -> set[str]:
    return dag_access.readable_dag_ids(identity, "GET")


# -- one Dag -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "method", "entity", "dag_id", "allowed"),
    [
        ("vera", "GET", None, "fin_daily", True),
        ("vera", "GET", "XCOM", "fin_report", True),
        ("vera", "POST", "RUN", "fin_daily", False),
        ("vera", "GET", None, "ops_sync", False),
        ("vera", "GET", None, "FIN_DAILY", False),
        ("vera", "GET", None, "fin_daily ", False),
        ("art", "PUT", None, "fin_daily", True),
        ("art", "PUT", None, "ops_sync", False),
        ("art", "GET", None, "ops_sync", True),
        ("art", "GET", "RUN", "ops_sync", False),
        ("art", "PUT", "HITL_DETAIL", "fin_daily", True),
        ("art", "POST", "XCOM", "fin_daily", False),
        ("mix", "POST", "RUN", "fin_daily", True),
        ("mix", "PUT", None, "fin_daily", False),
        ("mix", "POST", "RUN", "ops_sync", False),
        ("blind", "GET", "XCOM", "fin_daily", False),
        ("blind", "POST", "RUN", "fin_daily", False),
        ("elsewhere", "GET", None, "fin_daily", False),
        ("nobody", "GET", None, "fin_daily", False),
        ("mel", "GET", "RUN", "untagged", True),
        ("mel", "GET", "XCOM", "untagged", False),
    ],
)
def test_one_dag(engine: Engine, name: str, method: str, entity: str | None, dag_id: str, allowed: bool) -> None:
    """A question about a Dag needs the entity's permission and `dag.get`, both on that Dag."""
    assert ask_dag(person(engine, name), method, entity, dag_id) is allowed


@pytest.mark.parametrize("dag_id", ["no_such_dag", "", "~"])
@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize(
    ("name", "allowed"), [("olga", True), ("vera", False), ("gone", False), ("tilde", False), ("nobody", False)]
)
def test_dags_that_nobody_has(engine: Engine, name: str, method: str, dag_id: str, allowed: bool) -> None:
    """A Dag that is not there, `''` and `~` are open to Deployment-wide holders only, whatever is granted."""
    assert ask_dag(person(engine, name), method, None, dag_id) is allowed
    assert ask_dags(person(engine, name), [(method, None, dag_id)]) is allowed


def test_outside_of_everything(engine: Engine) -> None:
    """Somebody without a subject holds nothing."""
    nobody = AstroIdentity(id=3, username="olga", email="olga@example.com", subject="", engine=engine)
    assert not ask_dag(nobody, "GET", None, "fin_daily")
    assert not ask_dag(nobody, "GET", None, None)
    assert readable(nobody) == set()


# -- no Dag in particular ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "dag_ids"),
    [
        ("olga", EVERY),
        ("mel", EVERY),
        ("vera", {"fin_daily", "fin_report"}),
        ("art", {"fin_daily", "ops_sync"}),
        ("mix", {"fin_daily", "ops_sync"}),
        ("blind", set()),
        ("gone", set()),
        ("tilde", set()),
        ("elsewhere", set()),
        ("nobody", set()),
    ],
)
def test_list(engine: Engine, name: str, dag_ids: set[str]) -> None:
    """The list has exactly the Dags that may be seen, and filtering picks the same."""
    assert readable(person(engine, name)) == dag_ids
    assert dag_access.filter_dag_ids(person(engine, name), "GET", [*EVERY, "no_such_dag", "", "~"]) == dag_ids


@pytest.mark.parametrize(
    ("name", "requested", "dag_ids"),
    [
        ("mix", [("GET", "RUN")], {"fin_daily", "ops_sync"}),
        ("mix", [("GET", "XCOM")], {"ops_sync"}),
        ("mix", [("GET", "RUN"), ("GET", "TASK_INSTANCE")], {"ops_sync"}),
        ("mix", [("POST", "RUN")], {"fin_daily"}),
        ("mix", [("POST", "RUN"), ("GET", "XCOM")], set()),
        ("art", [("GET", "RUN")], {"fin_daily"}),
        ("art", [("GET", None)], {"fin_daily", "ops_sync"}),
        ("mel", [("GET", "XCOM")], set()),
        ("mel", [("GET", "RUN"), ("GET", "TASK_LOGS")], EVERY),
    ],
)
def test_list_is_narrowed(
    engine: Engine, name: str, requested: list[tuple[str, str | None]], dag_ids: set[str]
) -> None:
    """A list has only the Dags on which all that the request was asked about is held."""
    identity = person(engine, name)
    for method, entity in requested:
        ask_dag(identity, method, entity, None)
    assert readable(identity) == dag_ids
    assert dag_access.filter_dag_ids(identity, "GET", EVERY) == dag_ids


def test_narrowing_counts_questions_about_one_dag(engine: Engine) -> None:
    """A question that named a Dag narrows the list as one that named none."""
    identity = person(engine, "mix")
    assert ask_dag(identity, "GET", "XCOM", "ops_sync")
    assert readable(identity) == {"ops_sync"}


def test_narrowing_ends_with_the_request(engine: Engine) -> None:
    """What one request was asked about does not narrow another's list."""
    ask_dag(person(engine, "mix"), "GET", "XCOM", None)
    assert readable(person(engine, "mix")) == {"fin_daily", "ops_sync"}


def test_narrowing_by_objects_and_views(engine: Engine) -> None:
    """Assets and import errors narrow the list of Dags, too."""
    identity = person(engine, "half")
    assert readable(identity) == EVERY
    ask(identity, "asset", "GET")
    assert readable(identity) == set()
    identity = person(engine, "half")
    ask_view(identity, "IMPORT_ERRORS")
    assert readable(identity) == set()


def test_editable_dags(engine: Engine) -> None:
    """The list for a method has the Dags on which that method is held."""
    assert dag_access.readable_dag_ids(person(engine, "art"), "PUT") == {"fin_daily"}
    assert dag_access.readable_dag_ids(person(engine, "art"), "DELETE") == {"fin_daily"}
    assert dag_access.readable_dag_ids(person(engine, "vera"), "PUT") == set()
    assert dag_access.readable_dag_ids(person(engine, "olga"), "PATCH") == set()


@pytest.mark.parametrize(
    ("name", "entity", "allowed"),
    [
        ("vera", None, True),
        ("vera", "XCOM", True),
        ("art", "RUN", True),
        ("mel", "XCOM", True),
        ("vera", "AUDIT_LOG", False),
        ("mel", "AUDIT_LOG", False),
        ("olga", "AUDIT_LOG", True),
        ("blind", "XCOM", False),
        ("gone", None, True),
        ("nobody", None, False),
    ],
)
def test_reads_of_no_dag(engine: Engine, name: str, entity: str | None, allowed: bool) -> None:
    """Lists open for whoever may see some Dag, and the audit log only Deployment-wide."""
    assert ask_dag(person(engine, name), "GET", entity, None) is allowed


def test_writes_of_no_dag(engine: Engine) -> None:
    """Writes that name no Dag are for Deployment-wide holders."""
    for method, entity in [("PUT", None), ("DELETE", None), ("POST", "RUN"), ("PUT", "TASK_INSTANCE")]:
        assert not ask_dag(person(engine, "art"), method, entity, None)
        assert ask_dag(person(engine, "olga"), method, entity, None)


# -- batches -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "requested", "allowed"),
    [
        ("vera", [("GET", None, "fin_daily"), ("GET", "RUN", "fin_report")], True),
        ("vera", [("GET", None, "fin_daily"), ("GET", None, "ops_sync")], False),
        ("vera", [("GET", None, "fin_daily"), ("POST", "RUN", "fin_daily")], False),
        ("vera", [("GET", None, "fin_daily"), ("GET", None, "no_such_dag")], False),
        ("vera", [("GET", None, "fin_daily"), ("GET", None, "")], False),
        ("vera", [("GET", "RUN", None)], True),
        ("vera", [], True),
        ("olga", [], True),
        ("nobody", [], False),
        ("blind", [], False),
        ("olga", [("DELETE", None, "fin_daily"), ("PUT", None, "no_such_dag")], True),
        ("olga", [("GET", None, "fin_daily"), ("FETCH", None, "fin_daily")], False),
        ("mix", [("POST", "RUN", "fin_daily"), ("GET", "XCOM", "ops_sync")], True),
        ("mix", [("GET", "XCOM", "ops_sync"), ("GET", "XCOM", "fin_daily")], False),
    ],
)
def test_batch(engine: Engine, name: str, requested: list[Any], allowed: bool) -> None:
    """A batch is allowed when every item is; an empty one to whoever sees some Dag."""
    assert ask_dags(person(engine, name), requested) is allowed


def test_refused_batch_was_asked_whole(engine: Engine) -> None:
    """Every item of a batch narrows the list, also those behind the first refusal."""
    identity = person(engine, "mix")
    assert not ask_dags(identity, [("PUT", None, "ops_sync"), ("GET", "XCOM", "ops_sync")])
    identity.requested &= ~mask("dag.update")
    assert readable(identity) == {"ops_sync"}


API_CLIENT = {"authorization": "Bearer x"}


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda who: ask_dag(who, "GET", "TASK_LOGS", "x"), "There is no such Dag, or you may not see it."),
        (lambda who: ask_dag(who, "GET", None, None), "`deployment.airflow.dag.get` in this Deployment"),
        (lambda who: ask_dag(who, "GET", "AUDIT_LOG", None), "`deployment.airflow.auditLog.get`"),
        (lambda who: ask(who, "variable", "GET"), "`deployment.airflow.variable.get` in this Deployment"),
        (lambda who: ask(who, "asset", "GET"), "`deployment.airflow.datasets.get`"),
        (lambda who: ask_view(who, "JOBS"), "`deployment.airflow.job.get` in this Deployment"),
        (lambda who: ask_view(who, "IMPORT_ERRORS"), "`deployment.airflow.importError.get`"),
    ],
    ids=["a Dag", "Dags", "the audit log", "a Variable", "assets", "a view", "import errors"],
)
def test_refused_read_of_an_api_client(metadata_database: Any, ask: Any, words: str) -> None:
    """An API client is told what is missing for a read, and not whether a Dag exists; a browser is told nothing."""
    for headers, expected in ((API_CLIENT, words), ({**API_CLIENT, "cookie": "_token=x"}, ""), ({}, "")):
        with serving(facts_of("GET /api/v2/x", headers=headers)) as context:
            assert not ask(person(engine_of(""), "nobody"))
            assert expected in context.denial_reason
            assert bool(context.denial_reason) is bool(expected)
            assert context.denied_write is None
