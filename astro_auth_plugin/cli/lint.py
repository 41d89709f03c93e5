"""`astro-auth lint`: what is odd about a policy that can be used."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from astro_auth_plugin.cli.at_hand import compiled, dags_at_hand, good_policy, policy_file
from astro_auth_plugin.cli.failing import DENIED, YES, CommandFailed, command
from astro_auth_plugin.cli.output import console, count, print_values, printable
from astro_auth_plugin.cli.progress import steps
from astro_auth_plugin.rbac.lint import RULES, Dags, LintFinding, lint
from astro_auth_plugin.rbac.policy import Policy
from astro_auth_plugin.rbac.policy_checks import did_you_mean


@command
def lint_policy(args: Namespace) -> int:
    """Report what is odd about a policy, by rule."""
    ignored = set(args.ignore or ())
    for name in ignored - set(RULES):
        raise CommandFailed(f"there is no rule `{name}`{did_you_mean(name, RULES)}")
    with steps(3) as step:
        path = policy_file(Namespace(policy=args.file))
        step(f"reading {path}")
        policy = good_policy(path)
        step("reading the Dags")
        dags = _dags(args, policy)
        step("looking")
        told = [*lint(policy, datetime.now(UTC), dags), *(_exposures(args, policy) if dags and not args.dags else ())]
        found = sorted(finding for finding in told if finding.rule not in ignored)
    if args.output == "table":
        _print(path, found)
    else:
        print_values([_values(finding) for finding in found], args.output)
    failing = {"warning": ("warning",), "info": ("warning", "info")}.get(args.fail_on or "", ())
    return DENIED if any(RULES[finding.rule].severity in failing for finding in found) else YES


def _dags(args: Namespace, policy: Policy) -> Dags | None:
    dags = dags_at_hand(args)
    return None if dags is None else Dags(compiled(policy, args).deployment_id, dags)


def _exposures(args: Namespace, policy: Policy) -> Iterator[LintFinding]:
    """Yield what this Airflow shows regardless; it is asked only where its database has been read already."""
    from astro_auth_plugin.airflow_bridge import exposures, metadata  # noqa: PLC0415 - Airflow takes seconds

    for line, column, path, message, _ in exposures.warnings(
        compiled(policy, args), shares_files=metadata.has_shared_files()
    ):
        yield LintFinding(line, column, "shown-by-airflow", path, message)


def _print(path: Path, found: Sequence[LintFinding]) -> None:
    out = console()
    for finding in found:
        rule = RULES[finding.rule]
        where = f"{path}:{finding.line}:{finding.column}:" if finding.line else f"{path}:"
        at = f"{finding.path}: " if finding.path else ""
        message = printable(f"{rule.severity}: {at}{finding.message} ({finding.rule})")
        out.print(f"{where} {message}", style="yellow" if rule.severity == "warning" else None)
        out.print(f"    {rule.why}: {rule.advice}")
    severities = [RULES[finding.rule].severity for finding in found]
    warnings = severities.count("warning")
    out.print(f"{path}: {count(warnings, 'warning')}, {count(len(found) - warnings, 'hint')}.")


def _values(finding: LintFinding) -> dict[str, Any]:
    return finding._asdict() | RULES[finding.rule]._asdict()
