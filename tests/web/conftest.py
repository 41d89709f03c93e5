"""The options that every request needs."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__POLICY_FILE", "/policy.yaml")
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__DEPLOYMENT_ID", "dep")
