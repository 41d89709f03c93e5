"""Checks of FAB: settings of it that do nothing here, who can get an account, accounts and sessions that are there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime

from flask_appbuilder.const import AUTH_DB

from astro_auth_plugin.airflow_bridge import fab_accounts, web_sessions
from astro_auth_plugin.airflow_bridge.findings import Finding, hint, ok, wrong
from astro_auth_plugin.airflow_bridge.installation import Installation
from astro_auth_plugin.rbac.subjects import normalize_email

_ROLES = "FAB's roles grant nothing here"
_NO_PUBLIC = "nobody who is not signed in sees anything here"
IDLE_SETTINGS = {
    "AUTH_ROLES_MAPPING": f"{_ROLES}. Give roles to Teams in the policy",
    "AUTH_ROLES_SYNC_AT_LOGIN": f"{_ROLES}, so none have to be kept up to date",
    "AUTH_ROLE_ADMIN": f"{_ROLES}, that of an admin included. Give ORGANIZATION_OWNER in the policy",
    "AUTH_ROLE_PUBLIC": _NO_PUBLIC,
    "AUTH_USER_REGISTRATION_ROLE_JMESPATH": f"{_ROLES}, whichever a new account gets",
    "FAB_ROLES": f"{_ROLES}. Write roles of your own into the policy",
}
"""Settings of webserver_config.py that do nothing here, and why."""
IDLE_OPTIONS = {
    "auth_role_public": _NO_PUBLIC,
    "custom_roles": f"{_ROLES}. Write roles of your own into the policy",
}
"""Options of `[fab]` that do nothing here, and why."""
FAB_ROLES = frozenset({"Admin", "Op", "Public", "User", "Viewer"})

MANY_SESSIONS = 10_000
_NAMED = 5


def idle_settings(installation: Installation) -> Iterator[Finding]:
    """Which settings of FAB somebody may rely on in vain."""
    config = installation.fab.config
    for name, why in IDLE_SETTINGS.items():
        if config.get(name):
            yield hint(name, f"in webserver_config.py does nothing: {why}.")
    for name, why in IDLE_OPTIONS.items():
        if installation.is_set("fab", name) and installation.option("fab", name) not in ("", "{}"):
            yield hint(f"[fab] {name}", f"does nothing: {why}.")
    if not installation.truth("fab", "update_fab_perms"):
        yield ok("[fab] update_fab_perms", f"is False, which does no harm: {_ROLES}.")


def idle_roles(_: Installation) -> Iterator[Finding]:
    """Which roles somebody has made in FAB."""
    custom = sorted(fab_accounts.read_role_names() - FAB_ROLES)
    if custom:
        more = f" and {len(custom) - _NAMED} more" if len(custom) > _NAMED else ""
        names = ", ".join(f"`{name}`" for name in custom[:_NAMED])
        yield hint("roles of FAB", f"{names}{more} grant nothing here. What their people need has to be in the policy.")


def registration(installation: Installation) -> Iterator[Finding]:
    """Whether somebody who comes for the first time gets an account, and a role of FAB that exists."""
    config = installation.fab.config
    if config.get("AUTH_TYPE", AUTH_DB) == AUTH_DB:
        return
    if not config.get("AUTH_USER_REGISTRATION"):
        yield hint("AUTH_USER_REGISTRATION", "is off: only people who have an account already can sign in.")
        return
    role = str(config.get("AUTH_USER_REGISTRATION_ROLE") or "Public")
    made_at_start = FAB_ROLES if installation.truth("fab", "update_fab_perms") else frozenset({"Admin"})
    if role not in fab_accounts.read_role_names() | made_at_start:
        words = (
            f"FAB has no role `{role}`, and warns at each new account. Its roles grant nothing: name one that is there"
        )
        yield hint("AUTH_USER_REGISTRATION_ROLE", f"{words}, such as Admin.")


def twins(_: Installation) -> Iterator[Finding]:
    """Which active accounts are one person by e-mail, so that none of them holds anything."""
    same: dict[str, list[int]] = defaultdict(list)
    for account_id, email in fab_accounts.read_active_emails():
        same[normalize_email(email)].append(account_id)
    found = {email: sorted(ids) for email, ids in sorted(same.items()) if len(ids) > 1}
    for email, ids in found.items():
        accounts = ", ".join(map(str, ids))
        yield wrong(
            "accounts", f"{accounts} are one person, `{email}`, so none of them holds anything. Switch off all but one."
        )
    if not found:
        yield ok("accounts", f"{len(same)} active, each another person.")


def sessions(_: Installation) -> Iterator[Finding]:
    """Whether FAB's table of web sessions is being cleaned."""
    expired = web_sessions.count_expired(datetime.now(UTC))
    if expired > MANY_SESSIONS:
        yield hint(
            "table `session`",
            f"has {expired} rows of sign-ins that have expired: run `airflow astro-auth clean-sessions` now and then.",
        )
    else:
        yield ok("table `session`", f"has {expired} rows that have expired.")
