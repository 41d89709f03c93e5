"""What lint says: each rule by an example and a counter-example, and that what it calls redundant is."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings

from astro_auth_plugin.rbac.model.scopes import Dag, DagFile
from astro_auth_plugin.rbac.policy import loader
from astro_auth_plugin.rbac.review.lint import LARGE_TEAM, Dags, lint
from astro_auth_plugin.rbac.review.lint_rules import RULES
from tests.rbac.helpers import answers, checked
from tests.strategies import Case, cases

NOW = datetime(2026, 12, 30, tzinfo=UTC)
HEAD = """\
version: 1
organization_id: org
workspaces: [{id: ws}, {id: ws-2}]
deployments: [{id: dep, workspace_id: ws}, {id: dep-2, workspace_id: ws-2}]
"""
DAGS = Dags(
    "dep",
    [
        Dag("orders", frozenset({"team:sales", "daily"})),
        Dag("ledger", frozenset({"team:finance", "hourly", "layer:raw"})),
    ],
)
PAGE = "dag.airflow.dag.get, dag.airflow.dagRun.get, dag.airflow.taskInstance.get, dag.airflow.dagDependencies.get"
TOKEN = f"{{id: ci, name: ci, secret_sha256: '{'1' * 64}', expires_at: 2030-01-01T00:00:00Z, roles: [%s]}}"
SALES = "{deployment_id: dep, tag: team:sales, role: %s}"
OWNER = "{workspace_id: ws, role: WORKSPACE_OWNER}"


def user(grants: str, key: str = "dag_roles") -> str:
    return f"users: [{{email: ana@b, {key}: [{grants}]}}]\n"


def team(members: int, grants: str, key: str = "workspace_roles", more: str = "") -> str:
    people = ", ".join(f"u{number}@b" for number in range(members))
    return f"teams: [{{name: t, members: [{people}], {key}: [{grants}]{more}}}]\n"


def members(listed: str) -> str:
    return f"teams: [{{name: t, members: [{listed}], dag_roles: [{SALES % 'DAG_VIEWER'}]}}]\n"


def token(role: str) -> str:
    return f"api_tokens: [{TOKEN % role}]\n"


def custom(scope: str, permissions: str, name: str = "r") -> str:
    return f"roles: [{{name: {name}, scope: {scope}, permissions: [{permissions}]}}]\n"


def found(text: str, dags: Dags | None = None) -> list[tuple[str, str, str]]:
    """Return the rule, path and message of everything that is said about a policy."""
    loaded = loader.load((HEAD + text).encode())
    assert loaded.policy, loaded.errors
    return [(each.rule, each.where, each.message) for each in lint(loaded.policy, NOW, dags)]


SAID = [
    (
        "listed-twice",
        custom("DAG", f"{PAGE}, dag.airflow.dag.get") + user(SALES % "r"),
        "roles[0].permissions[4]",
    ),
    (
        "listed-twice",
        custom("DAG", PAGE).replace("}]", ", restricted_workspace_ids: [ws, ws]}]") + user(SALES % "r"),
        "roles[0].restricted_workspace_ids[1]",
    ),
    (
        "listed-twice",
        team(1, SALES % "DAG_VIEWER", "dag_roles").replace("u0@b", "u0@b, U0@b"),
        "teams[0].members[1]",
    ),
    (
        "listed-twice",
        team(1, SALES % "DAG_VIEWER", "dag_roles", more=", idp_groups: [g, g]"),
        "teams[0].idp_groups[1]",
    ),
    (
        "roles-in-one-place",
        custom("DAG", f"{PAGE}, dag.airflow.dagRun.create") + user(f"{SALES % 'DAG_VIEWER'}, {SALES % 'r'}"),
        "users[0].dag_roles[1]",
    ),
    (
        "similar-tags",
        user(f"{SALES % 'DAG_VIEWER'}, {(SALES % 'DAG_VIEWER').replace('team:s', 'Team:S')}"),
        "users[0].dag_roles[1]",
    ),
    (
        "legacy-role",
        user("{workspace_id: ws, role: WORKSPACE_VIEWER}", "workspace_roles"),
        "users[0].workspace_roles[0].role",
    ),
    ("dag-role-lacks-pages", custom("DAG", "dag.airflow.dag.get") + user(SALES % "r"), "roles[0]"),
    ("write-without-read", custom("DAG", f"{PAGE}, dag.airflow.xcom.delete") + user(SALES % "r"), "roles[0]"),
    (
        "needs-dag-get",
        custom("DEPLOYMENT", "deployment.airflow.auditLog.get, deployment.airflow.pool.get")
        + user("{deployment_id: dep, role: r}", "deployment_roles"),
        "roles[0]",
    ),
    (
        "unknown-astro-permission",
        custom("DEPLOYMENT", "deployment.new.get") + user("{deployment_id: dep, role: r}", "deployment_roles"),
        "roles[0].permissions[0]",
    ),
    (
        "asset-event-starts-dags",
        custom("DEPLOYMENT", "deployment.airflow.dag.get, deployment.airflow.datasets.create")
        + user("{deployment_id: dep, role: r}", "deployment_roles"),
        "roles[0]",
    ),
    ("empty-team", team(0, OWNER), "teams[0]"),
    (
        "connection-update-shows-password",
        custom("OBJECT", "object.airflow.connection.get, object.airflow.connection.update")
        + user(
            "{deployment_id: dep, pool: p, role: OBJECT_ADMIN}, {deployment_id: dep, connection_id: c, role: r}"
            ", {deployment_id: dep, connection_prefix: abc_, role: r}",
            "object_roles",
        ),
        "users[0].object_roles[1].role",
    ),
    (
        "connection-create-connects",
        custom("OBJECT", "object.airflow.connection.create")
        + token("{role: r, entity_type: CONNECTION_PREFIX, entity_id: abc_, deployment_id: dep}"),
        "api_tokens[0].roles[0].role",
    ),
    (
        "object-role-without-effect",
        custom("OBJECT", "object.airflow.pool.get")
        + user("{deployment_id: dep, variable_key: v, role: r}", "object_roles"),
        "users[0].object_roles[0].role",
    ),
    (
        "superfluous-grant",
        user(
            "{deployment_id: dep, pool_prefix: abc_, role: OBJECT_EDITOR}, {deployment_id: dep, pool: abc_d, role: OBJECT_VIEWER}",
            "object_roles",
        ),
        "users[0].object_roles[1]",
    ),
    (
        "membership-ends-soon",
        members("{email: a@b, expires_at: 2027-01-10T00:00:00Z}"),
        "teams[0].members[0].expires_at",
    ),
    (
        "membership-ended",
        members("{email: a@b, expires_at: 2026-01-10T00:00:00Z}"),
        "teams[0].members[0].expires_at",
    ),
    (
        "listed-twice",
        members("a@b, {email: A@b, expires_at: 2029-01-10T00:00:00Z}"),
        "teams[0].members[1]",
    ),
    (
        "last-owner-ends",
        "users: [{email: a@b, organization_role: {role: ORGANIZATION_OWNER, expires_at: 2099-01-01T00:00:00Z}}]\n",
        "users[0].organization_role.expires_at",
    ),
    (
        "grant-ends-soon",
        user((SALES % "DAG_VIEWER").replace("}", ", expires_at: 2027-01-10T00:00:00Z}")),
        "users[0].dag_roles[0].expires_at",
    ),
    (
        "grant-ended",
        user((SALES % "DAG_VIEWER").replace("}", ", expires_at: 2026-01-10T00:00:00Z}")),
        "users[0].dag_roles[0].expires_at",
    ),
    (
        "token-never-expires",
        token("")
        .replace("2030-01-01T00:00:00Z", "never")
        .replace("[]", "[{role: DEPLOYMENT_ADMIN, entity_type: DEPLOYMENT, entity_id: dep}]"),
        "api_tokens[0].expires_at",
    ),
    (
        "token-expires-soon",
        token("{role: DAG_VIEWER, entity_type: DAG, entity_id: x, deployment_id: dep}").replace("2030", "2027"),
        "api_tokens[0].expires_at",
    ),
    (
        "token-expired",
        token("{role: DAG_VIEWER, entity_type: DAG, entity_id: x, deployment_id: dep}").replace("2030", "2026"),
        "api_tokens[0].expires_at",
    ),
    ("wide-role-of-large-team", team(LARGE_TEAM + 1, OWNER), "teams[0].workspace_roles[0]"),
    ("wide-role-of-large-team", team(1, OWNER, more=", idp_groups: [okta]"), "teams[0].workspace_roles[0]"),
    (
        "wide-role-of-large-team",
        team(11, "", "dag_roles", ", organization_role: ORGANIZATION_OWNER"),
        "teams[0].organization_role",
    ),
    ("owner-token", token("{role: WORKSPACE_OWNER, entity_type: WORKSPACE, entity_id: ws}"), "api_tokens[0].roles[0]"),
    (
        "owner-token",
        token("{role: ORGANIZATION_OWNER, entity_type: ORGANIZATION, entity_id: org}"),
        "api_tokens[0].roles[0]",
    ),
    (
        "wide-beside-dag-roles",
        team(2, "{workspace_id: ws, role: WORKSPACE_AUTHOR}", more=f", dag_roles: [{SALES % 'DAG_AUTHOR'}]"),
        "teams[0].workspace_roles[0]",
    ),
    (
        "role-could-be-on-dags",
        custom("DEPLOYMENT", "deployment.airflow.dag.get") + user("{deployment_id: dep, role: r}", "deployment_roles"),
        "roles[0]",
    ),
    ("superfluous-grant", user(f"{SALES % 'DAG_AUTHOR'}, {SALES % 'DAG_VIEWER'}"), "users[0].dag_roles[1]"),
    ("superfluous-grant", user(f"{SALES % 'DAG_VIEWER'}, {SALES % 'DAG_VIEWER'}"), "users[0].dag_roles[1]"),
    (
        "superfluous-grant",
        user(f"{OWNER}, {{workspace_id: ws, role: WORKSPACE_MEMBER}}", "workspace_roles"),
        "users[0].workspace_roles[1]",
    ),
    (
        "superfluous-grant",
        team(1, OWNER, more=", deployment_roles: [{deployment_id: dep, role: DEPLOYMENT_ADMIN}]"),
        "teams[0].deployment_roles[0]",
    ),
    (
        "dag-role-covered",
        team(1, OWNER, more=f", dag_roles: [{SALES % 'DAG_AUTHOR'}]").replace("WORKSPACE_OWNER", "WORKSPACE_OPERATOR"),
        "teams[0].dag_roles[0]",
    ),
    ("dag-role-covered", team(0, OWNER).replace("[]", "[ANA@b]") + user(SALES % "DAG_VIEWER"), "users[0].dag_roles[0]"),
    (
        "covered-by-team",
        team(0, SALES % "DAG_AUTHOR", "dag_roles").replace("[]", "[ana@b]") + user(SALES % "DAG_VIEWER"),
        "users[0].dag_roles[0]",
    ),
    ("unused-role", custom("DAG", PAGE), "roles[0]"),
    ("no-roles", "users: [{email: ana@b}]\n", "users[0]"),
    ("no-roles", "teams: [{name: t, members: [ana@b]}]\n", "teams[0]"),
    ("no-roles", token(""), "api_tokens[0]"),
]


@pytest.mark.parametrize(("rule", "text", "path"), SAID)
def test_said(rule: str, text: str, path: str) -> None:
    """The rule finds its example, at its place; nothing but what belongs together is said."""
    said = [(name, where) for name, where, _ in found(text)]
    assert (rule, path) in said
    beside = {("dag-role-covered", "wide-beside-dag-roles"), ("wide-beside-dag-roles", "dag-role-covered")}
    assert all(name == rule or (rule, name) in beside for name, _ in said), said


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(team(LARGE_TEAM, OWNER), id="owners in a small Team"),
        pytest.param(team(50, "{workspace_id: ws, role: WORKSPACE_OPERATOR}"), id="many who cannot give roles"),
        pytest.param(
            team(50, "{workspace_id: ws, role: WORKSPACE_ACCESSOR}"), id="a role that gives nothing in Airflow"
        ),
        pytest.param(
            token("{role: DEPLOYMENT_ADMIN, entity_type: DEPLOYMENT, entity_id: dep}"), id="a token of one Deployment"
        ),
        pytest.param(
            team(2, "{workspace_id: ws, role: WORKSPACE_MEMBER}", more=f", dag_roles: [{SALES % 'DAG_AUTHOR'}]"),
            id="who sees everything and changes some",
        ),
        pytest.param(
            team(2, "{workspace_id: ws-2, role: WORKSPACE_AUTHOR}", more=f", dag_roles: [{SALES % 'DAG_AUTHOR'}]"),
            id="a deployment_wide role elsewhere",
        ),
        pytest.param(
            user(f"{SALES % 'DAG_VIEWER'}, {{deployment_id: dep-2, tag: team:sales, role: DAG_AUTHOR}}"),
            id="another Deployment",
        ),
        pytest.param(
            user("{deployment_id: dep, tag: x, role: DAG_VIEWER}, {deployment_id: dep, dag_id: x, role: DAG_AUTHOR}"),
            id="a tag is no id",
        ),
        pytest.param(
            user("{workspace_id: ws, role: WORKSPACE_MEMBER}", "workspace_roles").replace(
                "}]}]", f"}}], dag_roles: [{SALES % 'DAG_VIEWER'}]}}]"
            ),
            id="a Dag Viewer sees more than a Member",
        ),
        pytest.param(
            user("{workspace_id: ws, role: WORKSPACE_OPERATOR}", "workspace_roles").replace(
                "}]}]", "}], deployment_roles: [{deployment_id: dep, role: DEPLOYMENT_ADMIN}]}]"
            ),
            id="an Admin may give roles, an Operator not",
        ),
        pytest.param(
            custom("DEPLOYMENT", "deployment.airflow.pool.get, deployment.alerts.get")
            + user(OWNER, "workspace_roles").replace("}]}]", "}], deployment_roles: [{deployment_id: dep, role: r}]}]"),
            id="what a role gives outside of Airflow is not known",
        ),
        pytest.param("", id="an empty policy"),
        pytest.param(
            user(SALES % "DAG_VIEWER") + team(0, SALES % "DAG_AUTHOR", "dag_roles").replace("[]", "[bo@b]"),
            id="a Team of others",
        ),
    ],
)
def test_not_said(text: str) -> None:
    """Nothing is said of a policy in which nothing is odd."""
    assert found(text) == []


def test_roles_beyond_airflow() -> None:
    """A role that gives something outside of Airflow is redundant only beside the same role."""
    role = custom("DEPLOYMENT", "deployment.airflow.pool.get, deployment.alerts.get")
    twice = user("{deployment_id: dep, role: r}, {deployment_id: dep, role: r}", "deployment_roles")
    assert found(role + twice) == [
        (
            "superfluous-grant",
            "users[0].deployment_roles[1]",
            "`r` adds nothing to `r` at users[0].deployment_roles[0]",
        )
    ]


def test_the_page_is_part_of_a_dag_role() -> None:
    """A Dag role that opens Airflow's page is not redundant beside a role that gives the rest but not the page."""
    deployment_wide = "deployment.airflow.dag.get, deployment.airflow.connection.get"
    roles = f"roles: [{{name: w, scope: DEPLOYMENT, permissions: [{deployment_wide}%s]}}, {{name: d, scope: DAG, permissions: [dag.airflow.dag.get]}}]\n"
    holder = (
        "teams: [{name: t, members: [a@b], deployment_roles: [{deployment_id: dep, role: w}], dag_roles: [%s]}]\n"
        % (SALES % "d")
    )
    without, having = (
        [rule for rule, *_ in found(roles % more + holder)]
        for more in ("", ", deployment.airflow.website.get, deployment.airflow.docs.get")
    )
    assert without == ["dag-role-lacks-pages"]
    assert having == ["dag-role-lacks-pages", "dag-role-covered"]


