"""Checks of where people reach this Airflow: its address, what a proxy in front makes of it, redirect URIs, cookies."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import SplitResult

from astro_auth_plugin.doctor.findings import hint, ok, wrong
from astro_auth_plugin.doctor.installation import Installation
from astro_auth_plugin.doctor.request_probe import host_of
from astro_auth_plugin.rbac.policy.diagnostics import Diagnostic

_BASE_URL = "[api] base_url"
_TRUST_PROXY = (
    "Let the proxy send X-Forwarded-For and X-Forwarded-Proto, start the api-server with `--proxy-headers`, and set "
    "the variable FORWARDED_ALLOW_IPS to the proxy's address"
)


def base_url(installation: Installation) -> Iterator[Diagnostic]:
    """Whether Airflow knows its own address, and passwords are encrypted on the way."""
    url = installation.base_url
    if not url.geturl():
        yield hint(_BASE_URL, "is not set, so Airflow does not know its own address. Set the URL that users open.")
        return
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment:
        example = "such as https://airflow.example.com/a/b"
        yield wrong(_BASE_URL, f"`{_shown(url)}` is not a valid URL. Set scheme, host and path, {example}")
        return
    if url.username or url.password:
        yield wrong(_BASE_URL, "contains a user name or password, which all users can see. Remove it.")
    yield _encryption(url)
    path = url.path.rstrip("/")
    if path:
        yield ok("sub-path", f"is `{path}/`: the proxy must forward the path unchanged, `{path}` included.")


def _encryption(url: SplitResult) -> Diagnostic:
    shown = f"`{_shown(url)}`"
    if url.scheme == "https" or _is_this_machine(url.hostname or ""):
        return ok(_BASE_URL, f"is {shown}.")
    words = f"{shown} has no TLS: passwords and tokens are sent unencrypted. Use https"
    if _is_private(url.hostname or ""):
        return hint(_BASE_URL, f"{words}, also in a private network.")
    return wrong(_BASE_URL, f"{words}.")


def _shown(url: SplitResult) -> str:
    return url._replace(netloc=url.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_private(host: str) -> bool:
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".internal", ".local", ".svc"))


def tls(installation: Installation) -> Iterator[Diagnostic]:
    """Whether Airflow knows that users connect with https, if a proxy terminates TLS."""
    what = "TLS in front"
    if not installation.is_behind_tls:
        if installation.option("api", "ssl_cert") and installation.base_url.scheme == "http":
            yield wrong("[api] ssl_cert", "is set, but [api] base_url begins with http://. Change it to https://.")
        return
    if installation.seen.scheme != "https":
        effect = "URLs begin with http://, and the session cookie is not Secure"
        yield wrong(what, f"Airflow does not know that users connect with https: {effect}. {_TRUST_PROXY}.")
    elif installation.proxy_headers:
        yield ok(what, "Airflow knows that users connect with https, and their addresses.")
    else:
        yield hint(what, f"Airflow logs the proxy's address instead of the users' addresses. {_TRUST_PROXY}.")


def trusted_forwarders(installation: Installation) -> Iterator[Diagnostic]:
    """Whether the api-server trusts the headers of the proxy, and only of the proxy."""
    what, trusted = "FORWARDED_ALLOW_IPS", installation.forwarded_allow_ips
    effect = "every client of the api-server's port can forge its address. Set the proxy's address"
    if not installation.proxy_headers:
        if trusted:
            yield hint(
                what, "only has an effect if the api-server runs with `--proxy-headers`: pass it to the doctor, too."
            )
    elif not trusted and installation.option("api", "server_type").lower() == "gunicorn":
        yield hint(what, f"is not set, and gunicorn then trusts every client: {effect}.")
    elif "*" in trusted:
        yield hint(what, f"is `*`: {effect}.")
    elif not trusted:
        yield hint(what, "is not set, so only a proxy on this machine is trusted. Set the address of another proxy.")
    else:
        yield ok(what, f"only `{trusted}` is trusted for forwarded addresses.")


def redirect_uris(installation: Installation) -> Iterator[Diagnostic]:
    """Which redirect URI each OAuth provider gets, and whether it belongs to this Airflow."""
    url = installation.base_url
    if not url.hostname:
        return
    for name, uri in installation.seen.redirect_uris.items():
        what = f"redirect URI of `{name}`"
        expected = f"{url.scheme}://{host_of(url)}{url.path.rstrip('/')}/auth/oauth-authorized/{name}"
        if uri == expected:
            yield ok(what, f"is {uri}: register exactly this at the provider.")
        else:
            yield wrong(what, f"is {uri}, expected {expected}. {_why_other(uri, expected)}")


def _why_other(uri: str, expected: str) -> str:
    if uri.partition("://")[2] == expected.partition("://")[2]:
        return f"{_TRUST_PROXY}."
    return "Check the header Host that the proxy forwards, and SERVER_NAME in webserver_config.py."


def cookies(installation: Installation) -> Iterator[Diagnostic]:
    """Whether browsers send the session cookies to this Airflow, and only from its own pages."""
    config, url = installation.fab.config, installation.base_url
    # With https FAB's cookie is always Secure.
    if config["SESSION_COOKIE_SECURE"] and url.scheme == "http":
        what = "[fab] cookie_secure"
        yield wrong(what, "is True, but [api] base_url is http: browsers then keep no cookie, so no user can sign in.")
    yield from _same_site(config["SESSION_COOKIE_SAMESITE"])
    path, base = config.get("SESSION_COOKIE_PATH"), url.path.rstrip("/") or "/"
    if path and not f"{base}/".startswith(f"{path.rstrip('/')}/"):
        yield wrong(
            "SESSION_COOKIE_PATH",
            f"in webserver_config.py is `{path}`, but the path of Airflow is `{base}`: browsers never send the cookie.",
        )


def _same_site(value: str | None) -> Iterator[Diagnostic]:
    what = "[fab] cookie_samesite"
    if value == "Strict":
        yield hint(
            what,
            "is Strict: the session is lost when an identity provider redirects back, so sign-ins fail. Set Lax.",
        )
    elif value != "Lax":
        yield wrong(what, f"is `{value or ''}`: other sites could use the session of a user. Set it to Lax.")
