"""The engine against the second engine of tests/reference_engine.py, for single connections, Variables and pools."""

from __future__ import annotations

from typing import cast

from hypothesis import given, settings

from astro_auth_plugin.rbac.model.permissions import ObjectKind, mask, names
from astro_auth_plugin.rbac.model.resources import Resource
from tests import reference_engine as reference
from tests.rbac.helpers import checked, engine_of, everybody, why
from tests.strategies import IDS, Case, cases


def real(thing: reference.Thing) -> Resource:
    """Return the engine's object for the reference's."""
    return Resource(cast("ObjectKind", thing.kind), thing.id)


def asked_of(thing: reference.Thing) -> list[set[str]]:
    """List what to ask of an object: each verb, all, two, and what no object has."""
    verbs = [f"{thing.kind}.{verb}" for verb in ("get", "create", "update", "delete")]
    return [*({verb} for verb in verbs), set(verbs), set(verbs[:2]), {"website.get", verbs[0]}]


@given(cases())
@settings(checked, max_examples=60)
def test_check_agrees_with_the_reference(case: Case) -> None:
    """Both engines decide alike on an object, miss the same permissions and name the same grants."""
    engine = engine_of(case.values, case.deployment_id)
    for subject in everybody(case.values):
        for thing in case.things:
            for required in asked_of(thing):
                expected = reference.check(case.values, case.deployment_id, subject, required, thing, case.groups)
                found = engine.check_object(subject, mask(*required), real(thing), groups=case.groups)
                assert found.allowed == expected.allowed, (subject, required, thing)
                assert set(names(found.missing)) == expected.missing
                assert why(found) == set(expected.deciding)


@given(cases())
@settings(checked, max_examples=60)
def test_lists_are_what_check_allows(case: Case) -> None:
    """The selection of objects picks exactly those that a check of each allows."""
    engine = engine_of(case.values, case.deployment_id)
    for subject in everybody(case.values):
        for kind in reference.SINGLE_OBJECTS:
            for required in asked_of(reference.Thing(kind, "")):
                selection = engine.allowed_objects(
                    subject, mask(*required), cast("ObjectKind", kind), groups=case.groups
                )
                expected = [
                    name
                    for name in IDS
                    if reference.check(
                        case.values, case.deployment_id, subject, required, reference.Thing(kind, name), case.groups
                    ).allowed
                ]
                assert [name for name in IDS if selection.matches(name)] == expected
                assert not (expected and selection.nothing)
                assert not (selection.everything and expected != [*IDS])


@given(cases())
@checked
def test_who_can_agrees_with_the_reference(case: Case) -> None:
    """Who can do something with an object is everybody whom check allows, for the same reasons."""
    engine = engine_of(case.values, case.deployment_id)
    for thing in case.things:
        for required in asked_of(thing):
            found = engine.who_can(mask(*required), real(thing))
            expected = reference.who_can(case.values, case.deployment_id, required, thing)
            assert {subject: why(decision) for subject, decision in found.items()} == {
                subject: set(answer.deciding) for subject, answer in expected.items()
            }
