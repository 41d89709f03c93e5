"""Reads routes.yaml, the one table of routes: for the server, for the commands, for the docs and for the tests."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from astro_auth_plugin.rbac.explain import route_rows
from astro_auth_plugin.rbac.explain.route_rows import Route

_TABLE = Path(__file__).parent / "routes.yaml"


class RouteTableError(ValueError):
    """A table of routes that cannot be used: the message names the file, the row and the word."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Refuses a mapping with a key that is there twice, where YAML takes the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return the mapping of a node."""
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise ValueError(f"line {node.start_mark.line + 1}: duplicate key `{key}`")
        return super().construct_mapping(node, deep)  # type: ignore[no-any-return]


@cache
def table(version: str = "") -> dict[str, Route]:
    """Return every route by its name.

    Args:
        version: an Airflow, such as "3.2", for the routes that it has; '' for all.

    Raises:
        RouteTableError: for a row that is not as the head of the table says.
    """
    return read(_TABLE, version)


def read(file: Path, version: str = "") -> dict[str, Route]:
    """Return the routes of a file, as `table` does."""
    try:
        sections = yaml.load(file.read_bytes(), Loader=_Loader)  # noqa: S506 - it extends the safe loader
        return route_rows.table(sections, version)
    except (yaml.YAMLError, ValueError) as error:
        raise RouteTableError(f"{file}: {error}") from None
