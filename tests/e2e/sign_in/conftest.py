"""The folder of these servers."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the servers of this package have their homes, and the database that is migrated once."""
    return tmp_path_factory.mktemp("sign-in")
