"""The commands, as plain values: Airflow's CLI and `astro-auth` are both made from these.

Nothing here takes time to import, since every `airflow` command reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_CLI = "astro_auth_plugin.cli"


@dataclass(frozen=True, slots=True)
class Option:
    """An argument or option of a command.

    Attributes:
        flags: its names, such as ("--output", "-o"), or one name without dashes for an argument.
        help: what it is, in a sentence.
        more: what else `argparse.ArgumentParser.add_argument` is told; no `type`, so that every shell says the same.
    """

    flags: tuple[str, ...]
    help: str
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Command:
    """A command.

    Attributes:
        name: the word after `astro-auth`.
        help: what it does, in a few words.
        target: the dotted path of the function that does it; it takes the parsed arguments.
        options: its arguments and options.
        description: what it does, at length, with its exit codes.
    """

    name: str
    help: str
    target: str
    options: tuple[Option, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Commands under one more word, such as `token create` and `token list`."""

    name: str
    help: str
    commands: tuple[Command, ...]


POLICY_FILE = Option(
    ("file",),
    "The policy file to look at. Without it, the one of [astro_auth] policy_file.",
    {"nargs": "?", "metavar": "FILE"},
)
POLICY = Option(("--policy",), "The policy file. Without it, the one of [astro_auth] policy_file.", {"metavar": "FILE"})
DEPLOYMENT = Option(
    ("--deployment",),
    "The Deployment to ask about. Without it, the one of [astro_auth] deployment_id, or the only one of the policy.",
    {"metavar": "ID"},
)
DAGS = Option(
    ("--dags",),
    "A YAML or JSON file with the Dags and their tags. Without it, they are read from the metadata database.",
    {"metavar": "FILE"},
)
OUTPUT = Option(
    ("--output", "-o"),
    "How to print: for people (table), or for machines (json, yaml).",
    {"choices": ("table", "json", "yaml"), "default": "table"},
)
DRY_RUN = Option(("--dry-run",), "Only say how many rows would be deleted.", {"action": "store_true"})

COMMANDS: tuple[Command | Group, ...] = (
    Command(
        "validate",
        "Check a policy file",
        f"{_CLI}.commands.validate",
        (POLICY_FILE,),
        "Report everything that is wrong with a policy file, and what is likely not meant. "
        "Exit code: 0 when it can be used, 3 when not.",
    ),
    Command(
        "clean-sessions",
        "Delete web sessions that have expired",
        f"{_CLI}.commands.clean_sessions",
        (DRY_RUN,),
        "Delete the rows of sign-ins that have expired from FAB's table `session`, which "
        "`airflow db clean` does not clean for this auth manager. Nobody is signed out.",
    ),
    Command("schema", "Print the JSON Schema of the policy file", f"{_CLI}.commands.schema"),
)
"""Every command, in the order of the help text."""
