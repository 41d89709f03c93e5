"""Which users a policy names as Organization Owners."""

from __future__ import annotations

from typing import Any

import pytest

from astro_auth_plugin.rbac.changes.owners import organization_owners
from astro_auth_plugin.rbac.policy.document import PolicyDocument

OWNER = {"organization_role": "ORGANIZATION_OWNER"}
ENDING_OWNER = {"organization_role": {"role": "ORGANIZATION_OWNER", "expires_at": "2099-01-01T00:00:00Z"}}


@pytest.mark.parametrize(
    ("values", "owners"),
    [
        ({}, set()),
        ({"users": [{"email": "Ana@Example.com", **OWNER}]}, {"ana@example.com"}),
        ({"users": [{"email": "ana@example.com", "organization_role": "ORGANIZATION_MEMBER"}]}, set()),
        ({"users": [{"email": "ana@example.com", **ENDING_OWNER}]}, set()),
        (
            {
                "users": [
                    {"email": "ana@example.com", "organization_role": {"role": "ORGANIZATION_OWNER", "note": "why"}}
                ]
            },
            {"ana@example.com"},
        ),
        ({"teams": [{"name": "t", "members": ["bo@example.com"], **ENDING_OWNER}]}, set()),
        ({"teams": [{"name": "t", **OWNER}]}, set()),
        ({"teams": [{"name": "t", "members": ["Bo@example.com", "bo@EXAMPLE.com"], **OWNER}]}, {"bo@example.com"}),
        ({"teams": [{"name": "t", "idp_groups": ["admins"], **OWNER}]}, set()),
        ({"teams": [{"name": "t", "members": ["bo@example.com"]}]}, set()),
        (
            {
                "users": [{"email": "ana@example.com", **OWNER}, {"email": "cy@example.com"}],
                "teams": [{"name": "t", "members": ["ana@example.com", "bo@example.com"], **OWNER}],
            },
            {"ana@example.com", "bo@example.com"},
        ),
        (
            {
                "teams": [
                    {
                        "name": "t",
                        "members": [
                            {"email": "bo@example.com", "expires_at": "2099-01-01T00:00:00Z"},
                            {"email": "cy@example.com"},
                        ],
                        **OWNER,
                    }
                ]
            },
            {"cy@example.com"},
        ),
        (
            {
                "users": [
                    {
                        "email": "ana@example.com",
                        "workspace_roles": [{"workspace_id": "ws", "role": "WORKSPACE_OWNER"}],
                    }
                ]
            },
            set(),
        ),
    ],
)
def test_organization_owners(values: dict[str, Any], owners: set[str]) -> None:
    """Owners are users with the role, and listed members of Teams with it; people of groups and others are none."""
    document = PolicyDocument.model_validate({"version": 1, "organization_id": "org", **values})
    assert organization_owners(document) == owners


def test_api_tokens_are_no_owners() -> None:
    """An API token with the role of an Organization Owner is not counted: it expires, and no person holds it."""
    roles = [{"role": "ORGANIZATION_OWNER", "entity_type": "ORGANIZATION", "entity_id": "org"}]
    token = {"id": "tok", "name": "n", "secret_sha256": "0" * 64, "expires_at": "never", "roles": roles}
    document = PolicyDocument.model_validate({"version": 1, "organization_id": "org", "api_tokens": [token]})
    assert organization_owners(document) == frozenset()
