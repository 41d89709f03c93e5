"""FAB's sign-in page for people who are signed in already: it leads them on, and not round in circles.

Airflow's pages send everybody here whose token does not count, a day after the sign-in for instance. FAB's session
lasts longer, so FAB hands out a new token without a question.
"""

from __future__ import annotations

import functools
import time
import zlib
from typing import Any

from airflow.providers.fab.www import views
from flask import g, make_response, request, session
from flask_appbuilder.utils.base import get_safe_redirect

MOST = 5
"""How often somebody may be handed a new token for the same page within `WITHIN` seconds."""
WITHIN = 60

CIRCLING = """\
You are signed in, and yet Airflow keeps sending you here: it does not get, or does not believe, the cookie `_token`.
Wait a minute and try again. If that does not help, show this to those who run this Airflow: a proxy may change or drop
the cookie, or the api-servers have not the same [api_auth] jwt_secret. `airflow astro-auth doctor` tells more.
"""
FORBIDDEN = 403

_redirect: Any = views.redirect
"""FAB's, which hands out the token."""
_ROUNDS = "astro_auth_rounds"


def lead_on(view: type[Any]) -> type[Any]:
    """Return FAB's sign-in page as one that leads whoever is signed in to where they wanted to go.

    FAB leads them home instead, so that a link to a page of Airflow is lost. When the new token does not count either,
    Airflow's pages come back at once, and so on for ever: after a few rounds the person is told.
    """

    class LeadingView(view):  # type: ignore[misc]
        @functools.wraps(view.login)
        def login(self, *args: Any, **kwargs: Any) -> Any:
            wanted = request.args.get("next", "")
            if "\\" in wanted or not wanted.isprintable():
                # FAB takes `/\host` for a path, and browsers for another host. A header has no ends of lines.
                return _redirect(self.appbuilder.get_url_for_login)
            if g.user is None or not g.user.is_authenticated:
                return super().login(*args, **kwargs)
            if _rounds(wanted) > MOST:
                return make_response(CIRCLING, FORBIDDEN, {"Content-Type": "text/plain", "Cache-Control": "no-store"})
            return _redirect(get_safe_redirect(wanted) if wanted else self.appbuilder.get_url_for_index)

    # FAB makes the endpoint's name, which other pages link to, from the name of the class.
    LeadingView.__name__ = view.__name__
    return LeadingView


def _rounds(wanted: str) -> int:
    """Count this visit, and return how many there have been lately on the way to the same page."""
    page, now = zlib.crc32(wanted.encode()), time.time()
    known, since, rounds = session.get(_ROUNDS) or (0, 0.0, 0)
    if known != page or now - since > WITHIN:
        since, rounds = now, 0
    session[_ROUNDS] = [page, since, rounds + 1]
    return rounds + 1
