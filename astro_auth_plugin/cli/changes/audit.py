"""The command that exports the audit log."""

from __future__ import annotations

import sys
from argparse import Namespace

from astro_auth_plugin.cli.changes.options import time_of
from astro_auth_plugin.cli.exit_codes import CommandFailed, command
from astro_auth_plugin.cli.output import only_on_stderr


@command
def export(args: Namespace) -> None:
    """Print the events, oldest first."""
    since = time_of(args.since)
    with only_on_stderr():
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - Airflow takes seconds

        from astro_auth_plugin.access_management import audit_export  # noqa: PLC0415 - Airflow takes seconds

    form = audit_export.as_csv if args.format == "csv" else audit_export.as_json_lines
    try:
        for line in form(audit_export.events(since)):
            sys.stdout.write(line)
    except SQLAlchemyError as error:
        raise CommandFailed(f"{type(error).__name__}: Airflow's metadata database cannot be read") from None
