"""The difference of two policy documents, part by part, as it is judged and as the history keeps it.

A part is what can be given or taken by itself: a grant, a member or group of a Team, an API token, a custom role, or
a setting. The order of lists makes no difference, nor do capitals in e-mails.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic import BaseModel

from astro_auth_plugin.rbac.changes import edits
from astro_auth_plugin.rbac.model.subjects import normalize_email, user_subject
from astro_auth_plugin.rbac.policy.document import NEVER, ApiToken, CustomRole, PolicyDocument, Team, User
from astro_auth_plugin.rbac.policy.grants import Grant, Principal, grants_of, note_of, principal_of

Sign = Literal["+", "-", "~"]
_Part = TypeVar("_Part")
What = Literal["grant", "member", "group", "Team", "user", "API token", "role", "setting"]


class PolicyChange(NamedTuple):
    """One part of a policy that came ("+"), went ("-") or is another one ("~").

    Attributes:
        sign: whether it came, went or changed.
        what: the kind of part.
        name: the member, group, Team, user, role or setting; the id of a token; '' for a grant.
        team: the Team of a member or group.
        grant: the grant.
        note: the note of the grant or member; whether a Team is now one for support; the new value of a setting that
            is one word.
        expires_at: when the membership of a member ends; None for never.
        renamed: the new name of a Team or custom role that is the same otherwise; '' for any other change.
        before: the API token before, where there was one.
        after: the API token after, where there is one.
    """

    sign: Sign
    what: What
    name: str = ""
    team: str = ""
    grant: Grant | None = None
    note: str = ""
    before: ApiToken | None = None
    after: ApiToken | None = None
    expires_at: datetime | None = None
    renamed: str = ""

    def __str__(self) -> str:
        if self.renamed:
            return f"{self.sign} {self.what} `{self.name}` renamed to `{self.renamed}`"
        if self.grant is not None:
            place = self.grant.scope.deployment_id
            where = f"{self.grant.scope} of Deployment `{place}`" if place else str(self.grant.scope)
            ending = _ending(self.grant.expires_at, self.note)
            return f"{self.sign} {self.grant.principal}: `{self.grant.role}` on {where}{ending}"
        if self.team:
            return f"{self.sign} Team `{self.team}`: {self.what} `{self.name}`{_ending(self.expires_at, self.note)}"
        details = ", ".join(_token_details(self.before, self.after)) if self.what == "API token" else ""
        named = _token_name(self.name, self.after or self.before)
        return f"{self.sign} {self.what} {named}{details and f': {details}'}{_ending(None, self.note)}"


def changes(old: PolicyDocument, new: PolicyDocument) -> Iterator[PolicyChange]:
    """Yield every part that is different between two documents without errors.

    A custom role or Team that has another name and is the same otherwise is one part, with all that have the role.
    """
    for before, after in _renamed(old.roles, new.roles):
        yield PolicyChange("~", "role", before, renamed=after)
        old = _edited(old, edits.rename_role(before, after))
    for before, after in _renamed(old.teams, new.teams):
        yield PolicyChange("~", "Team", before, renamed=after)
        old = _edited(old, edits.rename_team(before, after))
    yield from _entries(old.users, new.users)
    yield from _entries(old.teams, new.teams)
    yield from _tokens(old, new)
    had, has = ({role.name: role for role in document.roles} for document in (old, new))
    for name in dict.fromkeys([*had, *has]):
        if not _is_same_role(had.get(name), has.get(name)):
            yield PolicyChange(_sign(name in had, name in has), "role", name)
    for key in PolicyDocument.model_fields:
        if key not in ("users", "teams", "api_tokens", "roles") and not _is_same(getattr(old, key), getattr(new, key)):
            value = getattr(new, key)
            yield PolicyChange("~", "setting", key, note=value if isinstance(value, str) else "")


def _renamed(old: Sequence[CustomRole | Team], new: Sequence[CustomRole | Team]) -> list[tuple[str, str]]:
    """Return the old and new names of what is in two lists by different names, where each can only be the other."""
    had, has = {each.name for each in old}, {each.name for each in new}
    went, came = ([each for each in old if each.name not in has], [each for each in new if each.name not in had])
    pairs = [(one.name, other.name) for one in went for other in came if _is_same_but_name(one, other)]
    times = Counter(name for pair in pairs for name in pair)
    return [pair for pair in pairs if times[pair[0]] == times[pair[1]] == 1]


def _is_same_but_name(one: CustomRole | Team, other: CustomRole | Team) -> bool:
    named = one.model_copy(update={"name": other.name})
    if isinstance(named, CustomRole) and isinstance(other, CustomRole):
        return _is_same_role(named, other)
    return _is_same(named, other)


def _edited(document: PolicyDocument, edit: edits.Edit) -> PolicyDocument:
    values = document.model_dump(exclude_unset=True)
    for token in values.get("api_tokens", []):
        token["expires_at"] = token["expires_at"] or NEVER
    return PolicyDocument.model_validate(edit(values))


def _entries(old: Iterable[Team | User], new: Iterable[Team | User]) -> Iterator[PolicyChange]:
    had, has = {_key(entry): entry for entry in old}, {_key(entry): entry for entry in new}
    for key in dict.fromkeys([*had, *has]):
        before, after = had.get(key), has.get(key)
        # Most are one object in both documents, and to compare others takes long.
        if before is not after and before != after:
            yield from _entry(before, after)


def _key(entry: Team | User) -> str:
    return entry.name if isinstance(entry, Team) else user_subject(entry.email)


def _entry(before: Team | User | None, after: Team | User | None) -> Iterator[PolicyChange]:
    holder = next(principal_of(entry) for entry in (after, before) if entry is not None)
    teams = [entry if isinstance(entry, Team) else None for entry in (before, after)]
    if before is None or after is None or _about(teams[0]) != _about(teams[1]):
        kind: What = "Team" if holder.kind == "Team" else "user"
        note = _support_note(*teams)
        yield PolicyChange(_sign(before is not None, after is not None), kind, holder.name, note=note)
    yield from _parts(_grants(before, holder), _grants(after, holder))
    yield from _members(holder.name, *teams)
    yield from _groups(holder.name, *(team.idp_groups if team else [] for team in teams))


def _about(team: Team | None) -> tuple[str, bool] | None:
    return (team.description, team.support) if team else None


def _support_note(before: Team | None, after: Team | None) -> str:
    was, is_now = (team is not None and team.support for team in (before, after))
    if was == is_now:
        return ""
    return "a support Team" if is_now else "no support Team any more"


def _grants(entry: Team | User | None, holder: Principal) -> list[tuple[Grant, str]]:
    """Return the grants of an entry, each with its note, without their places: these are of one document."""
    if entry is None:
        return []
    return [(each._replace(path=(), principal=holder), note_of(entry, each)) for each in grants_of((), entry)]


def _parts(had: list[tuple[Grant, str]], has: list[tuple[Grant, str]]) -> Iterator[PolicyChange]:
    went, came = Counter(had) - Counter(has), Counter(has) - Counter(had)
    yield from (PolicyChange("-", "grant", grant=grant, note=note) for grant, note in went)
    yield from (PolicyChange("+", "grant", grant=grant, note=note) for grant, note in came)


def _members(name: str, old: Team | None, new: Team | None) -> Iterator[PolicyChange]:
    had, has = (
        dict.fromkeys((normalize_email(each.email), each.expires_at, each.note) for each in team.members)
        if team
        else {}
        for team in (old, new)
    )
    for sign, members in _differing(had, has):
        for email, end, note in members:
            yield PolicyChange(sign, "member", email, name, note=note, expires_at=end)


def _groups(name: str, had: Iterable[str], has: Iterable[str]) -> Iterator[PolicyChange]:
    for sign, groups in _differing(dict.fromkeys(had), dict.fromkeys(has)):
        yield from (PolicyChange(sign, "group", group, name) for group in groups)


def _differing(had: Mapping[_Part, None], has: Mapping[_Part, None]) -> Iterator[tuple[Sign, list[_Part]]]:
    yield "-", [each for each in had if each not in has]
    yield "+", [each for each in has if each not in had]


def _tokens(old: PolicyDocument, new: PolicyDocument) -> Iterator[PolicyChange]:
    had, has = ({token.id: token for token in document.api_tokens} for document in (old, new))
    for name in dict.fromkeys([*had, *has]):
        before, after = had.get(name), has.get(name)
        if not _is_same(before, after):
            yield PolicyChange(_sign(bool(before), bool(after)), "API token", name, before=before, after=after)


def _token_name(name: str, token: ApiToken | None) -> str:
    return f"`{token.name}` (`{name}`)" if token and token.name != name else f"`{name}`"


def _token_details(before: ApiToken | None, after: ApiToken | None) -> Iterator[str]:
    if before is None or after is None:
        either = after or before
        roles = (f"`{role.role}` on {role.entity_type} `{role.entity_id}`" for role in either.roles) if either else ()
        yield from roles
        return
    end = after.previous_secret_expires_at
    spelled = {
        "secret_sha256": "another secret",
        "previous_secret_sha256": "",
        "previous_secret_expires_at": f"the one before is valid{_ending(end, '')}" if end else "the one before ends",
    }
    for key in type(after).model_fields:
        if not _is_same(getattr(before, key), getattr(after, key)) and (said := spelled.get(key, key)):
            yield said


def _ending(end: datetime | None, note: str) -> str:
    until = f" until {end:%Y-%m-%dT%H:%M:%SZ}" if end else ""
    return f"{until} ({note})" if note else until


def _is_same_role(one: CustomRole | None, other: CustomRole | None) -> bool:
    # Restricted to an empty list of Workspaces, a role is allowed in none; without the list, in all.
    restricted = ["restricted_workspace_ids" in role.model_fields_set if role else None for role in (one, other)]
    return restricted[0] == restricted[1] and _is_same(one, other)


def _is_same(one: Any, other: Any) -> bool:
    return one is other or bool(one == other) or _unordered(one) == _unordered(other)


def _unordered(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return {name: _unordered(each) for name, each in value}
    return sorted(map(_unordered, value), key=repr) if isinstance(value, list) else value


def _sign(was: bool, is_now: bool) -> Sign:
    return "~" if was and is_now else "+" if is_now else "-"
