"""Limits for what strangers send: cookies and bodies are read on the event loop before it is known who sends them.

And for how many runs of a Dag a request steps through, which takes a thread and a database connection meanwhile.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterator
from functools import wraps
from itertools import count
from typing import Any
from urllib.parse import parse_qs

from airflow.serialization import serialized_objects
from anyio import current_time, move_on_after
from fastapi import HTTPException
from starlette.types import Message, Receive, Scope

from astro_auth_plugin.runtime.request_context import current_request
from astro_auth_plugin.web import worker_tokens
from astro_auth_plugin.web.status_codes import SERVICE_UNAVAILABLE, UNPROCESSABLE

LARGEST_HEAD = 64 * 1024
MOST_HEADERS = 200
LARGEST_COOKIES = 16 * 1024
LARGEST_SIGN_IN = LARGEST_PAGE_FORM = 64 * 1024
"""A form of FAB's has a few fields. Flask takes a core for half a second to read the ones that fit into a megabyte."""
LARGEST_FORM = 256 * 1024
"""Flask reads a form before it looks at who sends it, to find the token against forgeries."""
LARGEST_OF_ACCOUNTS = 1024 * 1024
"""What FAB's API of accounts takes is no form."""
LONGEST_RANGE = 100
MOST_PARAMETERS = 1000
"""Some routes of Airflow make a statement for each value of a parameter that is repeated."""
MOST_RUNS = 1000
"""How many runs of a Dag `GET /ui/dags`, and rows the lists with a body, may be asked for: Airflow has no limit."""
MOST_RUNS_BETWEEN = 10_000
"""How many runs of a Dag a request may step through: Airflow has no limit, and takes about a millisecond for each."""
RANGES_AT_ONCE = 2
LARGEST_BODY = 4 * 1024 * 1024
MOST_OBJECTS = 50_000
"""How many lists and objects a body may have: Airflow reads JSON on the event loop before it knows who sends it."""
BODY_SECONDS = 120.0
"""How long a body may take to arrive. With a cookie, Airflow makes out who asks before it reads the body, and what is
decided then must not be old."""
CUT_OFF: Message = {"type": "http.disconnect"}
"""What comes in the place of a body that is larger than it may be: to Airflow its client has gone."""
_TAKEN = "astro_auth.runs"
_ranges = threading.BoundedSemaphore(RANGES_AT_ONCE)
_FOR_WORKERS = "/execution/"
_NUMBER = re.compile(r"[0-9]{1,4}")


def head_is_too_large(scope: Scope) -> bool:
    """Whether a request has more headers, or longer ones with its URL, than any client of Airflow sends.

    Airflow and Flask copy or join them on the event loop, some in quadratic time.
    """
    headers = scope["headers"]
    size = len(scope.get("raw_path") or b"") + len(scope.get("query_string", b""))
    size += sum(len(name) + len(value) for name, value in headers)
    return len(headers) > MOST_HEADERS or size > LARGEST_HEAD


def cookies_are_too_large(scope: Scope) -> bool:
    """Whether the cookies of a request have more bytes than all that Airflow and FAB set."""
    return sum(len(value) for name, value in scope["headers"] if name == b"cookie") > LARGEST_COOKIES


def query_is_too_large(scope: Scope) -> bool:
    """Whether the query of a request asks for more than any page of Airflow does."""
    query: bytes = scope.get("query_string", b"")
    if query.count(b"&") >= MOST_PARAMETERS:
        return True
    # Only a query with the name, or one that may spell it otherwise, is worth to be read.
    if b"dag_runs_limit" not in query and b"%" not in query:
        return False
    values = parse_qs(query.decode("latin-1"), keep_blank_values=True).get("dag_runs_limit", ())
    # Any other spelling of a number is refused as well: pydantic knows many.
    return any(not _NUMBER.fullmatch(value) or int(value) > MOST_RUNS for value in values)


def drop_long_ranges(scope: Scope) -> None:
    """Take `Range` out of a request if it is long, which RFC 9110 allows.

    Starlette before 0.49, which Airflow 3.1 needs, takes minutes to read some of them (CVE-2025-62727).
    """
    scope["headers"] = [
        (name, value) for name, value in scope["headers"] if name != b"range" or len(value) <= LONGEST_RANGE
    ]


