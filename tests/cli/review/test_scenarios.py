"""`astro-auth test`, and the pytest plugin: both run scenario files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from astro_auth_plugin.cli import commands
from astro_auth_plugin.cli.main import main
from astro_auth_plugin.rbac.review import scenario_file
from tests.in_request import HEAD

POLICY = HEAD + "users: [{email: ana@b, dag_roles: [{deployment_id: dep, tag: sales, role: DAG_VIEWER}]}]\n"
GOOD = """\
policy: policy.yaml
deployment_id: dep
dags: dags.yaml
answers:
  - {who: ana@b, may: dag.get, dag: orders}
  - {who: ana@b, may_not: dag.update, dag: orders}
"""
WRONG = GOOD + "  - {who: ana@b, may: dag.delete, dag: orders}\n"
DENIED = [
    "wrong.yaml:7: ana@b may dag.delete on Dag orders",
    "    expected: allowed",
    "    found: denied",
    "    why: no grant gives `dag.airflow.dag.delete` on Dag `orders`",
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a policy, its Dags, and scenario files that are good, wrong and broken."""
    monkeypatch.chdir(tmp_path)
    texts = {
        "policy.yaml": POLICY,
        "dags.yaml": "- {dag_id: orders, tags: [sales]}\n",
        "good.yaml": GOOD,
        "wrong.yaml": WRONG,
        "misspelt.yaml": GOOD.replace("may_not", "maynot"),
        "no_dag.yaml": GOOD.replace("dag: orders", "dag: order"),
        "inline.yaml": "policy:\n  version: 2\nanswers: [{who: ana@b, may: dag.get}]\n",
        "bad_policy.yaml": GOOD.replace("policy.yaml", "dags.yaml"),
        "refused.yaml": "policy: dags.yaml\nrefused: [expected a mapping]\n",
        "which.yaml": GOOD.replace("deployment_id: dep\n", ""),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """A function that runs `astro-auth test` in the folder."""

    def run_test(*words: str) -> tuple[int, str, str]:
        code: Any = 0
        try:
            main(["test", *words])
        except SystemExit as end:
            code = end.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run_test


def test_as_expected(run: Callable[..., Any]) -> None:
    """A file that passes is one line; its policy and Dags are found from its own folder."""
    assert run("good.yaml") == (0, "good.yaml: 2 cases passed, 0 failed.\n", "")
    assert run("refused.yaml") == (0, "refused.yaml: 1 case passed, 0 failed.\n", "")


def test_otherwise(run: Callable[..., Any]) -> None:
    """An answer that is not as expected is told with its line, what came and why; the other files run, too."""
    code, out, _ = run("wrong.yaml", "good.yaml")
    assert code == 2
    assert out.splitlines() == [
        *DENIED,
        "wrong.yaml: 2 cases passed, 1 failed.",
        "good.yaml: 2 cases passed, 0 failed.",
    ]


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("none.yaml", 1, "none.yaml: cannot read the file: No such file or directory"),
        ("misspelt.yaml", 1, "misspelt.yaml:6:18: answers[1].maynot: unknown key `maynot`, did you mean `may_not`?"),
        ("no_dag.yaml", 1, "no_dag.yaml:5:37: answers[0].dag: Dag `order` is not under `dags`, did you mean `orders`?"),
        ("inline.yaml", 3, "inline.yaml:2:3: policy: the key `organization_id` is missing"),
        ("bad_policy.yaml", 3, "dags.yaml:1:1: expected a mapping that begins with `version: 1`, found a list"),
        (
            "which.yaml",
            1,
            "which.yaml: which Deployment? Name it with `deployment_id`; the policy lists `dep`, `dep-2`, `dep-other`",
        ),
    ],
)
def test_files_that_cannot_run(run: Callable[..., Any], name: str, code: int, said: str) -> None:
    """Mistakes of a file and of its policy are told with their places, and have exit codes of their own."""
    found, out, error = run(name, "-o", "json")
    assert (found, out) == (code, "[]\n")
    assert error.splitlines()[0] == said
    assert run("inline.yaml", "misspelt.yaml", "wrong.yaml")[0] == 1
    assert run("inline.yaml", "wrong.yaml")[0] == 3


@pytest.mark.parametrize(("form", "load"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_for_machines(run: Callable[..., Any], form: str, load: Callable[[str], Any]) -> None:
    """Machines get every case with what was expected and what came."""
    code, out, _ = run("wrong.yaml", "-o", form)
    assert code == 2
    assert [(each["file"], each["line"], each["passed"]) for each in load(out)] == [
        ("wrong.yaml", 5, True),
        ("wrong.yaml", 6, True),
        ("wrong.yaml", 7, False),
    ]
    assert load(out)[2]["found"] == "denied"


def test_schema(capsys: pytest.CaptureFixture[str]) -> None:
    """`schema test` prints the schema of scenario files."""
    main(["schema", "test"])
    assert json.loads(capsys.readouterr().out) == scenario_file.json_schema()
    assert commands.schema


# -- the plugin ----------------------------------------------------------------------------------------------------


# Plugins of these tests that take seconds to load.
NOT_NEEDED = ("cacheprovider", "hypothesispytest", "schemathesis", "anyio", "xdist", "xdist.looponfail", "pytest_cov")


def pytest_in(folder: Path, *words: str) -> tuple[int, str]:
    """Run pytest in a project of somebody else that has this package installed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    found = subprocess.run(
        [sys.executable, "-m", "pytest", *(f"-pno:{name}" for name in NOT_NEEDED), *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return found.returncode, found.stdout


def test_plugin(folder: Path) -> None:
    """Files of the name are tests, each expectation one, and a failure tells what the command tells."""
    (folder / "policy.astro-auth.yaml").write_text(WRONG)
    (folder / "broken.astro-auth.yml").write_text("policy: 1\n")
    code, out = pytest_in(folder, "-v")
    assert code == 2
    assert "broken.astro-auth.yml:1:9: policy: expected a policy, or the path of a policy file" in out
    (folder / "broken.astro-auth.yml").unlink()
    code, out = pytest_in(folder, "-v")
    assert code == 1
    assert "policy.astro-auth.yaml::5: ana@b may dag.get on Dag orders PASSED" in out
    for line in DENIED:
        assert line.replace("wrong.yaml", str(folder / "policy.astro-auth.yaml")) in out
    assert "1 failed, 2 passed" in out


def test_plugin_option(folder: Path) -> None:
    """Other names can be told; every other YAML file stays what it is, and -p no:astro_auth takes the plugin away."""
    code, out = pytest_in(folder, "-o", "astro_auth_files=good.yaml ref*.yaml")
    assert (code, "3 passed" in out) == (0, True)
    assert pytest_in(folder)[0] == 5
    (folder / "policy.astro-auth.yaml").write_text(WRONG)
    assert pytest_in(folder, "-p", "no:astro_auth")[0] == 5


def test_plugin_is_light() -> None:
    """A pytest that has no scenario files pays nothing: the plugin imports none of what the package needs."""
    heavy = "{'airflow', 'pydantic', 'yaml', 'rich', 'astro_auth_plugin.rbac', 'astro_auth_plugin.cli'}"
    code = f"import sys, astro_auth_plugin.pytest_plugin; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert found.stdout == "[]\n"
