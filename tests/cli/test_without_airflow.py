"""The commands about policies work where nothing is installed but this package and what it requires, so no Airflow."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distribution, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
SIZE_MB = 40
"""How much may be installed, all in all."""
ENVIRONMENT = {"PATH": os.environ["PATH"], "AIRFLOW__ASTRO_AUTH__DEPLOYMENT_ID": "cldep0demo", "COLUMNS": "200"}


def names_required(name: str) -> Iterator[str]:
    """Return what a package requires without its extras, and what these require."""
    for text in requires(name) or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement.name
            yield from names_required(requirement.name)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of these packages alone."""
    folder = tmp_path_factory.mktemp("site-packages")
    for name in set(names_required("astro_auth_plugin")):
        for file in distribution(name).files or ():
            source = Path(str(distribution(name).locate_file(file)))
            if ".." not in file.parts and "__pycache__" not in file.parts and source.is_file():
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                (folder / file).symlink_to(source)
    (folder / "astro_auth_plugin").symlink_to(ROOT / "astro_auth_plugin")
    return folder


def run(installed: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `astro-auth` there."""
    code = f"import sys; sys.path.append({str(installed)!r}); from astro_auth_plugin.cli.main import main; main()"
    command = [sys.executable, "-I", "-S", "-B", "-c", code, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT, env=ENVIRONMENT)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("validate POLICY", "can be used"),
        ("lint POLICY", "legacy-role"),
        ("plan POLICY POLICY", "Nothing changes"),
        ("explain --as vera@example.com --tag team:finance see invoice_totals --policy POLICY", "DAG_VIEWER"),
        ("who-can --tag team:finance trigger invoice_totals --policy POLICY", "finn@example.com"),
        ("check-dags dev_dags --policy POLICY", "0 tags in the wrong place"),
        ("test tests/scenarios/nobody.yaml", "0 failed"),
        ("schema", "$defs"),
        ("user list --policy POLICY", "vera@example.com"),
    ],
    ids=lambda value: value.split()[0],
)
def test_commands(installed: Path, words: str, said: str) -> None:
    """A command that needs no server and no database does what it does beside Airflow."""
    done = run(installed, *words.replace("POLICY", "dev_dags/policy.yaml").split())
    assert said in done.stdout, done.stderr


@pytest.mark.parametrize("words", ["validate", "doctor", "import fab", "access --as vera@example.com --policy POLICY"])
def test_needs_airflow(installed: Path, words: str) -> None:
    """A command that needs Airflow says what to do."""
    done = run(installed, *words.replace("POLICY", "dev_dags/policy.yaml").split())
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_size(installed: Path) -> None:
    """It is small."""
    files = [Path(folder, name) for folder, _, names in os.walk(installed, followlinks=True) for name in names]
    assert sum(file.stat().st_size for file in files if file.suffix != ".pyc") < SIZE_MB * 1e6
