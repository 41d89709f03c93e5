"""`astro-auth plan fab POLICY`: who gains and who loses what against the FAB of today."""

from __future__ import annotations

import sys
from argparse import Namespace

from astro_auth_plugin.cli.exit_codes import DENIED, YES, CommandFailed
from astro_auth_plugin.cli.importers.commands import fab_tables
from astro_auth_plugin.cli.inputs import compiled, read_dags
from astro_auth_plugin.cli.output import console, only_on_stderr, print_values
from astro_auth_plugin.cli.review.policy_versions import read_version

FAB = "fab"
"""The word for FAB's roles and users in the metadata database, as the old version."""


def plan_fab(args: Namespace) -> int:
    """Compare a policy with FAB, by person and Dag, and return the exit code.

    Raises:
        CommandFailed: if the policy, FAB's tables or the Dags cannot be read.
    """
    if args.new_dags:
        raise CommandFailed("--new-dags needs two versions of a policy: FAB knows no tags")
    engine = compiled(read_version(args.new, args), args)
    with only_on_stderr():
        tables = fab_tables()
        from astro_auth_plugin.cli.importers import fab_report  # noqa: PLC0415 - Airflow takes seconds
        from astro_auth_plugin.cli.importers.fab_differences import compare  # noqa: PLC0415 - likewise

        found = compare(tables, engine, read_dags(args))
    if args.output == "markdown":
        sys.stdout.write(fab_report.markdown(found, args.new))
    elif args.output == "table":
        fab_report.print_comparison(found)
        console().print(f"FAB today and `{args.new}`: {fab_report.verdict(found)}")
    else:
        print_values(fab_report.values(found, args.new), args.output)
    failing = {
        "widening": any(row.gains for row in found.rows),
        "any": any(row.gains or row.loses for row in found.rows),
    }
    return DENIED if failing.get(args.fail_on or "") else YES
