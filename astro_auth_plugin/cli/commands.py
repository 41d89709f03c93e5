"""The commands about the policy file as such, and about FAB's sessions."""

from __future__ import annotations

import json
import logging
import sys
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from astro_auth_plugin.cli.exit_codes import INVALID, YES, CommandFailed, command
from astro_auth_plugin.cli.inputs import check_policy, name_of
from astro_auth_plugin.cli.output import console, count
from astro_auth_plugin.rbac.policy import loader, policy_schema
from astro_auth_plugin.rbac.policy.diagnostics import Diagnostic
from astro_auth_plugin.rbac.policy.loader import Policy
from astro_auth_plugin.rbac.review import scenario_file

if TYPE_CHECKING:
    from astro_auth_plugin.runtime.settings import Settings

log = logging.getLogger(__name__)


@command
def validate(args: Namespace) -> int:
    """Report every problem of a policy file; exit with 3 when the file cannot be used."""
    path, settings = _what_to_check(args)
    checked = check_policy(path)
    problems = list(checked.problems)
    if checked.policy is not None:
        problems += _against_installation(checked.policy, settings)
    _print(name_of(path), problems)
    return INVALID if any(problem.severity == "error" for problem in problems) else YES


@command
def schema(args: Namespace) -> None:
    """Print the JSON Schema of the policy file, or of scenario files."""
    found = scenario_file.json_schema() if getattr(args, "of", None) == "test" else policy_schema.json_schema()
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


@command
def clean_sessions(args: Namespace) -> None:
    """Delete the web sessions that have expired, or with `--dry-run` count them."""
    from astro_auth_plugin.accounts import web_sessions  # noqa: PLC0415 - takes seconds

    now = datetime.now(UTC)
    number = web_sessions.count_expired(now) if args.dry_run else web_sessions.delete_expired(now)
    done = "would be deleted" if args.dry_run else "deleted"
    console().print(f"{count(number, 'expired session')} {done}.")


def _what_to_check(args: Namespace) -> tuple[Path | None, Settings | None]:
    """Return what to check: a file, or None for the policy in the database; and the options of this installation.

    The options are None when they are not set, or not to be looked at.
    """
    if args.file and getattr(args, "standalone", False):
        return Path(args.file), None
    from astro_auth_plugin.runtime.settings import SettingsError, read_settings  # noqa: PLC0415 - takes seconds

    try:
        settings = read_settings()
    except SettingsError as error:
        if args.file is None:
            raise CommandFailed(f"{error}; or name a file: airflow astro-auth validate FILE") from None
        return Path(args.file), None
    return Path(args.file) if args.file else settings.policy_file, settings


def _against_installation(checked: Policy, settings: Settings | None) -> list[Diagnostic]:
    """Return what is odd about a valid policy in this installation, as far as one is available."""
    if settings is None:
        return []
    from astro_auth_plugin.runtime.policy_store import PolicyRefused, compile_policy  # noqa: PLC0415 - takes seconds

    try:
        engine = compile_policy(settings, checked)
    except PolicyRefused as refusal:
        return [Diagnostic((), str(refusal))]
    try:
        from astro_auth_plugin.authorization import dag_lookup, exposures  # noqa: PLC0415 - takes seconds

        dags, shares_files = dag_lookup.read_all_dags(), dag_lookup.has_shared_files()
    except Exception as error:  # noqa: BLE001 - a check without a database is valid, too
        log.debug("No metadata database to compare with: %s", type(error).__name__)
        return []
    unmatched = loader.unmatched_grants(checked, settings.deployment_id, dags)
    return [*exposures.warnings(engine, shares_files=shares_files), *unmatched]


def _print(name: str, problems: list[Diagnostic]) -> None:
    out = console()
    for problem in problems:
        out.print(problem.in_file(name), style="red" if problem.severity == "error" else "yellow")
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    verdict = "cannot be used" if errors else "can be used"
    out.print(f"{name} {verdict}: {count(errors, 'error')}, {count(warnings, 'warning')}.")
