"""Questions about Dags, against a real metadata database."""

from __future__ import annotations

from typing import Any

import pytest

from astro_auth_plugin.airflow_bridge import decide
from astro_auth_plugin.airflow_bridge.identity import AstroIdentity
from astro_auth_plugin.rbac.engine import Engine
from tests.in_request import person

EVERY = {"fin_daily", "fin_report", "ops_sync", "FIN_DAILY", "untagged"}

pytestmark = pytest.mark.usefixtures("dags")


def readable(identity: AstroIdentity) -> set[str]:
    return decide.readable_dag_ids(identity, "GET")


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
    assert decide.dag(person(engine, name), method, entity, dag_id) is allowed


@pytest.mark.parametrize("dag_id", ["no_such_dag", "", "~"])
@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize(
    ("name", "allowed"), [("olga", True), ("vera", False), ("gone", False), ("tilde", False), ("nobody", False)]
)
def test_dags_that_nobody_has(engine: Engine, name: str, method: str, dag_id: str, allowed: bool) -> None:
    """A Dag that is not there, `''` and `~` are open to Deployment-wide holders only, whatever is granted."""
    assert decide.dag(person(engine, name), method, None, dag_id) is allowed
    assert decide.dags(person(engine, name), [(method, None, dag_id)]) is allowed


def test_outside_of_everything(engine: Engine) -> None:
    """Somebody without a subject holds nothing."""
    nobody = AstroIdentity(id=3, username="olga", email="olga@example.com", subject="", engine=engine)
    assert not decide.dag(nobody, "GET", None, "fin_daily")
    assert not decide.dag(nobody, "GET", None, None)
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
    assert decide.filter_dag_ids(person(engine, name), "GET", [*EVERY, "no_such_dag", "", "~"]) == dag_ids


@pytest.mark.parametrize(
    ("name", "asked", "dag_ids"),
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
def test_list_is_narrowed(engine: Engine, name: str, asked: list[tuple[str, str | None]], dag_ids: set[str]) -> None:
    """A list has only the Dags on which all that the request was asked about is held."""
    identity = person(engine, name)
    for method, entity in asked:
        decide.dag(identity, method, entity, None)
    assert readable(identity) == dag_ids
    assert decide.filter_dag_ids(identity, "GET", EVERY) == dag_ids


def test_narrowing_counts_questions_about_one_dag(engine: Engine) -> None:
    """A question that named a Dag narrows the list as one that named none."""
    identity = person(engine, "mix")
    assert decide.dag(identity, "GET", "XCOM", "ops_sync")
    assert readable(identity) == {"ops_sync"}


def test_narrowing_ends_with_the_request(engine: Engine) -> None:
    """What one request was asked about does not narrow another's list."""
    decide.dag(person(engine, "mix"), "GET", "XCOM", None)
    assert readable(person(engine, "mix")) == {"fin_daily", "ops_sync"}


def test_narrowing_by_objects_and_views(engine: Engine) -> None:
    """Assets and import errors narrow the list of Dags, too."""
    identity = person(engine, "half")
    assert readable(identity) == EVERY
    decide.asset(identity, "asset", "GET")
    assert readable(identity) == set()
    identity = person(engine, "half")
    decide.view(identity, "IMPORT_ERRORS")
    assert readable(identity) == set()


def test_editable_dags(engine: Engine) -> None:
    """The list for a method has the Dags on which that method is held."""
    assert decide.readable_dag_ids(person(engine, "art"), "PUT") == {"fin_daily"}
    assert decide.readable_dag_ids(person(engine, "art"), "DELETE") == {"fin_daily"}
    assert decide.readable_dag_ids(person(engine, "vera"), "PUT") == set()
    assert decide.readable_dag_ids(person(engine, "olga"), "PATCH") == set()


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
    assert decide.dag(person(engine, name), "GET", entity, None) is allowed


def test_writes_of_no_dag(engine: Engine) -> None:
    """Writes that name no Dag are for Deployment-wide holders."""
    for method, entity in [("PUT", None), ("DELETE", None), ("POST", "RUN"), ("PUT", "TASK_INSTANCE")]:
        assert not decide.dag(person(engine, "art"), method, entity, None)
        assert decide.dag(person(engine, "olga"), method, entity, None)


# -- batches -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "asked", "allowed"),
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
def test_batch(engine: Engine, name: str, asked: list[Any], allowed: bool) -> None:
    """A batch is allowed when every item is; an empty one to whoever sees some Dag."""
    assert decide.dags(person(engine, name), asked) is allowed


def test_refused_batch_was_asked_whole(engine: Engine) -> None:
    """Every item of a batch narrows the list, also those behind the first refusal."""
    identity = person(engine, "mix")
    assert not decide.dags(identity, [("PUT", None, "ops_sync"), ("GET", "XCOM", "ops_sync")])
    identity.asked &= ~decide.mask("dag.update")
    assert readable(identity) == {"ops_sync"}
