"""The `[astro_auth]` options as one frozen object; nothing else of the package reads them from Airflow."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from airflow.configuration import conf

SECTION = "astro_auth"


class SettingsError(ValueError):
    """An option is missing; the message names it and says how to set it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of one installation.

    Attributes:
        policy_file: where the policy stands.
        deployment_id: the Deployment that this Airflow is.
        workspace_id: the Workspace that it is said to be in; empty when the policy may say.
        organization_id: the Organization that it is said to be in; empty when the policy may say.
        access_contact: whom to ask for access, in words or as a URL; empty when nobody is named.
    """

    policy_file: Path
    deployment_id: str
    workspace_id: str = ""
    organization_id: str = ""
    access_contact: str = ""


def read_settings() -> Settings:
    """Read the options from airflow.cfg and the environment.

    Raises:
        SettingsError: if `policy_file` or `deployment_id` is not set.
    """
    policy_file = _option("policy_file")
    if not policy_file:
        raise SettingsError(_how_to_set("policy_file", "the path of the policy file"))
    deployment_id = _id("deployment_id")
    if not deployment_id:
        raise SettingsError(_how_to_set("deployment_id", "the id of this Deployment in the policy file"))
    return Settings(
        policy_file=Path(policy_file).expanduser(),
        deployment_id=deployment_id,
        workspace_id=_id("workspace_id"),
        organization_id=_id("organization_id"),
        access_contact=_option("access_contact"),
    )


def policy_is_named() -> bool:
    """Whether this installation says where the policy file is."""
    return bool(_option("policy_file"))


def _option(name: str) -> str:
    # A CLI of Airflow 3.1 does not merge the defaults that providers declare, so each read carries its own.
    return (conf.get(SECTION, name, fallback="") or "").strip()


def _id(name: str) -> str:
    # Astro sets these variables in every Deployment.
    return _option(name) or os.environ.get(f"ASTRO_{name.upper()}", "").strip()


def _how_to_set(name: str, what: str) -> str:
    variable = f"AIRFLOW__{SECTION.upper()}__{name.upper()}"
    return f"[{SECTION}] {name} is not set: write {what} there, or into the variable {variable}"
