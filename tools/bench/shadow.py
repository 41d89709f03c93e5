"""How much of a request shadow mode takes: `python -m tools.bench.shadow` answers requests with and without it.

In one process, FAB's auth manager answers the same requests in turns, with the checks observed and without. Counted is
the processor's time of the whole process, so the thread that compares is in it, until everything is written.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections import defaultdict
from pathlib import Path
from typing import Any

from tools.bench.cells import REQUESTS
from tools.bench.data import PEOPLE
from tools.bench.databases import SQLite, prepare
from tools.bench.engines import FAB, ROOT, Engine, environment

_ENGINE = Engine(
    "fab-shadow", "FAB's auth manager in shadow mode", FAB, settings={"AIRFLOW__ASTRO_AUTH__SHADOW": "true"}
)
_CELLS = ("get_dag", "api_dags")
_REQUESTS = 20
_IDLE_SECONDS = 120


class Sides:
    """The application, in shadow mode or not."""

    def __init__(self, size: int) -> None:
        from tools.bench.worker import Worker  # noqa: PLC0415 - the parent has configured Airflow

        worker = Worker(_ENGINE.name, size)
        self._asker = worker._asker  # noqa: SLF001 - the same process
        self._manager: Any = worker._manager  # noqa: SLF001 - likewise
        self._asker.answer(*REQUESTS["get_dag"], PEOPLE[0])
        layer: Any = self._asker._client._transport.app.middleware_stack  # type: ignore[attr-defined]  # noqa: SLF001
        while type(layer).__name__ != "ShadowMiddleware":
            layer = layer.app
        self._shadow: Any = layer
        self._observes = layer._observes_manager  # noqa: SLF001 - what is switched on and off

    def switch(self, *, on: bool) -> None:
        """Begin or end shadow mode."""
        from astro_auth_plugin.shadow.observed import HOOKS  # noqa: PLC0415 - imports Airflow

        for hook in HOOKS:
            vars(self._manager).pop(hook, None)
        self._shadow._observed = None  # noqa: SLF001 - it observes again
        self._shadow._observes_manager = self._observes if on else lambda: False  # noqa: SLF001

    def seconds(self, cell: str, person: str) -> float:
        """Return what a request takes of the processor."""
        method, path = REQUESTS[cell]
        begun = time.process_time()
        for _ in range(_REQUESTS):
            self._asker.answer(method, path, person)
        until = time.monotonic() + _IDLE_SECONDS
        while not self._shadow._comparing.is_idle and time.monotonic() < until:  # noqa: SLF001
            time.sleep(0.05)
        return (time.process_time() - begun) / _REQUESTS


def measure(size: int, rounds: int) -> None:
    """Print what each request takes, and how many times as long in shadow mode."""
    from astro_auth_plugin.runtime import shadow_records  # noqa: PLC0415 - imports Airflow
    from astro_auth_plugin.shadow import comparing  # noqa: PLC0415 - likewise

    # Written more often than it is, so that no round waits for long.
    comparing.WRITE_SECONDS = 0.5
    sides = Sides(size)
    spent: dict[tuple[str, str, bool], list[float]] = defaultdict(list)
    plan = [(cell, person, on) for cell in _CELLS for person in PEOPLE for on in (True, False)]
    for number in range(rounds + 1):
        for cell, person, on in random.sample(plan, len(plan)):
            sides.switch(on=on)
            seconds = sides.seconds(cell, person)
            if number:
                spent[cell, person, on].append(seconds)
    ratios = []
    for cell in _CELLS:
        for person in PEOPLE:
            with_it, without = (statistics.median(spent[cell, person, on]) for on in (True, False))
            ratios.append(with_it / without)
            print(f"{cell:16} {person:12} {without * 1e3:7.2f} ms, in shadow mode x{with_it / without:.3f}")
    found = shadow_records.read()
    print(f"geometric mean x{statistics.geometric_mean(ratios):.3f}, largest x{max(ratios):.3f}")
    print(
        f"{found.compared.answers} answers compared, {found.failed.answers} failed, {found.left_out.answers} left out"
    )


def main() -> int:
    """Fill a database, and measure in a process of its own."""
    parser = ArgumentParser(prog="python -m tools.bench.shadow", description=__doc__)
    parser.add_argument("--size", type=int, default=1000, help="number of Dags")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--here", action="store_true", help="in this process, which is configured")
    args = parser.parse_args()
    if args.here:
        measure(args.size, args.rounds)
        return 0
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name).resolve()
        address = prepare(folder, SQLite(folder / "databases"), [args.size], print)[args.size]
        env = {**environment(_ENGINE, folder, address), "PYTHONPATH": str(ROOT)}
        words = ["--here", "--size", str(args.size), "--rounds", str(args.rounds)]
        return subprocess.run(
            [sys.executable, "-m", "tools.bench.shadow", *words], env=os.environ | env, check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
