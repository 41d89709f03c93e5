"""Parts of the policy as the API shows them, and only what the caller may see of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, TypeVar

from fastapi import Query

from astro_auth_plugin.access_api import shapes
from astro_auth_plugin.access_api.caller import Caller
from astro_auth_plugin.rbac.engine import delegation
from astro_auth_plugin.rbac.engine.decision import HeldGrant
from astro_auth_plugin.rbac.engine.delegation import Given
from astro_auth_plugin.rbac.engine.engine import NO_GROUPS, Engine
from astro_auth_plugin.rbac.engine.visibility import Visibility
from astro_auth_plugin.rbac.explain.access_report import Holder
from astro_auth_plugin.rbac.explain.answers import together
from astro_auth_plugin.rbac.model.actions import spelled
from astro_auth_plugin.rbac.model.scopes import KINDS, GrantScope
from astro_auth_plugin.rbac.model.subjects import TOKEN_PREFIX
from astro_auth_plugin.rbac.policy.document import Team, User
from astro_auth_plugin.rbac.policy.grants import Grant, grants_of, members_of, note_of

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0, le=10_000_000)]
Search = Annotated[str, Query(max_length=200)]


def page(found: Sequence[T], limit: int, offset: int) -> Sequence[T]:
    """Return a page of a list."""
    return found[offset : offset + limit]


def scope_of(scope: GrantScope) -> shapes.Scope:
    """Return a scope as the API has it."""
    return shapes.Scope(kind=scope.kind, id=scope.id, deployment_id=scope.deployment_id, folder=scope.folder)


def grant_scope(scope: shapes.Scope) -> GrantScope:
    """Return a scope as the policy has it."""
    kind = KINDS[scope.kind]
    deployment_id = scope.deployment_id if kind.in_deployment else ""
    folder = scope.folder if scope.kind == "bundle" else ""
    return GrantScope(scope.kind, scope.id if kind.id_key else "", deployment_id, folder)


def given_of(role: str, scope: GrantScope) -> Given:
    """Return a role in a scope as the rule about who may give it has it."""
    return Given(role, KINDS[scope.kind].level, scope.deployment_id or scope.id)


def visible_grants(seen: Visibility, entry: User | Team) -> Iterator[Grant]:
    """Yield the grants of an entry that the caller may see and that have not ended."""
    at = seen.engine.at
    return (grant for grant in grants_of((), entry) if seen.sees(grant.scope) and not grant.has_ended(at))


def grants(who: Caller, entry: User | Team) -> list[shapes.Grant]:
    """Return the grants of an entry, each with whether the caller may revoke it."""
    identity = who.identity
    found = []
    for grant in visible_grants(who.visibility, entry):
        given = [given_of(grant.role, grant.scope)]
        beyond = delegation.given_beyond(who.engine, identity.subject, given, groups=identity.groups)
        found.append(
            shapes.Grant(
                role=grant.role,
                scope=scope_of(grant.scope),
                expires_at=grant.expires_at,
                note=note_of(entry, grant),
                may_revoke=not beyond,
            )
        )
    return found


def role_texts(seen: Visibility, entry: User | Team) -> list[str]:
    """Return the grants of an entry in short."""
    return [f"{grant.role} on {_where(grant.scope)}" for grant in visible_grants(seen, entry)]


def team_of(who: Caller, subject: str, index: int, group: str) -> shapes.TeamOf:
    """Return a Team of a user, with the end of the membership; through a group there is none."""
    team = who.engine.policy.document.teams[index]
    end = None if group else members_of(team, who.engine.at).get(subject)
    return shapes.TeamOf(name=team.name, group=group, expires_at=end)


def _where(scope: GrantScope) -> str:
    place = f" of Deployment {scope.deployment_id}" if scope.deployment_id else ""
    folder = f"folder {scope.folder} of " if scope.folder else ""
    return "the Organization" if scope.kind == "Organization" else f"{folder}{scope.kind} {scope.id}{place}"


class Throughs:
    """Through what a subject has each of its roles.

    Args:
        engine: of the policy.
        subject: whose roles.
        groups: the groups of a user.
    """

    def __init__(self, engine: Engine, subject: str, groups: frozenset[str] = NO_GROUPS) -> None:
        document = engine.policy.document
        kind: shapes.ThroughKind = "token" if subject.startswith(TOKEN_PREFIX) else "user"
        own = shapes.Through(kind=kind, name=subject.removeprefix(TOKEN_PREFIX))
        self._found: dict[HeldGrant, shapes.Through] = {}
        for index, group in engine.teams_of(subject, groups).items():
            team = shapes.Through(kind="Team", name=document.teams[index].name, group=group)
            self._found.update(dict.fromkeys(engine.grants_through(subject, index, group), team))
        # What is compiled anyway: to read the own entry once more takes longer.
        for grant in engine.access(subject, groups).grants:
            self._found.setdefault(grant, own)

    def held(self, given: Iterable[HeldGrant]) -> list[shapes.Held]:
        """Return roles of the subject as the API shows them."""
        return [_held(grant, self._found[grant]) for grant in given if grant in self._found]


def _held(grant: HeldGrant, through: shapes.Through) -> shapes.Held:
    return shapes.Held(
        role=grant.role,
        scope=scope_of(grant.scope),
        expires_at=grant.expires_at,
        through=through,
        implied=grant.derived,
    )


def effective(who: Caller, subject: str, groups: frozenset[str] = NO_GROUPS) -> list[shapes.Held]:
    """Return the roles in effect here of a subject that the caller may see."""
    seen = (grant for grant in who.engine.access(subject, groups).grants if who.visibility.sees(grant.scope))
    return Throughs(who.engine, subject, groups).held(seen)


def holders(who: Caller, found: Iterable[Holder], limit: int, offset: int) -> tuple[list[shapes.Holder], int]:
    """Return a page of who may do something with a Dag or through a tag, as the caller may see it, and how many are."""
    sees = who.visibility
    shown = []
    for each in found:
        grants = tuple(grant for grant in each.grants if sees.sees(grant.scope))
        if grants and (sees.tokens or not each.who.startswith(TOKEN_PREFIX)):
            shown.append(each._replace(grants=grants, permissions=each.permissions & together(grants)))
    return [_holder(who, each) for each in page(shown, limit, offset)], len(shown)


def _holder(who: Caller, found: Holder) -> shapes.Holder:
    may = list(spelled(found.permissions, on_dag=True))
    if found.who.startswith(TOKEN_PREFIX):
        return shapes.Holder(
            who=found.who, kind="token", may=may, grants=Throughs(who.engine, found.who).held(found.grants)
        )
    if "@" in found.who and " " not in found.who:
        return shapes.Holder(
            who=found.who, kind="user", may=may, grants=Throughs(who.engine, found.who).held(found.grants)
        )
    team = found.grants[0].holder.removeprefix("Team `").removesuffix("`")
    through = shapes.Through(kind="Team", name=team)
    return shapes.Holder(who=found.who, kind="group", may=may, grants=[_held(grant, through) for grant in found.grants])
