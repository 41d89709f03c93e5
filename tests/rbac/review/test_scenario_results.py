"""The stories of tests/scenarios, told to the second engine.

The first engine is asked by the pytest plugin that the package ships: each answer of a story is a test of its own. Here
the reference engine has to give the same answers, so that a wrong story does not blame the right engine, and the stories
have to be good ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import reference_engine as reference

SCENARIOS = Path(__file__).parents[2] / "scenarios"
STORIES = {file.stem: yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted(SCENARIOS.glob("*.yaml"))}
TOLD = sorted(name for name, story in STORIES.items() if "refused" not in story)
REFUSED = sorted(set(STORIES) - set(TOLD))

Story = dict[str, Any]


def dag_of(story: Story, part: Story) -> reference.Dag | reference.Thing | None:
    """Return the Dag or object that a part of the story is about; None if it is about the whole Deployment."""
    for kind in reference.SINGLE_OBJECTS:
        if kind in part:
            return reference.Thing(kind, part[kind])
    return described(part["dag"], story["dags"][part["dag"]]) if "dag" in part else None


def described(name: str, said: Any) -> reference.Dag:
    """Return the reference's Dag for one of a scenario file: its tags alone, or with its place."""
    if isinstance(said, list):
        return reference.Dag(name, frozenset(said))
    file = (said["bundle"], said.get("file", "")) if "bundle" in said else None
    return reference.Dag(name, frozenset(said.get("tags", ())), file)


@pytest.mark.parametrize("name", TOLD)
def test_whole_reasons(name: str) -> None:
    """Where a story tells a reason, it tells the whole sentence."""
    story = STORIES[name]
    for answer in story["answers"]:
        if "because" in answer:
            begins = "allowed by role `" if "may" in answer else "no grant gives `"
            assert answer["because"].startswith(begins), answer


@pytest.mark.parametrize("name", TOLD)
def test_reference_engine_tells_the_same(name: str) -> None:
    """The second engine gives the same answers, so the story itself is right."""
    story = STORIES[name]
    for answer in story["answers"]:
        required = answer.get("may", answer.get("may_not")).split()
        found = reference.check(story["policy"], story["deployment_id"], answer["who"], required, dag_of(story, answer))
        assert found.allowed is ("may" in answer), answer


@pytest.mark.parametrize("name", TOLD)
def test_stories_are_told_from_both_sides(name: str) -> None:
    """Each story has a deny beside its allows, and a sentence that says what it is about."""
    story = STORIES[name]
    allowed = sum("may" in answer for answer in story["answers"])
    assert 0 < allowed < len(story["answers"])
    assert len(story["story"]) > 10
    assert (SCENARIOS / f"{name}.yaml").read_text(encoding="utf-8").startswith("# ")


def test_there_are_stories() -> None:
    """The folder is found, and holds a dozen stories and more."""
    assert len(TOLD) >= 12
    assert REFUSED
