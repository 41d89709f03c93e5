"""One run: right answers first, then every cell in a new random order each round."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.progress import track

from tools.bench import in_memory
from tools.bench.cells import ONE_DAG, PARTS, Cell, cells_of, left_out
from tools.bench.crew import Hired, Key, WorkerFailed, crew, keycloak
from tools.bench.data import ALL, disagreements
from tools.bench.engines import CACHED, CROWDED, ENGINES, OURS, STRICT, Engine, unavailable
from tools.bench.results import Results

MEMORY = Engine("memory", "in memory", OURS)
_MOST_DAGS_IN_MEMORY = 10_000
_SLOW_SECONDS = 0.5
_SOME_ROUNDS = 3
MOST_ROUNDS = 40
"""How often requests about one Dag are measured."""
_CLOSE = ("none", STRICT, CACHED, CROWDED, "fab")

Plan = list[tuple[Hired, Cell]]


def tell(words: str) -> None:
    """Say what is done now, to the person at the terminal."""
    Console(stderr=True).print(words, highlight=False, soft_wrap=True)


def measure(  # noqa: PLR0913 - what a run is told
    folder: Path,
    addresses: Mapping[int, str],
    *,
    rounds: int,
    parts: tuple[str, ...],
    engines: Iterable[Engine] = ENGINES,
    crowded: str = "",
) -> Results:
    """Measure everything on these databases, by their numbers of Dags; nothing is timed when answers differ.

    `crowded` is the address of the one with many accounts.

    Raises:
        WorkerFailed: if something could not be started or asked.
    """
    results = Results(list(addresses))
    present = _present(results, engines)
    with ExitStack() as stack:
        wanted = []
        for size in results.sizes:
            url = stack.enter_context(keycloak(size))
            wanted += [(engine, size, addresses[size], url) for engine in present if not engine.many_accounts]
        if crowded:
            wanted += [(engine, results.sizes[0], crowded, "") for engine in present if engine.many_accounts]
        if "memory" in parts:
            most = max([size for size in results.sizes if size <= _MOST_DAGS_IN_MEMORY], default=_MOST_DAGS_IN_MEMORY)
            wanted.append((MEMORY, most, "sqlite:///memory", ""))
        workers = stack.enter_context(crew(folder, wanted, tell))
        _start_facts(results, workers)
        plan = _plan(results, workers, {engine.name: engine for engine in present}, parts)
        _compare(results, workers, plan)
        if not results.disagreements:
            _count(results, plan)
            _time(results, plan, rounds)
        _end_facts(results, workers)
    return results


def _present(results: Results, engines: Iterable[Engine]) -> list[Engine]:
    found = []
    for engine in engines:
        why = unavailable(engine)
        if why:
            results.left_out[engine.label] = why
        else:
            found.append(engine)
    return found


def _start_facts(results: Results, workers: dict[Key, Hired]) -> None:
    for key, worker in workers.items():
        facts = worker.do("facts")
        if facts:
            results.facts[key] = {**facts, "rss_at_start": facts.pop("rss")}


def _end_facts(results: Results, workers: dict[Key, Hired]) -> None:
    for key, worker in workers.items():
        results.facts[key] |= worker.do("facts")


def _plan(results: Results, workers: dict[Key, Hired], engines: dict[str, Engine], parts: tuple[str, ...]) -> Plan:
    """Return what is measured, and keep what is not."""
    plan: Plan = []
    for key, worker in workers.items():
        if key.engine == MEMORY.name:
            plan += [(worker, cell) for cell in in_memory.cells()]
            continue
        engine = engines[key.engine]
        plan += [(worker, cell) for cell in cells_of(engine, key.size, parts)]
        why = left_out(engine, key.size, Cell("list", ALL))
        if why:
            results.left_out[f"Lists with {engine.label} at {key.size:,} Dags"] = why
    for name in in_memory.PACKAGES:
        if "memory" in parts and in_memory.missing(name):
            results.left_out[name] = in_memory.missing(name)
    return plan


def _compare(results: Results, workers: dict[Key, Hired], plan: Plan) -> None:
    """Ask everybody the same, and keep what is not right."""
    tell("comparing answers")
    for key, worker in workers.items():
        cells = [str(cell) for hired, cell in plan if hired is worker]
        answers = worker.do("answers", cells=cells)
        if key.engine == MEMORY.name:
            right = in_memory.right_answers(key.size)
            wrong = [
                f"{question}, {key.size} Dags, in memory"
                for question in answers
                if answers[question] != right[question]
            ]
        else:
            wrong = disagreements(key.size, key.engine, answers)
        results.disagreements += wrong


def _count(results: Results, plan: Plan) -> None:
    """Count the statements of each cell; this warms everything up, too. What fails is left out of the plan."""
    for worker, cell in track(list(plan), "counting", console=Console(stderr=True), transient=True):
        try:
            statements, values = worker.do("count", cell=str(cell))
        except WorkerFailed as failure:
            results.left_out[f"{cell}, {worker.key.engine}, {worker.key.size:,} Dags"] = str(failure).splitlines()[-1]
            plan.remove((worker, cell))
        else:
            results.counts[worker.key, cell] = (statements, values)


def _time(results: Results, plan: Plan, rounds: int) -> None:
    dice = random.Random()  # noqa: S311 - an order, no secret
    for number in track(range(rounds), "measuring", console=Console(stderr=True), transient=True):
        for worker, cell in dice.sample(plan, len(plan)):
            if _is_due(results.times(worker.key, cell), cell, number, rounds):
                results.add(worker.key, cell, worker.do("time", cell=str(cell)))
    one_dag = [(worker, cell) for worker, cell in plan if cell.name in ONE_DAG and worker.key.engine in _CLOSE]
    more = range(rounds, MOST_ROUNDS) if rounds > _SOME_ROUNDS else range(0)
    for _ in track(more, "requests about one Dag", console=Console(stderr=True), transient=True):
        for worker, cell in dice.sample(one_dag, len(one_dag)):
            results.add(worker.key, cell, worker.do("time", cell=str(cell)))


def _is_due(times: list[float], cell: Cell, number: int, rounds: int) -> bool:
    """Say whether a cell is measured in a round: those that take long are in fewer."""
    if cell.name.startswith("compile"):
        return len(times) < _SOME_ROUNDS
    slow = bool(times) and min(times) > _SLOW_SECONDS
    return not slow or (number % 2 == 0 or rounds <= _SOME_ROUNDS)


ALL_PARTS = (*PARTS, "memory", "load", "crowd")
