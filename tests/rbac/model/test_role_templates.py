"""The starting points for custom roles."""

from __future__ import annotations

import pytest

from astro_auth_plugin.rbac.model.permissions import DAG_WORDS, DEPLOYMENT_WORDS, mask, mask_of_words
from astro_auth_plugin.rbac.model.role_templates import TEMPLATES
from astro_auth_plugin.rbac.model.roles import BUILT_IN
from astro_auth_plugin.rbac.policy import loader
from tests import reference_engine as reference

SAME_AS = {
    "deployment-viewer": "WORKSPACE_MEMBER",
    "deployment-author": "WORKSPACE_AUTHOR",
    "deployment-operator": "WORKSPACE_OPERATOR",
    "dag-viewer": "DAG_VIEWER",
    "dag-author": "DAG_AUTHOR",
}


def test_which_templates_there_are() -> None:
    """There is a template for each kind of work, under its own name, and none has the name of a role."""
    assert set(TEMPLATES) == set(SAME_AS)
    assert all(template.name == name and template.description for name, template in TEMPLATES.items())
    assert not set(TEMPLATES) & set(BUILT_IN)


@pytest.mark.parametrize("name", SAME_AS)
def test_permissions(name: str) -> None:
    """A template has the permissions of its role: all of them, and no other."""
    template = TEMPLATES[name]
    assert mask_of_words(template.permissions, template.scope) == BUILT_IN[SAME_AS[name]].permissions
    assert {reference.permission_of(word) for word in template.permissions} == reference.ROLES[SAME_AS[name]]


@pytest.mark.parametrize("name", SAME_AS)
def test_words(name: str) -> None:
    """A template is of the scope of its name, and has only words that a role of this scope may have, each once."""
    template = TEMPLATES[name]
    assert template.scope == name.partition("-")[0].upper()
    known = DAG_WORDS if template.scope == "DAG" else DEPLOYMENT_WORDS
    assert set(template.permissions) <= set(known)
    assert len(set(template.permissions)) == len(template.permissions)


@pytest.mark.parametrize("name", SAME_AS)
def test_role_from_a_template(name: str) -> None:
    """A policy with a custom role from a template loads, without errors and without warnings about the role."""
    template = TEMPLATES[name]
    role = {"name": "mine", "scope": template.scope, "permissions": list(template.permissions)}
    key, place = ("dag_roles", {"tag": "t"}) if template.scope == "DAG" else ("deployment_roles", {})
    checked = loader.from_values(
        {
            "version": 1,
            "organization_id": "org",
            "workspaces": [{"id": "ws"}],
            "deployments": [{"id": "dep", "workspace_id": "ws"}],
            "roles": [role],
            "users": [{"email": "ana@example.com", key: [{"deployment_id": "dep", "role": "mine", **place}]}],
        }
    )
    assert checked.policy is not None
    assert [problem.text for problem in checked.problems] == []


def test_templates_cannot_be_changed() -> None:
    """The templates are the same for everybody who reads them."""
    with pytest.raises(TypeError):
        TEMPLATES["new"] = TEMPLATES["dag-viewer"]  # type: ignore[index]


def test_viewers_only_look() -> None:
    """A template for viewers has no permission to change anything, and one for authors none to write XComs."""
    for name in ("deployment-viewer", "dag-viewer"):
        assert all(word.endswith(".get") for word in TEMPLATES[name].permissions)
    for name in ("deployment-author", "dag-author"):
        held = mask_of_words(TEMPLATES[name].permissions, TEMPLATES[name].scope)
        assert not held & mask("xcom.create", "xcom.update")
