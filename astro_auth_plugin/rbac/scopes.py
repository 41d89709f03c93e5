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


class DagFile(NamedTuple):
    """The file that a Dag was parsed from: its bundle, and its path from the bundle's root."""

    bundle: str
    path: str


class Dag(NamedTuple):
    """A Dag as a decision sees it: its id, the tags it carries now, and where it was parsed, if that is known."""

    id: str
    tags: frozenset[str]
    file: DagFile | None = None
