"""Checks of who else may say who somebody is: a proxy with a header, and other issuers of tokens with their keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus

import httpx
from flask_appbuilder.const import AUTH_REMOTE_USER

from astro_auth_plugin.airflow_bridge.findings import Finding, hint, ok, wrong
from astro_auth_plugin.airflow_bridge.installation import Installation

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


def issuers_keys(urls: Mapping[str, str], client: httpx.Client) -> Iterator[Finding]:
    """Whether the keys of other issuers can be fetched from here.

    Args:
        urls: where each issuer publishes its keys, by the issuer's name.
        client: what asks for them.
    """
    for issuer, url in urls.items():
        what = f"keys of `{issuer}`"
        trouble = _trouble(url, client)
        if trouble:
            yield wrong(what, f"{url} {trouble}: its tokens will be refused once the keys known so far are replaced.")
        else:
            yield ok(what, f"{url} has them.")


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
