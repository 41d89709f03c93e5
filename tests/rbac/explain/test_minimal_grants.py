"""The smallest grant that makes a yes of a no."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings

from astro_auth_plugin.rbac.engine.engine import Dag, Engine
from astro_auth_plugin.rbac.explain import minimal_grants
from astro_auth_plugin.rbac.explain.answers import Answerer
from astro_auth_plugin.rbac.explain.questions import of_action
from astro_auth_plugin.rbac.model.permissions import names
from astro_auth_plugin.rbac.model.roles import BUILT_IN
from tests.in_request import engine_of as compiled
from tests.rbac.explain.test_answers import NOW, questions_of
from tests.rbac.explain.test_questions import request
from tests.rbac.helpers import checked, engine_of, everybody, places, real
from tests.strategies import DEPLOYMENTS, Case, cases

POLICY = """
roles:
  - {name: runner, scope: DAG, permissions: [dag.airflow.dag.get, dag.airflow.dagRun.create]}
  - {name: elsewhere, scope: DAG, restricted_workspace_ids: [ws-other], permissions: [dag.airflow.dag.get, dag.airflow.dag.update]}
  - {name: nowhere, scope: DAG, restricted_workspace_ids: [], permissions: [dag.airflow.dag.get, dag.airflow.dag.delete]}
  - {name: here, scope: DEPLOYMENT, restricted_workspace_ids: [ws], permissions: [deployment.airflow.pool.update]}
teams: [{name: t, members: [tim@example.com]}]
users: [{email: ana@example.com, dag_roles: [{deployment_id: dep, tag: fin, role: runner}]}]
api_tokens:
  - {id: ci, name: ci, secret_sha256: "0000000000000000000000000000000000000000000000000000000000000000", expires_at: never}
