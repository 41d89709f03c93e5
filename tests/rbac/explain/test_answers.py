"""Answers in words, against the engine, the second engine, and each other."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings

from astro_auth_plugin.rbac.engine.engine import Dag
from astro_auth_plugin.rbac.explain import access_report
from astro_auth_plugin.rbac.explain.answers import Answerer
from astro_auth_plugin.rbac.explain.questions import Question, of_action
from astro_auth_plugin.rbac.model.actions import ACTIONS
from astro_auth_plugin.rbac.model.permissions import mask, names
from tests import reference_engine as reference
from tests.in_request import engine_of as compiled
from tests.rbac.explain.test_questions import request
from tests.rbac.helpers import checked, engine_of, everybody, places, real, real_dag
from tests.strategies import Case, cases

NOW = datetime(2026, 6, 1, tzinfo=UTC)
WORDS = ("see", "trigger", "see-xcom", "clear", "delete", "open", "edit-connection", "see-assets")
POLICY = """
roles:
  - {name: runner, scope: DAG, permissions: [dag.airflow.dag.get, dag.airflow.dagRun.get, dag.airflow.dagRun.create]}
teams:
  - {name: plain, members: [pia@example.com]}
  - {name: ops, idp_groups: [ops-people], dag_roles: [{deployment_id: dep, tag: ops, role: DAG_AUTHOR}]}
  - {name: readers, idp_groups: [all], members: [rob@example.com], workspace_roles: [{workspace_id: ws, role: WORKSPACE_MEMBER}]}
users:
  - {email: owner@example.com, organization_role: ORGANIZATION_OWNER}
  - {email: ana@example.com, dag_roles: [{deployment_id: dep, tag: fin, role: runner}]}
  - {email: vic@example.com, dag_roles: [{deployment_id: dep, dag_id: one, role: DAG_VIEWER}]}
  - email: obi@example.com
    object_roles:
      - {deployment_id: dep, connection_prefix: fin_, role: OBJECT_EDITOR}
      - {deployment_id: dep, connection_id: fin_a, role: OBJECT_ADMIN}
      - {deployment_id: dep, pool: p, role: OBJECT_VIEWER}
  - email: mixed@example.com
    deployment_roles: [{deployment_id: dep, role: DEPLOYMENT_ACCESSOR}]
api_tokens:
  - &token
    id: old
    name: old
    secret_sha256: "0000000000000000000000000000000000000000000000000000000000000000"
    expires_at: 2026-05-01T00:00:00Z
    roles: [{role: DEPLOYMENT_ADMIN, entity_type: DEPLOYMENT, entity_id: dep}]
  - id: new
    name: new
    secret_sha256: "0000000000000000000000000000000000000000000000000000000000000001"
    expires_at: 2026-07-01T00:00:00Z
    roles: [{role: DEPLOYMENT_ADMIN, entity_type: DEPLOYMENT, entity_id: dep}]
