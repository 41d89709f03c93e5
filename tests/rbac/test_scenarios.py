"""Runs the stories of tests/scenarios: a policy, Dags with their tags, and the expected answers.

A story is a YAML file. `policy` is a policy file, `dags` gives each Dag's tags, and `deployment_id` says where we are.

- `answers`: `who` `may` or `may_not` do something on a `dag`, or without one in the whole Deployment; of several
  permissions in `may_not`, each alone is denied. `because` is the whole sentence of the reason.
- `sees`: all Dags on which `who` `may` do something.
- `who_can`: all `people` (and tokens) who `may` do something on a `dag`, or without one in the whole Deployment.
- `refused` instead of all these: how the problems begin, in any order, for which the policy is no policy.

Each story is told to both engines, so a wrong story does not blame the right engine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from astro_auth_plugin.rbac import policy
from astro_auth_plugin.rbac.engine import Dag, Engine
from astro_auth_plugin.rbac.permissions import mask
from tests import reference_engine as reference

SCENARIOS = Path(__file__).parent.parent / "scenarios"
STORIES = {file.stem: yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted(SCENARIOS.glob("*.yaml"))}
TOLD = sorted(name for name, story in STORIES.items() if "refused" not in story)
REFUSED = sorted(set(STORIES) - set(TOLD))

Story = dict[str, Any]


def engine_of(story: Story) -> Engine:
    """Compile the story's policy."""
    found = policy.from_values(story["policy"])
    assert found.policy is not None, [str(problem) for problem in found.errors]
    return Engine(found.policy, story["deployment_id"])


def dag_of(story: Story, part: Story) -> Dag | None:
    """Return the Dag that a part of the story is about; None if it is about the whole Deployment."""
    return Dag(part["dag"], frozenset(story["dags"][part["dag"]])) if "dag" in part else None


def same(dag: Dag | None) -> reference.Dag | None:
    """Return the reference engine's Dag for the engine's."""
    return None if dag is None else reference.Dag(dag.id, dag.tags)


def dags_of(story: Story) -> list[Dag]:
    """Return every Dag of the story."""
    return [Dag(dag_id, frozenset(tags)) for dag_id, tags in story["dags"].items()]


@pytest.mark.parametrize("name", TOLD)
def test_answers(name: str) -> None:
    """Each answer of the story is given, for the reason that the story tells."""
    story = STORIES[name]
    engine = engine_of(story)
    for answer in story["answers"]:
        dag = dag_of(story, answer)
        allowed = "may" in answer
        required = (answer["may"] if allowed else answer["may_not"]).split()
        decision = engine.check(answer["who"], mask(*required), dag)
        assert decision.allowed is allowed, answer
        assert decision.reason == answer.get("because", decision.reason)
        for permission in [] if allowed else required:
            assert not engine.check(answer["who"], mask(permission), dag).allowed, (answer, permission)


@pytest.mark.parametrize("name", TOLD)
def test_reference_engine_tells_the_same(name: str) -> None:
    """The second engine gives the same answers, so the story itself is right."""
    story = STORIES[name]
    for answer in story["answers"]:
        required = answer.get("may", answer.get("may_not")).split()
        dag = same(dag_of(story, answer))
        found = reference.check(story["policy"], story["deployment_id"], answer["who"], required, dag)
        assert found.allowed is ("may" in answer), answer


@pytest.mark.parametrize("name", [name for name in TOLD if "sees" in STORIES[name]])
def test_what_people_see(name: str) -> None:
    """The Dags on which somebody may do something are those that the story lists, and no others."""
    story = STORIES[name]
    engine = engine_of(story)
    for part in story["sees"]:
        selection = engine.allowed_dags(part["who"], mask(*part["may"].split()))
        assert {dag.id for dag in dags_of(story) if selection.matches(dag)} == set(part["dags"]), part


@pytest.mark.parametrize("name", [name for name in TOLD if "who_can" in STORIES[name]])
def test_who_can(name: str) -> None:
    """Those who may do something are those whom the story lists, and no others."""
    story = STORIES[name]
    engine = engine_of(story)
    for part in story["who_can"]:
        found = engine.who_can(mask(*part["may"].split()), dag_of(story, part))
        assert set(found) == set(part["people"]), part


@pytest.mark.parametrize("name", REFUSED)
def test_refused_policies(name: str) -> None:
    """The policy counts for nothing as a whole, and each problem of the story is told; there are no others."""
    story = STORIES[name]
    found = policy.from_values(story["policy"])
    problems = [str(problem) for problem in found.errors]
    assert found.policy is None
    assert len(problems) == len(story["refused"]), problems
    for beginning in story["refused"]:
        assert any(problem.startswith(beginning) for problem in problems), (beginning, problems)


@pytest.mark.parametrize("name", sorted(STORIES))
def test_stories_have_no_unknown_words(name: str) -> None:
    """A misspelt key of a story is an error: it could make the story weaker without anybody noticing."""
    story = STORIES[name]
    assert set(story) <= {"story", "deployment_id", "policy", "dags", "answers", "sees", "who_can", "refused"}
    for answer in story.get("answers", []):
        assert set(answer) <= {"who", "may", "may_not", "dag", "because"}, answer
        assert ("may" in answer) != ("may_not" in answer), answer
    assert all(set(part) == {"who", "may", "dags"} for part in story.get("sees", []))
    assert all({"may", "people"} <= set(part) <= {"may", "people", "dag"} for part in story.get("who_can", []))


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
