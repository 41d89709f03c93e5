"""The commands that write a policy from what there is."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from astro_auth_plugin.cli.exit_codes import CommandFailed, command
from astro_auth_plugin.cli.importers.policy_draft import Draft, named_id, write
from astro_auth_plugin.cli.output import only_on_stderr


@command
def fab(args: Namespace) -> None:
    """Write a policy from FAB's roles and users in the metadata database."""
    ids = [named_id(args, kind) for kind in ("organization", "workspace", "deployment")]
    with only_on_stderr():
        draft = _draft_of_fab(ids)
    write(draft, args.out)


def _draft_of_fab(ids: list[str]) -> Draft:
    try:
        from astro_auth_plugin.cli.importers import fab_roles  # noqa: PLC0415 - Airflow takes seconds

        tables = fab_roles.read()
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the database, there is nothing to read
        what = "FAB's roles could not be read from Airflow's metadata database"
        raise CommandFailed(f"{type(error).__name__}: {what}") from None
    from astro_auth_plugin.cli.importers.fab_draft import Ids, draft_of  # noqa: PLC0415 - likewise

    return draft_of(tables, Ids(*ids))


@command
def terraform(args: Namespace) -> None:
    """Write a policy from the `astro_*` resources of a Terraform state."""
    from astro_auth_plugin.cli.importers.terraform_draft import draft_of, organization_of, read_emails  # noqa: PLC0415 - pydantic
    from astro_auth_plugin.cli.importers.terraform_facts import gather  # noqa: PLC0415 - likewise
    from astro_auth_plugin.cli.importers.terraform_state import read_resources  # noqa: PLC0415 - likewise

    facts = gather(read_resources(Path(args.file)))
    for user_id, email in read_emails(Path(args.emails)).items() if args.emails else ():
        facts.emails[user_id] = {email}
    organization_id = args.organization or organization_of(facts) or named_id(args, "organization")
    write(draft_of(facts, organization_id), args.out)
