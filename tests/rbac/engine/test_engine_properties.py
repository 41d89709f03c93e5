"""The engine against a second engine.

That is tests/reference_engine.py: slow, plain, and written from the specification. Random policies are asked the same
questions in both, and the answers have to be the same for the same reasons. The four questions of the engine have to
agree with each other, too.
"""

from __future__ import annotations

from hypothesis import given, settings

from astro_auth_plugin.rbac.engine.engine import Dag
from astro_auth_plugin.rbac.model.permissions import mask, names
from tests import reference_engine as reference
from tests.rbac.helpers import checked, engine_of, everybody, places, questions, real, real_dag, required_of, why
from tests.strategies import NAMES, Case, cases


@given(cases())
@settings(checked, max_examples=100)
def test_check_agrees_with_the_reference(case: Case) -> None:
    """Both engines decide alike, miss the same permissions and name the same grants."""
    engine = engine_of(case.values, case.deployment_id)
    for subject, required, dag in questions(case):
        expected = reference.check(case.values, case.deployment_id, subject, required, dag, case.groups)
        found = engine.check(subject, mask(*required), real(dag), groups=case.groups)
        assert found.allowed == expected.allowed, (subject, required, dag)
        assert set(names(found.missing)) == expected.missing
        assert why(found) == set(expected.deciding)
        if dag is not None:
            access = engine.access(subject, case.groups)
            assert engine.allows(access, mask(*required), real_dag(dag)) == expected.allowed


@given(cases())
@settings(checked, max_examples=100)
def test_allowed_dags_are_those_that_check_allows(case: Case) -> None:
    """The selection of Dags picks exactly the Dags that a check of each Dag allows, in both engines."""
    engine = engine_of(case.values, case.deployment_id)
    dags = [dag for dag in places(case) if dag is not None]
    for subject in everybody(case.values):
        for required in required_of(case):
            selection = engine.allowed_dags(subject, mask(*required), groups=case.groups)
            found = [dag for dag in dags if selection.matches(real_dag(dag))]
            assert found == reference.allowed_dags(
                case.values, case.deployment_id, subject, required, dags, case.groups
            )
            requested = [engine.check(subject, mask(*required), real_dag(dag), groups=case.groups) for dag in dags]
            assert found == [dag for dag, decision in zip(dags, requested, strict=True) if decision.allowed]


@given(cases())
@checked
def test_selections_of_everything_and_nothing(case: Case) -> None:
    """A selection that says everything has what is required Deployment-wide; one that says nothing has no Dag."""
    engine = engine_of(case.values, case.deployment_id)
    every_tag = frozenset(NAMES)
    for subject in everybody(case.values):
        selection = engine.allowed_dags(subject, mask(*case.required), groups=case.groups)
        deployment_wide = engine.check(subject, mask(*case.required, "dag.get"), groups=case.groups).allowed
        assert selection.everything == deployment_wide
        assert not (selection.everything and selection.nothing)
        if selection.nothing:
            for dag in (Dag(name, every_tag) for name in NAMES):
                assert not engine.check(subject, mask(*case.required), dag, groups=case.groups).allowed


@given(cases())
@checked
def test_who_can_agrees_with_the_reference(case: Case) -> None:
    """Who can is everybody whom check allows, with the same decision, and nobody else."""
    engine = engine_of(case.values, case.deployment_id)
    for required in required_of(case):
        for dag in places(case):
            found = engine.who_can(mask(*required), real(dag))
            expected = reference.who_can(case.values, case.deployment_id, required, dag)
            assert {subject: why(decision) for subject, decision in found.items()} == {
                subject: set(answer.deciding) for subject, answer in expected.items()
            }
            assert all(decision.allowed for decision in found.values())


@given(cases())
@checked
def test_holds_anywhere_agrees_with_the_reference(case: Case) -> None:
    """What is held anywhere is what some grant in this Deployment gives, whichever place it reaches."""
    engine = engine_of(case.values, case.deployment_id)
    for subject in everybody(case.values):
        for required in required_of(case):
            expected = reference.holds_anywhere(case.values, case.deployment_id, subject, required, case.groups)
            assert engine.holds_anywhere(subject, mask(*required), groups=case.groups) == expected


@given(cases())
@checked
def test_holds_anywhere_opens_no_less_than_check(case: Case) -> None:
    """Whoever may do something in one place holds it anywhere, so no list that has rows stays closed."""
    engine = engine_of(case.values, case.deployment_id)
    for subject, required, dag in questions(case):
        if engine.check(subject, mask(*required), real(dag), groups=case.groups).allowed:
            assert engine.holds_anywhere(subject, mask(*required), groups=case.groups)
