"""Every grant of a policy document: who is given which role, and in which scope."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal, NamedTuple

from astro_auth_plugin.rbac.model.permissions import mask_of_words
from astro_auth_plugin.rbac.model.roles import BUILT_IN
from astro_auth_plugin.rbac.model.scopes import KINDS, KINDS_BY_ENTITY, ORGANIZATION, GrantScope, ScopeKind
from astro_auth_plugin.rbac.model.subjects import group_subject, token_subject, user_subject
from astro_auth_plugin.rbac.policy.document import ApiToken, PolicyDocument, Team, TokenRole, User
from astro_auth_plugin.rbac.policy.yaml_reader import Path

Entry = Team | User | ApiToken

# The keys of users and Teams that have lists of grants, and which kinds of scope these can be in.
_LISTS: dict[str, list[ScopeKind]] = {}
for _kind in KINDS.values():
    if _kind.id_key:
        _LISTS.setdefault(_kind.key, []).append(_kind)


class Principal(NamedTuple):
    """Who is given roles: a Team by name, a user by e-mail, an API token by id."""

    kind: Literal["Team", "user", "token"]
    name: str

    def __str__(self) -> str:
        return f"{'API token' if self.kind == 'token' else self.kind} `{self.name}`"


class Grant(NamedTuple):
    """A role that a principal is given in a scope, and the path at which the document says so.

    `derived` is set on the DEPLOYMENT_ACCESSOR that comes with a role on Dags or objects. `expires_at` is when the
    grant ends, with a time zone; None if it does not.
    """

    path: Path
    principal: Principal
    role: str
    scope: GrantScope
    derived: bool = False
    expires_at: datetime | None = None

    def has_ended(self, at: datetime) -> bool:
        """Whether the grant gives nothing any more at a time: from the second of its end on."""
        return self.expires_at is not None and self.expires_at <= at

    def outlives(self, other: Grant) -> bool:
        """Whether the grant ends no earlier than another one."""
        return first_end(self.expires_at, other.expires_at) == other.expires_at

    @property
    def id_path(self) -> Path:
        """The path of the scope's id; that of the grant where it has none of its own."""
        key = "entity_id" if self.principal.kind == "token" else KINDS[self.scope.kind].id_key
        return (*self.path, key) if key else self.path


def grants(document: PolicyDocument) -> Iterator[Grant]:
    """Yield every grant that a document without errors lists, in its order: those of Teams, users and API tokens."""
    for key in ("teams", "users", "api_tokens"):
        for index, entry in enumerate(getattr(document, key)):
            yield from grants_of((key, index), entry)


def object_grants(document: PolicyDocument) -> Iterator[Grant]:
    """Yield the grants of `grants` on connections, Variables and pools; most entries of a large policy have none."""
    for key in ("teams", "users", "api_tokens"):
        for index, entry in enumerate(getattr(document, key)):
            if isinstance(entry, ApiToken) or entry.object_roles:
                yield from (grant for grant in grants_of((key, index), entry) if grant.scope.object_kind)


def grants_of(path: Path, entry: Entry) -> Iterator[Grant]:
    """Yield the grants that one entry lists.

    Args:
        path: the path of the entry.
        entry: a Team, user or API token of a document without errors.
    """
    principal = principal_of(entry)
    if isinstance(entry, ApiToken):
        for index, role in enumerate(entry.roles):
            yield Grant((*path, "roles", index), principal, role.role, token_scope(role))
        return
    if entry.organization_role:
        given = entry.organization_role
        at = (*path, "organization_role")
        yield Grant(at, principal, given.role, ORGANIZATION, expires_at=given.expires_at)
    for key, kinds in _LISTS.items():
        for index, grant in enumerate(getattr(entry, key)):
            name, kind = next((name, kind) for kind in kinds if (name := getattr(grant, kind.id_key)))
            deployment_id = grant.deployment_id if kind.in_deployment else ""
            scope = GrantScope(kind.name, name, deployment_id, grant.folder if kind.name == "bundle" else "")
            yield Grant((*path, key, index), principal, grant.role, scope, expires_at=grant.expires_at)


def note_of(entry: Team | User, grant: Grant) -> str:
    """Return the note of a grant of `grants_of`, called with the path ()."""
    key, *position = grant.path
    given = getattr(entry, str(key))
    note: str = (given[position[0]] if position else given).note
    return note


