"""`astro-auth plan fab POLICY`: who gains and who loses what against the FAB of today."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from astro_auth_plugin.cli.importers.fab_draft import draft_of
from astro_auth_plugin.cli.importers.fab_roles import Tables
from astro_auth_plugin.cli.importers.policy_draft import render
from astro_auth_plugin.cli.main import main
from astro_auth_plugin.cli.review import plan_fab
from tests.cli.importers.test_fab_draft import IDS, STOCK, tables

Run = Callable[..., tuple[int, str, str]]
DAGS = [{"dag_id": "ledger", "tags": ["finance"]}, {"dag_id": "plain", "tags": []}]
TAGGED = """\
version: 1
organization_id: org
workspaces: [{id: ws}]
deployments: [{id: dep, workspace_id: ws}]
users: [{email: vi@example.com, dag_roles: [{deployment_id: dep, tag: finance, role: DAG_VIEWER}]}]
"""


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A function that runs `astro-auth plan fab` against a FAB with a Viewer and an Op, who has no e-mail."""
    found = tables(STOCK, vi="Viewer", op="Op")
    accounts = (found.accounts[0], found.accounts[1]._replace(email="op"))
    monkeypatch.setattr(plan_fab, "fab_tables", lambda: Tables(STOCK, found.pairs, accounts))
    monkeypatch.chdir(tmp_path)
    Path("same.yaml").write_text(render(draft_of(tables(STOCK, vi="Viewer"), IDS)))
    Path("tagged.yaml").write_text(TAGGED)
    Path("dags.json").write_text(json.dumps(DAGS))

    def run_plan(*words: str) -> tuple[int, str, str]:
        code: Any = 0
        try:
            main(["plan", "fab", *words, "--dags", "dags.json"])
        except SystemExit as end:
            code = end.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run_plan


def test_table(run: Run) -> None:
    """Each person has a row, those who lose everything included, and a sentence sums it up."""
    code, out, _ = run("same.yaml")
    lines = [line.split("   ")[0].strip() for line in out.strip().splitlines()]
    assert code == 0
    assert lines[2:4] == ["op (invalid e-mail address)", "vi@example.com"]
    assert "everything" in out.splitlines()[3]
    assert lines[-1] == "FAB today and `same.yaml`: of 2 rows 1 with losses, 0 with gains."


@pytest.mark.parametrize(
    ("policy", "fail_on", "code"),
    [
        ("same.yaml", "widening", 0),
        ("same.yaml", "any", 2),
        ("tagged.yaml", "widening", 2),
        ("tagged.yaml", "any", 2),
    ],
)
def test_exit_codes(run: Run, policy: str, fail_on: str, code: int) -> None:
    """`--fail-on` looks at gains alone, or at everything."""
    assert run(policy, "--fail-on", fail_on)[0] == code
    assert run(policy)[0] == 0


@pytest.mark.parametrize(("form", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_for_machines(run: Run, form: str, read: Callable[[str], Any]) -> None:
    """Machines get each permission with its Dags: by tag, those that have the tag now."""
    code, out, _ = run("tagged.yaml", "-o", form)
    values = read(out)
    assert (code, values["old"], values["new"], values["widens"]) == (0, "fab", "tagged.yaml", True)
    op, viewer = values["people"]
    assert (op["subject"], op["note"], op["policy"], op["gains"]) == ("op", "invalid e-mail address", [], [])
    assert viewer["account"] == 1
    assert viewer["fab_roles"] == ["Viewer"]
    lost = {each["permission"]: each for each in viewer["losses"]}
    whole = {"in_part": [], "deployment": False, "other_dags": True, "dags": ["plain"]}
    assert lost["dag.get"] == {"permission": "dag.get", **whole}
    gained = {each["permission"]: each["dags"] for each in viewer["gains"]}
    assert gained == {"auditLog.get": ["ledger"]}


def test_markdown(run: Run) -> None:
    """The table is one for a pull request, too."""
    code, out, _ = run("tagged.yaml", "-o", "markdown")
    assert code == 0
    head, _, columns, rule, *rows = out.splitlines()
    assert head == "### FAB today and `tagged.yaml`: of 2 rows 2 with losses, 1 with gains."
    assert columns == "| Person | Roles in FAB | FAB today | The policy | Lost | Gained |"
    assert rule == "| --- | --- | --- | --- | --- | --- |"
    assert rows[0].startswith("| `op` (invalid e-mail address) | `Op` | see, run, change, delete all Dags; change ")
    assert rows[1].endswith("| auditLog.get on `ledger` |")


def test_wrong_words(run: Run) -> None:
    """FAB can only be the old version, and has no other Dags afterwards."""
    assert "--new-dags needs two versions of a policy" in run("same.yaml", "--new-dags", "dags.json")[2]
    code, _, error = run("fab")
    assert code == 1
    assert "there is no file `fab`" in error
    assert run("same.yaml", "--deployment", "other")[0] == 3
