"""Answers that go on, such as that of a run that is waited for: they end when the access of who gets them ends."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from time import monotonic
from types import SimpleNamespace
from typing import Any

from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from anyio import to_thread
from fastapi import HTTPException
from starlette.requests import Request

from astro_auth_plugin.authorization import authorizer
from astro_auth_plugin.runtime import audit_log, state
from astro_auth_plugin.runtime.identity import AstroIdentity
from astro_auth_plugin.runtime.log_filters import EndedOnPurpose
from astro_auth_plugin.runtime.request_context import CUT_OFF, RequestContext

log = logging.getLogger(__name__)

CHECK_SECONDS = 5.0
"""How old what is known of the access may be when a further part of an answer is sent."""


class AccessEnded(EndedOnPurpose):
    """Ends an answer before its end: the server closes the connection, so that the client sees that it is cut."""


def is_due(checked: float) -> bool:
    """Whether it is to be looked again if the rest of an answer may be sent, after `checked` by `time.monotonic`."""
    return monotonic() - checked > CHECK_SECONDS


async def end_without_access(context: RequestContext) -> None:
    """Look again whether the rest of an answer may be sent.

    Raises:
        AccessEnded: if it may not.
    """
    user = context.signed_in or context.actor
    if user is not None and not await _is_still_allowed(context):
        context.events.append(audit_log.answer_ended(user))
        ended = AccessEnded(f"Ended the answer to {user.username}, whose access has ended meanwhile")
        context.scope.get(CUT_OFF, []).append(ended)
        raise ended


async def _is_still_allowed(context: RequestContext) -> bool:
    """Whether the credential of a request is still valid, and all would be allowed again that was."""
    authenticator, identities = state.current().authenticator, dict[int | str, AstroIdentity]()
    # Denied again it is noted as the end of the answer, and as nothing else.
    asked, denial = context.allowed, context.denial
    context.allowed = []
    context.identities.clear()
    try:
        if context.signed_in is not None:
            cookie = Request(context.scope).cookies.get(COOKIE_NAME_JWT_TOKEN, "")
            identity = await authenticator.authenticate(context.credential or cookie)
            identities[identity.id] = identity
        return await to_thread.run_sync(_all_allowed, asked, identities)
    except (HTTPException, ValueError):
        return False
    except Exception:
        # Unknown is denied; and after an error a layer above could end the answer as if it were complete.
        log.exception("Cannot look again whether the rest of an answer may be sent")
        return False
    finally:
        context.denial = denial


def _all_allowed(asked: Iterable[tuple[int | str, Any]], identities: dict[int | str, AstroIdentity]) -> bool:
    for user_id, request in asked:
        if user_id not in identities:
            # A page of FAB or of a plugin, which has a session of its own.
            user = SimpleNamespace(id=user_id, is_anonymous=False)
            identities[user_id] = state.current().authenticator.identity_of_user(user)
        if not authorizer.authorize(identities[user_id], request).allowed:
            return False
    return True
