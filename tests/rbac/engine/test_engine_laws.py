"""The laws: what holds for every policy, whoever is asked about.

Each law changes a random policy in a way that has a known effect, mostly none, and asks every question again.
"""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from astro_auth_plugin.rbac.engine.engine import Dag
from astro_auth_plugin.rbac.model.permissions import EVERYTHING, mask
from astro_auth_plugin.rbac.policy import loader
from tests import reference_engine as reference
from tests.rbac.helpers import (
    GRANTS,
    STRANGER,
    answers,
    checked,
    engine_of,
    everybody,
    holders,
    places,
    questions,
    real,
    why,
)
from tests.strategies import (
    DEPLOYMENTS,
    EMAILS,
    ONE_PERSON,
    Case,
    cases,
    dag_roles,
    deployment_roles,
    grants_of_people,
    respelled,
    workspace_roles,
)


@given(cases())
@checked
def test_no_grant_means_deny(case: Case) -> None:
    """Where nobody is given anything, nobody may do anything."""
    values = copy.deepcopy(case.values)
    for holder in holders(values):
        holder.pop("organization_role", None)
        for key in GRANTS:
            holder.pop(key, None)
    assert not any(answers(values, case).values())


@given(cases())
@checked
def test_unknown_subject_holds_nothing(case: Case) -> None:
    """Somebody whom the policy does not name may do nothing and see nothing, and is not among those who can."""
    engine = engine_of(case.values, case.deployment_id)
    unknown = [STRANGER, "", "token:", "token:nothing", "*", *(f"Team {team['name']}" for team in case.values["teams"])]
    for subject in unknown:
        for dag in places(case):
            assert engine.check(subject, mask(*case.required), real(dag)).grants == ()
            assert engine.check(subject, mask(*case.required), real(dag)).missing & mask(*case.required)
        assert engine.allowed_dags(subject, mask(*case.required)).nothing
        assert not engine.holds_anywhere(subject, mask(*case.required))
        assert subject not in engine.who_can(mask(*case.required))


@given(cases(), st.randoms(use_true_random=False))
@checked
def test_order_does_not_matter(case: Case, random: Any) -> None:
    """Shuffling users, Teams, members, tokens, roles and grants changes no answer."""
    values = copy.deepcopy(case.values)
    for key in ("users", "teams", "api_tokens", "roles", "deployments", "workspaces"):
        random.shuffle(values[key])
    for role in values["roles"]:
        random.shuffle(role["permissions"])
    for holder in holders(values):
        for key in (*GRANTS, "members"):
            random.shuffle(holder.get(key, []))
    assert answers(values, case) == answers(case.values, case)


@given(cases())
@checked
def test_duplicates_do_not_matter(case: Case) -> None:
    """Giving the same grant twice, listing a member twice, or having a Team twice under two names changes no answer."""
    values = copy.deepcopy(case.values)
    for holder in holders(values):
        for key in (*GRANTS, "members"):
            if key in holder:
                holder[key] = holder[key] * 2
    values["teams"] += [{**team, "name": f"{team['name']} again"} for team in values["teams"]]
    assert answers(values, case) == answers(case.values, case)


@given(cases())
@checked
def test_spelling_of_emails_does_not_matter(case: Case) -> None:
    """Writing an e-mail in another case or with its letters taken apart changes no answer."""
    values = copy.deepcopy(case.values)
    for user in values["users"]:
        user["email"] = ONE_PERSON[reference.normal_email(user["email"])][-1]
    for team in values["teams"]:
        team["members"] = [respelled(member) for member in team["members"]]
    assert answers(values, case) == answers(case.values, case)


@given(cases(), st.data())
@checked
def test_adding_a_grant_never_takes_access_away(case: Case, data: st.DataObject) -> None:
    """Whatever is given to whomever: what was allowed before is allowed after."""
    values = copy.deepcopy(case.values)
    assume(values["users"] or values["teams"])
    holder = data.draw(st.sampled_from([*values["users"], *values["teams"]]))
    key, entry = data.draw(
        st.one_of(
            st.tuples(st.just("workspace_roles"), workspace_roles()),
            st.tuples(st.just("deployment_roles"), deployment_roles(values["roles"], case.pool)),
            st.tuples(st.just("dag_roles"), dag_roles(values["roles"], case.pool)),
        )
    )
    holder.setdefault(key, []).append(entry)
    after = answers(values, case)
    assert [
        question for question, allowed in answers(case.values, case).items() if allowed and not after[question]
    ] == []


