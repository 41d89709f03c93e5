"""Checks of what has to be there at all: this auth manager, a policy, secrets, a version."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airflow import __version__ as airflow_version
from airflow.configuration import conf
from airflow.exceptions import AirflowConfigException
from packaging.version import Version

from astro_auth_plugin.airflow_bridge import policy_store
from astro_auth_plugin.airflow_bridge.findings import Finding, hint, ok, wrong
from astro_auth_plugin.airflow_bridge.installation import Installation
from astro_auth_plugin.airflow_bridge.sent_request import own_middlewares
from astro_auth_plugin.airflow_bridge.settings import SettingsError, read_settings

AUTH_MANAGER = "astro_auth_plugin.auth_manager.AstroAuthManager"
RECOMMENDED = "3.3"
"""The smallest version of Airflow that README recommends."""

# What Airflow makes up has 24.
_SHORT = 24


def auth_manager(installation: Installation) -> Iterator[Finding]:
    """Whether this plugin decides at all."""
    what, named = "[core] auth_manager", installation.option("core", "auth_manager")
    try:
        found: Any = conf.getimport("core", "auth_manager")
    except AirflowConfigException:
        found = object
    if AUTH_MANAGER not in {f"{each.__module__}.{each.__qualname__}" for each in found.__mro__}:
        yield wrong(what, f"is `{named}`, so the policy decides nothing. Write {AUTH_MANAGER}.")
    elif not own_middlewares():
        yield wrong(
            what, "is this one, but Airflow has not loaded the plugin `astro_auth`: install the package with pip."
        )
    else:
        yield ok(what, "is this one.")


def policy(_: Installation) -> Iterator[Finding]:
    """Whether there is a policy that the api-server would take."""
    what = "policy"
    try:
        settings = read_settings()
    except SettingsError as error:
        yield wrong(what, f"{error}.")
        return
    checked = policy_store.check_file(settings)
    if checked.policy is None:
        first, more = checked.errors[0].in_file(settings.policy_file), len(checked.errors) - 1
        rest = f"; {more} more, see `airflow astro-auth validate`" if more else ""
        yield wrong(what, f"{first}{rest}.")
        return
    try:
        policy_store.compile_policy(settings, checked.policy)
    except policy_store.PolicyRefused as refusal:
        yield wrong(what, f"{settings.policy_file}: {refusal}.")
        return
    yield ok(what, f"{settings.policy_file} can be used for the Deployment `{settings.deployment_id}`.")
    if checked.warnings:
        yield hint(what, f"has {len(checked.warnings)} warnings: see `airflow astro-auth validate`.")


def secrets(installation: Installation) -> Iterator[Finding]:
    """Whether all processes sign with the same secrets, which outlive a restart and cannot be guessed."""
    if not any(installation.option("api_auth", name) for name in ("jwt_private_key_path", "trusted_jwks_url")):
        lost = "no other api-server and no task believes its tokens, and people are sent round in circles"
        yield _secret(installation, "api_auth", "jwt_secret", lost)
    yield _secret(
        installation, "api", "secret_key", "a session of one api-server means nothing to the next, nor after a restart"
    )


def _secret(installation: Installation, section: str, name: str, lost: str) -> Finding:
    what = f"[{section}] {name}"
    if not installation.is_set(section, name):
        return wrong(
            what, f"is not set, so each process makes up its own: {lost}. Set the same long random text everywhere."
        )
    if len(installation.option(section, name)) < _SHORT:
        return hint(
            what, f"is shorter than {_SHORT} characters, and who guesses it is anybody. Take a longer random one."
        )
    return ok(what, "is set; every process of this Airflow has to have the same.")


def version(_: Installation) -> Iterator[Finding]:
    """Whether Airflow is as new as README recommends."""
    if Version(airflow_version) < Version(RECOMMENDED):
        less = "people with Dag roles see less of their own Dags, as README says under Limits"
        yield hint("Airflow", f"{airflow_version} is older than {RECOMMENDED}: {less}.")
    else:
        yield ok("Airflow", f"{airflow_version}.")
