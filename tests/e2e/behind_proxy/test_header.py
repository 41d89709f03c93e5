"""nginx asks for a password and says who somebody is; nobody else may say so."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import MIGRATED
from tests.e2e.live import free_port

from .stack import PATH, Fronted, Nginx

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

CONFIG = """\
from flask_appbuilder.const import AUTH_REMOTE_USER

AUTH_TYPE = AUTH_REMOTE_USER
AUTH_USER_REGISTRATION = True
AUTH_REMOTE_USER_ENV_VAR = "HTTP_X_REMOTE_USER"
"""
ANA, OLGA = "ana@example.com", "olga@example.com"
ELSEWHERE = "127.0.0.9"


@pytest.fixture(scope="module")
def airflow(folder: Path, metadata_database: Any) -> Iterator[Fronted]:
    """An api-server to which the proxy on this machine says who somebody is."""
    settings = {
        "AIRFLOW__FAB__CONFIG_FILE": str(folder / "webserver_config.py"),
        "AIRFLOW__ASTRO_AUTH__TRUSTED_PROXIES": "127.0.0.1",
    }
    (folder / "webserver_config.py").write_text(CONFIG)
    live = Fronted(folder / "airflow-header", f"https://localhost:{free_port()}{PATH}", settings)
    live.fill(MIGRATED)
    live.start()
    yield live
    live.stop()


@pytest.fixture(scope="module")
def nginx(folder: Path, certificate: Path, airflow: Fronted) -> Iterator[Nginx]:
    """An nginx that lets in who knows a password, and says who that is."""
    hashed = subprocess.run(["openssl", "passwd", "-apr1", "secret"], capture_output=True, text=True, check=True)
    passwords = folder / "passwords"
    passwords.write_text(f"{ANA}:{hashed.stdout}")
    passwords.chmod(0o644)
    port = int(airflow.front.removesuffix(PATH).rsplit(":", maxsplit=1)[-1])
    extra = f'auth_basic "Airflow";\nauth_basic_user_file {passwords};'
    with Nginx(folder / "nginx", port, airflow.port, extra=extra, says="$remote_user") as started:
        yield started


def browse(url: str, certificate: Path, address: str | None = None, **more: Any) -> httpx.Client:
    """Somebody with a browser's cookies, at the proxy or from an address of this machine at the api-server itself."""
    trust = ssl.create_default_context(cafile=str(certificate))
    transport = httpx.HTTPTransport(verify=trust, local_address=address)
    return httpx.Client(base_url=url, transport=transport, timeout=180, max_redirects=8, **more)


def who(client: httpx.Client, headers: dict[str, str]) -> tuple[int, str]:
    """Goes to sign in with these headers; returns the answer's status, and who is signed in afterwards."""
    answer = client.get("/auth/login/", headers=headers, follow_redirects=True)
    row = client.get("/auth/users/userinfo/", follow_redirects=False)
    found = [email for email in (ANA, OLGA) if email in row.text]
    return answer.status_code, ",".join(found)


@pytest.mark.parametrize(
    "headers", [{}, {"X-Remote-User": OLGA}, {"X_Remote_User": OLGA}, {"X-Forwarded-For": "127.0.0.1"}]
)
def test_who_the_proxy_says(headers: dict[str, str], airflow: Fronted, nginx: Nginx, certificate: Path) -> None:
    """Whoever knows the password is who nginx says, whatever else they send."""
    with browse(airflow.front, certificate, auth=(ANA, "secret")) as client:
        assert who(client, headers) == (200, ANA)
        assert client.get("/api/v2/dags").status_code == 200
        assert client.get("/api/v2/variables").status_code == 403


def test_without_the_password(airflow: Fronted, nginx: Nginx, certificate: Path) -> None:
    """A header in the place of the password opens nothing."""
    with browse(airflow.front, certificate) as client:
        assert who(client, {"X-Remote-User": OLGA}) == (401, "")


def test_proxy_that_says_nothing(airflow: Fronted, nginx: Nginx, certificate: Path) -> None:
    """The nginx of the page, which takes the header away, signs nobody in by it, and nobody is sent round."""
    before = nginx.extra, nginx.says
    nginx.extra, nginx.says = "", '""'
    nginx.restart()
    try:
        with browse(airflow.front, certificate) as client:
            assert who(client, {"X-Remote-User": OLGA}) == (403, "")
    finally:
        nginx.extra, nginx.says = before
        nginx.restart()


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Remote-User": OLGA},
        {"X-Remote-User": OLGA, "X-Forwarded-For": "127.0.0.1"},
        {"X-Remote-User": OLGA, "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https", "X-Real-IP": "127.0.0.1"},
    ],
)
def test_past_the_proxy(headers: dict[str, str], airflow: Fronted, certificate: Path) -> None:
    """Whoever reaches the api-server's port from elsewhere is not believed."""
    with browse(f"http://127.0.0.1:{airflow.port}{PATH}", certificate, ELSEWHERE) as client:
        assert who(client, headers) == (403, "")
        assert client.get("/api/v2/dags", headers=headers).status_code == 401
