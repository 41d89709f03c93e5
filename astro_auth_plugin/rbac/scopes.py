"""Where a grant reaches: Organization > Workspace > Deployment > Dag, or the Dags that carry a tag.

Ids and tags are opaque. They are compared for exact equality, never by prefix, pattern or after stripping.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

ReachKind = Literal["Organization", "Workspace", "Deployment", "Dag", "tag"]


class Reach(NamedTuple):
    """One place that a grant reaches. `id` is '' for the Organization, of which a policy has one."""

    kind: ReachKind
    id: str

    @property
    def is_wide(self) -> bool:
        """Whether it reaches the whole Deployment, rather than some of its Dags."""
        return self.kind not in ("Dag", "tag")

    def __str__(self) -> str:
        return "the Organization" if self.kind == "Organization" else f"{self.kind} `{self.id}`"


class Dag(NamedTuple):
    """A Dag as a decision sees it: its id and the tags it carries now."""

    id: str
    tags: frozenset[str]
