"""What is published: a wheel and a source distribution with the package and no more, in the version of the tag of git."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from packaging.metadata import Metadata
from packaging.version import Version

from tests.test_docs import ROOT, text_of

PACKAGE = "astro_auth_plugin"
NEEDED = ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md")
# The author of the commits, and no settings of the machine.
GIT = {f"GIT_{who}_{what}": "a@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", **GIT}


def run(*words: str, folder: Path) -> str:
    done = subprocess.run(words, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def hatchling(*words: str, folder: Path) -> str:
    return run(sys.executable, "-m", "hatchling", *words, folder=folder)


def put_sources(folder: Path) -> Path:
    """Put what is built from into a folder, with folders that must not be published, and no git."""
    for name in (*NEEDED, ".gitignore"):
        shutil.copy(ROOT / name, folder)
    for name in (PACKAGE, "docs", "dev_dags"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("tests", "tools", "site", "ui", "locks"):
        (folder / name).mkdir()
        (folder / name / "secret.py").touch()
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both distributions, in a tree that was exported from git; and the wheel of the source distribution."""
    folder = put_sources(tmp_path_factory.mktemp("exported"))
    hatchling("build", folder=folder)
    with tarfile.open(next(folder.glob("dist/*.tar.gz"))) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    hatchling("build", "-t", "wheel", folder=next((folder / "unpacked").iterdir()))
    return folder


def names_in_wheel(folder: Path) -> set[str]:
    (wheel,) = folder.glob("dist/*.whl")
    return {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}


def test_wheel_has_the_package_alone(built: Path) -> None:
    """Every file of the package is in it, with the pages, migrations and tables of routes, and nothing else."""
    files = {str(file.relative_to(built)) for file in (built / PACKAGE).rglob("*") if file.is_file()}
    assert names_in_wheel(built) == files
    assert {f"{PACKAGE}/py.typed", f"{PACKAGE}/authorization/routes.yaml"} <= files


def test_source_distribution(built: Path) -> None:
    """It has what the wheel is built from and the docs, no tests and tools, and makes the same wheel."""
    (unpacked,) = (built / "unpacked").iterdir()
    made = {"PKG-INFO", ".gitignore", "dist"}
    assert {path.name for path in unpacked.iterdir()} - made == {*NEEDED, PACKAGE, "docs", "dev_dags"}
    assert names_in_wheel(unpacked) == names_in_wheel(built)
    versions = {name.name.split("-")[1] for folder in (built, unpacked) for name in folder.glob("dist/*.whl")}
    assert len(versions) == 1


def test_metadata(built: Path) -> None:
    """An index takes it: the metadata is valid, and Airflow is no requirement."""
    (wheel,) = built.glob("dist/*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = Metadata.from_email(archive.read(name), validate=True)
    assert metadata.metadata_version == "2.4"
    required = {each.name for each in metadata.requires_dist or () if each.marker is None}
    assert required == {"pydantic", "pyyaml", "rich"}
    assert metadata.license_expression == "Apache-2.0"


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """The little that a version is made from, in no checkout of git."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.fixture
def checkout(sources: Path) -> Callable[[str], Path]:
    """A function that makes a checkout of them, with a tag if one is named."""

    def make(tag: str) -> Path:
        run("git", "init", "--quiet", folder=sources)
        run("git", "add", ".", folder=sources)
        run("git", "commit", "--quiet", "--message", "all", folder=sources)
        if tag:
            run("git", "tag", tag, folder=sources)
        return sources

    return make


def test_version_of_a_tag(checkout: Callable[[str], Path]) -> None:
    """The version is the tag, and after it one of development of the next."""
    folder = checkout("v2.3.4")
    assert hatchling("version", folder=folder) == "2.3.4"
    run("git", "commit", "--quiet", "--allow-empty", "--message", "more", folder=folder)
    assert re.fullmatch(r"2\.3\.5\.dev1\+g[0-9a-f]+", hatchling("version", folder=folder))


def test_version_without_a_tag(checkout: Callable[[str], Path], tmp_path: Path) -> None:
    """A checkout without tags has a version of development, also a shallow one."""
    folder = checkout("")
    run("git", "commit", "--quiet", "--allow-empty", "--message", "more", folder=folder)
    run("git", "clone", "--quiet", "--depth=1", "--no-tags", folder.as_uri(), "shallow", folder=folder)
    for each in (folder, folder / "shallow"):
        assert Version(hatchling("version", folder=each)).is_devrelease


def test_version_without_git(sources: Path) -> None:
    """An exported tree has the version of development that pyproject.toml says."""
    (fallback,) = re.findall(r'^fallback-version = "(.+)" ', text_of("pyproject.toml"), re.MULTILINE)
    assert hatchling("version", folder=sources) == fallback


# -- what GitHub reads ---------------------------------------------------------------------------------------------


def test_workflow() -> None:
    """Publishing comes after build and tests, with no more rights than it needs; each action is pinned to a commit."""
    workflow = yaml.safe_load(text_of(".github/workflows/release.yml"))
    publish = workflow["jobs"]["publish"]
    assert set(publish["needs"]) == {"build", "test"}
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["if"] == "github.ref_type == 'tag'"
    others = [job["permissions"] for name, job in workflow["jobs"].items() if name != "publish"]
    assert (workflow["permissions"], others) == ({}, [{"contents": "read"}] * 2)
    actions = re.findall(r"uses: (\S+)", text_of(".github/workflows/release.yml"))
    assert actions
    assert [action for action in actions if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action)] == []


def test_issue_templates() -> None:
    """Each form can be read, and has what GitHub requires."""
    forms = list((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    assert len(forms) == 3
    for file in forms:
        form = yaml.safe_load(file.read_text(encoding="utf-8"))
        assert {"name", "description", "body"} <= set(form)
        ids = [part.get("id") for part in form["body"] if part["type"] != "markdown"]
        assert len(ids) == len(set(ids)) and None not in ids
