"""One Airflow behind nginx for all of these tests."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import MIGRATED
from tests.e2e.live import free_port

from .stack import PATH, Fronted, Nginx, find_nginx, make_certificate


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all of this is; without nginx nothing needs to start."""
    find_nginx()
    return tmp_path_factory.mktemp("behind-proxy")


@pytest.fixture(scope="package")
def certificate(folder: Path) -> Path:
    """What nginx shows."""
    return make_certificate(folder / "nginx")


@pytest.fixture(scope="package")
def airflow(folder: Path, metadata_database: Any) -> Iterator[Fronted]:
    """The api-server."""
    live = Fronted(folder / "airflow", f"https://localhost:{free_port()}{PATH}", {})
    live.fill(MIGRATED)
    live.start()
    yield live
    live.stop()


@pytest.fixture(scope="package")
def nginx(folder: Path, certificate: Path, airflow: Fronted) -> Iterator[Nginx]:
    """What people reach."""
    port = int(airflow.front.removesuffix(PATH).rsplit(":", maxsplit=1)[-1])
    with Nginx(folder / "nginx", port, airflow.port) as started:
        yield started


@pytest.fixture
def browse(nginx: Nginx, airflow: Fronted, certificate: Path) -> Iterator[Callable[..., httpx.Client]]:
    """A function that returns somebody with a browser's cookies, who checks the certificate."""
    opened = []

    def browse(**more: Any) -> httpx.Client:
        trust = ssl.create_default_context(cafile=str(certificate))
        headers = {"Accept": "text/html,application/xhtml+xml"}
        client = httpx.Client(
            base_url=airflow.front, verify=trust, headers=headers, timeout=180, max_redirects=8, **more
        )
        opened.append(client)
        return client

    yield browse
    for client in opened:
        client.close()
