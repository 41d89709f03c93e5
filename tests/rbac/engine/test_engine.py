"""What the engine says besides yes and no: reasons, places, and who there is."""

from __future__ import annotations

import pytest

from astro_auth_plugin.rbac.engine.engine import Clause, Dag, Engine
from astro_auth_plugin.rbac.model.errors import AccessModelError, UnknownDeployment
from astro_auth_plugin.rbac.model.permissions import EVERYTHING, mask, names
from astro_auth_plugin.rbac.model.scopes import DagFile
from astro_auth_plugin.rbac.policy import loader
from tests.rbac.helpers import AT

NAMES = ("dag.get", "dag.delete", "xcom.get")

POLICY = b"""\
version: 1
organization_id: org
workspaces:
  - id: ws
deployments:
  - {id: dep, workspace_id: ws}
  - {id: other, workspace_id: ws}
teams:
  - name: data-eng
    members: [ana@example.com, Bo@example.com]
    dag_roles:
      - {deployment_id: other, tag: shop, role: DAG_AUTHOR}
      - {deployment_id: dep, tag: finance, role: DAG_AUTHOR}
users:
  - email: Ana@example.com
    workspace_roles:
      - {workspace_id: ws, role: WORKSPACE_MEMBER}
    dag_roles:
      - {deployment_id: dep, dag_id: orders, role: DAG_VIEWER}
api_tokens:
  - id: tok0ci
    name: ci
    secret_sha256: "0000000000000000000000000000000000000000000000000000000000000001"
    expires_at: never
    roles:
      - {role: DAG_VIEWER, entity_type: DAG, entity_id: orders, deployment_id: dep}
"""
LEDGER = Dag("ledger", frozenset(["finance"]))
ORDERS = Dag("orders", frozenset())


@pytest.fixture
def engine() -> Engine:
    """Return an engine that knows the line of every grant."""
    found = loader.load(POLICY)
    assert found.policy is not None, [str(problem) for problem in found.errors]
    return Engine(found.policy, "dep", AT)


def test_unknown_deployment(engine: Engine) -> None:
    """An engine for a Deployment that the policy does not list is refused, by name."""
    with pytest.raises(UnknownDeployment, match="`Dep`") as caught:
        Engine(engine.policy, "Dep", AT)
    assert isinstance(caught.value, AccessModelError)


def test_grants_say_where_they_stand(engine: Engine) -> None:
    """Each grant that decides carries its path in the document and its line in the file."""
    decision = engine.check("ana@example.com", mask("dag.get"), Dag("orders", frozenset(["finance"])))
    assert {(grant.role, grant.path, grant.line) for grant in decision.grants} == {
        ("WORKSPACE_MEMBER", "users[0].workspace_roles[0]", 17),
        ("DAG_VIEWER", "users[0].dag_roles[0]", 19),
        ("DAG_AUTHOR", "teams[0].dag_roles[1]", 13),
    }


def test_accessor_stands_where_the_dag_role_does(engine: Engine) -> None:
    """Deployment Accessor, which nobody wrote down, points to the first Dag role that brings it."""
    (grant,) = engine.check("bo@example.com", mask("website.get")).grants
    assert (grant.role, grant.path, grant.line) == ("DEPLOYMENT_ACCESSOR", "teams[0].dag_roles[1]", 13)


def test_tokens_grant_says_where_it_stands(engine: Engine) -> None:
    """A token's grants carry their place as people's do."""
    (grant,) = engine.check("token:tok0ci", mask("xcom.get"), ORDERS).grants
    assert (grant.role, grant.path, grant.line) == ("DAG_VIEWER", "api_tokens[0].roles[0]", 26)


def test_grant_without_a_file_has_no_line() -> None:
    """A policy that was never text gives the path of each grant, and line 0."""
    values = {
        "version": 1,
        "organization_id": "org",
        "workspaces": [{"id": "ws"}],
        "deployments": [{"id": "dep", "workspace_id": "ws"}],
        "users": [{"email": "olga@example.com", "organization_role": "ORGANIZATION_OWNER"}],
    }
    owned = loader.from_values(values).policy
    assert owned is not None
    (grant,) = Engine(owned, "dep", AT).check("olga@example.com", EVERYTHING).grants
    assert (grant.path, grant.line) == ("users[0].organization_role", 0)
    assert str(grant) == "role `ORGANIZATION_OWNER` given to user `olga@example.com` on the Organization"


def test_reason_of_a_yes_names_every_grant_that_helps(engine: Engine) -> None:
    """A yes names the grants that give a required permission, the person's own first, and no others."""
    decision = engine.check("ana@example.com", mask("taskLog.get"), Dag("orders", frozenset(["finance"])))
    assert decision.reason == (
        "allowed by role `WORKSPACE_MEMBER` given to user `Ana@example.com` on Workspace `ws`; "
        "role `DAG_VIEWER` given to user `Ana@example.com` on Dag `orders`; "
        "role `DAG_AUTHOR` given to Team `data-eng` on tag `finance`"
    )
    assert len(decision.grants) == 3
    (only,) = engine.check("ana@example.com", mask("dag.delete"), LEDGER).grants[1:]
    assert only.role == "DAG_AUTHOR"


