"""A process that changes the policy in the database, of which tests run several at once, and which they kill.

It reads lines of JSON: changes that are made at the same moment, each with who makes it, what it is, and the user it is
about. It prints a line when it is ready, and one for each change that has ended, with its place in the list and
`Published` or the error.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

MEMBER, LEAVE, HOLD = "member", "no owner", "hold"
"""Changes: the user gets a role, is no Organization Owner any more; `HOLD` never ends.

That is as the first, and the process stops between the statement that adds the version and the end of the transaction.
"""
HELD = "held"
_ANSWER = "answer: "
Wanted = tuple[str, str, str]


class Racer:
    """Another process, as a test sees it."""

    def __init__(self, address: str) -> None:
        environment = os.environ | {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": address}
        command = [sys.executable, "-m", "tests.access_management.racer"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
        self._process: Any = subprocess.Popen(command, env=environment, **pipes)

    def wait(self) -> Any:
        """Return what it says next."""
        # Airflow's log is among the answers until it is silenced.
        for line in self._process.stdout:
            if line.startswith(_ANSWER):
                return json.loads(line.removeprefix(_ANSWER))
        raise AssertionError("the process has ended")

    def start(self, *changes: Wanted) -> None:
        """Have it make changes at the same moment."""
        self._process.stdin.write(f"{json.dumps(changes)}\n")

    def answers(self, count: int) -> list[str]:
        """Return what came of so many changes, in their order."""
        return [answer for _, answer in sorted(self.wait() for _ in range(count))]

    def kill(self) -> None:
        """End it at once."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


@contextmanager
def racers(address: str, count: int) -> Iterator[list[Racer]]:
    """Run processes that are ready."""
    started = [Racer(address) for _ in range(count)]
    try:
        for racer in started:
            racer.wait()
        yield started
    finally:
        for racer in started:
            racer.kill()


def _main() -> None:
    # Airflow's log goes where the answers go.
    logging.disable()
    _say("ready")
    for line in sys.stdin:
        wanted = json.loads(line)
        barrier = threading.Barrier(len(wanted))
        with ThreadPoolExecutor(len(wanted)) as pool:
            list(pool.map(partial(_change, barrier), range(len(wanted)), wanted))


def _say(what: Any) -> None:
    # As one, since lines of several threads could mix.
    sys.stdout.write(f"{_ANSWER}{json.dumps(what)}\n")
    sys.stdout.flush()


def _change(barrier: threading.Barrier, number: int, wanted: Wanted) -> None:
    actor, what, name = wanted
    user = Principal("user", f"{name}@example.com")
    edit = edits.grant(user, "DEPLOYMENT_ADMIN", GrantScope("Deployment", "dep"))
    if what == LEAVE:
        edit = edits.revoke(user, "ORGANIZATION_OWNER", ORGANIZATION)
    if what == HOLD:
        event.listen(database_engine(), "after_cursor_execute", _hold)
    email = f"{actor}@example.com"
    barrier.wait()
    try:
        publish(Change(edit, "page"), Actor(email, "person", email), Settings(None, "dep"))
    except Exception as error:  # noqa: BLE001 - the test says which it may be
        _say((number, type(error).__name__))
    else:
        _say((number, "Published"))


def _hold(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
    if statement.startswith("INSERT INTO astro_auth_policy_version"):
        _say(HELD)
        threading.Event().wait()


if __name__ == "__main__":
    # The test's own process has no use for them.
    from sqlalchemy import event

    from astro_auth_plugin.access_management.publisher import Actor, publish
    from astro_auth_plugin.access_management.publisher import Wanted as Change
    from astro_auth_plugin.rbac.changes import edits
    from astro_auth_plugin.rbac.model.scopes import ORGANIZATION, GrantScope
    from astro_auth_plugin.rbac.policy.grants import Principal
    from astro_auth_plugin.runtime.database import database_engine
    from astro_auth_plugin.runtime.settings import Settings

    _main()
