"""What a run has found: times by engine, number of Dags and cell, and what was counted."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from typing import Any

from tools.bench.cells import Cell
from tools.bench.crew import Key


class Results:
    """All that one run has found.

    Attributes:
        sizes: the numbers of Dags, rising.
        counts: statements and values by key and cell.
        facts: what else is known of a worker, by name.
        left_out: what was not measured, and why.
        load: what the load tool found.
        grown: what many users have added to the memory of a server; None where it was not measured.
        disagreements: answers that are not right.
        about: the machine and the versions, by name.
    """

    def __init__(self, sizes: list[int]) -> None:
        self.sizes = sorted(sizes)
        self._times: dict[tuple[Key, Cell], list[float]] = defaultdict(list)
        self.counts: dict[tuple[Key, Cell], tuple[float, float]] = {}
        self.facts: dict[Key, dict[str, float]] = defaultdict(dict)
        self.left_out: dict[str, str] = {}
        self.load: list[Any] = []
        self.statuses: dict[str, int] = {}
        self.grown: Any = None
        self.disagreements: list[str] = []
        self.about: dict[str, str] = {}

    def add(self, key: Key, cell: Cell, seconds: float) -> None:
        """Keep a time."""
        self._times[key, cell].append(seconds)

    def times(self, key: Key, cell: Cell) -> list[float]:
        """Return all times of a cell."""
        return self._times.get((key, cell), [])

    def median(self, engine: str, size: int, cell: str, person: str = "") -> float:
        """Return the median time of a cell; not a number when it was not measured."""
        times = self.times(Key(engine, size), Cell(cell, person))
        return statistics.median(times) if times else math.nan

    def count(self, engine: str, size: int, cell: str, person: str = "") -> tuple[float, float]:
        """Return how many statements and values a cell sends; not numbers when it was not measured."""
        return self.counts.get((Key(engine, size), Cell(cell, person)), (math.nan, math.nan))

    def workers(self) -> list[Key]:
        """Return the workers that measured something."""
        return sorted({key for key, _ in self._times}, key=lambda key: (key.size, key.engine))
