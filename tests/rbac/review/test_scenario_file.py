"""Scenario files: what is wrong with them, and what comes of them."""

from __future__ import annotations

import pytest
import yaml

from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.scopes import Dag, DagFile
from astro_auth_plugin.rbac.policy import loader
from astro_auth_plugin.rbac.review import scenario_file
from astro_auth_plugin.rbac.review.scenario_file import CaseFile
from astro_auth_plugin.rbac.review.scenario_results import Result, refusal, results
from tests.rbac.helpers import AT

POLICY = """\
policy:
  version: 1
  organization_id: org
  workspaces: [{id: ws}]
  deployments: [{id: dep, workspace_id: ws}]
  users:
    - {email: Ana@b, dag_roles: [{deployment_id: dep, tag: sales, role: DAG_VIEWER}]}
  api_tokens:
    - {id: ci, name: ci, secret_sha256: "%s", expires_at: never, roles: [{role: DAG_AUTHOR, entity_type: DAG, entity_id: orders, deployment_id: dep}]}
dags: {orders: [sales], ledger: []}
""" % ("0" * 64)
GOOD = POLICY + "answers: [{who: ana@b, may: dag.get, dag: orders}]\n"


def read(text: str) -> CaseFile:
    case, problems = scenario_file.read(text.encode())
    assert case, problems
    return case


