"""How a command ends: its exit codes, and errors that are told in one line instead of a traceback."""

from __future__ import annotations

import functools
import sys
from argparse import Namespace
from collections.abc import Callable

from astro_auth_plugin.cli.output import console, printable

YES = 0
FAILED = 1
DENIED = 2
INVALID = 3
"""The exit codes: yes or done; failed; denied, or a check that did not hold; the policy cannot be used."""


class CommandFailed(Exception):
    """A command cannot do what it was asked; the message says why and what to do."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


def command(function: Callable[[Namespace], int | None]) -> Callable[[Namespace], None]:
    """Make a function a command: what it returns is the exit code, and CommandFailed is told in words."""

    @functools.wraps(function)
    def run(args: Namespace) -> None:
        try:
            code = function(args)
        except CommandFailed as failure:
            # A message may have several lines, and in each of them what an argument or a file says.
            said = "\n".join(map(printable, str(failure).split("\n")))
            console(stderr=True).print(f"error: {said}")
            code = failure.code
        if code:
            sys.exit(code)

    return run