"""
FIN, BARE = Dag("sales", frozenset({"fin", "daily"})), Dag("one", frozenset())


@pytest.fixture(scope="module")
def asking() -> Answerer:
    return Answerer(compiled(POLICY), NOW)


def ask(asking: Answerer, who: str, words: str, dag: Dag | None = None, given: str | None = None) -> Any:
    question = request(words, given) if " " in words else of_action(words, dag.id if dag else None)
    assert question is not None
    return asking.ask(who if ":" in who else f"{who}@example.com", question, dag)


# -- one answer ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "words", "dag", "verdict"),
    [
        ("ana", "trigger", FIN, "yes"),
        ("ana", "trigger", BARE, "no"),
        ("ana", "pause", FIN, "no"),
        ("ana", "trigger", None, "no"),
        ("owner", "trigger", None, "yes"),
        ("vic", "see", BARE, "yes"),
        ("vic", "trigger", BARE, "no"),
        ("rob", "see", FIN, "yes"),
        ("nobody", "see", FIN, "no"),
        ("mixed", "open", None, "yes"),
        ("owner", "deployment.update", None, "no"),
        ("owner", "see-jobs", None, "yes"),
        # Requests
        ("ana", "POST /api/v2/dags/sales/dagRuns", FIN, "yes"),
        ("ana", "GET /api/v2/dags", None, "yes"),
        ("mixed", "GET /api/v2/dags", None, "no"),
        ("vic", "PATCH /api/v2/dags", None, "no"),
        ("owner", "POST /api/v2/backfills", None, "yes"),
        ("ana", "POST /api/v2/backfills", None, "depends"),
        ("vic", "POST /api/v2/backfills", None, "no"),
        ("ana", "PUT /api/v2/backfills/7/pause", None, "no"),
        ("vic", "GET /api/v2/backfills/7", None, "depends"),
        ("owner", "PATCH /api/v2/connections", None, "yes"),
        ("rob", "PATCH /api/v2/connections", None, "no"),
        ("rob", "GET /api/v2/plugins", None, "yes"),
        ("mixed", "GET /api/v2/plugins", None, "yes"),
        ("mixed", "GET /api/v2/plugins/importErrors", None, "no"),
        ("rob", "GET /ui/partitioned_dag_runs", None, "yes"),
        ("vic", "GET /ui/partitioned_dag_runs", None, "no"),
        ("owner", "GET /api/v2/backfills?dag_id=a&dag_id=b", None, "no"),
        # People
        ("nobody", "GET /api/v2/version", None, "yes"),
        ("token:old", "GET /api/v2/version", None, "yes"),
        ("nobody", "GET /ui/config", None, "yes"),
        ("nobody", "GET /ui/auth/menus", None, "yes"),
        ("owner", "GET /auth/fab/v1/roles", None, "no"),
        ("owner", "GET /execution/variables/x", None, "no"),
        ("owner", "GET /auth/fab/v1/users", None, "yes"),
        ("owner", "POST /auth/fab/v1/users", None, "depends"),
        ("rob", "GET /auth/fab/v1/users", None, "no"),
        # Tokens
        ("token:old", "trigger", FIN, "no"),
        ("token:new", "trigger", FIN, "yes"),
        ("token:none", "trigger", FIN, "no"),
    ],
)
def test_verdicts(asking: Answerer, who: str, words: str, dag: Dag | None, verdict: str) -> None:
    """An answer is yes or no where the question says enough, and else that it depends."""
    assert ask(asking, who, words, dag).verdict == verdict


def test_dag_that_is_not_there(asking: Answerer) -> None:
    """With a Dag that does not exist nobody may do anything who holds it only on Dags."""
    question = of_action("see", "one")
    assert question is not None
    found = {who: asking.ask(f"{who}@example.com", question, None).verdict for who in ("owner", "vic", "rob")}
    assert found == {"owner": "yes", "vic": "no", "rob": "yes"}


def test_expired_token(asking: Answerer) -> None:
    """The answer for an expired token is no, and says when it expired."""
    assert ask(asking, "token:old", "trigger", FIN).why == "this API token expired at 2026-05-01 00:00 UTC"


def test_dags_of_a_list(asking: Answerer) -> None:
    """The answer about a list tells which Dags are in it, and nothing where the list does not open."""
    rows = ask(asking, "ana", "GET /api/v2/dags/~/dagRuns").cases[0].rows
    assert [rows.matches(dag) for dag in (FIN, BARE)] == [True, False]
    xcoms = ask(asking, "ana", "GET /api/v2/dags/~/dagRuns/~/taskInstances/~/xcomEntries")
    assert (xcoms.verdict, xcoms.cases[0].rows.nothing) == ("yes", True)
    assert ask(asking, "vic", "GET /ui/partitioned_dag_runs").cases[0].rows is None


def test_cases_of_a_body(asking: Answerer) -> None:
    """Where the body decides, each case has its own answer."""
    answer = ask(asking, "ana", "POST /api/v2/backfills", FIN, "sales")
    found = {case.when: (case.verdict, names(case.missing)) for case in answer.cases}
    assert found == {
        "where existing runs are processed again": ("no", ("dagRun.update",)),
        "otherwise": ("yes", ()),
    }
    assert answer.verdict == "depends"


def test_who_can(asking: Answerer) -> None:
    """Everybody for whom the answer is not no is listed, without tokens that have expired."""
    question = of_action("trigger", "sales")
    assert question is not None
    found = [(answer.subject, answer.verdict) for answer in asking.who_can(question, FIN)]
    assert found == [("owner@example.com", "yes"), ("ana@example.com", "yes"), ("token:new", "yes")]


@pytest.mark.parametrize(
    ("words", "dag", "teams"),
    [
        ("trigger", Dag("x", frozenset({"ops"})), ["ops"]),
        ("see", Dag("x", frozenset({"ops"})), ["ops", "readers"]),
        ("see", FIN, ["readers"]),
        ("see-jobs", None, ["readers"]),
        ("GET /api/v2/dags", None, ["ops", "readers"]),
        ("POST /api/v2/backfills", None, ["ops"]),
        ("GET /ui/partitioned_dag_runs", None, ["readers"]),
    ],
)
def test_groups(asking: Answerer, words: str, dag: Dag | None, teams: list[str]) -> None:
    """A Team with groups of an identity provider is named where it alone is enough."""
    question = request(words) if " " in words else of_action(words, dag.id if dag else None)
    assert question is not None
    assert [team.name for team in asking.teams_by_group(question, dag)] == teams


@pytest.mark.parametrize(
    ("who", "words", "groups", "verdict"),
    [
        ("nobody", "trigger", {"ops-people"}, "yes"),
        ("nobody", "trigger", {"all", "OPS-people"}, "no"),
        ("nobody", "see", {"all"}, "yes"),
        ("token:none", "trigger", {"ops-people"}, "no"),
        ("nobody", "GET /api/v2/dags", {"ops-people"}, "yes"),
        ("nobody", "POST /api/v2/backfills", {"ops-people"}, "depends"),
        ("rob", "GET /auth/fab/v1/users", {"chiefs"}, "yes"),
    ],
)
def test_with_groups(who: str, words: str, groups: set[str], verdict: str) -> None:
    """Groups count for the person who is asked about, and the answer says which; for others they do not."""
    chiefs = "  - {name: chiefs, idp_groups: [chiefs], organization_role: ORGANIZATION_OWNER}\n"
    asking = Answerer(compiled(POLICY.replace("users:\n", f"{chiefs}users:\n")), NOW)
    dag = None if " " in words else Dag("x", frozenset({"ops"}))
    question = request(words) if " " in words else of_action(words, "x")
    assert question is not None
    subject = who if ":" in who else f"{who}@example.com"
    answer = asking.ask(subject, question, dag, groups=frozenset(groups))
    assert (answer.verdict, answer.groups) == (verdict, groups)
    assert subject not in {one.subject for one in asking.who_can(question, dag)} or who == "rob"


@pytest.mark.parametrize(
    ("who", "words", "dag", "matter"),
    [
        ("ana", "trigger", FIN, False),
        ("ana", "trigger", Dag("x", frozenset({"ops"})), True),
        ("ana", "see", BARE, True),
        ("ana", "see-config", None, False),
        ("owner", "see", BARE, False),
        ("owner", "GET /api/v2/dags", None, False),
        ("ana", "GET /api/v2/dags", None, True),
        ("ana", "delete", BARE, True),
        ("ana", "GET /auth/fab/v1/users", None, False),
        ("nobody", "GET /api/v2/version", None, False),
        ("token:new", "pause", BARE, False),
        ("token:none", "pause", BARE, False),
    ],
)
def test_whether_groups_matter(asking: Answerer, who: str, words: str, dag: Dag | None, matter: bool) -> None:
    """Groups matter where with some of them another answer, other missing permissions or other Dags of a list follow."""
    assert asking.groups_matter(ask(asking, who, words, dag), dag) is matter


# -- overviews -----------------------------------------------------------------------------------------------------


def test_all_that_somebody_can_do(asking: Answerer) -> None:
    """Dags on which somebody holds the same are together; those that may not be seen are left out."""
    more = Dag("more", frozenset({"fin"}))
    (share,) = access_report.of_subject(asking, "ana@example.com", [FIN, BARE, more])
    assert (share.dag_ids, names(share.permissions)) == (("more", "sales"), ("dag.get", "dagRun.get", "dagRun.create"))
    assert [grant.role for grant in share.grants] == ["runner"]
    assert access_report.of_subject(asking, "token:old", [FIN]) == []
    assert (
        access_report.deployment_wide_permissions(asking, "token:old"),
        bool(access_report.deployment_wide_permissions(asking, "token:new")),
    ) == (
        0,
        True,
    )


def test_all_that_groups_give(asking: Answerer) -> None:
    """Groups add to what somebody can do, and it is known whether any could; of API tokens none can."""
    in_all = frozenset({"all"})
    (share,) = access_report.of_subject(asking, "pia@example.com", [FIN, BARE], in_all)
    assert (share.dag_ids, {grant.holder for grant in share.grants}) == (
        ("one", "sales"),
        {"Team `readers` (group `all`)"},
    )
    assert names(access_report.deployment_wide_permissions(asking, "pia@example.com", in_all))
    assert not access_report.deployment_wide_permissions(asking, "pia@example.com")
    assert access_report.of_subject(asking, "pia@example.com", [FIN, BARE]) == []
    assert (
        access_report.groups_matter(asking, "pia@example.com"),
        access_report.groups_matter(asking, "token:new"),
    ) == (
        True,
        False,
    )


def test_everybody_of_a_dag_and_of_a_tag(asking: Answerer) -> None:
    """A Dag has everybody who may see it, a tag only those to whom it gives something; groups are told by Team."""
    assert [holder.who for holder in access_report.of_dag(asking, BARE)] == [
        "owner@example.com",
        "vic@example.com",
        "rob@example.com",
        "token:new",
        "people of `all` (Team `readers`)",
    ]
    assert [holder.who for holder in access_report.of_tag(asking, "fin")] == ["ana@example.com"]
    assert [holder.who for holder in access_report.of_tag(asking, "ops")] == ["people of `ops-people` (Team `ops`)"]
    assert not [*access_report.of_tag(asking, "FIN")]


# -- one truth -----------------------------------------------------------------------------------------------------


def questions_of(case: Case, dag: reference.Dag | None) -> list[Question]:
    words = [*WORDS, *(f"{prefix}{name}" for name in sorted(case.required) for prefix in ("", "deployment.airflow."))]
    return [question for word in words if (question := of_action(word, dag.id if dag else None))]


@given(cases())
@settings(checked, max_examples=40)
def test_answers_agree(case: Case) -> None:
    """Explaining, listing who can, the engine's check and the second engine say the same of every action, with groups too."""
    engine = engine_of(case.values, case.deployment_id)
    asking = Answerer(engine, NOW)
    for dag in places(case):
        for question in questions_of(case, dag):
            here = real(dag) if question.where == "Dag" else None
            listed = {answer.subject for answer in asking.who_can(question, here)}
            for subject in everybody(case.values):
                answer = asking.ask(subject, question, here)
                needs = set(names(question.needs[0]))
                expected = reference.check(
                    case.values, case.deployment_id, subject, needs, dag if question.where == "Dag" else None
                )
                assert (answer.verdict == "yes") == expected.allowed == (subject in listed)
                assert expected.allowed == engine.check(subject, question.needs[0], here).allowed
                assert set(names(answer.cases[0].missing)) == expected.missing
                grouped = asking.ask(subject, question, here, groups=case.groups)
                expected = reference.check(
                    case.values,
                    case.deployment_id,
                    subject,
                    needs,
                    dag if question.where == "Dag" else None,
                    case.groups,
                )
                assert (grouped.verdict == "yes") == expected.allowed
                assert set(names(grouped.cases[0].missing)) == expected.missing
                assert grouped.verdict == answer.verdict or asking.groups_matter(answer, here)


