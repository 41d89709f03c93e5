"""`make demo` as a person at a terminal has it, in a copy of what it needs."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tools.demo_settings import HOST, free_port, is_free
from tools.demo_stack import ROOT

from .browser.rest import rest, token, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

READY = "Ctrl-C stops everything."


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the demo and its Dags, so that it meets no demo that a developer runs."""
    for name in ("tools", "dev_dags"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


class Terminal:
    """A demo that runs, and what it has printed."""

    def __init__(self, clone: Path, port: int | str) -> None:
        self.log = clone / "printed.txt"
        with self.log.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tools.demo"],
                cwd=clone,
                env={**os.environ, "PORT": str(port)},
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def printed(self) -> str:
        """Everything so far."""
        return self.log.read_text()

    def is_ready(self) -> bool:
        """Whether it says that it is; raises AssertionError when it has ended instead."""
        assert self.process.poll() is None, self.printed
        return READY in self.printed

    def passwords(self) -> dict[str, str]:
        """The passwords of the table, by user name."""
        return dict(re.findall(r"^│ +(\w+) +│ +([0-9a-f]{16}) +│", self.printed, re.MULTILINE))

    def interrupt(self) -> int:
        """Presses Ctrl-C; returns the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(90)


@contextmanager
def demo(clone: Path, port: int) -> Iterator[Terminal]:
    """A demo that is ready; whatever a test finds, nothing of it runs on."""
    terminal = Terminal(clone, port)
    try:
        wait_until(terminal.is_ready, "the demo is ready", 300)
        yield terminal
    finally:
        if terminal.process.poll() is None:
            terminal.interrupt()


def still_running(clone: Path) -> list[str]:
    """The processes of the demo, wherever they hang in the tree of processes."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("AIRFLOW_HOME") == str(clone / ".demo" / "home"):
                found.append(" ".join(process.cmdline()))
    return found


@pytest.mark.parametrize("port", ["taken", "http", "70000"])
def test_bad_port(port: str, clone: Path) -> None:
    """On a port that is taken or is none, the demo says so, names PORT= and ends before it starts anything."""
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        given = str(other.getsockname()[1]) if port == "taken" else port
        terminal = Terminal(clone, given)
        assert terminal.process.wait(60) == 1
    assert given in terminal.printed and "PORT=" in terminal.printed and "Traceback" not in terminal.printed
    assert not (clone / ".demo" / "home" / "airflow.db").exists()
    assert still_running(clone) == []


def test_demo_twice(clone: Path) -> None:
    """The demo prints where it is and who can do what, answers, and ends whole on Ctrl-C; so it does the second time."""
    port = free_port()
    url = f"http://localhost:{port}"
    with demo(clone, port) as first:
        passwords = first.passwords()
        assert len(passwords) == 30 and url in first.printed
        assert "run and edit analytics' 4 Dags and exchange_rates" in first.printed
        with rest(url, "ana", passwords["ana"]) as ana:
            ana.patch("/dags/revenue_forecast", json={"is_paused": False})
            ana.post("/dags/revenue_forecast/dagRuns", json={"logical_date": None, "dag_run_id": "mine"})
            run = "/dags/revenue_forecast/dagRuns/mine"
            wait_until(lambda: ana.get(run).json()["state"] == "success", "the run succeeds")
        assert len(still_running(clone)) >= 4
        assert first.interrupt() == 0
    assert "Traceback" not in first.printed
    assert still_running(clone) == [] and is_free(port)

    with demo(clone, port) as second:
        assert second.passwords() == passwords
        assert token(url, "vera", passwords["vera"]).status_code == 201
        assert second.interrupt() == 0
    assert still_running(clone) == []
