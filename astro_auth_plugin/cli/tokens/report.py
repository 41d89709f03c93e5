"""What the commands about API tokens print."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from astro_auth_plugin.cli.exit_codes import CommandFailed
from astro_auth_plugin.cli.output import console, only_on_stderr, printable
from astro_auth_plugin.rbac.model import token_secrets
from astro_auth_plugin.rbac.model.subjects import token_subject
from astro_auth_plugin.rbac.policy.diagnostics import Diagnostic
from astro_auth_plugin.rbac.policy.document import NEVER, ApiToken, TokenRole

# When each token, by subject, was last used with each of its secrets, by key.
Uses = Mapping[Any, datetime]


def say(*lines: str) -> None:
    """Print lines on the error stream."""
    for line in lines:
        console(stderr=True).print(printable(line))


def show(secret: str) -> None:
    """Print a secret on the standard output, for a program to take."""
    say("The secret is shown this once:")
    sys.stdout.write(f"{secret}\n")
    sys.stdout.flush()


def warn(warnings: Iterable[Diagnostic], index: int) -> None:
    """Print what is odd about one token of the policy as it will be."""
    for problem in warnings:
        if problem.path[:2] == ("api_tokens", index):
            say(f"warning: {problem.message}")


def token_values(token: ApiToken, uses: Uses | None) -> dict[str, Any]:
    """Return what the list has about a token; without `uses` nothing about its use."""
    values: dict[str, Any] = {
        "id": token.id,
        "name": token.name,
        "roles": list(map(spell_role, token.roles)),
        "expires_at": spell_time(token.expires_at),
    }
    if uses is not None:
        values["last_use"] = _last_use(token, token.secret_sha256, uses)
        values["last_use_of_previous"] = _last_use(token, token.previous_secret_sha256, uses)
    return values


def spell_role(role: TokenRole) -> str:
    """Return a role of a token in words."""
    where = f"{role.entity_type} {role.entity_id}"
    return f"{role.role} on {where}" + (f" of {role.deployment_id}" if role.deployment_id else "")


def _last_use(token: ApiToken, sha256: str, uses: Uses) -> str | None:
    moment = uses.get((token_subject(token.id), token_secrets.key_of(sha256)))
    return stamp(moment.astimezone(UTC)) if moment else None


def last_uses() -> Uses:
    """Return when each token was last used.

    Raises:
        CommandFailed: if the database cannot be read.
    """
    try:
        with only_on_stderr():
            from astro_auth_plugin.authentication.token_use import read_last_uses  # noqa: PLC0415 - Airflow takes seconds

            return read_last_uses()
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the database, the way out is the same
        what = f"{type(error).__name__}: Airflow's metadata database cannot be read"
        raise CommandFailed(f"{what}; leave out --last-use") from None


def stamp(moment: datetime) -> str:
    """Return a time as the policy writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def spell_time(moment: datetime | None) -> str:
    """Return when a token ends, as the policy writes it."""
    return stamp(moment) if moment else NEVER
