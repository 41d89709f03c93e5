"""Who may change access: which roles a subject may give to others, and so whose account or API token it may change.

An account is a way to access: anyone who sets the password or the e-mail of an account can act as that person. So an
account may be changed only by a Workspace Owner or Organization Owner who could give away every role that the person
has. An API token may be made by those who may give its roles, and besides, never beyond their own access, by
Workspace Operators and by custom roles with `deployment.apiTokens.*`. Only what the actor has in this Deployment's
Workspace is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.permissions import ASTRO_WORDS
from astro_auth_plugin.rbac.model.roles import ACCESSOR_PERMISSIONS, BUILT_IN, Level, Role
from astro_auth_plugin.rbac.model.scopes import KINDS, KINDS_BY_ENTITY
from astro_auth_plugin.rbac.model.subjects import user_subject
from astro_auth_plugin.rbac.policy.document import TokenRole
from astro_auth_plugin.rbac.policy.grants import token_scope

# Everybody who signs in is an Organization Member, whether the policy says so or not.
_EVERYBODYS_ROLE = "ORGANIZATION_MEMBER"


TokenChange = Literal["create", "rotate", "delete"]
"""What can be done to an API token, as the verbs of `deployment.apiTokens` have it."""


class Given(NamedTuple):
    """A role that the policy gives to a user, anywhere in the Organization."""

    role: str
    level: Level
    place: str


def may_change_accounts(engine: Engine, actor: str, groups: frozenset[str] = frozenset()) -> bool:
    """Whether a subject, with these groups, may change any account here, and so may open the pages of accounts."""
    return any(role.changes_accounts for role in _giving_roles(engine, actor, groups))


def levels_given(engine: Engine, actor: str, groups: frozenset[str] = frozenset()) -> frozenset[Level]:
    """Return the levels at which a subject, with these groups, may give roles here; not all of them in every place."""
    return frozenset[Level]().union(*(role.gives for role in _giving_roles(engine, actor, groups)))


def given_beyond(
    engine: Engine, actor: str, wanted: Iterable[Given], *, groups: frozenset[str] = frozenset()
) -> tuple[Given, ...]:
    """Return those roles that a subject, with these groups, may neither give nor take away."""
    return _beyond(engine, actor, groups, wanted)


def roles_beyond(
    engine: Engine,
    actor: str,
    email: str,
    *,
    groups: frozenset[str] = frozenset(),
    account_groups: frozenset[str] = frozenset(),
) -> tuple[Given, ...]:
    """Return the roles of a person that a subject may not give.

    Without any, the subject may change the person's account, if it may change accounts at all: then the
    person has no roles.

    Args:
        engine: the engine of this Deployment.
        actor: the subject who wants to change the account.
        email: the e-mail of the account, before or after the change; both have to be checked.
        groups: the groups of the actor.
        account_groups: the groups of the account: they are a way to roles as the e-mail is.
    """
    return _beyond(engine, actor, groups, _given_to_person(engine, user_subject(email), account_groups))


def token_roles_beyond(
    engine: Engine, actor: str, roles: Iterable[TokenRole], change: TokenChange = "create"
) -> tuple[Given, ...]:
    """Return those roles of an API token that a subject may not give, without counting groups of the subject.

    Without any, the subject may make this change of the token, and see its secret. What one may give one has, so a
    token never reaches further than the person who made it.
    """
    giving = tuple(_giving_roles(engine, actor, frozenset()))
    return tuple(
        given
        for role, given in ((role, _given_to_token(role)) for role in roles)
        if not any(_may_give(engine, one, given) for one in giving)
        and not _may_give_as_workspace_role(engine, actor, given)
        and not _may_give_as_custom_role(engine, actor, role, given, change)
    )


def givers(engine: Engine) -> frozenset[str]:
    """Return the subjects whom the policy names with a role that gives roles, here or elsewhere."""
    return engine.subjects_with(lambda grant: bool(grant.role in BUILT_IN and BUILT_IN[grant.role].gives))


def may_make_tokens(engine: Engine, actor: str) -> bool:
    """Whether a subject may make any API token here, without counting groups of the subject."""
    grants = engine.access(actor).grants
    roles = (BUILT_IN[grant.role] for grant in grants if grant.role in BUILT_IN)
    words = astro_words(engine, (grant.role for grant in grants))
    return any(role.gives or role.gives_tokens for role in roles) or "deployment.apiTokens.create" in words


def _may_give_as_workspace_role(engine: Engine, actor: str, given: Given) -> bool:
    if given.level != "WORKSPACE" or given.place != engine.workspace_id:
        return False
    wanted = BUILT_IN[given.role]
    for grant in engine.access(actor).grants:
        own = BUILT_IN.get(grant.role)
        if (
            own
            and given.level in own.gives_tokens
            and not wanted.permissions & ~own.permissions
            and wanted.gives <= own.gives
        ):
            return True
    return False


def _may_give_as_custom_role(engine: Engine, actor: str, role: TokenRole, given: Given, change: TokenChange) -> bool:
    access = engine.access(actor)
    words = astro_words(engine, (grant.role for grant in access.grants))
    if f"deployment.apiTokens.{change}" not in words or role.entity_type in ("ORGANIZATION", "WORKSPACE"):
        return False
    # A change may give a role, or one in a Deployment, that the policy before it does not know.
    if given.place != engine.deployment_id or not engine.knows_role(given.role):
        return False
    if not astro_words(engine, [given.role]) <= words:
        return False
    built_in = BUILT_IN.get(given.role)
    if built_in and built_in.gives:
        return False
    scope, deployment_wide = token_scope(role), access.deployment_wide
    permissions, held = scope.narrowed(engine.permissions_of(given.role)), deployment_wide
    if scope.is_deployment_wide:
        return not permissions & ~held
    # What is held on a prefix is held on what begins with it.
    around = [each for each in engine.enclosing(scope) if not each.is_deployment_wide]
    for grant in access.grants:
        held |= grant.permissions if grant.scope in around else 0
    return not (permissions & ~held or ACCESSOR_PERMISSIONS & ~deployment_wide)


def astro_words(engine: Engine, roles: Iterable[str]) -> frozenset[str]:
    """Return the permissions that custom roles have in Astro, and not in Airflow."""
    wanted = frozenset(roles)
    words = (word for custom in engine.policy.document.roles if custom.name in wanted for word in custom.permissions)
    return ASTRO_WORDS.intersection(words)


def _beyond(engine: Engine, actor: str, groups: frozenset[str], wanted: Iterable[Given]) -> tuple[Given, ...]:
    giving = tuple(_giving_roles(engine, actor, groups))
    return tuple(given for given in wanted if not any(_may_give(engine, role, given) for role in giving))


def _giving_roles(engine: Engine, actor: str, groups: frozenset[str]) -> Iterator[Role]:
    # Custom roles never give roles to people, whatever they have. The roles that do have everything in Airflow where
    # they reach, so no user can give here what they do not have.
    for grant in engine.access(actor, groups).grants:
        role = BUILT_IN.get(grant.role)
        if role and role.gives:
            yield role


def _may_give(engine: Engine, role: Role, given: Given) -> bool:
    if given.level not in role.gives:
        return False
    if role.level == "ORGANIZATION":
        return True
    if given.level == "WORKSPACE":
        return given.place == engine.workspace_id
    if role.level == "WORKSPACE":
        return engine.workspace_of(given.place) == engine.workspace_id
    return given.place == engine.deployment_id


def _given_to_token(role: TokenRole) -> Given:
    # Only a role on Dags or objects has a Deployment of its own; for the others the entity is the place.
    return Given(role.role, KINDS_BY_ENTITY[role.entity_type].level, role.deployment_id or role.entity_id)


def _given_to_person(engine: Engine, subject: str, groups: frozenset[str]) -> Iterator[Given]:
    for grant in engine.all_grants(subject, groups):
        if grant.role != _EVERYBODYS_ROLE:
            yield Given(grant.role, KINDS[grant.scope.kind].level, grant.scope.deployment_id or grant.scope.id)
