"""Checks of what has to be there at all: this auth manager, a policy, secrets, a version."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airflow import __version__ as airflow_version
from airflow.configuration import conf
from airflow.exceptions import AirflowConfigException
from packaging.version import Version

from astro_auth_plugin.doctor.findings import hint, ok, wrong
from astro_auth_plugin.doctor.installation import Installation
from astro_auth_plugin.doctor.request_probe import own_middlewares
from astro_auth_plugin.rbac.policy.diagnostics import Diagnostic
from astro_auth_plugin.runtime import policy_store, version_compat
from astro_auth_plugin.runtime.policy_source import source_of
from astro_auth_plugin.runtime.settings import SettingsError, is_shadow_on, read_settings

AUTH_MANAGER = "astro_auth_plugin.auth_manager.AstroAuthManager"
RECOMMENDED = "3.3"
"""The oldest version of Airflow that docs/versions.md recommends."""

# The secrets that Airflow generates have 24 characters.
_SHORT = 24


def auth_manager(installation: Installation) -> Iterator[Diagnostic]:
    """Whether Airflow uses this auth manager."""
    what, named = "[core] auth_manager", installation.option("core", "auth_manager")
    try:
        found: Any = conf.getimport("core", "auth_manager")
    except AirflowConfigException:
        found = object
    if AUTH_MANAGER not in {f"{each.__module__}.{each.__qualname__}" for each in found.__mro__}:
        if is_shadow_on():
            yield hint(what, f"is `{named}`, which decides: the policy is only compared, in shadow mode.")
        else:
            yield wrong(what, f"is `{named}`, so the policy has no effect. Set {AUTH_MANAGER}.")
    elif not own_middlewares():
        yield wrong(
            what, "is correct, but Airflow has not loaded the plugin `astro_auth`: install the package with pip."
        )
    else:
        yield ok(what, "is correct.")


def policy(_: Installation) -> Iterator[Diagnostic]:
    """Whether there is a valid policy for this Deployment."""
    what = "policy"
    try:
        settings = read_settings()
    except SettingsError as error:
        yield wrong(what, f"{error}.")
        return
    name = source_of(settings).name
    checked = policy_store.check_policy(settings)
    if checked.policy is None:
        first, more = checked.errors[0].in_file(name), len(checked.errors) - 1
        rest = f"; {more} more, see `airflow astro-auth validate`" if more else ""
        yield wrong(what, f"{first}{rest}.")
        return
    try:
        policy_store.compile_policy(settings, checked.policy)
    except policy_store.PolicyRefused as refusal:
        yield wrong(what, f"{name}: {refusal}.")
        return
    yield ok(what, f"{name} is valid for the Deployment `{settings.deployment_id}`.")
    if checked.warnings:
        yield hint(what, f"has {len(checked.warnings)} warnings: see `airflow astro-auth validate`.")


def ignored_policy_file(installation: Installation) -> Iterator[Diagnostic]:
    """Whether a policy file is configured that is not read."""
    path = installation.option("astro_auth", "policy_file")
    if path and installation.option("astro_auth", "policy_store") == "database":
        effect = "so changes of it have no effect. Remove the option, or set policy_store = file"
        yield hint("[astro_auth] policy_file", f"`{path}` is not read, because policy_store is `database`, {effect}.")


def secrets(installation: Installation) -> Iterator[Diagnostic]:
    """Whether all processes sign with the same secrets, which survive a restart and cannot be guessed."""
    if not any(installation.option("api_auth", name) for name in ("jwt_private_key_path", "trusted_jwks_url")):
        effect = "other api-servers and tasks reject its tokens, and users get into redirect loops"
        yield _secret(installation, "api_auth", "jwt_secret", effect)
    yield _secret(installation, "api", "secret_key", "sessions are invalid on other api-servers and after a restart")


def _secret(installation: Installation, section: str, name: str, effect: str) -> Diagnostic:
    what = f"[{section}] {name}"
    if not installation.is_set(section, name):
        return wrong(
            what, f"is not set, so each process generates its own: {effect}. Set the same long random value everywhere."
        )
    if len(installation.option(section, name)) < _SHORT:
        return hint(
            what,
            f"is shorter than {_SHORT} characters; anyone who guesses it can impersonate any user. Use a longer one.",
        )
    return ok(what, "is set. Every component that needs it must have the same value.")


def version(_: Installation) -> Iterator[Diagnostic]:
    """Whether this release of Airflow is supported and recommended."""
    if reason := version_compat.unsupported(airflow_version):
        yield wrong("Airflow", reason)
    elif Version(airflow_version) < Version(RECOMMENDED):
        less = "users with Dag roles see less of their own Dags, see docs/limits.md"
        yield hint("Airflow", f"{airflow_version} is older than {RECOMMENDED}: {less}.")
    else:
        yield ok("Airflow", f"{airflow_version}.")
