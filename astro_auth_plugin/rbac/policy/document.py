"""The shape of the policy file, as pydantic models; `policy_schema` makes its JSON Schema from them.

Words and shapes are those of Astro's public IAM API and Terraform provider. What one entry cannot know (whether an id
is listed, whether a role fits) is checked over the whole document in `checks`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, PydanticKnownError

from astro_auth_plugin.rbac.model.folders import LONGEST_FOLDER, fault_of_folder
from astro_auth_plugin.rbac.model.resources import (
    LONGEST_PREFIX,
    SEPARATORS,
    SHORTEST_PREFIX,
    fault_of_id,
    fault_of_prefix,
)
from astro_auth_plugin.rbac.model.subjects import is_email
from astro_auth_plugin.rbac.policy.tag_rules import fault

NEVER = "never"
"""What `expires_at` says of a token that does not expire."""

# What `tag_rules.fault` says, as far as an editor can know: no `/` at the beginning, no empty or dotted part, no `**`
# beside anything but `/`, and no character that other patterns know.
_FILE_PATTERN_SCHEMA = r"^(?!/)(?!(.*/)?\.{0,2}/)(?!(.*/)?\.{1,2}$)(?!.*[^/]\*\*)(?!.*\*\*[^/])[^\\?\[\]{}!]+$"
_TOKEN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def _email(value: str) -> str:
    if not is_email(value):
        raise PydanticCustomError("email", "`{value}` is not an e-mail address", {"value": value})
    return value


def _token_id(value: str) -> str:
    if not _TOKEN_ID.fullmatch(value):
        message = "a token id is 1 to 64 letters, digits, `-` or `_`, found `{value}`"
        raise PydanticCustomError("token_id", message, {"value": value})
    return value


def _protected_tag(value: str) -> str:
    if "*" in value[:-1]:
        message = "`*` is only allowed at the end of a protected tag, found `{value}`"
        raise PydanticCustomError("protected_tag", message, {"value": value})
    return value


def _file_pattern(value: str) -> str:
    why = fault(value)
    if why:
        raise PydanticCustomError("file_pattern", "invalid file pattern `{value}`: {why}", {"value": value, "why": why})
    return value


def _object_id(value: str) -> str:
    if why := fault_of_id(value):
        raise PydanticCustomError("object_id", "invalid id `{value}`: {why}", {"value": value, "why": why})
    return value


def _object_prefix(value: str) -> str:
    if why := fault_of_prefix(value):
        raise PydanticCustomError("object_prefix", "invalid prefix `{value}`: {why}", {"value": value, "why": why})
    return value


def _folder(value: str) -> str:
    if why := fault_of_folder(value):
        raise PydanticCustomError("folder", "invalid folder `{value}`: {why}", {"value": value, "why": why})
    return value


def _version(value: Any) -> int:
    if type(value) is not int or value != 1:
        raise PydanticCustomError("version", "expected the number 1, the only version of this format")
    return value


def _sha256(value: Any) -> str:
    # The value is not repeated: a user may have pasted the secret itself.
    if not isinstance(value, str) or not _SHA256.fullmatch(value.lower()):
        raise PydanticCustomError("sha256", "expected the 64 hex digits of a SHA-256, never the secret itself")
    return value.lower()


def _expiry(value: Any) -> datetime | None:
    """Return the time of expiry, None for `never`."""
    return None if value == NEVER else _time(value, ", or `never`")


def _end(value: Any) -> datetime:
    return _time(value, "")


def _time(value: Any, alternative: str) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, datetime):
        message = "expected a date with time, such as `2027-01-31T00:00:00Z`{alternative}"
        raise PydanticCustomError("expiry", message, {"alternative": alternative})
    if value.tzinfo is None:
        raise PydanticCustomError("expiry", "the time has no time zone; write `Z` after it for UTC")
    return value.astimezone(UTC)


Text = Annotated[str, Field(min_length=1)]
Email = Annotated[Text, AfterValidator(_email), WithJsonSchema({"type": "string", "format": "email"})]
Sha256 = Annotated[str, BeforeValidator(_sha256), WithJsonSchema({"type": "string", "pattern": "^[0-9a-fA-F]{64}$"})]
_TIME_SCHEMA = {"type": "string", "format": "date-time"}
Expiry = Annotated[Any, BeforeValidator(_expiry), WithJsonSchema({"anyOf": [_TIME_SCHEMA, {"const": NEVER}]})]
End = Annotated[Any, BeforeValidator(_end), WithJsonSchema(_TIME_SCHEMA)]
TagPattern = Annotated[
    Text, AfterValidator(_protected_tag), WithJsonSchema({"type": "string", "pattern": r"^([^*]+\*?|\*)$"})
]
FilePattern = Annotated[
    Text, AfterValidator(_file_pattern), WithJsonSchema({"type": "string", "pattern": _FILE_PATTERN_SCHEMA})
]
ObjectId = Annotated[Text, AfterValidator(_object_id), WithJsonSchema({"type": "string", "pattern": r"^.*[^*]$"})]
_PREFIX_SCHEMA = rf"^[^*]{{{SHORTEST_PREFIX - 1},{LONGEST_PREFIX - 1}}}[{SEPARATORS.replace('-', '')}-]$"
ObjectPrefix = Annotated[
    Text, AfterValidator(_object_prefix), WithJsonSchema({"type": "string", "pattern": _PREFIX_SCHEMA})
]
_FOLDER_SCHEMA = r"^(?!/)(?!(.*/)?(\.\.|\.?/))[^*]+/$"
Folder = Annotated[
    Text,
    AfterValidator(_folder),
    WithJsonSchema({"type": "string", "maxLength": LONGEST_FOLDER, "pattern": _FOLDER_SCHEMA}),
]
EntityType = Literal[
    "ORGANIZATION",
    "WORKSPACE",
    "DEPLOYMENT",
    "DAG",
    "DAG_TAG",
    "DAG_BUNDLE",
    "CONNECTION",
    "CONNECTION_PREFIX",
    "VARIABLE",
    "VARIABLE_PREFIX",
    "POOL",
    "POOL_PREFIX",
]


def _none(description: str | None = None) -> Any:
    # As a default, `[]` is copied by `copy.deepcopy` in every entry, which takes a tenth of a check.
    return Field(default_factory=list, description=description)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    if not value:
        raise PydanticKnownError("string_too_short", {"min_length": 1})
    return value


class _TextAlone:
    """Lets the schema of a mapping be text, too.

    Args:
        schema: of the text.
    """

    def __init__(self, schema: JsonSchemaValue) -> None:
        self._schema = schema

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        found = handler(schema)
        # A mapping that can be left out is not one that can be null.
        mapping = next((each for each in found.get("anyOf", ()) if "$ref" in each), found)
        return {"anyOf": [self._schema, mapping]}


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Workspace(_Entry):
    """A Workspace of the Organization."""

    id: Text
    name: Text = ""


class Deployment(_Entry):
    """A Deployment: one Airflow installation, in one Workspace."""

    id: Text
    workspace_id: Text
    name: Text = ""


class CustomRole(_Entry):
    """A role of the Organization's own."""

    name: Text
    scope: Literal["DEPLOYMENT", "DAG", "OBJECT"]
    permissions: list[Text]
    description: str = ""
    restricted_workspace_ids: list[Text] = _none(
        "The only Workspaces in which this role can be assigned; without it, in all."
    )


