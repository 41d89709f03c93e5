"""What a change concerns: never less than the subjects for whom something is different, and every scope it is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from astro_auth_plugin.rbac.changes.affected import affected_subjects, concerned_scopes
from astro_auth_plugin.rbac.changes.difference import changes
from astro_auth_plugin.rbac.model.scopes import ORGANIZATION, Dag, GrantScope
from astro_auth_plugin.rbac.policy import loader
from astro_auth_plugin.rbac.policy.document import PolicyDocument
from astro_auth_plugin.rbac.review.policy_diff import Plan, compare
from astro_auth_plugin.rbac.review.policy_snapshot import Spot
from tests.rbac.helpers import checked, engine_of, real
from tests.strategies import Pool, dags, policies, pools

PLACES: dict[str, Any] = {
    "version": 1,
    "organization_id": "org",
    "workspaces": [{"id": "ws"}, {"id": "far"}],
    "deployments": [{"id": "dep", "workspace_id": "ws"}, {"id": "away", "workspace_id": "far"}],
}
ON_TAG = {"deployment_id": "dep", "tag": "t", "role": "DAG_VIEWER"}
TAG, AWAY, WS, FAR = (
    GrantScope("tag", "t", "dep"),
    GrantScope("Deployment", "away"),
    GrantScope("Workspace", "ws"),
    GrantScope("Workspace", "far"),
)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Pool, dict[str, Any], dict[str, Any], list[Dag]]:
    pool = draw(pools())
    tagged = draw(st.lists(dags(pool), max_size=4, unique_by=lambda dag: dag.id))
    return pool, draw(policies(pool)), draw(policies(pool)), [each for dag in tagged if (each := real(dag))]


def plain(plan: Plan) -> object:
    """Return a plan without the places themselves, which are made anew for each one."""
    differences = {
        subject: (each.gained, each.lost, {str(spot): both for spot, both in each.on.items()})
        for subject, each in plan.differences.items()
    }
    lines = [{**line._asdict(), "gains": named(line.gains), "losses": named(line.losses)} for line in plan.lines]
    return differences, lines


def named(places: Mapping[int, tuple[Spot | None, ...]]) -> dict[int, list[str]]:
    return {permissions: sorted(map(str, spots)) for permissions, spots in places.items()}


@given(pairs())
@checked
def test_who_is_not_affected_gains_and_loses_nothing(
    pair: tuple[Pool, dict[str, Any], dict[str, Any], list[Dag]],
) -> None:
    pool, old, new, known = pair
    before, after = engine_of(old, pool.deployment_id), engine_of(new, pool.deployment_id)
    documents = before.policy.document, after.policy.document
    only = affected_subjects(changes(*documents), *documents)
    for tagged in (None, known):
        whole = compare(pool.deployment_id, before, after, tagged)
        assert plain(compare(pool.deployment_id, before, after, tagged, only=only)) == plain(whole)
        assert only is None or set(whole.differences) <= only


def test_a_comparison_of_some_leaves_out_the_others() -> None:
    """Of those who are not affected nothing is read, and a Team's line says whom it is for."""
    team = {"name": "T", "members": ["bo@example.com", "cy@example.com"], "idp_groups": ["g"]}
    empty = {"name": "Empty", "dag_roles": [ON_TAG]}
    old = PLACES | {"teams": [team, empty], "users": [{"email": "ana@example.com", "dag_roles": [ON_TAG]}]}
    new = old | {"teams": [team | {"dag_roles": [ON_TAG]}, empty]}
    both = engine_of(old, "dep"), engine_of(new, "dep")
    concerned = frozenset({"bo@example.com", "cy@example.com", "group g"})
    plan = compare("dep", *both, only=concerned)
    assert plain(plan) == plain(compare("dep", *both))
    assert set(plan.differences) == concerned
    assert set(compare("dep", *both, only=frozenset({"group g"})).differences) == {"group g"}
    assert compare("dep", *both, only=frozenset()).differences == {}


def documents(old: dict[str, Any], new: dict[str, Any]) -> tuple[PolicyDocument, PolicyDocument]:
    found = []
    for values in (old, new):
        policy = loader.from_values(PLACES | values).policy
        assert policy is not None
        found.append(policy.document)
    return found[0], found[1]


def affected(old: dict[str, Any], new: dict[str, Any]) -> frozenset[str] | None:
    both = documents(old, new)
    return affected_subjects(changes(*both), *both)