def first_end(one: datetime | None, other: datetime | None) -> datetime | None:
    """Return which of two ends comes first; None for never."""
    return min((end for end in (one, other) if end is not None), default=None)


def ends(document: PolicyDocument) -> Iterator[datetime]:
    """Yield when grants and memberships end, where they do."""
    for entry in (*document.teams, *document.users):
        if entry.organization_role and entry.organization_role.expires_at is not None:
            yield entry.organization_role.expires_at
        for key in _LISTS:
            for grant in getattr(entry, key):
                if grant.expires_at is not None:
                    yield grant.expires_at
    for team in document.teams:
        for member in team.members:
            if member.expires_at is not None:
                yield member.expires_at


def members_of(team: Team, at: datetime | None = None) -> dict[str, datetime | None]:
    """Return who is in a Team by e-mail, as subjects, each with the end of the membership, None for never.

    Of two entries for one person the one that ends last counts.

    Args:
        team: the Team.
        at: the time, at which memberships may have ended; None leaves none out.
    """
    found: dict[str, datetime | None] = {}
    for member in team.members:
        end = member.expires_at
        if at is not None and end is not None and end <= at:
            continue
        subject = user_subject(member.email)
        if subject not in found or first_end(found[subject], end) == found[subject]:
            found[subject] = end
    return found


def accessor_grants(given: Iterable[Grant]) -> Iterator[Grant]:
    """Yield what comes with the roles on Dags and objects of one principal: DEPLOYMENT_ACCESSOR in each Deployment.

    Astro gives the Accessor role of the parent to anyone who is given a Dag role, so that the page opens. It lasts as
    long as the role that ends last.
    """
    last: dict[str, Grant] = {}
    for grant in given:
        where = grant.scope.deployment_id
        if where and not (where in last and last[where].outlives(grant)):
            last[where] = grant
    for deployment_id, grant in last.items():
        scope = GrantScope("Deployment", deployment_id)
        yield grant._replace(role="DEPLOYMENT_ACCESSOR", scope=scope, derived=True)


def principal_of(entry: Entry) -> Principal:
    """Return the principal that an entry is of."""
    if isinstance(entry, ApiToken):
        return Principal("token", entry.id)
    return Principal("user", entry.email) if isinstance(entry, User) else Principal("Team", entry.name)


def subjects_by_principal(document: PolicyDocument, at: datetime | None = None) -> dict[Principal, tuple[str, ...]]:
    """Return the subjects that have what each principal is given, each once: users, Teams, then API tokens.

    The people of a group of the identity provider are not known here, so the group represents them.

    Args:
        document: a document without errors.
        at: the time, at which memberships may have ended; None leaves none out.
    """
    every: tuple[Entry, ...] = (*document.users, *document.teams, *document.api_tokens)
    return {principal_of(entry): subjects_of(entry, at) for entry in every}


def subjects_of(entry: Entry, at: datetime | None = None) -> tuple[str, ...]:
    """Return the subjects that have what an entry is given, each once; arguments as in `subjects_by_principal`."""
    if isinstance(entry, Team):
        return people_of(entry, at)
    return (user_subject(entry.email) if isinstance(entry, User) else token_subject(entry.id),)


def people_of(team: Team, at: datetime | None = None) -> tuple[str, ...]:
    """Return the subjects in a Team, each once: its members, and its groups for the people of these.

    Args:
        team: the Team.
        at: the time, at which memberships may have ended; None leaves none out.
    """
    return (*dict.fromkeys([*members_of(team, at), *map(group_subject, team.idp_groups)]),)


def token_scope(role: TokenRole) -> GrantScope:
    """Return the scope of a role of an API token."""
    kind = KINDS_BY_ENTITY[role.entity_type]
    return GrantScope(kind.name, role.entity_id, role.deployment_id, role.folder) if kind.id_key else ORGANIZATION


def role_permissions(document: PolicyDocument) -> dict[str, int]:
    """Return the permissions of every role, built-in and custom, as a set.

    A word of Astro that Airflow never checks gives nothing here.
    """
    found = {name: role.permissions for name, role in BUILT_IN.items()}
    for role in document.roles:
        found[role.name] = mask_of_words(role.permissions, role.scope)
    return found
