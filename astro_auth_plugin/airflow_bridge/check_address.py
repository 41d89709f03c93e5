"""Checks of where people reach this Airflow: its address, what a proxy in front makes of it, redirect URIs, cookies."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import SplitResult

from astro_auth_plugin.airflow_bridge.findings import Finding, hint, ok, wrong
from astro_auth_plugin.airflow_bridge.installation import Installation
from astro_auth_plugin.airflow_bridge.sent_request import host_of

_BASE_URL = "[api] base_url"
_BELIEVE = (
    "Let the proxy send X-Forwarded-For and X-Forwarded-Proto, start the api-server with `--proxy-headers`, and put "
    "the proxy's address into the variable FORWARDED_ALLOW_IPS"
)


def base_url(installation: Installation) -> Iterator[Finding]:
    """Whether Airflow knows its own address, and people's passwords travel encrypted."""
    url = installation.base_url
    if not url.geturl():
        yield hint(_BASE_URL, "is not set, so Airflow knows neither its address nor its path. Set what people type.")
        return
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment:
        example = "such as https://airflow.example.com/a/b"
        yield wrong(
            _BASE_URL, f"`{_shown(url)}` is no address that people could type. Write scheme, host and path, {example}"
        )
        return
    if url.username or url.password:
        yield wrong(_BASE_URL, "has a user name or password in it, which everybody gets to see. Take it out.")
    yield _encryption(url)
    path = url.path.rstrip("/")
    if path:
        yield ok(
            "sub-path", f"people come to `{path}/`: the proxy has to pass the path on as it is, `{path}` included."
        )


def _encryption(url: SplitResult) -> Finding:
    shown = f"`{_shown(url)}`"
    if url.scheme == "https" or _is_this_machine(url.hostname or ""):
        return ok(_BASE_URL, f"is {shown}.")
    words = f"{shown} has no TLS: everybody on the way reads passwords and tokens. Serve it with https"
    if _is_private(url.hostname or ""):
        return hint(_BASE_URL, f"{words}, in a network of your own, too.")
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


def tls(installation: Installation) -> Iterator[Finding]:
    """Whether Airflow knows that people speak https, where a proxy takes it off."""
    what = "TLS in front"
    if not installation.is_behind_tls:
        if installation.option("api", "ssl_cert") and installation.base_url.scheme == "http":
            yield wrong("[api] ssl_cert", "is set, and [api] base_url begins with http://. Write https:// there.")
        return
    if installation.seen.scheme != "https":
        lost = "addresses begin with http://, and the cookie of who is signed in is not Secure"
        yield wrong(what, f"Airflow takes people's https for http: {lost}. {_BELIEVE}.")
    elif installation.proxy_headers:
        yield ok(what, "Airflow knows that people speak https, and from which addresses.")
    else:
        counted = "the limit of wrong passwords counts all of them together"
        yield hint(what, f"Airflow takes the proxy's address for that of everybody: {counted}. {_BELIEVE}.")


def believed_proxies(installation: Installation) -> Iterator[Finding]:
    """Whether uvicorn believes the proxy, and nobody else."""
    what, believed = "FORWARDED_ALLOW_IPS", installation.believed_proxies
    if not installation.proxy_headers:
        if believed:
            yield hint(
                what,
                "counts only for an api-server that is started with `--proxy-headers`: tell the doctor, too.",
            )
    elif "*" in believed:
        yield hint(
            what,
            "is `*`: who reaches the api-server's port may say where a request comes from. Name the proxy.",
        )
    elif not believed:
        yield hint(what, "is not set, so only a proxy on this machine is believed. Write the address of one elsewhere.")
    else:
        yield ok(what, f"uvicorn believes what `{believed}` says about people's addresses.")


def redirect_uris(installation: Installation) -> Iterator[Finding]:
    """Which address each OAuth provider is told to send people back to, and whether that is this Airflow."""
    url = installation.base_url
    if not url.hostname:
        return
    for name, uri in installation.seen.redirect_uris.items():
        what = f"redirect URI of `{name}`"
        expected = f"{url.scheme}://{host_of(url)}{url.path.rstrip('/')}/auth/oauth-authorized/{name}"
        if uri == expected:
            yield ok(what, f"is {uri}: register exactly this at the provider.")
        else:
            yield wrong(what, f"is {uri}, but people come to {expected}. {_why_other(uri, expected)}")


def _why_other(uri: str, expected: str) -> str:
    if uri.partition("://")[2] == expected.partition("://")[2]:
        return f"{_BELIEVE}."
    return "Look at the header Host that the proxy passes on, and at SERVER_NAME in webserver_config.py."


def cookies(installation: Installation) -> Iterator[Finding]:
    """Whether the cookies of somebody who is signed in come back, from where they should, and from nowhere else."""
    config, url = installation.fab.config, installation.base_url
    # Where people speak https, FAB's cookie is Secure in any case.
    if config["SESSION_COOKIE_SECURE"] and url.scheme == "http":
        what = "[fab] cookie_secure"
        yield wrong(what, "is True, and people come with http: browsers then keep no cookie, so nobody can sign in.")
    yield from _same_site(config["SESSION_COOKIE_SAMESITE"])
    path, base = config.get("SESSION_COOKIE_PATH"), url.path.rstrip("/") or "/"
    if path and not f"{base}/".startswith(f"{path.rstrip('/')}/"):
        yield wrong(
            "SESSION_COOKIE_PATH",
            f"in webserver_config.py is `{path}`, and people come to `{base}`: FAB's cookie never comes back.",
        )


def _same_site(value: str | None) -> Iterator[Finding]:
    what = "[fab] cookie_samesite"
    if value == "Strict":
        yield hint(
            what,
            "is Strict: whom an identity provider sends back has no session then, and cannot sign in. Set Lax.",
        )
    elif value != "Lax":
        yield wrong(what, f"is `{value or ''}`: other sites could act with somebody's session. Set it to Lax.")
