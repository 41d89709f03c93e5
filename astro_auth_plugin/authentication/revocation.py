"""Web sessions and tokens of people, and whether they have been revoked since they were issued."""

from __future__ import annotations

import functools
import secrets
import threading
import time
from collections.abc import Collection
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from airflow import settings
from airflow.configuration import conf
from airflow.utils.session import create_session
from anyio import to_thread
from fastapi import HTTPException
from fastapi.middleware.wsgi import WSGIMiddleware
from flask import Flask, abort, has_request_context, request, session
from flask_login import current_user, user_logged_in
from sqlalchemy import exists, select

from astro_auth_plugin.accounts import sign_ins, web_sessions
from astro_auth_plugin.accounts.revoked_tokens import RevokedToken
from astro_auth_plugin.authentication.authenticator import Authenticator
from astro_auth_plugin.runtime import audit_log, state

MOST_SIGN_INS, MOST_MESSAGES = 2, 10
"""How many sign-ins begun at a provider, and messages that no page has shown, a web session keeps besides the newest
one: MySQL has 64 KiB for a session, of which a sign-in can take a third."""
OF_STRANGERS = timedelta(hours=1)
"""How long a web session lasts in which no user is signed in."""
_STATE, _MESSAGES = "_state_", "_flashes"
"""What authlib's keys begin with, and Flask's key."""
_SINCE = "astro_auth_since"
_ID = "astro_auth_id"
_SIGN_IN_OF_FAB_API = "SecurityApi.login"
_LONGEST_REQUEST = timedelta(days=1)
_POOL = {"pool_size": 5, "max_overflow": 10}
_CONNECTIONS_OF_A_PAGE = 2
_LONGEST_WAIT_FOR_A_TURN = 10.0
_TURNS = "astro_auth_turns"
_FOR_EVER = timedelta(days=3650)
"""How long Airflow's table keeps a sign-out that ends tokens of FAB's; the end of that time shows when it was."""


def application_in(app: Any) -> Flask:
    """Return the Flask application that FAB's FastAPI app serves."""
    [mounted] = [route.app for route in app.routes if isinstance(getattr(route, "app", None), WSGIMiddleware)]
    served: Any = mounted.app
    return served  # type: ignore[no-any-return]


