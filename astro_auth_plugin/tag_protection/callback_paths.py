"""Lets Airflow before 3.3 read the deadlines of a Dag without importing what their callbacks name.

The path of a callback is text that a Dag's file chooses. Before 3.3 the scheduler and the api-server import it each
time they read the Dag, only to see whether it is there; a module that ends its process on import would end them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from types import ModuleType
from typing import Any

import wrapt

_reading: ContextVar[bool] = ContextVar("astro_auth_reading_a_callback", default=False)


def install(module: ModuleType) -> None:
    """Put this into the module that defines callbacks, where Airflow does not do it itself."""
    callback = getattr(module, "Callback", None)
    if callback is None or callback.__module__ != module.__name__ or hasattr(module, "_SerializedCallbackPath"):
        return
    wrapt.wrap_function_wrapper(module, "Callback.deserialize", _read)
    wrapt.wrap_function_wrapper(module, "Callback.get_callback_path", _path)


def _read(wrapped: Callable[..., Any], _class: Any, args: Any, kwargs: Any) -> Any:
    token = _reading.set(True)
    try:
        return wrapped(*args, **kwargs)
    finally:
        _reading.reset(token)


def _path(wrapped: Callable[..., Any], _class: Any, args: Any, kwargs: Any) -> Any:
    (given,) = args
    return given.strip() if _reading.get() and isinstance(given, str) else wrapped(*args, **kwargs)
