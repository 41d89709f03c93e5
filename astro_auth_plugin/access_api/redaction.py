"""What an answer about a change leaves out for callers who do not see the whole policy.

A user may have grants in other Workspaces. For those who do not see these, the answers about a user who has only such
grants are those about a user without any: otherwise a dry run would tell one from the other.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from pydantic import BaseModel

from astro_auth_plugin.access_api.caller import Caller
from astro_auth_plugin.access_api.etags import Entity
from astro_auth_plugin.rbac.changes.proposal import Proposal
from astro_auth_plugin.rbac.policy import warnings
from astro_auth_plugin.rbac.policy.document import ApiToken, PolicyDocument, Team, User
from astro_auth_plugin.rbac.policy.grants import grants_of
from astro_auth_plugin.rbac.policy.loader import Policy

_POSITIONS = re.compile(r"\[\d+\]")
_USER = re.compile(r"[+-] user `((?!`: `).)*`")


def problems(who: Caller, text: str) -> str:
    """Return what is wrong with a proposed policy; without positions, which tell how many other entries there are."""
    return text if who.visibility.everything else _POSITIONS.sub("", text)


def is_shown(who: Caller, change: str) -> bool:
    """Return whether a part of a change is listed.

    That a user gets a first entry, or loses the last one, tells whether there are grants that the caller does not see.
    """
    return who.visibility.everything or not _USER.fullmatch(change)


def new_warnings(who: Caller, entity: Entity | None, before: Policy, proposal: Proposal) -> list[str]:
    """Return the warnings that a change adds; without the whole policy, those about the visible part of one entry.

    Args:
        who: the caller.
        entity: the entry that is changed, by its name after the change.
        before: the policy before.
        proposal: what the change makes of it.
    """
    if who.visibility.everything:
        return [warning.message for warning in proposal.new_warnings]
    if entity is None:
        return []
    known, found = (_warnings(who, entity, each.document) for each in (before, proposal.policy))
    return [message for message in found if message not in known]


def _warnings(who: Caller, entity: Entity, document: PolicyDocument) -> list[str]:
    # What grants give is looked up in the custom roles, which all who grant something may see.
    seen: dict[str, list[BaseModel]] = {key: [] for key in ("teams", "users", "api_tokens")}
    seen[entity.key] = _visible(who, entity, document)
    return [found.message for found in warnings.warnings(document.model_copy(update=seen), datetime.now(UTC))]


def _visible(who: Caller, entity: Entity, document: PolicyDocument) -> list[BaseModel]:
    """Return the entry with the grants that the caller sees; nothing if it is an API token with others."""
    entry = entity.of(document)
    if not isinstance(entry, Team | User | ApiToken):
        return []
    hidden = {grant.path for grant in grants_of((), entry) if not who.visibility.sees(grant.scope)}
    if hidden and isinstance(entry, ApiToken):
        return []
    seen = {
        key: [grant for index, grant in enumerate(getattr(entry, key)) if (key, index) not in hidden]
        for key in {str(path[0]) for path in hidden}
    }
    return [entry.model_copy(update=seen)]
