"""Signing out: what comes with the request is ended, on each of the routes, and cookies suit what the browser speaks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN

from astro_auth_plugin.web import signing_out
from astro_auth_plugin.web.middleware import RequestMiddleware
from tests.web.asgi import ask

COOKIES = f"{COOKIE_NAME_JWT_TOKEN}=of-the-cookie; session=s"


class Manager:
    """Stands for the auth manager, and remembers what it was to end."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.ended: list[Any] = []

    async def sign_out(self, tokens: set[str], cookies: str) -> None:
        """Remember, or fail."""
        self.ended.append((tokens, cookies))
        if self.fails:
            raise RuntimeError("the database is away")


async def scheme(scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["scheme"].encode()})


def asked(manager: Manager, path: str, monkeypatch: pytest.MonkeyPatch, **options: Any) -> bytes:
    monkeypatch.setattr(signing_out, "get_auth_manager", lambda: manager)
    return asyncio.run(ask(RequestMiddleware(scheme), "GET", path, **options)).body


@pytest.mark.parametrize("path", ["/api/v2/auth/logout", "/auth/logout", "/auth/logout/"])
def test_what_is_ended(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token of the cookie, that of the header, and the session are ended on each way to sign out."""
    manager = Manager()
    headers = {"cookie": COOKIES, "authorization": "Bearer of-the-header"}
    asked(manager, path, monkeypatch, headers=headers)
    asked(manager, f"/a/b{path}", monkeypatch, root_path="/a/b", headers={"authorization": "Basic b2xnYTp4"})
    assert manager.ended == [({"of-the-cookie", "of-the-header"}, COOKIES), (set(), "")]


def test_other_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is ended elsewhere."""
    manager = Manager()
    asked(manager, "/api/v2/auth/login", monkeypatch, headers={"cookie": COOKIES})
    assert manager.ended == []


def test_failure(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """When nothing can be ended, signing out goes on, and the log says so."""
    assert asked(Manager(fails=True), "/auth/logout", monkeypatch) == b"http"
    assert "could not be ended" in caplog.text


@pytest.mark.parametrize(
    ("base_url", "seen"), [("https://airflow.example.com/a", b"https"), ("http://localhost", b"http")]
)
def test_scheme(base_url: str, seen: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where people come with https, whatever a proxy makes of it, what follows sees https."""
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base_url)
    assert asked(Manager(), "/ui/dags", monkeypatch) == seen
