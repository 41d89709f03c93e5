"""A bar for commands that keep somebody waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer

from rich.progress import Progress

from astro_auth_plugin.cli.output import console

PATIENCE = 1.0
"""After how many seconds the bar appears."""


@contextmanager
def steps(total: int) -> Iterator[Callable[[str], None]]:
    """Show how far a command is, on the error stream, only on a terminal, and only after a second.

    Args:
        total: the number of steps.

    Returns:
        A function to call with the name of each step when it begins.
    """
    errors = console(stderr=True)
    progress = Progress(console=errors, transient=True)
    task = progress.add_task("", total=total)
    begun = -1

    def step(name: str) -> None:
        nonlocal begun
        begun += 1
        progress.update(task, completed=begun, description=name)

    timer = Timer(PATIENCE, progress.start)
    timer.daemon = True
    if errors.is_terminal:
        timer.start()
    try:
        yield step
    finally:
        timer.cancel()
        if errors.is_terminal:
            timer.join()
        if progress.live.is_started:
            progress.stop()
