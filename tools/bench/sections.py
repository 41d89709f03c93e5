"""The tables of a run, for the terminal and for the page."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tools.bench import in_memory
from tools.bench.cells import FLOORS, ONE_DAG, REQUESTS, TITLES, Cell
from tools.bench.crew import Key
from tools.bench.data import ALL, PEOPLE, TAG_COUNTS
from tools.bench.engines import ENGINES, LABELS, STRICT
from tools.bench.load import POOL_SIZE
from tools.bench.results import Results
from tools.bench.targets import Check, Target, judge

_MEGABYTE = 1024**2
_ROUTES = {
    "api_dags": "GET /api/v2/dags",
    "ui_dags": "GET /ui/dags",
    "dag_runs": "GET /api/v2/dags/~/dagRuns",
    "task_instances": "GET /api/v2/dags/~/dagRuns/~/taskInstances",
    "get_dag": "GET one Dag",
    "get_dag_first": "GET one Dag, nothing being cached",
    "patch": "PATCH one Dag",
    "trigger": "POST one Dag run",
}
_IN_MEMORY = {
    "sets": "Python's sets",
    "core": "the core of this plugin, with its reasons",
    "cedar": "Cedar (cedarpy)",
    "casbin": "casbin",
}


class Section(NamedTuple):
    """A table with its title, and a sentence about it."""

    title: str
    note: str
    headings: tuple[str, ...]
    rows: list[list[str]]


def sections(results: Results, *, page: bool = False) -> Iterator[Section]:
    """Yield the tables that have something to show; with `page`, those that a reader of the docs needs."""
    made: tuple[Callable[[Results], Section], ...] = (
        _targets, _requests, _calls, _floors, _statements, _tags, _memory_engines, _policies, _processes, _load,
        _growth, _left_out,
    )  # fmt: skip
    if page:
        made = (_targets, _main_requests, _load, _growth, _left_out)
    for make in made:
        section = make(results)
        if section.rows:
            yield section


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it; a dash for none."""
    if math.isnan(seconds):
        return "-"
    for size, unit in ((1, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.2g} us"


def _sizes(results: Results) -> tuple[str, ...]:
    return tuple(f"{size:,} Dags" for size in results.sizes)


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3g}"


# -- targets -----------------------------------------------------------------------------------------------------------


def _targets(results: Results) -> Section:
    rows = [[target.name, target.words, target.verdict, _worst(target)] for target in judge(results)]
    return Section("Targets", "", ("", "Target", "", "Nearest to its limit, or farthest beyond"), rows)


def _worst(target: Target) -> str:
    if not target.checks:
        return "-"
    worst = max(target.checks, key=_excess)
    return f"{worst.what}: {worst.measured:.3g}, limit {worst.limit:.3g}"


def _excess(check: Check) -> float:
    return check.measured / check.limit if check.limit else check.measured * 1e9


# -- tables ------------------------------------------------------------------------------------------------------------


def _by_engine(results: Results, cells: dict[str, str], show: Callable[[str, int, str, str], str]) -> list[list[str]]:
    """Return a row for each cell, engine and person that was measured."""
    rows = []
    for cell, title in cells.items():
        for engine in ENGINES:
            for person in engine.people:
                shown = [show(engine.name, size, cell, person) for size in results.sizes]
                if set(shown) != {"-"}:
                    rows.append([title, engine.label, person, *shown])
    return rows


def _main_requests(results: Results) -> Section:
    whole = _requests(results)
    named = {_ROUTES[name] for name in ("api_dags", "ui_dags", *ONE_DAG)}
    return whole._replace(rows=[row for row in whole.rows if row[0] in named])


def _requests(results: Results) -> Section:
    def show(engine: str, size: int, cell: str, person: str) -> str:
        own = results.median(engine, size, cell, person)
        base = results.median("none", size, cell, ALL)
        ratio = "" if math.isnan(base) or engine == "none" else f" x{own / base:.2f}"
        return "-" if math.isnan(own) else duration(own) + ratio

    return Section(
        "Whole requests",
        "Through Airflow's application in the same process; behind the x, how many times as long as the same route "
        "without authorization, which shows all Dags to everybody.",
        ("Request", "Auth manager", "Person", *_sizes(results)),
        _by_engine(results, {name: _ROUTES[name] for name in REQUESTS}, show),
    )


def _calls(results: Results) -> Section:
    titles = {name: title for name, title in TITLES.items() if name != "tags"}
    return Section(
        "Questions to the auth manager",
        "",
        ("Question", "Auth manager", "Person", *_sizes(results)),
        _by_engine(results, titles, lambda *cell: duration(results.median(*cell))),
    )


def _floors(results: Results) -> Section:
    rows = [
        [title, *(duration(results.median("none", size, name)) for size in results.sizes)]
        for name, title in FLOORS.items()
    ]
    measured = [row for row in rows if set(row[1:]) != {"-"}]
    return Section("The floor", "The same facts with nothing around them.", ("", *_sizes(results)), measured)


def _statements(results: Results) -> Section:
    def show(engine: str, size: int, cell: str, person: str) -> str:
        statements, values = results.count(engine, size, cell, person)
        return "-" if math.isnan(statements) else f"{_number(statements)} / {values:,.0f}"

    titles = {**{name: title for name, title in TITLES.items() if name != "tags"}, **_ROUTES}
    return Section(
        "Statements and the values in them",
        "What one question or request sends to the database.",
        ("", "Auth manager", "Person", *_sizes(results)),
        _by_engine(results, titles, show),
    )


