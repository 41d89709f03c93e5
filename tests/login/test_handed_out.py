"""Sessions that live in a cookie are written back as those in the database are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask, current_app, session
from flask_login import LoginManager, UserMixin, current_user, login_user
from werkzeug.test import Client

from astro_auth_plugin.login import handed_out


class Account(UserMixin):
    """Somebody."""

    id = 7


def pages(folder: Path, *, permanent: bool, **config: Any) -> Client:
    """Somebody in a browser, at an application with two pages and a file, after signing in at the first one."""
    (folder / "picture.svg").write_text("<svg/>")
    app = Flask(__name__, static_folder=folder, static_url_path="/static")
    app.secret_key = "x"
    app.config.update(config)
    LoginManager(app).user_loader(lambda _: Account())
    app.add_url_rule("/in", view_func=lambda: str(login_user(Account())), endpoint="in")
    app.add_url_rule("/page", view_func=lambda: str(current_user.is_authenticated), endpoint="page")
    if permanent:
        # As FAB does where [fab] session_backend is securecookie.
        app.before_request(lambda: setattr(session, "permanent", True))
    with app.app_context():
        assert handed_out.prepared(current_app, tls=False) is app
    client = Client(app)
    assert "set-cookie" in client.get("/in").headers
    return client


@pytest.mark.parametrize("permanent", [True, False])
def test_files(permanent: bool, tmp_path: Path) -> None:
    """A file hands out no cookie, which might be older than that of a page."""
    with pages(tmp_path, permanent=permanent).get("/static/picture.svg") as answer:
        assert (answer.status_code, answer.headers.get("set-cookie")) == (200, None)


@pytest.mark.parametrize("prolongs", [True, False])
def test_pages(prolongs: bool, tmp_path: Path) -> None:
    """A page prolongs the session of whom it is shown to, unless webserver_config.py wants it otherwise."""
    client = pages(tmp_path, permanent=False, SESSION_REFRESH_EACH_REQUEST=prolongs)
    answer = client.get("/page")
    assert answer.text == "True"
    assert ("set-cookie" in answer.headers) is prolongs
