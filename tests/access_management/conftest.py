"""The database of these tests: that of the tests, and one on a server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.on_server import ON_EACH, in_use, made_on_the_server


@pytest.fixture(scope="module", params=ON_EACH)
def metadata_database(request: pytest.FixtureRequest, metadata_database: Any) -> Iterator[Any]:
    """SQLAlchemy's engine of the metadata database."""
    if request.param == "sqlite":
        yield metadata_database
        return
    with in_use(made_on_the_server("changes")) as engine:
        yield engine