def _tags(results: Results) -> Section:
    rows = [
        [str(count), *(duration(results.median(STRICT, size, "tags", f"tags{count}")) for size in results.sizes)]
        for count in TAG_COUNTS
    ]
    measured = [row for row in rows if set(row[1:]) != {"-"}]
    return Section(
        "The list of Dags by the number of tags given", "This plugin, read out.", ("Tags", *_sizes(results)), measured
    )


def _memory_engines(results: Results) -> Section:
    rows = []
    for key in results.workers():
        for name, title in _IN_MEMORY.items():
            decision, whole = (results.median(*key, f"memory_{work}", name) for work in ("decision", "filter"))
            if not math.isnan(decision):
                floor = results.median(*key, "memory_decision", "sets")
                rows.append([title, f"{key.size:,}", duration(decision), f"x{decision / floor:,.0f}", duration(whole)])
    return Section(
        "General engines",
        "All tags being in memory and all rules parsed: 20 roles that each see 20 tags, a user with one of them.",
        ("Engine", "Dags", "One decision", "of sets", "Which of all Dags"),
        rows,
    )


def _policies(results: Results) -> Section:
    rows = []
    for what, counts in (("grants", in_memory.GRANT_COUNTS), ("people", in_memory.PEOPLE_COUNTS)):
        for count in counts:
            for key in results.workers():
                seconds = results.median(*key, f"compile_by_{what}", str(count))
                if not math.isnan(seconds):
                    megabytes = results.count(*key, f"compile_by_{what}", str(count))[0]
                    rows.append([f"{count:,} {what}", duration(seconds), f"{megabytes:.0f} MB"])
    return Section(
        "Loading a policy",
        "Read, checked and compiled, for everybody in it; by grants of 500 people, and by people with 20,000 grants.",
        ("Policy", "On the processor", "Kept in memory"),
        rows,
    )


def _processes(results: Results) -> Section:
    rows = []
    for engine in ENGINES:
        for key, facts in sorted(results.facts.items(), key=lambda item: item[0].size):
            if key.engine == engine.name and "start_seconds" in facts:
                start, rss = facts["rss_at_start"] / _MEGABYTE, facts["rss"] / _MEGABYTE
                started = [duration(facts["start_seconds"]), f"{facts['start_statements']:.0f}"]
                rows.append([engine.label, f"{key.size:,}", *started, f"{start:.0f} MB", f"{rss - start:+.0f} MB"])
    return Section(
        "Starting, and memory",
        "The auth manager's own start in seconds on the processor and statements; the whole process's memory after it, "
        "and how much all questions of this run added.",
        ("Auth manager", "Dags", "Start", "Statements", "Memory", "Growth"),
        rows,
    )


def _load(results: Results) -> Section:
    rows = [
        [_ROUTES[each.cell], each.person, str(each.clients), LABELS[each.engine], f"{each.per_second:.1f}",
         duration(each.p50), duration(each.p95), duration(each.p99), str(each.errors)]
        for each in sorted(results.load, key=lambda each: (each.cell, each.person, each.clients, each.engine))
    ]  # fmt: skip
    size = results.load[0].size if results.load else 0
    return Section(
        "Under load",
        f"wrk against a real `airflow api-server --workers 1`, {size:,} Dags; servers and wrk share this machine. "
        f"`sql_alchemy_pool_size` is {POOL_SIZE}, so that no request waits for a connection.",
        ("Request", "Person", "Clients", "Auth manager", "Requests a second", "p50", "p95", "p99", "Failed"),
        rows,
    )


def _growth(results: Results) -> Section:
    grown, rows = results.grown, []
    if grown is not None:
        before, after = f"{grown.before:.0f} MB", f"{grown.after:.0f} MB"
        rows = [[f"{grown.requests:,}", f"{grown.people:,}", before, after, f"x{grown.after / grown.before:.2f}"]]
    return Section(
        "Growth",
        "Memory of an api-server after a tenth of the requests, and after all: of different users, of 500 API tokens, "
        "and with wrong tokens, secrets and passwords.",
        ("Requests", "Users", "After a tenth", "After all", "Growth"),
        rows,
    )


def _left_out(results: Results) -> Section:
    rows = [[what, why] for what, why in results.left_out.items()]
    if results.statuses:
        rows += [
            [f"/api/v2/dags with psycopg 3, {LABELS[name]}", f"answered {status}"]
            for name, status in results.statuses.items()
        ]
    return Section("Left out, and what else was requested", "", ("", ""), rows)


def growth(results: Results, cell: str, person: str, engine: str) -> tuple[list[int], list[float]]:
    """Return the numbers of Dags at which a cell was measured, and its medians."""
    points = [(size, results.median(engine, size, cell, person)) for size in results.sizes]
    known = [(size, seconds) for size, seconds in points if not math.isnan(seconds)]
    return [size for size, _ in known], [seconds for _, seconds in known]


def spread(results: Results, key: Key, cell: Cell) -> float:
    """Return how far the middle half of the times of a cell lies apart, as a part of the median."""
    times = results.times(key, cell)
    if len(times) < 4:  # noqa: PLR2004 - fewer have no quarters
        return math.nan
    first, middle, third = statistics.quantiles(times, n=4)
    return (third - first) / middle


def noise(results: Results) -> float:
    """Return the median of `spread` over all requests: how much to trust a ratio."""
    found = [
        spread(results, key, Cell(name, person)) for key in results.workers() for name in REQUESTS for person in PEOPLE
    ]
    known = [each for each in found if not math.isnan(each)]
    return statistics.median(known) if known else math.nan