def run(text: str) -> list[Result]:
    case = read(POLICY + text)
    in_file = case.policy_text()
    assert in_file
    good = loader.from_text(in_file).policy
    assert good
    dags = [Dag(name, frozenset(tags)) for name, tags in case.document.dags.items()]
    return list(results(case, Engine(good, "dep", AT), dags))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[", "2:1: not valid YAML: did not find expected node content"),
        ("just text", "1:1: expected a mapping with `policy` and `answers`, found text"),
        ("answers: [{who: a@b, may: dag.get}]", "1:1: the key `policy` is missing"),
        (
            "policy: 1\nanswers: [{who: a@b, may: dag.get}]",
            "1:9: policy: expected a policy, or the path of a policy file",
        ),
        (GOOD + "polcy: x\n", "12:1: polcy: unknown key `polcy`, did you mean `policy`?"),
        (GOOD + "story: x\nstory: y\n", "13:1: story: duplicate key `story`"),
        (
            POLICY + "answers: [{who: a@b, mat: dag.get}]",
            "11:22: answers[0].mat: unknown key `mat`, did you mean `may`?",
        ),
        (
            POLICY + "answers: [{who: a@b}]",
            "11:11: answers[0]: expected exactly one of `may` and `may_not`, found neither",
        ),
        (
            POLICY + "answers: [{who: a@b, may: dag.get, may_not: dag.update}]",
            "11:11: answers[0]: expected exactly one of `may` and `may_not`, found both",
        ),
        (
            POLICY + "answers: [{who: a@b, may: pool.get, pool: p, variable: v}]",
            "11:11: answers[0]: expected at most one place, found `variable` and `pool`",
        ),
        (
            POLICY + "who_can: [{people: [a@b], may: pool.get, pool: ''}]",
            "11:48: who_can[0].pool: expected some text, found nothing",
        ),
        (
            POLICY + "answers: [{who: a@b, may: dag.get dagRun.craete}]",
            "11:27: answers[0].may: unknown action `dagRun.craete`, did you mean `dagRun.create`?",
        ),
        (
            POLICY + "answers: [{who: a@b, may: []}]",
            "11:27: answers[0].may: expected actions such as `trigger` or `dagRun.create`",
        ),
        (
            POLICY + "answers: [{who: a@b, may: [1]}]",
            "11:27: answers[0].may: expected actions such as `trigger` or `dagRun.create`",
        ),
        (
            POLICY + "answers: [{who: a@b, may: {}}]",
            "11:27: answers[0].may: expected actions such as `trigger` or `dagRun.create`",
        ),
        (
            POLICY + "answers: [{who: a@b, may: dag.get, because: ['']}]",
            "11:45: answers[0].because: expected a part of the reason, or a list of parts",
        ),
        (
            POLICY + "answers: [{who: a@b, may: dag.get, because: 1}]",
            "11:45: answers[0].because: expected a part of the reason, or a list of parts",
        ),
        (
            POLICY + "answers: [{who: a@b, may: dag.get, dag: order}]",
            "11:41: answers[0].dag: Dag `order` is not under `dags`, did you mean `orders`?",
        ),
        (
            POLICY + "who_can: [{may: dag.get, people: [], dag: x}]",
            "11:43: who_can[0].dag: Dag `x` is not under `dags`",
        ),
        (
            POLICY + "sees: [{who: a@b, may: dag.get, dags: [orders, x]}]",
            "11:48: sees[0].dags[1]: Dag `x` is not under `dags`",
        ),
        (
            POLICY,
            "1:1: expected either `refused` or some of `answers`, `sees` and `who_can`, found neither",
        ),
        (
            GOOD + "refused: [x]\n",
            "1:1: expected either `refused` or some of `answers`, `sees` and `who_can`, found both",
        ),
        (
            GOOD.replace("{orders: [sales], ledger: []}", "[orders]"),
            "10:7: dags: expected a mapping from each Dag to the list of its tags, or to `tags`, `bundle` and `file`; or the path of a Dag list",
        ),
        (
            GOOD.replace("ledger: []", "ledger: sales"),
            "10:7: dags: expected a mapping from each Dag to the list of its tags, or to `tags`, `bundle` and `file`; or the path of a Dag list",
        ),
        (
            GOOD.replace("{orders: [sales], ledger: []}", "''"),
            "10:7: dags: expected a mapping from each Dag to the list of its tags, or to `tags`, `bundle` and `file`; or the path of a Dag list",
        ),
        (
            GOOD.replace("ledger: []", "ledger: {file: a.py}"),
            "10:7: dags: expected a mapping from each Dag to the list of its tags, or to `tags`, `bundle` and `file`; or the path of a Dag list",
        ),
        (GOOD.replace("ledger: []", "ledger: {tags: [1]}"), "10:7: dags: a tag has to be text: put it in quotes"),
        (GOOD.replace("[sales]", "[1]"), "10:7: dags: a tag has to be text: put it in quotes"),
    ],
)
def test_mistakes(text: str, expected: str) -> None:
    """Every mistake of a file is told with its place, and the file counts for nothing."""
    case, problems = scenario_file.read(text.encode())
    assert case is None
    assert [str(problem) for problem in problems] == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "answers: [{who: ana@b, may: dag.get, dag: orders}]",
        "answers: [{who: ANA@b, may: dag.airflow.dag.get, dag: orders}]",
        "answers: [{who: ana@b, may: [deployment.airflow.website.get, docs.get]}]",
        "answers: [{who: ana@b, may: dag.get, dag: orders, because: '`DAG_VIEWER` given to user `Ana@b`'}]",
        "answers: [{who: ana@b, may: dag.get, dag: orders, because: [DAG_VIEWER, 'tag `sales`']}]",
        "answers: [{who: ana@b, may_not: dagRun.create dag.update, dag: orders, because: no grant gives}]",
        "answers: [{who: 'token:ci', may: dagRun.create, dag: orders}]",
        "answers: [{who: 'token:ci', may: trigger clear, dag: orders}]",
        "answers: [{who: ana@b, may_not: [trigger, edit-connection]}]",
        "sees: [{who: Ana@b, may: dag.get, dags: [orders]}]",
        "sees: [{who: ana@b, may: dag.update, dags: []}]",
        "who_can: [{may: dag.get, dag: orders, people: [ANA@b, 'token:ci']}]",
        "who_can: [{may: connection.get, people: []}]",
        "answers: [{who: ana@b, may: website.get, pool: p}]",
        "answers: [{who: ana@b, may_not: edit-variable, variable: v, because: on Variable `v`}]",
        "who_can: [{may: connection.get, connection: c, people: []}]",
    ],
)
def test_as_expected(text: str) -> None:
    """What the policy answers passes: whole permissions or their words, people in any spelling, parts of the reason."""
    (result,) = run(text)
    assert result.passed
    assert result.line == 11


