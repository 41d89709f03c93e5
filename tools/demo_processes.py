"""Child processes that end when they are told to, and whose last words can be shown.

Airflow's components start processes of their own, some in process groups of their own, so ending the ones started here
is not enough. Each gets a session; whatever is in that session or descends from the component is its family, also after
the component itself has died, and what is left of the family at the end is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

TAIL_LINES = 30


@dataclass(frozen=True, slots=True)
class Child:
    """One started process: its name, what it writes to, and the process."""

    name: str
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def exit_code(self) -> int | None:
        """Say how it ended: `None` while it runs, negative when a signal ended it."""
        return self.process.poll()


class Children:
    """Processes that are started one by one and stopped together.

    `folder` holds one log file per child, and `pids.json` with the ones that are running.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[Child] = []

    def start(self, name: str, command: Sequence[str], env: Mapping[str, str], cwd: Path) -> Child:
        """Start `command` in a session of its own, so a Ctrl-C in the terminal reaches only us."""
        log = self.folder / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        child = Child(name, log, process)
        self._running.append(child)
        self._remember()
        return child

    def dead(self) -> Child | None:
        """Return the first child that has ended by itself, if one has."""
        return next((child for child in self._running if child.exit_code is not None), None)

    def stop(self, last: str, seconds: float = 15) -> None:
        """End all children and everything they started, the one named `last` after the others.

        Each may take `seconds` to end by itself after SIGTERM; then SIGKILL ends it.
        """
        if not self._running:
            return  # whatever pids.json says is another stack's
        roots = [child.process.pid for child in self._running]
        family = _family(roots)
        for wave in ([c for c in self._running if c.name != last], [c for c in self._running if c.name == last]):
            _terminate(wave, time.monotonic() + seconds)
        _kill(family | _family(roots))
        for child in self._running:
            child.process.wait()
        self._running.clear()
        self._remember()

    def end_leftovers(self) -> None:
        """End what an earlier stack in this folder left, because it was killed before it could stop anything."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            _kill(_family(pid for pid, created in json.loads(self._pids.read_text()) if _is_ours(pid, created)))
        self._remember()

    @property
    def _pids(self) -> Path:
        return self.folder / "pids.json"

    def _remember(self) -> None:
        roots = _processes(child.process.pid for child in self._running)
        self._pids.write_text(json.dumps([(root.pid, _created(root)) for root in roots]))


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """Return the last lines of a log file, an empty text when there is none."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


def _terminate(children: Sequence[Child], deadline: float) -> None:
    for child in children:
        child.process.terminate()
    for child in children:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.process.wait(max(0.0, deadline - time.monotonic()))


def _family(roots: Iterable[int]) -> set[psutil.Process]:
    """Return the processes of these sessions, and all that descend from their leaders, which may be dead."""
    leaders = set(roots)
    descendants = [process for leader in _processes(leaders) for process in _descendants(leader)]
    return {*descendants, *(process for process in psutil.process_iter() if _session(process) in leaders)}


def _session(process: psutil.Process) -> int | None:
    with contextlib.suppress(OSError):
        return os.getsid(process.pid)
    return None


def _is_ours(pid: int, created: float) -> bool:
    """Say whether the number `pid` still means the process that got it at `created`, or a session it has left behind.

    A number is given again, surely so after the machine was started anew.
    """
    now = [_created(process) for process in _processes([pid])]
    return created > psutil.boot_time() and now in ([], [created])


def _processes(pids: Iterable[int]) -> list[psutil.Process]:
    found = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            found.append(psutil.Process(pid))
    return found


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.children(recursive=True)
    return []


def _created(process: psutil.Process) -> float | None:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.create_time()
    return None


def _kill(processes: set[psutil.Process]) -> None:
    # psutil compares the time of creation first, so a reused number is never hit.
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    psutil.wait_procs(processes, timeout=5)
