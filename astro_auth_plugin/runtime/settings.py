"""The `[astro_auth]` options as one frozen object; nothing else of the package reads them from Airflow."""

from __future__ import annotations

import os
from configparser import InterpolationError
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from airflow.configuration import conf

SECTION = "astro_auth"
PERCENT = "has a `%` in airflow.cfg, which begins a reference there: write `%%` for each"

_MOST_SECONDS = 3600
_MOST_SECONDS_OF_IDENTITIES = 30

Network = IPv4Network | IPv6Network


class SettingsError(ValueError):
    """An option is missing or wrong; the message names it and says how to set it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of one installation.

    Attributes:
        policy_file: the path of the policy; None when it is in the metadata database.
        deployment_id: the Deployment that this Airflow is.
        workspace_id: the Workspace that it is said to be in; empty when the policy may say.
        organization_id: the Organization that it is said to be in; empty when the policy may say.
        access_contact: the contact for access, as text or as a URL; empty without one.
        groups_claim: the claim that has a person's groups; empty where FAB knows it.
        trusted_email_providers: whose e-mails are trusted without a claim that they are verified.
        trusted_proxies: which proxies may sign users in with a header.
        proxy_groups_header: the header in which such a proxy names a person's groups; empty when none does.
        proxy_groups_separator: the separator between groups in that header.
        allow_database_passwords: whether passwords of FAB's accounts work besides another way to sign in.
        trusted_issuers: issuers whose JWTs are accepted, as JSON; `trusted_issuers.parse_issuers` reads it.
        require_reason: whether changes of the policy need a reason.
        tag_cache_ttl: for how many seconds a Dag's tags are cached; 0 reads them for each request.
        identity_cache_ttl: for how many seconds it counts that no other active account has a user's e-mail; 0 looks for
            one in each request.
    """

    policy_file: Path | None
    deployment_id: str
    workspace_id: str = ""
    organization_id: str = ""
    access_contact: str = ""
    groups_claim: str = ""
    trusted_email_providers: tuple[str, ...] = ()
    trusted_proxies: tuple[Network, ...] = ()
    proxy_groups_header: str = ""
    proxy_groups_separator: str = ","
    allow_database_passwords: bool = False
    trusted_issuers: str = ""
    require_reason: bool = False
    tag_cache_ttl: float = 0
    identity_cache_ttl: float = 0


def read_settings() -> Settings:
    """Read the options from airflow.cfg and the environment.

    Raises:
        SettingsError: if `policy_file` or `deployment_id` is not set, or another option cannot be read or understood.
    """
    in_database = _is_in_database()
    policy_file = _option("policy_file")
    if not policy_file and not in_database:
        raise SettingsError(_how_to_set("policy_file", "the path of the policy file"))
    deployment_id = _id("deployment_id")
    if not deployment_id:
        raise SettingsError(_how_to_set("deployment_id", "the id of this Deployment in the policy"))
    return Settings(
        policy_file=None if in_database else Path(policy_file).expanduser(),
        deployment_id=deployment_id,
        workspace_id=_id("workspace_id"),
        organization_id=_id("organization_id"),
        access_contact=_option("access_contact"),
        groups_claim=_option("groups_claim"),
        trusted_email_providers=tuple(filter(None, map(str.strip, _option("trusted_email_providers").split(",")))),
        trusted_proxies=_networks("trusted_proxies"),
        proxy_groups_header=_option("proxy_groups_header"),
        proxy_groups_separator=_option("proxy_groups_separator") or ",",
        allow_database_passwords=_truth("allow_database_passwords"),
        trusted_issuers=_option("trusted_issuers"),
        require_reason=_truth("require_reason"),
        tag_cache_ttl=_seconds("tag_cache_ttl", _MOST_SECONDS),
        identity_cache_ttl=_seconds("identity_cache_ttl", _MOST_SECONDS_OF_IDENTITIES),
    )


def policy_is_named() -> bool:
    """Whether this installation says where the policy is."""
    return bool(_option("policy_file")) or _is_in_database()


def is_active() -> bool:
    """Whether this plugin is the auth manager; where another one is, nothing of it may have an effect."""
    from airflow.api_fastapi.app import get_auth_manager_cls  # noqa: PLC0415 - only a server needs it

    return any(base.__module__.startswith("astro_auth_plugin.") for base in get_auth_manager_cls().__mro__)


def is_shadow_on() -> bool:
    """Whether another auth manager decides, and its answers are compared with those of the policy.

    Raises:
        SettingsError: if the option is neither true nor false.
    """
    return _truth("shadow")


def served_over_tls() -> bool:
    """Whether people reach this Airflow with https, as `[api] base_url` says, whatever a proxy in front makes of it."""
    return conf.get("api", "base_url", fallback="").lower().startswith("https://")


def _option(name: str) -> str:
    # A CLI of Airflow 3.1 does not merge the defaults that providers declare, so each read carries its own.
    try:
        return (conf.get(SECTION, name, fallback="") or "").strip()
    except InterpolationError:
        raise SettingsError(f"[{SECTION}] {name} {PERCENT}") from None


def _id(name: str) -> str:
    # Astro sets these variables in every Deployment.
    return _option(name) or os.environ.get(f"ASTRO_{name.upper()}", "").strip()


def _is_in_database() -> bool:
    store = _option("policy_store") or "file"
    if store not in ("file", "database"):
        raise SettingsError(f"[{SECTION}] policy_store is `{store}`: write file or database")
    return store == "database"


def _truth(name: str) -> bool:
    text = _option(name).lower()
    if text not in ("", "true", "false"):
        raise SettingsError(f"[{SECTION}] {name} is `{text}`: write true or false")
    return text == "true"


def _seconds(name: str, most: int) -> float:
    text = _option(name) or "0"
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= most:
        raise SettingsError(f"[{SECTION}] {name} is `{text}`: write seconds, from 0 to {most}")
    return seconds


def _networks(name: str) -> tuple[Network, ...]:
    return tuple(_network(name, part.strip()) for part in _option(name).split(",") if part.strip())


def _network(name: str, text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError:
        raise SettingsError(
            f"[{SECTION}] {name} has `{text}`: write an address or a network, such as 10.0.0.5 or 10.1.0.0/16"
        ) from None


def _how_to_set(name: str, what: str) -> str:
    variable = f"AIRFLOW__{SECTION.upper()}__{name.upper()}"
    return f"[{SECTION}] {name} is not set: write {what} there, or into the variable {variable}"
