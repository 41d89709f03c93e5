"""What is said about files that can be used and are likely not meant so: each warning, and a file without it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from astro_auth_plugin.rbac.model.scopes import Dag, DagFile
from astro_auth_plugin.rbac.policy import loader
from tests.rbac.policy.test_checks import SHA256, complete

NOW = datetime(2027, 1, 1, 12, tzinfo=UTC)
PAGE = "dag.airflow.dag.get, dag.airflow.dagRun.get, dag.airflow.taskInstance.get, dag.airflow.dagDependencies.get"
GRANT = "users: [{email: a@b, dag_roles: [{deployment_id: cldep0prod, tag: x, role: r}]}]\n"


def reported(text: str, now: datetime | None = NOW) -> list[str]:
    """Return the warnings about a file that has to be usable."""
    found = loader.load(complete(text).encode(), now)
    assert found.policy is not None, found.errors
    assert found.problems == found.warnings
    return [str(problem) for problem in found.warnings]


def on_dags(permissions: str) -> str:
    return f"roles:\n  - {{name: r, scope: DAG, permissions: [{permissions}]}}\n"


def deployment_wide(permissions: str) -> str:
    return f"roles:\n  - {{name: r, scope: DEPLOYMENT, permissions: [{permissions}]}}\n"


def token(expires_at: str) -> str:
    return f"api_tokens:\n  - {{id: ci, name: ci, secret_sha256: {SHA256}, expires_at: {expires_at}}}\n"


def protected(entry: str) -> str:
    return f"protected_tags:\n  - {entry}\n"


def owners(*roles: str) -> str:
    return "users:\n" + "".join(
        f"  - {{email: u{number}@example.com, organization_role: {role}}}\n" for number, role in enumerate(roles)
    )


ENDING = "{{role: ORGANIZATION_OWNER, expires_at: {}T12:00:00Z}}"
LASTING_TEAM = "teams: [{{name: t, {}, organization_role: ORGANIZATION_OWNER}}]\n"
TAGGED = "users: [{email: a@b, dag_roles: [{deployment_id: cldep0prod, tag: x, role: DAG_VIEWER}]}]\n"
SHOWN = "the response of a write shows the object, which the role may not read"
WARNED = [
    pytest.param(
        on_dags("dag.airflow.dag.get, dag.airflow.dagRun.get") + GRANT,
        "2:5: warning: roles[0]: users have this role, but Airflow's pages of a Dag also need `dagDependencies.get` `taskInstance.get`",
        id="a Dag role without what the pages need",
    ),
    pytest.param(
        on_dags(PAGE + ", dag.airflow.xcom.delete"),
        f"2:5: warning: roles[0]: `xcom.delete` without `xcom.get`: {SHOWN}",
        id="delete without get",
    ),
    pytest.param(
        deployment_wide("deployment.airflow.pool.update, deployment.airflow.pool.delete"),
        f"2:5: warning: roles[0]: `pool.update` without `pool.get`: {SHOWN}",
        id="update without get",
    ),
    pytest.param(
        deployment_wide("deployment.airflow.dag.get, deployment.airflow.datasets.create"),
        "2:5: warning: roles[0]: `datasets.create` without `dagRun.create`: recording an asset event starts Dags",
        id="assets that start Dags",
    ),
    pytest.param(
        deployment_wide("deployment.airflow.auditLog.get, deployment.airflow.pool.get"),
        "2:5: warning: roles[0]: `auditLog.get` without `dag.get`: without effect on Dags on which no other role gives `dag.get`",
        id="a permission that needs dag.get",
    ),
    pytest.param(
        deployment_wide("deployment.apiToken.get"),
        "2:48: warning: roles[0].permissions[0]: unknown Astro permission `deployment.apiToken.get`, without effect in Airflow, did you mean `deployment.apiTokens.get`?",
        id="an unknown Astro permission",
    ),
    pytest.param(
        deployment_wide("deployment.dagRollbacks.create"),
        "2:48: warning: roles[0].permissions[0]: unknown Astro permission `deployment.dagRollbacks.create`, without effect in Airflow",
        id="a newer Astro permission",
    ),
    pytest.param(
        token("never"), "2:117: warning: api_tokens[0].expires_at: this API token never expires", id="never expires"
    ),
    pytest.param(
        token("2027-01-15T12:00:00Z"),
        "2:117: warning: api_tokens[0].expires_at: this API token expires within 14 days",
        id="expires soon",
    ),
    pytest.param(
        token("2027-01-01T12:00:00Z"),
        "2:117: warning: api_tokens[0].expires_at: this API token has expired",
        id="has expired",
    ),
    pytest.param(
        "teams:\n  - {name: empty}\n",
        "2:5: warning: teams[0]: this Team has neither members nor groups",
        id="a Team of nobody",
    ),
    pytest.param(
        "teams:\n  - {name: empty, members: [], idp_groups: []}\n",
        "2:5: warning: teams[0]: this Team has neither members nor groups",
        id="a Team of nobody, in lists",
    ),
    pytest.param(
        "users: [{email: a@b, workspace_roles: [{workspace_id: clws0data, role: WORKSPACE_ADMIN}]}]\n",
        "1:72: warning: users[0].workspace_roles[0].role: `WORKSPACE_ADMIN` is a legacy role; its current name is `WORKSPACE_OWNER`",
        id="WORKSPACE_ADMIN",
    ),
    pytest.param(
        "users: [{email: a@b, workspace_roles: [{workspace_id: clws0data, role: WORKSPACE_EDITOR}]}]\n",
        "1:72: warning: users[0].workspace_roles[0].role: `WORKSPACE_EDITOR` is a legacy role; its current name is `WORKSPACE_OPERATOR`, which has more permissions",
        id="WORKSPACE_EDITOR",
    ),
    pytest.param(
        token("2028-01-01T00:00:00Z").replace(
            "}", ", roles: [{role: WORKSPACE_VIEWER, entity_type: WORKSPACE, entity_id: clws0data}]}"
        ),
        "2:154: warning: api_tokens[0].roles[0].role: `WORKSPACE_VIEWER` is a legacy role; its current name is `WORKSPACE_MEMBER`",
        id="WORKSPACE_VIEWER of a token",
    ),
    pytest.param(
        "users: [{email: a@b, organization_role: {role: ORGANIZATION_MEMBER, expires_at: 2027-01-15T12:00:00Z}}]\n",
        "1:81: warning: users[0].organization_role.expires_at: this grant of `ORGANIZATION_MEMBER` ends within 14 days",
        id="an Organization role that ends soon",
    ),
    pytest.param(
        owners(ENDING.format("2028-01-01"), ENDING.format("2029-01-01")),
        "3:87: warning: users[1].organization_role.expires_at: no Organization Owner is left when this ends: give a user that role without an end",
        id="the last Owner ends",
    ),
    pytest.param(
        "teams: [{name: t, members: [{email: a@b, expires_at: 2028-01-01T12:00:00Z}], organization_role: ORGANIZATION_OWNER}]\n",
        "1:54: warning: teams[0].members[0].expires_at: no Organization Owner is left when this ends: give a user that role without an end",
        id="the membership of the last Owner ends",
    ),
    pytest.param(
        protected("{deployment_id: cldep0prod, tag: y, only_in: []}") + TAGGED,
        "2:38: warning: protected_tags[0].tag: no grant uses the protected tag `y`",
        id="a protected tag of no grant",
    ),
    pytest.param(
        protected('{deployment_id: cldep0web, tag: "x*", only_in: []}') + TAGGED,
        "2:37: warning: protected_tags[0].tag: no grant uses the protected tag `x*`",
        id="a protected tag that grants of another Deployment use",
    ),
    pytest.param(
        protected("{deployment_id: cldep0prod, tag: x, only_in: [{bundle: b, files: [finance]}]}") + TAGGED,
        "2:71: warning: protected_tags[0].only_in[0].files[0]: no Dag file is named `finance`: they end in `.py` or `.zip`, and a folder in `/`",
        id="a folder that is written as a file",
    ),
    pytest.param(
        protected('{deployment_id: cldep0prod, tag: x, only_in: [{bundle: b, files: ["a/*.txt"]}]}') + TAGGED,
        "2:71: warning: protected_tags[0].only_in[0].files[0]: no Dag file is named `*.txt`: they end in `.py` or `.zip`, and a folder in `/`",
        id="files that are no Dags",
    ),
    pytest.param(
        "protect_granted_tags: true\n" + TAGGED * 1,
        "2:67: warning: users[0].dag_roles[0].tag: no Dag may use the tag `x`: `protected_tags` names no place for it",
        id="a granted tag without a place",
    ),
    pytest.param(
        "protect_granted_tags: true\n"
        + token("2028-01-01T00:00:00Z").replace(
            "}", ", roles: [{role: DAG_VIEWER, entity_type: DAG_TAG, entity_id: x, deployment_id: cldep0prod}]}"
        ),
        "3:199: warning: api_tokens[0].roles[0].entity_id: no Dag may use the tag `x`: `protected_tags` names no place for it",
        id="a tag that a token is granted, without a place",
    ),
]


@pytest.mark.parametrize(("text", "expected"), WARNED)
def test_warned(text: str, expected: str) -> None:
    """The file can be used, and exactly one thing is said about it."""
    assert reported(text) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(on_dags(PAGE) + GRANT, id="a Dag role with what the pages need"),
        pytest.param(on_dags("dag.airflow.dag.get"), id="a Dag role that nobody holds"),
        pytest.param(
            on_dags("dag.airflow.dag.get")
            + token("2028-01-01T00:00:00Z").replace(
                "}", ", roles: [{role: r, entity_type: DAG, entity_id: x, deployment_id: cldep0prod}]}"
            ),
            id="a Dag role that only a token holds",
        ),
        pytest.param(deployment_wide("deployment.airflow.dag.get"), id="a Deployment role needs no pages"),
        pytest.param(on_dags(PAGE + ", dag.airflow.xcom.delete, dag.airflow.xcom.get"), id="delete with get"),
        pytest.param(
            deployment_wide("deployment.airflow.pool.update, deployment.airflow.pool.get"), id="update with get"
        ),
        pytest.param(deployment_wide("deployment.airflow.variable.create"), id="create without get"),
        pytest.param(
            deployment_wide(
                "deployment.airflow.dag.get, deployment.airflow.datasets.create, deployment.airflow.dagRun.create"
            ),
            id="assets and runs",
        ),
        pytest.param(
            deployment_wide("deployment.update, deployment.alerts.delete"), id="words that Airflow never asks about"
        ),
        pytest.param(token("2027-01-15T12:00:01Z"), id="expires in more than 14 days"),
        pytest.param("teams:\n  - {name: group, idp_groups: [okta]}\n", id="a Team of a group"),
        pytest.param(owners(ENDING.format("2028-01-01"), "ORGANIZATION_OWNER"), id="another Owner does not end"),
        *(
            pytest.param(
                LASTING_TEAM.format(people) + owners(ENDING.format("2028-01-01")), id=f"Owners of a Team, {people}"
            )
            for people in ("members: [a@b]", "idp_groups: [chiefs]", "members: [{email: a@b}], idp_groups: [chiefs]")
        ),
        pytest.param("teams:\n  - {name: people, members: [a@b]}\n", id="a Team of people"),
        pytest.param(
            "users: [{email: a@b, workspace_roles: [{workspace_id: clws0data, role: WORKSPACE_OWNER}]}]\n",
            id="today's role",
        ),
        pytest.param(
            "protect_granted_tags: true\n"
            + protected(
                '{deployment_id: cldep0prod, tag: "x*", '
                "only_in: [{bundle: b, files: [a/, a/**, '**', a/*, a/*.py, a/x*y, a.py, a.zip]}]}"
            )
            + TAGGED,
            id="a granted tag with a place",
        ),
    ],
)
def test_not_warned(text: str) -> None:
    """Nothing is said about a file that has nothing odd."""
    assert reported(text) == []


def test_without_a_clock() -> None:
    """Where nobody says what time it is, nothing is said of tokens that expire."""
    assert reported(token("2001-01-01T00:00:00Z"), now=None) == []
    assert reported(token("never"), now=None) != []


def test_time_zones() -> None:
    """Expiry is compared as a moment, in whatever zones the two are written."""
    at = datetime(2027, 1, 15, 14, tzinfo=UTC).astimezone(tz=None)
    assert reported(token(at.isoformat()), NOW) == []
    assert reported(token(at.isoformat()), NOW + timedelta(hours=2)) != []


def test_tokens_of_one_name() -> None:
    """Two tokens with the same name cannot be told apart in logs."""
    text = token("never") + token("never").partition("\n")[2].replace("id: ci", "id: ci2")
    assert [line for line in reported(text) if "expires" not in line] == [
        "3:21: warning: api_tokens[1].name: another API token is named `ci`, and logs show the name"
    ]
    assert [line for line in reported(text.replace("ci2, name: ci", "ci2, name: CI")) if "expires" not in line] == []


# -- grants that match no Dag --------------------------------------------------------------------------------------

GRANTS = """\
users:
  - email: a@b
    dag_roles:
      - {deployment_id: cldep0prod, tag: finance, role: DAG_VIEWER}
      - {deployment_id: cldep0prod, tag: Finance, role: DAG_VIEWER}
      - {deployment_id: cldep0prod, dag_id: report, role: DAG_VIEWER}
      - {deployment_id: cldep0prod, dag_id: finance, role: DAG_VIEWER}
      - {deployment_id: cldep0web, tag: elsewhere, role: DAG_VIEWER}
