"""Connections, Variables and pools as grants name them: by their id, or by the beginning of their ids.

Ids are compared for exact equality, code point by code point. A prefix is a key of its own and ends in a separator, so
that `team_a_` never reaches what is named `team_ab`; there are no patterns.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from astro_auth_plugin.rbac.model.permissions import ObjectKind

SEPARATORS = "_-./:"
"""What a prefix may end in."""
SHORTEST_PREFIX = 3
LONGEST_PREFIX = 250
"""As long as Airflow's ids of connections and keys of Variables. An id in a request may have megabytes, and each of its
prefixes is compared."""


class Resource(NamedTuple):
    """A connection, Variable or pool as a decision sees it: its kind, and its id, key or name."""

    kind: ObjectKind
    id: str

    def __str__(self) -> str:
        return f"{NOUNS[self.kind]} `{self.id}`"


NOUNS: dict[ObjectKind, str] = {"connection": "connection", "variable": "Variable", "pool": "pool"}
"""What Airflow's pages call the objects."""


def prefixes_of(text: str) -> Iterator[str]:
    """Yield every prefix that can be granted and that a text begins with, the text itself included if it is one."""
    for length in range(SHORTEST_PREFIX, min(len(text), LONGEST_PREFIX) + 1):
        if text[length - 1] in SEPARATORS:
            yield text[:length]


def fault_of_id(text: str) -> str:
    """Return why a text is not the id of one object; '' if it may be one. No text means every object."""
    if text.endswith("*"):
        return "ids have no wildcards; a prefix is a key of its own"
    return "an id has no NUL character" if "\0" in text else ""


def fault_of_prefix(text: str) -> str:
    """Return why a text is no prefix that can be granted; '' if it is one."""
    if "*" in text:
        return "a prefix has no wildcards"
    if len(text) < SHORTEST_PREFIX or text[-1] not in SEPARATORS:
        return f"a prefix has at least {SHORTEST_PREFIX} characters and ends in one of {' '.join(SEPARATORS)}"
    if len(text) > LONGEST_PREFIX:
        return f"a prefix has at most {LONGEST_PREFIX} characters"
    return "a prefix has no NUL character" if "\0" in text else ""
