"""What every engine is asked about: Dags with tags, two people, and the answers that are right.

The same for every engine and every run. Every tenth Dag carries one of the tags that the restricted person has been
given; no other Dag carries one.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

RESTRICTED, ALL = "restricted", "all"
PEOPLE = (RESTRICTED, ALL)
ACCENTED = "caf\u00e9"
"""May do what the restricted person may, and has an e-mail that is not ASCII."""
MANY_ACCOUNTS = 50_000
DEPLOYMENT = "cldep0bench"
_TAGS = tuple(f"team:t{number:03}" for number in range(200))
GRANTED = _TAGS[:20]
FOLDER = "team/"
"""Where the files of all Dags are."""
TAG_COUNTS = (1, 5, 20, 100, 200)
"""How many tags each of the people `tags1`, `tags5`, ... has been given."""
_OTHERS = _TAGS[20:]
_TAGS_OF_A_DAG = 3
_EACH = 10  # one Dag in so many may be seen by the restricted person
_QUESTIONS = 50
BATCH = 100
PAGE = 50


class BenchDag(NamedTuple):
    """A Dag: its id, and the tags it carries."""

    id: str
    tags: tuple[str, ...]


@cache
def dags(size: int) -> tuple[BenchDag, ...]:
    """Return that many Dags, the same ones each time."""
    dice = random.Random(1)  # noqa: S311 - the same Dags each time, and no secret
    return tuple(_dag(number, dice) for number in range(size))


def _dag(number: int, dice: random.Random) -> BenchDag:
    seen = [GRANTED[number // _EACH % len(GRANTED)]] if number % _EACH == 0 else []
    return BenchDag(f"dag_{number:05}", (*seen, *dice.sample(_OTHERS, _TAGS_OF_A_DAG - len(seen))))


WRITTEN = "dag_00000"
"""The Dag that is changed and run; the restricted person may do that on this one alone."""


def readable(size: int, person: str) -> list[str]:
    """Return the Dags that somebody may see, in order."""
    return [dag.id for dag in dags(size) if person == ALL or not set(dag.tags).isdisjoint(GRANTED)]


def questions(size: int) -> list[str]:
    """Return the Dags that single decisions are about: half of them may be seen by the restricted person."""
    allowed = readable(size, RESTRICTED)
    refused = sorted({dag.id for dag in dags(size)} - set(allowed))
    return _spread(allowed, _QUESTIONS) + _spread(refused, _QUESTIONS)


def batch(size: int) -> list[str]:
    """Return the Dags of one batch; all may be seen."""
    allowed = readable(size, RESTRICTED)
    return (allowed * BATCH)[:BATCH]


def _spread(ids: Sequence[str], most: int) -> list[str]:
    return list(ids[:: max(1, len(ids) // most)][:most])


def refused_dag(size: int) -> str:
    """Return a Dag that the restricted person may not see."""
    return dags(size)[1].id


def fingerprint(ids: Iterable[str]) -> list[Any]:
    """Return what two equal sets of ids have in common, and no two others: how many, and a digest."""
    ordered = sorted(ids)
    return [len(ordered), hashlib.sha256("\n".join(ordered).encode()).hexdigest()[:16]]


def expected(size: int) -> dict[str, Any]:
    """Return the right answer to every question that an engine may be asked."""
    answers: dict[str, Any] = {}
    for person in PEOPLE:
        ids = readable(size, person)
        seen = set(ids)
        answers |= {
            f"decisions/{person}": [dag_id in seen for dag_id in questions(size)],
            f"batch/{person}": True,
            f"list/{person}": fingerprint(ids),
            f"filter/{person}": fingerprint(seen.intersection(questions(size))),
            f"api_dags/{person}": [len(ids), ids[:PAGE]],
            f"ui_dags/{person}": [len(ids), ids[:PAGE]],
            f"dag_runs/{person}": len(ids),
            f"task_instances/{person}": len(ids),
            f"get_dag/{person}": True,
            f"refused_dag/{person}": person == ALL,
        }
    answers |= {f"get_dag/{ACCENTED}": True, f"refused_dag/{ACCENTED}": False}
    return answers


def disagreements(size: int, engine: str, answers: dict[str, Any]) -> list[str]:
    """Return a line for each question that an engine answered otherwise than it should."""
    right = expected(size)
    return [
        f"{engine}, {size} Dags: {question}: answered {_short(answer)}, right is {_short(right[question])}"
        for question, answer in answers.items()
        if answer != right[question]
    ]


def _short(answer: Any) -> str:
    text = str(answer)
    return text if len(text) <= 120 else f"{text[:120]}..."  # noqa: PLR2004 - one line of a terminal


def policy(*, folders: bool = False) -> str:
    """Return the policy file that says the same; with `folders`, the tags are only for files of a folder."""
    lines = [
        "version: 1",
        "organization_id: clorg0bench",
        "workspaces: [{id: clws0bench}]",
        f"deployments: [{{id: {DEPLOYMENT}, workspace_id: clws0bench}}]",
        "users:",
        f"  - email: {ALL}@example.com",
        "    workspace_roles: [{workspace_id: clws0bench, role: WORKSPACE_OWNER}]",
    ]
    for person in (RESTRICTED, ACCENTED):
        author = f"      - {{deployment_id: {DEPLOYMENT}, dag_id: {WRITTEN}, role: DAG_AUTHOR}}"
        lines += [f"  - email: {person}@example.com", "    dag_roles:", author, *_tag_grants(GRANTED)]
    for count in TAG_COUNTS:
        lines += [f"  - email: tags{count}@example.com", "    dag_roles:", *_tag_grants(_TAGS[:count])]
    if folders:
        place = f"[{{bundle: dags-folder, files: ['{FOLDER}']}}]"
        entry = f"  - {{deployment_id: {DEPLOYMENT}, tag: '%s', only_in: {place}}}"
        lines += ["protected_tags:", *(entry % tag for tag in GRANTED)]
    return "\n".join(lines) + "\n"


def _tag_grants(tags: Iterable[str]) -> list[str]:
    return [f'      - {{deployment_id: {DEPLOYMENT}, tag: "{tag}", role: DAG_VIEWER}}' for tag in tags]
