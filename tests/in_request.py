"""How the tests stand inside a request: who asks, on which route, under which policy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from astro_auth_plugin.airflow_bridge.identity import AstroIdentity
from astro_auth_plugin.airflow_bridge.request import RequestFacts, enter_request, leave_request
from astro_auth_plugin.rbac import policy
from astro_auth_plugin.rbac.engine import Engine
from astro_auth_plugin.rbac.subjects import user_subject

DEPLOYMENT = "dep"
HEAD = """\
version: 1
organization_id: org
workspaces: [{id: ws}, {id: ws-other}]
deployments: [{id: dep, workspace_id: ws}, {id: dep-2, workspace_id: ws}, {id: dep-other, workspace_id: ws-other}]
"""


def engine_of(text: str) -> Engine:
    """Compile what is put behind HEAD, for the Deployment `dep`."""
    found = policy.load((HEAD + text).encode())
    assert found.policy is not None, [str(problem) for problem in found.errors]
    return Engine(found.policy, DEPLOYMENT)


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
) -> RequestFacts:
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
    return RequestFacts(scope, body)


@contextmanager
def serving(facts: RequestFacts) -> Iterator[RequestFacts]:
    """Make a request the current one."""
    token = enter_request(facts)
    try:
        yield facts
    finally:
        leave_request(token)
