"""The ladder: which built-in role can do all that another can, with every exception named."""

from __future__ import annotations

import pytest

from astro_auth_plugin.rbac.model.permissions import names
from astro_auth_plugin.rbac.model.roles import BUILT_IN
from tests import reference_engine as reference

LADDER = [
    ("WORKSPACE_OWNER", "WORKSPACE_AUTHOR"),
    ("WORKSPACE_AUTHOR", "WORKSPACE_MEMBER"),
    ("WORKSPACE_MEMBER", "WORKSPACE_ACCESSOR"),
    ("WORKSPACE_MEMBER", "DEPLOYMENT_ACCESSOR"),
    ("WORKSPACE_AUTHOR", "WORKSPACE_EDITOR"),
    ("WORKSPACE_EDITOR", "WORKSPACE_MEMBER"),
    ("DEPLOYMENT_ACCESSOR", "WORKSPACE_ACCESSOR"),
    ("DAG_AUTHOR", "DAG_VIEWER"),
    ("WORKSPACE_OWNER", "OBJECT_ADMIN"),
    ("OBJECT_ADMIN", "OBJECT_EDITOR"),
    ("OBJECT_EDITOR", "OBJECT_VIEWER"),
]
EQUALS = [
    ("WORKSPACE_OWNER", "ORGANIZATION_OWNER"),
    ("WORKSPACE_OWNER", "WORKSPACE_OPERATOR"),
    ("WORKSPACE_OWNER", "DEPLOYMENT_ADMIN"),
    ("WORKSPACE_OWNER", "WORKSPACE_ADMIN"),
    ("WORKSPACE_MEMBER", "WORKSPACE_VIEWER"),
    ("ORGANIZATION_MEMBER", "ORGANIZATION_BILLING_ADMIN"),
    ("ORGANIZATION_MEMBER", "ORGANIZATION_OBSERVE_ADMIN"),
    ("ORGANIZATION_MEMBER", "ORGANIZATION_OBSERVE_MEMBER"),
    ("ORGANIZATION_MEMBER", "WORKSPACE_ACCESSOR"),
]


def permissions(role: str) -> set[str]:
    """Return what the role holds."""
    return set(names(BUILT_IN[role].permissions))


def on_dags(role: str) -> set[str]:
    """Return what the role holds of what single Dags have."""
    return permissions(role) & reference.DAG_PERMISSIONS


@pytest.mark.parametrize(("higher", "lower"), LADDER)
def test_higher_role_can_do_all_of_the_lower_and_more(higher: str, lower: str) -> None:
    """Whoever is raised one step loses nothing and gains something."""
    assert permissions(higher) > permissions(lower)


@pytest.mark.parametrize(("one", "other"), EQUALS)
def test_equal_roles(one: str, other: str) -> None:
    """These roles differ in who may change access, and not in what they hold in Airflow."""
    assert permissions(one) == permissions(other)


def test_top_of_the_ladder_is_everything() -> None:
    """An Owner holds every permission there is."""
    assert permissions("WORKSPACE_OWNER") == reference.DEPLOYMENT_PERMISSIONS


def test_bottom_of_the_ladder_is_nothing() -> None:
    """Membership alone opens nothing in Airflow."""
    assert permissions("ORGANIZATION_MEMBER") == permissions("WORKSPACE_ACCESSOR") == set()


def test_every_role_is_on_the_ladder() -> None:
    """No built-in role is left out of these comparisons."""
    assert {role for pair in LADDER + EQUALS for role in pair} == set(BUILT_IN)


def test_dag_viewer_against_member() -> None:
    """On its Dags a Dag Viewer reads XComs and the Dag's audit log, which a Member does not, and nothing else more."""
    assert on_dags("DAG_VIEWER") - on_dags("WORKSPACE_MEMBER") == {"xcom.get", "auditLog.get"}
    assert on_dags("WORKSPACE_MEMBER") - on_dags("DAG_VIEWER") == set()


def test_dag_author_against_author() -> None:
    """On its Dags a Dag Author deletes XComs and reads the Dag's audit log, which an Author does not."""
    assert on_dags("DAG_AUTHOR") - on_dags("WORKSPACE_AUTHOR") == {"xcom.delete", "auditLog.get"}
    assert on_dags("WORKSPACE_AUTHOR") - on_dags("DAG_AUTHOR") == set()


def test_dag_author_feeds_no_xcoms() -> None:
    """Of all that a Dag has, a Dag Author lacks only to create and to change XComs."""
    assert reference.DAG_PERMISSIONS - permissions("DAG_AUTHOR") == {"xcom.create", "xcom.update"}


def test_dag_viewer_only_reads() -> None:
    """A Dag Viewer holds every get that a Dag has and no other verb."""
    assert {name.partition(".")[2] for name in permissions("DAG_VIEWER")} == {"get"}
    assert {name for name in reference.DAG_PERMISSIONS if name.endswith(".get")} == permissions("DAG_VIEWER")


def test_author_changes_no_assets() -> None:
    """An Author records asset events and materializes, but neither changes nor deletes assets."""
    held = {name for name in permissions("WORKSPACE_AUTHOR") if name.startswith("datasets.")}
    assert held == {"datasets.get", "datasets.create"}


def test_author_looks_at_connections_and_changes_none() -> None:
    """An Author reads connections, Variables, pools and XComs; only Operators change them."""
    objects = ("connection.", "variable.", "pool.", "xcom.")
    held = {name for name in permissions("WORKSPACE_AUTHOR") if name.startswith(objects)}
    assert held == {"connection.get", "variable.get", "pool.get", "xcom.get"}


def test_editor_has_no_admin_pages() -> None:
    """What a legacy Editor lacks of an Author are the Admin menu's pages and XComs, and those only."""
    assert permissions("WORKSPACE_AUTHOR") - permissions("WORKSPACE_EDITOR") == {
        "adminMenu.get",
        "connection.get",
        "variable.get",
        "plugin.get",
        "provider.get",
        "pool.get",
        "xcom.get",
    }


@pytest.mark.parametrize("role", ["WORKSPACE_AUTHOR", "WORKSPACE_EDITOR", "WORKSPACE_MEMBER", "WORKSPACE_VIEWER"])
def test_only_operators_read_config_audit_log_and_triggers(role: str) -> None:
    """The Config page, the whole audit log and triggers are for Operators."""
    assert permissions(role).isdisjoint({"config.get", "auditLog.get", "trigger.get"})
