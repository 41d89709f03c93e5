"""A second rule for changes: slow, plain, and written from who may change what instead of from the plugin.

It compares two documents as plain values, of which times are written alike, and walks them with loops; it imports
nothing from the plugin, so the two rules can only agree by meaning the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from tests import reference_engine as reference
from tests.reference_engine import OWNERS, Values, normal_email

LISTS = ("users", "teams", "api_tokens", "roles")
LEVELS = {
    "workspace_roles": "WORKSPACE",
    "deployment_roles": "DEPLOYMENT",
    "dag_roles": "DAG",
    "object_roles": "OBJECT",
}
NEVER = "9999"
"""Later than every time."""


def refused_kinds(
    old: Values, new: Values, deployment_id: str, subject: str, groups: Iterable[str] = ()
) -> frozenset[str]:
    """Name the kinds of the parts of a change that the subject may not make; without any, it may make the change."""
    if "ORGANIZATION_OWNER" in roles_here(as_long_as(old, NEVER), deployment_id, subject, groups):
        return frozenset()
    # An Owner whose role ends: what lasts longer is for the others.
    owner = "ORGANIZATION_OWNER" in roles_here(old, deployment_id, subject, groups)
    found = set()
    for key, kind in (("roles", "role"), ("teams", "Team")):
        for before, after in renamings(old, new, key):
            # Owners rename; with the old names in the new document, what else is different is judged.
            found |= {kind} - ({"Team"} if owner else set())
            new = with_name(new, key, after, before)
    rule = (old, new, deployment_id, subject, list(groups))
    found |= {*refused_entries(*rule), *refused_grants(*rule), *refused_members(*rule), *refused_tokens(*rule)}
    # What is left belongs to Organization Owners.
    for team in names_of(old, "teams") | names_of(new, "teams"):
        before, after = team_of(old, team), team_of(new, team)
        if not owner and (not before or not after or about(before) != about(after)):
            found.add("Team")
        had, has = (set(each.get("idp_groups", [])) for each in (before, after))
        roles = [grant for each in (before, after) for grant in grants_on("", each)]
        lasting = all(
            may_give_until(old, deployment_id, subject, groups, level, place, end)
            for _, level, place, _, _, end, _ in roles
        )
        if had != has and not (owner and (has <= had or lasting)):
            found.add("group")
    if by_name(old, "roles", "name") != by_name(new, "roles", "name"):
        found.add("role")
    if any(alike(old.get(key)) != alike(new.get(key)) for key in {*old, *new} - set(LISTS)):
        found.add("setting")
    return frozenset(found)


def renamings(old: Values, new: Values, key: str) -> list[tuple[str, str]]:
    """Return the old and new names of entries that are the same but for the name, where no other could be meant."""

    def same(one: Values, those: Values, these: Values) -> list[str]:
        """Name what only one of two documents has, and is the same as an entry of the other but for the name."""
        only = [each for each in those.get(key, []) if each["name"] not in names_of(these, key)]
        return [each["name"] for each in only if alike({**each, "name": "x"}) == alike({**one, "name": "x"})]

    found = []
    for one in old.get(key, []):
        names = same(one, new, old) if one["name"] not in names_of(new, key) else []
        if len(names) == 1 and len(same(one, old, new)) == 1:
            found.append((one["name"], names[0]))
    return found


def with_name(values: Values, key: str, before: str, after: str) -> Values:
    """Return a document in which a Team or custom role has another name, wherever it is named."""

    def named(entry: Values) -> Values:
        return {**entry, "role": after} if entry["role"] == before else entry

    def holder(entry: Values) -> Values:
        lists = [name for name in ("roles", *LEVELS) if name in entry]
        return {**entry, **{name: [named(each) for each in entry[name]] for name in lists}}

    values = {**values, key: [{**each, "name": after} if each["name"] == before else each for each in values[key]]}
    holders = () if key == "teams" else ("users", "teams", "api_tokens")
    return {**values, **{name: [holder(each) for each in values.get(name, [])] for name in holders}}


def about(team: Values) -> tuple[str, bool]:
    """Return what a Team says of itself."""
    return team.get("description", ""), team.get("support", False)


def refused_entries(old: Values, new: Values, deployment_id: str, subject: str, groups: Iterable[str]) -> Iterator[str]:
    """An entry of a person comes and goes by whoever may give anything."""
    if people(old) != people(new) and not gives_anything(old, deployment_id, subject, groups):
        yield "user"


def refused_grants(old: Values, new: Values, deployment_id: str, subject: str, groups: Iterable[str]) -> Iterator[str]:
    """A grant comes and goes by whoever may give it, now; one that comes, for as long as it lasts, too."""
    before, after = all_grants(old), all_grants(new)
    for _, level, place, _, _, _, _ in before - after:
        if not may_give(old, deployment_id, subject, groups, level, place):
            yield "grant"
    for _, level, place, _, _, end, _ in after - before:
        if not may_give_until(old, deployment_id, subject, groups, level, place, end):
            yield "grant"


def refused_members(old: Values, new: Values, deployment_id: str, subject: str, groups: Iterable[str]) -> Iterator[str]:
    """Members come and go by whoever may give every role of the Team, before the change and after it."""
    for name in names_of(old, "teams") | names_of(new, "teams"):
        both = team_of(old, name), team_of(new, name)
        was, is_now = ({member_of(each) for each in team.get("members", [])} for team in both)
        roles = [grant for team in both for grant in grants_on("", team)]
        may_take = gives_anything(old, deployment_id, subject, groups) and all(
            may_give(old, deployment_id, subject, groups, level, place) for _, level, place, *_ in roles
        )
        may_let_in = may_take and all(
            may_give_until(old, deployment_id, subject, groups, level, place, min(end, leaves))
            for _, level, place, _, _, end, _ in roles
            for _, leaves, _ in is_now - was
        )
        if (was - is_now and not may_take) or (is_now - was and not may_let_in):
            yield "member"


def refused_tokens(old: Values, new: Values, deployment_id: str, subject: str, groups: Iterable[str]) -> Iterator[str]:
    """To take roles from a token is to delete it, to give it some to create it; any other change may be of its secret."""
    had = {token["id"]: token for token in old.get("api_tokens", [])}
    has = {token["id"]: token for token in new.get("api_tokens", [])}
    for name in {*had, *has}:
        before, after = had.get(name), has.get(name)
        if alike(before) == alike(after):
            continue
        rotated = before and after and role_set(before) == role_set(after)
        allowed = [
            *([may_token(old, deployment_id, subject, groups, before, "delete")] if before and not rotated else []),
            *([may_token_until(old, deployment_id, subject, groups, after, rotated)] if after else []),
        ]
        if not all(allowed):
            yield "API token"


def may_token_until(
    values: Values, deployment_id: str, subject: str, groups: Iterable[str], token: Values, rotated: object
) -> bool:
    """Answer whether somebody may see the secret of a token for as long as it is of use; without roles, it is of none."""
    if not token.get("roles"):
        return may_token(values, deployment_id, subject, groups, token, "create")
    change = "rotate" if rotated else "create"
    end = NEVER if token["expires_at"] == "never" else token["expires_at"]
    return all(
        may_token(each, deployment_id, subject, groups, token, change) for each in (values, as_long_as(values, end))
    )


def may_token(
    values: Values, deployment_id: str, subject: str, groups: Iterable[str], token: Values, change: str
) -> bool:
    """Answer whether somebody may do this to a token with its roles; without roles, whoever may give anything."""
    if not token.get("roles"):
        return gives_anything(values, deployment_id, subject, groups)
    return all(
        is_known(values, entry) and reference.may_give_to_token(values, deployment_id, subject, entry, change)
        for entry in token["roles"]
    )


def is_known(values: Values, entry: Values) -> bool:
    """Answer whether a document knows the role and the Deployment of a token's role; what is new is an Owner's."""
    roles = [*reference.ROLES, *(role["name"] for role in values.get("roles", []))]
    if entry["entity_type"] in ("ORGANIZATION", "WORKSPACE"):
        return entry["role"] in roles
    place = entry.get("deployment_id") or entry["entity_id"]
    return entry["role"] in roles and place in workspaces(values)


def may_give_until(
    values: Values, deployment_id: str, subject: str, groups: Iterable[str], level: str, place: str, end: str
) -> bool:
    """Answer whether somebody may give a role now, and all the time until it ends."""
    return all(
        may_give(each, deployment_id, subject, groups, level, place) for each in (values, as_long_as(values, end))
    )


def may_give(values: Values, deployment_id: str, subject: str, groups: Iterable[str], level: str, place: str) -> bool:
    """Answer whether somebody may give a role of a level in a place, or take it; only this Workspace counts."""
    mine = roles_here(values, deployment_id, subject, groups)
    here = workspaces(values)[deployment_id]
    if "ORGANIZATION_OWNER" in mine:
        return True
    if level == "ORGANIZATION":
        return False
    if level == "WORKSPACE":
        return place == here and bool(mine & set(OWNERS))
    if mine & set(OWNERS) and workspaces(values).get(place) == here:
        return True
    return place == deployment_id and "DEPLOYMENT_ADMIN" in mine


def gives_anything(values: Values, deployment_id: str, subject: str, groups: Iterable[str]) -> bool:
    """Answer whether somebody may give any role here."""
    return bool(roles_here(values, deployment_id, subject, groups) & {*OWNERS, "DEPLOYMENT_ADMIN"})


def roles_here(values: Values, deployment_id: str, subject: str, groups: Iterable[str]) -> set[str]:
    """Name the roles that somebody has in the whole Deployment, or around it."""
    found = reference.grants_of(values, subject, groups)
    return {grant.role for grant in found if reference.reaches(values, deployment_id, grant, None)}


def member_of(entry: str | Values) -> tuple[str, str, str]:
    """Return who a member is, until when, and why."""
    more = entry if isinstance(entry, dict) else {}
    return normal_email(reference.email_of(entry)), more.get("expires_at", NEVER), more.get("note", "")


def as_long_as(values: Values, end: str) -> Values:
    """Return a document with only the grants, members and API tokens that last until a time."""
    kept = with_grants(values, lambda entry: entry.get("expires_at", NEVER) >= end)
    tokens = values.get("api_tokens", [])
    return {**kept, "api_tokens": [each for each in tokens if lasts_until(each, end)]}


def lasts_until(token: Values, end: str) -> bool:
    """Return whether an API token lasts until a time."""
    return token["expires_at"] == "never" or token["expires_at"] >= end


def with_grants(values: Values, keeps: Any) -> Values:
    """Return a document with only those grants of people and Teams, and those members, which a function keeps."""

    def kept(holder: Values) -> Values:
        lists = {key: list(filter(keeps, holder[key])) for key in LEVELS if key in holder}
        members = [each for each in holder.get("members", []) if isinstance(each, str) or keeps(each)]
        ended = {"organization_role"} if not keeps(reference.organization_role(holder)) else set()
        rest = {key: each for key, each in holder.items() if key not in ended}
        return {**rest, **lists, **({"members": members} if "members" in holder else {})}

    return {**values, **{key: list(map(kept, values.get(key, []))) for key in ("users", "teams")}}


def workspaces(values: Values) -> dict[str, str]:
    """Return the Workspace of each Deployment."""
    return {deployment["id"]: deployment["workspace_id"] for deployment in values["deployments"]}


def all_grants(values: Values) -> Counter[tuple[str, ...]]:
    """Count every grant of a document, with whose it is."""
    return Counter(
        grant
        for key, name in (("users", "email"), ("teams", "name"))
        for holder in values.get(key, [])
        for grant in grants_on(f"{key} {normal_email(holder[name]) if key == 'users' else holder[name]}", holder)
    )


def grants_on(whose: str, holder: Values) -> Iterator[tuple[str, ...]]:
    """Yield whose each grant is, its level, place, what it is on there, role, end and note."""
    given = reference.organization_role(holder)
    if given:
        yield whose, "ORGANIZATION", "", "", given["role"], given.get("expires_at", NEVER), given.get("note", "")
    for key, level in LEVELS.items():
        for entry in holder.get(key, []):
            place = entry["workspace_id" if level == "WORKSPACE" else "deployment_id"]
            rest = ("workspace_id", "deployment_id", "role", "expires_at", "note")
            on = str(sorted((key, value) for key, value in entry.items() if key not in rest))
            yield whose, level, place, on, entry["role"], entry.get("expires_at", NEVER), entry.get("note", "")


def people(values: Values) -> set[str]:
    """Name the people who have an entry."""
    return {normal_email(user["email"]) for user in values.get("users", [])}


def names_of(values: Values, key: str) -> set[str]:
    """Name the entries of a list."""
    return {entry["name"] for entry in values.get(key, [])}


def team_of(values: Values, name: str) -> Values:
    """Return the Team of this name, nothing where there is none."""
    return next((team for team in values.get("teams", []) if team["name"] == name), {})


def by_name(values: Values, key: str, name: str) -> dict[str, object]:
    """Return the entries of a list, in a form that can be compared."""
    return {entry[name]: alike(entry) for entry in values.get(key, [])}


def role_set(token: Values) -> set[object]:
    """Return the roles of a token."""
    return {repr(alike(entry)) for entry in token.get("roles", [])}


def alike(value: Any) -> Any:
    """Return a form of a value that is the same in any order, whether it says what holds anyway or not.

    Only no Workspaces that a role is restricted to are another thing than no restriction.
    """
    if isinstance(value, list):
        return sorted(map(repr, map(alike, value))) or None
    if isinstance(value, dict):
        if "organization_role" in value:
            value = {**value, "organization_role": reference.organization_role(value)}
        kept = {key: alike(each) for key, each in value.items() if each or key == "restricted_workspace_ids"}
        return sorted(kept.items(), key=repr)
    return value or None