def test_dags() -> None:
    """Held against the Dags of a Deployment, tags and ids that no Dag has are told, and tags that look forgotten."""
    grants = "{deployment_id: dep, tag: team:sales, role: DAG_VIEWER}, {deployment_id: dep, tag: Daily, role: DAG_VIEWER}, {deployment_id: dep, dag_id: order, role: DAG_VIEWER}, {deployment_id: dep-2, tag: other, role: DAG_VIEWER}"
    assert found(user(grants), DAGS) == [
        ("similar-tags", "", "Dags carry the tag `daily`, which is not the tag `Daily` of a grant"),
        ("tag-without-grant", "", "Dags carry the tag `team:finance`, and no grant names it"),
        ("unknown-tag", "users[0].dag_roles[1].tag", "no Dag carries the tag `Daily`, did you mean `daily`?"),
        ("unknown-dag", "users[0].dag_roles[2].dag_id", "there is no Dag `order`, did you mean `orders`?"),
    ]
    assert found(user(grants)) == []


def test_bundles() -> None:
    """A grant on a bundle without Dags is reported where it is known in which bundle each Dag is."""
    placed = Dags("dep", [Dag("orders", frozenset(), DagFile("sales", "orders.py"))])
    assert found(user("{deployment_id: dep, bundle: sale, role: DAG_VIEWER}"), placed) == [
        ("unknown-bundle", "users[0].dag_roles[0].bundle", "no Dag is in bundle `sale`, did you mean `sales`?"),
    ]
    assert found(user("{deployment_id: dep, bundle: sales, role: DAG_VIEWER}"), placed) == []


