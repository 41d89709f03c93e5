"""A second engine: slow, plain, and written from the specification of the access model instead of from the plugin.

It works on the values of a policy file as YAML gives them and imports nothing from the plugin, so the two can only
agree by meaning the same. Every question walks the whole policy with loops; there are no masks, no tables compiled
ahead and no cache. Permissions are named `<object>.<verb>` and held in plain sets.

The property tests ask both engines and demand the same decision for the same reasons.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

Values = dict[str, Any]

AT = "2027-06-01T00:00:00Z"
"""The time that is asked about."""

# Every object and the verbs it has in a Deployment.
DEPLOYMENT_OBJECTS = {
    "adminMenu": "get",
    "astronomer": "get",
    "auditLog": "get",
    "browseMenu": "get",
    "clusterActivity": "get",
    "config": "get",
    "connection": "get create update delete",
    "customMenu": "get",
    "dag": "get update delete",
    "dagCode": "get",
    "dagDependencies": "get",
    "dagRun": "get create update delete",
    "datasets": "get create update delete",
    "docs": "get",
    "importError": "get",
    "job": "get",
    "plugin": "get",
    "pool": "get create update delete",
    "provider": "get",
    "slaMiss": "get",
    "taskInstance": "get create update delete",
    "taskLog": "get",
    "taskReschedule": "get",
    "trigger": "get",
    "variable": "get create update delete",
    "website": "get",
    "xcom": "get create update delete",
}

# The objects that exist for one Dag as well, and the verbs they have there.
DAG_OBJECTS = {
    "auditLog": "get",
    "dag": "get update delete",
    "dagCode": "get",
    "dagDependencies": "get",
    "dagRun": "get create update delete",
    "datasets": "get",
    "importError": "get",
    "taskInstance": "get create update delete",
    "taskLog": "get",
    "taskReschedule": "get",
    "xcom": "get create update delete",
}


# The objects that exist one by one as well, each with the four verbs.
SINGLE_OBJECTS = ("connection", "variable", "pool")


def permissions(objects: dict[str, str]) -> set[str]:
    """Spell out every `<object>.<verb>` of one of the two tables above."""
    return {f"{name}.{verb}" for name, verbs in objects.items() for verb in verbs.split()}


def of(text: str) -> set[str]:
    """Turn a line of permissions, written as the specification writes them, into a set."""
    return set(text.split())


DEPLOYMENT_PERMISSIONS = permissions(DEPLOYMENT_OBJECTS)
DAG_PERMISSIONS = permissions(DAG_OBJECTS)

MEMBER = of(
    "website.get docs.get browseMenu.get clusterActivity.get customMenu.get astronomer.get dag.get dagCode.get"
    " dagDependencies.get dagRun.get taskInstance.get taskLog.get taskReschedule.get slaMiss.get importError.get"
    " job.get datasets.get"
)
RUNS = of(
    "dag.update dag.delete dagRun.create dagRun.update dagRun.delete"
    " taskInstance.create taskInstance.update taskInstance.delete datasets.create"
)
ADMIN_PAGES = of("adminMenu.get connection.get variable.get plugin.get provider.get pool.get xcom.get")

# What each built-in role holds: in the whole Deployment, but the last ones on their Dags and objects.
ROLES = {
    "ORGANIZATION_OWNER": DEPLOYMENT_PERMISSIONS,
    "ORGANIZATION_BILLING_ADMIN": set(),
    "ORGANIZATION_OBSERVE_ADMIN": set(),
    "ORGANIZATION_OBSERVE_MEMBER": set(),
    "ORGANIZATION_MEMBER": set(),
    "WORKSPACE_OWNER": DEPLOYMENT_PERMISSIONS,
    "WORKSPACE_OPERATOR": DEPLOYMENT_PERMISSIONS,
    "WORKSPACE_AUTHOR": MEMBER | RUNS | ADMIN_PAGES,
    "WORKSPACE_MEMBER": MEMBER,
    "WORKSPACE_ACCESSOR": set(),
    "WORKSPACE_ADMIN": DEPLOYMENT_PERMISSIONS,
    "WORKSPACE_EDITOR": MEMBER | RUNS,
    "WORKSPACE_VIEWER": MEMBER,
    "DEPLOYMENT_ADMIN": DEPLOYMENT_PERMISSIONS,
    "DEPLOYMENT_ACCESSOR": of("website.get docs.get"),
    "DAG_VIEWER": {name for name in DAG_PERMISSIONS if name.endswith(".get")},
    "DAG_AUTHOR": DAG_PERMISSIONS - {"xcom.create", "xcom.update"},
    "OBJECT_VIEWER": of("connection.get variable.get pool.get"),
    "OBJECT_EDITOR": of("connection.get connection.update variable.get variable.update pool.get pool.update"),
    "OBJECT_ADMIN": {f"{kind}.{verb}" for kind in SINGLE_OBJECTS for verb in of("get create update delete")},
}

ROLES_BY_LEVEL = {
    level: [name for name in ROLES if name.startswith(level)]
    for level in ("ORGANIZATION", "WORKSPACE", "DEPLOYMENT", "DAG", "OBJECT")
}


class Dag(NamedTuple):
    """A Dag as the engines see it: its id, its tags, and the bundle and path of its file where that is known."""

    id: str
    tags: frozenset[str]
    file: tuple[str, str] | None = None


class Thing(NamedTuple):
    """A connection, Variable or pool: "connection", "variable" or "pool", and its id."""

    kind: str
    id: str


class Grant(NamedTuple):
    """One role that somebody holds somewhere, whether or not that is in the Deployment asked about."""

    role: str
    holder: str
    scope: str  # "ORGANIZATION", …, "DAG", "DAG_TAG" or "DAG_BUNDLE", "CONNECTION", "CONNECTION_PREFIX", …
    where: str  # id of the Organization, Workspace, Deployment, Dag or object, or the tag, bundle or prefix
    deployment_id: str | None = None  # for the scopes in a Deployment
    folder: str | None = None  # for a bundle


class Answer(NamedTuple):
    """The decision, what is missing for it, and the (role, holder, reach) of every grant that helps."""

    allowed: bool
    missing: set[str]
    deciding: list[tuple[str, str, str]]


def normal_email(text: str) -> str:
    """Bring an e-mail to the form in which two spellings of one person are equal."""
    return unicodedata.normalize("NFC", text).lower()


def check(
    values: Values,
    deployment_id: str,
    subject: str,
    required: Iterable[str],
    dag: Dag | Thing | None = None,
    groups: Iterable[str] = (),
) -> Answer:
    """Answer whether `subject` holds everything in `required` on the Dag or object, or without one, everywhere.

    `groups` are those of the person at the identity provider.
    """
    needed = set(required)
    if isinstance(dag, Dag):
        needed.add("dag.get")
    held: set[str] = set()
    deciding = []
    for grant in grants_of(values, subject, groups):
        if not reaches(values, deployment_id, grant, dag):
            continue
        given = given_by(values, grant) & needed
        if given:
            held |= given
            deciding.append((grant.role, grant.holder, reach(grant)))
    return Answer(needed <= held, needed - held, deciding)


def allowed_dags(
    values: Values,
    deployment_id: str,
    subject: str,
    required: Iterable[str],
    dags: Iterable[Dag],
    groups: Iterable[str] = (),
) -> list[Dag]:
    """Pick those of `dags` on which the subject holds everything in `required`."""
    needed = set(required)
    return [dag for dag in dags if check(values, deployment_id, subject, needed, dag, groups).allowed]


def who_can(
    values: Values, deployment_id: str, required: Iterable[str], dag: Dag | Thing | None = None
) -> dict[str, Answer]:
    """Ask for every subject that the policy names, and keep those who may."""
    needed = set(required)
    answers = {name: check(values, deployment_id, name, needed, dag) for name in subjects(values)}
    return {name: answer for name, answer in answers.items() if answer.allowed}


def holds_anywhere(
    values: Values, deployment_id: str, subject: str, required: Iterable[str], groups: Iterable[str] = ()
) -> bool:
    """Answer whether each of `required` is given to the subject by some grant on Dags, or Deployment-wide, anywhere."""
    held: set[str] = set()
    for grant in grants_of(values, subject, groups):
        if object_of(grant):
            continue
        if reaches(values, deployment_id, grant, somewhere(grant)):
            held |= permissions(values, grant.role)
    return set(required) <= held


def somewhere(grant: Grant) -> Dag | Thing | None:
    """Make up a Dag or object that the grant reaches, if its Deployment is the one asked about."""
    kind = object_of(grant)
    if kind:
        return Thing(kind, grant.where)
    if grant.scope == "DAG":
        return Dag(grant.where, frozenset())
    if grant.scope == "DAG_TAG":
        return Dag("any id", frozenset([grant.where]))
    if grant.scope == "DAG_BUNDLE":
        return Dag("any id", frozenset(), (grant.where, f"{grant.folder or ''}any.py"))
    return None


def subjects(values: Values) -> set[str]:
    """Name everybody the policy knows: users, members of Teams, API tokens."""
    found = {normal_email(user["email"]) for user in values.get("users", [])}
    for team in values.get("teams", []):
        found |= {normal_email(email_of(member)) for member in team.get("members", [])}
    found |= {f"token:{token['id']}" for token in values.get("api_tokens", [])}
    return found


def grants_of(values: Values, subject: str, groups: Iterable[str] = ()) -> Iterator[Grant]:
    """Yield every grant of the subject: its own, and those of each Team it is in, as a member or through a group.

    An API token is in no group, and neither is somebody without an e-mail. Who is a member needs no group, but where
    the membership ends and the group does not, it is the group that counts.
    """
    for user in values.get("users", []):
        if normal_email(user["email"]) == subject:
            yield from with_accessor(list(people_grants(values, user, f"user `{user['email']}`")))
    for team in values.get("teams", []):
        if team.get("support") and values.get("support_access") == "disallowed":
            continue
        name = f"Team `{team['name']}`"
        memberships = [each for each in team.get("members", []) if normal_email(email_of(each)) == subject]
        lasting = [each for each in memberships if isinstance(each, str) or "expires_at" not in each]
        shared = [group for group in team.get("idp_groups", []) if group in list(groups) and "@" in subject]
        if shared and not lasting:
            yield from with_accessor(list(people_grants(values, team, f"{name} (group `{shared[0]}`)")))
        elif lasting or any(lasts(each) for each in memberships):
            yield from with_accessor(list(people_grants(values, team, name)))
    for token in values.get("api_tokens", []):
        if f"token:{token['id']}" == subject:
            yield from with_accessor(list(token_grants(token)))


def email_of(member: str | Values) -> str:
    """Read a member of a Team: an e-mail, or a mapping with one."""
    return member if isinstance(member, str) else str(member["email"])


OWNERS = ("ORGANIZATION_OWNER", "WORKSPACE_OWNER", "WORKSPACE_ADMIN")


def may_change_accounts(values: Values, deployment_id: str, subject: str, groups: Iterable[str] = ()) -> bool:
    """Answer whether the subject may change accounts at all: it owns the Workspace, or the Organization."""
    grants = grants_of(values, subject, groups)
    return any(grant.role in OWNERS and reaches(values, deployment_id, grant, None) for grant in grants)


def may_give_to_token(values: Values, deployment_id: str, subject: str, entry: Values, change: str) -> bool:
    """Answer whether the subject may make, rotate or delete a token with this role."""
    mine = [
        grant
        for grant in grants_of(values, subject)
        if reaches(values, deployment_id, grant, somewhere(grant)) and grant.deployment_id in (None, deployment_id)
    ]
    roles = {grant.role for grant in mine}
    workspace_of = {deployment["id"]: deployment["workspace_id"] for deployment in values["deployments"]}
    here = workspace_of[deployment_id]
    if "ORGANIZATION_OWNER" in roles:
        return True
    if entry["entity_type"] == "ORGANIZATION":
        return False
    if entry["entity_type"] == "WORKSPACE":
        operator = "WORKSPACE_OPERATOR" in roles and entry["role"] not in OWNERS
        return entry["entity_id"] == here and (operator or bool(roles & set(OWNERS)))
    place = entry.get("deployment_id") or entry["entity_id"]
    if workspace_of[place] == here and roles & set(OWNERS):
        return True
    if place != deployment_id:
        return False
    return "DEPLOYMENT_ADMIN" in roles or within_own_access(values, deployment_id, mine, entry, change)


def within_own_access(values: Values, deployment_id: str, mine: list[Grant], entry: Values, change: str) -> bool:
    """Answer whether a custom role lets its holder do this, and the token gets no more than the holder has there."""
    held: set[str] = set()
    asked = Grant(entry["role"], "", entry["entity_type"], entry["entity_id"], entry.get("deployment_id"))
    for grant in mine:
        same = (grant.scope, grant.where) == (entry["entity_type"], entry["entity_id"])
        is_prefix = object_of(grant) is not None and grant.scope.endswith("_PREFIX")
        begins = is_prefix and object_of(grant) == object_of(asked) and names_object(grant, asked.where)
        if grant.scope == "DAG_BUNDLE":
            same = same and is_within(entry.get("folder", ""), grant.folder or "")
        if grant.deployment_id is None or same or begins:
            held |= given_by(values, grant)
    if f"deployment.apiTokens.{change}" not in held or entry["role"] == "DEPLOYMENT_ADMIN":
        return False
    wanted = set(permissions(values, entry["role"]))
    if object_of(asked):
        wanted = set(given_by(values, asked))
    if entry["entity_type"] not in ("ORGANIZATION", "WORKSPACE", "DEPLOYMENT"):
        wanted |= ROLES["DEPLOYMENT_ACCESSOR"]
        deployment_wide = {
            name for grant in mine if grant.deployment_id is None for name in permissions(values, grant.role)
        }
        return wanted <= held and ROLES["DEPLOYMENT_ACCESSOR"] <= deployment_wide
    return wanted <= held


def people_grants(values: Values, holder: Values, name: str) -> Iterator[Grant]:
    """Yield the grants that stand on one user or Team."""
    given = organization_role(holder)
    if given and lasts(given):
        yield Grant(given["role"], name, "ORGANIZATION", values["organization_id"])
    for entry in holder.get("workspace_roles", []):
        if lasts(entry):
            yield Grant(entry["role"], name, "WORKSPACE", entry["workspace_id"])
    for entry in holder.get("deployment_roles", []):
        if lasts(entry):
            yield Grant(entry["role"], name, "DEPLOYMENT", entry["deployment_id"])
    for entry in holder.get("dag_roles", []):
        if not lasts(entry):
            continue
        if "dag_id" in entry:
            yield Grant(entry["role"], name, "DAG", entry["dag_id"], entry["deployment_id"])
        elif "bundle" in entry:
            place = entry["bundle"], entry["deployment_id"], entry.get("folder")
            yield Grant(entry["role"], name, "DAG_BUNDLE", *place)
        else:
            yield Grant(entry["role"], name, "DAG_TAG", entry["tag"], entry["deployment_id"])
    yield from object_grants(holder, name)


OBJECT_KEYS = {
    "connection_id": "CONNECTION",
    "connection_prefix": "CONNECTION_PREFIX",
    "variable_key": "VARIABLE",
    "variable_prefix": "VARIABLE_PREFIX",
    "pool": "POOL",
    "pool_prefix": "POOL_PREFIX",
}


def object_grants(holder: Values, name: str) -> Iterator[Grant]:
    """Yield the grants on single connections, Variables and pools that stand on one user or Team."""
    for entry in holder.get("object_roles", []):
        for key, scope in OBJECT_KEYS.items():
            if key in entry and lasts(entry):
                yield Grant(entry["role"], name, scope, entry[key], entry["deployment_id"])


def object_of(grant: Grant) -> str | None:
    """Name the kind of object that a grant is on; None for any other."""
    kind = grant.scope.removesuffix("_PREFIX").lower()
    return kind if kind in SINGLE_OBJECTS else None


def given_by(values: Values, grant: Grant) -> set[str]:
    """Name what a grant gives where it reaches: on an object, what there is of its kind."""
    kind = object_of(grant)
    every = permissions(values, grant.role)
    return {name for name in every if name.partition(".")[0] == kind} if kind else every


def organization_role(holder: Values) -> Values:
    """Return the Organization role of a user or Team with its end and note, nothing where there is none."""
    given = holder.get("organization_role", {})
    return {"role": given} if isinstance(given, str) else given


def lasts(entry: Values) -> bool:
    """Answer whether a grant or membership counts at the time `AT`: it does until its end. Both are written alike."""
    return "expires_at" not in entry or entry["expires_at"] > AT


def token_grants(token: Values) -> Iterator[Grant]:
    """Yield the grants that stand on one API token."""
    name = f"API token `{token['id']}`"
    for entry in token.get("roles", []):
        place = entry["entity_id"], entry.get("deployment_id"), entry.get("folder")
        yield Grant(entry["role"], name, entry["entity_type"], *place)


def with_accessor(grants: list[Grant]) -> Iterator[Grant]:
    """Yield the grants, and Deployment Accessor wherever one of them is on Dags or objects: so that Airflow's pages open."""
    for grant in grants:
        yield grant
        if grant.deployment_id is not None:
            yield Grant("DEPLOYMENT_ACCESSOR", grant.holder, "DEPLOYMENT", grant.deployment_id)


