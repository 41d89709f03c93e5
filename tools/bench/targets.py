"""What this plugin is meant to reach, as ratios of one run. They are judged after a run and printed; none fails it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tools.bench.cells import ONE_DAG
from tools.bench.data import ACCENTED, ALL, PEOPLE, RESTRICTED
from tools.bench.engines import CACHED, CROWDED, FOLDERS, STRICT
from tools.bench.results import Results

_ALSO_FLAT = 1.5
"""Times that should not depend on the number of Dags may differ by this."""
_TEN_THOUSAND, _FIFTY_THOUSAND = 10_000, 50_000


class Check(NamedTuple):
    """One number, and the largest that it may be."""

    what: str
    measured: float
    limit: float

    @property
    def met(self) -> bool:
        """Whether it is not larger."""
        return self.measured <= self.limit


class Target(NamedTuple):
    """A goal in words, and the numbers that tell whether it is reached."""

    name: str
    words: str
    checks: tuple[Check, ...]

    @property
    def verdict(self) -> str:
        """Return `met`, `missed` or `not measured`."""
        if not self.checks:
            return "not measured"
        return "met" if all(check.met for check in self.checks) else "missed"


Goal = Callable[[Results], Iterator[Check]]
GOALS: list[tuple[str, str, Goal]] = []


def goal(name: str, words: str) -> Callable[[Goal], Goal]:
    """Add a goal to the list."""

    def add(found: Goal) -> Goal:
        GOALS.append((name, words, found))
        return found

    return add


def judge(results: Results) -> list[Target]:
    """Return each goal with the numbers of a run; a number that was not measured is left out."""
    return [
        Target(name, words, tuple(check for check in found(results) if not math.isnan(check.measured)))
        for name, words, found in GOALS
    ]


def _large(results: Results) -> list[int]:
    return [size for size in results.sizes if size >= 1_000] or results.sizes  # noqa: PLR2004 - where size begins to tell


def _ratio(results: Results, size: int, ours: tuple[str, str, str], theirs: tuple[str, str, str]) -> float:
    """Return how many times as long one takes: (engine, cell, person) each."""
    return results.median(ours[0], size, *ours[1:]) / results.median(theirs[0], size, *theirs[1:])


def _growth(results: Results, engine: str, cell: str, person: str) -> float:
    """Return the longest time over the shortest, of all numbers of Dags."""
    times = [results.median(engine, size, cell, person) for size in results.sizes]
    known = [each for each in times if not math.isnan(each)]
    return max(known) / min(known) if len(known) > 1 else math.nan


def _statements(results: Results, engine: str, size: int, cell: str, person: str) -> float:
    return results.count(engine, size, cell, person)[0]


@goal(
    "T1",
    "With the tag cache, a decision takes at most half of FAB's with a warm cache and ten times a look into a "
    "dictionary of tags, and no statement.",
)
def _decision_cached(results: Results) -> Iterator[Check]:
    ours = (CACHED, "decision", RESTRICTED)
    for size in _large(results):
        yield Check(f"of FAB, {size}", _ratio(results, size, ours, ("fab", "decision", RESTRICTED)), 0.5)
        yield Check(f"of the floor, {size}", _ratio(results, size, ours, ("none", "floor_decision", "")), 10)
        yield Check(f"statements, {size}", _statements(results, *ours[:1], size, *ours[1:]), 0)


@goal("T2", "A decision on a user who may do everything takes at most 0.3 of SimpleAuthManager's, and no statement.")
def _decision_all(results: Results) -> Iterator[Check]:
    for size in _large(results):
        ratio = _ratio(results, size, (STRICT, "decision", ALL), ("simple", "decision", ALL))
        yield Check(f"of SimpleAuthManager, {size}", ratio, 0.3)
        yield Check(f"statements, {size}", _statements(results, STRICT, size, "decision", ALL), 0)


@goal(
    "T3",
    "A decision that has to read the tags takes at most 1.3 times the bare statement, no longer than Keycloak's "
    "auth manager at a server that answers at once, and exactly one statement.",
)
def _decision_strict(results: Results) -> Iterator[Check]:
    ours = (STRICT, "decision", RESTRICTED)
    for size in _large(results):
        yield Check(f"of the floor, {size}", _ratio(results, size, ours, ("none", "floor_tags_of_dag", "")), 1.3)
        yield Check(f"of Keycloak, {size}", _ratio(results, size, ours, ("keycloak", "decision", RESTRICTED)), 1)
        statements = _statements(results, STRICT, size, "decision", RESTRICTED)
        yield Check(f"statements away from 1, {size}", abs(statements - 1), 0)


@goal("T4", "The first decision on a user, nothing being cached, does not depend on the number of Dags.")
def _first_decision(results: Results) -> Iterator[Check]:
    for engine in (STRICT, CACHED):
        yield Check(f"longest of shortest, {engine}", _growth(results, engine, "first", RESTRICTED), _ALSO_FLAT)


@goal("T5", "A batch of 100 takes at most half of FAB's with the tag cache, and one statement without.")
def _batch(results: Results) -> Iterator[Check]:
    for size in _large(results):
        ratio = _ratio(results, size, (CACHED, "batch", RESTRICTED), ("fab", "batch", RESTRICTED))
        yield Check(f"of FAB, with the cache, {size}", ratio, 0.5)
        yield Check(f"statements without, {size}", _statements(results, STRICT, size, "batch", RESTRICTED), 1)


@goal(
    "T6",
    "The list of Dags of a restricted person, read out, takes at most 1.3 times the bare statement about tags, "
    "0.25 of FAB's at 1,000 Dags and 0.15 from 10,000, and one statement.",
)
def _list_restricted(results: Results) -> Iterator[Check]:
    ours = (STRICT, "list", RESTRICTED)
    for size in _large(results):
        yield Check(f"of the floor, {size}", _ratio(results, size, ours, ("none", "floor_tagged", "")), 1.3)
        limit = 0.15 if size >= _TEN_THOUSAND else 0.25
        yield Check(f"of FAB, {size}", _ratio(results, size, ours, ("fab", "list", RESTRICTED)), limit)
        yield Check(f"statements, {size}", _statements(results, STRICT, size, "list", RESTRICTED), 1)


@goal("T7", "The list of Dags of a user who may see all, read out, takes at most 1.15 times the bare statement.")
def _list_all(results: Results) -> Iterator[Check]:
    for size in _large(results):
        ratio = _ratio(results, size, (STRICT, "list", ALL), ("none", "floor_all", ""))
        yield Check(f"of the floor, {size}", ratio, 1.15)


@goal(
    "T8",
    "Requesting the list of Dags without reading it takes at most 150 microseconds at any number of Dags, and no "
    "statement.",
)
def _list_lazy(results: Results) -> Iterator[Check]:
    for person in PEOPLE:
        for size in _large(results):
            yield Check(f"microseconds, {person}, {size}", results.median(STRICT, size, "lazy", person) * 1e6, 150)
            yield Check(f"statements, {person}, {size}", _statements(results, STRICT, size, "lazy", person), 0)
        yield Check(f"longest of shortest, {person}", _growth(results, STRICT, "lazy", person), _ALSO_FLAT)


def _of_unchecked(results: Results, cell: str, at_ten: float, at_fifty: float) -> Iterator[Check]:
    """Compare a list with the same route without authorization, and see that its values do not grow with the Dags."""
    for person in PEOPLE:
        for size in _large(results):
            limit = at_fifty if size >= _FIFTY_THOUSAND else at_ten
            yield Check(f"{person}, {size}", _ratio(results, size, (STRICT, cell, person), ("none", cell, ALL)), limit)
        values = [results.count(STRICT, size, cell, person)[1] for size in _large(results)]
        if len(values) > 1:
            yield Check(f"values more at more Dags, {person}", max(values) - min(values), 0)


@goal(
    "T9",
    "/api/v2/dags takes at most 1.6 times the route without authorization up to 10,000 Dags, and 2.5 times at "
    "50,000, for both people; what it sends to the database does not grow with the number of Dags.",
)
def _api_dags(results: Results) -> Iterator[Check]:
    yield from _of_unchecked(results, "api_dags", 1.6, 2.5)


@goal(
    "T10",
    "/ui/dags takes at most 1.3 times the route without authorization up to 10,000 Dags, and twice at 50,000; "
    "what it sends to the database does not grow.",
)
def _ui_dags(results: Results) -> Iterator[Check]:
    yield from _of_unchecked(results, "ui_dags", 1.3, 2.0)


@goal(
    "T11",
    "Reading, changing or running one Dag takes at most 1.25 times as long as with FAB and its warm cache, with "
    "the tag cache 1.1 times; nothing being cached, at most twice its own time.",
)
def _one_dag(results: Results) -> Iterator[Check]:
    for size in _large(results):
        for cell in ("get_dag", "patch", "trigger"):
            for engine, limit in ((STRICT, 1.25), (CACHED, 1.1)):
                ratio = _ratio(results, size, (engine, cell, RESTRICTED), ("fab", cell, RESTRICTED))
                yield Check(f"{engine} of FAB, {cell}, {size}", ratio, limit)
        for engine in (STRICT, CACHED):
            ratio = _ratio(results, size, (engine, "get_dag_first", RESTRICTED), (engine, "get_dag", RESTRICTED))
            yield Check(f"{engine}, nothing cached, {size}", ratio, 2)


@goal("T12", "With the driver psycopg 3, a user who may see all is answered at the largest number of Dags.")
def _psycopg(results: Results) -> Iterator[Check]:
    if STRICT in results.statuses:
        yield Check("status of /api/v2/dags", results.statuses[STRICT], 200)


@goal("T13", "A decision in memory is at least 50 times as fast as Cedar's and 200 times as casbin's.")
def _generic(results: Results) -> Iterator[Check]:
    for size in results.sizes:
        decided = results.median(CACHED, size, "decision", RESTRICTED)
        if math.isnan(decided):
            decided = results.median("memory", size, "memory_decision", "core")
        for name, times in (("cedar", 50), ("casbin", 200)):
            theirs = results.median("memory", size, "memory_decision", name)
            yield Check(f"of {name}, {size}", decided / theirs, 1 / times)


@goal("T14", "/api/v2/dags and /ui/dags of a user who may see all take at most a tenth of FAB's at 50,000 Dags.")
def _tenth_of_fab(results: Results) -> Iterator[Check]:
    for cell in ("api_dags", "ui_dags"):
        for size in results.sizes:
            if size >= _FIFTY_THOUSAND:
                yield Check(f"{cell}, {size}", _ratio(results, size, (STRICT, cell, ALL), ("fab", cell, ALL)), 0.1)


@goal("T15", "What the auth manager needs to start does not depend on the number of Dags.")
def _start_up(results: Results) -> Iterator[Check]:
    found = [facts["start_seconds"] for key, facts in results.facts.items() if key.engine == STRICT]
    if len(found) > 1:
        yield Check("longest of shortest", max(found) / min(found), _ALSO_FLAT)


# -- beside FAB, one Dag at a time -------------------------------------------------------------------------------------


def _of_fab(results: Results, engine: str, limit: float) -> Iterator[Check]:
    for size in _large(results):
        for cell in ONE_DAG:
            ratio = _ratio(results, size, (engine, cell, RESTRICTED), ("fab", cell, RESTRICTED))
            yield Check(f"{cell}, {size}", ratio, limit)


@goal("U1", "Reading, changing or running one Dag takes at most 1.05 times as long as with FAB and its warm cache.")
def _one_dag_strict(results: Results) -> Iterator[Check]:
    yield from _of_fab(results, STRICT, 1.05)


@goal("U2", "With the tag cache and the identity cache, at most 0.95 times as long.")
def _one_dag_cached(results: Results) -> Iterator[Check]:
    yield from _of_fab(results, CACHED, 0.95)


@goal("U3", "A server answers at least as many requests about one Dag a second as with FAB, for 1, 8 and 32 clients.")
def _under_load(results: Results) -> Iterator[Check]:
    found = {(each.clients, each.engine): each.per_second for each in results.load if each.cell == "get_dag"}
    for clients in sorted({clients for clients, _ in found}):
        ours, theirs = (found.get((clients, engine), math.nan) for engine in (STRICT, "fab"))
        yield Check(f"FAB's of ours, {clients} clients", theirs / ours, 1)


@goal(
    "U4", "With 50,000 accounts a request takes at most 1.1 times as long as with ten; also for an e-mail not in ASCII."
)
def _many_accounts(results: Results) -> Iterator[Check]:
    for person in (RESTRICTED, ACCENTED):
        size = results.sizes[0]
        ratio = _ratio(results, size, (CROWDED, "get_dag", person), (STRICT, "get_dag", person))
        yield Check(f"get_dag as {person}", ratio, 1.1)


@goal("U5", "Authorization sends one statement in a request about one Dag.")
def _one_statement(results: Results) -> Iterator[Check]:
    for size in _large(results):
        ours, theirs = (
            _statements(results, STRICT, size, "get_dag", RESTRICTED),
            results.count("none", size, "get_dag", ALL),
        )
        yield Check(f"more than without authorization, {size}", ours - theirs[0], 1)


@goal(
    "U6",
    "A decision takes at most 1.43 times as long as FAB's with the tags known, and 1.52 times for a user with a "
    "permission on the whole Deployment.",
)
def _decision(results: Results) -> Iterator[Check]:
    for size in _large(results):
        for person, limit in ((RESTRICTED, 1.43), (ALL, 1.52)):
            ratio = _ratio(results, size, (CACHED, "decision", person), ("fab", "decision", person))
            yield Check(f"{person}, {size}", ratio, limit)


@goal("U7", "A batch of 100 with the tags known takes at most as long as with FAB.")
def _batch_cached(results: Results) -> Iterator[Check]:
    for size in _large(results):
        ratio = _ratio(results, size, (CACHED, "batch", RESTRICTED), ("fab", "batch", RESTRICTED))
        yield Check(f"of FAB, {size}", ratio, 1)


@goal("U8", "To filter 100 Dags does not depend on the number of Dags.")
def _filter(results: Results) -> Iterator[Check]:
    times = [results.median(STRICT, size, "filter", RESTRICTED) for size in _large(results)]
    known = [each for each in times if not math.isnan(each)]
    if len(known) > 1:
        yield Check("longest of shortest", max(known) / min(known), _ALSO_FLAT)


@goal("U9", "Lists for tags that are protected by folders take at most twice as long as those for tags that are not.")
def _folders(results: Results) -> Iterator[Check]:
    for size in _large(results):
        for cell in ("list", "api_dags", "ui_dags"):
            ratio = _ratio(results, size, (FOLDERS, cell, RESTRICTED), (STRICT, cell, RESTRICTED))
            yield Check(f"{cell}, {size}", ratio, 2)


@goal(
    "U10",
    "The memory of a server after many requests of many users, API tokens and wrong credentials is at most 1.1 times "
    "that after a tenth of them.",
)
def _crowd(results: Results) -> Iterator[Check]:
    if results.grown is not None:
        yield Check(f"after {results.grown.requests:,} requests", results.grown.after / results.grown.before, 1.1)
        yield Check("unexpected answers", results.grown.unexpected, 0)


@goal("U11", "The targets of lists are still met: T6 to T10, T12 and T14.")
def _lists(results: Results) -> Iterator[Check]:
    for found in (_list_restricted, _list_all, _list_lazy, _api_dags, _ui_dags, _psycopg, _tenth_of_fab):
        yield from found(results)
