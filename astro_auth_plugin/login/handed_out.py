"""What was handed out to somebody, web sessions and tokens of FAB, and whether it has ended since."""

from __future__ import annotations

import functools
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow import settings
from airflow.utils.session import create_session
from anyio import to_thread
from fastapi import HTTPException
from flask import Flask, request, session
from flask_login import current_user, user_logged_in
from sqlalchemy import exists, select

from astro_auth_plugin.airflow_bridge import sign_ins

try:
    from airflow.models.revoked_token import RevokedToken
except ImportError:
    # Airflow 3.1 cannot end a single token or session, so there everything ends that the account was given.
    RevokedToken = None  # type: ignore[assignment,misc]

_SINCE = "astro_auth_since"
_ID = "astro_auth_id"
_LONGEST_REQUEST = timedelta(days=1)


def prepared(current: Any, *, tls: bool) -> Flask:
    """Return FAB's application, whose web sessions know from now on which they are, and when they began.

    A session is written back by the pages that its person sees, and by nothing else. Otherwise an answer that is slower
    than a sign-in, be it that of a picture, would put the session from before in the place of the new one. API tokens
    have none.

    Args:
        current: Flask's proxy of the application.
        tls: whether people reach it with https; the cookie of a session travels through TLS only, then.
    """
    app: Flask = current._get_current_object()  # noqa: SLF001 - Flask documents it: signals come from the object itself
    user_logged_in.connect(_stamp, app)
    app.after_request(functools.partial(_write_back, app.config["SESSION_REFRESH_EACH_REQUEST"]))
    app.config["SESSION_REFRESH_EACH_REQUEST"] = False
    if tls:
        app.config["SESSION_COOKIE_SECURE"] = True
    return app


def _stamp(*_: Any, **__: Any) -> None:
    session[_SINCE] = int(time.time())
    session[_ID] = secrets.token_hex(16)


def _write_back(prolongs: bool, answer: Any) -> Any:
    is_file = (request.endpoint or "").rpartition(".")[2] == "static"
    # To ask who it is empties a session that has ended, on pages too that ask nobody.
    if is_file or getattr(current_user, "is_token", False):
        session.modified = False
    elif "_user_id" in session and current_user.is_authenticated and prolongs:
        session.modified = True
    return answer


def empty_ended_session(account_id: int) -> bool:
    """Empty the web session of this request if it has ended, and return whether it had.

    A request with a token of FAB has none. A session of an account that does not say which it is has ended, too.
    """
    if "_user_id" not in session:
        return False
    if not has_ended(account_id, session.get(_SINCE, 0)) and not _is_revoked(session.get(_ID)):
        return False
    # Pages that were under way at the end write it back, once more each; what stays of it must not be prolonged.
    session.clear()
    return True


def _is_revoked(session_id: str | None) -> bool:
    if session_id is None:
        return True
    if RevokedToken is None:
        return False
    with create_session(scoped=False) as database:
        return bool(database.scalar(select(exists().where(RevokedToken.jti == session_id))))


def has_ended(account_id: int, since: float) -> bool:
    """Whether what was handed out to an account then has ended."""
    return since < sign_ins.not_before(account_id)


def wait_for_the_next(account_id: int) -> None:
    """Wait until what is handed out counts: after an end, with a new password for instance, that takes a moment."""
    time.sleep(min(max(sign_ins.not_before(account_id) - time.time(), 0), sign_ins.LONGEST_WAIT))


async def end_token(manager: Any, token: str) -> None:
    """End a token of Airflow; one that is not valid has ended.

    On Airflow 3.1 what an API token was given ends only with the API token, or with its own time.
    """
    if RevokedToken is not None:
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
    """End FAB's session behind a header of cookies, so that a copy of the cookie opens nothing either.

    To delete it would not be enough: a request with a copy, under way meanwhile, writes it back.
    """
    try:
        with app.test_request_context("/logout", headers={"Cookie": cookies}):
            if "_user_id" in session and current_user.is_authenticated:
                _end_signed_in(app)
            session.clear()
            app.session_interface.save_session(app, session, app.make_response(""))
    finally:
        if settings.Session is not None:
            settings.Session.remove()


def _end_signed_in(app: Flask) -> None:
    if RevokedToken is None:
        _end_all(int(session["_user_id"]))
    else:
        with create_session(scoped=False) as database:
            # As long as what such a request writes back can last.
            until = datetime.now(UTC) + app.permanent_session_lifetime + _LONGEST_REQUEST
            RevokedToken.revoke(session[_ID], until, session=database)
