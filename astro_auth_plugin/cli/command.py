"""What a command of the catalogue is, and the options that several have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CLI = "astro_auth_plugin.cli"
"""Where the functions of the commands are."""


@dataclass(frozen=True, slots=True)
class Option:
    """An argument or option of a command.

    Attributes:
        flags: its names, such as ("--output", "-o"), or one name without dashes for an argument.
        help: what it is, in a sentence.
        more: further arguments of `argparse.ArgumentParser.add_argument`; no `type`, so that every shell says the same.
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


POLICY = Option(("--policy",), "The policy file. Default: the policy that [astro_auth] names.", {"metavar": "FILE"})
DEPLOYMENT = Option(
    ("--deployment",),
    "The Deployment. Default: [astro_auth] deployment_id, or the only Deployment of the policy.",
    {"metavar": "ID"},
)
OUTPUT = Option(
    ("--output", "-o"),
    "The output format.",
    {"choices": ("table", "json", "yaml"), "default": "table"},
)
