"""The FastAPI application under `/access`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.configuration import conf
from fastapi import APIRouter, Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from astro_auth_plugin import __version__
from astro_auth_plugin.access_api import bundles, errors, shapes
from astro_auth_plugin.access_api.routes import dags, health, me, roles, teams, tokens, users, versions
from astro_auth_plugin.runtime.turns import Turns, whole_body

PREFIX = "/api/v1"
_HEALTH = f"{PREFIX}/health"
_SAFE = ("GET", "HEAD", "OPTIONS")
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status.value: {"model": shapes.Problem}
    for status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)
}


def make_app() -> FastAPI:
    """Return the application: the API, and the files of the pages."""
    # Its documents name every route, so they are for callers who are signed in.
    app = FastAPI(title="Access", version=__version__, openapi_url=None, docs_url=None, redoc_url=None)
    app.add_exception_handler(errors.ApiError, errors.of_api_error)
    app.add_exception_handler(HTTPException, errors.of_http_error)
    app.add_exception_handler(RequestValidationError, errors.of_invalid_request)
    app.add_exception_handler(SQLAlchemyError, errors.of_database_error)
    app.include_router(health.router, prefix=PREFIX)
    api = APIRouter(prefix=PREFIX, responses=_PROBLEMS, dependencies=[Depends(_has_no_nul)])
    for each in (me, users, teams, tokens, roles, dags, versions):
        api.include_router(each.router)
    app.include_router(api)

    @app.get(f"{PREFIX}/openapi.json", include_in_schema=False)
    def openapi(_: GetUserDep) -> dict[str, Any]:
        return app.openapi()

    app.mount("/static", StaticFiles(directory=bundles.STATIC), name="static")
    app.add_middleware(_Turns)
    app.add_middleware(_SameOrigin)
    return app


def _has_no_nul(request: Request) -> None:
    """Refuse a path or query with a NUL: no name has one, and PostgreSQL takes no statement with one."""
    if "\0" in request.scope["path"] or b"%00" in request.scope["query_string"]:
        raise errors.invalid("No name has a NUL character.")


AT_ONCE = 16
"""How many requests of the API are worked on at once in a process: it has 40 threads, and serves Airflow's pages."""
MOST_WAITING = 200


class _Turns:
    """Works on a few requests of the API at once, the others wait without a thread; and keeps answers out of caches."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._turns = Turns(AT_ONCE, MOST_WAITING)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = str(scope.get("path", "")).removeprefix(str(scope.get("root_path", "")))
        if scope["type"] != "http" or not path.startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        if path == _HEALTH:
            await self._app(scope, receive, _to_no_cache(send))
            return
        _, receive = await whole_body(receive)
        turn = await self._turns.take()
        if turn is None:
            detail = "There are many requests at once. Try again in a few seconds."
            await errors.answer(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", detail)(scope, receive, send)
            return
        try:
            await self._app(scope, receive, turn.until_answered(_to_no_cache(send)))
        finally:
            turn.end()


def _to_no_cache(send: Send) -> Send:
    async def send_to_no_cache(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [each for each in message["headers"] if each[0].lower() != b"cache-control"]
            message = {**message, "headers": [*kept, (b"cache-control", b"no-store")]}
        await send(message)

    return send_to_no_cache


class _SameOrigin:
    """Refuses changes that a page of another origin makes with the browser's cookie.

    The cookie is `SameSite=Lax`, and a site has no port: a page on another port of the same host could post a form.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in _SAFE:
            request = Request(scope)
            if not _has_bearer(request) and not _is_same_origin(request):
                detail = "Changes with the browser's cookie are only accepted from this Airflow's own pages."
                await errors.answer(HTTPStatus.FORBIDDEN, "csrf", detail)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _has_bearer(request: Request) -> bool:
    """Whether a bearer's token decides who asks. With any other `Authorization`, as of a proxy, it is the cookie."""
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and bool(credential)


def _is_same_origin(request: Request) -> bool:
    fetched = request.headers.get("sec-fetch-site")
    if fetched is not None:
        return fetched == "same-origin"
    origin = request.headers.get("origin", "")
    own = {f"{request.url.scheme}://{request.headers.get('host', '')}"}
    base = urlsplit(conf.get("api", "base_url", fallback=""))
    if base.netloc:
        own.add(f"{base.scheme}://{base.netloc}")
    return origin in own
