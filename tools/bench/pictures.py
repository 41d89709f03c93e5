"""Draws how times grow with Dags, grants, people and tags."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure

from tools.bench import in_memory
from tools.bench.data import PEOPLE, RESTRICTED, TAG_COUNTS
from tools.bench.engines import ENGINES, STRICT
from tools.bench.results import Results
from tools.bench.sections import growth

mpl.rcParams.update({"svg.hashsalt": "bench", "svg.fonttype": "none", "font.size": 9})
_COLOURS = {
    "none": "#777777", STRICT: "#0b6e4f", "astro-cached": "#5fbf8f", "fab": "#c0392b", "simple": "#d68910",
    "keycloak": "#6c3483",
}  # fmt: skip


class Line(NamedTuple):
    """One line of a picture."""

    label: str
    x: list[int]
    y: list[float]
    colour: str
    dashed: bool = False


def draw(results: Results, folder: Path) -> list[Path]:
    """Draw what was measured; return the files."""
    wanted = {
        "requests": ("Lists of Dags by the number of Dags, whole requests", "Dags", _requests(results)),
        "questions": ("A decision, and the list of Dags, by the number of Dags", "Dags", _questions(results)),
        "policy": ("Loading a policy by grants and by people", "grants or people", _policies(results)),
        "tags": ("The list of Dags by the number of tags given", "tags", _tags(results)),
    }
    drawn = []
    for name, (title, along, panels) in wanted.items():
        shown = [(panel, lines) for panel, lines in panels if lines]
        if shown:
            file = folder / f"benchmark-{name}.svg"
            _draw(file, title, along, shown)
            drawn.append(file)
    return drawn


def _draw(file: Path, title: str, along: str, panels: list[tuple[str, list[Line]]]) -> None:
    figure = Figure(figsize=(4.6 * len(panels), 3.8), layout="constrained")
    figure.suptitle(title)
    for number, (name, lines) in enumerate(panels):
        axes: Any = figure.add_subplot(1, len(panels), number + 1)
        for line in lines:
            style = "--" if line.dashed else "-"
            axes.plot(line.x, line.y, style, marker="o", markersize=3, label=line.label, color=line.colour)
        axes.set(title=name, xscale="log", yscale="log", xlabel=along, ylabel="milliseconds")
        axes.grid(which="major", alpha=0.3)
        axes.legend(fontsize=7, frameon=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata={"Date": None})


def _lines(results: Results, cell: str, people: Iterable[str] = PEOPLE) -> list[Line]:
    found = []
    for engine in (each for each in ENGINES if each.name in _COLOURS):
        for person in engine.people:
            sizes, times = growth(results, cell, person, engine.name)
            if sizes and person in people:
                label = engine.name if engine.name == "none" else f"{engine.name}, {person}"
                dashed = person == RESTRICTED
                found.append(Line(label, sizes, _milliseconds(times), _COLOURS[engine.name], dashed))
    return found


def _milliseconds(times: list[float]) -> list[float]:
    return [each * 1000 for each in times]


def _requests(results: Results) -> list[tuple[str, list[Line]]]:
    return [(title, _lines(results, cell)) for cell, title in (("api_dags", "/api/v2/dags"), ("ui_dags", "/ui/dags"))]


def _questions(results: Results) -> list[tuple[str, list[Line]]]:
    return [
        ("one decision", _lines(results, "decision")),
        ("first decision, nothing cached", _lines(results, "first", (RESTRICTED,))),
        ("list, read out", _lines(results, "list")),
    ]


def _policies(results: Results) -> list[tuple[str, list[Line]]]:
    lines = []
    for what, counts, colour in (
        ("grants", in_memory.GRANT_COUNTS, "#0b6e4f"),
        ("people", in_memory.PEOPLE_COUNTS, "#d68910"),
    ):
        for key in results.workers():
            times = [results.median(*key, f"compile_by_{what}", str(count)) for count in counts]
            if not any(map(math.isnan, times)):
                lines.append(Line(what, list(counts), _milliseconds(times), colour))
    return [("on the processor", lines)]


def _tags(results: Results) -> list[tuple[str, list[Line]]]:
    lines = []
    for number, size in enumerate(results.sizes):
        times = [results.median(STRICT, size, "tags", f"tags{count}") for count in TAG_COUNTS]
        if not any(map(math.isnan, times)):
            lines.append(Line(f"{size:,} Dags", list(TAG_COUNTS), _milliseconds(times), f"C{number}"))
    return [("this plugin, read out", lines)]
