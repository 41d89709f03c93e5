"""FAB's sign-in page for people who are signed in already: it leads them on, and ends a redirect loop.

Airflow's pages send everybody here whose token is not valid, a day after the sign-in for instance. FAB's session
lasts longer, so FAB issues a new token without a question.
"""

from __future__ import annotations

import functools
import time
import zlib
from typing import Any
from urllib.parse import urlsplit

from airflow.providers.fab.www import views
from flask import g, get_flashed_messages, make_response, request, session
from flask import redirect as flask_redirect
from flask_appbuilder import BaseView, expose
from flask_appbuilder.utils.base import get_safe_redirect

from astro_auth_plugin.runtime import html_pages
from astro_auth_plugin.runtime.settings import read_settings

MOST = 5
"""How often a user may be issued a new token for the same page within `WITHIN` seconds."""
WITHIN = 60

REDIRECT_LOOP = """\
You are signed in, but Airflow keeps redirecting you to this page: the cookie `_token` is missing or not valid there.
Wait a minute and try again. If that does not help, show this page to an administrator of this Airflow: a proxy may
change or drop the cookie, or the api-servers may have different values of [api_auth] jwt_secret. An administrator finds
out more with `airflow astro-auth doctor`.
"""
FORBIDDEN = 403
URI_TOO_LONG = 414
LONGEST_QUERY = 2048
"""How long the query of a sign-in through an identity provider can be: the web session keeps it, until it is over."""
TOO_LONG = (
    "The address of the page to open after the sign-in is too long. Open the home page of this Airflow, and sign in."
)

_redirect: Any = views.redirect
"""FAB's, which issues the token."""
_REDIRECTS = "astro_auth_redirects"


def lead_on(view: type[Any]) -> type[Any]:
    """Return FAB's sign-in page as one that leads anyone who is signed in to where they wanted to go.

    FAB leads them home instead, so that a link to a page of Airflow is lost. When the new token is not valid either,
    Airflow's pages come back at once, and so on for ever: after a few redirects the page says so.
    """

    class LeadingView(view):  # type: ignore[misc]
        @functools.wraps(view.login)
        def login(self, *args: Any, **kwargs: Any) -> Any:
            wanted = request.args.get("next", "")
            if "\\" in wanted or not wanted.isprintable():
                # FAB takes `/\host` for a path, and browsers for another host. A header has no ends of lines.
                return _redirect(self.appbuilder.get_url_for_login)
            if g.user is None or not g.user.is_authenticated:
                if (args or kwargs.get("provider")) and len(request.query_string) > LONGEST_QUERY:
                    return make_response(TOO_LONG, URI_TOO_LONG, {"Content-Type": "text/plain"})
                return super().login(*args, **kwargs)
            closed = _closed_page(wanted)
            if closed:
                page = html_pages.closed(closed, read_settings().access_contact, self.appbuilder.get_url_for_index)
                return make_response(page, FORBIDDEN, {"Cache-Control": "no-store"})
            if _count_redirects(wanted) > MOST:
                return make_response(
                    REDIRECT_LOOP, FORBIDDEN, {"Content-Type": "text/plain", "Cache-Control": "no-store"}
                )
            return _redirect(get_safe_redirect(wanted) if wanted else self.appbuilder.get_url_for_index)

    # FAB makes the endpoint's name, which other pages link to, from the name of the class.
    LeadingView.__name__ = view.__name__
    return LeadingView


class SignInElsewhere(BaseView):  # type: ignore[misc]
    """The sign-in page in the application of plugins for Airflow 2: it leads to FAB's own.

    FAB would register a whole sign-in there, whose sessions outlive a sign-out.
    """

    route_base = ""

    @expose("/login/")  # type: ignore[untyped-decorator]
    def login(self) -> Any:
        """Send users whom a page has denied to the sign-in page."""
        return flask_redirect(self.appbuilder.get_url_for_login_with(request.args.get("next")))


def _closed_page(wanted: str) -> str:
    """Return the page of FAB's from which a user was sent here because it is closed to them; '' when none was.

    FAB leaves a message of this kind in the web session then, which only a page of its own would show.
    """
    denied = bool(get_flashed_messages(category_filter=["danger"]))
    path = urlsplit(get_safe_redirect(wanted)).path if denied and wanted else ""
    prefix = request.root_path
    return path if prefix and path.startswith(f"{prefix}/") else ""


def _count_redirects(wanted: str) -> int:
    """Count this visit, and return how many there have been lately on the way to the same page."""
    page, now = zlib.crc32(wanted.encode()), time.time()
    known, since, redirects = session.get(_REDIRECTS) or (0, 0.0, 0)
    if known != page or now - since > WITHIN:
        since, redirects = now, 0
    session[_REDIRECTS] = [page, since, redirects + 1]
    return redirects + 1
