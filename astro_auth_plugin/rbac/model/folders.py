"""Folders of a bundle as grants name them: paths from the bundle's root that end in `/`.

A folder has everything below it. Paths are compared character by character, and there are no patterns.
"""

from __future__ import annotations

from collections.abc import Iterator

LONGEST_FOLDER = 2000
"""How many characters a folder has at most: as many as Airflow stores of a path."""
LEAVES = "/.."
"""A path with this is in no folder: `a/../b` is not in `a/`."""


def folders_around(path: str) -> Iterator[str]:
    """Yield every folder that a path from the bundle's root is below, or is; the widest first."""
    if LEAVES not in path:
        for index, character in enumerate(path):
            if character == "/":
                yield path[: index + 1]


def fault_of_folder(text: str) -> str:
    """Return why a text is no folder that can be granted; '' if it is one."""
    if "*" in text:
        return "a folder has no wildcards; it has everything below it"
    if len(text) > LONGEST_FOLDER:
        return f"a folder has at most {LONGEST_FOLDER} characters"
    if not text.endswith("/"):
        return "a folder ends in `/`"
    if text.startswith("/"):
        return "it is read from the bundle's root, so it begins without `/`"
    if any(part in ("", ".") or part.startswith("..") for part in text[:-1].split("/")):
        return "no part of it can be empty or `.`, or begin with `..`"
    return "a folder has no NUL character" if "\0" in text else ""
