"""What a check of a policy costs: it grows with the length of the policy, not with its square."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import pytest

from astro_auth_plugin.rbac.policy import checks, diagnostics, hints, loader, protected_tags
from astro_auth_plugin.rbac.policy.document import PolicyDocument

MANY = 2_000


def document(**parts: Any) -> dict[str, Any]:
    """Return a policy with many Deployments, each in a Workspace of its own."""
    return {
        "version": 1,
        "organization_id": "org",
        "workspaces": [{"id": f"ws{number}"} for number in range(MANY)],
        "deployments": [{"id": f"dep{number}", "workspace_id": f"ws{number}"} for number in range(MANY)],
        **parts,
    }


def grants(key: str, **grant: str) -> list[dict[str, Any]]:
    """Return a user for each Deployment, with one grant in it."""
    return [
        {
            "email": f"u{number}@example.com",
            key: [{name: text.format(number) for name, text in grant.items()}],
        }
        for number in range(MANY)
    ]


@pytest.mark.parametrize(
    ("parts", "unknown"),
    [
        (
            {"users": grants("deployment_roles", deployment_id="xdep{}", role="DEPLOYMENT_ADMIN")},
            "Deployment `xdep0` is not listed in this file, did you mean `dep0`?",
        ),
        (
            {
                "roles": [
                    {"name": f"role-{number}", "scope": "DAG", "permissions": ["dag.airflow.dag.get"]}
                    for number in range(MANY)
                ],
                "users": grants("dag_roles", deployment_id="dep{}", dag_id="x", role="rolle-{}"),
            },
            "unknown role `rolle-0`, did you mean `role-0`?",
        ),
        (
            {
                "protected_tags": [
                    {"deployment_id": f"xdep{number}", "tag": "t", "only_in": []} for number in range(MANY)
                ]
            },
            "Deployment `xdep0` is not listed in this file, did you mean `dep0`?",
        ),
    ],
)
def test_hints_are_bounded(parts: dict[str, Any], unknown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The nearest known word is looked for until a number of comparisons is reached, and each problem is reported."""
    compared = 0

    def counting(hint: Callable[[str, Collection[str]], str]) -> Callable[[str, Collection[str]], str]:
        def counted(word: str, known: Collection[str]) -> str:
            nonlocal compared
            compared += len(known)
            return hint(word, known)

        return counted

    for name in ("did_you_mean", "misspelling_of"):
        monkeypatch.setattr(hints, name, counting(getattr(hints, name)))
    checked = loader.from_values(document(**parts))
    assert unknown in {problem.message for problem in checked.errors}
    assert len(checked.errors) == diagnostics.MAX_PROBLEMS + 1
    assert MANY <= compared <= 5_000 + 2 * MANY


def test_restrictions_of_roles_are_looked_up() -> None:
    """A grant of a restricted role does not search through all Workspaces of the role."""

    class Listed(list[str]):
        def __contains__(self, _: object) -> bool:
            pytest.fail("searched the list")

    role = {
        "name": "r",
        "scope": "DAG",
        "permissions": ["dag.airflow.dag.get"],
        "restricted_workspace_ids": Listed(["ws0"]),
    }
    values = document(roles=[role], users=grants("dag_roles", deployment_id="dep{}", dag_id="x", role="r"))
    assert len(list(checks.errors(values))) == MANY - 1


def test_protected_tags_are_grouped_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The warnings about protected tags read the document a fixed number of times, however many Deployments it has."""
    passes = 0
    granted_tags = protected_tags.granted_tags

    def counted(document: PolicyDocument) -> Any:
        nonlocal passes
        passes += 1
        return granted_tags(document)

    monkeypatch.setattr(protected_tags, "granted_tags", counted)
    values = document(
        protect_granted_tags=True,
        protected_tags=[
            {"deployment_id": f"dep{number}", "tag": "t", "only_in": [{"bundle": "b", "files": ["**"]}]}
            for number in range(0, MANY, 2)
        ],
        users=grants("dag_roles", deployment_id="dep{}", tag="t", role="DAG_VIEWER"),
    )
    checked = loader.from_values(values)
    assert {problem.message for problem in checked.warnings} == {
        "no Dag may use the tag `t`: `protected_tags` names no place for it",
        "and more of the same kind",
    }
    assert passes == 1
