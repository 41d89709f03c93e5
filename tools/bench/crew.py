"""The parent's side of the workers: starts them, gives orders, ends them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from tools.bench.engines import Engine, environment
from tools.demo_processes import tail


class WorkerFailed(Exception):
    """A worker could not do what it was told; the message says what and why."""


class Key(NamedTuple):
    """Which engine at which number of Dags."""

    engine: str
    size: int


class Hired:
    """A running worker.

    Args:
        key: what it is.
        env: its environment.
        folder: where its log is written.
    """

    def __init__(self, key: Key, env: dict[str, str], folder: Path) -> None:
        self.key = key
        self._log = folder / f"{key.engine}-{key.size}.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tools.bench.worker", key.engine, str(key.size)],
                env=env,
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )

    def wait_ready(self) -> None:
        """Return when it has started.

        Raises:
            WorkerFailed: if it has not.
        """
        self._answer("start")

    def do(self, what: str, **more: Any) -> Any:
        """Give an order and return the answer.

        Raises:
            WorkerFailed: if it could not be done.
        """
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # the answer will be missing, too
            self._process.stdin.write(json.dumps({"do": what, **more}) + "\n")
            self._process.stdin.flush()
        return self._answer(f"{what} {more}")

    def _answer(self, what: str) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise WorkerFailed(f"{self.key}: {what}: it ended; the end of its log:\n{tail(self._log)}")
        said = json.loads(line)
        if "error" in said:
            raise WorkerFailed(f"{self.key}: {what}:\n{said['error']}")
        return said["answer"]

    def stop(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


@contextmanager
def crew(
    folder: Path, wanted: Iterable[tuple[Engine, int, str, str]], tell: Callable[[str], None]
) -> Iterator[dict[Key, Hired]]:
    """Start workers, as many at a time as there are cores, and end them all.

    `wanted` has for each its engine, number of Dags, database, and address of a Keycloak.
    """
    hired: dict[Key, Hired] = {}

    def hire(each: tuple[Engine, int, str, str]) -> None:
        engine, size, database, keycloak_url = each
        key = Key(engine.name, size)
        tell(f"starting {engine.name} with {size} Dags")
        hired[key] = Hired(key, environment(engine, folder, database, keycloak_url), folder)
        hired[key].wait_ready()

    try:
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            list(pool.map(hire, wanted))
        yield hired
    finally:
        for worker in hired.values():
            worker.stop()


@contextmanager
def keycloak(size: int) -> Iterator[str]:
    """Start the stub of a Keycloak, and give its address."""
    command = [sys.executable, "-m", "tools.bench.keycloak_stub", str(size)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as stub:
        assert stub.stdout is not None
        yield f"http://127.0.0.1:{int(stub.stdout.readline())}"
        stub.terminate()
