"""Whether this plugin is the auth manager: an installed plugin is loaded whatever the configuration says."""

from __future__ import annotations


def is_active() -> bool:
    """Whether this plugin is the auth manager; where another one is, nothing of it may have an effect."""
    from airflow.api_fastapi.app import get_auth_manager_cls  # noqa: PLC0415 - only a server needs it

    return any(base.__module__.startswith("astro_auth_plugin.") for base in get_auth_manager_cls().__mro__)
