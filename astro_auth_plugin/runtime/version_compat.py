"""Which releases of Airflow are supported, the smallest patch release of each line, and what differs between them.

docs/versions.md and pyproject.toml name the same ones, and the locks of the tests have exactly these.
"""

from __future__ import annotations

import functools
from importlib import import_module
from importlib.metadata import version
from typing import Any, NamedTuple

from airflow import __version__ as airflow_version
from packaging.version import Version

FAB = "apache-airflow-providers-fab"
SMALLEST_FAB = "3.5.0"
"""The smallest FAB provider; it came with the smallest Airflow."""


class Smallest(NamedTuple):
    """The smallest supported patch release of a line of Airflow, and what is wrong in the ones before it."""

    release: str
    before: str


SMALLEST = {
    "3.1": Smallest(
        "3.1.8",
        "lists versions and dependencies of Dags that a user may not see, and authorizes backfills by the query",
    ),
    "3.2": Smallest(
        "3.2.2", "changes and deletes task instances of Dags named in the body, without checking these Dags"
    ),
    "3.3": Smallest("3.3.2", "sends the stored password of a connection that a user may not read to another host"),
}
"""The lines that the tests run on. Of others only a newer line of the same major version starts: its new checks are
denied, and on its new routes Airflow's own checks decide alone."""


def unsupported(airflow: str = airflow_version, fab: str = "") -> str:
    """Return why these releases are not supported, and which ones to take; '' if they are.

    Args:
        airflow: the release of Airflow; the installed one if left out.
        fab: the release of the FAB provider; the installed one if left out.
    """
    installed = Version(airflow)
    oldest, newest = (choose(SMALLEST.values(), key=_release) for choose in (min, max))
    line = SMALLEST.get(f"{installed.major}.{installed.minor}")
    if line is not None and installed < _release(line):
        # A pre-release of the smallest one comes before it, too.
        return f"Airflow {airflow} is not supported: before {line.release} it {line.before}. Install {_or_newer(line)}."
    if installed < _release(oldest):
        return f"Airflow {airflow} is not supported: it lacks hooks that are needed. Install {_or_newer(oldest)}."
    if installed.major > _release(newest).major:
        # No row of routes.yaml is of such a release, so nothing would correct Airflow's checks.
        return f"Airflow {airflow} is not supported: there are no rules for its routes. Install {_or_newer(newest)}."
    fab = fab or version(FAB)
    if Version(fab) < Version(SMALLEST_FAB):
        return f"{FAB} {fab} is not supported: it has not been tested. Install {SMALLEST_FAB} or newer."
    return ""


def _release(line: Smallest) -> Version:
    return Version(line.release)


def _or_newer(line: Smallest) -> str:
    major, minor, _ = line.release.split(".")
    return f"Airflow {line.release} or a newer {major}.{minor}"


@functools.cache
def stats() -> Any:
    """Return the class with which Airflow counts."""
    try:
        found: Any = import_module("airflow.observability.stats")
    except ImportError:
        # Airflow 3.1
        found = import_module("airflow.stats")
    return found.Stats


def shares_chakra(airflow: str = airflow_version) -> bool:
    """Whether the pages of a release lend plugins' pages the components that they are made of."""
    # From 3.2.0 on, whatever the patch release.
    return Version(airflow) >= Version("3.2.0")