def pages_at_once() -> int | None:
    """Return how many pages of FAB may run at once, by the number of database connections; None for any number."""
    size, more = (conf.getint("database", f"sql_alchemy_{name}", fallback=of) for name, of in _POOL.items())
    return None if size <= 0 or more < 0 else max((size + more) // _CONNECTIONS_OF_A_PAGE, 1)


def few_at_a_time(app: Flask) -> Flask:
    """Let fewer pages of an application run at once than there are database connections for, and return it.

    A page holds the connection of its session, and reads accounts through another one. With one for each of many
    pages, none would get the second one, and all requests would wait until the first ones give up.
    """
    at_once = pages_at_once()
    if at_once is None:
        return app
    turns, serve = threading.BoundedSemaphore(at_once), app.wsgi_app
    app.extensions[_TURNS] = turns

    def in_turn(environ: Any, start_response: Any) -> Any:
        if not turns.acquire(timeout=_LONGEST_WAIT_FOR_A_TURN):
            start_response("503 Service Unavailable", [("Content-Type", "text/plain"), ("Retry-After", "10")])
            return [b"Too many requests at once: try again in some seconds."]
        try:
            return serve(environ, start_response)
        finally:
            turns.release()

    app.wsgi_app = in_turn  # type: ignore[method-assign]
    return app


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
    _limit_sessions_of_strangers(app.session_interface)
    # The application of plugins as well: it reads forms of anyone, too.
    return few_at_a_time(app)


def _limit_sessions_of_strangers(sessions: Any) -> None:
    """Keep sessions in which no user is signed in for an hour only: each look at the sign-in page makes one."""
    keep = getattr(sessions, "_upsert_session", None)
    if keep is None or hasattr(keep, "astro_auth"):
        return

    def keep_for(lifetime: timedelta, kept: Any, *args: Any, **kwargs: Any) -> Any:
        if "_user_id" in kept:
            return keep(lifetime, kept, *args, **kwargs)
        web_sessions.clean_now_and_then()
        return keep(min(lifetime, OF_STRANGERS), kept, *args, **kwargs)

    keep_for.astro_auth = True  # type: ignore[attr-defined]
    sessions._upsert_session = keep_for  # noqa: SLF001 - the one place where all rows are written


def _stamp(*_: Any, **__: Any) -> None:
    session[_SINCE] = int(time.time())
    session[_ID] = secrets.token_hex(16)


def _write_back(prolongs: bool, answer: Any) -> Any:
    is_file = (request.endpoint or "").rpartition(".")[2] == "static"
    # To look up who it is empties a session that has ended, on pages too that do not look.
    if is_file or getattr(current_user, "is_token", False):
        session.modified = False
        return answer
    _drop_oldest()
    if "_user_id" in session and current_user.is_authenticated and prolongs:
        session.modified = True
    return answer


def plugins_share_sessions() -> bool:
    """Whether the application of plugins for Airflow 2 reads FAB's web sessions, in a cookie; others it cannot end."""
    return bool(conf.get("fab", "session_backend", fallback="database") == "securecookie")


def _drop_oldest() -> None:
    """Keep the newest sign-ins begun at a provider and messages only: strangers could add to one session for ever."""
    states = [key for key, value in session.items() if key.startswith(_STATE) and isinstance(value, dict)]
    # With an expiry each, which the next sign-in has later.
    for key in sorted(states, key=lambda key: session[key].get("exp") or 0)[:-MOST_SIGN_INS]:
        del session[key]
    if _MESSAGES in session and len(session[_MESSAGES]) > MOST_MESSAGES:
        session[_MESSAGES] = session[_MESSAGES][-MOST_MESSAGES:]


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


def refuse_ended_session(account_id: int) -> None:
    """End the request with 401 if its web session has ended since it was looked at, so that it is given nothing new."""
    if has_request_context() and empty_ended_session(account_id):
        abort(HTTPStatus.UNAUTHORIZED)


def _is_revoked(session_id: str | None) -> bool:
    if session_id is None:
        return True
    if RevokedToken is None:
        return False
    with create_session(scoped=False) as database:
        return bool(database.scalar(select(exists().where(RevokedToken.jti == session_id))))


def has_ended(account_id: int, since: float) -> bool:
    """Whether what was issued to an account then has been revoked."""
    return since < sign_ins.tokens_valid_after(account_id)


def wait_for_the_next(account_id: int) -> None:
    """Wait until what is issued is valid: after an end, with a new password for instance, that takes a moment."""
    ended: float = sign_ins.tokens_valid_after(account_id)
    if has_request_context() and request.endpoint == _SIGN_IN_OF_FAB_API:
        ended = max(ended, _fab_tokens_end(account_id))
    time.sleep(min(max(ended - time.time(), 0), sign_ins.LONGEST_WAIT))


async def sign_out(tokens: Collection[str], cookies: str) -> audit_log.Event | None:
    """Revoke tokens of Airflow, and end FAB's session behind a header of cookies; return what the session's end is."""
    process, event = state.current(), None
    try:
        for token in tokens:
            await _end_token(process.authenticator, token)
    finally:
        if process.fab_app is not None and cookies:
            event = await to_thread.run_sync(end_session, process.fab_app, cookies)
    return event


async def _end_token(authenticator: Authenticator, token: str) -> None:
    """Revoke a token of Airflow, and the tokens of FAB's own of the same account; one that is not valid has ended.

    On Airflow 3.1 what an API token was given ends only with the API token, or with its own time.
    """
    try:
        user = await authenticator.authenticate(token)
    except HTTPException:
        user = None
    if RevokedToken is not None:
        await to_thread.run_sync(authenticator.revoke, token)
    if user is not None and not user.is_token:
        await to_thread.run_sync(_end_account, int(user.id))


def _end_account(account_id: int) -> None:
    if RevokedToken is None:
        _end_all(account_id)
    else:
        _end_fab_tokens(account_id)


def _end_fab_tokens(account_id: int) -> None:
    """End the tokens that FAB's own API has issued to an account: their ids are unknown, so all until now.

    And those of the next moment, which a request that does not see this end yet may issue.
    """
    end = datetime.fromtimestamp(int(time.time()) + sign_ins.LONGEST_WAIT, UTC)
    with create_session(scoped=False) as database:
        RevokedToken.revoke(_fab_tokens(account_id), end + _FOR_EVER, session=database)


def _fab_tokens(account_id: int) -> str:
    return f"astro_auth_fab_{account_id}"


def fab_token_has_ended(account_id: int, issued_at: int) -> bool:
    """Whether a token that FAB's own API issued then has ended: by a sign-out, or with all of the account."""
    return issued_at < _fab_tokens_end(account_id) or has_ended(account_id, issued_at)


def _fab_tokens_end(account_id: int) -> float:
    """Return the time before which the tokens of FAB's API have ended with a sign-out; 0 when none have."""
    if RevokedToken is None:
        return 0
    with create_session(scoped=False) as database:
        until = database.scalar(select(RevokedToken.exp).where(RevokedToken.jti == _fab_tokens(account_id)))
    return 0 if until is None else (until - _FOR_EVER).timestamp()


def _end_all(account_id: int) -> None:
    with create_session(scoped=False) as database:
        sign_ins.end_all(database, account_id)


def end_session(app: Flask, cookies: str) -> audit_log.Event | None:
    """End FAB's session behind a header of cookies, so that a copy of the cookie opens nothing either.

    Returns the sign-out for the audit log; None where no user was signed in.

    To delete it would not be enough: a request with a copy, under way meanwhile, writes it back.
    """
    try:
        with (
            app.extensions.get(_TURNS, nullcontext()),
            app.test_request_context("/logout", headers={"Cookie": cookies}),
        ):
            ended = None
            if "_user_id" in session and current_user.is_authenticated:
                ended = audit_log.signed_out(current_user)
                _end_signed_in(app)
            session.clear()
            app.session_interface.save_session(app, session, app.make_response(""))
            return ended
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
        _end_fab_tokens(int(session["_user_id"]))