@pytest.mark.parametrize(
    ("text", "title", "expected", "found", "why"),
    [
        (
            "answers: [{who: ana@b, may: dagRun.create, dag: orders}]",
            "ana@b may dagRun.create on Dag orders",
            "allowed",
            "denied",
            "no grant gives `dag.airflow.dagRun.create` on Dag `orders`",
        ),
        (
            "answers: [{who: ana@b, may_not: dag.update dagRun.get, dag: orders}]",
            "ana@b may not dag.update dagRun.get on Dag orders",
            "denied",
            "dagRun.get: allowed",
            "allowed by role `DAG_VIEWER` given to user `Ana@b` on tag `sales`",
        ),
        (
            "answers: [{who: ana@b, may: dag.get, dag: orders, because: [DAG_VIEWER, Team]}]",
            "ana@b may dag.get on Dag orders",
            "allowed, because: Team",
            "allowed otherwise",
            "allowed by role `DAG_VIEWER` given to user `Ana@b` on tag `sales`",
        ),
        (
            "sees: [{who: ana@b, may: dag.get, dags: [ledger]}]",
            "ana@b may dag.get on exactly these Dags",
            "ledger",
            "also orders and not ledger",
            "",
        ),
        (
            "who_can: [{may: dag.get, dag: orders, people: ['token:ci']}]",
            "exactly these may dag.get on Dag orders",
            "token:ci",
            "also ana@b",
            "ana@b: allowed by role `DAG_VIEWER` given to user `Ana@b` on tag `sales`",
        ),
        (
            "who_can: [{may: connection.get, people: [bo@b]}]",
            "exactly these may connection.get",
            "bo@b",
            "not bo@b",
            "",
        ),
    ],
)
def test_otherwise(text: str, title: str, expected: str, found: str, why: str) -> None:
    """Another answer fails, and tells what was expected, what came and why."""
    assert run(text) == [Result(11, title, False, expected, found, why)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "answers: [{who: anna@b, may_not: dag.delete, dag: orders}]",
            "the policy does not name `anna@b`, did you mean `ana@b`?",
        ),
        (
            "answers: [{who: 'token:cj', may_not: dag.delete, dag: ledger}]",
            "the policy does not name `token:cj`, did you mean `token:ci`?",
        ),
        (
            "answers: [{who: zoe@example.com, may_not: dag.get, dag: orders}]",
            "the policy does not name `zoe@example.com`",
        ),
        (
            "sees: [{who: zoe@example.com, may: dag.get, dags: []}]",
            "the policy does not name `zoe@example.com`",
        ),
    ],
)
def test_not_named(text: str, found: str) -> None:
    """An expectation about somebody whom the policy does not name fails, also where it expects a denial."""
    (result,) = run(text)
    assert (result.passed, result.found) == (False, found)
    assert result.why == "if that is intended, list it under `outsiders`"


def test_outsiders() -> None:
    """It passes where the file lists this person as an outsider, and an outsider whom the policy names fails."""
    requested = "outsiders: [zoe@example.com, '']\nanswers: [{who: ZOE@example.com, may_not: dag.get, dag: orders}]"
    assert [(result.passed, result.line) for result in run(requested)] == [(True, 11), (True, 11), (True, 12)]
    (result, _) = run("outsiders: [ANA@b]\nwho_can: [{may: connection.get, people: []}]")
    assert result == Result(11, "the policy does not name ANA@b", False, "not named", "named")


def refused(*beginnings: str) -> list[tuple[bool, str]]:
    case = read(f"policy: {{version: 2}}\nrefused: {list(beginnings)}\n")
    in_file = case.policy_text()
    assert in_file
    return [(result.passed, result.title) for result in refusal(case, loader.from_text(in_file).errors)]


def test_refused() -> None:
    """A policy that is to be refused has the problems that the file lists, in any order, and no others."""
    key, version = "the key `organization_id` is missing", "version: expected the number 1"
    assert refused(version, key) == [(True, f"refused: {version}"), (True, f"refused: {key}")]
    assert refused(version) == [(True, f"refused: {version}"), (False, "refused for nothing else")]
    assert refused(version, key, "teams") == [
        (True, f"refused: {version}"),
        (True, f"refused: {key}"),
        (False, "refused: teams"),
    ]


def test_places_of_the_policy() -> None:
    """What is wrong with a policy inside a scenario file is told with its line there; a path is no policy inside."""
    case = read(GOOD.replace("Ana@b,", "nobody,"))
    in_file = case.policy_text()
    assert in_file
    (problem,) = loader.from_text(in_file).errors
    assert (problem.place.line, problem.where) == (7, "users[0].email")
    elsewhere = read("policy: other.yaml\ndags: dags.yaml\nanswers: [{who: a@b, may_not: dag.get, dag: x}]\n")
    assert elsewhere.policy_text() is None


def test_dags_with_a_place() -> None:
    """A Dag is a list of its tags, or a mapping with its bundle and file."""
    assert scenario_file.dag_of("a", ["t"]) == Dag("a", frozenset("t"))
    assert scenario_file.dag_of("a", {"tags": ["t"]}) == Dag("a", frozenset("t"))
    assert scenario_file.dag_of("a", {"bundle": "b"}) == Dag("a", frozenset(), DagFile("b", ""))
    assert scenario_file.dag_of("a", {"bundle": "b", "file": "x/a.py"}) == Dag("a", frozenset(), DagFile("b", "x/a.py"))


def test_schema() -> None:
    """The JSON Schema knows every key, and no others."""
    schema = scenario_file.json_schema()
    assert set(schema["properties"]) == set(scenario_file.CaseDocument.model_fields)
    assert set(yaml.safe_load(GOOD)) <= set(schema["properties"])
    assert schema["required"] == ["policy"]
    assert schema["additionalProperties"] is False
