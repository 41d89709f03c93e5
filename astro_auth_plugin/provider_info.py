"""Airflow's provider entry point: what the package brings, for `airflow providers` and, from 3.2 on, the CLI."""

from __future__ import annotations

from typing import Any

from astro_auth_plugin import __version__


def get_provider_info() -> dict[str, Any]:
    """Return the package's entry in Airflow's list of providers."""
    return {
        "package-name": "astro-auth-plugin",
        "name": "Astro auth manager",
        "description": "Astro's access model for Airflow: Organization, Workspace, Deployment and Dag roles.",
        "versions": [__version__],
        "auth-managers": ["astro_auth_plugin.auth_manager.AstroAuthManager"],
        "db-managers": ["astro_auth_plugin.airflow_bridge.db_manager.AstroDBManager"],
        "cli": ["astro_auth_plugin.cli.definition.get_commands"],
        "config": {"astro_auth": {"description": "Astro auth manager", "options": _OPTIONS}},
    }


def _option(description: str, example: str) -> dict[str, Any]:
    return {
        "description": description,
        "version_added": "0.1.0",
        "type": "string",
        "example": example,
        "default": "",
    }


_OPTIONS = {
    "policy_file": _option("The path of the policy file.", "/opt/airflow/policy.yaml"),
    "deployment_id": _option("The id of this Deployment in the policy file.", "cldep0prod"),
    "workspace_id": _option("The Workspace that this Deployment has to be in; optional.", "clws0data"),
    "organization_id": _option("The Organization that the policy has to be of; optional.", "clorg0main"),
    "access_contact": _option("Whom to ask for access, in words or as a URL.", "platform@example.com"),
    "groups_claim": _option("The claim of OpenID Connect that has a person's groups, if not `groups`.", "roles"),
    "trusted_proxies": _option(
        "Addresses and networks of the proxies that may say who signs in.", "10.0.0.5, 10.1.0.0/16"
    ),
    "proxy_groups_header": _option("The header in which such a proxy names a person's groups.", "X-Forwarded-Groups"),
    "proxy_groups_separator": _option("What stands between two groups there; a comma if not set.", ";"),
    "allow_database_passwords": _option(
        "`true`: passwords of FAB's accounts work beside another way to sign in.", "true"
    ),
    "trusted_issuers": _option(
        "Other issuers whose JWTs count, as JSON.",
        '[{"issuer": "https://sso.example.com", "audience": "airflow", "jwks_url": "https://sso.example.com/keys", '
        '"email_claim": "email"}]',
    ),
    "tag_cache_ttl": _option(
        "For how many seconds the tags of a Dag count as they were read; 0, as if not set, reads them each time.", "30"
    ),
}
