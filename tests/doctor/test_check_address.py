"""What the doctor finds about where people reach this Airflow."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from astro_auth_plugin.doctor import check_address, request_probe
from astro_auth_plugin.doctor.installation import Installation
from tests.doctor.diagnostics import reported

FRONT = "https://airflow.example.com/a/b"


@pytest.mark.parametrize(
    ("base_url", "verdict", "text"),
    [
        ("", "hint", "is not set"),
        ("https://airflow.example.com", "ok", "is `https://airflow.example.com`"),
        ("http://localhost:8080", "ok", "is `http://localhost:8080`"),
        ("http://127.0.0.9", "ok", "is `http://127.0.0.9`"),
        ("http://airflow.example.com", "wrong", "has no TLS"),
        ("http://8.8.8.8:8080", "wrong", "has no TLS"),
        ("http://10.0.0.5:8080", "hint", "in a private network"),
        ("http://airflow", "hint", "in a private network"),
        ("airflow.example.com", "wrong", "is not a valid URL"),
        ("/a/b", "wrong", "is not a valid URL"),
        ("ftp://airflow.example.com", "wrong", "is not a valid URL"),
        ("https://airflow.example.com/?a=b", "wrong", "is not a valid URL"),
    ],
)
def test_base_url(base_url: str, verdict: str, text: str, set_up: Callable[..., Installation]) -> None:
    """Airflow's own address has to be one that people type, with TLS outside of this machine."""
    (found, *more) = reported(check_address.base_url, set_up(api__base_url=base_url))
    assert found[0] == verdict
    assert text in found[1]
    assert more == []


def test_base_url_with_a_password(set_up: Callable[..., Installation]) -> None:
    """A password in the address is wrong, and not said again."""
    found = reported(check_address.base_url, set_up(api__base_url="https://ana:s3cret@airflow.example.com"))
    assert [verdict for verdict, _ in found] == ["wrong", "ok"]
    assert "s3cret" not in str(found)


def test_sub_path(set_up: Callable[..., Installation]) -> None:
    """With a sub-path it is said that the proxy has to leave it in."""
    (_, (verdict, text)) = reported(check_address.base_url, set_up(api__base_url=FRONT))
    assert verdict == "ok"
    assert "`/a/b` included" in text


OAUTH = 'OAUTH_PROVIDERS = [{"name": "sso", "remote_app": {"client_secret": "s3cret"}}]\n'
URI = "/a/b/auth/oauth-authorized/sso"


@pytest.mark.parametrize("proxy_fix", ["False", "True"])
@pytest.mark.parametrize(("proxy_headers", "tls"), [(False, "hint"), (True, "ok")])
def test_tls_in_front(*, proxy_headers: bool, proxy_fix: str, tls: str, set_up: Callable[..., Installation]) -> None:
    """Airflow knows of the proxy's TLS by its own address; who people are, the proxy's headers have to tell."""
    installation = set_up(OAUTH, proxy_headers, api__base_url=FRONT, fab__enable_proxy_fix=proxy_fix)
    assert [verdict for verdict, _ in reported(check_address.tls, installation)] == [tls]
    ((verdict, text),) = reported(check_address.redirect_uris, installation)
    assert verdict == "ok"
    assert f"is https://airflow.example.com{URI}: register" in text


def test_tls_that_nobody_tells(set_up: Callable[..., Installation], monkeypatch: pytest.MonkeyPatch) -> None:
    """What Airflow makes of a request is tried: without this plugin's middleware the headers alone can tell of TLS."""
    monkeypatch.setattr(request_probe, "own_middlewares", list)
    for proxy_headers, verdict in ((False, "wrong"), (True, "ok")):
        installation = set_up(OAUTH, proxy_headers, api__base_url=FRONT)
        assert [found for found, _ in reported(check_address.tls, installation)] == [verdict]
        assert [found for found, _ in reported(check_address.redirect_uris, installation)] == [verdict]


def test_several_proxies(set_up: Callable[..., Installation]) -> None:
    """Where FAB counts two proxies, each of them is taken to add to the headers."""
    options = {"fab__enable_proxy_fix": "True", "fab__proxy_fix_x_proto": "2", "fab__proxy_fix_x_host": "2"}
    ((verdict, _),) = reported(check_address.redirect_uris, set_up(OAUTH, api__base_url=FRONT, **options))
    assert verdict == "ok"


