"""What two versions of a policy say differently apart from who holds which role."""

from __future__ import annotations

from typing import Any

import pytest

from astro_auth_plugin.rbac.policy import loader
from astro_auth_plugin.rbac.review.declared_changes import Declared, declared_changes

HEAD = """\
version: 1
organization_id: org
workspaces: [{id: ws}]
deployments: [{id: dep, workspace_id: ws}]
"""
ROLE = "roles:\n  - {name: r, scope: %s, permissions: [%s]%s}\n"
TOKEN = "api_tokens:\n  - {id: ci, name: ci, secret_sha256: '%s', expires_at: %s%s}\n"
ONE, OTHER = "1" * 64, "2" * 64
HAS_ROLE = ", roles: [{role: DEPLOYMENT_ADMIN, entity_type: DEPLOYMENT, entity_id: dep}]"


def changes(old: str, new: str) -> list[Declared]:
    sides: list[Any] = [loader.load((HEAD + text).encode()) for text in (old, new)]
    assert [side.errors for side in sides] == [(), ()]
    return list(declared_changes(*(side.policy for side in sides)))


def role(permissions: str, scope: str = "DAG", more: str = "") -> str:
    return ROLE % (scope, permissions, more)


SEE, RUN = "dag.airflow.dag.get", "dag.airflow.dagRun.create"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param("", role(SEE), Declared("role", "r", "+", (f"+{SEE}",), line=6), id="a new role"),
        pytest.param(role(SEE), "", Declared("role", "r", "-"), id="a role that is gone"),
        pytest.param(
            role(SEE),
            role(f"{RUN}, {RUN}"),
            Declared("role", "r", "~", (f"+{RUN}", f"-{SEE}"), line=6),
            id="permissions",
        ),
        pytest.param(
            role("dag.airflow.dag.get"),
            role("deployment.airflow.dag.get", "DEPLOYMENT"),
            Declared(
                "role",
                "r",
                "~",
                ("+deployment.airflow.dag.get", "-dag.airflow.dag.get", "scope DEPLOYMENT instead of DAG"),
                line=6,
            ),
            id="scope",
        ),
        pytest.param(
            role(SEE, more=", restricted_workspace_ids: [ws]"),
            role(SEE),
            Declared("role", "r", "~", ("restricted to other Workspaces",), line=6),
            id="restriction",
        ),
        pytest.param(
            "",
            TOKEN % (ONE, "2027-01-02T03:04:05+01:00", ""),
            Declared("API token", "ci", "+", ("expires 2027-01-02 02:04 UTC",), line=6),
            id="a new token",
        ),
        pytest.param(TOKEN % (ONE, "never", ""), "", Declared("API token", "ci", "-"), id="a token that is gone"),
        pytest.param(
            TOKEN % (ONE, "never", HAS_ROLE),
            TOKEN % (OTHER, "never", HAS_ROLE),
            Declared(
                "API token",
                "ci",
                "~",
                ("another secret, with the token's access",),
                widens=True,
                line=6,
            ),
            id="another secret",
        ),
        pytest.param(
            TOKEN % (ONE, "never", ""),
            TOKEN % (OTHER, "never", ""),
            Declared("API token", "ci", "~", ("another secret, with the token's access",), line=6),
            id="another secret of a token that holds nothing",
        ),
        pytest.param(
            TOKEN % (ONE, "2027-01-01T00:00:00Z", HAS_ROLE),
            TOKEN % (ONE, "never", HAS_ROLE),
            Declared(
                "API token", "ci", "~", ("never expires instead of expires 2027-01-01 00:00 UTC",), widens=True, line=6
            ),
            id="never expires",
        ),
        pytest.param(
            TOKEN % (ONE, "2027-01-01T00:00:00Z", HAS_ROLE),
            TOKEN % (ONE, "2027-01-02T00:00:00Z", HAS_ROLE),
            Declared(
                "API token",
                "ci",
                "~",
                ("expires 2027-01-02 00:00 UTC instead of expires 2027-01-01 00:00 UTC",),
                widens=True,
                line=6,
            ),
            id="expires later",
        ),
        pytest.param(
            TOKEN % (ONE, "never", HAS_ROLE),
            TOKEN % (ONE, "2027-01-02T00:00:00Z", HAS_ROLE),
            Declared("API token", "ci", "~", ("expires 2027-01-02 00:00 UTC instead of never expires",), line=6),
            id="expires at last",
        ),
    ],
)
def test_changes(old: str, new: str, expected: Declared) -> None:
    """Each difference is told once, in words, with its line, and whether somebody can hold more."""
    assert changes(old, new) == [expected]