def concerned(old: dict[str, Any], new: dict[str, Any]) -> dict[str, set[GrantScope]]:
    both = documents(old, new)
    parts = list(changes(*both))
    return {
        f"{part.sign} {part.what} {part.name or (part.grant and part.grant.principal.name)}": set(scopes)
        for part, scopes in zip(parts, concerned_scopes(parts, *both), strict=True)
    }


def test_subjects_are_those_of_what_changed() -> None:
    ana = {"email": "Ana@example.com", "dag_roles": [ON_TAG]}
    team = {"name": "T", "members": ["bo@example.com"], "idp_groups": ["g"]}
    token = {"id": "ci", "name": "ci", "secret_sha256": "0" * 64, "expires_at": "never", "roles": []}
    assert affected({}, {"users": [ana]}) == {"ana@example.com"}
    assert affected({"teams": [team]}, {"teams": [team | {"dag_roles": [ON_TAG]}]}) == {"bo@example.com", "group g"}
    assert affected({"teams": [team]}, {"teams": [team | {"members": []}]}) == {"bo@example.com"}
    assert affected({"teams": [team]}, {"teams": [team | {"description": "new"}]}) == frozenset()
    assert affected({}, {"api_tokens": [token]}) == {"token:ci"}
    assert affected({}, {"protect_granted_tags": True}) is None


def test_a_role_affects_all_who_have_it() -> None:
    role = {"name": "peek", "scope": "DAG", "permissions": ["dag.airflow.dag.get"]}
    held = {**ON_TAG, "role": "peek"}
    people = {
        "users": [
            {"email": "ana@example.com", "dag_roles": [held]},
            {"email": "no@example.com", "dag_roles": [ON_TAG]},
        ],
        "teams": [{"name": "T", "members": ["bo@example.com"], "dag_roles": [held]}],
        "api_tokens": [
            {
                "id": "ci",
                "name": "ci",
                "secret_sha256": "0" * 64,
                "expires_at": "never",
                "roles": [{"role": "peek", "entity_type": "DAG_TAG", "entity_id": "t", "deployment_id": "dep"}],
            }
        ],
    }
    wider = role | {"permissions": ["dag.airflow.dag.get", "dag.airflow.dagRun.get"]}
    found = affected({"roles": [role], **people}, {"roles": [wider], **people})
    assert found == {"ana@example.com", "bo@example.com", "token:ci"}


def test_scopes_are_those_of_the_grant_and_for_entries_those_of_all_their_grants() -> None:
    ana = {"email": "ana@example.com", "workspace_roles": [{"workspace_id": "far", "role": "WORKSPACE_MEMBER"}]}
    team = {
        "name": "T",
        "members": ["bo@example.com"],
        "idp_groups": ["g"],
        "organization_role": "ORGANIZATION_MEMBER",
        "deployment_roles": [{"deployment_id": "away", "role": "DEPLOYMENT_ADMIN"}],
    }
    token = {
        "id": "ci",
        "name": "ci",
        "secret_sha256": "0" * 64,
        "expires_at": "never",
        "roles": [{"role": "WORKSPACE_MEMBER", "entity_type": "WORKSPACE", "entity_id": "ws"}],
    }
    role = {"name": "peek", "scope": "DAG", "permissions": ["dag.airflow.dag.get"]}
    new = {"users": [ana | {"dag_roles": [ON_TAG]}], "teams": [team], "api_tokens": [token], "roles": [role]}
    found = concerned({"users": [ana]}, new | {"protect_granted_tags": True})
    assert found["+ grant ana@example.com"] == {TAG}
    assert found["+ member bo@example.com"] == found["+ group g"] == found["+ Team T"] == {ORGANIZATION, AWAY}
    assert found["+ API token ci"] == {WS}
    assert found["+ role peek"] == found["~ setting protect_granted_tags"] == set()
    assert concerned({}, {"users": [ana]})["+ user ana@example.com"] == {FAR}


def test_members_of_support_teams_are_affected() -> None:
    """Whoever is in a Team that becomes one for support, or no longer is, gains or loses where these are switched off."""
    team = {"name": "t", "members": ["ana@example.com"], "idp_groups": ["g"], "dag_roles": [ON_TAG]}
    old = {**PLACES, "support_access": "disallowed", "teams": [{**team, "support": True}]}
    for pair in (documents(old, {**old, "teams": [team]}), documents({**old, "teams": [team]}, old)):
        assert affected_subjects(changes(*pair), *pair) == {"ana@example.com", "group g"}
