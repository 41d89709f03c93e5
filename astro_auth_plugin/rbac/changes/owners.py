"""Who could always repair the access of others: the Organization Owners that a policy names."""

from __future__ import annotations

from astro_auth_plugin.rbac.model.subjects import user_subject
from astro_auth_plugin.rbac.policy.document import PolicyDocument, Team, User
from astro_auth_plugin.rbac.policy.grants import members_of

_OWNER = "ORGANIZATION_OWNER"


def organization_owners(document: PolicyDocument) -> frozenset[str]:
    """Return the users who are Organization Owners, as subjects: by themselves, or as listed members of a Team.

    Those who are in a Team through a group of the identity provider are not known to the policy, so they do not count,
    and neither do those whose role or membership ends: then no Owner would be left, without a change that could be
    refused.
    """
    own = {user_subject(user.email) for user in document.users if _is_lasting(user)}
    teams = (team for team in document.teams if _is_lasting(team))
    lasting = (member for team in teams for member, end in members_of(team).items() if end is None)
    return frozenset(own.union(lasting))


def _is_lasting(entry: Team | User) -> bool:
    given = entry.organization_role
    return given is not None and given.role == _OWNER and given.expires_at is None