def test_other_keys() -> None:
    """Of every other key of the policy only that it is different is told."""
    moved = HEAD.replace("deployments: [{", "deployments: [{name: other, ")
    (old, new) = (loader.load(text.encode()).policy for text in (HEAD, moved))
    assert old
    assert new
    assert declared_changes(old, new) == (Declared("key", "deployments", "~", line=4),)


def previous(secret: str, end: str) -> str:
    return f", previous_secret_sha256: '{secret}', previous_secret_expires_at: {end}{HAS_ROLE}"


@pytest.mark.parametrize(
    ("old", "new", "details", "widens"),
    [
        pytest.param(
            (ONE, HAS_ROLE),
            (ONE, previous(OTHER, "2030-01-02T00:00:00Z")),
            ("a previous secret is valid until 2030-01-02 00:00 UTC",),
            True,
            id="one more",
        ),
        pytest.param(
            (ONE, previous(OTHER, "2030-01-02T00:00:00Z")),
            (ONE, previous(OTHER, "2030-01-03T00:00:00Z")),
            ("a previous secret is valid until 2030-01-03 00:00 UTC",),
            True,
            id="for longer",
        ),
        pytest.param(
            (ONE, previous(OTHER, "2030-01-02T00:00:00Z")),
            (ONE, HAS_ROLE),
            ("a previous secret is no longer valid",),
            False,
            id="no more",
        ),
        pytest.param(
            (ONE, HAS_ROLE),
            (OTHER, previous(ONE, "2030-01-02T00:00:00Z")),
            (
                "another secret, with the token's access",
                "a previous secret is valid until 2030-01-02 00:00 UTC",
            ),
            True,
            id="a rotation with overlap",
        ),
    ],
)
def test_previous_secrets(
    old: tuple[str, str], new: tuple[str, str], details: tuple[str, ...], *, widens: bool
) -> None:
    """A previous secret that counts is told with its end; it is one more unless it was the secret until now."""
    (reported,) = changes(*(TOKEN % (secret, "never", more) for secret, more in (old, new)))
    assert (reported.details, reported.widens) == (details, widens)


GRANTED = """\
users:
  - {email: a@b, dag_roles: [{deployment_id: dep, tag: t, role: DAG_VIEWER}, {deployment_id: dep, tag: u, role: DAG_VIEWER}]}
"""
BY_DEFAULT = "protect_granted_tags: true\n"


def guarded(*files: str, tag: str = "t", bundle: str = "b") -> str:
    return f"protected_tags: [{{deployment_id: dep, tag: '{tag}', only_in: [{{bundle: {bundle}, files: [{', '.join(files)}]}}]}}]\n"


@pytest.mark.parametrize(
    ("old", "new", "opened"),
    [
        pytest.param(guarded("a/"), "", ["t"], id="no longer protected"),
        pytest.param("", guarded("a/"), [], id="protected at last"),
        pytest.param(guarded("a/"), guarded("a/", "b/"), ["t"], id="another folder"),
        pytest.param(guarded("a/", "b/"), guarded("a/"), [], id="a folder less"),
        pytest.param(guarded("a/"), guarded("a/", bundle="c"), ["t"], id="another bundle"),
        pytest.param(guarded("a/"), guarded("a/", tag="*"), [], id="every tag, so another one too"),
        pytest.param(guarded("a/", tag="*"), "", ["t", "u"], id="no tag"),
        pytest.param(BY_DEFAULT, "", ["t", "u"], id="no longer by default"),
        pytest.param(BY_DEFAULT, BY_DEFAULT + guarded("a/"), ["t"], id="a place"),
        pytest.param("", BY_DEFAULT, [], id="by default at last"),
    ],
)
def test_tags_that_more_files_may_carry(old: str, new: str, opened: list[str]) -> None:
    """A granted tag that more files may carry is told as wider, for its people may get Dags that no list shows yet."""
    reported = [each for each in changes(GRANTED + old, GRANTED + new) if each.what == "tag"]
    assert [each.name for each in reported] == opened
    assert all(each.widens and each.details == ("more files may carry it",) for each in reported)
    # Of a tag that nobody holds, before or after, nobody gets Dags.
    assert not [each for each in changes(old, GRANTED + new) + changes(GRANTED + old, new) if each.what == "tag"]


