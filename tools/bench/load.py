"""A load on real servers: `airflow api-server` with FAB and with this plugin, asked by wrk."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from tools.bench.cells import REQUESTS
from tools.bench.crew import Key, crew
from tools.bench.data import ALL, RESTRICTED
from tools.bench.engines import ENGINES, STRICT, Engine, environment, unavailable
from tools.bench.results import Results
from tools.demo_processes import Children
from tools.demo_settings import HOST, free_port

CLIENTS = (1, 8, 32)
_ENGINES = (STRICT, "fab")
_CELLS = (("api_dags", ALL), ("api_dags", RESTRICTED), ("get_dag", RESTRICTED))
_MOST_DAGS = 10_000
_START_SECONDS = 120
POOL_SIZE = 60
"""With Airflow's default, FAB's requests of eight clients were seen to wait for connections until they timed out."""
_SCRIPT = Path(__file__).with_name("wrk.lua")


class Server(NamedTuple):
    """A running api-server: where it is, and its process."""

    url: str
    pid: int


class Loaded(NamedTuple):
    """What one load found; times are in seconds."""

    engine: str
    size: int
    cell: str
    person: str
    clients: int
    per_second: float
    p50: float
    p95: float
    p99: float
    errors: int


def measure(
    results: Results, folder: Path, addresses: Mapping[int, str], seconds: float, tell: Callable[[str], None]
) -> None:
    """Put every load on every server, in a random order, and keep what was found."""
    if shutil.which("wrk") is None:
        results.left_out["The load"] = "wrk was not found (on Debian: apt-get install wrk)"
        return
    size = max([size for size in results.sizes if size <= _MOST_DAGS], default=results.sizes[0])
    engines = [engine for engine in ENGINES if engine.name in _ENGINES and not unavailable(engine)]
    tokens = _tokens(folder, engines, size, addresses[size], tell)
    with ExitStack() as stack:
        urls = {}
        for engine in engines:
            tell(f"starting an api-server with {engine.name}")
            env = {
                **environment(engine, folder, addresses[size]),
                "AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_SIZE": str(POOL_SIZE),
            }
            urls[engine.name] = stack.enter_context(server(folder / f"server-{engine.name}", env)).url
        plan = [(engine.name, *cell, clients) for engine in engines for cell in _CELLS for clients in CLIENTS]
        for name, cell, person, clients in random.sample(plan, len(plan)):
            tell(f"load: {name}, {cell} as {person}, {clients} clients")
            url = urls[name] + REQUESTS[cell][1]
            found = wrk(url, tokens[name, person], clients, seconds)
            results.load.append(Loaded(name, size, cell, person, clients, *found))


def _tokens(
    folder: Path, engines: list[Engine], size: int, address: str, tell: Callable[[str], None]
) -> dict[tuple[str, str], str]:
    with crew(folder, [(engine, size, address, "") for engine in engines], tell) as workers:
        return {
            (engine.name, person): workers[Key(engine.name, size)].do("token", person=person)
            for engine in engines
            for person in (ALL, RESTRICTED)
        }


def wrk(url: str, token: str, clients: int, seconds: float) -> tuple[float, float, float, float, int]:
    """Ask an address for some seconds; return requests a second, three percentiles and the number of failures."""
    words = ["wrk", "-t1", f"-c{clients}", f"-d{max(1, round(seconds))}s", "--timeout", "60s", "-s", str(_SCRIPT), url]
    env = {**os.environ, "BENCH_TOKEN": token}
    _wait_idle(url, token)
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    per_second = found["requests"] / (found["microseconds"] / 1e6)
    return per_second, found["p50"] / 1e6, found["p95"] / 1e6, found["p99"] / 1e6, found["errors"]


def _wait_idle(url: str, token: str) -> None:
    """Return when the server has answered; what clients asked who are gone is worked off before."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=_START_SECONDS):
        return


@contextmanager
def server(folder: Path, env: dict[str, str]) -> Iterator[Server]:
    """Start an api-server with one worker, and give it.

    Raises:
        RuntimeError: if it does not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    children = Children(folder)
    command = [sys.executable, "-m", "airflow", "api-server", "--host", HOST, "--workers", "1", "--port", str(port)]
    child = children.start("api-server", command, env, folder)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(port):
            if child.exit_code is not None or time.monotonic() > deadline:
                raise RuntimeError(f"an api-server did not start; see {child.log}")
            time.sleep(0.2)
        yield Server(f"http://{HOST}:{port}", child.process.pid)
    finally:
        children.stop(last="api-server")


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/api/v2/version", timeout=5):
            return True
    except OSError:
        return False
