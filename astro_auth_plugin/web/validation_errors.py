"""Answers to requests that are not valid: FastAPI makes them on the event loop, with an entry for each error.

A list of a megabyte can have half a million errors, and each error of an object can repeat the whole object.
"""

from __future__ import annotations

from typing import Any

from fastapi.exception_handlers import request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response

MOST = 100
"""How many errors an answer lists."""


def limit(app: Any) -> None:
    """Limit the answers of an application.

    Args:
        app: FastAPI's layers, each of which has the next one as `app`.
    """
    while app is not None and not isinstance(app, ExceptionMiddleware):
        app = getattr(app, "app", None)
    if app is not None:
        app.add_exception_handler(RequestValidationError, _answer)


async def _answer(request: Request, error: Any) -> Response:
    listed = [_without_containers(each) for each in error.errors()[:MOST]]
    return await request_validation_exception_handler(request, RequestValidationError(listed))


def _without_containers(error: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in error.items() if key != "input" or not isinstance(value, dict | list)}
