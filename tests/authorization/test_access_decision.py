"""What a decision says, and what it costs to say it."""

from __future__ import annotations

import pytest

from astro_auth_plugin.authorization import authorizer
from astro_auth_plugin.authorization.access_decision import ALLOWED, DENIED, denied
from astro_auth_plugin.authorization.access_request import AccessRequest
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.permissions import mask, names
from tests.conftest import CountStatements
from tests.in_request import facts_of, person, serving

pytestmark = pytest.mark.usefixtures("dags")


def test_allowed(engine: Engine) -> None:
    """What is allowed lacks nothing, and is always the same decision."""
    decision = authorizer.authorize(person(engine, "olga"), AccessRequest("GET", "dag", "RUN", "fin_daily"))
    assert decision is ALLOWED
    assert (decision.allowed, decision.missing, decision.dag_id, decision.reason) == (True, 0, None, "")


def test_denied_on_a_dag(engine: Engine) -> None:
    """A denial names the permissions that are missing, and the Dag."""
    decision = authorizer.authorize(person(engine, "vera"), AccessRequest("PUT", "dag", "RUN", "fin_daily"))
    assert not decision.allowed
    assert (names(decision.missing), decision.dag_id) == (("dagRun.update",), "fin_daily")
    assert decision.dag is not None
    assert decision.reason == "Missing permission `dag.airflow.dagRun.update` on Dag `fin_daily`."


def test_denied_in_the_deployment(engine: Engine) -> None:
    """Or the Deployment, where it is about no Dag."""
    decision = authorizer.authorize(person(engine, "vera"), AccessRequest("GET", "connection", resource_id="c"))
    assert (names(decision.missing), decision.dag_id, decision.dag) == (("connection.get",), None, None)
    assert decision.reason == "Missing permission `deployment.airflow.connection.get` in this Deployment."


def test_unknown_requests_have_no_reason(engine: Engine) -> None:
    """Of a request that nobody has decided on nothing is said."""
    decision = authorizer.authorize(person(engine, "olga"), AccessRequest("FETCH", "dag", "", "fin_daily"))
    assert decision is DENIED
    assert (decision.missing, decision.reason) == (0, "")


def test_a_denial_costs_no_statement_until_it_is_read(engine: Engine, statements: CountStatements) -> None:
    """A Dag is looked up for the reason only when somebody reads it, and once."""
    with statements() as sent:
        decision = authorizer.authorize(person(engine, "vera"), AccessRequest("PUT", "dag", "RUN", "fin_daily"))
        assert sent == []
        assert decision.reason == decision.reason
        assert decision.missing
    assert len(sent) == 1


def test_a_denial_in_a_request_is_worked_out_in_the_hook(engine: Engine, statements: CountStatements) -> None:
    """What goes into the answer or the audit log is worked out in the hook, so that nothing waits for it later."""
    with serving(facts_of("PATCH /api/v2/dags/{dag_id}", path={"dag_id": "fin_daily"})) as context:
        authorizer.authorize(person(engine, "vera"), AccessRequest("PUT", "dag", "", "fin_daily"))
    with statements() as sent:
        assert context.denial is context.denied_write
        assert context.denial_reason == "Missing permission `dag.airflow.dag.update` on Dag `fin_daily`."
        assert names(context.denial.missing) == ("dag.update",)
    assert sent == []


@pytest.mark.parametrize("who", ["art", "mix", "nobody"])
def test_hidden_and_missing_dags_have_one_reason(engine: Engine, who: str) -> None:
    """A denial on a Dag that may not be seen does not say whether it exists, also where `dag.get` is not required."""
    reasons = set()
    for dag_id in ("fin_report", "no_such_dag"):
        with serving(facts_of("GET /api/v2/dags/{dag_id}", path={"dag_id": dag_id})):
            decision = denied(person(engine, who), mask("datasets.get"), dag_id)
            reasons.add(decision.reason.replace(dag_id, "x"))
    assert reasons == {"There is no Dag `x`, or you may not see it."}