@pytest.mark.parametrize(
    ("base_url", "uri"),
    [
        ("https://Airflow.Example.com:443/", "https://airflow.example.com/auth/oauth-authorized/sso"),
        ("https://airflow.example.com:8443", "https://airflow.example.com:8443/auth/oauth-authorized/sso"),
        ("http://[::1]:8080", "http://[::1]:8080/auth/oauth-authorized/sso"),
    ],
)
def test_ports_and_capitals(base_url: str, uri: str, set_up: Callable[..., Installation]) -> None:
    """The address is what a browser makes of it."""
    ((verdict, text),) = reported(check_address.redirect_uris, set_up(OAUTH, True, api__base_url=base_url))
    assert (verdict, f"is {uri}: register" in text) == ("ok", True)


def test_server_name(set_up: Callable[..., Installation]) -> None:
    """A setting of Flask that makes the redirect URI another one is found, too."""
    names = 'SERVER_NAME = "other.example.com"\n'
    installation = set_up(OAUTH + names, True, api__base_url="https://airflow.example.com")
    ((verdict, text),) = reported(check_address.redirect_uris, installation)
    assert verdict == "wrong"
    # An older Flask does not find its pages at another address at all.
    assert "is https://other.example.com/auth/oauth-authorized/sso" in text or "is unknown (status 404)" in text
    assert "SERVER_NAME" in text


def test_no_tls_in_front(set_up: Callable[..., Installation]) -> None:
    """Where Airflow does TLS itself, or there is none, no proxy has to tell; both at once do not fit."""
    assert reported(check_address.tls, set_up(api__base_url="http://localhost:8080")) == []
    assert reported(check_address.tls, set_up(api__base_url=FRONT, api__ssl_cert="/x.crt")) == []
    ((verdict, text),) = reported(check_address.tls, set_up(api__base_url="http://localhost", api__ssl_cert="/x.crt"))
    assert (verdict, "[api] ssl_cert" in text) == ("wrong", True)


@pytest.mark.parametrize(
    ("proxy_headers", "believed", "verdicts"),
    [
        (False, "", []),
        (False, "10.0.0.5", ["hint"]),
        (True, "", ["hint"]),
        (True, "*", ["hint"]),
        (True, "10.0.0.5", ["ok"]),
    ],
)
@pytest.mark.parametrize("server", ["uvicorn", "gunicorn"])
def test_believed_proxies(
    server: str, proxy_headers: bool, believed: str, verdicts: list[str], set_up: Callable[..., Installation]
) -> None:
    """Whose headers uvicorn believes should be one proxy, and counts only with the option of the command."""
    installation = set_up("", proxy_headers, FORWARDED_ALLOW_IPS=believed, api__server_type=server)
    found = reported(check_address.trusted_forwarders, installation)
    assert [verdict for verdict, _ in found] == verdicts
    everybody = proxy_headers and (believed == "*" or (not believed and server == "gunicorn"))
    assert ("can forge its address" in str(found)) is everybody


@pytest.mark.parametrize(
    ("base_url", "webserver_config", "options", "expected"),
    [
        (FRONT, "", {"fab__cookie_secure": "True"}, []),
        (FRONT, "", {}, []),
        ("http://localhost:8080", "", {}, []),
        ("http://localhost:8080", "", {"fab__cookie_secure": "True"}, [("wrong", "cookie_secure")]),
        ("http://localhost", "", {"fab__cookie_samesite": "None"}, [("wrong", "cookie_samesite")]),
        ("http://localhost", "", {"fab__cookie_samesite": "Strict"}, [("hint", "cookie_samesite")]),
        ("http://localhost/a/b", "SESSION_COOKIE_PATH = '/a'", {}, []),
        ("http://localhost/a/b", "SESSION_COOKIE_PATH = '/a/bc'", {}, [("wrong", "SESSION_COOKIE_PATH")]),
    ],
)
def test_cookies(
    base_url: str,
    webserver_config: str,
    options: dict[str, str],
    expected: list[tuple[str, str]],
    set_up: Callable[..., Installation],
) -> None:
    """FAB's cookie must not be Secure where people speak http, and has to stay on the site and to come back."""
    found = reported(check_address.cookies, set_up(webserver_config, api__base_url=base_url, **options))
    assert [verdict for verdict, _ in found] == [verdict for verdict, _ in expected]
    assert all(word in text for (_, text), (_, word) in zip(found, expected, strict=True))
