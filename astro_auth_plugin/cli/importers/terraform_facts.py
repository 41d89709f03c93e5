"""What the resources of a Terraform state say about who may do what, gathered by id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError

from astro_auth_plugin.cli.importers import terraform_shapes as shapes
from astro_auth_plugin.cli.importers.terraform_state import Resource
from astro_auth_plugin.cli.output import count
from astro_auth_plugin.rbac.model.subjects import is_email, normalize_email

_INACTIVE = ("BANNED", "INACTIVE", "PENDING")


@dataclass(slots=True)
class Facts:
    """What a state says, by id; `left_out` is what of it cannot be used, and why.

    `roles_of_users` and `roles_of_teams` have every different answer: with two of them it is unknown which is true.
    """

    organizations: set[str] = field(default_factory=set)
    workspaces: dict[str, shapes.Workspace] = field(default_factory=dict)
    deployments: dict[str, shapes.Deployment] = field(default_factory=dict)
    custom_roles: list[shapes.CustomRole] = field(default_factory=list)
    teams: dict[str, shapes.Team | shapes.TeamData] = field(default_factory=dict)
    memberships: set[tuple[str, str]] = field(default_factory=set)
    roles_of_users: dict[str, list[shapes.Roles]] = field(default_factory=dict)
    roles_of_teams: dict[str, list[shapes.Roles]] = field(default_factory=dict)
    emails: dict[str, set[str]] = field(default_factory=dict)
    inactive: set[str] = field(default_factory=set)
    tokens: list[shapes.ApiToken] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def user(self, user: shapes.User) -> None:
        """Take the e-mail of a user; Astro's user names are e-mails."""
        self.email(user.id, user.username)
        if user.status in _INACTIVE:
            self.inactive.add(user.id)

    def email(self, user_id: str, text: str) -> None:
        """Take an e-mail, if it is one."""
        if is_email(text):
            self.emails.setdefault(user_id, set()).add(normalize_email(text))

    def team(self, team: shapes.Team) -> None:
        """Take a Team that the state manages, with what it has."""
        self.teams[team.id] = team
        self.roles(self.roles_of_teams, team.id, team)

    def team_data(self, team: shapes.TeamData) -> None:
        """Take a Team that is managed elsewhere, and the e-mails of its people."""
        self.teams.setdefault(team.id, team)
        for member in team.team_members:
            self.email(member.user_id, member.username)

    @staticmethod
    def roles(known: dict[str, list[shapes.Roles]], holder_id: str, found: shapes.Roles) -> None:
        """Take what a user has, unless the same has been said before."""
        roles = shapes.Roles.model_validate(_sorted(found))
        if roles not in known.setdefault(holder_id, []):
            known[holder_id].append(roles)

    def token(self, token: shapes.ApiToken) -> None:
        """Take a token, which also has the Organization."""
        self.tokens.append(token)
        self.organizations |= {role.entity_id for role in token.roles if role.entity_type == "ORGANIZATION"}


def _sorted(roles: shapes.Roles) -> dict[str, Any]:
    """Return what a user has in one order: Terraform's sets have none."""
    values = roles.model_dump(include=set(shapes.Roles.model_fields))
    return {
        key: sorted(value, key=lambda role: sorted(role.items())) if isinstance(value, list) else value
        for key, value in values.items()
    }


def gather(resources: Iterable[Resource]) -> Facts:
    """Return what resources say; unknown and unreadable ones are listed in `left_out`."""
    facts, unknown = Facts(), Counter[str]()
    for resource in resources:
        if resource.kind in _READERS:
            _take(facts, resource)
        else:
            unknown[resource.kind if "astro_" in resource.kind else ""] += 1
    for kind, number in sorted(unknown.items()):
        what = f"`{kind}`, which a policy does not need" if kind else "other providers"
        facts.left_out.append(f"{count(number, 'resource')} of {what}")
    return facts


def _take(facts: Facts, resource: Resource) -> None:
    shape, take = _READERS[resource.kind]
    try:
        found = shape.model_validate(resource.values)
    except ValidationError as error:
        # Without the values: a state has secrets.
        places = ", ".join(".".join(map(str, problem["loc"])) for problem in error.errors(include_input=False))
        facts.left_out.append(f"{resource.address}: its values are not as expected: {places}")
        return
    if _has_expression(found.model_dump()):
        facts.left_out.append(f"{resource.address}: it has expressions; a state has their values")
    else:
        take(facts, found)


def _has_expression(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_expression, value.values()))
    if isinstance(value, list):
        return any(map(_has_expression, value))
    return isinstance(value, str) and "${" in value


def _each(take: Callable[[Facts, Any], None], key: str) -> Callable[[Facts, Any], None]:
    def take_all(facts: Facts, value: Any) -> None:
        for each in getattr(value, key):
            take(facts, each)

    return take_all


def _workspace(facts: Facts, found: shapes.Workspace) -> None:
    facts.workspaces[found.id] = found


def _deployment(facts: Facts, found: shapes.Deployment) -> None:
    facts.deployments[found.id] = found


_READERS: Mapping[str, tuple[type[BaseModel], Callable[[Facts, Any], None]]] = {
    "astro_api_token": (shapes.ApiToken, Facts.token),
    "astro_custom_role": (shapes.CustomRole, lambda facts, found: facts.custom_roles.append(found)),
    "astro_deployment": (shapes.Deployment, _deployment),
    "astro_team": (shapes.Team, Facts.team),
    "astro_team_membership": (
        shapes.TeamMembership,
        lambda facts, found: facts.memberships.add((found.team_id, found.user_id)),
    ),
    "astro_team_roles": (
        shapes.TeamRoles,
        lambda facts, found: facts.roles(facts.roles_of_teams, found.team_id, found),
    ),
    "astro_user_invite": (shapes.Invite, lambda facts, found: facts.email(found.user_id, found.email)),
    "astro_user_roles": (
        shapes.UserRoles,
        lambda facts, found: facts.roles(facts.roles_of_users, found.user_id, found),
    ),
    "astro_workspace": (shapes.Workspace, _workspace),
    "data.astro_custom_role": (shapes.CustomRole, lambda facts, found: facts.custom_roles.append(found)),
    "data.astro_deployment": (shapes.Deployment, _deployment),
    "data.astro_deployments": (shapes.Deployments, _each(_deployment, "deployments")),
    "data.astro_organization": (shapes.Organization, lambda facts, found: facts.organizations.add(found.id)),
    "data.astro_team": (shapes.TeamData, Facts.team_data),
    "data.astro_teams": (shapes.Teams, _each(Facts.team_data, "teams")),
    "data.astro_user": (shapes.User, Facts.user),
    "data.astro_users": (shapes.Users, _each(Facts.user, "users")),
    "data.astro_users_list": (shapes.Users, _each(Facts.user, "users")),
    "data.astro_workspace": (shapes.Workspace, _workspace),
    "data.astro_workspaces": (shapes.Workspaces, _each(_workspace, "workspaces")),
}
