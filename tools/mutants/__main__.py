"""Run as `make mutants`. Each fault is put into a copy of the project, in which the quick tests that should notice run
until one fails. A fault that all of them pass is reported, and the exit code is 1.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.shared import FOLDER_VARIABLE as SHARED
from tools.mutants import (
    access_api,
    accounts,
    authentication,
    authorization,
    bundles,
    cli,
    credentials,
    objects,
    policy_versions,
    rbac,
    rbac_changes,
    runtime,
    shadow,
    tag_protection,
    web,
)
from tools.mutants.code import CodeNotFound, Place, find, put_in
from tools.mutants.fault import Fault

ROOT = Path(__file__).parents[2]
COPIED = ("astro_auth_plugin", "tests", "tools", "dev_dags", "docs", "README.md", "pyproject.toml")
_ROOMS = (
    access_api,
    *(accounts, authentication, authorization, bundles, cli, credentials, objects),
    *(policy_versions, rbac, rbac_changes, runtime, shadow, tag_protection, web),
)
FAULTS: tuple[Fault, ...] = sum((room.FAULTS for room in _ROOMS), ())


def main() -> int:
    """Try every fault, or those whose words contain the arguments; return the exit code.

    With `--list` nothing is tried: it only names the faults, and those that cannot be put in.
    """
    words = [word for word in sys.argv[1:] if word != "--list"]
    wanted = [fault for fault in FAULTS if all(word in fault.what for word in words)]
    if lost := [text for fault in wanted if (text := _lost(fault))]:
        print("\n".join(lost))
        return 2
    if "--list" in sys.argv:
        print("\n".join(fault.what for fault in wanted))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        _copy_project(copy)
        (copy / "shared").mkdir()
        survivors = [fault.what for fault in wanted if not _is_noticed(fault, copy)]
    print(f"{len(wanted) - len(survivors)} of {len(wanted)} faults were noticed.")
    for what in survivors:
        print(f"not noticed: {what}")
    return 1 if survivors else 0


def place_of(fault: Fault, root: Path = ROOT) -> Place:
    """Return where a fault goes, in a copy of the project.

    Raises:
        CodeNotFound: if its code is not there, or in more than one place.
    """
    return find(root / "astro_auth_plugin", fault.definition, fault.old)


def _lost(fault: Fault) -> str:
    """Say why a fault cannot be tried; '' if it can, and what it leaves is Python that only tests can refuse."""
    if missing := [test for test in fault.tests if not (ROOT / test).exists()]:
        return f"{fault.what}: no tests at {', '.join(missing)}"
    try:
        ast.parse(put_in(place_of(fault), fault.new))
    except (CodeNotFound, SyntaxError) as error:
        return f"{fault.what}: {error}"
    return ""


def _is_noticed(fault: Fault, copy: Path) -> bool:
    began = time.monotonic()
    place = place_of(fault, copy)
    right = place.file.read_bytes()
    place.file.write_text(put_in(place, fault.new))
    # Python tells what it has compiled by size and second of the source, and both can be the same.
    compiled = Path(importlib.util.cache_from_source(str(place.file)))
    compiled.unlink(missing_ok=True)
    try:
        # A database that the right code has migrated saves seconds; a fault in migrations is noticed without it.
        done = _run_tests(fault, copy, shared=str(copy / "shared"))
        if done.returncode == 0:
            done = _run_tests(fault, copy, shared="")
    finally:
        place.file.write_bytes(right)
        compiled.unlink(missing_ok=True)
    # Only failed tests count: 2 and more say that pytest itself could not run them.
    noticed = done.returncode == 1
    by = next((line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))), done.stdout[-300:])
    print(f"{'noticed' if noticed else 'MISSED '} {time.monotonic() - began:4.0f} s  {fault.what}: {by}", flush=True)
    return noticed


def _run_tests(fault: Fault, copy: Path, *, shared: str) -> subprocess.CompletedProcess[str]:
    options = ("-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile", "mutants")
    environment = os.environ | {"PYTHONPATH": str(copy)} | ({SHARED: shared} if shared else {})
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "pytest", *options, *fault.tests]
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)


def _copy_project(copy: Path) -> None:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)


if __name__ == "__main__":
    sys.exit(main())
