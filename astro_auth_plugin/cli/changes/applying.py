"""Changes the policy for a command, in its file or in the database, by one rule."""

from __future__ import annotations

import getpass
import os
from argparse import Namespace
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from astro_auth_plugin.cli.changes.policy_file import policy_file_to_change, read_policy_file, write_policy_file
from astro_auth_plugin.cli.exit_codes import DENIED, INVALID, CommandFailed
from astro_auth_plugin.cli.inputs import IN_DATABASE, compiled, policy_file, word_if_set
from astro_auth_plugin.cli.output import console, only_on_stderr, print_values, printable
from astro_auth_plugin.cli.review import plan_report
from astro_auth_plugin.cli.review.plan import report_of
from astro_auth_plugin.rbac.changes.edits import Edit, EditError
from astro_auth_plugin.rbac.changes.proposal import InvalidProposal, Proposal, propose
from astro_auth_plugin.rbac.changes.rule import denied_changes
from astro_auth_plugin.rbac.model.subjects import user_subject
from astro_auth_plugin.rbac.policy.loader import Policy

if TYPE_CHECKING:
    from astro_auth_plugin.access_management.publisher import Wanted

_OWNER = (
    "the policy would name no Organization Owner whose role does not end, so no user could grant that role again; "
    "use --force to do it anyway"
)

_LONGEST_REASON = 2000


class Applied(NamedTuple):
    """What became of a change.

    Attributes:
        before: the policy before; None where there was none.
        proposal: the policy after.
        name: where it is: a file, or the policy store.
        version: the number of the new version in the database; None for a file, and where nothing was written.
        written: whether anything was written.
    """

    before: Policy | None
    proposal: Proposal
    name: str
    version: int | None
    written: bool


def change(args: Namespace, edit: Edit) -> None:
    """Make a change for a command that only makes it, and print what became of it."""
    show(args, apply(args, edit))


def apply(args: Namespace, edit: Edit, *, writes: bool = True, **how: Any) -> Applied:
    """Make a change in the policy of `--policy`, or of the options; with `--dry-run` only say what it would be.

    Args:
        args: the parsed arguments.
        edit: the change.
        writes: whether it is written without `--dry-run`.
        how: the way it came, `source`, and `reverts` and `text` of `access_management.publisher.Wanted`.

    Raises:
        CommandFailed: if it cannot be made, or the user of `--as` may not make it; nothing is changed then.
    """
    dry_run = not writes or getattr(args, "dry_run", False)
    reason = getattr(args, "reason", None) or ""
    if args.actor == "":
        raise CommandFailed("--as is empty: it takes the e-mail of the user who makes the change")
    if len(reason) > _LONGEST_REASON:
        raise CommandFailed(f"the reason is too long: {_LONGEST_REASON} characters are allowed")
    if not dry_run and not reason and word_if_set("require_reason").lower() == "true":
        raise CommandFailed("a change needs a reason here: pass --reason ([astro_auth] require_reason)")
    path = policy_file(args)
    try:
        if path is not None:
            return _in_file(args, path, edit, dry_run=dry_run)
        with only_on_stderr():
            from astro_auth_plugin.access_management.publisher import Wanted  # noqa: PLC0415 - Airflow takes seconds

            wanted = Wanted(edit, **{"source": "cli", **how}, reason=reason, force=getattr(args, "force", False))
            return _in_database(args, wanted, dry_run=dry_run)
    except EditError as error:
        raise CommandFailed(str(error)) from None
    except InvalidProposal as error:
        raise CommandFailed(f"the policy would be invalid:\n{error}") from None


def _in_file(args: Namespace, path: Path, edit: Edit, *, dry_run: bool) -> Applied:
    with nullcontext(read_policy_file(path)) if dry_run else policy_file_to_change(path) as file:
        now = datetime.now(UTC)
        proposal = propose(file.values, file.policy, edit, now)
        if args.actor is not None:
            engine, document = compiled(file.policy, args), proposal.policy.document
            denied = denied_changes(engine, user_subject(args.actor), proposal.changes, document)
            if denied:
                raise _denied(args.actor, map(str, denied))
        if proposal.loses_owner and not getattr(args, "force", False):
            raise CommandFailed(_OWNER)
        writes = bool(proposal.changes) and not dry_run
        if writes:
            write_policy_file(file, proposal.values, proposal.policy)
    return Applied(file.policy, proposal, str(path), None, writes)


def _in_database(args: Namespace, wanted: Wanted, *, dry_run: bool) -> Applied:
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - Airflow takes seconds

    from astro_auth_plugin.access_management import publisher  # noqa: PLC0415 - Airflow takes seconds
    from astro_auth_plugin.runtime.policy_versions import DocumentUnusable  # noqa: PLC0415 - Airflow takes seconds
    from astro_auth_plugin.runtime.settings import SettingsError, read_settings  # noqa: PLC0415 - Airflow takes seconds

    actor = publisher.Actor(_shell_user(), "shell")
    if args.actor is not None:
        actor = publisher.Actor(args.actor, "shell", user_subject(args.actor))
    try:
        settings = read_settings()
        if args.deployment:
            settings = replace(settings, deployment_id=args.deployment)
        done = publisher.publish(wanted, actor, settings, dry_run=dry_run)
    except publisher.ChangeDenied as error:
        raise _denied(args.actor, str(error).split("\n")) from None
    except publisher.LastOwner as error:
        raise CommandFailed(f"{error} Or use --force.") from None
    except (publisher.NoPolicy, DocumentUnusable) as error:
        raise CommandFailed(str(error), INVALID) from None
    except (publisher.TooManyChanges, SettingsError) as error:
        raise CommandFailed(str(error)) from None
    except SQLAlchemyError as error:
        raise CommandFailed(f"{type(error).__name__}: Airflow's metadata database cannot be written") from None
    return Applied(done.before, done.proposal, IN_DATABASE, done.version, done.version is not None)


def _shell_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # In a container the user may have a number alone.
        return f"uid {os.getuid()}"


def _denied(actor: str, parts: Any) -> CommandFailed:
    return CommandFailed("\n".join([f"{actor} may not make this change:", *parts]), DENIED)


def show(args: Namespace, applied: Applied) -> None:
    """Print what became of a change; for a dry run who gains and who loses what."""
    proposal = applied.proposal
    dry_run = getattr(args, "dry_run", False)
    if args.output != "table":
        values: dict[str, Any] = {
            "policy": applied.name,
            "version": applied.version,
            "written": applied.written,
            "changes": [*map(str, proposal.changes)],
            "warnings": [warning.text for warning in proposal.new_warnings],
        }
        if dry_run and applied.before is not None:
            values["plan"] = plan_report.values(_report(args, applied.before, proposal.policy))
        print_values(values, args.output)
        return
    out = console()
    for each in proposal.changes:
        out.print(printable(str(each)))
    for warning in proposal.new_warnings:
        console(stderr=True).print(printable(f"warning: {warning.text}"), style="yellow")
    if applied.version is not None:
        out.print(f"Done: version {applied.version} of the policy.")
    elif applied.written:
        out.print(f"Done: written to {applied.name}.")
    elif not proposal.changes:
        out.print("Nothing to change.")
    else:
        if applied.before is not None:
            plan_report.print_plan(_report(args, applied.before, proposal.policy))
        out.print("Nothing was written.")


def _report(args: Namespace, before: Policy, after: Policy) -> plan_report.Report:
    return report_of(before, after, getattr(args, "deployment", None))
