"""Signing out ends what it is given, and not only in this browser: a copy of a token or of a session is dead, too."""

from __future__ import annotations

import logging

from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from starlette.requests import Request
from starlette.types import Scope

from astro_auth_plugin.authentication import revocation
from astro_auth_plugin.runtime import audit_log, state

log = logging.getLogger(__name__)

# Airflow's sign-out leads on to FAB's; the last one is that of FAB's own pages.
PATHS = frozenset({"/api/v2/auth/logout", "/auth/logout", "/auth/logout/"})


async def end(scope: Scope) -> list[audit_log.Event]:
    """End the tokens that come with a request to sign out, and FAB's session behind its cookies.

    Returns what is to be in the audit log; nothing for a request without a valid token or session.

    Never raises: when nothing can be written, the browser has to lose its cookies all the same.
    """
    request = Request(scope)
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    tokens = {request.cookies.get(COOKIE_NAME_JWT_TOKEN, ""), bearer if scheme.lower() == "bearer" else ""}
    signed_out: dict[int | str, audit_log.Event] = {}
    try:
        for token in tokens - {""}:
            event = await _event(token)
            if event:
                signed_out[event.payer] = event
        of_session = await revocation.sign_out(tokens - {""}, request.headers.get("cookie", ""))
        if of_session:
            signed_out.setdefault(of_session.payer, of_session)
    except Exception:
        log.exception("A user signed out, and the session or tokens could not be revoked")
    return list(signed_out.values())


async def _event(token: str) -> audit_log.Event | None:
    try:
        user = await state.current().authenticator.authenticate(token)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the sign-out goes on
        log.debug("No user is logged as signed out: %s", type(error).__name__)
        return None
    return audit_log.signed_out(user)
