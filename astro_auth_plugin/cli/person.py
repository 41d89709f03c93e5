"""What the commands that ask know of one person besides the policy: the groups that count, and the accounts."""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from astro_auth_plugin.cli.at_hand import read_accounts
from astro_auth_plugin.cli.failing import CommandFailed
from astro_auth_plugin.rbac.engine import NO_GROUPS, Engine
from astro_auth_plugin.rbac.policy_checks import did_you_mean
from astro_auth_plugin.rbac.subjects import TOKEN_PREFIX, is_email, user_subject

if TYPE_CHECKING:
    from astro_auth_plugin.airflow_bridge.sign_ins import SignIn

ACCOUNTS = "Accounts were not looked at: one that is switched off, or one of two with one e-mail, holds nothing."
GROUPS = "Groups of the identity provider were not looked at, and can change this; name the person's with --group."


class Asked(NamedTuple):
    """A person or an API token that is asked about.

    `groups` are the groups that count, None as long as nobody looked for any. `powerless` says why the accounts leave
    nothing of what the policy gives; '' where they do not. `notes` are for the reader.
    """

    subject: str
    groups: frozenset[str] | None = None
    powerless: str = ""
    notes: tuple[str, ...] = ()

    @property
    def counted(self) -> frozenset[str]:
        """The groups with which the policy is asked."""
        return self.groups or NO_GROUPS


def named(args: Namespace, engine: Engine) -> Asked:
    """Return who `--as` names, with the groups of `--group`.

    Raises:
        CommandFailed: if that is nobody, or an API token with groups.
    """
    if args.who.startswith(TOKEN_PREFIX):
        if args.groups:
            raise CommandFailed(f"--group is for people, and `{args.who}` is an API token: these are in no group")
        return Asked(args.who, NO_GROUPS)
    if not is_email(args.who):
        raise CommandFailed(f"expected an e-mail or `{TOKEN_PREFIX}ID` after --as, found `{args.who}`")
    subject = user_subject(args.who)
    if not args.groups:
        return Asked(subject)
    unknown = [group for group in args.groups if group not in engine.groups]
    notes = (f"No Team lists the group `{group}`{did_you_mean(group, engine.groups)}" for group in unknown)
    return Asked(subject, frozenset(args.groups) & engine.groups, notes=tuple(notes))


def looked_up(asked: Asked, engine: Engine, *, database: bool) -> Asked:
    """Return a person with what the metadata database knows: accounts, and the groups of the last sign-in.

    Groups that were named count instead of these. Without `database`, nobody looks, and a note says so.

    Raises:
        CommandFailed: if it cannot be read.
    """
    if asked.subject.startswith(TOKEN_PREFIX):
        return asked
    if not database:
        return asked._replace(notes=(*asked.notes, ACCOUNTS))
    accounts = read_accounts(asked.subject)
    active = [account for account in accounts if account.active]
    ids = ", ".join(str(account.id) for account in (active or accounts))
    if len(active) > 1:
        why = f"the active accounts {ids} are one person by e-mail, so none of them holds anything"
        return asked._replace(groups=NO_GROUPS, powerless=why)
    if not accounts:
        return asked._replace(groups=asked.counted, notes=(*asked.notes, "There is no account with this e-mail yet."))
    if not active:
        return asked._replace(groups=NO_GROUPS, powerless=f"the account {ids} is switched off")
    return asked if asked.groups is not None else _with_groups(asked, active[0].sign_in, engine)


def _with_groups(asked: Asked, last: SignIn, engine: Engine) -> Asked:
    kept = last.groups & engine.groups
    if not kept:
        return asked._replace(groups=NO_GROUPS)
    then = datetime.fromtimestamp(last.signed_in_at, UTC)
    groups = ", ".join(f"`{group}`" for group in sorted(kept))
    note = f"Groups that count, of the sign-in at {then:%Y-%m-%d %H:%M} UTC: {groups}."
    return asked._replace(groups=kept, notes=(*asked.notes, note))
