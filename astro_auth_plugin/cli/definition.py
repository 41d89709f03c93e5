"""The names of the commands, and nothing that takes time to import: every `airflow` command reads this.

Airflow takes commands from the configured auth manager before 3.2, and from provider packages from 3.2 on; a command
that came both ways would be an error.
"""

from __future__ import annotations

from airflow import __version__ as airflow_version
from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand, lazy_load_command
from packaging.version import Version

_COMMANDS = "astro_auth_plugin.cli.commands"

ARG_POLICY_FILE = Arg(  # type: ignore[no-untyped-call]
    ("file",),
    nargs="?",
    help="The policy file to look at. Without it, the one of [astro_auth] policy_file.",
    metavar="FILE",
)


ARG_DRY_RUN = Arg(  # type: ignore[no-untyped-call]
    ("--dry-run",),
    action="store_true",
    help="Only say how many rows would be deleted.",
)


def get_commands() -> list[GroupCommand]:
    """Return the group of commands `airflow astro-auth`."""
    return [
        GroupCommand(
            name="astro-auth",
            help="Astro roles: check and explain who may do what",
            subcommands=[
                ActionCommand(
                    name="validate",
                    help="Check a policy file",
                    description="Report everything that is wrong with a policy file, and what is likely not meant. "
                    "Exit code: 0 when it can be used, 3 when not.",
                    func=lazy_load_command(f"{_COMMANDS}.validate"),
                    args=(ARG_POLICY_FILE,),
                ),
                ActionCommand(
                    name="clean-sessions",
                    help="Delete web sessions that have expired",
                    description="Delete the rows of sign-ins that have expired from FAB's table `session`, which "
                    "`airflow db clean` does not clean for this auth manager. Nobody is signed out.",
                    func=lazy_load_command(f"{_COMMANDS}.clean_sessions"),
                    args=(ARG_DRY_RUN,),
                ),
                ActionCommand(
                    name="schema",
                    help="Print the JSON Schema of the policy file",
                    func=lazy_load_command(f"{_COMMANDS}.schema"),
                    args=(),
                ),
            ],
        )
    ]


def get_auth_manager_commands() -> list[GroupCommand]:
    """Return the commands where Airflow takes them from the auth manager, and nothing where it does not."""
    return get_commands() if Version(airflow_version) < Version("3.2.0.dev0") else []
