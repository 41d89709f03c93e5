"""An application behind the middleware whose routes tell what arrives, and refuse as Airflow does."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from astro_auth_plugin.authorization.access_decision import AccessDecision
from astro_auth_plugin.runtime.request_context import current_request
from astro_auth_plugin.web.middleware import RequestMiddleware
from tests.web.asgi import Answer, ask

BACKFILLS = "/api/v2/backfills"


async def echo(request: Request) -> Response:
    """Tell what the request's context say, and the body that arrived."""
    context = current_request()
    assert context is not None
    try:
        size = len(await request.body())
    except ClientDisconnect:
        return JSONResponse({"gone": True})
    return JSONResponse({"route": context.route, "dag": context.path_dag_id, "body": context.body, "size": size})


async def content_type(request: Request) -> Response:
    """Tell which type of the body arrived."""
    return PlainTextResponse(request.headers.get("content-type", ""))


async def refuse(request: Request) -> Response:
    """Refuse as Airflow does, with the reason that hooks leave in the context."""
    context = current_request()
    assert context is not None
    context.denied_write = AccessDecision(allowed=False, reason=request.query_params.get("reason", ""))
    kind = request.query_params.get("kind", "json")
    status = int(request.query_params.get("status", "403"))
    if kind == "html":
        return HTMLResponse("<h1>Forbidden</h1>", status)
    if kind == "stream":
        return StreamingResponse(iter([b"For", b"bid", b"den"]), status)
    return JSONResponse({"detail": "Forbidden"}, status, headers={"x-kept": "yes"})


def in_thread(request: Request) -> Response:
    """Answer from the thread pool, as Airflow's routes do."""
    context = current_request()
    assert context is not None
    return PlainTextResponse(context.scope["path_params"]["dag_id"])


class Named(Route):
    """A route that names itself in the scope: FastAPI's all do, Starlette's own only from 1.0 on."""

    def matches(self, scope: Any) -> tuple[Any, Any]:
        """Add the route to what the router puts into the scope."""
        match, found = super().matches(scope)
        return match, {**found, "route": self} if found else found


METHODS = ["GET", "POST", "PATCH", "DELETE"]
APP = RequestMiddleware(
    Starlette(
        routes=[
            Named("/api/v2/thread/{dag_id}", in_thread),
            Named("/api/v2/refused", refuse, methods=METHODS),
            Named("/api/v2/dags/{dag_id}", echo, methods=METHODS),
            Named(BACKFILLS, echo, methods=METHODS),
            Named("/auth/fab/v1/users", echo, methods=METHODS),
            Named("/auth/fab/v1/users/{username}", echo, methods=METHODS),
            Named("/api/v2/other", echo, methods=METHODS),
            Named("/api/v2/dags/{dag_id}/clearTaskInstances", echo, methods=METHODS),
            Named("/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/clear", echo, methods=METHODS),
            Named("/api/v2/type", content_type, methods=METHODS),
            Named("/execution/refused", refuse, methods=METHODS),
        ]
    )
)


def call(method: str, path: str, **options: Any) -> Answer:
    return asyncio.run(ask(APP, method, path, **options))


def reported(method: str, path: str, **options: Any) -> dict[str, Any]:
    answer = call(method, path, **options)
    assert answer.status == 200, answer
    return json.loads(answer.body)
