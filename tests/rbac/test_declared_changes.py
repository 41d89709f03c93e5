"""What two versions of a policy say differently apart from who holds which role."""

from __future__ import annotations

from typing import Any

import pytest

from astro_auth_plugin.rbac import policy
from astro_auth_plugin.rbac.declared_changes import Declared, declared_changes

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
    sides: list[Any] = [policy.load((HEAD + text).encode()) for text in (old, new)]
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
                ("another secret: whoever has it holds what the token holds",),
                widens=True,
                line=6,
            ),
            id="another secret",
        ),
        pytest.param(
            TOKEN % (ONE, "never", ""),
            TOKEN % (OTHER, "never", ""),
            Declared("API token", "ci", "~", ("another secret: whoever has it holds what the token holds",), line=6),
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
    (old, new) = (policy.load(text.encode()).policy for text in (HEAD, moved))
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
            ("a previous secret counts until 2030-01-02 00:00 UTC",),
            True,
            id="one more",
        ),
        pytest.param(
            (ONE, previous(OTHER, "2030-01-02T00:00:00Z")),
            (ONE, previous(OTHER, "2030-01-03T00:00:00Z")),
            ("a previous secret counts until 2030-01-03 00:00 UTC",),
            True,
            id="for longer",
        ),
        pytest.param(
            (ONE, previous(OTHER, "2030-01-02T00:00:00Z")),
            (ONE, HAS_ROLE),
            ("a previous secret counts no more",),
            False,
            id="no more",
        ),
        pytest.param(
            (ONE, HAS_ROLE),
            (OTHER, previous(ONE, "2030-01-02T00:00:00Z")),
            (
                "another secret: whoever has it holds what the token holds",
                "a previous secret counts until 2030-01-02 00:00 UTC",
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
    (told,) = changes(*(TOKEN % (secret, "never", more) for secret, more in (old, new)))
    assert (told.details, told.widens) == (details, widens)


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
    told = [each for each in changes(GRANTED + old, GRANTED + new) if each.what == "tag"]
    assert [each.name for each in told] == opened
    assert all(each.widens and each.details == ("more files may carry it",) for each in told)
    # Of a tag that nobody holds, before or after, nobody gets Dags.
    assert not [each for each in changes(old, GRANTED + new) + changes(GRANTED + old, new) if each.what == "tag"]


@pytest.mark.parametrize("text", ["", role(SEE), TOKEN % (ONE, "never", HAS_ROLE), "teams: [{name: t}]\n"])
def test_nothing_is_different(text: str) -> None:
    """A policy says nothing differently from itself, wherever its entries stand."""
    assert changes(text, "\n\n" + text) == []
