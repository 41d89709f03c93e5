"""`astro-auth lint`: what is odd about a policy that can be used."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from astro_auth_plugin.cli.exit_codes import DENIED, YES, CommandFailed, command
from astro_auth_plugin.cli.inputs import available_dags, compiled, good_policy, name_of, policy_file
from astro_auth_plugin.cli.output import console, count, print_values, printable
from astro_auth_plugin.cli.progress import progress
from astro_auth_plugin.rbac.policy.diagnostics import Diagnostic
from astro_auth_plugin.rbac.policy.hints import did_you_mean
from astro_auth_plugin.rbac.policy.loader import Policy
from astro_auth_plugin.rbac.review.lint import Dags, lint, order
from astro_auth_plugin.rbac.review.lint_rules import RULES


@command
def lint_policy(args: Namespace) -> int:
    """Report what is odd about a policy, by rule."""
    ignored = set(args.ignore or ())
    for name in ignored - set(RULES):
        raise CommandFailed(f"unknown rule `{name}`{did_you_mean(name, RULES)}")
    with progress(steps=3) as step:
        path = policy_file(Namespace(policy=args.file))
        step(f"reading {name_of(path)}")
        policy = good_policy(path)
        if args.deployment:
            compiled(policy, args)
        step("reading the Dags")
        dags = _dags(args, policy)
        step("looking")
        reported = [
            *lint(policy, datetime.now(UTC), dags),
            *(_exposures(args, policy) if dags and not args.dags else ()),
        ]
        found = sorted((finding for finding in reported if finding.rule not in ignored), key=order)
    if args.output == "table":
        _print(name_of(path), found)
    else:
        print_values([_values(finding) for finding in found], args.output)
    failing = {"warning": ("warning",), "info": ("warning", "info")}.get(args.fail_on or "", ())
    return DENIED if any(finding.severity in failing for finding in found) else YES


def _dags(args: Namespace, policy: Policy) -> Dags | None:
    dags = available_dags(args)
    return None if dags is None else Dags(compiled(policy, args).deployment_id, dags)


def _exposures(args: Namespace, policy: Policy) -> Iterator[Diagnostic]:
    """Yield what this Airflow shows regardless; it is checked only where its database has been read already."""
    from astro_auth_plugin.authorization import dag_lookup, exposures  # noqa: PLC0415 - Airflow takes seconds

    yield from exposures.warnings(compiled(policy, args), shares_files=dag_lookup.has_shared_files())


def _print(name: str, found: Sequence[Diagnostic]) -> None:
    out = console()
    for finding in found:
        rule = RULES[finding.rule]
        line, column = finding.place
        where = f"{name}:{line}:{column}:" if line else f"{name}:"
        message = printable(f"{finding.severity}: {finding.text} ({finding.rule})")
        out.print(f"{where} {message}", style="yellow" if finding.severity == "warning" else None)
        out.print(f"    {rule.why}: {rule.advice}")
    warnings = sum(finding.severity == "warning" for finding in found)
    out.print(f"{name}: {count(warnings, 'warning')}, {count(len(found) - warnings, 'hint')}.")


def _values(finding: Diagnostic) -> dict[str, Any]:
    line, column = finding.place
    found = {"line": line, "column": column, "rule": finding.rule, "path": finding.where, "message": finding.message}
    return found | RULES[finding.rule]._asdict()