class RoleGrant(_Entry):
    """A role, and until when and why it is granted."""

    role: Text
    expires_at: End = Field(default=None, description="When the grant ends; without it, never.")
    note: str = Field(default="", description="Why the role is granted, for those who read the policy.")


class OrganizationGrant(RoleGrant):
    """A role in the Organization; where it says no more, the role alone can be written."""

    @model_serializer(mode="wrap")
    def _short(self, handler: SerializerFunctionWrapHandler) -> Any:
        return handler(self) if self.expires_at or self.note else self.role


def _organization_role(value: Any) -> Any:
    if isinstance(value, (dict, OrganizationGrant)):
        return value
    return OrganizationGrant(role=_text(value))


class WorkspaceGrant(RoleGrant):
    """A role in a Workspace."""

    workspace_id: Text


class DeploymentGrant(RoleGrant):
    """A role in a Deployment."""

    deployment_id: Text


class DagGrant(RoleGrant):
    """A role on one Dag, on every Dag that carries a tag, or on every Dag of a bundle: exactly one of the three."""

    deployment_id: Text
    dag_id: Text = ""
    tag: Text = ""
    bundle: Text = ""
    folder: Folder = ""


class ObjectGrant(RoleGrant):
    """A role on a connection, Variable or pool, or on all with a prefix: exactly one of the six keys that name them."""

    deployment_id: Text
    connection_id: ObjectId = ""
    connection_prefix: ObjectPrefix = ""
    variable_key: ObjectId = ""
    variable_prefix: ObjectPrefix = ""
    pool: ObjectId = ""
    pool_prefix: ObjectPrefix = ""


