"""Airflow's checks of Dags, which are most of all: a yes takes no object and no look at more than what it needs.

What is checked as Airflow says it, with the Dag's tags known or a permission on the whole Deployment, is answered
here if the answer is yes. Everything else is for the authorizer, and so is each denial.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity

from astro_auth_plugin.authorization import action_map, authorizer, dag_access, route_rules
from astro_auth_plugin.authorization.access_request import AccessRequest
from astro_auth_plugin.authorization.action_map import SEE_DAG
from astro_auth_plugin.runtime.identity import AstroIdentity
from astro_auth_plugin.runtime.request_context import RequestContext, current_request


def _rows() -> Mapping[DagAccessEntity | None, Mapping[str, int]]:
    named = [(None, ""), *((member, member.name) for member in DagAccessEntity)]
    return {
        member: {method: needed | SEE_DAG for method, needed in action_map.DAG_ENTITIES.get(name, {}).items()}
        for member, name in named
    }


_NEEDED = _rows()
"""What a check needs, by entity and method, as members of the installed Airflow: text in the place of one is rare."""


def allows(identity: AstroIdentity, method: Any, entity: Any, details: Any) -> bool:
    """Whether an identity may use a method on an entity of a Dag, as `authorizer.authorize` says."""
    context = current_request()
    if context is not None:
        context.actor = identity
    dag_id: Any = getattr(details, "id", None)
    needed = _needed(method, entity, dag_id, context)
    if needed:
        identity.requested |= needed
        if dag_access.holds_on_dag(identity, needed, dag_id):
            if context is not None:
                _note(context, identity, method, entity, details)
            return True
        if context is None and method == "GET":
            # No answer would have the reason.
            return False
    return authorizer.authorize(identity, AccessRequest.of_dag(method, entity, details)).allowed


def allow(identity: AstroIdentity, checks: Collection[Mapping[str, Any]]) -> bool:
    """Whether an identity may do all of a batch, as `authorizer.authorize_all` says. One statement for all Dags."""
    return (
        _allow_plainly(identity, checks)
        or authorizer.authorize_all(identity, "dag", [AccessRequest.of_item("dag", check) for check in checks]).allowed
    )


def _allow_plainly(identity: AstroIdentity, checks: Collection[Mapping[str, Any]]) -> bool:
    """Whether a batch is certainly allowed; if not, nothing is said, and only the Dags have been looked up."""
    context, access, known = current_request(), identity.access, identity.dags
    wide = access.deployment_wide
    all_needed = 0
    on_dags: list[tuple[int, str]] = []
    unknown = set()
    for check in checks:
        dag_id: Any = getattr(check.get("details"), "id", None)
        needed = _needed(check["method"], check.get("access_entity"), dag_id, context)
        if not needed:
            return False
        all_needed |= needed
        if needed & ~wide:
            on_dags.append((needed, dag_id))
            if dag_id not in known:
                unknown.add(dag_id)
    dag_access.look_up(identity, unknown.difference(dag_access.NO_DAGS))
    allows_on = identity.engine.allows
    for needed, dag_id in on_dags:
        dag = known.get(dag_id)
        if dag is None or not allows_on(access, needed, dag):
            return False
    if not checks:
        return False
    identity.requested |= all_needed
    if context is not None:
        for check in checks:
            _note(context, identity, check["method"], check.get("access_entity"), check.get("details"))
    return True


def _needed(method: Any, entity: Any, dag_id: Any, context: RequestContext | None) -> int:
    """Return what a check of a Dag needs; 0 where that is for the authorizer to say."""
    if type(method) is not str or type(dag_id) is not str:
        return 0
    row = _NEEDED.get(entity)
    needed = row.get(method, 0) if row else 0
    if not needed or context is None:
        return needed
    rule = route_rules.rule_of(context)
    # The Dag of a write is not always the one that Airflow names.
    is_as_said = rule.rule is None and not rule.cases and (method == "GET" or context.path_asks_for_dag)
    return needed | rule.on_dags if is_as_said else 0


def _note(context: RequestContext, identity: AstroIdentity, method: str, entity: Any, details: Any) -> None:
    context.allowed.append((identity.id, AccessRequest.of_dag(method, entity, details)))
    if method != "GET":
        context.written.add(details.id)