@given(cases(), st.data())
@checked
def test_joining_a_team_never_takes_access_away(case: Case, data: st.DataObject) -> None:
    """A person who is put into a Team can do all that the person could do before, and all that the Team can."""
    values = copy.deepcopy(case.values)
    team = {"name": "new", "members": [], **data.draw(grants_of_people(values["roles"], case.pool))}
    values["teams"].append({**team, "members": ["member@example.com"]})
    email = data.draw(st.sampled_from(EMAILS))
    before = engine_of(values, case.deployment_id)
    values["teams"][-1]["members"].append(email)
    after = engine_of(values, case.deployment_id)
    for dag in map(real, places(case)):
        held = (
            before.check(email, EVERYTHING, dag).missing & before.check("member@example.com", EVERYTHING, dag).missing
        )
        assert after.check(email, EVERYTHING, dag).missing == held


@given(cases())
@checked
def test_grants_of_other_places_change_nothing(case: Case) -> None:
    """Grants in another Workspace or Deployment can be left out or put in, and no answer changes."""
    values = copy.deepcopy(case.values)
    workspace_id = DEPLOYMENTS[case.deployment_id]
    for holder in holders(values):
        for key in GRANTS:
            holder[key] = [
                entry
                for entry in holder.get(key, [])
                if place_of(entry) in ("", case.deployment_id)
                and entry.get("workspace_id", workspace_id) == workspace_id
                and (entry.get("entity_type") != "WORKSPACE" or entry["entity_id"] == workspace_id)
            ]
            if not holder[key]:
                del holder[key]
    assert answers(values, case) == answers(case.values, case)


def place_of(entry: dict[str, str]) -> str:
    """Return the Deployment of an entry, '' when it is not given in one."""
    if entry.get("entity_type") == "DEPLOYMENT":
        return entry["entity_id"]
    return entry.get("deployment_id", "")


@given(cases())
@checked
def test_organization_is_the_one_of_the_file(case: Case) -> None:
    """Renaming the Organization everywhere changes no answer, and a token of another Organization is refused."""
    values = copy.deepcopy(case.values)
    values["organization_id"] = "another organization"
    foreign = [
        entry for token in values["api_tokens"] for entry in token["roles"] if entry["entity_type"] == "ORGANIZATION"
    ]
    if foreign:
        assert loader.from_values(values).policy is None
    for entry in foreign:
        entry["entity_id"] = "another organization"
    assert answers(values, case) == answers(case.values, case)


@given(cases())
@checked
def test_unrelated_names_do_not_matter(case: Case) -> None:
    """Renaming an id or a tag that no grant names changes no answer about that Dag."""
    engine = engine_of(case.values, case.deployment_id)
    granted = {
        entry[key] for holder in holders(case.values) for entry in grant_entries(holder) for key in named_by(entry)
    }
    for dag in case.dags:
        renamed = Dag(
            dag.id if dag.id in granted else f"{dag.id} renamed",
            frozenset(tag if tag in granted else f"{tag} renamed" for tag in dag.tags) | {"a new tag"},
            real(dag).file,
        )
        for subject in everybody(case.values):
            before = engine.check(subject, mask(*case.required), real(dag))
            after = engine.check(subject, mask(*case.required), renamed)
            assert (before.allowed, before.missing, why(before)) == (after.allowed, after.missing, why(after))


@given(cases())
@checked
def test_protection_gives_nothing(case: Case) -> None:
    """Protecting tags takes access away from Dags out of their place, and never gives anybody any."""
    values = {**case.values, "protected_tags": [], "protect_granted_tags": False}
    open_to_all, guarded = engine_of(values, case.deployment_id), engine_of(case.values, case.deployment_id)
    assert not open_to_all.tag_rules
    for subject in everybody(values):
        for dag in case.dags:
            before = open_to_all.check(subject, mask(*case.required), real(dag))
            after = guarded.check(subject, mask(*case.required), real(dag))
            assert before.missing & ~after.missing == 0
            if dag.file is None:
                assert after.missing == before.missing


