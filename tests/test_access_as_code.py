"""The guide to access as code: its examples do what it says, step by step."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from astro_auth_plugin.cli.main import main
from tests.test_docs import ROOT, blocks, text_of

PAGE = "docs/access-as-code.md"
EXAMPLES = ROOT / "docs" / "examples"
BIN = Path(sys.executable).parent

POLICY = """\
version: 1
organization_id: clorg0main
workspaces: [{id: clws0data}]
deployments: [{id: cldep0prod, workspace_id: clws0data}]
teams:
  - name: finance
    members: [ana@example.com, bo@example.com]
    dag_roles: [{deployment_id: cldep0prod, tag: "team:finance", role: DAG_AUTHOR}]
users:
  - {email: olga@example.com, organization_role: ORGANIZATION_OWNER}
  - {email: vera@example.com, organization_role: ORGANIZATION_MEMBER}
"""
SCENARIO = """\
policy: ../policy.yaml
story: Finance runs its own Dags, and those who are not in it see nothing of them.
dags: {invoice_totals: ["team:finance"], orders_ingest: []}
answers:
  - {who: ana@example.com, dag: invoice_totals, may: dagRun.create}
  - {who: ana@example.com, dag: orders_ingest, may_not: dag.get}
  - {who: vera@example.com, dag: invoice_totals, may_not: dag.get}
"""
DAG = """\
from airflow.sdk import DAG

with DAG("invoice_totals", tags=["team:finance"]):
    pass
"""
LESS = POLICY.replace(", bo@example.com", "")
MORE = POLICY.replace("bo@example.com", "bo@example.com, cy@example.com")
BROKEN = POLICY.replace("DAG_AUTHOR", "DAG_AUTOR")


def steps(name: str) -> list[str]:
    """Return what an example runs in the order in which it does, without checkout and installation."""
    document = yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))
    if "jobs" in document:
        (job,) = document["jobs"].values()
        return [step["run"] for step in job["steps"] if "run" in step and step["name"] != "Install"]
    jobs = [job for job in document.values() if "script" in job]
    return [step for job in jobs for step in [*document[job["extends"]]["before_script"][1:], *job["script"]]]


def word(step: str) -> str:
    """Return the command of `astro-auth` that a step runs, '' if another program."""
    found = re.match(r"astro-auth (\S+)", step)
    return found[1] if found else ""


NAMES = ("github-actions.yml", "gitlab-ci.yml")


@pytest.fixture
def repository(tmp_path: Path) -> Any:
    """A function that makes a clone of a repository with POLICY on `main`, and a change of it on a branch."""

    def git(folder: Path, *arguments: str) -> None:
        author = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *author, *arguments], cwd=folder, check=True, capture_output=True)

    def changed_to(policy: str) -> Path:
        origin, clone = tmp_path / "origin", tmp_path / "clone"
        (origin / "scenarios").mkdir(parents=True)
        (origin / "dags").mkdir()
        (origin / "policy.yaml").write_text(POLICY)
        (origin / "scenarios" / "finance.yaml").write_text(SCENARIO)
        (origin / "dags" / "invoice_totals.py").write_text(DAG)
        git(origin, "init", "--quiet", "--initial-branch=main")
        git(origin, "add", ".")
        git(origin, "commit", "--quiet", "--message=policy")
        git(tmp_path, "clone", "--quiet", str(origin), str(clone))
        git(clone, "switch", "--quiet", "--create=change")
        (clone / "policy.yaml").write_text(policy)
        git(clone, "commit", "--quiet", "--all", "--allow-empty", "--message=change")
        return clone

    return changed_to


def run(step: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a step as a runner does, with this installation in place of the one that the example makes."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "ASTRO_"))}
    environment |= {
        "PATH": f"{BIN}:{environment['PATH']}",
        "AIRFLOW_HOME": str(folder.parent / "no-airflow"),
        "GITHUB_BASE_REF": "main",
        "GITHUB_STEP_SUMMARY": str(folder.parent / "summary.md"),
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    }
    shell = ["bash", "-e", "-o", "pipefail", "-c", step]
    return subprocess.run(shell, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)


def codes(name: str, folder: Path) -> dict[str, int]:
    """Return the exit code of every step of an example."""
    return {step: run(step, folder).returncode for step in steps(name)}


@pytest.mark.parametrize("name", NAMES)
def test_good_change(name: str, repository: Any) -> None:
    """Every step passes for a change that takes something away."""
    found = codes(name, repository(LESS))
    assert "astro-auth validate policy.yaml" in found
    assert set(found.values()) == {0}


@pytest.mark.parametrize("name", NAMES)
def test_widening(name: str, repository: Any) -> None:
    """A change that gives somebody more passes every step but the one that looks for that."""
    found = codes(name, repository(MORE))
    assert found == {step: 2 if "--fail-on widening" in step else 0 for step in found}


@pytest.mark.parametrize("name", NAMES)
def test_mistake(name: str, repository: Any) -> None:
    """A policy that cannot be used stops the first step that looks at it."""
    found = codes(name, repository(BROKEN))
    assert next(code for step, code in found.items() if word(step)) == 3


@pytest.mark.parametrize("name", NAMES)
def test_steps_are_explained(name: str) -> None:
    """The page has a row for every step of the examples, and the examples run no other."""
    rows = re.findall(r"^\| `astro-auth (\S+).*?` \|", text_of(PAGE), re.MULTILINE)
    assert [word(step) for step in steps(name) if word(step)] == rows


def test_hook(repository: Any) -> None:
    """The hook of pre-commit lets a good policy pass and stops a bad one."""
    (config,) = [block for block in blocks(PAGE, "yaml") if "repos:" in block]
    (hook,) = yaml.safe_load(config)["repos"][0]["hooks"]
    assert re.search(hook["files"], "policy.yaml")
    folder = repository(LESS)
    assert run(f"{hook['entry']} policy.yaml", folder).returncode == 0
    (folder / "policy.yaml").write_text(BROKEN)
    assert run(f"{hook['entry']} policy.yaml", folder).returncode == 3


def shell_lines() -> Iterator[str]:
    """Yield the commands of the page's lists, which are indented."""
    for block in re.findall(r"^ +```sh\n(.*?)^ +```$", text_of(PAGE), re.DOTALL | re.MULTILINE):
        yield from (line.strip() for line in block.splitlines())


