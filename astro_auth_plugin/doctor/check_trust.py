"""Checks of who else may say who a user is: a proxy with a header, and other issuers of tokens with their keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from ipaddress import ip_network

import httpx
from flask_appbuilder.const import AUTH_REMOTE_USER

from astro_auth_plugin.authentication.trusted_issuers import Issuer, parse_issuers
from astro_auth_plugin.doctor.findings import hint, ok, wrong
from astro_auth_plugin.doctor.installation import Installation
from astro_auth_plugin.rbac.policy.diagnostics import Diagnostic
from astro_auth_plugin.runtime.settings import SettingsError

_TIMEOUT = 5
_HEADER = "HTTP_"
_SMALLEST_PREFIX = {4: 16, 6: 48}
"""Of a network that proxies may have for themselves, by version of the Internet Protocol."""


def header_sign_in(installation: Installation) -> Iterator[Diagnostic]:
    """Whether a header that signs users in is accepted, and only from the proxy."""
    what, config = "AUTH_REMOTE_USER_ENV_VAR", installation.fab.config
    if config.get("AUTH_TYPE") != AUTH_REMOTE_USER:
        return
    variable = str(config.get(what) or "REMOTE_USER")
    if not variable.startswith(_HEADER):
        words = f"is `{variable}`, which the api-server never sets, so no user can sign in"
        yield wrong(what, f"{words}. Write {_HEADER}X_REMOTE_USER for the header X-Remote-User.")
        return
    name = variable.removeprefix(_HEADER).replace("_", "-").title()
    trusted = installation.option("astro_auth", "trusted_proxies")
    if not trusted:
        yield wrong(what, "is accepted from no proxy. Set [astro_auth] trusted_proxies, or no user can sign in.")
        return
    words = f"names the header {name}: anyone who can send it from {trusted} can impersonate any user"
    yield hint(what, f"{words}. Let the proxy replace it in every request.")


def large_networks(installation: Installation) -> Iterator[Diagnostic]:
    """Whether `trusted_proxies` lists proxies, and not a network that clients may be in."""
    parts = [part.strip() for part in installation.option("astro_auth", "trusted_proxies").split(",")]
    for part in filter(None, parts):
        with suppress(ValueError):  # the api-server does not start with it, and says so
            network = ip_network(part)
            if network.prefixlen < _SMALLEST_PREFIX[network.version]:
                yield hint(
                    "[astro_auth] trusted_proxies",
                    f"lists {part}. A client in this network chooses the address for which its wrong passwords count, "
                    "and may sign users in by a header. List the addresses of the proxies.",
                )


def other_issuers(installation: Installation) -> Iterator[Diagnostic]:
    """Whether the trusted issuers are configured correctly and publish their keys."""
    try:
        issuers = parse_issuers(installation.option("astro_auth", "trusted_issuers"))
    except SettingsError as error:
        yield wrong("[astro_auth] trusted_issuers", f"is invalid, so the api-server does not start. {error}.")
        return
    with httpx.Client(timeout=_TIMEOUT) as client:
        for issuer in issuers:
            yield _keys(issuer, client)


def _keys(issuer: Issuer, client: httpx.Client) -> Diagnostic:
    what = f"keys of `{issuer.issuer}`"
    trouble = _trouble(issuer.jwks_url, client)
    if trouble:
        return wrong(what, f"{issuer.jwks_url} {trouble}: tokens with keys that are not cached yet are rejected.")
    return ok(what, f"{issuer.jwks_url} publishes them.")


def _trouble(url: str, client: httpx.Client) -> str:
    try:
        answer = client.get(url)
        keys = answer.json()["keys"] if answer.status_code == HTTPStatus.OK else []
    except httpx.HTTPError as error:
        return f"does not respond ({type(error).__name__})"
    except (ValueError, KeyError, TypeError):
        return "does not return a JSON Web Key Set"
    if answer.status_code != HTTPStatus.OK:
        return f"returns status {answer.status_code}"
    return "" if keys else "has no key"
