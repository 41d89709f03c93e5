"""Groups of the identity provider: another way into a Team, and opaque text."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astro_auth_plugin.rbac.engine import engine as engine_module
from astro_auth_plugin.rbac.engine.delegation import may_change_accounts, roles_beyond
from astro_auth_plugin.rbac.engine.engine import Dag
from astro_auth_plugin.rbac.model.permissions import EVERYTHING, mask
from tests import reference_engine as reference
from tests.rbac.helpers import STRANGER, checked, engine_of, places, real
from tests.strategies import GROUPS, Case, cases

FINANCE = Dag("ledger", frozenset(["finance"]))
SEE = mask("dag.get")


def values_of(*teams: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "organization_id": "org",
        "workspaces": [{"id": "ws"}],
        "deployments": [{"id": "dep", "workspace_id": "ws"}],
        "teams": list(teams),
        **more,
    }


def team(name: str, *groups: str, role: str = "DAG_VIEWER", **more: Any) -> dict[str, Any]:
    grants = [{"deployment_id": "dep", "tag": "finance", "role": role}]
    return {"name": name, "idp_groups": list(groups), "dag_roles": grants, **more}


def test_group_is_named() -> None:
    """A decision says through which Team and group somebody holds a role; the first group that the Team lists counts."""
    engine = engine_of(values_of(team("fin", "ledger-people", "cn=fin,dc=org")), "dep")
    decision = engine.check(STRANGER, SEE, FINANCE, groups=frozenset(["other", "cn=fin,dc=org"]))
    assert (
        decision.reason == "allowed by role `DAG_VIEWER` given to Team `fin` (group `cn=fin,dc=org`) on tag `finance`"
    )
    both = engine.check(STRANGER, SEE, FINANCE, groups=frozenset(["cn=fin,dc=org", "ledger-people"]))
    assert "(group `ledger-people`)" in both.reason
    assert not engine.check(STRANGER, SEE, FINANCE).allowed


def test_member_needs_no_group() -> None:
    """Who is listed as a member is in the Team as such, groups or not, and once."""
    engine = engine_of(values_of(team("fin", "eng", members=["Ana@example.com"])), "dep")
    for groups in (frozenset[str](), frozenset(["eng"])):
        grants = engine.check("ana@example.com", SEE, FINANCE, groups=groups).grants
        assert [grant.holder for grant in grants] == ["Team `fin`"]


@pytest.mark.parametrize("listed", GROUPS)
def test_groups_are_opaque(listed: str) -> None:
    """A group is equal to itself only: not by case, blanks, Unicode form, a part of a DN, or an e-mail or token id."""
    engine = engine_of(values_of(team("fin", listed)), "dep")
    for other in GROUPS:
        assert engine.check(STRANGER, SEE, FINANCE, groups=frozenset([other])).allowed is (other == listed)


def test_long_names_and_many_groups() -> None:
    """A name of any length, and hundreds of groups of which one matters, are as good as a short list."""
    name = ",".join(f"ou=unit{number}" for number in range(200))
    engine = engine_of(values_of(team("fin", name)), "dep")
    many = frozenset(f"cn=group{number}" for number in range(900))
    assert not engine.check(STRANGER, SEE, FINANCE, groups=many).allowed
    assert engine.check(STRANGER, SEE, FINANCE, groups=many | {name}).allowed


def test_only_people_have_groups() -> None:
    """A group opens nothing for an API token, known or not, nor for somebody without an e-mail."""
    token = {"id": "tok0ci", "name": "ci", "secret_sha256": "0" * 64, "expires_at": "never", "roles": []}
    engine = engine_of(values_of(team("fin", "eng"), api_tokens=[token]), "dep")
    for subject in ("", "token:tok0ci", "token:unknown", "nobody"):
        assert not engine.check(subject, SEE, FINANCE, groups=frozenset(["eng"])).allowed
        assert not [*engine.all_grants(subject, frozenset(["eng"]))]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many people come with groups, an engine keeps a bounded number, and groups of no Team make no difference."""
    monkeypatch.setattr(engine_module, "MAX_COMPILED", 10)
    engine = engine_of(values_of(team("fin", "eng")), "dep")
    for number in range(35):
        groups = frozenset(["eng", f"noise{number}"])
        assert engine.check(f"p{number}@example.com", SEE, FINANCE, groups=groups).allowed
        assert engine.access("p0@example.com", groups) is engine.access("p0@example.com", frozenset(["eng"]))
        assert len(engine._compiled) <= 10


@given(cases(), st.frozensets(st.sampled_from(GROUPS), max_size=3))
@checked
def test_groups_only_add(case: Case, more: frozenset[str]) -> None:
    """Another group never takes anything away, and groups that no Team lists change nothing."""
    engine = engine_of(case.values, case.deployment_id)
    for subject in [*reference.subjects(case.values), STRANGER]:
        for dag in places(case):
            before = engine.check(subject, EVERYTHING, real(dag), groups=case.groups)
            after = engine.check(subject, EVERYTHING, real(dag), groups=case.groups | more)
            assert not after.missing & ~before.missing
            noise = engine.check(subject, EVERYTHING, real(dag), groups=case.groups | {"in no Team"})
            assert noise.missing == before.missing


@given(cases())
@checked
def test_group_is_as_good_as_membership(case: Case) -> None:
    """Whoever is in a Team through a group may do exactly what a listed member may."""
    listed = copy.deepcopy(case.values)
    for entry in listed["teams"]:
        if case.groups & set(entry["idp_groups"]):
            entry["members"].append(STRANGER)
    by_group, by_name = engine_of(case.values, case.deployment_id), engine_of(listed, case.deployment_id)
    for dag in places(case):
        found = by_group.check(STRANGER, EVERYTHING, real(dag), groups=case.groups)
        assert found.missing == by_name.check(STRANGER, EVERYTHING, real(dag)).missing


def test_groups_give_and_guard_accounts() -> None:
    """Who is an Owner through a group may change accounts, and an Owner's account is one through a group as well."""
    owners = {"workspace_roles": [{"workspace_id": "ws", "role": "WORKSPACE_OWNER"}]}
    engine = engine_of(
        values_of(
            {"name": "owners", "idp_groups": ["owners"], **owners},
            {"name": "chiefs", "idp_groups": ["chiefs"], "organization_role": "ORGANIZATION_OWNER"},
        ),
        "dep",
    )
    actor, groups = "ana@example.com", frozenset(["owners"])
    assert not may_change_accounts(engine, actor)
    assert may_change_accounts(engine, actor, groups)
    assert roles_beyond(engine, actor, "bo@example.com", groups=groups) == ()
    assert roles_beyond(engine, actor, "bo@example.com", groups=groups, account_groups=groups) == ()
    (beyond,) = roles_beyond(engine, actor, "bo@example.com", groups=groups, account_groups=frozenset(["chiefs"]))
    assert beyond.role == "ORGANIZATION_OWNER"
