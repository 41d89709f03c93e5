"""Answers to requests that are not valid: FastAPI makes them on the event loop, with an entry for each error.

A list of a megabyte can have half a million errors, and each error of an object can repeat the whole object.
"""

from __future__ import annotations

import functools
from itertools import islice
from typing import Any

from fastapi import _compat
from fastapi.exception_handlers import request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response

MOST = 100
"""How many errors an answer lists."""


_LARGE = 1000
"""How many items a value has that can have so many errors that they are counted first."""


def install() -> None:
    """Let FastAPI make one error of many: to make an entry for each takes many times as long as to find them.

    Its validator is the only place for it, and has no option.
    """
    module: Any = getattr(_compat, "v2", _compat)
    original = module.ModelField.validate

    @functools.wraps(original)
    def validate(self: Any, value: Any, *args: Any, loc: tuple[int | str, ...] = (), **more: Any) -> Any:
        if _items(value) > _LARGE:
            try:
                self._type_adapter.validate_python(value, from_attributes=True)
            except ValidationError as error:
                if error.error_count() > MOST:
                    return None, [_one_error(error.error_count(), loc)]
        return original(self, value, *args, loc=loc, **more)

    if not hasattr(original, "__wrapped__"):
        module.ModelField.validate = validate


def _items(value: Any) -> int:
    """Return how many items are in a value of JSON, as far as that matters."""
    found, left = 0, [value]
    while left and found <= _LARGE:
        each = left.pop()
        inside = each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
        found += len(inside)
        left.extend(islice(inside, _LARGE))
    return found


def _one_error(number: int, loc: tuple[int | str, ...]) -> dict[str, Any]:
    return {
        "type": "too_many_errors",
        "loc": loc,
        "msg": f"There are {number} errors; at most {MOST} are listed.",
        "input": None,
    }


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
    listed: Any = error.errors()
    if not isinstance(listed, str):
        # Some routes of Airflow give a sentence instead of a list.
        listed = [_without_containers(each) for each in listed[:MOST]]
    return await request_validation_exception_handler(request, RequestValidationError(listed))


def _without_containers(error: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in error.items() if key != "input" or not isinstance(value, dict | list)}
