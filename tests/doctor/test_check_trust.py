"""Who else may say who somebody is: what the doctor finds."""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from astro_auth_plugin.doctor import check_trust

URL = "https://sso.example.com/keys"


def with_fab(proxies: str, **config: Any) -> Any:
    """An installation with these settings in webserver_config.py, and proxies that it trusts."""
    return SimpleNamespace(fab=SimpleNamespace(config=config), option=lambda *_: proxies)


@pytest.mark.parametrize(
    ("config", "severities", "text"),
    [
        ({}, [], ""),
        ({"AUTH_TYPE": 4}, [], ""),
        ({"AUTH_TYPE": 3}, ["error"], "is `REMOTE_USER`, which the api-server never sets"),
        ({"AUTH_TYPE": 3, "AUTH_REMOTE_USER_ENV_VAR": "X_USER"}, ["error"], "is `X_USER`"),
        (
            {"AUTH_TYPE": 3, "AUTH_REMOTE_USER_ENV_VAR": "HTTP_X_USER"},
            ["info"],
            "can send it from 10.0.0.5 can impersonate",
        ),
    ],
)
def test_header_sign_in(config: dict[str, Any], severities: list[str], text: str) -> None:
    """Only a header can say who signs in, and whoever can send it can be anybody."""
    found = list(check_trust.header_sign_in(with_fab("10.0.0.5", **config)))
    assert [each.severity for each in found] == severities
    assert all(text in each.message for each in found)


def test_header_that_nobody_is_trusted_with() -> None:
    """A header counts from the proxies that an option names, so without one nobody can sign in."""
    config = {"AUTH_TYPE": 3, "AUTH_REMOTE_USER_ENV_VAR": "HTTP_X_USER"}
    (found,) = check_trust.header_sign_in(with_fab("", **config))
    assert (found.severity, "trusted_proxies" in found.message) == ("error", True)


@pytest.mark.parametrize(
    ("proxies", "found"),
    [
        ("", 0),
        ("10.0.0.5, 10.1.0.0/16, 2001:db8::/48", 0),
        ("10.0.0.0/8", 1),
        ("0.0.0.0/0, ::/0", 2),
        ("no network", 0),
    ],
)
def test_large_networks(proxies: str, found: int) -> None:
    """A network in which clients may be is named."""
    hints = list(check_trust.large_networks(with_fab(proxies)))
    assert [each.severity for each in hints] == ["info"] * found
    assert all("List the addresses of the proxies" in each.message for each in hints)


SSO = f'[{{"issuer": "sso", "audience": "airflow", "jwks_url": "{URL}", "email_claim": "email"}}]'


def with_issuers(text: str) -> Any:
    """An installation with this option."""
    return SimpleNamespace(option=lambda *_: text)


def test_no_issuers() -> None:
    """Without other issuers there is nothing to tell; what cannot be read is reported."""
    assert list(check_trust.other_issuers(with_issuers(""))) == []
    (found,) = check_trust.other_issuers(with_issuers("[{}]"))
    assert (found.severity, "0.issuer: Field required" in found.message) == ("error", True)


def no_answer(request: httpx.Request) -> httpx.Response:
    """A network that is down."""
    raise httpx.ConnectError("no route with s3cret")


@pytest.mark.parametrize(
    ("answer", "severity", "text"),
    [
        (lambda _: httpx.Response(200, json={"keys": [{"kid": "a"}]}), "ok", "publishes them"),
        (lambda _: httpx.Response(200, json={"keys": []}), "error", "has no key"),
        (lambda _: httpx.Response(200, json=[1]), "error", "not return a JSON Web Key Set"),
        (lambda _: httpx.Response(200, text="<html>"), "error", "not return a JSON Web Key Set"),
        (lambda _: httpx.Response(503), "error", "returns status 503"),
        (no_answer, "error", "does not respond (ConnectError)"),
    ],
)
def test_issuers_keys(answer: Any, severity: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys of each issuer have to be there."""
    client = functools.partial(httpx.Client, transport=httpx.MockTransport(answer))
    monkeypatch.setattr(check_trust, "httpx", SimpleNamespace(Client=client, HTTPError=httpx.HTTPError))
    (found,) = check_trust.other_issuers(with_issuers(SSO))
    assert (found.severity, found.subject) == (severity, "keys of `sso`")
    assert text in found.message
    assert "s3cret" not in found.message
