"""The values that are read of Astronomer's Terraform resources, in the words of their provider."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

# Terraform writes null where nothing is set.
_Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]


def _no_list(value: Any) -> Any:
    return [] if value is None else value


class _Shape(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class WorkspaceRole(_Shape):
    """A role in a Workspace."""

    workspace_id: str
    role: str


class DeploymentRole(_Shape):
    """A role in a Deployment."""

    deployment_id: str
    role: str


class DagRole(_Shape):
    """A role on a Dag or tag."""

    deployment_id: str
    dag_id: _Text = ""
    tag: _Text = ""
    role: str


class Roles(_Shape):
    """What a user has."""

    organization_role: _Text = ""
    workspace_roles: Annotated[list[WorkspaceRole], BeforeValidator(_no_list)] = []
    deployment_roles: Annotated[list[DeploymentRole], BeforeValidator(_no_list)] = []
    dag_roles: Annotated[list[DagRole], BeforeValidator(_no_list)] = []


class UserRoles(Roles):
    """`astro_user_roles`."""

    user_id: str


class TeamRoles(Roles):
    """`astro_team_roles`."""

    team_id: str


class User(_Shape):
    """`data.astro_user`, and an entry of `data.astro_users` and `data.astro_users_list`."""

    id: str
    username: _Text = ""
    status: _Text = ""


class Users(_Shape):
    """`data.astro_users` and `data.astro_users_list`."""

    users: list[User]


class Invite(_Shape):
    """`astro_user_invite`."""

    email: str
    user_id: _Text = ""


class Team(Roles):
    """`astro_team`."""

    id: str
    name: str
    description: _Text = ""
    is_idp_managed: bool | None = None
    member_ids: Annotated[list[str], BeforeValidator(_no_list)] = []


class TeamMember(_Shape):
    """An entry of the members that a data source has of a Team."""

    user_id: str
    username: _Text = ""


class TeamData(_Shape):
    """`data.astro_team`, and an entry of `data.astro_teams`. What it has belongs to anyone who manages it."""

    id: str
    name: str
    description: _Text = ""
    is_idp_managed: bool | None = None
    team_members: Annotated[list[TeamMember], BeforeValidator(_no_list)] = []


class Teams(_Shape):
    """`data.astro_teams`."""

    teams: list[TeamData]


class TeamMembership(_Shape):
    """`astro_team_membership`."""

    team_id: str
    user_id: str


class Workspace(_Shape):
    """`astro_workspace`, its data source, and an entry of `data.astro_workspaces`."""

    id: str
    name: _Text = ""


class Workspaces(_Shape):
    """`data.astro_workspaces`."""

    workspaces: list[Workspace]


class Deployment(_Shape):
    """`astro_deployment`, its data source, and an entry of `data.astro_deployments`."""

    id: str
    name: _Text = ""
    workspace_id: str


class Deployments(_Shape):
    """`data.astro_deployments`."""

    deployments: list[Deployment]


class CustomRole(_Shape):
    """`astro_custom_role` and its data source."""

    name: str
    description: _Text = ""
    scope_type: str
    permissions: list[str]
    restricted_workspace_ids: Annotated[list[str], BeforeValidator(_no_list)] = []


class TokenRole(_Shape):
    """A role of an API token."""

    role: str
    entity_type: str
    entity_id: str
    deployment_id: _Text = ""


class ApiToken(_Shape):
    """`astro_api_token`, without its secret: that is in the state, and is not looked at."""

    name: str
    roles: list[TokenRole]


class Organization(_Shape):
    """`data.astro_organization`."""

    id: str
