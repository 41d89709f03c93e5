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
        "db-managers": ["astro_auth_plugin.accounts.db_manager.AstroDBManager"],
        "cli": ["astro_auth_plugin.cli.airflow_commands.get_commands"],
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
    "policy_store": _option("Where the policy is: `file` (default) or `database`.", "database"),
    "policy_file": _option("The path of the policy file, if the policy is in a file.", "/opt/airflow/policy.yaml"),
    "require_reason": _option("`true` requires a reason for each change of the policy by a command.", "true"),
    "shadow": _option(
        "`true` compares the answers of another configured auth manager with the policy; it decides all the same.",
        "true",
    ),
    "deployment_id": _option("The id of this Deployment in the policy.", "cldep0prod"),
    "workspace_id": _option("The expected Workspace of this Deployment; optional.", "clws0data"),
    "organization_id": _option("The expected Organization of the policy; optional.", "clorg0main"),
    "access_contact": _option("The contact for access, as text or URL.", "platform@example.com"),
    "groups_claim": _option("The claim of OpenID Connect with a user's groups, if not `groups`.", "roles"),
    "trusted_email_providers": _option(
        "Names of `OAUTH_PROVIDERS` whose e-mails are trusted without a claim that they are verified.", "azure"
    ),
    "trusted_proxies": _option(
        "Addresses and networks of the proxies that may sign users in with a header.", "10.0.0.5, 10.1.0.0/16"
    ),
    "proxy_groups_header": _option("The header in which such a proxy sends a user's groups.", "X-Forwarded-Groups"),
    "proxy_groups_separator": _option("The separator between groups in that header; default: a comma.", ";"),
    "allow_database_passwords": _option(
        "`true` allows passwords of FAB's accounts besides another way to sign in.", "true"
    ),
    "trusted_issuers": _option(
        "Issuers whose JWTs are accepted, as JSON.",
        '[{"issuer": "https://sso.example.com", "audience": "airflow", "jwks_url": "https://sso.example.com/keys", '
        '"email_claim": "email"}]',
    ),
    "tag_cache_ttl": _option("For how many seconds a Dag's tags are cached; default: 0, no cache.", "30"),
    "identity_cache_ttl": _option(
        "For how many seconds it is not looked again for duplicate accounts of a user; default: 0, in each request.",
        "30",
    ),
}
