"""Where Dags are parsed."""

from __future__ import annotations

import pytest

from astro_auth_plugin.rbac.model.scopes import DagFile


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("a.zip", True),
        ("a.zip/b.py", True),
        ("a.zip/b/c.py", True),
        ("a.zipped", False),
        ("a", False),
        ("b/a.zip", False),
    ],
)
def test_contains(path: str, inside: bool) -> None:
    """A file contains itself, and an archive what is in it."""
    assert DagFile("dags-folder", "a.zip").contains(path) is inside
