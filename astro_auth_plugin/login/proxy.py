"""Whether a proxy in front may say who signs in, and what it says of the person's groups.

Anybody who reaches the server can send a header. So the peer has to be one of the option `trusted_proxies`.
"""

from __future__ import annotations

import os
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Any

from astro_auth_plugin.airflow_bridge.request import RequestFacts
from astro_auth_plugin.airflow_bridge.settings import Network, Settings

_HEADER = "HTTP_"


def refusal(facts: RequestFacts | None, settings: Settings, variable: str, username: str) -> str:
    """Say why what a header says of the person does not count; '' when it does.

    Args:
        facts: the request.
        settings: the options.
        variable: FAB's `AUTH_REMOTE_USER_ENV_VAR`, such as `HTTP_X_REMOTE_USER`.
        username: what FAB has read there.
    """
    if facts is None or not _is_from(settings.trusted_proxies, facts.scope):
        return "the peer is not in [astro_auth] trusted_proxies"
    if not variable.startswith(_HEADER):
        return f"AUTH_REMOTE_USER_ENV_VAR names no header; write {_HEADER}X_REMOTE_USER for X-Remote-User"
    name = variable.removeprefix(_HEADER).lower()
    if _sent(facts, name) != [(name.replace("_", "-"), username)]:
        return f"the header of {variable} is not there exactly once"
    if len(_sent(facts, settings.proxy_groups_header)) > 1:
        return f"the header {settings.proxy_groups_header} is there more than once"
    return ""


def groups(facts: RequestFacts, settings: Settings) -> list[str]:
    """Return the groups that the proxy names."""
    name = settings.proxy_groups_header.lower()
    values = [value for key, value in _headers(facts) if key == name]
    parts = [part.strip() for value in values for part in value.split(settings.proxy_groups_separator)]
    return [part for part in parts if part]


def _sent(facts: RequestFacts, name: str) -> list[tuple[str, str]]:
    # WSGI makes one variable of `X-Remote-User` and `X_Remote_User`, and one value of several. A proxy that removes
    # only the first name from what people send must not let the second through, nor add its own to it.
    wanted = name.lower().replace("-", "_")
    return [(key, value) for key, value in _headers(facts) if key.replace("-", "_") == wanted]


def _headers(facts: RequestFacts) -> list[tuple[str, str]]:
    # As WSGI has them, and FAB with it.
    return [(key.decode("latin-1").lower(), value.decode("latin-1")) for key, value in facts.scope["headers"]]


def _is_from(proxies: tuple[Network, ...], scope: Any) -> bool:
    """Whether the peer of the connection is one of these.

    With `airflow api-server --proxy-headers`, uvicorn puts the address that X-Forwarded-For names in the place of the
    peer's, with port 0 or the one named there, if the peer is in FORWARDED_ALLOW_IPS. Then nobody knows the peer, and
    a trusted address in its place may be invented. So every address in FORWARDED_ALLOW_IPS has to be trusted here too.
    """
    host, port = scope.get("client") or ("", 0)
    if port == 0:
        believed = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1").split(",")
        return bool(host) and all(_is_among(proxies, address.strip()) for address in believed)
    named = b",".join(value for key, value in scope["headers"] if key == b"x-forwarded-for").decode("latin-1")
    if {f"{host}:{port}", f"[{host}]:{port}"} & {part.strip() for part in named.split(",")}:
        return False
    return _is_among(proxies, host)


def _is_among(proxies: tuple[Network, ...], text: str) -> bool:
    """Whether an address, or all of a network, is among these."""
    try:
        network = ip_network(text)
    except ValueError:
        return False
    first = network.network_address
    if isinstance(first, IPv6Address) and first.ipv4_mapped and network.num_addresses == 1:
        network = ip_network(first.ipv4_mapped)
    return any(_contains(proxy, network) for proxy in proxies)


def _contains(outer: Network, inner: Network) -> bool:
    if isinstance(outer, IPv4Network):
        return isinstance(inner, IPv4Network) and inner.subnet_of(outer)
    return isinstance(inner, IPv6Network) and inner.subnet_of(outer)
