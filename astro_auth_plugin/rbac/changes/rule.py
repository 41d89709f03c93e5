"""Who may change a policy: decided on the difference of two versions, whatever made it.

A page, a command, an import and a return to an older version are all judged alike: each part that came or went must
be what the actor may give, by the version that is being changed. What comes must be so for as long as it lasts: a
grant, membership or API token that ends gives no right to grant what does not end, or to prolong the own one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from astro_auth_plugin.rbac.changes.difference import PolicyChange
from astro_auth_plugin.rbac.engine import delegation
from astro_auth_plugin.rbac.engine.delegation import Given, TokenChange
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.scopes import KINDS
from astro_auth_plugin.rbac.model.subjects import token_subject
from astro_auth_plugin.rbac.policy.document import ApiToken, PolicyDocument
from astro_auth_plugin.rbac.policy.grants import Grant, first_end, grants_of

OWNER = "only an Organization Owner may change this"
LASTING_OWNER = "only an Organization Owner whose role does not end may change this"
_NO_ONE = token_subject("")


class DeniedChange(NamedTuple):
    """A part of a change that the actor may not make, and why."""

    change: PolicyChange
    reason: str

    def __str__(self) -> str:
        return f"{self.change}: {self.reason}"


def denied_changes(
    engine: Engine,
    actor: str,
    wanted: Iterable[PolicyChange],
    new: PolicyDocument,
    groups: frozenset[str] = frozenset(),
) -> tuple[DeniedChange, ...]:
    """Return the parts of a change that a subject may not make; without any, it may make the change.

    Args:
        engine: of the version that is changed, for this Deployment, as of now.
        actor: the subject that wants the change.
        wanted: from `difference.changes`.
        new: the document after the change.
        groups: the groups of the actor.
    """
    judge = _Judge(engine, actor, new, groups)
    return tuple(DeniedChange(change, reason) for change in wanted if (reason := judge.reason(change)))


class _Judge:
    def __init__(self, engine: Engine, actor: str, new: PolicyDocument, groups: frozenset[str]) -> None:
        self.engine = engine
        self.actor = actor
        self.groups = groups
        self.teams = [{team.name: team for team in each.teams} for each in (engine.policy.document, new)]
        self.gives = delegation.levels_given(engine, actor, groups)
        self.ends = {grant.expires_at for grant in engine.access(actor, groups).grants if grant.expires_at}
        self.engines: dict[datetime, Engine] = {}
        own = {token_subject(token.id): token for token in engine.policy.document.api_tokens}.get(actor)
        self.token_ends = own.expires_at if own else None
        self.gives_always = delegation.levels_given(*self._until(None), groups)

    def reason(self, change: PolicyChange) -> str:
        """Return why the actor may not make this part of the change; '' if it may."""
        is_owner = "ORGANIZATION" in self.gives
        if "ORGANIZATION" in self.gives_always:
            return ""
        if change.what == "grant" and change.grant is not None:
            return self._beyond([change.grant], lasts=change.sign == "+")
        if change.what == "member" or (change.what == "group" and is_owner):
            teams = [team for each in self.teams if (team := each.get(change.team))]
            every = (grant for team in teams for grant in grants_of((), team))
            # What comes is had for as long as the membership lasts.
            held = [grant._replace(expires_at=first_end(grant.expires_at, change.expires_at)) for grant in every]
            return self._beyond(held, lasts=change.sign == "+") or self._gives_nothing()
        if change.what == "API token":
            return self._token(change.before, change.after)
        if change.what == "user" or (change.what == "Team" and is_owner):
            return self._gives_nothing()
        return LASTING_OWNER if is_owner else OWNER

    def _gives_nothing(self) -> str:
        return "" if self.gives else "the actor may not give any role"

    def _beyond(self, grants: Iterable[Grant], *, lasts: bool) -> str:
        given = [(Given(each.role, KINDS[each.scope.kind].level, _place(each)), each.expires_at) for each in grants]
        reason = _spelled(self._not_given(self.engine, self.actor, [each for each, _ in given]))
        if reason or not lasts:
            return reason
        later = (beyond for each, end in given for beyond in self._not_given(*self._until(end), [each]))
        reason = _spelled(later)
        return f"{reason} for so long" if reason else ""

    def _not_given(self, engine: Engine, actor: str, wanted: Iterable[Given]) -> tuple[Given, ...]:
        return delegation.given_beyond(engine, actor, wanted, groups=self.groups)

    def _until(self, end: datetime | None) -> tuple[Engine, str]:
        """Return the engine as of when the last of the actor's grants that end before a time has ended, and the actor.

        An API token that has ended then is no one.
        """
        actor = _NO_ONE if self.token_ends and (end is None or self.token_ends < end) else self.actor
        ended = max((each for each in self.ends if end is None or each < end), default=None)
        if ended is None:
            return self.engine, actor
        if ended not in self.engines:
            self.engines[ended] = Engine(self.engine.policy, self.engine.deployment_id, ended)
        return self.engines[ended], actor

    def _token(self, before: ApiToken | None, after: ApiToken | None) -> str:
        return next(filter(None, self._token_reasons(before, after)), "")

    def _token_reasons(self, before: ApiToken | None, after: ApiToken | None) -> Iterator[str]:
        alike = before is not None and after is not None and _same_roles(before, after)
        if before is not None and not alike:
            yield self._token_beyond(self.engine, self.actor, before, "delete")
        if after is not None:
            change: TokenChange = "rotate" if alike else "create"
            yield self._token_beyond(self.engine, self.actor, after, change)
            # Its secret is of use until the token ends, so the grants of the actor have to last as long.
            reason = self._token_beyond(*self._until(after.expires_at), after, change)
            yield f"{reason} until the token ends" if reason else ""

    def _token_beyond(self, engine: Engine, actor: str, token: ApiToken, change: TokenChange) -> str:
        if not token.roles:
            return self._gives_nothing()
        return _spelled(delegation.token_roles_beyond(engine, actor, token.roles, change))


def _place(grant: Grant) -> str:
    return grant.scope.deployment_id or grant.scope.id


def _same_roles(one: ApiToken, other: ApiToken) -> bool:
    return set(one.roles) == set(other.roles)


def _spelled(beyond: Iterable[Given]) -> str:
    places = ((given.role, f"`{given.place}`" if given.place else "the Organization") for given in beyond)
    listed = ", ".join(sorted({f"`{role}` on {place}" for role, place in places}))
    return f"the actor may not give {listed}" if listed else ""
