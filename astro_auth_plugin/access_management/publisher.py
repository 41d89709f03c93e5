"""Publishes changes of the policy in the metadata database: the one way, whatever wants the change.

A change is an edit of the newest version. It is decided on by that version, and published as the next one if no other
change came first; else it is made and decided on again. So of two people who take each other's role at the same moment
one is denied.
"""

from __future__ import annotations

import random
import threading
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from astro_auth_plugin.access_management import policy_audit
from astro_auth_plugin.accounts.last_owner import LAST_OWNER, loses_last_owner
from astro_auth_plugin.rbac.changes.affected import concerned_scopes
from astro_auth_plugin.rbac.changes.edits import Edit, Values
from astro_auth_plugin.rbac.changes.proposal import InvalidProposal, Proposal, propose
from astro_auth_plugin.rbac.changes.rule import DeniedChange, denied_changes
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.errors import UnknownDeployment
from astro_auth_plugin.rbac.policy import loader
from astro_auth_plugin.rbac.policy.loader import Checked, Policy
from astro_auth_plugin.runtime import policy_source, policy_versions
from astro_auth_plugin.runtime.database import connect
from astro_auth_plugin.runtime.policy_source import no_collection
from astro_auth_plugin.runtime.policy_store import PolicyRefused, check_place
from astro_auth_plugin.runtime.policy_versions import (
    AuthorKind,
    Change,
    DocumentUnusable,
    Origin,
    Stored,
    VersionConflict,
)
from astro_auth_plugin.runtime.settings import Settings

TRIES = 32
"""How often a change is tried when others come first. One of two busy processes can lose eight times in a row."""

_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 0.4
_NOTHING: Values = {"version": 1, "organization_id": "-"}


class Actor(NamedTuple):
    """Who wants a change.

    Attributes:
        name: what the history calls them: an e-mail, the name of an API token, or the user of a shell.
        kind: what that is.
        subject: who that is in the policy; '' for a shell, which may change everything, as it may write the database.
        groups: the person's groups.
    """

    name: str
    kind: AuthorKind
    subject: str = ""
    groups: frozenset[str] = frozenset()


class Wanted(NamedTuple):
    """A change that is wanted.

    Attributes:
        edit: what it makes of the policy.
        source: the way it came.
        reason: why, in the words of the actor.
        reverts: the version that it returns to, if it does.
        text: the YAML that is imported, if the policy becomes exactly that.
        force: whether the last Organization Owner may go.
    """

    edit: Edit
    source: Origin
    reason: str = ""
    reverts: int | None = None
    text: bytes = b""
    force: bool = False


class Published(NamedTuple):
    """What became of a change: the version before and the new one, which is None where nothing was to be changed."""

    parent: int
    version: int | None
    before: Policy | None
    proposal: Proposal


class ChangeDenied(Exception):
    """The actor may not make the change; the message lists each part, one a line.

    Args:
        denied: the parts.
        before: the policy that was to be changed.
        after: the policy after the change.
    """

    def __init__(self, denied: tuple[DeniedChange, ...], before: Policy, after: Policy) -> None:
        super().__init__("\n".join(map(str, denied)))
        self.denied = denied
        self.before = before
        self.after = after


class LastOwner(Exception):
    """The change would leave no Organization Owner."""


class TooManyChanges(Exception):
    """Others changed the policy each time that this change was tried."""


class NoPolicy(Exception):
    """There is no policy yet that could be changed."""


_one_at_a_time = threading.Lock()


