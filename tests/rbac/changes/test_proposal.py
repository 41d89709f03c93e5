"""What an edit would make of a policy: the checked result, the differences, what is odd, and lost Owners."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from astro_auth_plugin.rbac.changes import edits
from astro_auth_plugin.rbac.changes.edits import Edit, EditError
from astro_auth_plugin.rbac.changes.proposal import InvalidProposal, Proposal, propose
from astro_auth_plugin.rbac.model.scopes import ORGANIZATION, GrantScope
from astro_auth_plugin.rbac.policy import loader
from astro_auth_plugin.rbac.policy.grants import Principal

NOW = datetime(2027, 6, 1, tzinfo=UTC)
ANA, BO = Principal("user", "ana@example.com"), Principal("user", "bo@example.com")
OWNER = "ORGANIZATION_OWNER"
HERE = GrantScope("Workspace", "ws")

VALUES: dict[str, Any] = {
    "version": 1,
    "organization_id": "org",
    "workspaces": [{"id": "ws"}],
    "deployments": [{"id": "dep", "workspace_id": "ws"}],
    "users": [{"email": "ana@example.com", "organization_role": OWNER}],
}


def proposed(edit: Edit, **more: Any) -> Proposal:
    values = {**VALUES, **more}
    before = copy.deepcopy(values)
    policy = loader.from_values(values).policy
    assert policy is not None
    try:
        return propose(values, policy, edit, NOW)
    finally:
        assert values == before


def test_proposal() -> None:
    """A proposal has the new values, the policy that they are, and every difference."""
    proposal = proposed(edits.grant(BO, "WORKSPACE_MEMBER", HERE))
    roles = [{"workspace_id": "ws", "role": "WORKSPACE_MEMBER"}]
    assert proposal.values == {**VALUES, "users": [*VALUES["users"], {"email": BO.name, "workspace_roles": roles}]}
    assert proposal.policy.document.users[1].email == BO.name
    assert list(map(str, proposal.changes)) == [
        "+ user `bo@example.com`",
        "+ user `bo@example.com`: `WORKSPACE_MEMBER` on Workspace `ws`",
    ]
    assert (proposal.warnings, proposal.new_warnings, proposal.loses_owner) == ((), (), False)


def test_edit_that_changes_nothing() -> None:
    """An edit after which the policy is the same has no differences."""
    assert proposed(edits.replace(copy.deepcopy(VALUES))).changes == ()


def test_edit_that_does_not_fit() -> None:
    """An edit that does not fit the policy is refused in its own words."""
    with pytest.raises(EditError, match=r"^there is no Team `x`$"):
        proposed(edits.remove_team("x"))


def test_invalid_proposal() -> None:
    """An edit that would make an invalid policy is refused with every problem, one a line."""
    somewhere = GrantScope("Deployment", "nowhere")
    with pytest.raises(InvalidProposal) as refused:
        proposed(edits.grant(BO, "WORKSPACE_MEMBER", somewhere))
    assert str(refused.value).split("\n") == [
        "users[1].deployment_roles[0].deployment_id: Deployment `nowhere` is not listed in this file",
        "users[1].deployment_roles[0].role: role `WORKSPACE_MEMBER` is a Workspace role, expected a Deployment role",
    ]


def test_warnings_are_no_problem_of_a_proposal() -> None:
    """What is only odd does not refuse an edit, and what was odd before it is told apart from what is new."""
    viewer = [{"deployment_id": "dep", "tag": "t", "role": "DAG_VIEWER"}]
    teams = [{"name": "old", "dag_roles": viewer}]
    role = {"name": "blind", "scope": "DAG", "permissions": ["dag.airflow.dag.get", "dag.airflow.dagRun.update"]}
    proposal = proposed(edits.add_role(role), teams=teams)
    new, known = sorted(proposal.warnings, key=lambda warning: warning.path)
    assert (new.path[0], known.path) == ("roles", ("teams", 0))
    assert proposal.new_warnings == (new,)
    assert proposal.known == {known.message}
    assert proposed(edits.remove_team("old"), teams=teams).known == frozenset()


def test_warnings_are_of_now() -> None:
    """What is said of tokens that expire soon is said as of the time of the edit."""
    token = {"id": "tok", "name": "n", "secret_sha256": "1" * 64, "expires_at": "2027-06-02T00:00:00Z"}
    role = {"role": "WORKSPACE_MEMBER", "entity_type": "WORKSPACE", "entity_id": "ws"}
    proposal = proposed(edits.add_token({**token, "roles": [role]}))
    assert any("expires" in warning.message for warning in proposal.new_warnings)
    far = {**token, "expires_at": "2029-06-02T00:00:00Z", "roles": [role]}
    assert not any("expires" in warning.message for warning in proposed(edits.add_token(far)).warnings)


@pytest.mark.parametrize(
    ("edit", "more", "loses"),
    [
        (edits.remove_user("Ana@Example.com"), {}, True),
        (edits.grant(ANA, "ORGANIZATION_MEMBER", ORGANIZATION), {}, True),
        (edits.revoke(ANA, OWNER, ORGANIZATION), {}, True),
        (edits.revoke(ANA, OWNER, ORGANIZATION), {"teams": [{"name": "t", "organization_role": OWNER}]}, True),
        (
            edits.revoke(ANA, OWNER, ORGANIZATION),
            {"teams": [{"name": "t", "organization_role": OWNER, "members": [BO.name]}]},
            False,
        ),
        (edits.grant(BO, OWNER, ORGANIZATION), {}, False),
        (edits.grant(BO, "WORKSPACE_MEMBER", HERE), {"users": []}, False),
        (edits.grant(BO, OWNER, ORGANIZATION), {"users": []}, False),
    ],
)
def test_loses_owner(edit: Edit, more: dict[str, Any], loses: bool) -> None:
    """An Owner is lost where there is one now and none afterwards; where there is none now, none is lost."""
    assert proposed(edit, **more).loses_owner is loses
