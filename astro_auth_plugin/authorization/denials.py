"""What becomes of a denial: the reason in the answer, one structured line in the log, one row in Airflow's audit log.

Airflow records what people try on some routes before it decides and on others after, and never how it ended. Recorded
here are denied writes, and denied reads of one Dag's logs, code and XComs and of one connection, Variable or
option of the configuration. Lists are not: Airflow's pages ask for many that a person may not see.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from astro_auth_plugin.authorization.access_decision import AccessDecision
from astro_auth_plugin.authorization.access_request import AccessRequest
from astro_auth_plugin.rbac.model.permissions import names
from astro_auth_plugin.runtime import audit_log, metrics
from astro_auth_plugin.runtime.request_context import RequestContext

log = logging.getLogger(__name__)

EVENT = "astro_auth.refused"
"""The event's name in Airflow's audit log."""

_RECORDED_ENTITIES = frozenset({"TASK_LOGS", "CODE", "XCOM"})
_RECORDED_RESOURCES = frozenset({"connection", "variable"})

P = ParamSpec("P")
R = TypeVar("R")


def denies_on_error(nothing: Callable[[], Any]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a check answer with nothing (`bool` is False, `set` is empty) when it fails, and log the failure."""

    def decorate(hook: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(hook)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return hook(*args, **kwargs)
            except Exception:
                log.exception("Denied, because %s failed", hook.__name__)
                return cast("R", nothing())

        return guarded

    return decorate


def deny_write(context: RequestContext | None, decision: AccessDecision) -> AccessDecision:
    """Tell everybody why a write is denied, and record it; of several in one request the last one counts."""
    if context is not None and context.is_over:
        return decision
    metrics.count(metrics.DENIED, access="write")
    if context is not None:
        tell_write(context, decision)
        context.denial = decision
    return decision


def deny_read(context: RequestContext | None, request: AccessRequest, decision: AccessDecision) -> AccessDecision:
    """Tell API clients why a read is denied, and record it if it is one of those that are recorded."""
    if context is not None and context.is_over:
        return decision
    metrics.count(metrics.DENIED, access="read")
    if context is not None:
        tell_read(context, decision)
        if _is_recorded(context, request, decision):
            decision.work_out()
            context.denial = decision
    return decision


def record_change(context: RequestContext | None, decision: AccessDecision) -> None:
    """Record that a change of access is denied; the answer is the caller's."""
    metrics.count(metrics.DENIED, access="write")
    if context is not None:
        context.denial = decision


def tell_write(context: RequestContext, decision: AccessDecision) -> None:
    """Put a reason into the answer to any client."""
    decision.work_out()
    context.denied_write = decision


def tell_read(context: RequestContext, decision: AccessDecision) -> None:
    """Put a reason into the answer to an API client; browsers get Airflow's own, which their pages know."""
    if context.is_from_api_client:
        decision.work_out()
        context.denied_read = decision


def _is_recorded(context: RequestContext, request: AccessRequest, decision: AccessDecision) -> bool:
    if request.resource == "configuration":
        # The details of a request for one option and of one for a whole section are the same.
        return bool(context.scope.get("path_params", {}).get("option"))
    if request.resource in _RECORDED_RESOURCES:
        return bool(request.resource_id)
    return request.entity in _RECORDED_ENTITIES and decision.dag_id is not None


def record(context: RequestContext, decision: AccessDecision) -> None:
    """Write the line and the row of a denial; never raises."""
    who = decision.identity
    if who is None:
        return
    # Only a Dag that exists: rows of a Dag are shown to people who may read its audit log.
    dag_id = decision.dag.id if decision.dag else None
    fields = {
        "user": who.username,
        "email": who.email,
        "dag_id": dag_id,
        "missing": list(names(decision.missing)),
        "outcome": "refused",
    }
    audit_log.record(context, audit_log.Event(EVENT, who.username, fields, who.id, dag_id))