def permissions(values: Values, role: str) -> set[str]:
    """Name the permissions of a built-in or custom role."""
    if role in ROLES:
        return ROLES[role]
    for custom in values.get("roles", []):
        if custom["name"] == role:
            return {permission_of(word) for word in custom["permissions"]}
    raise KeyError(role)


def permission_of(word: str) -> str:
    """Cut a permission word to `<object>.<verb>`; words that Airflow never asks about stay as they are."""
    for scope in ("deployment.airflow.", "dag.airflow.", "object.airflow."):
        if word.startswith(scope):
            name = word.removeprefix(scope)
            return "config.get" if name == "configMenu.get" else name
    return word


def reaches(  # noqa: PLR0911 - one for each kind of scope
    values: Values, deployment_id: str, grant: Grant, dag: Dag | Thing | None
) -> bool:
    """Answer whether a grant counts in this Deployment for this Dag or object, or without one for the whole of it."""
    if grant.scope == "ORGANIZATION":
        return bool(grant.where == values["organization_id"])
    if grant.scope == "WORKSPACE":
        return any(
            deployment["id"] == deployment_id and deployment["workspace_id"] == grant.where
            for deployment in values["deployments"]
        )
    if grant.scope == "DEPLOYMENT" or grant.deployment_id != deployment_id or dag is None:
        return grant.scope == "DEPLOYMENT" and grant.where == deployment_id
    if isinstance(dag, Thing):
        return object_of(grant) == dag.kind and names_object(grant, dag.id)
    if grant.scope == "DAG_BUNDLE":
        return dag.file is not None and dag.file[0] == grant.where and is_within(dag.file[1], grant.folder or "")
    if grant.scope != "DAG_TAG":
        return dag.id == grant.where
    on_tag = grant.where in list(dag.tags)
    return on_tag and tag_counts(values, deployment_id, grant.where, dag.file)


