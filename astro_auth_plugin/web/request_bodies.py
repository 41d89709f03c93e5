"""Reads the JSON body of those requests whose decision depends on it, and gives it on to Airflow unchanged."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope

from astro_auth_plugin.runtime.turns import whole_body
from astro_auth_plugin.web import passwords, size_limits
from astro_auth_plugin.web.status_codes import TOO_LARGE, UNPROCESSABLE

# Where the decision needs a field of the body: whether a backfill reprocesses, and whom an account is to be.
_BODY_NEEDED = (("POST", "/api/v2/backfills"), ("POST", "/auth/fab/v1/users"), ("PATCH", "/auth/fab/v1/users/"))
_OBJECTS = ("/api/v2/connections", "/api/v2/variables", "/api/v2/pools")
MAX_BODY = 1024 * 1024
LARGEST_LIST = 128 * 1024
"""For the filters of a list. Any user may send some, and all that is wrong in them is found on the event loop."""
TOKENS_IN_BODY = frozenset(
    {
        "/auth/token",
        "/auth/token/cli",
        "/auth/api/v1/security/login",
        "/auth/api/v1/security/refresh",
        "/ui/auth/token",
    }
)
"""Routes whose answers have a token in the body."""


def _clears(path: str) -> bool:
    return path.startswith("/api/v2/dags/") and path.endswith(("/clear", "/clearTaskInstances"))


def _lists(path: str) -> bool:
    return path.startswith("/api/v2/dags/") and path.endswith("/list")


def _has_too_large_page(path: str, body: Any) -> bool:
    """Whether a list is asked for more than any page shows; Airflow limits this in queries, and not in bodies."""
    limit = body.get("page_limit", 0) if isinstance(body, dict) and _lists(path) else 0
    if isinstance(limit, (int, float)):
        return limit > size_limits.MOST_RUNS
    # Other spellings of a number, of which pydantic knows many, are no number of JSON.
    return limit is not None


def _has_ambiguous_dry_run(path: str, body: Any) -> bool:
    """Whether Airflow would take `dry_run` for true in its audit log, and write no row, and for false in the route."""
    return _clears(path) and isinstance(body, dict) and not isinstance(body.get("dry_run", True), bool)


def name_json(scope: Scope) -> None:
    """Write the type of a JSON body as Airflow's audit log expects it; FastAPI takes other spellings for JSON too."""
    scope["headers"] = [
        (name, _named_json(value) if name.lower() == b"content-type" else value) for name, value in scope["headers"]
    ]


def _named_json(value: bytes) -> bytes:
    kind, _, parameters = value.decode("latin-1").partition(";")
    main, _, subtype = kind.strip().lower().partition("/")
    if main != "application" or not (subtype == "json" or subtype.endswith("+json")):
        return value
    rest = f";{parameters}" if parameters else ""
    return f"application/json{rest}".encode("latin-1")


def needs_body(method: str, path: str) -> bool:
    """Whether the decision depends on the body of a request."""
    return (method == "POST" and _clears(path)) or any(
        method == needed and (path == prefix or (prefix.endswith("/") and path.startswith(prefix)))
        for needed, prefix in _BODY_NEEDED
    )


def names_objects(method: str, path: str) -> bool:
    """Whether the body of a request names connections, Variables or pools; they decide for some users."""
    return method in ("POST", "PATCH") and path.startswith(_OBJECTS)


async def kept(scope: Scope, path: str, receive: Receive) -> tuple[bytes | None, Receive]:
    """Return the bytes of a body that names objects, and what gives it to Airflow; None where it did not come whole."""
    if not names_objects(scope["method"], path):
        return None, receive
    try:
        return await _read(receive, size_limits.announced_size(scope), size_limits.LARGEST_BODY)
    except _BodyTooLarge:
        return None, _cut_off


async def _cut_off() -> Message:
    return size_limits.CUT_OFF


async def looked_at(scope: Scope, path: str, receive: Receive) -> tuple[Any, Receive, JSONResponse | None]:
    """Return the JSON body where a decision needs it, what gives it to Airflow, and the answer if it is refused."""
    # The body of a password is read whole, so that only requests with a password take a turn.
    is_for_tokens = passwords.is_password(scope, path) or path.rstrip("/") in TOKENS_IN_BODY
    has_page = scope["method"] == "POST" and _lists(path)
    if not is_for_tokens and not has_page and not needs_body(scope["method"], path):
        return None, receive, None
    signs_in = passwords.is_door(scope, path) or path.rstrip("/") in TOKENS_IN_BODY
    limit = size_limits.LARGEST_SIGN_IN if signs_in else LARGEST_LIST if has_page else MAX_BODY
    limit = min(limit, size_limits.largest_body(scope, path))
    try:
        body, receive = await _read_json(receive, size_limits.announced_size(scope), limit)
    except _BodyTooLarge:
        return None, receive, JSONResponse({"detail": f"The body is larger than {limit} bytes."}, TOO_LARGE)
    if _has_ambiguous_dry_run(path, body):
        detail = "`dry_run` must be `true` or `false`, without quotes."
        return None, receive, JSONResponse({"detail": detail}, UNPROCESSABLE)
    if _has_too_large_page(path, body):
        detail = f"`page_limit` must be a number up to {size_limits.MOST_RUNS}."
        return None, receive, JSONResponse({"detail": detail}, UNPROCESSABLE)
    return body, receive, None


class _BodyTooLarge(Exception):
    """A body that cannot be looked at; Airflow would take it, so it must not come through unseen."""


async def _read_json(receive: Receive, announced_size: int, limit: int) -> tuple[Any, Receive]:
    """Read a body, and return what it says together with a `receive` that brings it again.

    One that is no JSON says nothing here; Airflow refuses it itself.
    """
    text, receive_again = await _read(receive, announced_size, limit)
    try:
        return json.loads(text), receive_again
    except (ValueError, RecursionError):
        return None, receive_again


async def _read(receive: Receive, announced_size: int, limit: int) -> tuple[bytes, Receive]:
    if announced_size > limit:
        raise _BodyTooLarge
    size = 0

    async def receive_within() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if message is size_limits.CUT_OFF or size > limit:
            raise _BodyTooLarge
        return message

    return await whole_body(receive_within)
