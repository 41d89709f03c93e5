"""Signing out ends what it is given, and not only in this browser: a copy of a token or of a session is dead, too."""

from __future__ import annotations

import logging
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from starlette.requests import Request
from starlette.types import Scope

log = logging.getLogger(__name__)

# Airflow's sign-out leads on to FAB's; the last one is that of FAB's own pages.
PATHS = frozenset({"/api/v2/auth/logout", "/auth/logout", "/auth/logout/"})


async def end(scope: Scope) -> None:
    """End the tokens that come with a request to sign out, and FAB's session behind its cookies.

    Never raises: when nothing can be written, the browser has to lose its cookies all the same.
    """
    request = Request(scope)
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    tokens = {request.cookies.get(COOKIE_NAME_JWT_TOKEN, ""), bearer if scheme.lower() == "bearer" else ""}
    try:
        manager: Any = get_auth_manager()
        await manager.sign_out(tokens - {""}, request.headers.get("cookie", ""))
    except Exception:
        log.exception("Somebody signed out, and what they were given could not be ended")