"""
SALES = Dag("sales", frozenset())


def advised(
    who: str, words: str, dag: Dag | None = None
) -> tuple[list[tuple[str, str]], minimal_grants.Addition | None]:
    """Return the roles with their places, and what to add."""
    engine = compiled(POLICY)
    name, _, one = words.partition(" ")
    question = request(words) if "/" in words else of_action(name, dag.id if dag else one or None)
    assert question is not None
    found = minimal_grants.smallest(engine, Answerer(engine, NOW).ask(who, question, dag))
    return [(one.role, str(one.scope)) for one in found], minimal_grants.addition(engine, who, found)


@pytest.mark.parametrize(
    ("words", "dag", "expected"),
    [
        ("trigger", SALES, [("runner", "Dag `sales`")]),
        ("see-xcom", SALES, [("DAG_VIEWER", "Dag `sales`")]),
        ("pause", SALES, [("DAG_AUTHOR", "Dag `sales`")]),
        ("delete", SALES, [("DAG_AUTHOR", "Dag `sales`")]),
        ("edit-xcom", SALES, [("DEPLOYMENT_ADMIN", "Deployment `dep`")]),
        ("see-jobs", None, [("WORKSPACE_MEMBER", "Workspace `ws`")]),
        ("open", None, [("DEPLOYMENT_ACCESSOR", "Deployment `dep`")]),
        ("pool.update", None, [("here", "Deployment `dep`")]),
        ("see-variable x", None, [("OBJECT_VIEWER", "Variable `x`")]),
        ("edit-pool x", None, [("OBJECT_ADMIN", "pool `x`")]),
        ("pool.update x", None, [("OBJECT_EDITOR", "pool `x`")]),
        ("DELETE /api/v2/connections/x", None, [("OBJECT_ADMIN", "connection `x`")]),
        ("GET /api/v2/connections", None, []),
        ("POST /api/v2/connections", None, []),
        ("edit-connection", None, [("DEPLOYMENT_ADMIN", "Deployment `dep`")]),
        (
            "DELETE /api/v2/dags/sales/assets/queuedEvents",
            SALES,
            [("DEPLOYMENT_ADMIN", "Deployment `dep`"), ("DAG_AUTHOR", "Dag `sales`")],
        ),
        ("GET /api/v2/dags/sales/dagRuns/r/upstreamAssetEvents", SALES, [("WORKSPACE_MEMBER", "Workspace `ws`")]),
        ("GET /api/v2/dags", None, []),
        ("GET /auth/fab/v1/roles", None, []),
        ("deployment.update", None, []),
    ],
)
def test_role(words: str, dag: Dag | None, expected: list[tuple[str, str]]) -> None:
    """The role has the least besides what is asked for, in the narrowest place, and may be given here."""
    assert advised("nobody@example.com", words, dag)[0] == expected


@pytest.mark.parametrize(
    ("who", "words", "expected"),
    [
        (
            "ana@example.com",
            "trigger",
            (("users", 0), {"dag_roles": [{"deployment_id": "dep", "dag_id": "sales", "role": "runner"}]}, False),
        ),
        (
            "tim@example.com",
            "trigger",
            (
                ("users",),
                {
                    "email": "tim@example.com",
                    "dag_roles": [{"deployment_id": "dep", "dag_id": "sales", "role": "runner"}],
                },
                True,
            ),
        ),
        (
            "token:ci",
            "trigger",
            (
                ("api_tokens", 0),
                {
                    "roles": [
                        {"role": "runner", "entity_type": "DAG", "entity_id": "sales", "deployment_id": "dep"},
                    ]
                },
                False,
            ),
        ),
        (
            "token:ci",
            "edit-xcom",
            (
                ("api_tokens", 0),
                {"roles": [{"role": "DEPLOYMENT_ADMIN", "entity_type": "DEPLOYMENT", "entity_id": "dep"}]},
                False,
            ),
        ),
        ("token:none", "trigger", None),
    ],
)
def test_addition(who: str, words: str, expected: tuple[Any, ...] | None) -> None:
    """What to write is told for the entry that is there, or as a new entry; a token cannot be made up."""
    assert advised(who, words, SALES)[1] == expected


def test_nothing_to_advise() -> None:
    """What is allowed needs no grant."""
    engine = compiled(POLICY)
    question = of_action("trigger", "sales")
    assert question is not None
    answer = Answerer(engine, NOW).ask("ana@example.com", question, Dag("sales", frozenset({"fin"})))
    assert answer.verdict == "yes"
    assert minimal_grants.smallest(engine, answer) == ()


def test_groups_are_held() -> None:
    """What somebody holds through a group is neither advised nor told as given besides."""
    teams = "teams: [{name: t, idp_groups: [g], dag_roles: [{deployment_id: dep, tag: fin, role: DAG_VIEWER}]}]\n"
    engine = compiled(teams)
    question = of_action("edit-xcom", "sales")
    assert question is not None
    extra = []
    for groups in (frozenset[str](), frozenset(["g"])):
        answer = Answerer(engine, NOW).ask("ana@example.com", question, Dag("sales", frozenset({"fin"})), groups=groups)
        (one,) = minimal_grants.smallest(engine, answer)
        extra.append(set(names(one.extra)))
    viewer = set(names(BUILT_IN["DAG_VIEWER"].permissions)) - {"dag.get"}
    assert extra[0] - extra[1] >= viewer
    assert not extra[1] & viewer


def written(values: dict[str, Any], addition: minimal_grants.Addition) -> dict[str, Any]:
    """Return the values of a policy with an addition in them."""
    values = copy.deepcopy(values)
    if addition.new:
        values["users"].append(addition.entry)
        return values
    key, index = addition.path
    for name, grants in addition.entry.items():
        values[key][index].setdefault(name, []).extend(grants)
    return values


@given(cases())
@settings(checked, max_examples=40)
def test_advice_works(case: Case) -> None:
    """Whoever pastes what is advised has a valid policy in which the answer is yes; no role with less would do."""
    engine = engine_of(case.values, case.deployment_id)
    asking = Answerer(engine, NOW)
    for dag in places(case):
        for question in questions_of(case, dag)[:4]:
            here = real(dag) if question.where == "Dag" else None
            for subject in everybody(case.values):
                answer = asking.ask(subject, question, here, groups=case.groups)
                found = minimal_grants.smallest(engine, answer)
                assert bool(found) == (answer.verdict == "no")
                addition = minimal_grants.addition(engine, subject, found)
                if not found or addition is None:
                    continue
                after = engine_of(written(case.values, addition), case.deployment_id)
                assert Answerer(after, NOW).ask(subject, question, here, groups=case.groups).verdict == "yes"
                assert not any(BUILT_IN[one.role].today for one in found if one.role in BUILT_IN)
                if len(found) == 1 and found[0].scope.kind == "Dag":
                    assert_least(engine, case, found[0], answer.cases[0].missing)


def assert_least(engine: Engine, case: Case, found: minimal_grants.Advice, missing: int) -> None:
    """See that no Dag role that may be given here gives less besides."""
    workspace_id = DEPLOYMENTS[case.deployment_id]
    usable = [role.name for role in BUILT_IN.values() if role.level == "DAG"] + [
        role["name"]
        for role in case.values["roles"]
        if role["scope"] == "DAG" and workspace_id in role.get("restricted_workspace_ids", [workspace_id])
    ]
    assert found.role in usable
    requested = engine.permissions_of(found.role) & ~found.extra
    for role in usable:
        permissions = engine.permissions_of(role)
        if not missing & ~permissions:
            assert len(names(permissions & ~requested)) >= len(names(found.extra))
