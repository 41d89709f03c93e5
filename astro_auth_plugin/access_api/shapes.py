"""What requests and answers look like: the OpenAPI document and the types of the pages are made from these."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

from astro_auth_plugin.rbac.model.roles import Level
from astro_auth_plugin.rbac.model.scopes import ScopeName

LONGEST_REASON = 2000
_MOST = 1000
_LONGEST_NAME = 500


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError("this time is out of range in UTC") from None


def spelled(moment: datetime) -> str:
    """Return a time as the API and the policy write it; one without a time zone is in UTC."""
    utc = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%SZ}"


Time = Annotated[datetime, PlainSerializer(spelled, return_type=str)]
End = Annotated[datetime, AfterValidator(_in_utc)]
# No database keeps a NUL, and no name has one.
_NO_NUL = r"^[^\x00]*$"
Name = Annotated[str, Field(max_length=_LONGEST_NAME, pattern=_NO_NUL)]
Folder = Annotated[str, Field(max_length=2000, pattern=_NO_NUL)]
Names = Annotated[list[Name], Field(max_length=_MOST)]
Reason = Annotated[str, Field(max_length=LONGEST_REASON, pattern=_NO_NUL)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Answer(BaseModel):
    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


# -- shared --------------------------------------------------------------------------------------------------------


class Scope(_Request):
    """Where a role reaches. `id` is empty for the Organization, `deployment_id` for what is no part of a Deployment.

    `folder` is the folder of a bundle; without it, it is the whole bundle.
    """

    kind: ScopeName
    id: Name = ""
    deployment_id: Name = ""
    folder: Folder = ""


class RoleInScope(_Request):
    """A role somewhere."""

    role: Name
    scope: Scope


class NewGrant(RoleInScope):
    """A role to be given."""

    expires_at: End | None = None
    note: Reason = ""


class Grant(_Answer):
    """A role that an entry of the policy has."""

    role: str
    scope: Scope
    expires_at: Time | None = None
    note: str = ""
    may_revoke: bool = False


ThroughKind = Literal["user", "Team", "token"]


class Through(_Answer):
    """Through what a role is held: the own entry, or a Team, perhaps by a group of the identity provider."""

    kind: ThroughKind
    name: str
    group: str = ""


class Held(_Answer):
    """A role in effect. `implied` is set on the DEPLOYMENT_ACCESSOR that comes with a Dag role."""

    role: str
    scope: Scope
    expires_at: Time | None = None
    through: Through
    implied: bool = False


class Effect(_Answer):
    """What some users gain or lose somewhere because of a change."""

    who: list[str]
    where: str
    may: list[str]
    because: str


class Result(_Answer):
    """What became of a change, or with `dry_run` what would."""

    version: int | None
    dry_run: bool
    changes: list[str]
    gains: list[Effect] = []
    losses: list[Effect] = []
    own_losses: list[str] = []
    warnings: list[str] = []
    etag: str | None = None
    patch: str | None = None


class Problem(_Answer):
    """An answer that is no success."""

    detail: str
    code: str


# -- the caller ----------------------------------------------------------------------------------------------------


class Place(_Answer):
    """A Workspace or Deployment."""

    id: str
    name: str


class PolicyState(_Answer):
    """Where the policy is, and its newest version."""

    store: Literal["database", "file"]
    version: int | None = None
    changed_at: Time | None = None
    author: str | None = None
    file: str | None = None
    read_only: bool


class Rights(_Answer):
    """What the caller may read of the access of others, and which roles it may give."""

    access: bool
    accounts: bool
    tokens: bool
    history: bool
    audit: bool
    grant_levels: list[Level]
    teams: bool
    roles: bool
    create_tokens: bool


class TeamOf(_Answer):
    """A Team of a user; `group` is the group of the identity provider through which the user is in it."""

    name: str
    group: str = ""
    expires_at: Time | None = None
    may_remove: bool = False


class Me(_Answer):
    """The caller."""

    email: str
    name: str
    kind: Literal["user", "token"]
    organization_id: str
    workspace: Place
    deployment: Place
    policy: PolicyState
    rights: Rights
    require_reason: bool
    access_contact: str
    may: list[str]
    grants: list[Held]
    teams: list[TeamOf]
    api_version: int = 1
    bundle: str


class DagOfMine(_Answer):
    """A Dag that the caller may see."""

    dag_id: str
    tags: list[str]
    may: list[str]
    grants: list[Held]


class DagsOfMine(_Answer):
    """Dags that the caller may see."""

    dags: list[DagOfMine]
    total_entries: int


class ActionName(_Answer):
    """Something that users do."""

    name: str
    words: str
    deployment_wide: bool


class Actions(_Answer):
    """What users do, and by name what each action and permission is in plain words."""

    actions: list[ActionName]
    titles: dict[str, str]


class ExplainRequest(_Request):
    """A question: may this user or API token do this? Without `as`, the caller."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    who: Name | None = Field(None, alias="as")
    action: Name
    dag_id: Name | None = None


