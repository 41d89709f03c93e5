"""Where each way to sign in says a person's groups. What is not said, or is no text, is no group."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

log = logging.getLogger(__name__)


def in_claims(
    claims: Mapping[str, Any], info: Mapping[str, Any], name: str, userinfo: Callable[[], Mapping[str, Any]]
) -> list[str]:
    """Return the groups that an identity provider says.

    Args:
        claims: the claims of the ID token.
        info: what FAB has made of the provider's answer; it knows where several providers have the groups.
        name: the claim of the option `groups_claim`; '' leaves it to FAB, and to the claim `groups`.
        userinfo: requests from the provider the claims that are not in the ID token.
    """
    if "_claim_names" in claims:
        log.warning("The provider omitted the groups of a user with too many groups; see docs/sign-in.md")
    if not name:
        return as_names(info.get("role_keys") or claims.get("groups"))
    return as_names(claims[name] if name in claims else userinfo().get(name))


def as_names(said: Any) -> list[str]:
    """Return the texts of a list, or the only one; whatever else is there is left out, and logged."""
    listed = [said] if isinstance(said, str) else said if isinstance(said, list | tuple) else []
    names = [name for name in listed if isinstance(name, str) and name]
    if said and len(names) < len(listed or [said]):
        log.warning("Ignored groups of the identity provider that are not text")
    return names


def in_ldap(attributes: Mapping[str, Iterable[bytes]], field: str) -> list[str]:
    """Return the groups in a person's attributes, each name as a whole; servers spell the attribute as they like."""
    values = [value for name, listed in attributes.items() if name.lower() == field.lower() for value in listed]
    try:
        return [value.decode() for value in values]
    except UnicodeDecodeError:
        log.warning("The directory has groups in `%s` that are not text; all groups of this sign-in are ignored", field)
        return []