@given(cases())
@settings(checked, max_examples=40)
def test_overviews_agree(case: Case) -> None:
    """What somebody can do with a Dag is the same from the person's side, from the Dag's side, and one by one."""
    engine = engine_of(case.values, case.deployment_id)
    asking = Answerer(engine, NOW)
    dags = {dag.id: real_dag(dag) for dag in places(case) if dag is not None}
    on_dag = {dag.id: {one.who: one.permissions for one in access_report.of_dag(asking, dag)} for dag in dags.values()}
    for subject in everybody(case.values):
        shares = access_report.of_subject(asking, subject, dags.values())
        found = {dag_id: share.permissions for share in shares for dag_id in share.dag_ids}
        assert found == {dag_id: who[subject] for dag_id, who in on_dag.items() if subject in who}
        grouped = access_report.of_subject(asking, subject, dags.values(), case.groups)
        assert grouped == shares or access_report.groups_matter(asking, subject)
        for groups in (frozenset[str](), case.groups):
            assert_as_asked(asking, subject, dags, groups)


def assert_as_asked(asking: Answerer, subject: str, dags: dict[str, Dag], groups: frozenset[str]) -> None:
    """See that all that somebody can do is what single questions say."""
    shares = access_report.of_subject(asking, subject, dags.values(), groups)
    found = {dag_id: share.permissions for share in shares for dag_id in share.dag_ids}
    for action in (action for action in ACTIONS if not action.deployment_wide):
        question = of_action(action.names[0], "x")
        assert question is not None
        for dag_id, dag in dags.items():
            allowed = asking.ask(subject, question._replace(dag_id=dag_id), dag, groups=groups).verdict == "yes"
            assert allowed == (not question.needs[0] & ~found.get(dag_id, 0))


