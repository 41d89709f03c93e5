"""FAB's sign-in page behind a proxy, made to end somewhere when the proxy's word does not count."""

from __future__ import annotations

from typing import Any

from flask import g, make_response
from flask_appbuilder import expose

REFUSED = "Sign-in refused. This Airflow takes the word of the proxy in front of it, and was not told who you are."
FORBIDDEN = 403


def told_who_is_refused(view: type[Any]) -> type[Any]:
    """Return FAB's page as one that says so when nobody has been signed in.

    FAB sends everybody on to Airflow's pages, which send whoever is not signed in back here, and so on.
    """

    class ToldRemoteUserView(view):  # type: ignore[misc]
        @expose("/login/")  # type: ignore[untyped-decorator]
        def login(self) -> Any:
            answer = super().login()
            if not g.user.is_authenticated:
                return make_response(REFUSED, FORBIDDEN, {"Content-Type": "text/plain"})
            return answer

    ToldRemoteUserView.__name__ = view.__name__
    return ToldRemoteUserView
