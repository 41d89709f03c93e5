"""A bar for commands that keep a user waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer

from astro_auth_plugin.cli.output import console

PATIENCE = 1.0
"""After how many seconds the bar appears."""


@contextmanager
def progress(words: str = "", steps: int | None = None) -> Iterator[Callable[[str], None]]:
    """Show what a command does, on the error stream, only on a terminal, and only after a second.

    Args:
        words: what it does.
        steps: the number of steps; None where only the time that has passed is shown.

    Returns:
        A function to call with the name of each step when it begins.
    """
    errors = console(stderr=True)
    if not errors.is_terminal:
        yield lambda _: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415 - only on a terminal

    # Names of files are no markup.
    columns = TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn()
    bar = Progress(*columns, console=errors, transient=True)
    task = bar.add_task(words, total=steps)
    begun = -1

    def step(name: str) -> None:
        nonlocal begun
        begun += 1
        bar.update(task, completed=begun, description=name)

    timer = Timer(PATIENCE, bar.start)
    timer.daemon = True
    timer.start()
    try:
        yield step
    finally:
        timer.cancel()
        timer.join()
        if bar.live.is_started:
            bar.stop()
