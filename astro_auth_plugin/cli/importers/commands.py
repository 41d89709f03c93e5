"""The commands that write a policy from what there is."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from astro_auth_plugin.cli.exit_codes import CommandFailed, command
from astro_auth_plugin.cli.importers import policy_draft
from astro_auth_plugin.cli.importers.api_answers import read_answers
from astro_auth_plugin.cli.importers.policy_draft import named_id
from astro_auth_plugin.cli.importers.terraform_state import Resource, read_resources
from astro_auth_plugin.cli.inputs import read_dags
from astro_auth_plugin.cli.output import only_on_stderr
from astro_auth_plugin.rbac.engine.engine import Engine

if TYPE_CHECKING:
    from astro_auth_plugin.cli.importers.fab_roles import Tables


@command
def fab(args: Namespace) -> None:
    """Write a policy from FAB's roles and users in the metadata database, and compare it with them."""
    ids = [named_id(args, kind) for kind in ("organization", "workspace", "deployment")]
    with only_on_stderr():
        tables = fab_tables()
        from astro_auth_plugin.cli.importers import fab_report  # noqa: PLC0415 - Airflow takes seconds
        from astro_auth_plugin.cli.importers.fab_differences import compare  # noqa: PLC0415 - likewise
        from astro_auth_plugin.cli.importers.fab_draft import Ids, draft_of  # noqa: PLC0415 - likewise

        draft = draft_of(tables, Ids(*ids), exact=args.exact)
        text, policy = policy_draft.checked(draft)
        found = compare(tables, Engine(policy, ids[-1], datetime.now(UTC)), read_dags(Namespace(dags=None)))
    policy_draft.deliver(text, args.out)
    fab_report.print_comparison(found, stderr=True)
    policy_draft.report(draft)


def fab_tables() -> Tables:
    """Return FAB's roles and accounts.

    Raises:
        CommandFailed: if they cannot be read.
    """
    try:
        from astro_auth_plugin.cli.importers import fab_roles  # noqa: PLC0415 - Airflow takes seconds

        return fab_roles.read()
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the database, there is nothing to read
        what = "FAB's roles could not be read from Airflow's metadata database"
        raise CommandFailed(f"{type(error).__name__}: {what}") from None


@command
def terraform(args: Namespace) -> None:
    """Write a policy from the `astro_*` resources of a Terraform state."""
    _write(args, read_resources(Path(args.file)), "Made by `astro-auth import terraform` from a Terraform state.")


@command
def astro(args: Namespace) -> None:
    """Write a policy from a folder with responses of Astro's API."""
    answers = read_answers(Path(args.folder))
    _write(
        args, answers.resources, "Made by `astro-auth import astro` from responses of Astro's API.", answers.left_out
    )


def _write(args: Namespace, resources: list[Resource], made: str, left_out: Sequence[str] = ()) -> None:
    from astro_auth_plugin.cli.importers.astro_draft import draft_of, organization_of, read_emails  # noqa: PLC0415 - pydantic
    from astro_auth_plugin.cli.importers.astro_facts import gather  # noqa: PLC0415 - likewise

    facts = gather(resources)
    facts.left_out[:0] = left_out
    for user_id, email in read_emails(Path(args.emails)).items() if args.emails else ():
        facts.emails[user_id] = {email}
    organization_id = args.organization or organization_of(facts) or named_id(args, "organization")
    policy_draft.write(draft_of(facts, made, organization_id), args.out)
