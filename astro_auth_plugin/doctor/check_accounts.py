"""Checks of FAB: settings of it that do nothing here, who can get an account, accounts and sessions that are there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime

from flask_appbuilder.const import AUTH_DB

from astro_auth_plugin.accounts import accounts, fab_authorization, web_sessions
from astro_auth_plugin.doctor.findings import hint, ok, wrong
from astro_auth_plugin.doctor.installation import Installation
from astro_auth_plugin.rbac.engine.engine import NO_GROUPS
from astro_auth_plugin.rbac.model.roles import BUILT_IN
from astro_auth_plugin.rbac.model.subjects import TOKEN_PREFIX, only_account, user_subject
from astro_auth_plugin.rbac.policy.diagnostics import Diagnostic

_ROLES = "FAB's roles grant nothing here"
_NO_PUBLIC = "users who are not signed in have no access"
UNUSED_SETTINGS = {
    "AUTH_ROLES_MAPPING": f"{_ROLES}. Grant roles to Teams in the policy",
    "AUTH_ROLES_SYNC_AT_LOGIN": f"{_ROLES}, so there is nothing to synchronize",
    "AUTH_ROLE_ADMIN": f"{_ROLES}, including the admin role. Grant ORGANIZATION_OWNER in the policy",
    "AUTH_ROLE_PUBLIC": _NO_PUBLIC,
    "AUTH_USER_REGISTRATION_ROLE_JMESPATH": f"{_ROLES}, including the role of new accounts",
    "FAB_ROLES": f"{_ROLES}. Define custom roles in the policy",
}
"""Settings of webserver_config.py that have no effect here, and why."""
UNUSED_OPTIONS = {
    "auth_role_public": _NO_PUBLIC,
    "custom_roles": f"{_ROLES}. Define custom roles in the policy",
}
"""Options of `[fab]` that have no effect here, and why."""
FAB_ROLES = frozenset({"Admin", "Op", "Public", "User", "Viewer"})

MANY_SESSIONS = 10_000
_NAMED = 5
_USERS_NAMED = 10
_GRANT_EVERY_ROLE = frozenset(role.name for role in BUILT_IN.values() if "ORGANIZATION" in role.gives)


def unused_settings(installation: Installation) -> Iterator[Diagnostic]:
    """Which settings of FAB are set but have no effect."""
    config = installation.fab.config
    for name, why in UNUSED_SETTINGS.items():
        if config.get(name):
            yield hint(name, f"in webserver_config.py has no effect: {why}.")
    for name, why in UNUSED_OPTIONS.items():
        if installation.is_set("fab", name) and installation.option("fab", name) not in ("", "{}"):
            yield hint(f"[fab] {name}", f"has no effect: {why}.")
    if not installation.truth("fab", "update_fab_perms"):
        yield ok("[fab] update_fab_perms", f"is False, which is fine: {_ROLES}.")


def unused_roles(_: Installation) -> Iterator[Diagnostic]:
    """Which custom roles FAB has."""
    custom = sorted(fab_authorization.read_role_names() - FAB_ROLES)
    if custom:
        more = f" and {len(custom) - _NAMED} more" if len(custom) > _NAMED else ""
        names = ", ".join(f"`{name}`" for name in custom[:_NAMED])
        yield hint("roles of FAB", f"{names}{more} grant nothing here. Grant their users roles in the policy.")


def registration(installation: Installation) -> Iterator[Diagnostic]:
    """Whether the first sign-in of a user creates an account, with an existing role of FAB."""
    config = installation.fab.config
    if config.get("AUTH_TYPE", AUTH_DB) == AUTH_DB:
        return
    if not config.get("AUTH_USER_REGISTRATION"):
        yield hint("AUTH_USER_REGISTRATION", "is disabled: only users with an existing account can sign in.")
        return
    role = str(config.get("AUTH_USER_REGISTRATION_ROLE") or "Public")
    made_at_start = FAB_ROLES if installation.truth("fab", "update_fab_perms") else frozenset({"Admin"})
    if role not in fab_authorization.read_role_names() | made_at_start:
        words = f"FAB has no role `{role}` and warns for each new account. Set any existing role; it grants nothing"
        yield hint("AUTH_USER_REGISTRATION_ROLE", f"{words}, such as Admin.")


def _active_accounts() -> dict[str, list[int]]:
    """Return the active accounts by the e-mail as it is compared."""
    found: dict[str, list[int]] = defaultdict(list)
    for account_id, email in accounts.read_active_emails():
        found[user_subject(email)].append(account_id)
    return found


def duplicate_accounts(_: Installation) -> Iterator[Diagnostic]:
    """Which active accounts have the same e-mail, so that access is denied for all of them."""
    same = _active_accounts()
    found = {email: sorted(ids) for email, ids in sorted(same.items()) if only_account(ids) is None}
    for email, ids in found.items():
        listed = ", ".join(map(str, ids))
        yield wrong(
            "accounts",
            f"{listed} are duplicate active accounts for `{email}`: access is denied for all of them. "
            "Deactivate all but one.",
        )
    if not found:
        yield ok("accounts", f"{len(same)} active, no duplicates.")


def users(installation: Installation) -> Iterator[Diagnostic]:
    """Which users of the policy have no account, which accounts no role, and whether one may grant every role."""
    if installation.engine is None:
        return
    engine, groups = installation.engine, accounts.read_groups()
    seen = _active_accounts()
    only = {email: only_account(ids) for email, ids in seen.items()}
    grants = {
        email: engine.access(email, groups.get(account_id, NO_GROUPS)).grants
        for email, account_id in only.items()
        if account_id is not None
    }
    missing = [email for email in engine.subjects() if not email.startswith(TOKEN_PREFIX) and email not in seen]
    if missing:
        yield hint(
            "users of the policy", f"{_some(missing)} without an active account: not signed in yet, or misspelt."
        )
    without_role = [email for email, held in grants.items() if not held]
    if without_role:
        yield hint("accounts", f"{_some(without_role)} without a role in this Deployment: they have no access.")
    if not any(grant.role in _GRANT_EVERY_ROLE for held in grants.values() for grant in held):
        role = " or ".join(f"`{name}`" for name in sorted(_GRANT_EVERY_ROLE))
        yield hint("accounts", f"no active account has {role}, so no user can change every account.")


def access_control(_: Installation) -> Iterator[Diagnostic]:
    """Dags whose code gives FAB's roles access, which has no effect here."""
    ignored = fab_authorization.read_dags_with_access_control()
    if ignored:
        yield hint(
            "access_control", f"{_some(ignored)} set it, which has no effect. Grant access to Dags in the policy."
        )


def _some(listed: list[str]) -> str:
    """Return how many there are, and the first of them."""
    more = ", …" if len(listed) > _USERS_NAMED else ""
    named = ", ".join(f"`{name}`" for name in sorted(listed)[:_USERS_NAMED])
    return f"{len(listed)} ({named}{more})"


def sessions(_: Installation) -> Iterator[Diagnostic]:
    """Whether FAB's table of web sessions is being cleaned."""
    expired = web_sessions.count_expired(datetime.now(UTC))
    if expired > MANY_SESSIONS:
        yield hint(
            "table `session`",
            f"has {expired} rows of expired sessions: run `airflow astro-auth clean-sessions` from time to time.",
        )
    else:
        yield ok("table `session`", f"has {expired} rows of expired sessions.")