def publish(wanted: Wanted, actor: Actor, settings: Settings, *, dry_run: bool = False) -> Published:
    """Make a change of the policy and publish it, or only say what it would be.

    Args:
        wanted: the change.
        actor: who wants it.
        settings: which Deployment this is: the actor is judged by what it has there, and the policy must list it.
        dry_run: whether nothing is written.

    Raises:
        EditError: if the edit does not fit the newest version.
        InvalidProposal: if the result would be no policy, or none of this Deployment.
        ChangeDenied: if the actor may not make the change.
        LastOwner: if no Organization Owner would be left.
        NoPolicy: if there is none yet, and the change is no import.
        TooManyChanges: if others came first each time.
        DocumentUnusable: if the newest version cannot be read, or the new one is too large.
        SQLAlchemyError: if the database does not answer.
    """
    # In one process one after the other: else each of many would find the number taken, again and again.
    with nullcontext() if dry_run else _one_at_a_time:
        for attempt in range(TRIES):
            try:
                return _try(wanted, actor, settings, dry_run=dry_run)
            except VersionConflict:
                longest = min(_PAUSE_SECONDS * (attempt + 1), _LONGEST_PAUSE_SECONDS)
                time.sleep(random.uniform(0, longest))  # noqa: S311 - not a secret
    raise TooManyChanges(f"others changed the policy at the same time, {TRIES} times: try again")


def _try(wanted: Wanted, actor: Actor, settings: Settings, *, dry_run: bool) -> Published:
    with no_collection():
        number, stored, before = _newest(wanted, actor)
        old = before or _checked(loader.from_values(_NOTHING))
        proposal = propose(stored.values if stored else _NOTHING, old, wanted.edit, datetime.now(UTC))
        _judge(proposal, actor, settings, old)
        scopes = () if dry_run else concerned_scopes(proposal.changes, old.document, proposal.policy.document)
    if proposal.loses_owner and not wanted.force:
        raise LastOwner(LAST_OWNER)

    def check(database: Connection | Session) -> None:
        if not wanted.force and loses_last_owner(database, old.document, proposal.policy.document):
            raise LastOwner(LAST_OWNER)

    if dry_run:
        # Without a commit.
        with connect() as connection:
            check(connection)
    # An import can have other comments and yet say the same. Who may change nothing makes no version of it.
    is_same = not proposal.changes and (actor.subject or (stored is not None and wanted.text in (b"", stored.text)))
    if dry_run or is_same:
        return Published(number, None, before, proposal)
    change = Change(
        author=actor.name,
        author_kind=actor.kind,
        source=wanted.source,
        reason=wanted.reason,
        reverts=wanted.reverts,
        changes=tuple(map(str, proposal.changes)),
        scopes=tuple(scopes),
    )
    new = policy_versions.publish(number, proposal.values, change, wanted.text, check)
    policy_source.keep_checked(new.digest, Checked(proposal.policy, proposal.warnings))
    policy_audit.record_change(new.id, change)
    return Published(number, new.id, before, proposal)


def _newest(wanted: Wanted, actor: Actor) -> tuple[int, Stored | None, Policy | None]:
    """Return the number of the newest version, the version, and its policy; None for both where it cannot be used.

    Only a shell may put a policy in the place of none, or of one that cannot be used.
    """
    number = policy_versions.newest_number()
    replaces = wanted.source in ("import", "revert") and not actor.subject
    if not number and not replaces:
        raise NoPolicy(policy_source.EMPTY)
    try:
        stored = policy_versions.read(number) if number else None
        return number, stored, _checked(policy_source.check_version(stored)) if stored else None
    except DocumentUnusable:
        if not replaces:
            raise
        return number, None, None


def _judge(proposal: Proposal, actor: Actor, settings: Settings, old: Policy) -> None:
    """Refuse what is no policy of this Deployment, and what the actor may not change."""
    try:
        check_place(settings, proposal.policy.document)
    except PolicyRefused as refusal:
        raise InvalidProposal(str(refusal)) from None
    if actor.subject:
        try:
            engine = Engine(old, settings.deployment_id, datetime.now(UTC))
        except UnknownDeployment as error:
            raise InvalidProposal(f"{error} yet: only a shell without --as can add it") from None
        denied = denied_changes(engine, actor.subject, proposal.changes, proposal.policy.document, actor.groups)
        if denied:
            raise ChangeDenied(denied, old, proposal.policy)


def _checked(checked: Checked) -> Policy:
    if checked.policy is None:
        raise DocumentUnusable("the newest version of the policy has errors: see `astro-auth validate`")
    return checked.policy