def test_grant_that_ends_later() -> None:
    """Nothing is said of a grant that ends in months, or where the time is unknown."""
    for end, now in (("2027-03-01", NOW), ("2026-01-01", None)):
        loaded = loader.load(
            (HEAD + user((SALES % "DAG_VIEWER").replace("}", f", expires_at: {end}T00:00:00Z}}"))).encode()
        )
        assert loaded.policy
        assert lint(loaded.policy, now) == ()


def test_places() -> None:
    """A finding has the line and column of what it is about."""
    loaded = loader.load((HEAD + user(f"{SALES % 'DAG_AUTHOR'}, {SALES % 'DAG_VIEWER'}")).encode())
    assert loaded.policy
    (finding,) = lint(loaded.policy)
    assert finding.place == (5, 93)


def test_every_rule_has_an_example() -> None:
    """Each rule is tried here; `other-warning` is for warnings of `validate` without a rule, of which there are none."""
    elsewhere = {
        "unknown-tag",
        "unknown-dag",
        "unknown-bundle",
        "tag-without-grant",
        "shown-by-airflow",
        "other-warning",
    }
    assert {rule for rule, *_ in SAID} | elsewhere == set(RULES)


def without(values: dict[str, Any], paths: list[str]) -> dict[str, Any]:
    """Return a policy without the parts at these paths."""
    left = copy.deepcopy(values)
    for path in paths:
        *where, last = [
            int(word) if word.isdigit() else word for word in path.replace("[", ".").replace("]", "").split(".")
        ]
        parent: Any = left
        for word in where:
            parent = parent[word]
        if isinstance(last, int):
            parent[last] = None
        else:
            del parent[last]
    return cleaned(left)


