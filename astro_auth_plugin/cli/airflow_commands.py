"""The commands for Airflow's CLI, `airflow astro-auth …`; every `airflow` command reads this.

Airflow takes commands from the configured auth manager before 3.2, and from provider packages from 3.2 on; a command
that came both ways would be an error.
"""

from __future__ import annotations

from airflow import __version__ as airflow_version
from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand, lazy_load_command
from packaging.version import Version

from astro_auth_plugin.cli.catalogue import COMMANDS
from astro_auth_plugin.cli.command import Command, Group, Option


def get_commands() -> list[GroupCommand]:
    """Return the group of commands `airflow astro-auth`."""
    return [
        GroupCommand(
            name="astro-auth",
            help="Astro roles: check and explain who may do what",
            subcommands=list(map(_made, COMMANDS)),
        )
    ]


def get_auth_manager_commands() -> list[GroupCommand]:
    """Return the commands where Airflow takes them from the auth manager, and nothing where it does not."""
    return get_commands() if Version(airflow_version) < Version("3.2.0.dev0") else []


def _made(entry: Command | Group) -> ActionCommand | GroupCommand:
    if isinstance(entry, Group):
        return GroupCommand(name=entry.name, help=entry.help, subcommands=list(map(_made, entry.commands)))
    return ActionCommand(
        name=entry.name,
        help=entry.help,
        description=entry.description or None,
        func=lazy_load_command(entry.target),
        args=[_arg(option) for option in entry.options],
    )


def _arg(option: Option) -> Arg:
    return Arg(option.flags, help=option.help, **option.more)  # type: ignore[no-untyped-call]