def is_within(path: str, folder: str) -> bool:
    """Answer whether a path is below a folder, part by part, and never leaves it again; '' is the whole bundle."""
    if not folder:
        return True
    parts = path.split("/")
    wanted = folder.split("/")[:-1]
    leaves = any(part.startswith("..") for part in parts[1:])
    return len(parts) > len(wanted) and parts[: len(wanted)] == wanted and not leaves


def names_object(grant: Grant, name: str) -> bool:
    """Answer whether a grant on objects names this id, or how it begins."""
    return name[: len(grant.where)] == grant.where if grant.scope.endswith("_PREFIX") else name == grant.where


def tag_counts(values: Values, deployment_id: str, tag: str, file: tuple[str, str] | None) -> bool:
    """Answer whether a tag of a Dag from this file counts: where it is protected, only in the places of its entry."""
    if file is None:
        return True
    entries = [entry for entry in values.get("protected_tags", []) if entry["deployment_id"] == deployment_id]
    named = [entry for entry in entries if entry["tag"] == tag and not tag.endswith("*")]
    begun = [entry for entry in entries if entry["tag"].endswith("*") and tag.startswith(entry["tag"][:-1])]
    for entry in named + sorted(begun, key=lambda entry: -len(entry["tag"])):
        # The first one decides alone.
        return any(
            place["bundle"] == file[0] and in_files(pattern, file[1])
            for place in entry["only_in"]
            for pattern in place["files"]
        )
    return not values.get("protect_granted_tags") or (deployment_id, tag) not in granted_tags(values)


