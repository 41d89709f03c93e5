"""Checks of who else may say who somebody is: a proxy with a header, and other issuers of tokens with their keys."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

import httpx
from flask_appbuilder.const import AUTH_REMOTE_USER

from astro_auth_plugin.airflow_bridge.findings import Finding, hint, ok, wrong
from astro_auth_plugin.airflow_bridge.installation import Installation
from astro_auth_plugin.airflow_bridge.issuers import Issuer, parse_issuers
from astro_auth_plugin.airflow_bridge.settings import SettingsError

_TIMEOUT = 5
_HEADER = "HTTP_"


def header_sign_in(installation: Installation) -> Iterator[Finding]:
    """Whether a header that says who somebody is can come, and can come from the proxy only."""
    what, config = "AUTH_REMOTE_USER_ENV_VAR", installation.fab.config
    if config.get("AUTH_TYPE") != AUTH_REMOTE_USER:
        return
    variable = str(config.get(what) or "REMOTE_USER")
    if not variable.startswith(_HEADER):
        words = f"is `{variable}`, which the api-server never sets, so nobody can sign in"
        yield wrong(what, f"{words}. Write {_HEADER}X_REMOTE_USER for the header X-Remote-User.")
        return
    name = variable.removeprefix(_HEADER).replace("_", "-").title()
    believed = installation.option("astro_auth", "trusted_proxies")
    if not believed:
        yield wrong(what, "counts from no proxy: name yours in [astro_auth] trusted_proxies, or nobody can sign in.")
        return
    words = f"names the header {name}: whoever can send it from {believed} is anybody"
    yield hint(what, f"{words}. Let the proxy replace it in every request.")


def other_issuers(installation: Installation) -> Iterator[Finding]:
    """Whether the issuers whose JWTs count are said as they should be, and publish their keys."""
    try:
        issuers = parse_issuers(installation.option("astro_auth", "trusted_issuers"))
    except SettingsError as error:
        yield wrong("[astro_auth] trusted_issuers", f"cannot be used, so the api-server does not start. {error}.")
        return
    with httpx.Client(timeout=_TIMEOUT) as client:
        for issuer in issuers:
            yield _keys(issuer, client)


def _keys(issuer: Issuer, client: httpx.Client) -> Finding:
    what = f"keys of `{issuer.issuer}`"
    trouble = _trouble(issuer.jwks_url, client)
    if trouble:
        return wrong(what, f"{issuer.jwks_url} {trouble}: tokens with keys that are not known yet are refused.")
    return ok(what, f"{issuer.jwks_url} has them.")


def _trouble(url: str, client: httpx.Client) -> str:
    try:
        answer = client.get(url)
        keys = answer.json()["keys"] if answer.status_code == HTTPStatus.OK else []
    except httpx.HTTPError as error:
        return f"does not answer ({type(error).__name__})"
    except (ValueError, KeyError, TypeError):
        return "answers with something that is no set of keys"
    if answer.status_code != HTTPStatus.OK:
        return f"answers {answer.status_code}"
    return "" if keys else "has no key"