@given(cases())
@checked
def test_what_a_list_shows(case: Case) -> None:
    """A list shows the Dags on which a request for one of them is answered with yes, and opens to whoever sees one."""
    engine = engine_of(case.values, case.deployment_id)
    asking = Answerer(engine, NOW)
    dags = [real_dag(dag) for dag in places(case) if dag is not None]
    for rest in ("", "/r/taskInstances", "/r/taskInstances/t/xcomEntries"):
        every = request(f"GET /api/v2/dags/~/dagRuns{rest}")
        one = request(f"GET /api/v2/dags/x/dagRuns{rest}")
        for subject in everybody(case.values):
            for groups in (frozenset[str](), case.groups):
                listed = asking.ask(subject, every, groups=groups)
                single = {
                    dag: asking.ask(subject, one._replace(dag_id=dag.id), dag, groups=groups).verdict == "yes"
                    for dag in dags
                }
                rows = listed.cases[0].rows
                assert {dag: bool(rows and rows.matches(dag)) for dag in dags} == single
                assert (listed.verdict == "yes") == engine.holds_anywhere(subject, mask("dag.get"), groups=groups)


@pytest.mark.parametrize(
    ("who", "words", "given", "verdict"),
    [
        ("obi", "see-connection", "fin_b", "yes"),
        ("obi", "edit-connection", "fin_b", "no"),
        ("obi", "edit-connection", "fin_a", "yes"),
        ("obi", "see-connection", None, "no"),
        ("obi", "GET /api/v2/connections/fin_b", None, "yes"),
        ("obi", "DELETE /api/v2/connections/fin_b", None, "no"),
        ("obi", "GET /api/v2/connections", None, "yes"),
        ("obi", "GET /api/v2/variables", None, "no"),
        ("obi", "POST /api/v2/connections", None, "depends"),
        ("obi", "POST /api/v2/connections", "fin_a", "yes"),
        ("obi", "POST /api/v2/connections", "fin_b", "no"),
        ("obi", "POST /api/v2/pools", None, "no"),
        ("owner", "POST /api/v2/pools", None, "yes"),
        ("owner", "GET /api/v2/pools", None, "yes"),
        ("vic", "GET /api/v2/pools", None, "no"),
    ],
)
def test_objects(asking: Answerer, who: str, words: str, given: str | None, verdict: str) -> None:
    """Questions about connections, Variables and pools are about the one that is named, or about a list."""
    question = request(words, given) if " " in words else of_action(words, given)
    assert question is not None
    assert asking.ask(f"{who}@example.com", question).verdict == verdict


def test_who_can_do_something_with_an_object(asking: Answerer) -> None:
    """Those with a grant on it, and those with a role in the Deployment."""
    question = of_action("edit-connection", "fin_a")
    assert question is not None
    assert [answer.subject for answer in asking.who_can(question)] == [
        "owner@example.com",
        "obi@example.com",
        "token:new",
    ]


def test_objects_of_a_subject(asking: Answerer) -> None:
    """What a subject has on each object and prefix that its grants name, grants on prefixes of it included."""
    found = access_report.objects_of_subject(asking, "obi@example.com")
    assert [(str(share.scope), names(share.permissions), len(share.grants)) for share in found] == [
        ("connection prefix `fin_`", ("connection.get", "connection.update"), 1),
        ("connection `fin_a`", tuple(f"connection.{verb}" for verb in ("get", "create", "update", "delete")), 2),
        ("pool `p`", ("pool.get",), 1),
    ]
    assert access_report.objects_of_subject(asking, "owner@example.com") == []
    assert access_report.objects_of_subject(asking, "token:old") == []
