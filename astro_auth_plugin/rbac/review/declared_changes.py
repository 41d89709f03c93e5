"""What two versions of a policy say differently apart from what follows in Deployments.

Custom roles, tokens, tags, and all other keys; and grants that reach no Deployment, so that no list of gains has them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Literal, NamedTuple

from astro_auth_plugin.rbac.model.roles import BUILT_IN
from astro_auth_plugin.rbac.model.scopes import GrantScope
from astro_auth_plugin.rbac.policy import protected_tags
from astro_auth_plugin.rbac.policy.document import ApiToken, CustomRole, PolicyDocument
from astro_auth_plugin.rbac.policy.grants import Grant, Principal, first_end, grants, members_of, subjects_by_principal
from astro_auth_plugin.rbac.policy.loader import Policy
from astro_auth_plugin.rbac.policy.tag_rules import Place

_ORGANIZATION, _OWNER = "", "ORGANIZATION_OWNER"
# Grants, and who is in a Team, are reported by what follows from them.
_REPORTED_ELSEWHERE = frozenset({"roles", "teams", "users", "api_tokens"})


class Declared(NamedTuple):
    """One other change of a policy.

    Attributes:
        what: "role" for a custom role, "API token", "tag", "key", the kind of role that a grant gives, or "grant" or
            "member" where its end is another one, "Team" where it is for support or no longer is.
        name: the role, the Team of a member, the token id, the tag that grants use and others may carry now, or the key
            of the policy.
        sign: new ("+"), gone ("-"), or changed ("~").
        details: what is different, each in some words.
        widens: whether a user can have more than before, whom no list of people shows.
        line: where the policy says it now; 0 where it no longer does.
        workspace_id: of a grant in a Workspace, which one.
        subjects: of a grant, all who have the role now, or no longer do.
    """

    what: Literal["role", "API token", "tag", "key", "Organization role", "Workspace role", "grant", "member", "Team"]
    name: str
    sign: Literal["+", "-", "~"]
    details: tuple[str, ...] = ()
    widens: bool = False
    line: int = 0
    workspace_id: str = ""
    subjects: tuple[str, ...] = ()


def declared_changes(old: Policy, new: Policy) -> tuple[Declared, ...]:
    """Return what is said differently, in the order of the policy file."""
    return (
        *_roles(old, new),
        *_tokens(old, new),
        *_grants(old, new),
        *_ends(old, new),
        *_memberships(old, new),
        *_support_teams(old, new),
        *_tags(old, new),
        *_other_keys(old, new),
    )


def _roles(old: Policy, new: Policy) -> Iterator[Declared]:
    had = {role.name: role for role in old.document.roles}
    has = {role.name: (index, role) for index, role in enumerate(new.document.roles)}
    for name, (index, role) in has.items():
        line = new.line(("roles", index))
        if name not in had:
            yield Declared("role", name, "+", tuple(_role_words((), role.permissions)), line=line)
        elif details := tuple(_role_details(had[name], role)):
            yield Declared("role", name, "~", details, line=line)
    yield from (Declared("role", name, "-") for name in had if name not in has)


def _role_details(old: CustomRole, new: CustomRole) -> Iterator[str]:
    yield from _role_words(old.permissions, new.permissions)
    if old.scope != new.scope:
        yield f"scope {new.scope} instead of {old.scope}"
    if set(old.restricted_workspace_ids) != set(new.restricted_workspace_ids):
        yield "restricted to other Workspaces"


def _role_words(old: list[str] | tuple[str, ...], new: list[str]) -> Iterator[str]:
    yield from (f"+{word}" for word in dict.fromkeys(new) if word not in old)
    yield from (f"-{word}" for word in dict.fromkeys(old) if word not in new)


def _tokens(old: Policy, new: Policy) -> Iterator[Declared]:
    had = {token.id: token for token in old.document.api_tokens}
    has = {token.id: (index, token) for index, token in enumerate(new.document.api_tokens)}
    for name, (index, token) in has.items():
        line = new.line(("api_tokens", index))
        if name not in had:
            yield Declared("API token", name, "+", (_expiry(token),), line=line)
        elif details := dict(_token_details(had[name], token)):
            yield Declared("API token", name, "~", tuple(details), any(details.values()) and bool(token.roles), line)
    yield from (Declared("API token", name, "-") for name in had if name not in has)


def _token_details(old: ApiToken, new: ApiToken) -> Iterator[tuple[str, bool]]:
    """Yield what is different about a token, and whether that is more for a user."""
    if old.secret_sha256 != new.secret_sha256:
        yield "another secret, with the token's access", True
    had, has = (
        (token.previous_secret_sha256, f"{token.previous_secret_expires_at:%Y-%m-%d %H:%M} UTC")
        if token.previous_secret_sha256
        else ("", "")
        for token in (old, new)
    )
    if had != has:
        end = f"is valid until {has[1]}" if has[0] else "is no longer valid"
        # What was the secret until now is not one more.
        yield f"a previous secret {end}", has[0] not in ("", old.secret_sha256)
    if old.expires_at != new.expires_at:
        later = old.expires_at is not None and (new.expires_at is None or new.expires_at > old.expires_at)
        yield f"{_expiry(new)} instead of {_expiry(old)}", later


def _expiry(token: ApiToken) -> str:
    return f"expires {token.expires_at:%Y-%m-%d %H:%M} UTC" if token.expires_at else "never expires"


def _grants(old: Policy, new: Policy) -> Iterator[Declared]:
    """Yield the grants that reach no Deployment of the new version: they apply on Astro, or once there is one."""
    had, has = _grants_by_subject(old.document), _grants_by_subject(new.document)
    alike: dict[Declared, list[str]] = defaultdict(list)
    for subject in dict.fromkeys([*had, *has]):
        before, after = had[subject], has[subject]
        for place, role in after:
            if (place, role) not in before:
                alike[_grant("+", place, role, widens=not _covered(place, role, before))].append(subject)
        for place, role in before:
            if (place, role) not in after:
                alike[_grant("-", place, role)].append(subject)
    inhabited = {deployment.workspace_id for deployment in new.document.deployments}
    for each, subjects in alike.items():
        reported = each.workspace_id in inhabited or (each.name == _OWNER and inhabited)
        if not reported:
            yield each._replace(subjects=tuple(subjects))


def _ends(old: Policy, new: Policy) -> Iterator[Declared]:
    """Yield the grants that end at another time than before, and the new ones that end at all."""
    had, has = _longest(old.document), _longest(new.document)
    for key, grant in has.items():
        before = had.get(key)
        if grant.expires_at == (before.expires_at if before else None):
            continue
        where = f"{grant.principal} on {grant.scope}"
        instead = f" instead of {_time(before.expires_at)}" if before else ""
        widens = before is not None and not before.outlives(grant)
        details = (f"{where} ends {_time(grant.expires_at)}{instead}",)
        yield Declared("grant", grant.role, "~" if before else "+", details, widens, new.line(grant.path))


def _memberships(old: Policy, new: Policy) -> Iterator[Declared]:
    """Yield the memberships that end at another time than before, and the new ones that end at all."""
    had, has = ({team.name: members_of(team) for team in version.document.teams} for version in (old, new))
    for index, team in enumerate(new.document.teams):
        before = had.get(team.name, {})
        for subject, end in has[team.name].items():
            if end == before.get(subject):
                continue
            known = subject in before
            instead = f" instead of {_time(before[subject])}" if known else ""
            details = (f"membership of user `{subject}` ends {_time(end)}{instead}",)
            widens = known and first_end(before[subject], end) != end
            line = new.line(("teams", index, "members"))
            yield Declared("member", team.name, "~" if known else "+", details, widens, line)


def _support_teams(old: Policy, new: Policy) -> Iterator[Declared]:
    had = {team.name: team.support for team in old.document.teams}
    for index, team in enumerate(new.document.teams):
        if team.support != had.get(team.name, False):
            said = "is a support Team" if team.support else "is no support Team any more"
            yield Declared(
                "Team", team.name, "~" if team.name in had else "+", (said,), line=new.line(("teams", index))
            )


def _longest(document: PolicyDocument) -> dict[tuple[Principal, str, GrantScope], Grant]:
    """Return every grant, and of several alike the one that ends last."""
    found: dict[tuple[Principal, str, GrantScope], Grant] = {}
    for grant in grants(document):
        key = grant.principal, grant.role, grant.scope
        if key not in found or not found[key].outlives(grant):
            found[key] = grant
    return found


def _time(end: datetime | None) -> str:
    return f"{end:%Y-%m-%d %H:%M:%S} UTC" if end else "never"


_Grants = dict[str, dict[tuple[str, str], None]]


def _grants_by_subject(document: PolicyDocument) -> _Grants:
    """Return the Organization and Workspace roles of each subject, each with its Workspace."""
    by_principal = defaultdict(list)
    for grant in grants(document):
        if grant.scope.kind in ("Organization", "Workspace"):
            by_principal[grant.principal].append((grant.scope.id, grant.role))
    found: _Grants = defaultdict(dict)
    for principal, subjects in subjects_by_principal(document).items():
        for subject in subjects if principal in by_principal else ():
            found[subject].update(dict.fromkeys(by_principal[principal]))
    return found


def _grant(sign: Literal["+", "-"], place: str, role: str, *, widens: bool = False) -> Declared:
    return Declared("Workspace role" if place else "Organization role", role, sign, widens=widens, workspace_id=place)


def _covered(place: str, role: str, before: Mapping[tuple[str, str], None]) -> bool:
    """Whether a role gives nothing beside those of before. Most Organization roles have an effect on Astro only."""
    if (_ORGANIZATION, _OWNER) in before or role == "ORGANIZATION_MEMBER":
        return True
    if place == _ORGANIZATION:
        return role == "ORGANIZATION_OBSERVE_MEMBER" and (_ORGANIZATION, "ORGANIZATION_OBSERVE_ADMIN") in before
    new = BUILT_IN[role]
    olds = [BUILT_IN[old] for where, old in before if where == place]
    return any(
        not new.permissions & ~old.permissions
        and new.gives <= old.gives
        and new.gives_tokens <= old.gives_tokens | old.gives
        for old in olds
    )


def _tags(old: Policy, new: Policy) -> Iterator[Declared]:
    """Yield the tags that more files may carry than before: anyone who has them may get Dags that no list shows yet.

    A tag that only one version grants is reported by who gains and who loses it.
    """
    granted = [protected_tags.granted_tags(version.document) for version in (old, new)]
    both = {where: None for where in granted[1] if where in granted[0]}
    rules = {
        deployment_id: [protected_tags.rules(version.document, deployment_id) for version in (old, new)]
        for deployment_id in dict.fromkeys(deployment_id for deployment_id, _ in both)
    }
    for tag in dict.fromkeys(tag for where, tag in both if _opened(*(each.places(tag) for each in rules[where]))):
        yield Declared("tag", tag, "~", ("more files may carry it",), True, new.line(("protected_tags",)))


def _opened(old: tuple[Place, ...] | None, new: tuple[Place, ...] | None) -> bool:
    """Return whether more files may carry a tag; two patterns that differ are taken for different files."""
    if old is None or new is None:
        return old is not None
    had, has = ({(place.bundle, file) for place in places for file in place.files} for places in (old, new))
    return not has <= had


def _other_keys(old: Policy, new: Policy) -> Iterator[Declared]:
    for key in PolicyDocument.model_fields:
        if key in _REPORTED_ELSEWHERE:
            continue
        had, has = _plain(old.document, key), _plain(new.document, key)
        if had != has:
            yield Declared("key", key, "~", line=new.line((key,)))


def _plain(document: PolicyDocument, key: str) -> object:
    values: Mapping[str, object] = document.model_dump(include={key})
    return values[key]
