"""The answer to a question: allowed or not, the grants that decided, and one sentence of why.

The sentence and the list of grants are made when somebody reads them, not when the question is answered.
"""

from __future__ import annotations

from typing import NamedTuple

from astro_auth_plugin.rbac.permissions import DAG_WORDS, names, word
from astro_auth_plugin.rbac.scopes import Dag, Reach


class HeldGrant(NamedTuple):
    """A role that somebody holds somewhere.

    `holder` is who was given the role, in words: "user `ana@example.com`", "Team `x`", "Team `x` (group `g`)" when a
    group of the identity provider brings the person into the Team, "API token `ci`". `powers` is the set of
    permissions that it gives where it reaches. `path` and `line` say where the policy gives it.
    """

    role: str
    holder: str
    reach: Reach
    powers: int
    path: str
    line: int

    def __str__(self) -> str:
        return f"role `{self.role}` given to {self.holder} on {self.reach}"


class Decision:
    """An answer.

    Attributes:
        allowed: whether the subject holds all that is required. Made from what is missing, so it cannot disagree.
        required: the permissions that the question needs, as a set; on a Dag, `dag.get` is always among them.
        missing: those that no grant gives there.
        dag: the Dag asked about, None for a Deployment-wide question.
    """

    __slots__ = ("_held", "dag", "missing", "required", "subject")

    def __init__(self, subject: str, required: int, missing: int, dag: Dag | None, held: tuple[HeldGrant, ...]) -> None:
        self.subject = subject
        self.required = required
        self.missing = missing
        self.dag = dag
        self._held = held

    @property
    def allowed(self) -> bool:
        """Whether nothing is missing of what is required; who requires nothing has asked nothing, and gets no yes."""
        return bool(self.required) and not self.missing

    @property
    def grants(self) -> tuple[HeldGrant, ...]:
        """The grants that reach the place and give at least one of the required permissions."""
        return tuple(grant for grant in reaching(self._held, self.dag) if grant.powers & self.required)

    @property
    def reason(self) -> str:
        """One sentence: which grants allow it, or which permissions are missing and where."""
        if self.allowed:
            return "allowed by " + "; ".join(map(str, self.grants))
        if not self.required:
            return "no permission was asked for"
        scope = "DAG" if self.dag else "DEPLOYMENT"
        missing = ", ".join(f"`{_spell(name, scope)}`" for name in names(self.missing))
        return f"no grant gives {missing}" + (f" on Dag `{self.dag.id}`" if self.dag else "")

    def __repr__(self) -> str:
        return f"<Decision {self.subject}: {'yes' if self.allowed else 'no'}, {self.reason}>"


class Explanation(NamedTuple):
    """A decision, and all that the subject holds: what reaches the place, and what does not."""

    decision: Decision
    reaching: tuple[HeldGrant, ...]
    elsewhere: tuple[HeldGrant, ...]


def reaching(held: tuple[HeldGrant, ...], dag: Dag | None) -> tuple[HeldGrant, ...]:
    """Return the grants that reach a Dag, or with None those that reach the whole Deployment."""
    return tuple(grant for grant in held if reaches(grant.reach, dag))


def reaches(reach: Reach, dag: Dag | None) -> bool:
    """Whether a grant that reaches this place reaches this Dag; with None, the whole Deployment."""
    if reach.is_wide:
        return True
    if dag is None:
        return False
    return reach.id in dag.tags if reach.kind == "tag" else reach.id == dag.id


def _spell(name: str, scope: str) -> str:
    if scope == "DAG" and f"dag.airflow.{name}" in DAG_WORDS:
        return word(name, "DAG")
    return word(name, "DEPLOYMENT")
