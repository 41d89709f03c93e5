"""What a change of a policy concerns: for whom it can be of any effect, and the scopes that it is about."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from astro_auth_plugin.rbac.changes.difference import PolicyChange, What
from astro_auth_plugin.rbac.model.scopes import GrantScope
from astro_auth_plugin.rbac.model.subjects import group_subject, token_subject, user_subject
from astro_auth_plugin.rbac.policy.document import PolicyDocument, Team, User
from astro_auth_plugin.rbac.policy.grants import Principal, grants, grants_of, people_of, token_scope


def affected_subjects(
    changes: Iterable[PolicyChange], old: PolicyDocument, new: PolicyDocument
) -> frozenset[str] | None:
    """Return the subjects to whom a change may give or take something; None for all, where that is not narrowed down.

    Args:
        changes: every part that is different between the two documents.
        old: the document before.
        new: the document after.
    """
    found, holders, roles = set[str](), set[Principal](), set[str]()
    for change in changes:
        if change.what == "setting":
            return None
        if change.what == "role":
            roles |= {change.name, change.renamed}
        elif change.grant is not None:
            holders.add(change.grant.principal)
        elif change.what == "Team" and change.note:
            # It is one for support now, which can be switched off, or no longer is.
            holders.add(Principal("Team", change.name))
        elif change.what in _SUBJECT:
            found.add(_SUBJECT[change.what](change.name))
    documents = (old, new)
    if roles:
        holders.update(grant.principal for each in documents for grant in grants(each) if grant.role in roles)
    # Two spellings of an e-mail are one user.
    found.update(user_subject(holder.name) for holder in holders if holder.kind == "user")
    found.update(token_subject(holder.name) for holder in holders if holder.kind == "token")
    teams = {holder.name for holder in holders if holder.kind == "Team"}
    found.update(
        subject for each in documents for team in each.teams if team.name in teams for subject in people_of(team)
    )
    return frozenset(found)


def concerned_scopes(
    changes: Iterable[PolicyChange], old: PolicyDocument, new: PolicyDocument
) -> list[tuple[GrantScope, ...]]:
    """Return for each part of a change the scopes that it is about, none for one that is about the Organization.

    What is in an entry of a user or Team is about all that it is granted, before or after the change.

    Args:
        changes: the parts.
        old: the document before.
        new: the document after.
    """
    parts = list(changes)
    # Only of entries that are concerned: a large policy has tens of thousands of grants.
    of_entry: dict[tuple[str, str], list[GrantScope]] = {_entry_of(change): [] for change in parts}
    for document in (old, new):
        named: list[tuple[tuple[str, str], Team | User]] = [(("Team", team.name), team) for team in document.teams]
        named += [(("user", user.email), user) for user in document.users]
        for name, entry in named:
            if name in of_entry:
                of_entry[name] += [grant.scope for grant in grants_of((), entry)]

    def scopes(change: PolicyChange) -> Iterable[GrantScope]:
        if change.grant is not None:
            return [change.grant.scope]
        if change.what == "API token":
            tokens = (token for token in (change.before, change.after) if token)
            return [token_scope(role) for token in tokens for role in token.roles]
        return of_entry[_entry_of(change)]

    return [tuple(dict.fromkeys(scopes(change))) for change in parts]


def _entry_of(change: PolicyChange) -> tuple[str, str]:
    return ("Team", change.team) if change.team else (change.what, change.name)


_SUBJECT: dict[What, Callable[[str], str]] = {
    "member": user_subject,
    "user": user_subject,
    "group": group_subject,
    "API token": token_subject,
}
# Of a Team its members, groups and grants are parts by themselves.
