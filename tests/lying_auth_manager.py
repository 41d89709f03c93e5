"""An auth manager that is wrong about one Dag."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

from tools.bench.data import dags

LIED_ABOUT = dags(20)[7].id


class LyingAuthManager(SimpleAuthManager):
    """Lets nobody see it."""

    def is_authorized_dag(self, **requested: Any) -> bool:
        """Says no about one Dag, whoever asks."""
        details = requested.get("details")
        return not (details and details.id == LIED_ABOUT) and super().is_authorized_dag(**requested)
