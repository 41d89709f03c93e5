"""Reads routes.yaml, the table of every route and what it needs."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

from astro_auth_plugin.rbac import routes
from astro_auth_plugin.rbac.routes import Route

_TABLE = Path(__file__).parent / "routes.yaml"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def table(version: str = "") -> dict[str, Route]:
    """Return every line by its name.

    Args:
        version: an Airflow, such as "3.2", for the routes that it has; '' for all.

    Raises:
        ValueError: for a line that is not as the head of the table says.
    """
    return routes.table(yaml.load(_TABLE.read_bytes(), Loader=_LOADER), version)  # noqa: S506 - the safe loader, in C
