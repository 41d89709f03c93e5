"""Whether a proxy in front may say who signs in, and what it says of the person's groups.

Anyone who reaches the server can send a header. So the peer of the connection has to be one of the option
`trusted_proxies`; X-Forwarded-For is never used here.
"""

from __future__ import annotations

import os
from contextlib import suppress
from ipaddress import ip_network
from typing import Any

from flask import g, make_response
from flask_appbuilder import expose

from astro_auth_plugin.runtime.request_context import Address, RequestContext, parse_address
from astro_auth_plugin.runtime.settings import Network, Settings

_HEADER = "HTTP_"
REFUSED = "Sign-in refused. A proxy authenticates the users of this Airflow, and it sent no user name."
FORBIDDEN = 403


def refusal(context: RequestContext | None, settings: Settings, variable: str, username: str) -> str:
    """Say why what a header says of the user is not accepted; '' when it is.

    Args:
        context: the request.
        settings: the options.
        variable: FAB's `AUTH_REMOTE_USER_ENV_VAR`, such as `HTTP_X_REMOTE_USER`.
        username: what FAB has read there.
    """
    peer = context.peer if context else None
    if context is None or peer is None:
        return "the address of the connection is not known (a Unix socket, or a server other than uvicorn)"
    if not _is_among(settings.trusted_proxies, peer):
        return f"{peer} is not in [astro_auth] trusted_proxies"
    if not variable.startswith(_HEADER):
        return f"AUTH_REMOTE_USER_ENV_VAR names no header; write {_HEADER}X_REMOTE_USER for X-Remote-User"
    name = variable.removeprefix(_HEADER).lower()
    if _sent(context, name) != [(name.replace("_", "-"), username)]:
        return f"the header of {variable} is not there exactly once"
    if len(_sent(context, settings.proxy_groups_header)) > 1:
        return f"the header {settings.proxy_groups_header} is there more than once"
    return ""


def groups(context: RequestContext, settings: Settings) -> list[str]:
    """Return the groups that the proxy names."""
    name = settings.proxy_groups_header.lower()
    values = [value for key, value in _headers(context) if key == name]
    parts = [part.strip() for value in values for part in value.split(settings.proxy_groups_separator)]
    return [part for part in parts if part]


def sender(context: RequestContext, trusted: tuple[Network, ...]) -> Address | None:
    """Return the address of the person who sends a request, for counting; None where it cannot be known.

    That is the peer, or what a proxy says of it that the installation names in `trusted_proxies` or, one by one, in
    FORWARDED_ALLOW_IPS. Proxies add to X-Forwarded-For at its end, so the last address that is no proxy's is used.
    """
    proxies = trusted + _believed()
    address = context.peer
    names = [part for key, value in _headers(context) if key == "x-forwarded-for" for part in value.split(",")]
    while _is_among(proxies, address):
        address = _forwarded(names.pop().strip()) if names else None
    return address


def _forwarded(text: str) -> Address | None:
    """Return the address in a part of X-Forwarded-For, to which some proxies add a port."""
    host, _, port = text.rpartition(":")
    if text.startswith("["):
        host, _, port = text[1:].rpartition("]")
        port = port.removeprefix(":")
    elif text.count(":") != 1:
        return parse_address(text)
    return parse_address(host) if not port or (port.isascii() and port.isdigit()) else None


def _believed() -> tuple[Network, ...]:
    found = []
    for part in os.environ.get("FORWARDED_ALLOW_IPS", "").split(","):
        with suppress(ValueError):
            found.append(ip_network(part.strip()))
    # A network of all addresses says as little as `*` about who is a proxy.
    return tuple(network for network in found if network.prefixlen)


def _sent(context: RequestContext, name: str) -> list[tuple[str, str]]:
    # WSGI makes one variable of `X-Remote-User` and `X_Remote_User`, and one value of several. A proxy that removes
    # only the first name from what people send must not let the second through, nor add its own to it.
    wanted = name.lower().replace("-", "_")
    return [(key, value) for key, value in _headers(context) if key.replace("-", "_") == wanted]


def _headers(context: RequestContext) -> list[tuple[str, str]]:
    # As WSGI has them, and FAB with it.
    return [(key.decode("latin-1").lower(), value.decode("latin-1")) for key, value in context.scope["headers"]]


def _is_among(proxies: tuple[Network, ...], address: Address | None) -> bool:
    return address is not None and any(address in network for network in proxies)


def with_refusal_page(view: type[Any]) -> type[Any]:
    """Return FAB's page as one that says so when no user has been signed in.

    FAB sends everybody on to Airflow's pages, which send anyone who is not signed in back here, and so on.
    """

    class RefusingRemoteUserView(view):  # type: ignore[misc]
        @expose("/login/")  # type: ignore[untyped-decorator]
        def login(self) -> Any:
            answer = super().login()
            if not g.user.is_authenticated:
                return make_response(g.get("astro_auth_refusal", REFUSED), FORBIDDEN, {"Content-Type": "text/plain"})
            return answer

    RefusingRemoteUserView.__name__ = view.__name__
    return RefusingRemoteUserView
