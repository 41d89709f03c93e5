"""What the tests run on: the smallest supported releases."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from astro_auth_plugin.runtime import version_compat

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("line", version_compat.SMALLEST)
def test_locks(line: str) -> None:
    """The tests run on exactly the smallest release of each line, and on the smallest FAB provider once."""
    lock = (ROOT / "locks" / f"airflow-{line}.txt").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([a-z0-9.-]+)==([^ \\]+)", lock, flags=re.MULTILINE))
    assert pins["apache-airflow"] == pins["apache-airflow-core"] == version_compat.SMALLEST[line].release
    assert (pins[version_compat.FAB] == version_compat.SMALLEST_FAB) is (line == "3.1")


def test_continuous_integration() -> None:
    """`.ci/run` runs every lock: the live tests, with those of leaks and writes, are among what it runs on each."""
    ran = set(re.findall(r"^ *run (\S+)$", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), flags=re.MULTILINE))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    newest = max(version_compat.SMALLEST)
    assert f"LOCK := locks/airflow-{newest}.txt" in makefile
    assert ran >= {"test", *(f"test-{line}" for line in version_compat.SMALLEST if line != newest)}
    assert re.search(r"^test-3\.1 test-3\.2: .*\n.*\$\(WITH_AIRFLOW\)", makefile, flags=re.MULTILINE)
    listed = re.search(r"^WITH_AIRFLOW := ((?:.*\\\n)*.*)", makefile, flags=re.MULTILINE)
    assert listed
    assert set(re.split(r"[\s,()]+", listed[1])) >= {
        "routes.py",
        "lists.py",
        "reads.py",
        "writes.py",
        "denials.py",
        "tests/authorization",
    }
