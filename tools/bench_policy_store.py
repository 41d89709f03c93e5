"""What a large policy costs where it is in the database: run by `make bench-policy`, in an Airflow of its own.

Everything is measured in one process, as in an api-server: the best of some rounds on the processor, without what
SQLite waits for the disk.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

HEADINGS = ("In the database", "Seconds on the processor", "Aim")
AIMS = {
    "load: at the start, or at the first request after a change by another process": 0.35,
    "a change": 0.5,
    "its preview, `--dry-run`": 0.3,
    "the first change by a process, as each command is": 0.75,
    "the next request to the process that made the change": 0.3,
}
_ROUNDS = 7


class Cost(NamedTuple):
    """What something costs, and may cost."""

    name: str
    seconds: float

    @property
    def good(self) -> bool:
        """Whether it is within what the project promises."""
        return self.seconds <= AIMS[self.name]


def rows(found: list[Cost]) -> list[list[str]]:
    """Return the rows of the table."""
    return [[each.name, f"{each.seconds:.2f}", f"{AIMS[each.name]:.2f}"] for each in found]


def measure(folder: Path) -> list[Cost]:
    """Measure the policy of a folder, in a process of its own.

    Raises:
        CalledProcessError: if it fails.
    """
    return [Cost(*each) for each in in_process(__spec__.name, folder / "policy.yaml", folder / "airflow", {})]


def in_process(module: str, argument: Path, home: Path, more: dict[str, str]) -> Any:
    """Run a module in a process with an Airflow of its own; return what its last line says, as JSON.

    Args:
        module: its name.
        argument: what it is given.
        home: the folder of that Airflow.
        more: options of that Airflow as environment variables.

    Raises:
        CalledProcessError: if it fails.
    """
    quiet = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "ASTRO_"))}
    airflow = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__AUTH_MANAGER": "astro_auth_plugin.auth_manager.AstroAuthManager",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
    }
    command = [sys.executable, "-m", module, str(argument)]
    done = subprocess.run(command, env=quiet | airflow | more, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def costs(policy: Path) -> Iterator[Cost]:
    """Import a policy, and yield what each thing costs with it."""
    # Airflow reads its options when it is imported.
    from airflow.utils.db import initdb  # noqa: PLC0415 - see above

    from astro_auth_plugin.access_management.publisher import Actor, Wanted, publish  # noqa: PLC0415 - see above
    from astro_auth_plugin.rbac.changes import edits  # noqa: PLC0415 - see above
    from astro_auth_plugin.rbac.model.scopes import ORGANIZATION, GrantScope  # noqa: PLC0415 - see above
    from astro_auth_plugin.rbac.policy import yaml_reader  # noqa: PLC0415 - see above
    from astro_auth_plugin.rbac.policy.grants import Principal  # noqa: PLC0415 - see above
    from astro_auth_plugin.runtime import policy_source  # noqa: PLC0415 - see above
    from astro_auth_plugin.runtime.policy_store import PolicyStore  # noqa: PLC0415 - see above
    from astro_auth_plugin.runtime.settings import Settings  # noqa: PLC0415 - see above

    logging.disable(logging.WARNING)
    initdb()
    settings = Settings(None, "cldep0prod")
    numbers = count()
    owner = edits.grant(Principal("user", "olga@example.com"), "ORGANIZATION_OWNER", ORGANIZATION)
    begin = owner(yaml_reader.read(policy.read_bytes()).values)
    publish(Wanted(edits.replace(begin), "import"), Actor("root", "shell"), settings)

    def forget() -> None:
        policy_source._held = None  # noqa: SLF001 - as in a process that has not checked it

    def change(*, dry_run: bool = False) -> None:
        user = Principal("user", f"new{next(numbers)}@example.com")
        edit = edits.grant(user, "DAG_VIEWER", GrantScope("Dag", "dag1", settings.deployment_id))
        publish(Wanted(edit, "page"), Actor("olga", "person", "olga@example.com"), settings, dry_run=dry_run)

    store = PolicyStore(settings)
    work: tuple[tuple[Callable[[], object], Callable[[], object]], ...] = (
        (forget, lambda: PolicyStore(settings)),
        (lambda: None, change),
        (lambda: None, lambda: change(dry_run=True)),
        (forget, change),
        (change, store.engine),
    )
    for name, (before, timed) in zip(AIMS, work, strict=True):
        yield Cost(name, min(_on_processor(before, timed) for _ in range(_ROUNDS)))


def _on_processor(before: Callable[[], object], timed: Callable[[], object]) -> float:
    before()
    begun = time.process_time()
    timed()
    return time.process_time() - begun


if __name__ == "__main__":
    print(json.dumps([*costs(Path(sys.argv[1]))]))