def test_reason_of_a_no_names_all_that_is_missing(engine: Engine) -> None:
    """A no names each missing permission by its Dag word and the Dag, or by its Deployment word."""
    on_dag = engine.check("bo@example.com", mask("dagRun.create", "xcom.get"), ORDERS)
    assert on_dag.reason == (
        "no grant gives `dag.airflow.dag.get`, `dag.airflow.dagRun.create`, `dag.airflow.xcom.get` on Dag `orders`"
    )
    deployment_wide = engine.check("bo@example.com", mask("pool.create"))
    assert deployment_wide.reason == "no grant gives `deployment.airflow.pool.create`"


def test_reason_names_what_no_dag_role_can_give(engine: Engine) -> None:
    """What is only known in the whole Deployment is named by its Deployment word, on a Dag too."""
    decision = engine.check("bo@example.com", mask("variable.get"), LEDGER)
    assert decision.reason == "no grant gives `deployment.airflow.variable.get` on Dag `ledger`"


def test_grants_of_a_no_are_those_that_give_a_part(engine: Engine) -> None:
    """A no still tells which grants give a part of what is required."""
    decision = engine.check("ana@example.com", mask("dagRun.create"), ORDERS)
    assert not decision.allowed
    assert [grant.role for grant in decision.grants] == ["WORKSPACE_MEMBER", "DAG_VIEWER"]
    assert names(decision.missing) == ("dagRun.create",)


def test_required_on_a_dag_is_more(engine: Engine) -> None:
    """A question about a Dag requires to see the Dag besides; one about the Deployment requires what it says."""
    assert names(engine.check("x", mask("xcom.get"), ORDERS).required) == ("dag.get", "xcom.get")
    assert names(engine.check("x", mask("xcom.get")).required) == ("xcom.get",)


@pytest.mark.parametrize("protection", [b"", b"protected_tags: [{deployment_id: dep, tag: finance, only_in: []}]\n"])
def test_short_answer_is_that_of_a_check(protection: bytes) -> None:
    """The answer without reasons is the same, on Dags whose tags do not count, too."""
    found = loader.load(POLICY + protection)
    assert found.policy is not None, [str(problem) for problem in found.errors]
    engine = Engine(found.policy, "dep", AT)
    dags = [LEDGER, ORDERS, LEDGER._replace(file=DagFile("b", "p.py"))]
    asked = [(subject, mask(name), dag) for subject in ("ana@example.com", "x") for name in NAMES for dag in dags]
    answers = [engine.allows(engine.access(subject), required, dag) for subject, required, dag in asked]
    assert answers == [engine.check(*each).allowed for each in asked]
    assert set(answers) == {True, False}
    assert engine.allows(engine.access("ana@example.com"), mask("dagRun.create"), dags[-1]) is not bool(protection)


def test_decision_can_be_read_in_a_log(engine: Engine) -> None:
    """A decision shows who was asked about, the answer and the reason."""
    assert repr(engine.check("bo@example.com", mask("job.get"))) == (
        "<Decision bo@example.com: no, no grant gives `deployment.airflow.job.get`>"
    )
    assert repr(engine.check("bo@example.com", mask("docs.get"))) == (
        "<Decision bo@example.com: yes, allowed by role `DEPLOYMENT_ACCESSOR` given to Team `data-eng`"
        " on Deployment `dep`>"
    )


def test_subjects_are_all_that_the_policy_names(engine: Engine) -> None:
    """Users, members of Teams and tokens are subjects, each person once."""
    assert sorted(engine.subjects()) == ["ana@example.com", "bo@example.com", "token:tok0ci"]


def test_selection_tells_tags_and_ids(engine: Engine) -> None:
    """A selection names the tags and ids through which Dags are selected, so that one query can find them."""
    (clause,) = engine.allowed_dags("ana@example.com", mask("xcom.get")).clauses
    assert clause == Clause(frozenset(["finance"]), frozenset(["orders"]))


def test_strangers_do_not_fill_the_memory(engine: Engine) -> None:
    """Asking for many people whom the policy does not name leaves nothing behind in the engine."""
    engine.check("ana@example.com", mask("dag.get"))
    known = len(engine._compiled)
    for number in range(100):
        engine.check(f"stranger{number}@example.com", mask("dag.get"), LEDGER)
    assert len(engine._compiled) == known == 1


def test_nothing_asked_is_not_allowed() -> None:
    """Whoever requires nothing has asked nothing, and gets no yes, whatever they hold."""
    found = loader.from_values(
        {
            "version": 1,
            "organization_id": "o",
            "workspaces": [{"id": "w"}],
            "deployments": [{"id": "d", "workspace_id": "w"}],
            "users": [{"email": "olga@example.com", "organization_role": "ORGANIZATION_OWNER"}],
        }
    )
    assert found.policy is not None
    engine = Engine(found.policy, "d", AT)
    decision = engine.check("olga@example.com", 0)
    assert not decision.allowed
    assert decision.reason == "no permission was requested"
    assert not engine.holds_anywhere("olga@example.com", 0)