class _Holder(_Entry):
    organization_role: Annotated[
        OrganizationGrant | None, BeforeValidator(_organization_role), _TextAlone({"type": "string", "minLength": 1})
    ] = None
    workspace_roles: list[WorkspaceGrant] = _none()
    deployment_roles: list[DeploymentGrant] = _none()
    dag_roles: list[DagGrant] = _none()
    object_roles: list[ObjectGrant] = _none()


class Member(_Entry):
    """A person in a Team; where it says no more, the e-mail alone can be written."""

    email: Email
    expires_at: End = Field(default=None, description="When the membership ends; without it, never.")
    note: str = Field(default="", description="Why the user is a member, for those who read the policy.")


def _member(value: Any) -> Any:
    return value if isinstance(value, (dict, Member)) else _member_alone(_text(value))


# Users are in several Teams, and a change is checked with all that it leaves as it is.
@lru_cache(maxsize=2**15)
def _member_alone(email: str) -> Member:
    return Member(email=_email(email))


class Team(_Holder):
    """A Team: people, and the roles that all of them have."""

    name: Text
    description: str = ""
    members: list[Annotated[Member, BeforeValidator(_member), _TextAlone({"type": "string", "format": "email"})]] = (
        _none()
    )
    idp_groups: list[Text] = _none("Groups of the identity provider whose users are in the Team.")
    support: bool = Field(
        default=False, description="Whether the Team is for support: it can only have roles that read."
    )


class User(_Holder):
    """A person, known by e-mail, and the roles that the person has directly."""

    email: Email


class TokenRole(_Entry):
    """A role of an API token."""

    role: Text
    entity_type: EntityType
    entity_id: Text
    deployment_id: Text = Field("", description="Required for Dags, tags, bundles and objects, for nothing else.")
    folder: Folder = Field("", description="A folder in the bundle; without it, the whole bundle.")


_PREVIOUS = ("previous_secret_sha256", "previous_secret_expires_at")
_TOGETHER = (_PREVIOUS, _PREVIOUS[::-1])


class ApiToken(_Entry):
    """An API token. Its secret is not in the file, only the secret's SHA-256."""

    model_config = ConfigDict(json_schema_extra={"dependentRequired": {one: [other] for one, other in _TOGETHER}})

    id: Annotated[str, AfterValidator(_token_id)]
    name: Text
    secret_sha256: Sha256
    expires_at: Expiry
    description: str = ""
    previous_secret_sha256: Sha256 = Field(
        default="", description="The secret before the last rotation, if it is still valid."
    )
    previous_secret_expires_at: End = Field(default=None, description="When it expires.")
    roles: list[TokenRole] = _none()

    @model_validator(mode="after")
    def _previous_secret(self) -> ApiToken:
        end = self.previous_secret_expires_at
        if bool(self.previous_secret_sha256) != bool(end):
            message = "`previous_secret_sha256` and `previous_secret_expires_at` belong together"
            raise PydanticCustomError("previous_secret", message)
        if end and self.expires_at and end > self.expires_at:
            message = "the previous secret would outlive the token: `expires_at` is earlier"
            raise PydanticCustomError("previous_secret", message)
        return self


class TagPlace(_Entry):
    """Files of a bundle whose Dags may carry a protected tag."""

    bundle: Text
    files: list[FilePattern] = Field(
        description="Paths from the bundle's root; `*` is any text within a name, `**` any folders."
    )


class ProtectedTag(_Entry):
    """A tag, or with `*` at its end every tag that begins so, which only some Dags of a Deployment may carry."""

    deployment_id: Text
    tag: TagPattern
    only_in: list[TagPlace] = Field(description="Where Dags may carry it; an empty list is nowhere.")


class PolicyDocument(_Entry):
    """Who has which role in an Organization."""

    version: Annotated[Literal[1], BeforeValidator(_version)]
    organization_id: Text
    workspaces: list[Workspace] = _none()
    deployments: list[Deployment] = _none()
    roles: list[CustomRole] = _none()
    teams: list[Team] = _none()
    users: list[User] = _none()
    api_tokens: list[ApiToken] = _none()
    support_access: Literal["allowed", "disallowed"] = Field(
        default="allowed", description="Whether the roles of support Teams have an effect."
    )
    protect_granted_tags: bool = Field(
        False,
        description="Whether tags that grants use are protected even without an entry in `protected_tags`.",
    )
    protected_tags: list[ProtectedTag] = _none()
    protect_dag_ids: bool = Field(
        False,
        description="Whether Dag ids are protected in every bundle, and not only in those with roles on them.",
    )
