"""The built-in roles: their names, levels and permissions."""

from __future__ import annotations

from typing import cast

import pytest

from astro_auth_plugin.rbac.model.permissions import names
from astro_auth_plugin.rbac.model.roles import ACCESSOR_PERMISSIONS, BUILT_IN, Role
from tests import reference_engine as reference
from tests import role_permissions


def test_permissions_are_the_reviewed_ones() -> None:
    """What each role can do is what tests/expected/roles.yaml says; `python -m tests.role_permissions` writes it anew."""
    assert role_permissions.text() == role_permissions.EXPECTED.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(reference.ROLES))
def test_permissions_are_those_of_the_specification(name: str) -> None:
    """Each role holds what the specification gives it, by a second table that was typed from there."""
    assert set(names(BUILT_IN[name].permissions)) == reference.ROLES[name]


@pytest.mark.parametrize("level", sorted(reference.ROLES_BY_LEVEL))
def test_roles_of_each_level(level: str) -> None:
    """Each level has the roles that the specification lists there, and no others."""
    found = {role.name for role in BUILT_IN.values() if role.level == level}
    assert found == set(reference.ROLES_BY_LEVEL[level])


def test_there_are_twenty_roles() -> None:
    """No role hides at a level of its own."""
    assert len(BUILT_IN) == len(reference.ROLES) == 20


def test_names_are_the_keys() -> None:
    """Each role is found under its own name."""
    assert [role.name for role in BUILT_IN.values()] == list(BUILT_IN)


def test_dag_roles_hold_nothing_that_no_dag_has() -> None:
    """A Dag role has no permission that is only known in a whole Deployment."""
    for role in BUILT_IN.values():
        if role.level == "DAG":
            assert set(names(role.permissions)) <= reference.DAG_PERMISSIONS


def test_legacy_roles_name_their_successors() -> None:
    """Each role of the past says what it is called today, and no other role does."""
    assert {role.name: role.today for role in BUILT_IN.values() if role.today} == {
        "WORKSPACE_ADMIN": "WORKSPACE_OWNER",
        "WORKSPACE_EDITOR": "WORKSPACE_OPERATOR",
        "WORKSPACE_VIEWER": "WORKSPACE_MEMBER",
    }


def test_every_role_is_described() -> None:
    """Each role comes with words that an operator can read."""
    assert [role.name for role in BUILT_IN.values() if len(role.description) < 5] == []


def test_accessor_permissions() -> None:
    """What comes with every Dag role is what Deployment Accessor holds: the home page and the Docs menu."""
    assert (
        names(ACCESSOR_PERMISSIONS) == names(BUILT_IN["DEPLOYMENT_ACCESSOR"].permissions) == ("docs.get", "website.get")
    )


def test_roles_cannot_be_changed() -> None:
    """Nothing that runs in the same process can add a role or give one more power."""
    with pytest.raises(TypeError):
        cast("dict[str, Role]", BUILT_IN)["BACKDOOR"] = BUILT_IN["WORKSPACE_OWNER"]
    with pytest.raises(AttributeError):
        BUILT_IN["WORKSPACE_MEMBER"].permissions = 0  # type: ignore[misc]
