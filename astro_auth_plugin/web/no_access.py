"""The page for a user who is signed in and has no access."""

from __future__ import annotations

import logging

from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.types import Scope

from astro_auth_plugin.runtime import html_pages, state
from astro_auth_plugin.runtime.identity import AstroIdentity
from astro_auth_plugin.runtime.settings import read_settings
from astro_auth_plugin.web.status_codes import FORBIDDEN

log = logging.getLogger(__name__)

# Everything that is not one of these is the page of Airflow's UI.
_NOT_UI_PAGES = (
    "/api/",
    "/auth/",
    "/docs",
    "/execution/",
    "/health",
    "/openapi.json",
    "/plugins",
    "/redoc",
    "/static/",
    "/ui/",
)


async def page_instead(scope: Scope, path: str) -> HTMLResponse | None:
    """Return the page for a user who is signed in and has no permissions; None for everybody and everything else."""
    if scope["method"] != "GET" or path.startswith(_NOT_UI_PAGES):
        return None
    request = Request(scope)
    token = request.cookies.get(COOKIE_NAME_JWT_TOKEN)
    if not token or "text/html" not in request.headers.get("accept", ""):
        return None
    identity = await _identity(token)
    if identity is None or identity.access.anywhere:
        return None
    page = html_pages.no_access(
        identity.email or identity.username, read_settings().access_contact, scope.get("root_path", "")
    )
    return HTMLResponse(page, status_code=FORBIDDEN, headers={"Cache-Control": "no-store"})


async def _identity(token: str) -> AstroIdentity | None:
    try:
        return await state.current().authenticator.authenticate(token)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the token, Airflow's UI deals with it
        log.debug("No page instead of the UI: %s", type(error).__name__)
        return None
