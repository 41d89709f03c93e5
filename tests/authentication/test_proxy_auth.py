"""Whose word about who signs in counts: that of the configured peers, as far as the peer can be known."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from astro_auth_plugin.authentication import proxy_auth
from astro_auth_plugin.runtime.request_context import PEER, RequestContext
from astro_auth_plugin.runtime.settings import Settings

PROXIES = tuple(map(ip_network, ("10.0.0.5", "10.1.0.0/16", "fd00::/8")))
UNKNOWN = "the address of the connection is not known (a Unix socket, or a server other than uvicorn)"
NOT_TRUSTED = "{} is not in [astro_auth] trusted_proxies"


def settings(**options: Any) -> Settings:
    return Settings(Path("p"), "dep", **{"trusted_proxies": PROXIES, **options})


def request(client: Any, *headers: tuple[str, str]) -> RequestContext:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return RequestContext({"type": "http", PEER: client, "headers": raw})


def refusal(client: Any, *headers: tuple[str, str], user: str = "ana") -> str:
    context = request(client, ("X-Remote-User", user), *headers)
    return proxy_auth.refusal(context, settings(), "HTTP_X_REMOTE_USER", user)


@pytest.mark.parametrize("address", ["10.0.0.5", "10.1.2.3", "fd00::7", "::ffff:10.0.0.5"])
def test_trusted_peer(address: str) -> None:
    """The word of a peer in the list counts, however its address is written."""
    assert refusal((address, 40000)) == ""


@pytest.mark.parametrize("address", ["10.0.0.6", "10.2.0.1", "::1"])
def test_other_peer(address: str) -> None:
    """No other peer's does."""
    assert refusal((address, 40000)) == NOT_TRUSTED.format(address)


@pytest.mark.parametrize(
    "client",
    [
        None,
        ("", 1),
        ("testclient", 1),
        ("/run/airflow.sock", 0),
        ("10.0.0.5:1", 1),
        ("fd00::7%eth0", 1),
        (" 10.0.0.5", 1),
    ],
)
def test_unknown_peer(client: Any) -> None:
    """Where the connection has no address that can be read strictly, nobody is believed."""
    assert refusal(client) == UNKNOWN


def test_peer_is_not_the_client() -> None:
    """Where the server does not tell the peer, the client in the scope does not stand in for it."""
    context = request(None, ("X-Remote-User", "ana"))
    del context.scope[PEER]
    context.scope["client"] = ("10.0.0.5", 40000)
    assert proxy_auth.refusal(context, settings(), "HTTP_X_REMOTE_USER", "ana") == UNKNOWN


def test_no_list_no_request() -> None:
    """Without a list nobody is trusted, and outside of a request nobody is known."""
    context = request(("10.0.0.5", 40000), ("X-Remote-User", "ana"))
    expected = NOT_TRUSTED.format("10.0.0.5")
    assert proxy_auth.refusal(context, settings(trusted_proxies=()), "HTTP_X_REMOTE_USER", "ana") == expected
    assert proxy_auth.refusal(None, settings(), "HTTP_X_REMOTE_USER", "ana") == UNKNOWN


@pytest.mark.parametrize("forwarded", ["10.0.0.5", "10.0.0.5:01234", "10.0.0.5:+1234", "10.0.0.5:1_2", "198.51.100.7"])
@pytest.mark.parametrize("believed", [None, "*", "10.0.0.5"])
def test_forwarded(believed: str | None, forwarded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in the client's place by X-Forwarded-For changes nothing, whoever may say so."""
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    if believed:
        monkeypatch.setenv("FORWARDED_ALLOW_IPS", believed)
    for peer, expected in (("198.51.100.9", NOT_TRUSTED.format("198.51.100.9")), ("10.0.0.5", "")):
        context = request((peer, 40000), ("X-Remote-User", "ana"), ("X-Forwarded-For", forwarded))
        context.scope["client"] = ("10.0.0.5", 4711)
        assert proxy_auth.refusal(context, settings(), "HTTP_X_REMOTE_USER", "ana") == expected


@pytest.mark.parametrize(
    "headers",
    [
        [("X_Remote_User", "ana")],
        [("X-Remote_User", "ana")],
        [("X-Remote-User", "ana"), ("X-Remote-User", "ana")],
        [("X-Remote-User", "ana"), ("X_Remote_User", "bo")],
        [("X-Remote-User", "bo")],
        [],
    ],
)
def test_doubtful_header(headers: list[tuple[str, str]]) -> None:
    """The header has to be there once, under its own name, and say what FAB has read."""
    context = request(("10.0.0.5", 40000), *headers)
    expected = "the header of HTTP_X_REMOTE_USER is not there exactly once"
    assert proxy_auth.refusal(context, settings(), "HTTP_X_REMOTE_USER", "ana") == expected


def test_no_header() -> None:
    """A variable that is no header is nothing that a proxy could have sent."""
    context = request(("10.0.0.5", 40000), ("X-Remote-User", "ana"))
    assert "names no header" in proxy_auth.refusal(context, settings(), "REMOTE_USER", "ana")


@pytest.mark.parametrize(
    ("separator", "values", "found"),
    [
        (",", ["a, b ,,c"], ["a", "b", "c"]),
        (",", ["a", "b"], ["a", "b"]),
        (";", ["cn=a,dc=x; cn=b,dc=x"], ["cn=a,dc=x", "cn=b,dc=x"]),
        (",", [""], []),
        (",", [], []),
    ],
)
def test_groups(separator: str, values: list[str], found: list[str]) -> None:
    """Groups stand in the header of the option, with what the other option says between them."""
    context = request(("10.0.0.5", 1), ("X-Groupsies", "z"), *(("X-Groups", value) for value in values))
    options = settings(proxy_groups_header="X-Groups", proxy_groups_separator=separator)
    assert proxy_auth.groups(context, options) == found
    assert proxy_auth.groups(context, settings()) == []


@pytest.mark.parametrize("second", ["X-Groups", "x-groups", "X_Groups"])
def test_groups_that_come_twice(second: str) -> None:
    """Groups in two headers, of which one may be a person's own, are a reason to refuse the sign-in."""
    context = request(("10.0.0.5", 40000), ("X-Remote-User", "ana"), ("X-Groups", "a"), (second, "b"))
    named = settings(proxy_groups_header="X-Groups")
    assert (
        proxy_auth.refusal(context, named, "HTTP_X_REMOTE_USER", "ana") == "the header X-Groups is there more than once"
    )
