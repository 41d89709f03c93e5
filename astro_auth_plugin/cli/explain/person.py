"""What the commands know of one user besides the policy: the effective groups, and the accounts."""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from astro_auth_plugin.cli.exit_codes import CommandFailed
from astro_auth_plugin.cli.inputs import read_accounts
from astro_auth_plugin.rbac.engine.engine import NO_GROUPS, Engine
from astro_auth_plugin.rbac.model.subjects import TOKEN_PREFIX, is_email, only_account, user_subject
from astro_auth_plugin.rbac.policy.hints import did_you_mean

if TYPE_CHECKING:
    from astro_auth_plugin.accounts.sign_ins import SignIn

ACCOUNTS = "Accounts were not checked: disabled accounts, and duplicate accounts for one e-mail, have no access."
GROUPS = "Groups of the identity provider were not checked and can change this; pass the user's groups with --group."


class QuestionSubject(NamedTuple):
    """The user or API token of a question.

    `groups` are the effective groups, None if not checked. `powerless` says why the accounts leave
    nothing of what the policy gives; '' where they do not. `notes` are for the reader.
    """

    subject: str
    groups: frozenset[str] | None = None
    powerless: str = ""
    notes: tuple[str, ...] = ()

    @property
    def effective_groups(self) -> frozenset[str]:
        """The groups with which the policy is queried."""
        return self.groups or NO_GROUPS


def named(args: Namespace, engine: Engine) -> QuestionSubject:
    """Return who `--as` names, with the groups of `--group`.

    Raises:
        CommandFailed: if that is neither, or an API token with groups.
    """
    if args.who.startswith(TOKEN_PREFIX):
        if args.groups:
            raise CommandFailed(f"--group is for users, and `{args.who}` is an API token, which has no groups")
        return QuestionSubject(args.who, NO_GROUPS)
    if not is_email(args.who):
        raise CommandFailed(f"expected an e-mail or `{TOKEN_PREFIX}ID` after --as, found `{args.who}`")
    subject = user_subject(args.who)
    if not args.groups:
        return QuestionSubject(subject)
    unknown = [group for group in args.groups if group not in engine.groups]
    notes = (f"No Team lists the group `{group}`{did_you_mean(group, engine.groups)}" for group in unknown)
    return QuestionSubject(subject, frozenset(args.groups) & engine.groups, notes=tuple(notes))


def looked_up(requested: QuestionSubject, engine: Engine, *, database: bool) -> QuestionSubject:
    """Return a person with what the metadata database knows: accounts, and the groups of the last sign-in.

    Groups that were named replace these. Without `database` they are not checked, and a note says so.

    Raises:
        CommandFailed: if it cannot be read.
    """
    if requested.subject.startswith(TOKEN_PREFIX):
        return requested
    if not database:
        return requested._replace(notes=(*requested.notes, ACCOUNTS))
    accounts = read_accounts(requested.subject)
    active = [account for account in accounts if account.active]
    ids = ", ".join(str(account.id) for account in (active or accounts))
    only = only_account(active)
    if active and not only:
        why = f"duplicate active accounts for one e-mail ({ids}): access is denied for all of them"
        return requested._replace(groups=NO_GROUPS, powerless=why)
    if not accounts:
        return requested._replace(
            groups=requested.effective_groups, notes=(*requested.notes, "There is no account with this e-mail yet.")
        )
    if not only:
        return requested._replace(groups=NO_GROUPS, powerless=f"the account {ids} is disabled")
    return requested if requested.groups is not None else _with_groups(requested, only.sign_in, engine)


def _with_groups(requested: QuestionSubject, last: SignIn, engine: Engine) -> QuestionSubject:
    kept = last.groups & engine.groups
    if not kept:
        return requested._replace(groups=NO_GROUPS)
    then = datetime.fromtimestamp(last.signed_in_at, UTC)
    groups = ", ".join(f"`{group}`" for group in sorted(kept))
    note = f"Groups of the sign-in at {then:%Y-%m-%d %H:%M} UTC: {groups}."
    return requested._replace(groups=kept, notes=(*requested.notes, note))
