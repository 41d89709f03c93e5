"""What two versions of a policy let people do differently: laws on random policies, then stories."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from astro_auth_plugin.rbac import policy
from astro_auth_plugin.rbac.comparison import Cause, Plan, compare
from astro_auth_plugin.rbac.comparison_sides import words
from astro_auth_plugin.rbac.engine import Dag, Engine
from astro_auth_plugin.rbac.permissions import names
from tests import reference_engine as reference
from tests.rbac.asking import checked, engine_of
from tests.strategies import Case, Pool, cases, dags, policies, pools

STRANGER = reference.Dag("a Dag of nobody", frozenset())


class Change:
    """Two policies of one pool of names, and Dags whose tags may differ before and after."""

    def __init__(self, pool: Pool, old: dict[str, Any], new: dict[str, Any], before: list[reference.Dag], after: list[reference.Dag]) -> None:
        self.deployment_id = pool.deployment_id
        self.old, self.new = old, new
        self.before = {dag.id: dag for dag in before}
        self.after = {dag.id: dag for dag in after}

    def plan(self, *, moved: bool = True) -> Plan:
        after = [Dag(*dag) for dag in self.after.values()] if moved else None
        return compare(
            self.deployment_id,
            engine_of(self.old, self.deployment_id),
            engine_of(self.new, self.deployment_id),
            [Dag(*dag) for dag in self.before.values()],
            after,
        )

    def __repr__(self) -> str:
        return f"{self.deployment_id}\n{self.old}\n{self.new}\n{self.before}\n{self.after}"


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """Draw a policy and another one: of the same names, or the same one with a holder's grants exchanged."""
    pool = draw(pools())
    old, new = draw(policies(pool)), draw(policies(pool))
    if draw(st.booleans()):
        kept, (key, other) = copy.deepcopy(old), draw(st.sampled_from([("teams", "users"), ("users", "teams"), ("roles", "")]))
        new = {**kept, key: old[key]} if other else {**kept, "users": []}
    some = st.lists(dags(pool), max_size=4, unique_by=lambda dag: dag.id)
    return Change(pool, old, new, draw(some), draw(some))


def held(values: dict[str, Any], deployment_id: str, subject: str, dag: reference.Dag | None) -> set[str]:
    """Return all that a subject holds in a place, asked one by one of the slow engine."""
    known = reference.DEPLOYMENT_PERMISSIONS if dag is None else reference.DAG_PERMISSIONS
    return {name for name in known if reference.check(values, deployment_id, subject, [name], dag).allowed}


@given(changes())
@settings(checked, max_examples=120)
def test_differences_are_those_of_the_answers(change: Change) -> None:
    """Who gains and who loses what is what the slow engine answers differently, for everybody and everywhere."""
    plan = change.plan()
    for subject in reference.subjects(change.old) | reference.subjects(change.new):
        found = plan.differences.get(subject)
        had = held(change.old, change.deployment_id, subject, None)
        has = held(change.new, change.deployment_id, subject, None)
        gained, lost = has - had, had - has
        assert set(names(found.gained if found else 0)) == gained
        assert set(names(found.lost if found else 0)) == lost
        on = {spot.name: both for spot, both in found.on.items()} if found else {}
        for dag_id in {**change.before, **change.after}:
            untagged = reference.Dag(dag_id, frozenset())
            had = held(change.old, change.deployment_id, subject, change.before.get(dag_id, untagged))
            has = held(change.new, change.deployment_id, subject, change.after.get(dag_id, untagged))
            more, less = on.get(dag_id, (0, 0))
            assert (set(names(more)), set(names(less))) == (has - had - gained, had - has - lost)


@given(changes())
@settings(checked, max_examples=120)
def test_lines_tell_all_differences(change: Change) -> None:
    """What the lines say together is what is gained and lost, and nobody is in a line without a difference."""
    plan = change.plan()
    for index in (0, 1):
        told: dict[Any, int] = {}
        for line in plan.lines:
            for powers, places in (line.gains, line.losses)[index].items():
                for place in places:
                    told[place] = told.get(place, 0) | powers
        expected: dict[Any, int] = {}
        for difference in plan.differences.values():
            wide = (difference.gained, difference.lost)[index]
            for place, powers in [(None, wide), *((spot, both[index]) for spot, both in difference.on.items())]:
                if powers:
                    expected[place] = expected.get(place, 0) | powers
        assert told == expected
    assert {subject for line in plan.lines for subject in line.subjects} == set(plan.differences)
    assert plan.widens == any(each.gained or any(more for more, _ in each.on.values()) for each in plan.differences.values())


@given(cases())
@checked
def test_nothing_changes_between_a_policy_and_itself(case: Case) -> None:
    """A policy compared with itself is an empty plan, with Dags and without."""
    engine, again = (engine_of(case.values, case.deployment_id) for _ in range(2))
    for known in (None, [Dag(*dag) for dag in case.dags]):
        assert compare(case.deployment_id, engine, again, known) == Plan(case.deployment_id, {}, (), known is None)


@given(changes())
@checked
def test_the_way_back(change: Change) -> None:
    """Going back takes what the change gave, and gives what it took."""
    back = Change.__new__(Change)
    back.deployment_id = change.deployment_id
    back.old, back.new, back.before, back.after = change.new, change.old, change.after, change.before
    there = {
        (subject, each.gained, each.lost, frozenset((spot.name, both) for spot, both in each.on.items()))
        for subject, each in change.plan().differences.items()
    }
    here = {
        (subject, each.lost, each.gained, frozenset((spot.name, both[::-1]) for spot, both in each.on.items()))
        for subject, each in back.plan().differences.items()
    }
    assert there == here


@given(changes())
@checked
def test_without_dags(change: Change) -> None:
    """Without Dags a plan tells of each tag what changes on a Dag with that tag alone, and so of each id."""
    old, new = (engine_of(values, change.deployment_id) for values in (change.old, change.new))
    by_scope = compare(change.deployment_id, old, new)
    assert by_scope.by_scope
    for subject, difference in by_scope.differences.items():
        for spot, (more, less) in difference.on.items():
            had, has = (
                held(values, change.deployment_id, subject, reference.Dag(spot.before.id, spot.before.tags))
                for values in (change.old, change.new)
            )
            assert set(names(more)) == has - had - set(names(difference.gained))
            assert set(names(less)) == had - has - set(names(difference.lost))
