"""Support Teams: read only, and switched off all at once."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astro_auth_plugin.rbac.engine.engine import Dag
from astro_auth_plugin.rbac.model.permissions import mask
from astro_auth_plugin.rbac.model.roles import BUILT_IN
from astro_auth_plugin.rbac.policy import loader
from tests import reference_engine as reference
from tests.rbac.helpers import checked, engine_of, everybody, places, questions, real, why
from tests.strategies import Case, cases

LEVELS = {
    "ORGANIZATION": "organization_role",
    "WORKSPACE": "workspace_roles",
    "DEPLOYMENT": "deployment_roles",
    "DAG": "dag_roles",
    "OBJECT": "object_roles",
}
PLACES = {
    "WORKSPACE": {"workspace_id": "ws"},
    "DEPLOYMENT": {"deployment_id": "dep"},
    "OBJECT": {"deployment_id": "dep", "pool_prefix": "of_t_"},
}
ON_TAG = {"deployment_id": "dep", "tag": "t"}
ORDERS = Dag("orders", frozenset(["t"]))
SEE = mask("dag.get")
MEMBER, BY_GROUP, GROUP = "ana@example.com", "bo@example.com", frozenset(["on-call"])


def values_of(team: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "organization_id": "org",
        "workspaces": [{"id": "ws"}],
        "deployments": [{"id": "dep", "workspace_id": "ws"}],
        "teams": [{"name": "helpers", "members": [MEMBER], "idp_groups": [*GROUP], **team}],
        **more,
    }


def granted(role: str, level: str) -> dict[str, Any]:
    if level == "ORGANIZATION":
        return {"organization_role": role}
    return {LEVELS[level]: [{**PLACES.get(level, ON_TAG), "role": role}]}


READ_ONLY = {
    *("ORGANIZATION_BILLING_ADMIN", "ORGANIZATION_OBSERVE_ADMIN", "ORGANIZATION_OBSERVE_MEMBER", "ORGANIZATION_MEMBER"),
    *(
        "WORKSPACE_MEMBER",
        "WORKSPACE_ACCESSOR",
        "WORKSPACE_VIEWER",
        "DEPLOYMENT_ACCESSOR",
        "DAG_VIEWER",
        "OBJECT_VIEWER",
    ),
}


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_roles_of_support_teams(name: str) -> None:
    """A support Team has roles that only read in Airflow, and no other; another Team has any."""
    grants = granted(name, BUILT_IN[name].level)
    assert loader.from_values(values_of(grants)).policy
    found = loader.from_values(values_of({**grants, "support": True}))
    assert (found.policy is not None) is (name in READ_ONLY)
    for problem in found.errors:
        assert problem.where.startswith(f"teams[0].{LEVELS[BUILT_IN[name].level]}")
        assert problem.message.startswith(f"role `{name}` can do more than read (")


@pytest.mark.parametrize(
    ("scope", "words", "said"),
    [
        ("DAG", ["dag.airflow.dag.get", "dag.airflow.xcom.get"], ""),
        ("DAG", [], ""),
        ("DAG", ["dag.airflow.dag.get", "dag.airflow.dagRun.create"], "`dag.airflow.dagRun.create`"),
        ("DEPLOYMENT", ["deployment.get", "deployment.airflow.configMenu.get"], ""),
        ("DEPLOYMENT", ["deployment.update"], "`deployment.update`"),
        ("DEPLOYMENT", ["deployment.apiTokens.rotate"], "`deployment.apiTokens.rotate`"),
        ("DEPLOYMENT", ["deployment.unknown.get.all"], "`deployment.unknown.get.all`"),
    ],
)
def test_custom_roles_of_support_teams(scope: str, words: list[str], said: str) -> None:
    """A custom role is judged by its permissions; what is unknown and does not end in `.get` is no reading."""
    role = {"name": "r", "scope": scope, "permissions": words}
    found = loader.from_values(values_of({**granted("r", scope), "support": True}, roles=[role]))
    assert [problem.message for problem in found.errors if "read" in problem.message] == (
        [f"role `r` can do more than read ({said}), and a support Team can only have roles that read"] if said else []
    )


@pytest.mark.parametrize("team", [{"support": True, "dag_roles": 7}, {"support": "yes"}, {"support": None}])
def test_shapes(team: dict[str, Any]) -> None:
    """What has the wrong shape is said as such."""
    assert all("expected" in problem.message for problem in loader.from_values(values_of(team)).errors)
    roles = [{"name": "r", "scope": "DAG", "permissions": 7}]
    found = loader.from_values(values_of({"support": True, "dag_roles": [{**ON_TAG, "role": "r"}, 7]}, roles=roles))
    assert [problem.where for problem in found.errors] == ["roles[0].permissions", "teams[0].dag_roles[1]"]
    unknown = loader.from_values(values_of({"support": True, "dag_roles": [{**ON_TAG, "role": "r"}, {**ON_TAG}]}))
    assert "unknown role `r`" in " ".join(problem.message for problem in unknown.errors)


VIEWERS = {"support": True, **granted("DAG_VIEWER", "DAG")}


@pytest.mark.parametrize(
    ("team", "setting", "counts"),
    [
        (VIEWERS, {}, True),
        (VIEWERS, {"support_access": "allowed"}, True),
        (VIEWERS, {"support_access": "disallowed"}, False),
        ({**VIEWERS, "support": False}, {"support_access": "disallowed"}, True),
    ],
)
def test_switch(team: dict[str, Any], setting: dict[str, str], counts: bool) -> None:
    """Switched off, a support Team gives its members and those of its groups nothing; other Teams stay as they are."""
    engine = engine_of(values_of(team, **setting), "dep")
    for subject, groups in ((MEMBER, frozenset[str]()), (BY_GROUP, GROUP)):
        assert engine.check(subject, SEE, ORDERS, groups=groups).allowed is counts
        assert engine.allowed_dags(subject, SEE, groups=groups).matches(ORDERS) is counts
        assert engine.support_teams(subject, groups) == (["helpers"] if team["support"] else [])
        # It may be switched on again, so whoever changes the account needs to be allowed to give these roles.
        assert len([*engine.all_grants(subject, groups)]) == 1
    assert engine.support_teams("cy@example.com") == []
    assert engine.teams_off == ([] if counts else ["helpers"])


def supporting(values: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """Make support Teams of some, without the roles that do more than read."""

    def reads(entry: dict[str, Any]) -> bool:
        return all(name.endswith(".get") for name in reference.permissions(values, entry["role"]))

    values = copy.deepcopy(values)
    for team in values["teams"]:
        if team["name"] in names:
            team["support"] = True
            team.pop("organization_role", None)
            for key in ("workspace_roles", "deployment_roles", "dag_roles", "object_roles"):
                team[key] = [entry for entry in team.get(key, []) if reads(entry)]
    return values


@given(cases(), st.data())
@checked
def test_support_agrees_with_the_reference(case: Case, data: st.DataObject) -> None:
    """Both engines decide alike, whichever Teams are for support, switched on or off; off, it is as without them."""
    names = data.draw(st.sets(st.sampled_from([team["name"] for team in case.values["teams"]] or [""])))
    values = supporting(case.values, names)
    off = {**values, "support_access": "disallowed"}
    without = {**values, "teams": [team for team in values["teams"] if team["name"] not in names]}
    engines = [(each, engine_of(each, case.deployment_id)) for each in (values, off)]
    alone = engine_of(without, case.deployment_id)
    for subject, required, dag in questions(case):
        for each, engine in engines:
            expected = reference.check(each, case.deployment_id, subject, required, dag, case.groups)
            found = engine.check(subject, mask(*required), real(dag), groups=case.groups)
            assert (found.allowed, why(found)) == (expected.allowed, set(expected.deciding))
    if not case.values["protect_granted_tags"]:
        for subject in everybody(case.values):
            for dag in places(case):
                asked = (subject, mask(*case.required), real(dag))
                assert engines[1][1].check(*asked).allowed == alone.check(*asked).allowed
