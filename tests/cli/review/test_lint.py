"""`astro-auth lint`: what is odd about a policy that can be used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from astro_auth_plugin.cli.main import main
from astro_auth_plugin.rbac.review.lint_rules import RULES
from tests.in_request import HEAD

ODD = """\
teams: [{name: empty, dag_roles: [{deployment_id: dep, tag: x, role: DAG_VIEWER}]}]
users: [{email: "ana\\u202e@b"}]
"""


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A function that runs `astro-auth lint` where no Airflow is set up, in a folder with a policy."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "none"))
    monkeypatch.delenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")
    (tmp_path / "policy.yaml").write_text(HEAD + ODD)
    (tmp_path / "dags.yaml").write_text("- {dag_id: orders, tags: [y]}\n")

    def run_lint(*words: str) -> tuple[int, str, str]:
        code: Any = 0
        try:
            main(["lint", *words])
        except SystemExit as end:
            code = end.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run_lint


def test_for_people(run: Callable[..., Any]) -> None:
    """Each finding is a line with its place and rule, and a line with why and what to do; nothing of it is an error."""
    code, out, error = run("policy.yaml")
    assert (code, error) == (0, "")
    assert out.splitlines() == [
        "policy.yaml:5:9: warning: teams[0]: this Team has neither members nor groups (empty-team)",
        "    the Team has no members, so its roles have no effect: add users, or remove it",
        "policy.yaml:6:9: info: users[0]: user `ana\\u202e@b` has no roles (no-roles)",
        "    the entry has no effect: add roles, or remove it",
        "policy.yaml: 1 warning, 1 hint.",
    ]


def test_dags(run: Callable[..., Any]) -> None:
    """With a Dag list, tags that no Dag has are told; the list is of one Deployment, which has to be named."""
    out = run("policy.yaml", "--dags", "dags.yaml", "--deployment", "dep")[1]
    assert "policy.yaml:5:61: warning: teams[0].dag_roles[0].tag: no Dag carries the tag `x` (unknown-tag)\n" in out
    assert run("policy.yaml", "--dags", "dags.yaml")[2].startswith("error: which Deployment?")


def test_database(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an Airflow is set up, its Dags are those of the database, and what it shows regardless is told, too."""
    from astro_auth_plugin.authorization import dag_lookup
    from astro_auth_plugin.rbac.model.scopes import Dag

    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "sqlite://")
    monkeypatch.setattr(dag_lookup, "read_all_dags", lambda: [Dag("orders", frozenset({"y"}))])
    monkeypatch.setattr(dag_lookup, "has_shared_files", lambda: True)
    Path("policy.yaml").write_text(HEAD + ODD.replace("name: empty,", "name: full, members: [bo@b],"))
    out = run("policy.yaml", "--deployment", "dep")[1]
    assert "no Dag carries the tag `x` (unknown-tag)\n" in out
    assert "(shown-by-airflow)\n" in out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--fail-on", "warning"), 2),
        (("--fail-on", "warning", "--ignore", "empty-team"), 0),
        (("--fail-on", "info", "--ignore", "empty-team"), 2),
        (("--fail-on", "info", "--ignore", "empty-team", "--ignore", "no-roles"), 0),
        (("--ignore", "empty-teem"), 1),
    ],
)
def test_exit_codes(run: Callable[..., Any], words: tuple[str, ...], code: int) -> None:
    """A build can fail on warnings or on anything, and rules can be left out; a misspelt rule is a mistake."""
    found, _, error = run("policy.yaml", *words)
    assert found == code
    assert error == ("error: unknown rule `empty-teem`, did you mean `empty-team`?\n" if code == 1 else "")


def test_unknown_deployment(run: Callable[..., Any]) -> None:
    """A Deployment that the policy does not list is an error, also where no Dags are read."""
    code, out, error = run("policy.yaml", "--deployment", "depp")
    assert (code, out) == (3, "")
    assert error == "error: the policy does not list the Deployment `depp`, did you mean `dep`?\n"


def test_bad_policy(run: Callable[..., Any]) -> None:
    """A policy with errors is those errors."""
    Path("policy.yaml").write_text(HEAD + "users: [{email: nobody}]\n")
    code, out, error = run("policy.yaml")
    assert (code, out) == (3, "")
    assert "policy.yaml:5:17: users[0].email: `nobody` is not an e-mail address" in error


@pytest.mark.parametrize(("form", "load"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_for_machines(run: Callable[..., Any], form: str, load: Callable[[str], Any]) -> None:
    """Machines get the same with the words of the rule; a tag of a Dag has no line."""
    Path("policy.yaml").write_text(HEAD + ODD.replace("tag: x", "tag: 'team:x'"))
    Path("dags.yaml").write_text("- {dag_id: orders, tags: ['team:y', 'team:x']}\n")
    found = load(run("policy.yaml", "-o", form, "--dags", "dags.yaml", "--deployment", "dep")[1])
    assert [(each["rule"], each["line"], each["severity"]) for each in found] == [
        ("tag-without-grant", 0, "info"),
        ("empty-team", 5, "warning"),
        ("no-roles", 6, "info"),
    ]
    assert found[1]["advice"] == RULES["empty-team"].advice
    table = run("policy.yaml", "--dags", "dags.yaml", "--deployment", "dep")[1]
    assert table.startswith(
        "policy.yaml: info: Dags carry the tag `team:y`, and no grant names it (tag-without-grant)\n"
    )