class Advice(_Answer):
    """A role that would turn a no into a yes. `extra` is what it allows besides."""

    role: str
    scope: Scope
    extra: list[str]


class Contact(_Answer):
    """A user who may give a role."""

    email: str


class Explanation(_Answer):
    """The answer to a question."""

    answer: Literal["yes", "no", "depends"]
    question: str
    why: str
    missing: list[str]
    grants: list[Held]
    advice: list[Advice]
    whom_to_ask: list[Contact]
    contact: str


# -- users and Teams -----------------------------------------------------------------------------------------------


class Account(_Answer):
    """An account of FAB. With several active ones of one e-mail a user has no access: they are ambiguous."""

    username: str
    active: bool
    ambiguous: bool


class UserRow(_Answer):
    """A user in a list. `accounts` and `last_sign_in` are null for callers who may not read accounts."""

    email: str
    accounts: list[Account] | None
    roles: list[str]
    teams: list[str]
    last_sign_in: Time | None = None


class Users(_Answer):
    """Users."""

    users: list[UserRow]
    total_entries: int


class UserDetail(_Answer):
    """A user: what the own entry says, what is in effect, and what it allows in the whole Deployment."""

    email: str
    etag: str
    accounts: list[Account] | None
    last_sign_in: Time | None = None
    grants: list[Grant]
    teams: list[TeamOf]
    effective: list[Held]
    may: list[str]
    sees_dags: int


class GrantChanges(_Request):
    """Roles to give and to take."""

    grant: Annotated[list[NewGrant], Field(max_length=_MOST)] = []
    revoke: Annotated[list[RoleInScope], Field(max_length=_MOST)] = []
    reason: Reason = ""


class TeamRow(_Answer):
    """A Team in a list."""

    name: str
    description: str
    support: bool
    members: int
    idp_groups: int
    roles: list[str]


class Teams(_Answer):
    """Teams."""

    teams: list[TeamRow]
    total_entries: int
    support_access: Literal["allowed", "disallowed"]


class Member(_Answer):
    """A member of a Team."""

    email: str
    expires_at: Time | None = None
    note: str = ""


class TeamDetail(_Answer):
    """A Team."""

    name: str
    description: str
    support: bool
    etag: str
    members: list[Member]
    idp_groups: list[str]
    grants: list[Grant]
    may_change_members: bool
    may_change_groups: bool
    who_may_change_members: str


class NewMember(_Request):
    """A member of a Team that is to be added."""

    email: Name
    expires_at: End | None = None
    note: Reason = ""


class NewTeam(_Request):
    """A Team to be added. Its members are e-mails, or objects where a membership ends."""

    name: Name
    description: Reason = ""
    support: bool = False
    members: Annotated[list[Name | NewMember], Field(max_length=_MOST)] = []
    idp_groups: Names = []
    grant: Annotated[list[NewGrant], Field(max_length=_MOST)] = []
    reason: Reason = ""


class TeamChanges(GrantChanges):
    """Changes of a Team. The end and the note are those of the members who are added, or are members already."""

    name: Name | None = None
    description: Reason | None = None
    support: bool | None = None
    add_members: Names = []
    expires_at: End | None = None
    note: Reason = ""
    remove_members: Names = []
    add_groups: Names = []
    remove_groups: Names = []


# -- API tokens ----------------------------------------------------------------------------------------------------


class TokenDetail(_Answer):
    """An API token, without anything of its secret."""

    id: str
    name: str
    description: str
    roles: list[RoleInScope]
    expires_at: Time | None
    expired: bool
    last_used: Time | None
    previous_secret_expires_at: Time | None
    etag: str


class Tokens(_Answer):
    """API tokens."""

    tokens: list[TokenDetail]
    total_entries: int


class NewToken(_Request):
    """An API token to be made. `expires_at` null is a token that never expires."""

    name: Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME)]
    description: Reason = ""
    roles: Annotated[list[RoleInScope], Field(min_length=1, max_length=_MOST)]
    expires_at: End | None
    reason: Reason = ""


class Rotation(_Request):
    """A new secret; the one before stays valid for some hours."""

    overlap_hours: Annotated[int, Field(ge=0, le=24 * 365)] = 0
    reason: Reason = ""


class TokenResult(Result):
    """What became of a change of an API token. The secret is in this answer only; null for `dry_run`.

    `id` is empty for the `dry_run` of a new token, which has none yet.
    """

    id: str
    secret: str | None = None


# -- roles ---------------------------------------------------------------------------------------------------------


