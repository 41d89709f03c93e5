"""Who calls the API, and what that opens."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, NamedTuple

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Depends

from astro_auth_plugin.access_api.errors import denied
from astro_auth_plugin.authorization import dag_lookup
from astro_auth_plugin.rbac.engine import delegation
from astro_auth_plugin.rbac.engine.engine import DagSelection, Engine
from astro_auth_plugin.rbac.engine.visibility import Visibility, visibility_of
from astro_auth_plugin.rbac.explain.answers import Answerer
from astro_auth_plugin.rbac.model.permissions import mask
from astro_auth_plugin.rbac.model.roles import Level
from astro_auth_plugin.rbac.model.scopes import Dag
from astro_auth_plugin.runtime import state
from astro_auth_plugin.runtime.identity import AstroIdentity
from astro_auth_plugin.runtime.settings import Settings

_SEE_DAG = mask("dag.get")
READERS = "Workspace Member, Deployment Admin, or `deployment.users.get` and `deployment.teams.get` in a custom role"
_AUDIT = mask("auditLog.get", "dag.get")


class Caller(NamedTuple):
    """The caller of one request, which is answered from one version of the policy.

    Attributes:
        identity: who it is.
        visibility: what it may read about the access of others.
        settings: the options of the server.
    """

    identity: AstroIdentity
    visibility: Visibility
    settings: Settings

    @property
    def engine(self) -> Engine:
        """The policy as it was when the request began."""
        return self.identity.engine

    @property
    def answerer(self) -> Answerer:
        """What answers questions about the policy, as of now."""
        return Answerer(self.engine, datetime.now(UTC))

    @property
    def levels(self) -> frozenset[Level]:
        """The levels at which the caller may give roles here."""
        return delegation.levels_given(self.engine, self.identity.subject, self.identity.groups)

    @property
    def reads_accounts(self) -> bool:
        """Whether the caller may read FAB's accounts."""
        return not self.identity.is_token and delegation.may_change_accounts(
            self.engine, self.identity.subject, self.identity.groups
        )

    @property
    def reads_audit(self) -> bool:
        """Whether the caller may read what happened to access: also what Airflow's audit log shows."""
        return self.visibility.changes and not _AUDIT & ~self.identity.access.deployment_wide

    def dags(self) -> list[Dag]:
        """Return the Dags that the caller may see, each with its effective tags."""
        return self.seen_of(dag_lookup.read_all_dags())

    def seen_of(self, dags: Iterable[Dag]) -> list[Dag]:
        """Return those of some Dags that the caller may see, each with its effective tags."""
        selection = self.identity.allowed_dags(_SEE_DAG)
        seen = [dag for dag in dags if selection.matches(dag)]
        return [self.engine.with_effective_tags(dag) for dag in seen]

    def dag_ids(self, among: DagSelection | None = None) -> set[str]:
        """Return the ids of the Dags that the caller may see; of a selection of Dags, if one is given."""
        own = self.identity.allowed_dags(_SEE_DAG)
        selections = [each for each in (own, among) if each is not None and not each.everything] or [own]
        return (
            set[str]()
            .union(dag_lookup.select_dag_ids(selections[0]))
            .intersection(*map(dag_lookup.select_dag_ids, selections[1:]))
        )


def as_of_now(who: Caller) -> Caller:
    """Return the same caller with the newest policy, which another request may have changed meanwhile."""
    old = who.identity
    engine = state.current().policy_store.engine()
    identity = AstroIdentity(
        id=old.id, username=old.username, email=old.email, subject=old.subject, engine=engine, groups=old.groups
    )
    identity.key = old.key
    return Caller(identity, visibility_of(engine, old.subject, old.groups), who.settings)


def caller(user: GetUserDep) -> Caller:
    """Return the caller of a request.

    Raises:
        ApiError: if the caller has no role here.
    """
    assert isinstance(user, AstroIdentity)
    if not user.access.grants:
        raise denied("You have no role in this Deployment.")
    visibility = visibility_of(user.engine, user.subject, user.groups)
    return Caller(user, visibility, state.current().settings)


CallerDep = Annotated[Caller, Depends(caller)]


def access_reader(who: CallerDep) -> Caller:
    """Return a caller who may read users, Teams and their grants.

    Raises:
        ApiError: if the caller may not.
    """
    if not who.visibility.access:
        raise denied("You may not read the access of others.", READERS)
    return who


def token_reader(who: CallerDep) -> Caller:
    """Return a caller who may read API tokens.

    Raises:
        ApiError: if the caller may not.
    """
    if not who.visibility.tokens:
        raise denied("You may not read API tokens.", "a role that may grant roles or make API tokens")
    return who


def change_reader(who: CallerDep) -> Caller:
    """Return a caller who may read what has changed.

    Raises:
        ApiError: if the caller may not.
    """
    if not who.visibility.changes:
        raise denied("You may not read the history of the policy.", "a role that may grant roles")
    return who


ReaderDep = Annotated[Caller, Depends(access_reader)]
TokenReaderDep = Annotated[Caller, Depends(token_reader)]
ChangeReaderDep = Annotated[Caller, Depends(change_reader)]
