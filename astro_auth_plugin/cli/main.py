"""`astro-auth …`: the same commands as `airflow astro-auth …`, without the seconds that Airflow takes to start.

Airflow is loaded only where a command needs its configuration or its database.
"""

from __future__ import annotations

import gc
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NoReturn

from astro_auth_plugin import __version__
from astro_auth_plugin.cli.catalogue import COMMANDS
from astro_auth_plugin.cli.command import Command, Group
from astro_auth_plugin.cli.exit_codes import FAILED

WITHOUT_AIRFLOW = (
    "error: this needs Airflow, which is not installed here: name the file of the policy, "
    "or run the command where Airflow is"
)


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments; not with argparse's exit code, which here means "denied"."""
        self.print_usage(sys.stderr)
        self.exit(FAILED, f"{self.prog}: error: {message}\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command.

    Args:
        arguments: the words after `astro-auth`; None takes those of the process.
    """
    parsed = parser().parse_args(arguments)
    if arguments is None:
        # Looking for cycles takes half the time of a large policy, and a process of one command is soon over.
        gc.disable()
    module, _, function = parsed.target.rpartition(".")
    try:
        getattr(import_module(module), function)(parsed)
    except ModuleNotFoundError:
        if find_spec("airflow"):
            raise
        sys.exit(WITHOUT_AIRFLOW)


def parser() -> ArgumentParser:
    """Return the parser of all commands; what it parses has the function to call as `target`."""
    top = _Parser(prog="astro-auth", description="Astro roles: check and explain who may do what in an Airflow.")
    top.add_argument("--version", action="version", version=__version__)
    _add(top.add_subparsers(metavar="COMMAND", required=True), COMMANDS)
    return top


def _add(subparsers: Any, entries: Sequence[Command | Group]) -> None:
    for entry in entries:
        if isinstance(entry, Group):
            group = subparsers.add_parser(entry.name, help=entry.help, description=entry.help)
            _add(group.add_subparsers(metavar="COMMAND", required=True), entry.commands)
        else:
            command = subparsers.add_parser(entry.name, help=entry.help, description=entry.description or entry.help)
            for option in entry.options:
                command.add_argument(*option.flags, help=option.help, **option.more)
            command.set_defaults(target=entry.target, standalone=True)
