"""Every sign-in is in the audit log: around the methods of the security manager in which all ways to sign in end."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from astro_auth_plugin.runtime import audit_log
from astro_auth_plugin.runtime.request_context import current_request

_WAYS = {
    "auth_user_db": "password",
    "auth_user_ldap": "ldap",
    "auth_user_oauth": "oauth",
    "auth_user_remote_user": "proxy",
    "auth_user_saml": "saml",
}
_DEFAULT_REASON = {"password": "wrong_credentials", "ldap": "wrong_credentials"}


def because(reason: str) -> None:
    """Say as a stable keyword why the sign-in of this request is refused."""
    context = current_request()
    if context is not None:
        context.refusal = reason


def audited(security_manager: type[Any]) -> type[Any]:
    """Return the security manager as one whose sign-ins are in the audit log."""
    methods = {name: _audited(getattr(security_manager, name), way) for name, way in _WAYS.items()}
    return type(security_manager.__name__, (security_manager,), methods)


def _audited(sign_in: Callable[..., Any], way: str) -> Callable[..., Any]:
    @functools.wraps(sign_in)
    def sign_in_and_note(self: Any, *args: Any, **kwargs: Any) -> Any:
        user = None
        try:
            user = sign_in(self, *args, **kwargs)
        finally:
            _note(user, way, args[0] if args else kwargs.get("username", ""))
        return user

    return sign_in_and_note


def _note(user: Any, way: str, said: Any) -> None:
    if user:
        fields = {"user": user.username, "email": user.email, "account": user.id, "way": way}
        audit_log.note(audit_log.Event(audit_log.SIGNED_IN, user.username, fields, user.id))
        return
    context = current_request()
    reason = context.refusal if context else ""
    fields = {"said": audit_log.shortened(_name_in(said)), "way": way}
    fields["reason"] = reason or _DEFAULT_REASON.get(way, "not_accepted")
    # It is unknown who it was; what was said is only in the fields.
    audit_log.note(audit_log.Event(audit_log.SIGN_IN_REFUSED, "", fields))


def _name_in(said: Any) -> str:
    if isinstance(said, Mapping):
        said = said.get("email") or said.get("username")
    return said if isinstance(said, str) else ""
