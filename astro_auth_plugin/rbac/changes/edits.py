"""Edits of a policy: from the plain values of one version to those of the next.

Each function returns new values and leaves the given ones as they are. The values are those of a policy without errors;
whether the result is one, and whether the actor may make the change, is for the caller to check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from astro_auth_plugin.rbac.model.scopes import KINDS, GrantScope
from astro_auth_plugin.rbac.model.subjects import is_same_email
from astro_auth_plugin.rbac.policy.grants import Principal
from astro_auth_plugin.rbac.policy.hints import did_you_mean

Values = dict[str, Any]
Edit = Callable[[Values], Values]

_LISTS = tuple(dict.fromkeys(kind.key for kind in KINDS.values()))


class NewGrant(NamedTuple):
    """A role that is given, where, until when and why; '' for never and for no reason."""

    role: str
    scope: GrantScope
    expires_at: str = ""
    note: str = ""


class EditError(ValueError):
    """An edit that does not fit the policy; the message says why."""


def grant(holder: Principal, role: str, scope: GrantScope, expires_at: str = "", note: str = "") -> Edit:
    """Give a user or Team a role, or the role that it has there another end and note.

    Args:
        holder: the user or Team; a user without an entry gets one.
        role: the name of the role.
        scope: where.
        expires_at: when the grant ends, as the policy writes it; '' for never.
        note: why; '' for none.
    """
    return change_grants(holder, give=[NewGrant(role, scope, expires_at, note)])


def revoke(holder: Principal, role: str, scope: GrantScope) -> Edit:
    """Take a role in one scope from a user or Team; a user who has no role then has no entry either."""
    return change_grants(holder, take=[(role, scope)])


def change_grants(
    holder: Principal, *, take: Iterable[tuple[str, GrantScope]] = (), give: Iterable[NewGrant] = ()
) -> Edit:
    """Take roles from a user or Team and then give others, as `revoke` and `grant` do one by one."""
    taken, given = list(take), list(give)

    def edit(values: Values) -> Values:
        # The entry is looked for once: there may be many of them, and many roles.
        entry = _entry_of(values, holder)
        for role, scope in taken:
            entry = _without_grant(entry, holder, role, scope)
        for new in given:
            entry = _with_grant(entry or _new_user(holder, values), holder, new)
        return _with_entry(values, holder, entry)

    return edit


def _with_grant(entry: Values, holder: Principal, new: NewGrant) -> Values:
    more = {key: text for key, text in (("expires_at", new.expires_at), ("note", new.note)) if text}
    if new.scope.kind == "Organization":
        # A mapping stays one, so that its comments stay.
        is_mapping = bool(more) or isinstance(entry.get("organization_role"), dict)
        return {**entry, "organization_role": {"role": new.role, **more} if is_mapping else new.role}
    place = _place(new.scope)
    written = {**place, "role": new.role, **more}
    key = KINDS[new.scope.kind].key
    given = entry.get(key, [])
    at = [index for index, each in enumerate(given) if each.get("role") == new.role and _is_in(each, place)]
    kept = [written if at and index == at[0] else each for index, each in enumerate(given) if index not in at[1:]]
    if kept == given and at:
        raise EditError(f"{holder} has `{new.role}` on {new.scope} already")
    return {**entry, key: kept if at else [*kept, written]}


def _without_grant(entry: Values | None, holder: Principal, role: str, scope: GrantScope) -> Values | None:
    key, place = KINDS[scope.kind].key, _place(scope)
    if scope.kind == "Organization":
        rest = {name: each for name, each in (entry or {}).items() if name != key}
        given = (entry or {}).get(key)
        found = (given.get("role") if isinstance(given, dict) else given) == role
    else:
        given = (entry or {}).get(key, [])
        kept = [each for each in given if not (each.get("role") == role and _is_in(each, place))]
        rest, found = {**(entry or {}), key: kept}, len(kept) < len(given)
    if not found or entry is None:
        raise EditError(f"{holder} has no `{role}` on {scope}")
    rest = {name: each for name, each in rest.items() if each or name not in _LISTS}
    return None if holder.kind == "user" and set(rest) == {"email"} else rest


def remove_user(email: str) -> Edit:
    """Take a person out of the policy: the entry, with its grants, and every membership."""

    def edit(values: Values) -> Values:
        holder = Principal("user", email)
        teams = [
            {**team, "members": [each for each in team["members"] if not _is_member(each, email)]}
            if any(_is_member(each, email) for each in team.get("members", []))
            else team
            for team in values.get("teams", [])
        ]
        known = _entry_of(values, holder) is not None
        if not known and teams == values.get("teams", []):
            raise EditError(f"the policy does not name {holder}")
        new = _with_entry(values, holder, None) if known else values
        return {**new, "teams": teams} if "teams" in values else new

    return edit


def add_team(
    name: str,
    description: str = "",
    members: Iterable[str | Mapping[str, str]] = (),
    groups: Iterable[str] = (),
    *,
    support: bool = False,
) -> Edit:
    """Add a Team without roles. A member is an e-mail, or an entry as the policy has it."""
    about: Values = {
        "description": description,
        "support": support,
        "members": list(members),
        "idp_groups": list(groups),
    }
    team = {"name": name, **{key: each for key, each in about.items() if each}}
    return _added("teams", "name", team, f"a Team `{name}`")


def remove_team(name: str) -> Edit:
    """Remove a Team, with its roles and members."""
    return _removed("teams", "name", name, "Team")


def describe_team(name: str, description: str) -> Edit:
    """Give a Team another description; '' takes it away."""

    def edit(values: Values) -> Values:
        entry = _found(values, "teams", "name", name, "Team")
        rest = {key: each for key, each in entry.items() if key != "description"}
        new = {**rest, "description": description} if description else rest
        return _with_entry(values, Principal("Team", name), new)

    return edit


def set_support(name: str, support: bool) -> Edit:
    """Make a Team one for support, or no longer."""

    def edit(values: Values) -> Values:
        entry = _found(values, "teams", "name", name, "Team")
        rest = {key: each for key, each in entry.items() if key != "support"}
        return _with_entry(values, Principal("Team", name), {**rest, "support": True} if support else rest)

    return edit


def rename_team(old: str, new: str) -> Edit:
    """Give a Team another name; nothing else of a policy names it."""
    return _renamed("teams", old, new, "Team")


def rename_role(old: str, new: str) -> Edit:
    """Give a custom role another name, and all that have it the role of this name."""
    rename = _renamed("roles", old, new, "custom role")

    def edit(values: Values) -> Values:
        keys = [key for key in ("teams", "users", "api_tokens") if key in values]
        return {**rename(values), **{key: [_with_role(entry, old, new) for entry in values[key]] for key in keys}}

    return edit


def change_members(
    team: str,
    key: str = "members",
    *,
    add: Iterable[str] = (),
    remove: Iterable[str] = (),
    more: Mapping[str, str] = MappingProxyType({}),
) -> Edit:
    """Add members or groups to a Team, give members another end and note, or remove some.

    Args:
        team: the Team.
        key: `members`, or `idp_groups` for groups of the identity provider.
        add: e-mails or groups.
        remove: e-mails or groups.
        more: what else is said of members who are added: `expires_at` and `note`, as the policy writes them.
    """
    is_same = _is_member if key == "members" else str.__eq__
    added, removed = list(add), list(remove)

    def edit(values: Values) -> Values:
        entry = _found(values, "teams", "name", team, "Team")
        listed = list(entry.get(key, []))
        for name in removed:
            kept = [each for each in listed if not is_same(each, name)]
            if len(kept) == len(listed):
                hint = did_you_mean(name, [*map(_email_of, listed)])
                raise EditError(f"`{name}` is not in {key} of Team `{team}`{hint}")
            listed = kept
        for name in added:
            at = [index for index, each in enumerate(listed) if is_same(each, name)]
            new = _member(listed[at[0]] if at else name, more)
            kept = (
                [new if index == at[0] else each for index, each in enumerate(listed) if index not in at[1:]]
                if at
                else [*listed, new]
            )
            if kept == listed:
                raise EditError(f"`{name}` is in {key} of Team `{team}` already")
            listed = kept
        return _with_entry(values, Principal("Team", team), {**entry, key: listed})

    return edit


def add_role(role: Mapping[str, Any]) -> Edit:
    """Add a custom role, with the keys of one."""
    return _added("roles", "name", dict(role), f"a role `{role['name']}`")


def change_role(name: str, change: Callable[[Values], Values]) -> Edit:
    """Replace a custom role by what a function makes of it."""

    def edit(values: Values) -> Values:
        entry = _found(values, "roles", "name", name, "custom role")
        return {**values, "roles": [change(each) if each is entry else each for each in values["roles"]]}

    return edit


def remove_role(name: str) -> Edit:
    """Remove a custom role."""
    return _removed("roles", "name", name, "custom role")


def add_token(token: Mapping[str, Any]) -> Edit:
    """Add an API token, with the keys of one."""
    return _added("api_tokens", "id", dict(token), f"an API token `{token['id']}`")


def change_token(token_id: str, changes: Mapping[str, str | None]) -> Edit:
    """Give keys of an API token other values; None takes a key away."""

    def edit(values: Values) -> Values:
        entry = _found(values, "api_tokens", "id", token_id, "API token")
        new = {key: each for key, each in {**entry, **changes}.items() if each is not None}
        return {**values, "api_tokens": [new if each is entry else each for each in values["api_tokens"]]}

    return edit


def remove_token(token_id: str) -> Edit:
    """Remove an API token."""
    return _removed("api_tokens", "id", token_id, "API token")


def return_to(document: Values) -> Edit:
    """Replace the policy by an older one, but for API tokens: a secret that was revoked or rotated stays invalid."""

    def edit(values: Values) -> Values:
        kept = {"api_tokens": values["api_tokens"]} if "api_tokens" in values else {}
        return {**{key: each for key, each in document.items() if key != "api_tokens"}, **kept}

    return edit


def set_support_access(setting: str) -> Edit:
    """Switch all support Teams on or off: `allowed` or `disallowed`."""

    def edit(values: Values) -> Values:
        if values.get("support_access", "allowed") == setting:
            raise EditError(f"support access is {setting} already")
        return {**values, "support_access": setting}

    return edit


def replace(document: Values) -> Edit:
    """Replace the whole policy."""
    return lambda _: document


# -- entries -------------------------------------------------------------------------------------------------------


def _entry_of(values: Values, holder: Principal) -> Values | None:
    key, name = ("users", "email") if holder.kind == "user" else ("teams", "name")
    is_same = is_same_email if holder.kind == "user" else str.__eq__
    return next((entry for entry in values.get(key, []) if is_same(entry[name], holder.name)), None)


def _new_user(holder: Principal, values: Values) -> Values:
    if holder.kind != "user":
        names = [team["name"] for team in values.get("teams", [])]
        raise EditError(f"there is no {holder}{did_you_mean(holder.name, names)}")
    return {"email": holder.name}


def _email_of(member: Any) -> str:
    """Return the e-mail of a member, which may be an e-mail alone; or a group, which is text."""
    return str(member["email"] if isinstance(member, dict) else member)


def _is_member(member: Any, email: str) -> bool:
    return is_same_email(_email_of(member), email)


def _member(old: Any, more: Mapping[str, str]) -> Any:
    """Return a member with another end and note. A mapping stays one, so that its comments stay."""
    return {"email": _email_of(old), **more} if more or isinstance(old, dict) else old


def _with_entry(values: Values, holder: Principal, new: Values | None) -> Values:
    """Return values in which the entry of a user or Team is another one, is new, or is gone."""
    key = "users" if holder.kind == "user" else "teams"
    old = _entry_of(values, holder)
    kept = [new if each is old else each for each in values.get(key, [])]
    return {**values, key: [each for each in (kept if old else [*kept, new]) if each is not None]}


def _place(scope: GrantScope) -> dict[str, str]:
    kind = KINDS[scope.kind]
    deployment = {"deployment_id": scope.deployment_id} if kind.in_deployment else {}
    folder = {"folder": scope.folder} if scope.folder else {}
    return {**deployment, **({kind.id_key: scope.id} if kind.id_key else {}), **folder}


def _is_in(given: Values, place: Mapping[str, str]) -> bool:
    # A folder is another place than the bundle that it is in.
    return given.get("folder") == place.get("folder") and all(given.get(key) == each for key, each in place.items())


def _found(values: Values, key: str, name_key: str, name: str, what: str) -> Values:
    entries: list[Values] = values.get(key, [])
    found = next((entry for entry in entries if entry[name_key] == name), None)
    if found is None:
        raise EditError(f"there is no {what} `{name}`{did_you_mean(name, [entry[name_key] for entry in entries])}")
    return found


def _added(key: str, name_key: str, entry: Values, what: str) -> Edit:
    def edit(values: Values) -> Values:
        if any(each[name_key] == entry[name_key] for each in values.get(key, [])):
            raise EditError(f"there is {what} already")
        return {**values, key: [*values.get(key, []), entry]}

    return edit


def _renamed(key: str, old: str, new: str, what: str) -> Edit:
    def edit(values: Values) -> Values:
        entry = _found(values, key, "name", old, what)
        if any(each["name"] == new for each in values[key]):
            raise EditError(f"there is a {what} `{new}` already")
        return {**values, key: [{**each, "name": new} if each is entry else each for each in values[key]]}

    return edit


def _with_role(entry: Values, old: str, new: str) -> Values:
    """Return a user, Team or API token that has another role instead of one."""
    lists = {
        key: [{**grant, "role": new} if grant["role"] == old else grant for grant in entry[key]]
        for key in (*_LISTS, "roles")
        if isinstance(entry.get(key), list)
    }
    return {**entry, **lists}


def _removed(key: str, name_key: str, name: str, what: str) -> Edit:
    def edit(values: Values) -> Values:
        entry = _found(values, key, name_key, name, what)
        return {**values, key: [each for each in values[key] if each is not entry]}

    return edit