def drop_escaped_cookies(scope: Scope) -> None:
    r"""Take cookies with a backslash out of a request; neither Airflow nor FAB sets any.

    Python before 3.11.10 and 3.12.6 takes minutes to read some of them (CVE-2024-7592).
    """
    scope["headers"] = [
        (name, b";".join(pair for pair in value.split(b";") if b"\\" not in pair))
        if name == b"cookie"
        else (name, value)
        for name, value in scope["headers"]
    ]


def largest_body(scope: Scope, path: str) -> int:
    """Return how many bytes the body of a request may have."""
    if path.startswith("/auth/") and not path.startswith("/auth/fab/"):
        return LARGEST_PAGE_FORM
    # `application/x-www-form-urlencoded`, however it is spelled. Werkzeug limits the parts of other forms itself.
    if any(name == b"content-type" and b"url" in value.lower() for name, value in scope["headers"]):
        return LARGEST_FORM
    return LARGEST_OF_ACCOUNTS if path.startswith("/auth/") else LARGEST_BODY


async def has_no_limit(scope: Scope, path: str) -> bool:
    """Whether the body of a request may be larger: results of tasks, which workers send, have no limit."""
    return path.startswith(_FOR_WORKERS) and await worker_tokens.is_from_worker(scope)


def announced_size(scope: Scope) -> int:
    """Return how large a request says that its body is; 0 where it does not say."""
    size = dict(scope["headers"]).get(b"content-length", b"")
    # As many digits as are enough to see that it is too large.
    return int(size[:20]) if size.isdigit() else 0


def bounded(receive: Receive, scope: Scope, path: str) -> Receive:
    """Return a `receive` that ends the request when its body is larger than it may be, or does not come in time."""
    limit: float = largest_body(scope, path)
    size = objects = 0
    deadline = current_time() + BODY_SECONDS

    async def receive_within() -> Message:
        nonlocal limit, size, objects, deadline
        with move_on_after(deadline - current_time()) as in_time:
            message = await receive()
        if in_time.cancelled_caught:
            if not await has_no_limit(scope, path):
                return {"type": "http.disconnect"}
            deadline = math.inf
            message = await receive()
        if not message.get("more_body"):
            deadline = math.inf
        size += len(message.get("body", b""))
        objects += message.get("body", b"").count(b"[") + message.get("body", b"").count(b"{")
        if (size > limit or objects > MOST_OBJECTS) and await has_no_limit(scope, path):
            limit, objects = math.inf, -(10**12)
        if size > limit:
            return CUT_OFF
        return {"type": "http.disconnect"} if objects > MOST_OBJECTS else message

    return receive_within


def limit_ranges() -> None:
    """Let no request of this process step through too many runs of a Dag, from now on. Twice does it once.

    Backfills do so from their first date to the last one, and changes of past or future task instances from the first
    run to the last one, which a user may have triggered for the year 9999.
    """
    serialized: Any = serialized_objects
    dag_class = serialized.SerializedDAG
    steps = dag_class.iter_dagrun_infos_between
    if getattr(steps, "__wrapped__", None) is not None:
        return

    @wraps(steps)
    def few_steps(*args: Any, **kwargs: Any) -> Iterator[Any]:
        if not _ranges.acquire(blocking=False):
            raise HTTPException(SERVICE_UNAVAILABLE, "Other requests step through the runs of a Dag. Try again.")
        # Of a whole request: one may change the task instances of many runs.
        context = current_request()
        taken = count() if context is None else context.scope.setdefault(_TAKEN, count())
        try:
            for info in steps(*args, **kwargs):
                if next(taken) >= MOST_RUNS_BETWEEN:
                    detail = f"There are more than {MOST_RUNS_BETWEEN:,} runs between the dates. Choose fewer at once."
                    raise HTTPException(UNPROCESSABLE, detail)
                yield info
        finally:
            _ranges.release()

    dag_class.iter_dagrun_infos_between = few_steps
