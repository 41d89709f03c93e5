"""Which releases of Airflow the plugin starts on."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from airflow import __version__ as airflow_version
from airflow.exceptions import AirflowConfigException
from packaging.requirements import Requirement
from packaging.version import Version

from astro_auth_plugin.auth_manager import AstroAuthManager
from astro_auth_plugin.authorization import route_table
from astro_auth_plugin.runtime import version_compat

ROOT = Path(__file__).parents[2]
GOOD = ["3.1.8", "3.1.9", "3.2.2", "3.2.2+astro.1", "3.2.10", "3.3.2", "3.3.2.post1", "3.4.0rc1", "3.4.0"]
BAD = {
    "3.0.6": "it lacks hooks that are needed. Install Airflow 3.1.8 or a newer 3.1.",
    "3.1.7": "Install Airflow 3.1.8 or a newer 3.1.",
    "3.1.8rc1": "Install Airflow 3.1.8 or a newer 3.1.",
    "3.2.0": "before 3.2.2 it changes and deletes task instances",
    "3.2.0rc1": "Install Airflow 3.2.2 or a newer 3.2.",
    "3.2.1": "Install Airflow 3.2.2 or a newer 3.2.",
    "3.2.1+astro.1": "Install Airflow 3.2.2 or a newer 3.2.",
    "3.3.0": "before 3.3.2 it sends the stored password of a connection",
    "3.3.1": "Install Airflow 3.3.2 or a newer 3.3.",
    "3.3.0.dev0": "Install Airflow 3.3.2 or a newer 3.3.",
    "4.0.0": "no rules for its routes. Install Airflow 3.3.2 or a newer 3.3.",
    "4.0.0.dev0": "no rules for its routes. Install Airflow 3.3.2 or a newer 3.3.",
    "4.1.0rc1": "no rules for its routes. Install Airflow 3.3.2 or a newer 3.3.",
}
# What no requirement can leave out without leaving out the release: the start refuses it.
PRE_RELEASES_OF_THE_SMALLEST = ["3.2.2rc1", "3.3.2b1"]


def required(name: str) -> Requirement:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (found,) = (each for each in map(Requirement, project["optional-dependencies"]["airflow"]) if each.name == name)
    return found


@pytest.mark.parametrize("version", GOOD)
def test_supported(version: str) -> None:
    """The smallest patch release of each line, newer ones and newer lines of this Airflow are supported, and pip takes them."""
    assert version_compat.unsupported(version) == ""
    assert required("apache-airflow").specifier.contains(version, prereleases=True)


@pytest.mark.parametrize("version", [*BAD, *PRE_RELEASES_OF_THE_SMALLEST])
def test_unsupported(version: str) -> None:
    """Older ones and the next Airflow are not; the message has the installed release, the one to take and what is wrong."""
    message = version_compat.unsupported(version)
    assert message.startswith(f"Airflow {version} is not supported: ")
    assert BAD.get(version, "") in message


@pytest.mark.parametrize("version", BAD)
def test_requirement(version: str) -> None:
    """Pip does not install them either, not even when it takes pre-releases."""
    assert not required("apache-airflow").specifier.contains(version, prereleases=True)


def test_fab() -> None:
    """A FAB provider that is older than the one of the smallest Airflow is not supported."""
    assert version_compat.unsupported("3.1.8", "3.5.0") == ""
    assert "apache-airflow-providers-fab 3.4.9 is not supported" in version_compat.unsupported("3.1.8", "3.4.9")
    assert str(required(version_compat.FAB).specifier) == f">={version_compat.SMALLEST_FAB}"


@pytest.mark.parametrize("version", GOOD)
def test_routes(version: str) -> None:
    """What is supported has rules for its routes: without them only Airflow's own checks would decide."""
    assert len(route_table.table("{0.major}.{0.minor}".format(Version(version)))) > 250


@pytest.mark.parametrize("version", ["3.2.1", "3.3.0", "4.0.0"])
def test_start(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server does not start on a release that is not supported, before it looks at anything else."""
    check = version_compat.unsupported
    monkeypatch.setattr(version_compat, "unsupported", lambda: check(version))
    with pytest.raises(AirflowConfigException, match=rf"^Airflow {re.escape(version)} is not supported: .*Install"):
        AstroAuthManager().init()


def test_installed() -> None:
    """What the tests run on is supported."""
    assert version_compat.unsupported() == ""
    assert f"{airflow_version}".rsplit(".", 1)[0] in version_compat.SMALLEST


def test_docs() -> None:
    """The docs name the same releases."""
    page = (ROOT / "docs" / "versions.md").read_text(encoding="utf-8")
    for line, smallest in version_compat.SMALLEST.items():
        assert f"| {line} | {smallest.release} | {smallest.before[0].upper()}{smallest.before[1:]} |" in page
