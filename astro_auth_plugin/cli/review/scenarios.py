"""`astro-auth test FILE…`: whether policies answer as scenario files expect."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from astro_auth_plugin.cli.exit_codes import DENIED, YES, CommandFailed, command
from astro_auth_plugin.cli.output import console, count, print_values, printable
from astro_auth_plugin.cli.review.scenario_files import run_file
from astro_auth_plugin.rbac.review.scenario_results import Result


@command
def run_scenarios(args: Namespace) -> int:
    """Run scenario files; what came of them is on the output, what is wrong with them on the error stream."""
    found: dict[str, list[Result]] = {}
    code = YES
    for name in args.files:
        try:
            found[name] = run_file(Path(name))
        except CommandFailed as failure:
            console(stderr=True).print(str(failure), style="red")
            # A file that cannot be run is worse than an invalid policy, and that is worse than a wrong answer.
            code = min(filter(None, (code, failure.code)), default=YES)
    if args.output == "table":
        _print(found)
    else:
        print_values([_values(name, result) for name, results in found.items() for result in results], args.output)
    failed = any(not result.passed for results in found.values() for result in results)
    return code or (DENIED if failed else YES)


def _print(found: dict[str, list[Result]]) -> None:
    out = console()
    for name, results in found.items():
        failed = [result for result in results if not result.passed]
        for result in failed:
            out.print(f"{name}:{result.line}: {printable(result.title)}", style="red")
            for line in reported(result):
                out.print(f"    {line}")
        out.print(f"{name}: {count(len(results) - len(failed), 'case')} passed, {len(failed)} failed.")


def reported(result: Result) -> list[str]:
    """Return what was expected, what came and why, for people."""
    lines = [f"expected: {result.expected}", f"found: {result.found}", *([f"why: {result.why}"] if result.why else [])]
    return [printable(line) for line in lines]


def _values(name: str, result: Result) -> dict[str, Any]:
    return {"file": name, **result._asdict()}
