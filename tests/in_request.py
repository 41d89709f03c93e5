"""How the tests stand inside a request: who asks, on which route, under which policy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from astro_auth_plugin.authorization import authorizer
from astro_auth_plugin.authorization.access_request import AccessRequest, enum_name
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.subjects import user_subject
from astro_auth_plugin.rbac.policy import loader
from astro_auth_plugin.runtime.identity import AstroIdentity
from astro_auth_plugin.runtime.request_context import RequestContext, enter_request, leave_request

DEPLOYMENT = "dep"
HEAD = """\
version: 1
organization_id: org
workspaces: [{id: ws}, {id: ws-other}]
deployments: [{id: dep, workspace_id: ws}, {id: dep-2, workspace_id: ws}, {id: dep-other, workspace_id: ws-other}]
"""


def engine_of(text: str) -> Engine:
    """Compile what is put behind HEAD, for the Deployment `dep`."""
    found = loader.load((HEAD + text).encode())
    assert found.policy is not None, [str(problem) for problem in found.errors]
    return Engine(found.policy, DEPLOYMENT, datetime.now(UTC))


def person(engine: Engine, name: str, *, account_id: int = 7) -> AstroIdentity:
    """Return `name`@example.com in a request that has not asked anything yet."""
    email = f"{name}@example.com"
    return AstroIdentity(id=account_id, username=name, email=email, subject=user_subject(email), engine=engine)


def facts_of(
    route: str = "GET /api/v2/version",
    *,
    path: dict[str, str] | None = None,
    query: str = "",
    headers: dict[str, str] | None = None,
    body: Any = None,
) -> RequestContext:
    """Return a request as it is when the router has found its route."""
    method, template = route.split(" ")
    scope = {
        "type": "http",
        "method": method,
        "route": SimpleNamespace(path=template),
        "path_params": path or {},
        "query_string": query.encode("latin-1"),
        "headers": [(name.encode(), value.encode()) for name, value in (headers or {}).items()],
    }
    return RequestContext(scope, body)


@contextmanager
def serving(context: RequestContext) -> Iterator[RequestContext]:
    """Make a request the current one."""
    token = enter_request(context)
    try:
        yield context
    finally:
        leave_request(token)


# -- what Airflow asks, and the answer -----------------------------------------------------------------------------


def ask_dag(identity: AstroIdentity, method: Any, entity: Any, dag_id: str | None) -> bool:
    """Ask about an entity of a Dag; None is the Dag itself, and no Dag in particular."""
    request = AccessRequest.of_dag(method, entity, SimpleNamespace(id=dag_id))
    return authorizer.authorize(identity, request).allowed


def ask_dags(identity: AstroIdentity, items: list[tuple[Any, Any, str | None]]) -> bool:
    """Ask about a batch: (method, entity, Dag) each."""
    requests = [AccessRequest.of_dag(method, entity, SimpleNamespace(id=dag_id)) for method, entity, dag_id in items]
    return authorizer.authorize_all(identity, "dag", requests).allowed


def ask(identity: AstroIdentity, resource: str, method: Any, resource_id: Any = None) -> bool:
    """Ask about another resource of Airflow."""
    return authorizer.authorize(identity, AccessRequest(enum_name(method), resource, resource_id=resource_id)).allowed


def ask_batch(identity: AstroIdentity, resource: str, methods: list[str]) -> bool:
    """Ask about a batch of the same resource."""
    return authorizer.authorize_all(identity, resource, [AccessRequest(each, resource) for each in methods]).allowed


def ask_view(identity: AstroIdentity, view: Any) -> bool:
    """Ask about one of Airflow's views."""
    return authorizer.authorize(identity, AccessRequest("GET", "view", enum_name(view))).allowed
