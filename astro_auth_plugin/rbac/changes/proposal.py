"""What an edit would make of a policy, before it is decided on."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from astro_auth_plugin.rbac.changes.difference import PolicyChange, changes
from astro_auth_plugin.rbac.changes.edits import Edit, Values
from astro_auth_plugin.rbac.changes.owners import organization_owners
from astro_auth_plugin.rbac.policy import loader
from astro_auth_plugin.rbac.policy.diagnostics import Diagnostic
from astro_auth_plugin.rbac.policy.loader import Before, Policy


class InvalidProposal(ValueError):
    """The edit would make an invalid policy; the message lists what would be wrong, one problem a line."""


class Proposal(NamedTuple):
    """A policy as it would be after an edit.

    Attributes:
        values: the document as plain values.
        policy: the same, checked.
        changes: every part that comes, goes or changes.
        warnings: what is odd about the policy as it would be.
        known: the messages of the warnings that there are about it now.
        loses_owner: whether the policy names Organization Owners now, and would name none.
    """

    values: Values
    policy: Policy
    changes: tuple[PolicyChange, ...]
    warnings: tuple[Diagnostic, ...]
    known: frozenset[str]
    loses_owner: bool

    @property
    def new_warnings(self) -> tuple[Diagnostic, ...]:
        """What is odd about the policy because of the edit."""
        return tuple(warning for warning in self.warnings if warning.message not in self.known)


def propose(values: Values, policy: Policy, edit: Edit, now: datetime) -> Proposal:
    """Return what an edit would make of a policy.

    Args:
        values: the policy as plain values.
        policy: the same, checked.
        edit: the edit.
        now: the time, with a time zone.

    Raises:
        EditError: if the edit does not fit.
        InvalidProposal: if the result would be no policy.
    """
    new = edit(values)
    checked = loader.from_values(new, now, Before(values, policy))
    if checked.policy is None:
        raise InvalidProposal("\n".join(problem.text for problem in checked.errors))
    old, document = policy.document, checked.policy.document
    known = loader.warnings_of(policy, now) if checked.warnings else ()
    return Proposal(
        values=new,
        policy=checked.policy,
        changes=tuple(changes(old, document)),
        warnings=checked.warnings,
        known=frozenset(warning.message for warning in known),
        loses_owner=bool(organization_owners(old)) and not organization_owners(document),
    )
