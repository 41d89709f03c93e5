"""How a command ends: its exit codes, and errors that are shown in one line instead of a traceback."""

from __future__ import annotations

import functools
import gc
import sys
from argparse import Namespace
from collections.abc import Callable
from configparser import InterpolationError

from astro_auth_plugin.cli.output import console, printable

YES = 0
FAILED = 1
DENIED = 2
INVALID = 3
"""The exit codes: yes or done; failed; denied, or a check that failed; the policy cannot be used."""


class CommandFailed(Exception):
    """A command failed; the message says why and what to do."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


def command(function: Callable[[Namespace], int | None]) -> Callable[[Namespace], None]:
    """Make a function a command: what it returns is the exit code, and CommandFailed is shown as text."""

    @functools.wraps(function)
    def run(args: Namespace) -> None:
        # To look again and again through a large policy for garbage takes a fifth of the time; a command ends soon.
        gc.set_threshold(100_000, 50, 100)
        try:
            code = function(args)
        except CommandFailed as failure:
            # A message may have several lines, and in each of them what an argument or a file says.
            said = "\n".join(map(printable, str(failure).split("\n")))
            console(stderr=True).print(f"error: {said}")
            code = failure.code
        except InterpolationError as failure:
            # Airflow reads some options when it is loaded. The error's own text has the value in it.
            option = printable(f"[{failure.section}] {failure.option}")
            words = "has a `%` in airflow.cfg, which begins a reference there: write `%%` for each"
            console(stderr=True).print(f"error: {option} {words}")
            code = FAILED
        if code:
            sys.exit(code)

    return run