teams:
  - name: t
    members: [a@b]
    dag_roles: [{deployment_id: cldep0prod, tag: nobody, role: DAG_VIEWER}]
api_tokens:
  - id: ci
    name: ci
    expires_at: 2028-01-01T00:00:00Z
    secret_sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
    roles:
      - {role: DAG_VIEWER, entity_type: DAG, entity_id: reports, deployment_id: cldep0prod}
      - {role: DAG_VIEWER, entity_type: DAG_TAG, entity_id: report, deployment_id: cldep0prod}
      - {role: DEPLOYMENT_ADMIN, entity_type: DEPLOYMENT, entity_id: cldep0prod}
"""


def unmatched(*dags: Dag, grants: str = GRANTS) -> list[str]:
    found = loader.load(complete(grants).encode(), NOW)
    assert found.policy is not None
    return [str(problem) for problem in loader.unmatched_grants(found.policy, "cldep0prod", dags)]


def test_unmatched_grants() -> None:
    """Each grant of this Deployment on an id or tag that no Dag has is told, by exact equality."""
    assert sorted(unmatched(Dag("report", frozenset(["finance"])))) == [
        "12:50: warning: teams[0].dag_roles[0].tag: no Dag carries the tag `nobody`",
        "19:57: warning: api_tokens[0].roles[0].entity_id: there is no Dag `reports`, did you mean `report`?",
        "20:61: warning: api_tokens[0].roles[1].entity_id: no Dag carries the tag `report`",
        "5:42: warning: users[0].dag_roles[1].tag: no Dag carries the tag `Finance`, did you mean `finance`?",
        "7:45: warning: users[0].dag_roles[3].dag_id: there is no Dag `finance`",
    ]


def test_matched_grants() -> None:
    """Nothing is said when each id and tag is that of a Dag."""
    tags = frozenset(["finance", "Finance", "nobody", "report"])
    assert unmatched(*(Dag(name, tags) for name in ("report", "finance", "reports"))) == []


ON_BUNDLES = """
users:
  - email: ana@example.com
    dag_roles:
      - {deployment_id: cldep0prod, bundle: finance, role: DAG_VIEWER}
      - {deployment_id: cldep0prod, bundle: finance, folder: loads/, role: DAG_AUTHOR}
      - {deployment_id: cldep0prod, bundle: Finance, role: DAG_VIEWER}
      - {deployment_id: cldep0prod, bundle: finance, folder: load/, role: DAG_AUTHOR}
"""


def test_unmatched_bundles() -> None:
    """Grants on a bundle or folder without Dags are reported; not where it is unknown in which bundle a Dag is."""
    grant = "users[0].dag_roles[3]"
    here = Dag("report", frozenset(), DagFile("finance", "loads/report.py"))
    assert unmatched(here, grants=ON_BUNDLES) == [
        "7:45: warning: users[0].dag_roles[2].bundle: no Dag is in bundle `Finance`, did you mean `finance`?",
        f"8:62: warning: {grant}.folder: no Dag is in folder `load/` of bundle `finance`, did you mean `loads/`?",
    ]
    assert unmatched(here, Dag("other", frozenset()), grants=ON_BUNDLES) == []
