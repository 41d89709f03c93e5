"""Prints every route of the running application as JSON: `python list_routes.py`, with the environment of a server.

A template of a mounted application has the mount's path before it. What is mounted and has no routes of its own, such as
static files, is one line `* <path>/*`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from airflow import __version__ as version
from airflow.api_fastapi.app import create_app
from airflow.api_fastapi.execution_api.routes import execution_api_router

# Starlette and Flask add these by themselves; they are asked what GET is asked.
ADDED = {"HEAD", "OPTIONS"}


def routes_of(app: Any, prefix: str = "") -> Iterator[str]:
    """Yields method and template of an application, a router, and of all that is mounted in it."""
    routes = getattr(app, "routes", None)
    if routes is None:
        yield from flask_routes(app, prefix)
        return
    for route in routes:
        path = prefix + getattr(route, "path", "")
        if type(route).__name__ == "Mount":
            yield from routes_of(route.app, path)
        elif getattr(route, "original_router", None) is not None:  # a router that newer FastAPI includes late
            yield from routes_of(route.original_router, prefix + getattr(route, "prefix", ""))
        elif getattr(route, "methods", None):
            yield from (f"{method} {path}" for method in set(route.methods) - ADDED)
        else:
            yield f"{type(route).__name__} {path}"


def flask_routes(app: Any, prefix: str) -> Iterator[str]:
    """Yields the routes of a Flask application in its wrappers, or one line for anything else."""
    for _ in range(6):
        if hasattr(app, "url_map"):
            for rule in app.url_map.iter_rules():
                yield from (f"{method} {prefix}{rule.rule}" for method in set(rule.methods or ()) - ADDED)
            return
        inner = getattr(app, "app", None) or getattr(app, "wsgi_app", None)
        app = getattr(inner, "__self__", inner)
    yield f"* {prefix}/*"


def main() -> None:
    """Prints one line of JSON after whatever Airflow logs."""
    # The execution API makes its routers, one set for each of its versions, only when it is asked for the first time.
    found = {*routes_of(create_app(apps="all")), *routes_of(execution_api_router, "/execution")}
    sys.stdout.flush()
    sys.stdout.write("\n" + json.dumps({"version": version, "routes": sorted(found)}) + "\n")


if __name__ == "__main__":
    main()