@pytest.mark.parametrize("text", ["", role(SEE), TOKEN % (ONE, "never", HAS_ROLE), "teams: [{name: t}]\n"])
def test_nothing_is_different(text: str) -> None:
    """A policy says nothing differently from itself, wherever its entries stand."""
    assert changes(text, "\n\n" + text) == []


ELSEWHERE = HEAD.replace("{id: ws}", "{id: ws}, {id: empty}")


def grants(old: dict[str, str] | str, new: dict[str, str] | str, head: str = ELSEWHERE) -> list[tuple[Any, ...]]:
    """Return what is told of grants between two entries of one user, each an Organization role or roles by Workspace."""

    def load(roles: dict[str, str] | str) -> Any:
        if isinstance(roles, str):
            text = f"organization_role: {roles}" if roles else ""
        else:
            each = ", ".join(f"{{workspace_id: {place}, role: {role}}}" for place, role in roles.items())
            text = f"workspace_roles: [{each}]"
        return loader.load(f"{head}users: [{{email: a@b, {text}}}]\n".encode()).policy

    found = declared_changes(load(old), load(new))
    assert all(each.subjects == ("a@b",) for each in found)
    return [(each.sign, each.what, each.name, each.workspace_id, each.widens) for each in found]


@pytest.mark.parametrize(
    ("old", "new", "widens"),
    [
        ("", "WORKSPACE_ACCESSOR", True),
        ("WORKSPACE_MEMBER", "WORKSPACE_AUTHOR", True),
        ("WORKSPACE_OPERATOR", "WORKSPACE_OWNER", True),
        ("WORKSPACE_AUTHOR", "WORKSPACE_OPERATOR", True),
        ("WORKSPACE_OWNER", "WORKSPACE_OPERATOR", False),
        ("WORKSPACE_AUTHOR", "WORKSPACE_EDITOR", False),
        ("WORKSPACE_ADMIN", "WORKSPACE_OWNER", False),
        ("WORKSPACE_OWNER", "", None),
    ],
)
def test_grants_in_a_workspace_without_a_deployment(old: str, new: str, *, widens: bool | None) -> None:
    """A role in a Workspace that has no Deployment is listed, and is wider if it gives more than the one before."""
    sides = [{"empty": role} if role else {} for role in (old, new)]
    gone = [("-", "Workspace role", old, "empty", False)] if old else []
    added = [("+", "Workspace role", new, "empty", bool(widens))] if new else []
    assert grants(*sides) == added + gone
    # Where the Workspace has a Deployment, its plan has it.
    assert grants(*({"ws": role} if role else {} for role in (old, new))) == []


@pytest.mark.parametrize(
    ("old", "new", "widens"),
    [
        ("", "ORGANIZATION_BILLING_ADMIN", True),
        ("", "ORGANIZATION_MEMBER", False),
        ("ORGANIZATION_BILLING_ADMIN", "ORGANIZATION_OBSERVE_ADMIN", True),
        ("ORGANIZATION_OBSERVE_MEMBER", "ORGANIZATION_OBSERVE_ADMIN", True),
        ("ORGANIZATION_OBSERVE_ADMIN", "ORGANIZATION_OBSERVE_MEMBER", False),
        ("ORGANIZATION_OBSERVE_ADMIN", "ORGANIZATION_MEMBER", False),
        ("ORGANIZATION_OWNER", "ORGANIZATION_BILLING_ADMIN", False),
    ],
)
def test_organization_roles(old: str, new: str, *, widens: bool) -> None:
    """An Organization role is listed, and is wider unless the one before includes it; an Owner is in every plan."""
    gone = [("-", "Organization role", old, "", False)] if old not in ("", "ORGANIZATION_OWNER") else []
    assert grants(old, new) == [("+", "Organization role", new, "", widens), *gone]
    assert grants(new, "ORGANIZATION_OWNER") == [("-", "Organization role", new, "", False)]
    nowhere = ELSEWHERE.replace("deployments: [{id: dep, workspace_id: ws}]\n", "")
    assert ("+", "Organization role", "ORGANIZATION_OWNER", "", True) in grants(new, "ORGANIZATION_OWNER", nowhere)


