"""A bar that moves while a command takes its time: on a terminal, and not before a second has passed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

from astro_auth_plugin.cli.output import console

_PATIENCE = 1.0


@contextmanager
def working(words: str) -> Iterator[None]:
    """Show on the error stream that something is going on, for as long as the block runs."""
    out = console(stderr=True)
    if not out.is_terminal:
        yield
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415 - only on a terminal

    bar = Progress(TextColumn(words, markup=False), BarColumn(), TimeElapsedColumn(), console=out, transient=True)
    bar.add_task(words, total=None)
    timer = Timer(_PATIENCE, bar.start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        bar.stop()