class CustomRole(_Answer):
    """A custom role."""

    name: str
    scope: Literal["DEPLOYMENT", "DAG", "OBJECT"]
    description: str
    permissions: list[str]
    restricted_workspace_ids: list[str] | None
    held_by: list[str]
    etag: str


class BuiltInRole(_Answer):
    """A role of Astro."""

    name: str
    level: Level
    description: str
    may: list[str]
    gives: list[Level]
    legacy: bool


class Roles(_Answer):
    """Every role."""

    roles: list[CustomRole]
    built_in: list[BuiltInRole]


class SupportAccess(_Request):
    """Whether the roles of support Teams have an effect."""

    support_access: Literal["allowed", "disallowed"]
    reason: Reason = ""


class RoleChanges(_Request):
    """What a custom role is to be."""

    permissions: Names
    description: Reason = ""
    reason: Reason = ""


class ChangedRole(RoleChanges):
    """What a custom role is to be, and perhaps its new name."""

    name: Name | None = None


class NewRole(RoleChanges):
    """A custom role to be added."""

    name: Name
    scope: Literal["DEPLOYMENT", "DAG", "OBJECT"]


class Verb(_Answer):
    """A permission, and how roles of each scope write it."""

    verb: str
    deployment_word: str
    dag_word: str | None
    object_word: str | None


class PermissionObject(_Answer):
    """The permissions on one kind of object."""

    object: str
    description: str
    verbs: list[Verb]


class Template(_Answer):
    """A beginning for a custom role."""

    name: str
    scope: Literal["DEPLOYMENT", "DAG", "OBJECT"]
    permissions: list[str]
    description: str


class Grantable(_Answer):
    """A role that the caller may give."""

    role: str
    level: Level
    description: str
    custom: bool


class LabelledScope(Scope):
    """A scope in which the caller may give roles."""

    label: str


class Catalogue(_Answer):
    """What dialogs offer."""

    permissions: list[PermissionObject]
    templates: list[Template]
    grantable: list[Grantable]
    places: list[LabelledScope]


# -- Dags ----------------------------------------------------------------------------------------------------------


class Holder(_Answer):
    """A user, an API token, or the users of groups, with what they may do."""

    who: str
    kind: Literal["user", "token", "group"]
    may: list[str]
    grants: list[Held]


class Missing(_Answer):
    """An action that the caller may not do."""

    action: str
    words: str


class DagAccess(_Answer):
    """What the caller may do with a Dag, and for readers of access who else may; null for others.

    `places` is the bundle of the Dag and the folders that its file is in, the widest first.
    """

    dag_id: str
    tags: list[str]
    places: list[Scope]
    may: list[str]
    may_not: list[Missing]
    grants: list[Held]
    users: list[Holder] | None
    total_users: int
    may_grant: bool


class TagRow(_Answer):
    """A tag: how many Dags carry it with effect, how many grants name it, whether it is protected."""

    name: str
    dags: int
    grants: int
    protected: bool


class Tags(_Answer):
    """Tags."""

    tags: list[TagRow]
    total_entries: int


class BundleRow(_Answer):
    """A bundle or a folder of it: how many Dags are there, and how many grants name it."""

    bundle: str
    folder: str
    dags: int
    grants: int


class Bundles(_Answer):
    """Bundles and folders."""

    bundles: list[BundleRow]
    total_entries: int


class DagsAccess(_Answer):
    """The Dags that a tag, bundle or folder reaches, and who has something through it."""

    dags: list[str]
    users: list[Holder]
    total_users: int
    may_grant: bool


class TagAccess(DagsAccess):
    """The Dags of a tag, and who has something through it."""

    tag: str


class BundleAccess(DagsAccess):
    """The Dags of a bundle or folder, and who has something through it or a folder around it."""

    bundle: str
    folder: str


class Suggestion(_Answer):
    """A value that a field may take."""

    value: str
    label: str


class Suggestions(_Answer):
    """Values that a field may take."""

    suggestions: list[Suggestion]


# -- versions ------------------------------------------------------------------------------------------------------


class Version(_Answer):
    """A version of the policy.

    `hidden` is how many of its changes are of other Workspaces, `more` how many are not listed because there are many.
    """

    version: int
    created_at: Time
    author: str
    author_kind: str
    source: str
    reason: str
    reverts: int | None
    changes: list[str]
    more: int
    hidden: int


class Versions(_Answer):
    """Versions of the policy, newest first."""

    versions: list[Version]
    total_entries: int


class VersionDifference(_Answer):
    """What two versions have different."""

    older: int
    newer: int
    changes: list[str]
    more: int
    hidden: int
    gains: list[Effect]
    losses: list[Effect]


class Revert(_Request):
    """A return to an older version."""

    reason: Reason = ""


class Health(_Answer):
    """The state of the policy."""

    status: Literal["healthy", "unhealthy"]
    store: Literal["database", "file"]
    detail: str
