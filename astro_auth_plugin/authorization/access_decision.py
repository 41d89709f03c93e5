"""The answer to an `AccessRequest`: allowed, or what is missing and where.

The reason goes to the caller (403) and into the audit log, so it is worked out once, and only when it is read:
most denials are of pages that a browser does not show.
"""

from __future__ import annotations

from functools import cached_property

from astro_auth_plugin.authorization import dag_access
from astro_auth_plugin.authorization.action_map import SEE_DAG
from astro_auth_plugin.rbac.model.permissions import Scope, names, word_in
from astro_auth_plugin.rbac.model.resources import Resource
from astro_auth_plugin.rbac.model.scopes import Dag
from astro_auth_plugin.runtime.identity import AstroIdentity
from astro_auth_plugin.runtime.request_context import current_request


class AccessDecision:
    """What the authorizer answers.

    Attributes:
        allowed: the answer.
        identity: who is denied; None if nothing is to be said about a denial.
        dag_id: the Dag on which permissions are missing; None for the Deployment, and for an object.
        resource: the connection, Variable or pool on which they are missing, by the id that the request has named.
    """

    def __init__(  # noqa: PLR0913 - a record of what is known of a denial
        self,
        *,
        allowed: bool,
        identity: AstroIdentity | None = None,
        required: int = 0,
        dag_id: str | None = None,
        reason: str | None = None,
        resource: Resource | None = None,
    ) -> None:
        self.allowed = allowed
        self.identity = identity
        self.dag_id = dag_id
        self.resource = resource
        self._required = required
        self._reason = reason

    @cached_property
    def dag(self) -> Dag | None:
        """The Dag, if it exists."""
        if self.identity is None or self.dag_id is None:
            return None
        return dag_access.find(self.identity, self.dag_id)

    @cached_property
    def missing(self) -> int:
        """The permissions that are required and not held there."""
        if self.identity is None:
            return 0
        if self.resource is not None:
            # Where the stored object has another spelling, nothing is missing on the one that is named.
            return self._required & ~self.identity.access.on_object(*self.resource) or self._required
        if self.dag is not None:
            return self.identity.missing(self._required, self.dag)
        # `dag.get` is always required on a Dag, or a denial would tell those that exist from others.
        required = self._required if self.dag_id is None else self._required | SEE_DAG
        return required & ~self.identity.access.deployment_wide

    @cached_property
    def reason(self) -> str:
        """A sentence for the person who is denied; '' if nothing is to be said.

        To users who may not see the Dag it does not say whether there is one. Nor what it is called: an id or a
        file may lead to a Dag that the caller has not named.
        """
        if self._reason is not None or self.identity is None:
            return self._reason or ""
        if self.resource is not None:
            return f"Missing permission {_listed(self.missing, 'OBJECT')} on {self.resource}."
        if self.dag_id is None:
            return f"Missing permission {_listed(self.missing, 'DEPLOYMENT')} in this Deployment."
        if self.missing & SEE_DAG:
            context = current_request()
            named = f"Dag `{self.dag_id}`" if context is not None and context.names_dag(self.dag_id) else "such Dag"
            return f"There is no {named}, or you may not see it."
        return f"Missing permission {_listed(self.missing, 'DAG')} on Dag `{self.dag_id}`."

    def work_out(self) -> None:
        """Work everything out now: to look up a Dag may take a statement, for which the event loop must not wait."""
        _ = self.dag, self.missing, self.reason

    def __repr__(self) -> str:
        return f"<AccessDecision {'allowed' if self.allowed else 'denied'}: {self.reason or 'without a reason'}>"


ALLOWED = AccessDecision(allowed=True)
DENIED = AccessDecision(allowed=False)
"""A denial of which nothing is said, neither to the caller nor in the audit log."""


def denied(identity: AstroIdentity, required: int, dag_id: str | None = None) -> AccessDecision:
    """Return the denial of a request because permissions are missing on a Dag, or with None in the Deployment."""
    return AccessDecision(allowed=False, identity=identity, required=required, dag_id=dag_id)


def denied_on_object(identity: AstroIdentity, required: int, resource: Resource) -> AccessDecision:
    """Return the denial of a request because permissions are missing on a connection, Variable or pool."""
    return AccessDecision(allowed=False, identity=identity, required=required, resource=resource)


def _listed(permissions: int, scope: Scope) -> str:
    return ", ".join(f"`{word_in(name, scope)}`" for name in names(permissions))
