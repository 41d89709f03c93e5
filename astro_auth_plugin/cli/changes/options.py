"""The options of commands that change the policy, as plain values, and what they say."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from astro_auth_plugin.cli.command import DEPLOYMENT, OUTPUT, POLICY, Option

if TYPE_CHECKING:
    from astro_auth_plugin.rbac.model.scopes import GrantScope

EXPIRES_IN = Option(
    ("--expires-in", "--expiration"),
    "The lifetime in minutes (m), hours (h), days (d) or weeks (w), for example 30d; or never.",
    {"metavar": "TIME", "dest": "expires_in"},
)
EXPIRES_AT = Option(
    ("--expires-at",), "When it ends, for example 2027-01-31T18:00:00Z.", {"metavar": "TIME", "dest": "expires_at"}
)
ACTOR = Option(
    ("--as",),
    "The user who makes the change; denied if this user may not make it. Default: the shell, which may change all.",
    {"metavar": "EMAIL", "dest": "actor"},
)
REASON = Option(("--reason",), "Why, for the history and the audit log.", {"metavar": "TEXT"})
DRY_RUN = Option(("--dry-run",), "Only show the change, and who gains and loses what.", {"action": "store_true"})
FORCE = Option(("--force",), "Make it even if no Organization Owner is left.", {"action": "store_true"})


def _role_option(level: str, what: str, *words: str) -> Option:
    dest = f"{level.replace('-', '_')}_roles"
    more = {"nargs": len(words), "metavar": words, "action": "append", "default": [], "dest": dest}
    return Option((f"--{level}-role",), f"A role on {what}; can be repeated.", more)


ROLES = (
    _role_option("organization", "the Organization", "ROLE"),
    _role_option("workspace", "a Workspace", "WORKSPACE", "ROLE"),
    _role_option("deployment", "a Deployment", "DEPLOYMENT", "ROLE"),
    _role_option("dag", "a Dag", "DEPLOYMENT", "DAG", "ROLE"),
    _role_option("tag", "the Dags with a tag", "DEPLOYMENT", "TAG", "ROLE"),
    _role_option("bundle", "the Dags of a bundle", "DEPLOYMENT", "BUNDLE", "ROLE"),
    _role_option("folder", "the Dags in a folder of a bundle", "DEPLOYMENT", "BUNDLE", "FOLDER", "ROLE"),
    _role_option("connection", "a connection", "DEPLOYMENT", "ID", "ROLE"),
    _role_option("connection-prefix", "the connections that begin so", "DEPLOYMENT", "PREFIX", "ROLE"),
    _role_option("variable", "a Variable", "DEPLOYMENT", "KEY", "ROLE"),
    _role_option("variable-prefix", "the Variables that begin so", "DEPLOYMENT", "PREFIX", "ROLE"),
    _role_option("pool", "a pool", "DEPLOYMENT", "POOL", "ROLE"),
    _role_option("pool-prefix", "the pools that begin so", "DEPLOYMENT", "PREFIX", "ROLE"),
)
CHANGE = (ACTOR, REASON, DRY_RUN, POLICY, DEPLOYMENT, OUTPUT)
"""What every command has that changes the policy and prints nothing else."""

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_TIME = re.compile(r"([0-9]{1,5})([mhdw])")


def roles(args: Namespace) -> Iterator[tuple[GrantScope, str]]:
    """Yield the roles that the options of `ROLES` give, each with its scope."""
    from astro_auth_plugin.rbac.model.scopes import (  # noqa: PLC0415 - the catalogue is light
        KINDS,
        ORGANIZATION,
        GrantScope,
    )

    for (role,) in args.organization_roles:
        yield ORGANIZATION, role
    for workspace, role in args.workspace_roles:
        yield GrantScope("Workspace", workspace), role
    for deployment, role in args.deployment_roles:
        yield GrantScope("Deployment", deployment), role
    for deployment, bundle, folder, role in args.folder_roles:
        yield GrantScope("bundle", bundle, deployment, folder), role
    for kind in reversed([*KINDS.values()]):
        if kind.in_deployment:
            # The words of an option are those of an API token, which says DAG_TAG for a tag.
            for deployment, name, role in getattr(args, f"{kind.entity_type.lower().removeprefix('dag_')}_roles"):
                yield GrantScope(kind.name, name, deployment), role


def duration(text: str) -> timedelta:
    """Return the duration that a text such as `30d` says.

    Raises:
        CommandFailed: if it says none.
    """
    from astro_auth_plugin.cli.exit_codes import CommandFailed  # noqa: PLC0415 - the catalogue is light

    found = _TIME.fullmatch(text)
    said = int(found[1]) * _UNITS[found[2]] if found else timedelta(0)
    if not said:
        raise CommandFailed(f"invalid duration `{text}`: use a number and m, h, d or w, for example 30d")
    return said


def end_of(args: Namespace) -> str:
    """Return when what a command gives ends, as the policy writes it; '' for never.

    Raises:
        CommandFailed: if both options name an end, or one that is none.
    """
    from astro_auth_plugin.cli.exit_codes import CommandFailed  # noqa: PLC0415 - the catalogue is light

    lasts, end = args.expires_in, args.expires_at
    if lasts is not None and end is not None:
        raise CommandFailed("use either --expires-in or --expires-at")
    if end is not None:
        # What is no time is said by the check of the policy.
        return str(end)
    return "" if lasts in (None, "never") else f"{datetime.now(UTC) + duration(lasts):%Y-%m-%dT%H:%M:%SZ}"


def time_of(text: str) -> datetime:
    """Return the time that a text names: a day such as 2027-01-31, or how long ago, such as `30d`.

    Raises:
        CommandFailed: if it names none.
    """
    from astro_auth_plugin.cli.exit_codes import CommandFailed  # noqa: PLC0415 - the catalogue is light

    if _TIME.fullmatch(text):
        return datetime.now(UTC) - duration(text)
    try:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except ValueError:
        raise CommandFailed(f"invalid time `{text}`: use for example 30d or 2027-01-31") from None
