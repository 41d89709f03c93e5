"""The database of these tests: that of the tests, and one on a server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.on_server import ON_EACH, on_each


@pytest.fixture(scope="module", params=ON_EACH)
def metadata_database(request: pytest.FixtureRequest, metadata_database: Any) -> Iterator[Any]:
    """SQLAlchemy's engine of the metadata database."""
    yield from on_each(request, metadata_database, "changes")
