"""What a check of the doctor finds, as plain values."""

from __future__ import annotations

from typing import Any

from astro_auth_plugin.airflow_bridge.installation import Installation


def told(check: Any, installation: Installation) -> list[tuple[str, str]]:
    """What a check finds: how bad, and all of its text."""
    return [(str(found.verdict), f"{found.what}: {found.words}") for found in check(installation)]
