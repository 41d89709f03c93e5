"""Whose word about who signs in counts: that of the configured peers, as far as the peer can be known."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from astro_auth_plugin.airflow_bridge.request import RequestFacts
from astro_auth_plugin.airflow_bridge.settings import Settings
from astro_auth_plugin.login import proxy

PROXIES = tuple(map(ip_network, ("10.0.0.5", "10.1.0.0/16", "fd00::/8")))
NOT_TRUSTED = "the peer is not in [astro_auth] trusted_proxies"


def settings(**options: Any) -> Settings:
    return Settings(Path("p"), "dep", **{"trusted_proxies": PROXIES, **options})


def request(client: Any, *headers: tuple[str, str]) -> RequestFacts:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return RequestFacts({"type": "http", "client": client, "headers": raw})


def refusal(client: Any, *headers: tuple[str, str], user: str = "ana") -> str:
    facts = request(client, ("X-Remote-User", user), *headers)
    return proxy.refusal(facts, settings(), "HTTP_X_REMOTE_USER", user)


@pytest.mark.parametrize("address", ["10.0.0.5", "10.1.2.3", "fd00::7", "::ffff:10.0.0.5"])
def test_trusted_peer(address: str) -> None:
    """The word of a peer in the list counts, however its address is written."""
    assert refusal((address, 40000)) == ""


@pytest.mark.parametrize(
    "client", [("10.0.0.6", 40000), ("10.2.0.1", 40000), ("::1", 1), ("", 1), ("testclient", 1), None]
)
def test_other_peer(client: Any) -> None:
    """No other peer's does, nor that of one without an address."""
    assert refusal(client) == NOT_TRUSTED


def test_no_list_no_request() -> None:
    """Without a list nobody is trusted, and outside of a request nobody is known."""
    facts = request(("10.0.0.5", 40000), ("X-Remote-User", "ana"))
    assert proxy.refusal(facts, settings(trusted_proxies=()), "HTTP_X_REMOTE_USER", "ana") == NOT_TRUSTED
    assert proxy.refusal(None, settings(), "HTTP_X_REMOTE_USER", "ana") == NOT_TRUSTED


@pytest.mark.parametrize(
    ("believed", "client", "forwarded", "trusted"),
    [
        pytest.param("10.0.0.5", ("198.51.100.7", 0), "198.51.100.7", True, id="only trusted peers can have said so"),
        pytest.param("10.0.0.5,10.1.0.9", ("10.0.0.5", 0), "10.0.0.5", True, id="likewise, a person at the proxy"),
        pytest.param("*", ("10.0.0.5", 0), "10.0.0.5", False, id="anybody can have said so"),
        pytest.param("*", ("10.0.0.5", 4711), "10.0.0.5:4711", False, id="anybody, with a port"),
        pytest.param("10.0.0.5, 192.0.2.1", ("10.0.0.5", 0), "10.0.0.5", False, id="a peer can that is not trusted"),
        pytest.param(
            "10.0.0.0/8", ("198.51.100.7", 0), "198.51.100.7", False, id="a network can, part of it not trusted"
        ),
        pytest.param("10.1.0.0/24", ("198.51.100.7", 0), "198.51.100.7", True, id="a network can, all of it trusted"),
        pytest.param("fd00::/8", ("fd00::7", 4711), "[fd00::7]:4711", False, id="a port in IPv6"),
        pytest.param(None, ("198.51.100.7", 0), "198.51.100.7", False, id="uvicorn's default, which is not trusted"),
        pytest.param("*", ("10.0.0.5", 40000), "198.51.100.7", True, id="the peer itself"),
    ],
)
def test_forwarded(
    believed: str | None, client: Any, forwarded: str, trusted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where uvicorn has put another address in the peer's place, those whom it believes have to be trusted, all of them."""
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    if believed:
        monkeypatch.setenv("FORWARDED_ALLOW_IPS", believed)
    assert (refusal(client, ("X-Forwarded-For", forwarded)) == "") is trusted


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
    facts = request(("10.0.0.5", 40000), *headers)
    expected = "the header of HTTP_X_REMOTE_USER is not there exactly once"
    assert proxy.refusal(facts, settings(), "HTTP_X_REMOTE_USER", "ana") == expected


def test_no_header() -> None:
    """A variable that is no header is nothing that a proxy could have sent."""
    facts = request(("10.0.0.5", 40000), ("X-Remote-User", "ana"))
    assert "names no header" in proxy.refusal(facts, settings(), "REMOTE_USER", "ana")


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
    facts = request(("10.0.0.5", 1), ("X-Groupsies", "z"), *(("X-Groups", value) for value in values))
    options = settings(proxy_groups_header="X-Groups", proxy_groups_separator=separator)
    assert proxy.groups(facts, options) == found
    assert proxy.groups(facts, settings()) == []


@pytest.mark.parametrize("second", ["X-Groups", "x-groups", "X_Groups"])
def test_groups_that_come_twice(second: str) -> None:
    """Groups in two headers, of which one may be a person's own, are a reason to refuse the sign-in."""
    facts = request(("10.0.0.5", 40000), ("X-Remote-User", "ana"), ("X-Groups", "a"), (second, "b"))
    named = settings(proxy_groups_header="X-Groups")
    assert proxy.refusal(facts, named, "HTTP_X_REMOTE_USER", "ana") == "the header X-Groups is there more than once"
