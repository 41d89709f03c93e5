"""What the resources of a Terraform state or answers of Astro's API say about who may do what, gathered by id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError

from astro_auth_plugin.cli.importers import astro_shapes as shapes
from astro_auth_plugin.cli.importers.terraform_state import Resource
from astro_auth_plugin.cli.output import count
from astro_auth_plugin.rbac.model.subjects import is_email, normalize_email

# How many members of a Team the provider's data sources have at most: the first page of Astro's API.
_PAGE = 20


@dataclass(slots=True)
class Said:
    """What is said of the roles of one user or Team: every different answer.

    Attributes:
        managed: by resources that set all its roles.
        bare: by an `astro_team` without roles below the Organization: `astro_team_roles` may set them after it.
        read: by data sources. Those with a filter have only the roles of their Workspace or Deployment.
    """

    managed: list[shapes.Roles] = field(default_factory=list)
    bare: list[shapes.Roles] = field(default_factory=list)
    read: list[shapes.Roles] = field(default_factory=list)


@dataclass(slots=True)
class Facts:
    """What is said, by id; `left_out` is what of it cannot be used, and why."""

    organizations: set[str] = field(default_factory=set)
    workspaces: dict[str, shapes.Workspace] = field(default_factory=dict)
    deployments: dict[str, shapes.Deployment] = field(default_factory=dict)
    custom_roles: list[shapes.CustomRole] = field(default_factory=list)
    teams: dict[str, shapes.Team | shapes.TeamData] = field(default_factory=dict)
    memberships: dict[str, set[str]] = field(default_factory=dict)
    roles_of_users: dict[str, Said] = field(default_factory=dict)
    roles_of_teams: dict[str, Said] = field(default_factory=dict)
    emails: dict[str, set[str]] = field(default_factory=dict)
    statuses: dict[str, set[str]] = field(default_factory=dict)
    invites: list[shapes.Invite] = field(default_factory=list)
    tokens: dict[str, shapes.ApiToken] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def user(self, user: shapes.User) -> None:
        """Take a user: its roles, and its e-mail, which is the user name in Astro."""
        self.email(user.id, user.username)
        self.statuses.setdefault(user.id, set()).add(user.status or "ACTIVE")
        _add(self.said_of_user(user.id).read, user)

    def email(self, user_id: str, text: str) -> None:
        """Take an e-mail, if it is one."""
        if is_email(text):
            self.emails.setdefault(user_id, set()).add(normalize_email(text))

    def invite(self, invite: shapes.Invite) -> None:
        """Take an invite, which may have been accepted."""
        self.invites.append(invite)
        self.email(invite.user_id, invite.email)

    def team(self, team: shapes.Team) -> None:
        """Take a Team that the state manages."""
        self.teams[team.id] = team
        said = self.said_of_team(team.id)
        _add(said.managed if team.each() else said.bare, team)

    def team_data(self, team: shapes.TeamData) -> None:
        """Take a Team as a data source has it, and the e-mails of its members."""
        self.teams.setdefault(team.id, team)
        self.organization(team.organization_id)
        _add(self.said_of_team(team.id).read, team)
        for member in team.team_members:
            self.member(team.id, member)
        if len(team.team_members) == _PAGE:
            self.left_out.append(
                f"Team `{team.name}`: its data source has {_PAGE} members at most, so there may be more"
            )

    def member(self, team_id: str, member: shapes.TeamMember) -> None:
        """Take a member of a Team, and its e-mail where it is known."""
        self.memberships.setdefault(team_id, set()).add(member.user_id)
        self.email(member.user_id, member.username)

    def organization(self, organization_id: str) -> None:
        """Take the id of the Organization, where it is known."""
        self.organizations |= {organization_id} - {""}

    def said_of_user(self, user_id: str) -> Said:
        """Return what is said of a user's roles, to add to it."""
        return self.roles_of_users.setdefault(user_id, Said())

    def said_of_team(self, team_id: str) -> Said:
        """Return what is said of a Team's roles, to add to it."""
        return self.roles_of_teams.setdefault(team_id, Said())

    def token(self, token: shapes.ApiToken) -> None:
        """Take a token, which also has the Organization."""
        self.tokens.setdefault(token.id or f"{token.name} {len(self.tokens)}", token)
        self.organizations |= {role.entity_id for role in token.roles if role.entity_type == "ORGANIZATION"}


def _add(known: list[shapes.Roles], found: shapes.Roles) -> None:
    roles = _only_roles(found)
    if roles not in known:
        known.append(roles)


def _only_roles(found: shapes.Roles) -> shapes.Roles:
    """Return the roles alone, in one order: Terraform's sets have none."""
    values = found.model_dump(include=set(shapes.Roles.model_fields))
    return shapes.Roles.model_validate(
        {
            key: sorted(value, key=lambda role: sorted(role.items())) if isinstance(value, list) else value
            for key, value in values.items()
        }
    )


def gather(resources: Iterable[Resource]) -> Facts:
    """Return what resources say; unknown and unreadable ones are listed in `left_out`."""
    facts, other, attributes = Facts(), Counter[str](), Counter[tuple[str, str]]()
    for resource in resources:
        name = resource.kind.removeprefix("data.").removeprefix("astro_")
        if resource.kind in _LISTS or resource.kind in _READERS:
            for each in _singly(facts, resource):
                attributes.update((resource.address, key) for key in _take(facts, each))
        elif "astro_" not in resource.kind:
            other["other providers"] += 1
        elif name in _NOT_NEEDED:
            other[f"`{resource.kind}`, {_NOT_NEEDED[name]}"] += 1
        else:
            facts.left_out.append(f"{resource.address}: its type is not known; check what access it gives")
    facts.left_out += [
        f"{address}: `{key}` is not known, so it is not used ({count(number, 'time')}); check what access it gives"
        for (address, key), number in sorted(attributes.items())
    ]
    facts.left_out += [f"{count(number, 'resource')} of {what}" for what, number in sorted(other.items())]
    return facts


