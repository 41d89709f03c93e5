"""What the commands do: load, ask, print, exit code.

Exit codes: 0 yes, 1 failed, 3 the policy cannot be used.
"""

from __future__ import annotations

import json
import logging
import sys
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from astro_auth_plugin.airflow_bridge.policy_store import PolicyRefused, compile_policy
from astro_auth_plugin.airflow_bridge.settings import Settings, SettingsError, read_settings
from astro_auth_plugin.rbac import policy
from astro_auth_plugin.rbac.policy import Checked, Policy, Problem
from astro_auth_plugin.rbac.policy_text import MAX_BYTES

log = logging.getLogger(__name__)

INVALID = 3


def validate(args: Namespace) -> None:
    """Report every problem of a policy file; exit with 3 when the file cannot be used."""
    path, settings = _what_to_check(args.file)
    checked = _check(path)
    problems = list(checked.problems)
    if checked.policy is not None:
        problems += _against_installation(checked.policy, settings)
    _print(path, problems)
    if any(problem.severity == "error" for problem in problems):
        sys.exit(INVALID)


def schema(args: Namespace) -> None:  # noqa: ARG001 - the signature of a command
    """Print the JSON Schema of the policy file."""
    sys.stdout.write(json.dumps(policy.json_schema(), indent=2) + "\n")


def clean_sessions(args: Namespace) -> None:
    """Delete the web sessions that have expired, or with `--dry-run` count them."""
    # Airflow's models take seconds to import, and only this needs them.
    from astro_auth_plugin.airflow_bridge import web_sessions  # noqa: PLC0415

    now = datetime.now(UTC)
    number = web_sessions.count_expired(now) if args.dry_run else web_sessions.delete_expired(now)
    done = "would be deleted" if args.dry_run else "deleted"
    _console().print(f"{_count(number, 'expired session')} {done}.")


def _what_to_check(file: str | None) -> tuple[Path, Settings | None]:
    """Return the file, and the options of this installation, None when they are not set."""
    try:
        settings = read_settings()
    except SettingsError as error:
        if file is None:
            _console(stderr=True).print(f"error: {error}; or name a file: airflow astro-auth validate FILE")
            sys.exit(1)
        return Path(file), None
    return Path(file) if file else settings.policy_file, settings


def _check(path: Path) -> Checked:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        return Checked(None, (Problem(0, 0, "", f"cannot read the policy file: {error.strerror or error}"),))
    return policy.load(data, datetime.now(UTC))


def _against_installation(checked: Policy, settings: Settings | None) -> list[Problem]:
    """Return what is odd about a good policy in this installation, as far as there is one at hand."""
    if settings is None:
        return []
    try:
        compile_policy(settings, checked)
    except PolicyRefused as refusal:
        return [Problem(0, 0, "", str(refusal))]
    try:
        # Airflow's models take seconds to import, and only this needs them.
        from astro_auth_plugin.airflow_bridge.metadata import read_all_dags  # noqa: PLC0415

        dags = read_all_dags()
    except Exception as error:  # noqa: BLE001 - a check without a database is a good check too
        log.debug("No metadata database to compare with: %s", type(error).__name__)
        return []
    tags = {tag for dag in dags for tag in dag.tags}
    return list(policy.unmatched_grants(checked, settings.deployment_id, {dag.id for dag in dags}, tags))


def _print(path: Path, problems: list[Problem]) -> None:
    console = _console()
    for problem in problems:
        console.print(problem.in_file(path), style="red" if problem.severity == "error" else "yellow")
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    verdict = "cannot be used" if errors else "can be used"
    console.print(f"{path} {verdict}: {_count(errors, 'error')}, {_count(warnings, 'warning')}.")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _console(*, stderr: bool = False) -> Console:
    # Paths and messages are printed as they are: no markup, no numbers in colour, no breaking of lines.
    return Console(stderr=stderr, markup=False, highlight=False, soft_wrap=True)
