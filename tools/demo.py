"""`make demo`: Airflow with the plugin, sample Dags and people, until Ctrl-C. Everything it writes is in .demo/.

PORT in the environment chooses the port, 8080 without it. The policy is in the database, imported from
dev_dags/policy.yaml the first time; with STORE=file it is that file.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from types import FrameType

from rich.console import Console
from rich.table import Table

from tools.demo_people import Person
from tools.demo_stack import ROOT, DemoError, DemoStack

__all__ = ["DemoError", "DemoStack", "Person", "main"]

DEFAULT_PORT = 8080
HIGHEST_PORT = 65535
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
NARROWEST = 150  # columns, where the output is no terminal that says how deployment_wide it is


def main() -> int:
    """Run the demo until a signal ends it. Returns the exit code."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(console.width, NARROWEST))
    for number in STOP_SIGNALS:
        signal.signal(number, _interrupt)
    try:
        stack = DemoStack(ROOT / ".demo", port=_port(os.environ), policy_store=_store(os.environ))
    except DemoError as error:
        console.print(str(error), style="red", markup=False)
        return 1
    try:
        return _run(stack, console)
    finally:
        # From here on a second Ctrl-C would only leave processes behind.
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        stack.stop()


def _run(stack: DemoStack, console: Console) -> int:
    try:
        console.print("Preparing the database and the accounts ...")
        stack.prepare()
        console.print("Starting api-server, scheduler, dag-processor and triggerer ...")
        stack.start()
        stack.wait_ready()
        _show(stack, console)
        while True:
            stack.check_alive()
            time.sleep(1)
    except DemoError as error:
        console.print(str(error), style="red", markup=False, highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print("\nStopping ...")
        return 0


def _show(stack: DemoStack, console: Console) -> None:
    table = Table(title="Who can do what", title_style="bold")
    for heading in ("User name", "Password", "Roles", "Can"):
        table.add_column(heading, no_wrap=heading in {"User name", "Password"})
    for person in stack.persons:
        table.add_row(person.user_name, stack.people[person.user_name], person.roles, person.can)
    console.print(table)
    console.print(f"Airflow is at [bold]{stack.url}[/bold]")
    if _store(os.environ) == "file":
        console.print(
            f"Change {_short(stack.policy_file)} and reload a page: a change takes effect at the next request."
        )
    else:
        console.print(f"Change access at [bold]{stack.url}/plugin/access[/bold], for example as wendy.")
    console.print(f"All Dags are paused at first. Logs are in {_short(stack.logs)}. Ctrl-C stops everything.")


def _short(path: os.PathLike[str]) -> str:
    return os.path.relpath(path)


def _port(environ: Mapping[str, str]) -> int:
    given = environ.get("PORT") or str(DEFAULT_PORT)
    if given.isascii() and given.isdigit() and 0 < int(given) <= HIGHEST_PORT:
        return int(given)
    raise DemoError(f"PORT={given} is no port: give a number from 1 to {HIGHEST_PORT}")


def _store(environ: Mapping[str, str]) -> str:
    store = environ.get("STORE") or "database"
    if store not in ("file", "database"):
        raise DemoError(f"STORE={store} is no policy store: give file or database")
    return store


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
