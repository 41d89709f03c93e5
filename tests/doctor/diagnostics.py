"""What a check of the doctor finds, as plain values."""

from __future__ import annotations

from typing import Any

from astro_auth_plugin.cli.doctor import VERDICTS
from astro_auth_plugin.doctor.installation import Installation


def reported(check: Any, installation: Installation) -> list[tuple[str, str]]:
    """What a check finds: how bad, and all of its text."""
    return [(VERDICTS[found.severity], f"{found.subject}: {found.message}") for found in check(installation)]
