"""Who else may say who somebody is: what the doctor finds."""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from astro_auth_plugin.airflow_bridge import check_trust

URL = "https://sso.example.com/keys"


def with_fab(proxies: str, **config: Any) -> Any:
    """An installation with these settings in webserver_config.py, and proxies that it trusts."""
    return SimpleNamespace(fab=SimpleNamespace(config=config), option=lambda *_: proxies)


@pytest.mark.parametrize(
    ("config", "verdicts", "text"),
    [
        ({}, [], ""),
        ({"AUTH_TYPE": 4}, [], ""),
        ({"AUTH_TYPE": 3}, ["wrong"], "is `REMOTE_USER`, which the api-server never sets"),
        ({"AUTH_TYPE": 3, "AUTH_REMOTE_USER_ENV_VAR": "X_USER"}, ["wrong"], "is `X_USER`"),
        ({"AUTH_TYPE": 3, "AUTH_REMOTE_USER_ENV_VAR": "HTTP_X_USER"}, ["hint"], "can send it from 10.0.0.5 is anybody"),
    ],
)
def test_header_sign_in(config: dict[str, Any], verdicts: list[str], text: str) -> None:
    """Only a header can say who signs in, and whoever can send it can be anybody."""
    found = list(check_trust.header_sign_in(with_fab("10.0.0.5", **config)))
    assert [str(each.verdict) for each in found] == verdicts
    assert all(text in each.words for each in found)


def test_header_that_nobody_is_trusted_with() -> None:
    """A header counts from the proxies that an option names, so without one nobody can sign in."""
    config = {"AUTH_TYPE": 3, "AUTH_REMOTE_USER_ENV_VAR": "HTTP_X_USER"}
    (found,) = check_trust.header_sign_in(with_fab("", **config))
    assert (found.verdict, "trusted_proxies" in found.words) == ("wrong", True)


SSO = f'[{{"issuer": "sso", "audience": "airflow", "jwks_url": "{URL}", "email_claim": "email"}}]'


def with_issuers(text: str) -> Any:
    """An installation with this option."""
    return SimpleNamespace(option=lambda *_: text)


def test_no_issuers() -> None:
    """Without other issuers there is nothing to tell; what cannot be read is told."""
    assert list(check_trust.other_issuers(with_issuers(""))) == []
    (found,) = check_trust.other_issuers(with_issuers("[{}]"))
    assert (found.verdict, "0.issuer: Field required" in found.words) == ("wrong", True)


def no_answer(request: httpx.Request) -> httpx.Response:
    """A network that is down."""
    raise httpx.ConnectError("no route with s3cret")


@pytest.mark.parametrize(
    ("answer", "verdict", "text"),
    [
        (lambda _: httpx.Response(200, json={"keys": [{"kid": "a"}]}), "ok", "has them"),
        (lambda _: httpx.Response(200, json={"keys": []}), "wrong", "has no key"),
        (lambda _: httpx.Response(200, json=[1]), "wrong", "no set of keys"),
        (lambda _: httpx.Response(200, text="<html>"), "wrong", "no set of keys"),
        (lambda _: httpx.Response(503), "wrong", "answers 503"),
        (no_answer, "wrong", "does not answer (ConnectError)"),
    ],
)
def test_issuers_keys(answer: Any, verdict: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys of each issuer have to be there."""
    client = functools.partial(httpx.Client, transport=httpx.MockTransport(answer))
    monkeypatch.setattr(check_trust, "httpx", SimpleNamespace(Client=client, HTTPError=httpx.HTTPError))
    (found,) = check_trust.other_issuers(with_issuers(SSO))
    assert (found.verdict, found.what) == (verdict, "keys of `sso`")
    assert text in found.words
    assert "s3cret" not in found.words
