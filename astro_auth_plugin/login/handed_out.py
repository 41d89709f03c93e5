"""What was handed out to somebody, web sessions and tokens of FAB, and whether it has ended since."""

from __future__ import annotations

import time
from typing import Any

from airflow import settings
from airflow.api_fastapi.auth.managers.base_auth_manager import BaseAuthManager
from airflow.utils.session import create_session
from anyio import to_thread
from fastapi import HTTPException
from flask import Flask, session
from flask_login import user_logged_in

from astro_auth_plugin.airflow_bridge import sign_ins

_SINCE = "astro_auth_since"


def prepared(current: Any, *, tls: bool) -> Flask:
    """Return FAB's application, whose web sessions know from now on when they began.

    Args:
        current: Flask's proxy of the application.
        tls: whether people reach it with https; the cookie of a session travels through TLS only, then.
    """
    app: Flask = current._get_current_object()  # noqa: SLF001 - Flask documents it: signals come from the object itself
    user_logged_in.connect(_stamp, app)
    if tls:
        app.config["SESSION_COOKIE_SECURE"] = True
    return app


def _stamp(*_: Any, **__: Any) -> None:
    session[_SINCE] = int(time.time())


def session_has_ended(account_id: int) -> bool:
    """Whether the web session of this request has ended; a request with a token of FAB has none."""
    return "_user_id" in session and has_ended(account_id, session.get(_SINCE, 0))


def has_ended(account_id: int, since: int) -> bool:
    """Whether what was handed out to an account then has ended."""
    return since < sign_ins.not_before(account_id)


def wait_for_the_next(account_id: int) -> None:
    """Wait until what is handed out counts: after an end, with a new password for instance, that is the next second."""
    time.sleep(min(max(sign_ins.not_before(account_id) - time.time(), 0), 1))


async def end_token(manager: Any, token: str) -> None:
    """End a token of Airflow; one that is not valid has ended.

    Airflow 3.1 cannot end a single one, so there everything ends that the account was given. What an API token was
    given ends there only with the API token, or with its own time.
    """
    if hasattr(BaseAuthManager, "revoke_token"):
        await to_thread.run_sync(manager.revoke_token, token)
        return
    try:
        user = await manager.get_user_from_token(token)
    except HTTPException:
        return
    if not user.is_token:
        await to_thread.run_sync(_end_all, user.id)


def _end_all(account_id: int) -> None:
    with create_session(scoped=False) as database:
        sign_ins.end_all(database, account_id)


def end_session(app: Flask, cookies: str) -> None:
    """End FAB's session behind a header of cookies, so that a copy of the cookie opens nothing either."""
    try:
        with app.test_request_context("/logout", headers={"Cookie": cookies}):
            session.clear()
            app.session_interface.save_session(app, session, app.make_response(""))
    finally:
        if settings.Session is not None:
            settings.Session.remove()
