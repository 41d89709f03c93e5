"""The answer to a question: allowed or not, the grants that decided, and one sentence of why.

The sentence and the list of grants are made when they are read, not when the question is answered.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from astro_auth_plugin.rbac.model.permissions import Scope, names, word_in
from astro_auth_plugin.rbac.model.resources import Resource
from astro_auth_plugin.rbac.model.scopes import Dag, GrantScope

Place = Dag | Resource | None
"""Where something is decided: on a Dag, on a connection, Variable or pool, or with None in the whole Deployment."""


class HeldGrant(NamedTuple):
    """A role that a user has somewhere.

    `holder` is who was given the role, as text: "user `ana@example.com`", "Team `x`", "Team `x` (group `g`)" when a
    group of the identity provider brings the person into the Team, "API token `ci`". `permissions` is the set of
    permissions that it gives where it reaches. `path` and `line` say where the policy gives it; `derived` that it only
    comes with the role on Dags or objects there; `expires_at` when it ends for the subject, None if it does not;
    `leaves` that this is because the membership in the Team ends.
    """

    role: str
    holder: str
    scope: GrantScope
    permissions: int
    path: str
    line: int
    derived: bool = False
    expires_at: datetime | None = None
    leaves: bool = False

    def __str__(self) -> str:
        return f"role `{self.role}` given to {self.holder} on {self.scope}{until(self)}"


def until(grant: HeldGrant) -> str:
    """Return when a grant ends for its subject, as the end of a sentence; '' if it does not."""
    if grant.expires_at is None:
        return ""
    return f" until {grant.expires_at:%Y-%m-%d %H:%M:%S} UTC{' (end of the membership)' if grant.leaves else ''}"


class Decision:
    """An answer.

    Attributes:
        allowed: whether the subject has all that is required. Made from what is missing, so it cannot disagree.
        required: the permissions that the question needs, as a set; on a Dag, `dag.get` is always among them.
        missing: those that no grant gives there.
        place: the checked Dag or object, None for a Deployment-wide check.
    """

    __slots__ = ("_held", "missing", "place", "required", "subject")

    def __init__(self, subject: str, required: int, missing: int, place: Place, held: tuple[HeldGrant, ...]) -> None:
        self.subject = subject
        self.required = required
        self.missing = missing
        self.place = place
        self._held = held

    @property
    def allowed(self) -> bool:
        """Whether nothing is missing of what is required; a check that requires nothing is denied."""
        return bool(self.required) and not self.missing

    @property
    def grants(self) -> tuple[HeldGrant, ...]:
        """The grants that reach the place and give at least one of the required permissions."""
        return tuple(grant for grant in reaching(self._held, self.place) if grant.permissions & self.required)

    @property
    def reason(self) -> str:
        """One sentence: which grants allow it, or which permissions are missing and where."""
        if self.allowed:
            return "allowed by " + "; ".join(map(str, self.grants))
        if not self.required:
            return "no permission was requested"
        scope: Scope = "OBJECT" if isinstance(self.place, Resource) else "DAG" if self.place else "DEPLOYMENT"
        missing = ", ".join(f"`{word_in(name, scope)}`" for name in names(self.missing))
        where = f"Dag `{self.place.id}`" if isinstance(self.place, Dag) else self.place
        return f"no grant gives {missing}" + (f" on {where}" if where else "")

    def __repr__(self) -> str:
        return f"<Decision {self.subject}: {'yes' if self.allowed else 'no'}, {self.reason}>"


def reaching(held: tuple[HeldGrant, ...], place: Place) -> tuple[HeldGrant, ...]:
    """Return the grants that reach a Dag or object, or with None those that reach the whole Deployment."""
    return tuple(grant for grant in held if reaches(grant.scope, place))


def reaches(scope: GrantScope, place: Place) -> bool:
    """Whether a grant in this scope reaches this Dag or object; with None, the whole Deployment."""
    if scope.is_deployment_wide:
        return True
    if place is None:
        return False
    if isinstance(place, Resource):
        return scope.is_on(place)
    dag = place
    if scope.kind == "bundle":
        return dag.file is not None and (scope.id, scope.folder) in dag.file.places
    on_tag = scope.kind == "tag" and scope.id in dag.tags
    return on_tag or (scope.kind == "Dag" and scope.id == dag.id)