def grant_entries(holder: dict[str, Any]) -> list[dict[str, str]]:
    """List the entries of a holder that give roles on Dags."""
    return [*holder.get("dag_roles", []), *holder.get("roles", [])]


def named_by(entry: dict[str, str]) -> list[str]:
    """List the keys of an entry behind which an id or a tag stands."""
    return [key for key in ("dag_id", "tag", "entity_id") if key in entry]


@given(cases())
@checked
def test_grant_that_does_not_reach_the_dag_never_counts(case: Case) -> None:
    """Taking away every grant that does not reach a Dag changes no answer about that Dag, but for the Accessor's part."""
    for dag in case.dags:
        values = copy.deepcopy(case.values)
        for holder in holders(values):
            for key in ("dag_roles", "roles"):
                if key in holder:
                    holder[key] = [entry for entry in holder[key] if not misses(entry, dag)]
        requested = case._replace(dags=(dag,), required=case.required - {"website.get", "docs.get"})
        whole, reduced = engine_of(case.values, case.deployment_id), engine_of(values, case.deployment_id)
        for subject in everybody(values):
            required = mask(*requested.required)
            assert (
                whole.check(subject, required, real(dag)).missing == reduced.check(subject, required, real(dag)).missing
            )


def misses(entry: dict[str, str], dag: reference.Dag) -> bool:
    """Whether an entry gives a role on Dags, and not on this one."""
    kinds = {"dag_id": "DAG", "tag": "DAG_TAG", "bundle": "DAG_BUNDLE"}
    kind = entry.get("entity_type") or next((kind for key, kind in kinds.items() if key in entry), "")
    name = entry.get("entity_id") or entry.get("dag_id") or entry.get("tag") or entry.get("bundle")
    if kind == "DAG_BUNDLE":
        bundle, path = dag.file or ("", "")
        return name != bundle or not path.startswith(entry.get("folder", ""))
    return (kind == "DAG" and name != dag.id) or (kind == "DAG_TAG" and name not in dag.tags)


@given(cases())
@checked
def test_dag_grants_open_nothing_deployment_wide(case: Case) -> None:
    """Dag roles add nothing to what is held in the whole Deployment but what a Deployment Accessor holds."""
    values = copy.deepcopy(case.values)
    for holder in holders(values):
        holder.pop("dag_roles", None)
        if "roles" in holder:
            holder["roles"] = [entry for entry in holder["roles"] if not entry["entity_type"].startswith("DAG")]
    whole, reduced = engine_of(case.values, case.deployment_id), engine_of(values, case.deployment_id)
    for subject in everybody(values):
        gained = reduced.check(subject, EVERYTHING).missing & ~whole.check(subject, EVERYTHING).missing
        assert gained in (0, gained & mask("website.get", "docs.get"))


@given(cases())
@checked
def test_whoever_may_not_see_a_dag_may_do_nothing_with_it(case: Case) -> None:
    """Everything on a Dag needs to see the Dag."""
    engine = engine_of(case.values, case.deployment_id)
    for subject, required, dag in questions(case):
        if dag is not None and not engine.check(subject, mask("dag.get"), real(dag)).allowed:
            assert not engine.check(subject, mask(*required), real(dag)).allowed


@given(cases())
@checked
def test_more_required_is_never_easier(case: Case) -> None:
    """Whoever may do several things at once may do each of them, and the reverse."""
    engine = engine_of(case.values, case.deployment_id)
    for subject in everybody(case.values):
        for dag in map(real, places(case)):
            together = engine.check(subject, mask(*case.required), dag).allowed
            assert together == all(engine.check(subject, mask(name), dag).allowed for name in case.required)


@given(cases())
@checked
def test_asking_again_answers_the_same(case: Case) -> None:
    """The order in which questions come changes no answer, though the engine remembers what it compiled."""
    engine = engine_of(case.values, case.deployment_id)
    requested = list(questions(case))
    forwards = [engine.check(subject, mask(*required), real(dag)).reason for subject, required, dag in requested]
    backwards = [engine.check(subject, mask(*required), real(dag)).reason for subject, required, dag in requested[::-1]]
    assert forwards == backwards[::-1]
