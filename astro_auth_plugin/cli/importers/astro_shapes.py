"""The values that are read of Astronomer's Terraform resources and Astro's API, in the words of the provider."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

# Terraform writes null where nothing is set.
_Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]


def _no_list(value: Any) -> Any:
    return [] if value is None else value


_List = BeforeValidator(_no_list)
_HISTORY = ("created_at", "created_by", "updated_at", "updated_by")


class _Place(BaseModel):
    """An Organization, a Workspace or a Deployment: it gives nothing to users, so the rest of it is not looked at."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class Shape(BaseModel):
    """What may give access.

    Attributes:
        harmless: attributes that are not read and give nothing.
        not_understood: the names of all others that are set. No values: a state has secrets.
    """

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)
    harmless: ClassVar[frozenset[str]] = frozenset()
    not_understood: tuple[str, ...] = Field(default=(), exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _name_the_rest(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        read = cls.model_fields.keys() - {"not_understood"}
        rest = sorted(key for key in values.keys() - read - cls.harmless if values[key] not in (None, "", [], {}))
        return {key: values[key] for key in values.keys() & read} | {"not_understood": tuple(rest)}


class Grant(Shape):
    """A role somewhere. One with an attribute that is not understood may give less than the same without it."""


class WorkspaceRole(Grant):
    """A role in a Workspace."""

    workspace_id: str
    role: str

    def __str__(self) -> str:
        return f"{self.role} on `{self.workspace_id}`"


class DeploymentRole(Grant):
    """A role in a Deployment."""

    deployment_id: str
    role: str

    def __str__(self) -> str:
        return f"{self.role} on `{self.deployment_id}`"


class DagRole(Grant):
    """A role on a Dag or tag."""

    deployment_id: str
    dag_id: _Text = ""
    tag: _Text = ""
    role: str

    def __str__(self) -> str:
        where = f"tag `{self.tag}`" if self.tag else f"Dag `{self.dag_id}`"
        return f"{self.role} on {where} in `{self.deployment_id}`"


class Roles(Shape):
    """What a user has."""

    organization_role: _Text = ""
    workspace_roles: Annotated[list[WorkspaceRole], _List] = []
    deployment_roles: Annotated[list[DeploymentRole], _List] = []
    dag_roles: Annotated[list[DagRole], _List] = []

    def each(self) -> set[WorkspaceRole | DeploymentRole | DagRole]:
        """Return the roles below the Organization."""
        return {*self.workspace_roles, *self.deployment_roles, *self.dag_roles}

    def __str__(self) -> str:
        return ", ".join(filter(None, [self.organization_role, *sorted(map(str, self.each()))])) or "no role"


class UserRoles(Roles):
    """`astro_user_roles`."""

    user_id: str


class TeamRoles(Roles):
    """`astro_team_roles`."""

    team_id: str


class User(Roles):
    """`data.astro_user`, and an entry of `data.astro_users` and `data.astro_users_list`."""

    harmless = frozenset({"full_name", "avatar_url", "created_at", "updated_at"})
    id: str
    username: _Text = ""
    status: _Text = ""


class Invite(Shape):
    """`astro_user_invite`."""

    harmless = frozenset({"expires_at", "invite_id", "invitee", "inviter"})
    email: str
    role: _Text = ""
    user_id: _Text = ""


class _AnyTeam(Roles):
    harmless = frozenset({"roles_count", *_HISTORY})
    id: str
    organization_id: _Text = ""
    name: str
    description: _Text = ""
    is_idp_managed: bool | None = None


class Team(_AnyTeam):
    """`astro_team`."""

    member_ids: Annotated[list[str], _List] = []


class TeamMember(Shape):
    """An entry of the members that a data source has of a Team."""

    harmless = frozenset({"id", "full_name", "avatar_url", "created_at"})
    user_id: str
    username: _Text = ""


class TeamData(_AnyTeam):
    """`data.astro_team`, and an entry of `data.astro_teams`."""

    team_members: Annotated[list[TeamMember], _List] = []


class TeamMembership(TeamMember):
    """`astro_team_membership`, and an entry of the members that the API has of a Team."""

    team_id: str


class Workspace(_Place):
    """`astro_workspace`, its data source, and an entry of `data.astro_workspaces`."""

    id: str
    organization_id: _Text = ""
    name: _Text = ""


class Deployment(_Place):
    """`astro_deployment`, its data source, and an entry of `data.astro_deployments`."""

    id: str
    organization_id: _Text = ""
    name: _Text = ""
    workspace_id: str


class CustomRole(Shape):
    """`astro_custom_role` and its data source."""

    harmless = frozenset({"id", *_HISTORY})
    name: str
    description: _Text = ""
    scope_type: str
    permissions: list[str]
    restricted_workspace_ids: Annotated[list[str], _List] = []


class TokenRole(Grant):
    """A role of an API token."""

    role: str
    entity_type: str
    entity_id: str
    deployment_id: _Text = ""

    def __str__(self) -> str:
        # The provider says TAG where Astro's API says DAG_TAG.
        entity_type = "DAG_TAG" if self.entity_type == "TAG" else self.entity_type
        where = f" in `{self.deployment_id}`" if self.deployment_id else ""
        return f"{self.role} on {entity_type} `{self.entity_id}`{where}"


class ApiToken(Shape):
    """`astro_api_token`, its data source, and an entry of `data.astro_api_tokens`.

    Without its secret: that is in the state, and is not looked at.
    """

    harmless = frozenset(
        {"description", "type", "scope", "kind", "token", "short_token", "start_at", "expiry_period_in_days", *_HISTORY}
    ) | {"last_used_at", "last_rotated_at"}
    id: _Text = ""
    name: str
    end_at: _Text = ""
    roles: Annotated[list[TokenRole], _List] = []


class Organization(_Place):
    """`data.astro_organization`."""

    id: str
