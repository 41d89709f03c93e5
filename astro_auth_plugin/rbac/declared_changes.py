"""What two versions of a policy say differently apart from grants: custom roles, tokens, tags, and everything else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from astro_auth_plugin.rbac import policy_tags
from astro_auth_plugin.rbac.policy import Policy
from astro_auth_plugin.rbac.policy_document import ApiToken, CustomRole, PolicyDocument
from astro_auth_plugin.rbac.tag_rules import Place

# Grants, and who is in a Team, are told by what follows from them.
_TOLD_ELSEWHERE = frozenset({"roles", "teams", "users", "api_tokens"})


class Declared(NamedTuple):
    """One thing that is said differently.

    Attributes:
        what: "role", "API token", "tag" or "key".
        name: the role, the token id, the tag that grants use and others may carry now, or the key of the policy.
        sign: new ("+"), gone ("-"), or changed ("~").
        details: what is different, each in some words.
        widens: whether somebody can hold more than before, whom no list of people shows.
        line: where the policy says it now; 0 where it no longer does.
    """

    what: Literal["role", "API token", "tag", "key"]
    name: str
    sign: Literal["+", "-", "~"]
    details: tuple[str, ...] = ()
    widens: bool = False
    line: int = 0


def declared_changes(old: Policy, new: Policy) -> tuple[Declared, ...]:
    """Return what is said differently, in the order of the policy file."""
    return (*_roles(old, new), *_tokens(old, new), *_tags(old, new), *_other_keys(old, new))


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
    """Yield what is different about a token, and whether that is more for somebody."""
    if old.secret_sha256 != new.secret_sha256:
        yield "another secret: whoever has it holds what the token holds", True
    had, has = (
        (token.previous_secret_sha256, f"{token.previous_secret_expires_at:%Y-%m-%d %H:%M} UTC")
        if token.previous_secret_sha256
        else ("", "")
        for token in (old, new)
    )
    if had != has:
        end = f"counts until {has[1]}" if has[0] else "counts no more"
        # What was the secret until now is not one more.
        yield f"a previous secret {end}", has[0] not in ("", old.secret_sha256)
    if old.expires_at != new.expires_at:
        later = old.expires_at is not None and (new.expires_at is None or new.expires_at > old.expires_at)
        yield f"{_expiry(new)} instead of {_expiry(old)}", later


def _expiry(token: ApiToken) -> str:
    return f"expires {token.expires_at:%Y-%m-%d %H:%M} UTC" if token.expires_at else "never expires"


def _tags(old: Policy, new: Policy) -> Iterator[Declared]:
    """Yield the tags that more files may carry than before: whoever holds them may get Dags that no list shows yet.

    A tag that only one version grants is told by who gains and who loses it.
    """
    granted = [policy_tags.granted_tags(version.document) for version in (old, new)]
    both = {where: None for where in granted[1] if where in granted[0]}
    rules = {
        deployment_id: [policy_tags.rules(version.document, deployment_id) for version in (old, new)]
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
        if key in _TOLD_ELSEWHERE:
            continue
        had, has = _plain(old.document, key), _plain(new.document, key)
        if had != has:
            yield Declared("key", key, "~", line=new.line((key,)))


def _plain(document: PolicyDocument, key: str) -> object:
    values: Mapping[str, object] = document.model_dump(include={key})
    return values[key]
