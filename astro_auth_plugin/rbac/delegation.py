"""Who may change access: which roles a subject may give to others, and so whose account or API token it may change.

An account is a way to access: whoever sets the password or the e-mail of an account can act as that person. So an
account may be changed only by somebody who could give away every role that the person holds. Only what the actor
holds in this Deployment's Workspace counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from astro_auth_plugin.rbac.engine import Engine
from astro_auth_plugin.rbac.policy_checks import LEVEL_OF_ENTITY
from astro_auth_plugin.rbac.policy_document import TokenRole
from astro_auth_plugin.rbac.roles import BUILT_IN, Level, Role
from astro_auth_plugin.rbac.subjects import user_subject

# Everybody who signs in is an Organization Member, whether the policy says so or not.
_EVERYBODYS_ROLE = "ORGANIZATION_MEMBER"


class Given(NamedTuple):
    """A role that the policy gives to somebody, anywhere in the Organization."""

    role: str
    level: Level
    place: str


def may_change_accounts(engine: Engine, actor: str, groups: frozenset[str] = frozenset()) -> bool:
    """Whether a subject, with these groups, may give any role at all here, and so may open the pages of accounts."""
    return any(True for _ in _giving_roles(engine, actor, groups))


def roles_beyond(
    engine: Engine,
    actor: str,
    email: str,
    *,
    groups: frozenset[str] = frozenset(),
    account_groups: frozenset[str] = frozenset(),
) -> tuple[Given, ...]:
    """Return the roles of a person that a subject may not give.

    Without any, the subject may change the person's account, if it may change accounts at all: nobody needs a role to
    be empty-handed.

    Args:
        engine: the engine of this Deployment.
        actor: the subject who wants to change the account.
        email: the e-mail of the account, before or after the change; both have to be asked about.
        groups: the groups of the actor.
        account_groups: the groups of the account: they are a way to roles as the e-mail is.
    """
    return _beyond(engine, actor, groups, _given(engine, user_subject(email), account_groups))


def token_roles_beyond(engine: Engine, actor: str, roles: Iterable[TokenRole]) -> tuple[Given, ...]:
    """Return those roles of an API token that a subject may not give, as far as it is no group that lets the subject.

    Without any, the subject may make the token, and be told its secret. What one may give one holds, so a token never
    reaches further than whoever made it.
    """
    return _beyond(engine, actor, frozenset(), map(_given_to_token, roles))


def _beyond(engine: Engine, actor: str, groups: frozenset[str], wanted: Iterable[Given]) -> tuple[Given, ...]:
    giving = tuple(_giving_roles(engine, actor, groups))
    return tuple(given for given in wanted if not any(_may_give(engine, role, given) for role in giving))


def _giving_roles(engine: Engine, actor: str, groups: frozenset[str]) -> Iterator[Role]:
    # Custom roles never give roles, whatever they hold. The roles that do hold everything in Airflow where they
    # reach, so nobody can give here what they do not hold.
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
    # Only a role on a Dag or tag has a Deployment of its own; for the others the entity is the place.
    return Given(role.role, LEVEL_OF_ENTITY[role.entity_type], role.deployment_id or role.entity_id)


def _given(engine: Engine, subject: str, groups: frozenset[str]) -> Iterator[Given]:
    for holder in engine.holders(subject, groups):
        if holder.organization_role and holder.organization_role != _EVERYBODYS_ROLE:
            yield Given(holder.organization_role, "ORGANIZATION", "")
        for workspace in holder.workspace_roles:
            yield Given(workspace.role, "WORKSPACE", workspace.workspace_id)
        for deployment in holder.deployment_roles:
            yield Given(deployment.role, "DEPLOYMENT", deployment.deployment_id)
        for dag in holder.dag_roles:
            yield Given(dag.role, "DAG", dag.deployment_id)