def granted_tags(values: Values) -> set[tuple[str | None, str]]:
    """Name every tag that some grant is on, with the Deployment."""
    grants = [grant for subject in subjects(values) for grant in grants_of(values, subject)]
    for team in values.get("teams", []):
        grants += people_grants(values, team, "whoever joins")
    return {(grant.deployment_id, grant.where) for grant in grants if grant.scope == "DAG_TAG"}


def in_files(pattern: str, path: str) -> bool:
    """Answer whether a path is one of the pattern's."""
    if pattern == "**":
        return True
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return False
    archives = [number for number, part in enumerate(parts) if part.lower().endswith(".zip")]
    if archives:
        parts = parts[: archives[0] + 1]
    if pattern.endswith("/"):
        pattern += "**"
    return folders_match(pattern.split("/"), parts)


def folders_match(pattern: list[str], parts: list[str]) -> bool:
    """Try every way to read a pattern part by part."""
    if not pattern:
        return not parts
    if pattern == ["**"]:
        return bool(parts)
    if pattern[0] == "**":
        return any(folders_match(pattern[1:], parts[count:]) for count in range(len(parts) + 1))
    return bool(parts) and name_matches(pattern[0], parts[0]) and folders_match(pattern[1:], parts[1:])


def name_matches(pattern: str, name: str) -> bool:
    """Try every way to read one part of a pattern letter by letter."""
    if not pattern:
        return not name
    if pattern[0] == "*":
        return any(name_matches(pattern[1:], name[count:]) for count in range(len(name) + 1))
    return bool(name) and pattern[0] == name[0] and name_matches(pattern[1:], name[1:])


def reach(grant: Grant) -> str:
    """Say where a grant reaches, as the reasons of decisions say it."""
    if grant.scope == "ORGANIZATION":
        return "the Organization"
    noun = {
        "WORKSPACE": "Workspace",
        "DEPLOYMENT": "Deployment",
        "DAG": "Dag",
        "DAG_TAG": "tag",
        "DAG_BUNDLE": "bundle",
        "CONNECTION": "connection",
        "CONNECTION_PREFIX": "connection prefix",
        "VARIABLE": "Variable",
        "VARIABLE_PREFIX": "Variable prefix",
        "POOL": "pool",
        "POOL_PREFIX": "pool prefix",
    }[grant.scope]
    folder = f"folder `{grant.folder}` of " if grant.folder else ""
    return f"{folder}{noun} `{grant.where}`"