def test_folder(repository: Any, tmp_path: Path) -> None:
    """A new file is renamed over the old one, so there is a whole one at any time."""
    folder, target = repository(LESS), tmp_path / "airflow"
    target.mkdir()
    (target / "policy.yaml").write_text(POLICY)
    before = (target / "policy.yaml").stat().st_ino
    for line in shell_lines():
        if line.startswith(("cp ", "mv ")):
            assert run(line.replace("/opt/airflow/policy", str(target)), folder).returncode == 0
    assert [file.name for file in target.iterdir()] == ["policy.yaml"]
    assert (target / "policy.yaml").read_text() == LESS
    assert (target / "policy.yaml").stat().st_ino != before


def test_rollback(repository: Any) -> None:
    """Reverting the commit brings the policy before back, and so does the file of the commit before."""
    folder = repository(LESS)
    assert run("git show HEAD~1:policy.yaml", folder).stdout == POLICY
    (revert,) = [line for block in blocks(PAGE, "sh") for line in block.splitlines() if "revert" in line]
    assert run(f"git config user.name A; git config user.email a@example.com; {revert}", folder).returncode == 0
    assert (folder / "policy.yaml").read_text() == POLICY


def test_terraform_example(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The state that is shown becomes the policy that is shown."""
    (state,), (policy,) = blocks(PAGE, "json"), blocks(PAGE, "yaml policy")
    assert json.loads(state)
    (tmp_path / "state.json").write_text(state)
    main(["import", "terraform", str(tmp_path / "state.json"), "--organization", "clorg0main"])
    assert capsys.readouterr().out == policy