def _singly(facts: Facts, resource: Resource) -> Iterator[Resource]:
    """Yield each entry of a list as a data source of its own, so that an odd one does not take the others along."""
    if resource.kind not in _LISTS:
        yield resource
        return
    key, kind = _LISTS[resource.kind]
    entries = resource.values.get(key)
    if not isinstance(entries, list):
        facts.left_out.append(f"{resource.address}: its values are not as expected: {key}")
        return
    yield from (Resource(kind, f"{resource.address}.{key}[{at}]", entry) for at, entry in enumerate(entries))


def _take(facts: Facts, resource: Resource) -> Iterable[str]:
    """Take what a resource says; return which attributes of it are not understood."""
    shape, take = _READERS[resource.kind]
    try:
        found = shape.model_validate(resource.values)
    except ValidationError as error:
        # Without the values: a state has secrets.
        places = ", ".join(".".join(map(str, problem["loc"])) for problem in error.errors(include_input=False))
        facts.left_out.append(f"{resource.address}: its values are not as expected: {places or 'no object'}")
        return ()
    if _has_expression(found.model_dump()):
        facts.left_out.append(f"{resource.address}: it has expressions; a state has their values")
        return ()
    if isinstance(found, shapes.CustomRole) and found.not_understood:
        # What is not understood may restrict it.
        facts.left_out.append(f"{resource.address}: {_unknown(found)}, so the role `{found.name}` is not used")
        return ()
    unknown = _without_unknown_grants(facts, resource.address, found) if isinstance(found, shapes.Shape) else []
    take(facts, found)
    return unknown


def _without_unknown_grants(facts: Facts, address: str, found: shapes.Shape) -> list[str]:
    """Take out grants with an attribute that is not understood; return what else is not understood."""
    unknown = list(found.not_understood)
    for key, entries in found:
        for each in list(entries) if isinstance(entries, list) else ():
            if isinstance(each, shapes.Grant) and each.not_understood:
                entries.remove(each)
                facts.left_out.append(f"{address}: {_unknown(each)}, so {each} is not used")
            elif isinstance(each, shapes.Shape):
                unknown += [f"{key}.{name}" for name in each.not_understood]
    return unknown


def _unknown(found: shapes.Shape) -> str:
    return f"{', '.join(f'`{name}`' for name in found.not_understood)} is not known"


def _has_expression(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_expression, value.values()))
    if isinstance(value, list):
        return any(map(_has_expression, value))
    return isinstance(value, str) and "${" in value


def _workspace(facts: Facts, found: shapes.Workspace) -> None:
    facts.workspaces[found.id] = found
    facts.organization(found.organization_id)


def _deployment(facts: Facts, found: shapes.Deployment) -> None:
    facts.deployments[found.id] = found
    facts.organization(found.organization_id)


def _custom_role(facts: Facts, found: shapes.CustomRole) -> None:
    facts.custom_roles.append(found)


_LISTS: Mapping[str, tuple[str, str]] = {
    "data.astro_api_tokens": ("api_tokens", "data.astro_api_token"),
    "data.astro_deployments": ("deployments", "data.astro_deployment"),
    "data.astro_teams": ("teams", "data.astro_team"),
    "data.astro_users": ("users", "data.astro_user"),
    "data.astro_users_list": ("users", "data.astro_user"),
    "data.astro_workspaces": ("workspaces", "data.astro_workspace"),
}
_READERS: Mapping[str, tuple[type[BaseModel], Callable[[Facts, Any], None]]] = {
    "astro_api_token": (shapes.ApiToken, Facts.token),
    "astro_custom_role": (shapes.CustomRole, _custom_role),
    "astro_deployment": (shapes.Deployment, _deployment),
    "astro_team": (shapes.Team, Facts.team),
    "astro_team_membership": (shapes.TeamMembership, lambda facts, found: facts.member(found.team_id, found)),
    "astro_team_roles": (
        shapes.TeamRoles,
        lambda facts, found: _add(facts.said_of_team(found.team_id).managed, found),
    ),
    "astro_user_invite": (shapes.Invite, Facts.invite),
    "astro_user_roles": (
        shapes.UserRoles,
        lambda facts, found: _add(facts.said_of_user(found.user_id).managed, found),
    ),
    "astro_workspace": (shapes.Workspace, _workspace),
    "data.astro_api_token": (shapes.ApiToken, Facts.token),
    "data.astro_custom_role": (shapes.CustomRole, _custom_role),
    "data.astro_deployment": (shapes.Deployment, _deployment),
    "data.astro_organization": (shapes.Organization, lambda facts, found: facts.organization(found.id)),
    "data.astro_team": (shapes.TeamData, Facts.team_data),
    "data.astro_user": (shapes.User, Facts.user),
    "data.astro_workspace": (shapes.Workspace, _workspace),
}
_NOTHING = "which a policy does not need"
_NOT_NEEDED: Mapping[str, str] = {
    "agent_token": "a token of Remote Execution agents, which gives users nothing",
    "alert": _NOTHING,
    "alerts": _NOTHING,
    "allowed_ip_address_ranges": "which the proxy in front of Airflow has to check",
    "cluster": _NOTHING,
    "cluster_options": _NOTHING,
    "clusters": _NOTHING,
    "deployment_options": _NOTHING,
    "environment_object": _NOTHING,
    "environment_objects": _NOTHING,
    "hybrid_cluster_workspace_authorization": _NOTHING,
    "notification_channel": _NOTHING,
    "notification_channels": _NOTHING,
}
