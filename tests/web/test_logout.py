"""Signing out: what comes with the request is ended, on each of the routes, and cookies suit what the browser speaks."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN

from astro_auth_plugin.authentication import revocation
from astro_auth_plugin.runtime import audit_log
from astro_auth_plugin.web.middleware import RequestMiddleware
from tests.process_state import start_with
from tests.web.asgi import ask

COOKIES = f"{COOKIE_NAME_JWT_TOKEN}=of-the-cookie; session=s"


class Manager:
    """Stands for the authenticator, and remembers what it was to end."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.ended: list[Any] = []

    async def authenticate(self, token: str) -> Any:
        """Return Olga for both of her tokens."""
        if token not in ("of-the-cookie", "of-the-header"):
            raise ValueError("no such token")
        return SimpleNamespace(id=7, username="olga", email="olga@example.com")

    async def sign_out(self, tokens: set[str], cookies: str) -> Any:
        """Remember, or fail; behind the session is Olga."""
        self.ended.append((tokens, cookies))
        if self.fails:
            raise RuntimeError("the database is away")
        olga = SimpleNamespace(id=7, username="olga", email="olga@example.com")
        return audit_log.signed_out(olga) if "session=s" in cookies else None


async def scheme(scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["scheme"].encode()})


def requested(manager: Manager, path: str, monkeypatch: pytest.MonkeyPatch, **options: Any) -> bytes:
    start_with(authenticator=manager)
    monkeypatch.setattr(revocation, "sign_out", manager.sign_out)
    return asyncio.run(ask(RequestMiddleware(scheme), "GET", path, **options)).body


@pytest.mark.parametrize("path", ["/api/v2/auth/logout", "/auth/logout", "/auth/logout/"])
def test_what_is_ended(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token of the cookie, that of the header, and the session are ended on each way to sign out."""
    manager = Manager()
    headers = {"cookie": COOKIES, "authorization": "Bearer of-the-header"}
    requested(manager, path, monkeypatch, headers=headers)
    requested(manager, f"/a/b{path}", monkeypatch, root_path="/a/b", headers={"authorization": "Basic b2xnYTp4"})
    assert manager.ended == [({"of-the-cookie", "of-the-header"}, COOKIES), (set(), "")]


def test_who_signed_out_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sign-out is in the audit log once, with who it was, also one with a web session only; any other is not."""
    recorded: list[Any] = []
    monkeypatch.setattr(audit_log, "record", lambda _facts, event: recorded.append(event))
    headers = {"cookie": COOKIES, "authorization": "Bearer of-the-header"}
    requested(Manager(), "/auth/logout", monkeypatch, headers=headers)
    requested(Manager(), "/auth/logout", monkeypatch, headers={"authorization": "Bearer ended"})
    assert [(event.name, event.owner, event.payer) for event in recorded] == [("astro_auth.signed_out", "olga", 7)]
    requested(Manager(), "/auth/logout", monkeypatch, headers={"cookie": "session=s"})
    assert recorded[1:] == recorded[:1]


def test_other_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is ended elsewhere."""
    manager = Manager()
    requested(manager, "/api/v2/auth/login", monkeypatch, headers={"cookie": COOKIES})
    assert manager.ended == []


def test_failure(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """When nothing can be ended, signing out goes on, and the log says so."""
    assert requested(Manager(fails=True), "/auth/logout", monkeypatch) == b"http"
    assert "could not be revoked" in caplog.text


@pytest.mark.parametrize(
    ("base_url", "seen"), [("https://airflow.example.com/a", b"https"), ("http://localhost", b"http")]
)
def test_scheme(base_url: str, seen: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where people come with https, whatever a proxy makes of it, what follows sees https."""
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base_url)
    assert requested(Manager(), "/ui/dags", monkeypatch) == seen