def cleaned(values: Any) -> Any:
    """Return values without the places that were emptied."""
    if isinstance(values, dict):
        return {key: cleaned(value) for key, value in values.items()}
    return [cleaned(value) for value in values if value is not None] if isinstance(values, list) else values


@given(cases())
@settings(checked, max_examples=80)
def test_what_is_redundant_can_go(case: Case) -> None:
    """Without everything that lint calls redundant, covered or unused, all at once, every answer is the same."""
    loaded = loader.from_values(case.values).policy
    assert loaded
    dead = {"superfluous-grant", "dag-role-covered", "covered-by-team", "unused-role"}
    paths = [finding.where for finding in lint(loaded) if finding.rule in dead]
    left = without(case.values, paths)
    every = case._replace(required=case.required | {"website.get"})
    before, after = answers(case.values, every), answers(left, every)
    # Who is no longer named is asked about too, and was asked before.
    assert {question: after.get(question, False) for question in before} == before


@pytest.mark.parametrize(("end", "rules"), [("", {"covered-by-team"}), (", expires_at: 2029-01-10T00:00:00Z", set())])
def test_what_a_membership_that_ends_covers(end: str, rules: set[str]) -> None:
    """A Team makes a user's own grant redundant only for as long as the user is a member."""
    text = members(f"{{email: Ana@b{end}}}") + user(SALES % "DAG_VIEWER")
    assert {name for name, *_ in found(text)} == rules


def test_support_team_covers_nothing() -> None:
    """What a support Team gives can be switched off, so it makes no grant redundant."""
    text = members("Ana@b").replace("name: t", "name: t, support: true") + user(SALES % "DAG_VIEWER")
    assert found(text) == []