def test_grants_are_those_of_subjects() -> None:
    """Grants are compared for each person, group and API token, however they hold them, and listed once for all."""
    role = "workspace_roles: [{workspace_id: empty, role: WORKSPACE_OWNER}]"
    own = f"users: [{{email: a@b, {role}}}]\n"
    team = f"teams: [{{name: t, members: [A@b%s], {role}}}]\n"
    token = TOKEN % (ONE, "never", ", roles: [%s]")
    of_token = "{role: WORKSPACE_OWNER, entity_type: WORKSPACE, entity_id: empty}"
    billing = "{role: ORGANIZATION_BILLING_ADMIN, entity_type: ORGANIZATION, entity_id: org}"
    on_dag = "{role: DAG_VIEWER, entity_type: DAG, entity_id: d, deployment_id: dep}"

    def found(old: str, new: str) -> list[Declared]:
        old_policy, new_policy = (loader.load((ELSEWHERE + text).encode()).policy for text in (old, new))
        assert old_policy
        assert new_policy
        return list(declared_changes(old_policy, new_policy))

    assert found(own, team % "") == []
    joined = Declared("Workspace role", "WORKSPACE_OWNER", "+", (), widens=True, workspace_id="empty")
    more = f"{team % ', b@b'}".replace("name: t", "name: t, idp_groups: [okta]") + token % f"{of_token}, {on_dag}"
    assert found(team % "" + token % on_dag, more) == [joined._replace(subjects=("b@b", "group okta", "token:ci"))]
    of_organization = Declared("Organization role", "ORGANIZATION_BILLING_ADMIN", "+", (), True, subjects=("token:ci",))
    assert found(token % "", token % billing) == [of_organization]


SHORT, LONG = "2027-06-01T00:00:00Z", "2027-07-01T02:00:00+02:00"
GRANT = "users:\n  - email: ana@example.com\n    dag_roles: [{deployment_id: dep, tag: sales, role: DAG_VIEWER%s}]\n"


def grant(*ends: str) -> str:
    """A policy with a grant for each end; '' is one that does not end."""
    given = "}, {deployment_id: dep, tag: sales, role: DAG_VIEWER".join(
        f", expires_at: {end}" if end else "" for end in ends
    )
    return GRANT % given


@pytest.mark.parametrize(
    ("old", "new", "said", "widens"),
    [
        (grant(SHORT), grant(LONG), "ends 2027-07-01 00:00:00 UTC instead of 2027-06-01 00:00:00 UTC", True),
        (grant(LONG), grant(SHORT), "ends 2027-06-01 00:00:00 UTC instead of 2027-07-01 00:00:00 UTC", False),
        (grant(SHORT), grant(""), "ends never instead of 2027-06-01 00:00:00 UTC", True),
        (grant(""), grant(SHORT), "ends 2027-06-01 00:00:00 UTC instead of never", False),
        (grant(SHORT), grant(SHORT, LONG), "ends 2027-07-01 00:00:00 UTC instead of 2027-06-01 00:00:00 UTC", True),
        (grant(SHORT), grant(LONG, SHORT), "ends 2027-07-01 00:00:00 UTC instead of 2027-06-01 00:00:00 UTC", True),
    ],
)
def test_another_end(old: str, new: str, said: str, widens: bool) -> None:
    """A grant that ends at another time is said with both times; a later end widens."""
    (change,) = changes(old, new)
    assert change.details == (f"user `ana@example.com` on tag `sales` {said}",)
    assert (change.what, change.name, change.sign, change.widens) == ("grant", "DAG_VIEWER", "~", widens)
    assert change.line == 7


