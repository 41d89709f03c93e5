"""Asks a server for minutes on end while the policy and the tags of Dags change under it: `make soak`.

Fails when a request fails, when an answer is older than a change that was made before it was asked, or when memory or
connections to the database grow beyond a bound.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import threading
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil
import sqlalchemy as sa

from tools.bench.cells import REQUESTS
from tools.bench.crew import Key, crew
from tools.bench.data import GRANTED, RESTRICTED, WRITTEN, dags, policy
from tools.bench.databases import Databases, Postgres, SQLite, prepare
from tools.bench.engines import ENGINES, STRICT, environment
from tools.bench.load import server, wrk
from tools.bench.rounds import tell
from tools.with_postgres import postgres

_SIZE = 1_000
_SOMEBODY = "tags1"
"""Has been given one tag, which the first Dag carries; the policy takes it away and gives it back."""
_TAG = GRANTED[0]
_CLIENTS = 8
_SLICE_SECONDS = 5.0
_MOST_GROWTH = 1.15
_MOST_MORE_CONNECTIONS = 5


class Sample(NamedTuple):
    """The server at one moment."""

    megabytes: float
    connections: int


class Soak:
    """What has happened so far. `stale` has the answers that were older than a change."""

    def __init__(self) -> None:
        self.requests = 0.0
        self.failed = 0
        self.slowest = 0.0
        self.changes = 0
        self.stale: list[str] = []
        self.samples: list[Sample] = []

    def problems(self) -> list[str]:
        """Return what is wrong, in words."""
        found = list(self.stale[:10])
        if self.failed or not self.requests:
            found.append(f"{self.failed} of {self.requests:.0f} requests failed")
        # What a server needs to warm up is no growth: the first quarter does not count.
        counted = self.samples[len(self.samples) // 4 :]
        half = len(counted) // 2
        if half:
            before, after = counted[:half], counted[half:]
            grown = _middle(after, "megabytes") / _middle(before, "megabytes")
            if grown > _MOST_GROWTH:
                found.append(f"memory grew to {grown:.2f} times what it was")
            more = max(each.connections for each in after) - max(each.connections for each in before)
            if more > _MOST_MORE_CONNECTIONS:
                found.append(f"there are {more} connections more than before")
        return found


def _middle(samples: list[Sample], name: str) -> float:
    return float(statistics.median(getattr(each, name) for each in samples))


class Changes:
    """Changes policy and tags in turn, and looks whether the next answer is the new one.

    Args:
        soak: where to keep what is found.
        policy_file: what the server reads.
        engine: the server's database.
        ask: returns how somebody's request for the Dag is answered, and how many Dags they are shown.
    """

    def __init__(
        self, soak: Soak, policy_file: Path, engine: sa.Engine, ask: Callable[[], tuple[int, int | None]]
    ) -> None:
        self._soak = soak
        self._file = policy_file
        self._engine = engine
        self._ask = ask
        self._with = policy()
        self._without = self._with.replace(f"{_SOMEBODY}@example.com", "nobody@example.com")
        self._dags = sum(_TAG in dag.tags for dag in dags(_SIZE))

    def make(self) -> None:
        """Make each change once."""
        one = {"dag": WRITTEN, "tag": _TAG}
        self._write(self._without)
        self._expect("the policy took the tag away", 403, None)
        self._write(self._with)
        self._expect("the policy gave the tag", 200, self._dags)
        self._run("DELETE FROM dag_tag WHERE dag_id = :dag AND name = :tag", one)
        self._expect("the Dag lost its tag", 403, self._dags - 1)
        self._run("INSERT INTO dag_tag (dag_id, name) VALUES (:dag, :tag)", one)
        self._expect("the Dag got its tag", 200, self._dags)

    def _write(self, text: str) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(text)
        new.replace(self._file)

    def _run(self, statement: str, values: dict[str, str]) -> None:
        with self._engine.begin() as connection:
            connection.execute(sa.text(statement), values)

    def _expect(self, change: str, status: int, count: int | None) -> None:
        self._soak.changes += 1
        found = self._ask()
        if found != (status, count):
            self._soak.stale.append(f"{change}: the next answers were {found}, not {(status, count)}")


@contextmanager
def loaded(soak: Soak, url: str, token: str) -> Iterator[None]:
    """Keep clients asking while the block runs; each list in turn."""
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            for name in ("api_dags", "ui_dags", "get_dag"):
                per_second, _, _, slow, failed = wrk(url + REQUESTS[name][1], token, _CLIENTS, _SLICE_SECONDS)
                soak.requests += per_second * _SLICE_SECONDS
                soak.failed += failed
                soak.slowest = max(soak.slowest, slow)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def sample(pid: int, address: str, engine: sa.Engine) -> Sample:
    """Return what the server takes now."""
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    memory = sum(process.memory_info().rss for process in processes) / 1024**2
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            requested = sa.text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            return Sample(memory, connection.scalar(requested) or 0)
    file = address.removeprefix("sqlite:///")
    return Sample(memory, sum(opened.path == file for process in processes for opened in process.open_files()))


def run(folder: Path, databases: Databases, minutes: float) -> Soak:
    """Start a server, and do all of it for so long."""
    soak = Soak()
    address = prepare(folder, databases, [_SIZE], tell)[_SIZE]
    ours = next(engine for engine in ENGINES if engine.name == STRICT)
    with crew(folder, [(ours, _SIZE, address, "")], tell) as workers:
        worker = workers[Key(STRICT, _SIZE)]
        busy, somebody = worker.do("token", person=RESTRICTED), worker.do("token", person=_SOMEBODY)
    engine = sa.create_engine(address, connect_args={"timeout": 30} if address.startswith("sqlite") else {})
    with ExitStack() as stack:
        stack.callback(engine.dispose)
        tell("starting an api-server")
        live = stack.enter_context(server(folder / "server", environment(ours, folder, address)))
        headers = {"Authorization": f"Bearer {somebody}"}
        client = stack.enter_context(httpx.Client(base_url=live.url, headers=headers, timeout=60))
        changes = Changes(soak, folder / "policy.yaml", engine, lambda: _ask(client))
        stack.enter_context(loaded(soak, live.url, busy))
        tell(f"asking for {minutes:g} minutes")
        until = time.monotonic() + minutes * 60
        while time.monotonic() < until:
            changes.make()
            soak.samples.append(sample(live.pid, address, engine))
    return soak


def _ask(client: httpx.Client) -> tuple[int, int | None]:
    listed = client.get(REQUESTS["api_dags"][1])
    one = client.get(REQUESTS["get_dag"][1])
    return one.status_code, listed.json()["total_entries"] if listed.is_success else None


def main() -> int:
    """Soak, and return 1 when something is wrong."""
    parser = ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    args = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-"))).resolve()
        databases: Databases
        if os.environ.get("DB") == "postgres":
            databases = Postgres(stack.enter_context(postgres("max_connections=400")))
        else:
            databases = SQLite(folder / "databases")
        soak = run(folder, databases, args.minutes)
    first, last = soak.samples[len(soak.samples) // 4], soak.samples[-1]
    tell(
        f"{databases.kind}: {soak.requests:.0f} requests of {_CLIENTS} clients, {soak.failed} failed, p99 at most "
        f"{soak.slowest:.2f} s; {soak.changes} changes, {len(soak.stale)} older answers; memory {first.megabytes:.0f} "
        f"to {last.megabytes:.0f} MB, connections {first.connections} to {last.connections}"
    )
    for problem in soak.problems():
        tell(f"wrong: {problem}")
    return 1 if soak.problems() else 0


if __name__ == "__main__":
    sys.exit(main())