@pytest.mark.parametrize(
    ("ends", "said", "widens"),
    [
        ((SHORT, LONG), "ends 2027-07-01 00:00:00 UTC instead of 2027-06-01 00:00:00 UTC", True),
        (("", SHORT), "ends 2027-06-01 00:00:00 UTC instead of never", False),
        ((SHORT, ""), "ends never instead of 2027-06-01 00:00:00 UTC", True),
    ],
)
def test_another_end_of_an_organization_role(ends: tuple[str, str], said: str, widens: bool) -> None:
    """So is an Organization role, written with its end or alone."""
    old, new = (
        "users:\n  - email: ana@example.com\n    organization_role: "
        + (f"{{role: ORGANIZATION_OWNER, expires_at: {end}}}\n" if end else "ORGANIZATION_OWNER\n")
        for end in ends
    )
    (change,) = changes(old, new)
    assert change.details == (f"user `ana@example.com` on the Organization {said}",)
    assert (change.name, change.sign, change.widens, change.line) == ("ORGANIZATION_OWNER", "~", widens, 7)


TEAM = "teams:\n  - name: t\n    members: [%s]\n"


def members(*ends: str) -> str:
    """A policy with an entry of a member for each end; '' is one that does not end."""
    return TEAM % ", ".join(f"{{email: Ana@b, expires_at: {end}}}" if end else "ana@b" for end in ends)


@pytest.mark.parametrize(
    ("old", "new", "said", "widens"),
    [
        (members(SHORT), members(LONG), "ends 2027-07-01 00:00:00 UTC instead of 2027-06-01 00:00:00 UTC", True),
        (members(LONG), members(SHORT), "ends 2027-06-01 00:00:00 UTC instead of 2027-07-01 00:00:00 UTC", False),
        (members(SHORT), members(""), "ends never instead of 2027-06-01 00:00:00 UTC", True),
        (members(""), members(SHORT), "ends 2027-06-01 00:00:00 UTC instead of never", False),
        (members(SHORT), members(LONG, SHORT), "ends 2027-07-01 00:00:00 UTC instead of 2027-06-01 00:00:00 UTC", True),
    ],
)
def test_another_end_of_a_membership(old: str, new: str, said: str, widens: bool) -> None:
    """A membership that ends at another time is said with both times; a later end widens."""
    assert changes(old, new) == [Declared("member", "t", "~", (f"membership of user `ana@b` {said}",), widens, 7)]


def test_new_membership_that_ends() -> None:
    """Of a new membership its end is said, if it has one; who joins and leaves is in the lists of gains and losses."""
    (change,) = changes(members(), members(SHORT))
    assert (change.sign, change.widens) == ("+", False)
    assert change.details == ("membership of user `ana@b` ends 2027-06-01 00:00:00 UTC",)
    assert changes("", members(SHORT))[0] == change
    assert changes(members(SHORT), members()) == changes(members(), members("")) == []
    assert changes(members("", SHORT), members("")) == changes(members(SHORT, LONG), members(LONG)) == []


def test_new_grant_that_ends() -> None:
    """Of a new grant its end is said; what it gives is in the list of gains, and when it is gone, of losses."""
    (change,) = changes("users: [{email: ana@example.com}]\n", grant(SHORT))
    assert (change.sign, change.widens) == ("+", False)
    assert change.details == ("user `ana@example.com` on tag `sales` ends 2027-06-01 00:00:00 UTC",)
    assert changes(grant(SHORT), "users: [{email: ana@example.com}]\n") == []
    assert changes(grant(SHORT), grant(SHORT)) == []


def test_support_teams() -> None:
    """Whether a Team is for support is said, of a new one, too."""
    team, support = (f"teams:\n  - {{name: t, members: [a@b]{more}}}\n" for more in ("", ", support: true"))
    assert changes(team, support) == [Declared("Team", "t", "~", ("is a support Team",), line=6)]
    assert changes(support, team) == [Declared("Team", "t", "~", ("is no support Team any more",), line=6)]
    assert changes("", support) == [Declared("Team", "t", "+", ("is a support Team",), line=6)]
    assert changes("", team) == changes(support, "") == changes(support, support) == []
