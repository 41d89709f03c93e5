"""`astro-auth plan`: who gains and who loses what, from files, revisions of git and the configured file."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from astro_auth_plugin.cli.main import main
from astro_auth_plugin.cli.review import policy_versions
from astro_auth_plugin.cli.review.plan_report import as_code, in_backticks
from tests.in_request import HEAD

ONE_DEPLOYMENT = HEAD.replace(", {id: dep-2, workspace_id: ws}, {id: dep-other, workspace_id: ws-other}", "")
TEAM = """\
teams:
  - name: sales
    members: [%s]
    dag_roles:
      - {deployment_id: dep, tag: %s, role: %s}
"""
OLD = ONE_DEPLOYMENT + TEAM % ("ana@b, bo@b", "team:sales", "DAG_VIEWER")
NEW = ONE_DEPLOYMENT + TEAM % ("ana@b, bo@b, cy@b", "team:sales", "DAG_AUTHOR")
DAGS = [{"dag_id": "orders", "tags": ["team:sales"]}, {"dag_id": "ledger", "tags": []}]

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A function that runs `astro-auth plan` in an empty folder, where no Airflow is set up."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "none"))
    monkeypatch.delenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")

    def run_plan(*words: str) -> tuple[int, str, str]:
        code: Any = 0
        try:
            main(["plan", *words])
        except SystemExit as end:
            code = end.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run_plan


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with two versions of a policy, and a list of Dags."""
    (tmp_path / "old.yaml").write_text(OLD)
    (tmp_path / "new.yaml").write_text(NEW)
    (tmp_path / "dags.json").write_text(json.dumps(DAGS))
    return tmp_path


def test_for_people(files: Path, run: Run) -> None:
    """A Team whose role changed is one line, who joined is another, and the grants stand below with their lines."""
    code, out, error = run("old.yaml", "new.yaml", "--dags", "dags.json")
    assert (code, error) == (0, "")
    assert out.splitlines() == [
        "Deployment `dep`: 2 changes",
        (
            "  wider   Team `sales` (2 people): gains dag.update, dag.delete, dagRun.create, dagRun.update,"
            " dagRun.delete, taskInstance.create and 3 more on Dag `orders`"
        ),
        "            gone: `DAG_VIEWER` on tag `team:sales` (line 9)",
        "            new: `DAG_AUTHOR` on tag `team:sales` (line 9)",
        (
            "  wider   `cy@b` joins Team `sales`: gains docs.get, website.get in the whole Deployment;"
            " gains all permissions of DAG_AUTHOR on Dag `orders`"
        ),
        "Access is added from `old.yaml` to `new.yaml`.",
    ]


def test_without_dags(files: Path, run: Run) -> None:
    """Where no Dags are at hand, the plan says so and tells of tags."""
    out = run("old.yaml", "new.yaml")[1]
    assert out.startswith("Deployment `dep`: 2 changes (no Dags available: by tag, bundle and id)\n")
    assert "on tag `team:sales`" in out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("old.yaml", "new.yaml", "--fail-on", "widening"), 2),
        (("old.yaml", "new.yaml", "--fail-on", "any"), 2),
        (("new.yaml", "old.yaml", "--fail-on", "widening"), 0),
        (("new.yaml", "old.yaml", "--fail-on", "any"), 2),
        (("old.yaml", "old.yaml", "--fail-on", "any"), 0),
        (("old.yaml", "bad.yaml"), 3),
        (("old.yaml", "none.yaml"), 1),
        (("old.yaml", "--help-me", "new.yaml"), 1),
        (("old.yaml", "new.yaml", "--deployment", "nowhere"), 1),
        (("old.yaml", "new.yaml", "--new-dags", "dags.json"), 1),
    ],
)
def test_exit_codes(files: Path, run: Run, words: tuple[str, ...], code: int) -> None:
    """A build can fail on a widening, or on any change; a bad policy and bad arguments have codes of their own."""
    (files / "bad.yaml").write_text("version: 2\n")
    assert run(*words)[0] == code


def test_a_widening_outside_the_list_of_grants(files: Path, run: Run) -> None:
    """An API token with another secret is a widening: whoever has it holds what the token holds."""
    token = "api_tokens: [{id: ci, name: ci, secret_sha256: '%s', expires_at: never, roles: [{role: DEPLOYMENT_ADMIN, entity_type: DEPLOYMENT, entity_id: dep}]}]\n"
    (files / "old.yaml").write_text(ONE_DEPLOYMENT + token % ("1" * 64))
    (files / "new.yaml").write_text(ONE_DEPLOYMENT + token % ("2" * 64))
    code, out, _ = run("old.yaml", "new.yaml", "--fail-on", "widening")
    assert code == 2
    assert "  wider: API token `ci`: another secret, with the token's access\n" in out


@pytest.mark.parametrize("change", ["member", "group", "role", "none", "both"])
def test_what_support_teams_get_counts_while_support_access_is_disallowed(files: Path, run: Run, change: str) -> None:
    """One setting gives it to them at once, and that change shows only the Team."""
    old = OLD.replace("name: sales", "name: sales\n    support: true") + "support_access: disallowed\n"
    news = {
        "member": old.replace("bo@b", "bo@b, cy@b"),
        "group": old.replace("bo@b]", "bo@b]\n    idp_groups: [all]"),
        "role": old.replace(
            "    dag_roles:\n", "    dag_roles:\n      - {deployment_id: dep, dag_id: x, role: DAG_VIEWER}\n"
        ),
        "none": old.replace("bo@b", "bo@b") + "# a comment\n",
        "both": old.replace("bo@b", "bo@b, cy@b").replace("support_access: disallowed\n", ""),
    }
    (files / "old.yaml").write_text(old)
    (files / "new.yaml").write_text(news[change])
    code, out, _ = run("old.yaml", "new.yaml", "--fail-on", "widening", "--deployment", "dep")
    whose = {"member": "`cy@b`", "group": "group `all`", "role": "`ana@b`, `bo@b`"}.get(change)
    line = f"wider: key `support_access` of {whose}: gains access as soon as it is allowed"
    assert (code == 0) == (change == "none")
    assert (line in out) == (change not in ("none", "both")), out


def test_grants_that_reach_no_deployment(files: Path, run: Run) -> None:
    """A role in a Workspace without a Deployment, and one of the Organization, is a widening that names its people."""
    head = ONE_DEPLOYMENT.replace("workspaces: [", "workspaces: [{id: 'no`where'}, ")
    person = "users: [{email: ana@b%s}]\n"
    roles = ", organization_role: ORGANIZATION_BILLING_ADMIN, workspace_roles: [{workspace_id: 'no`where', role: WORKSPACE_OWNER}]"
    (files / "old.yaml").write_text(head + person % "")
    (files / "new.yaml").write_text(head + person % roles)
    code, out, _ = run("old.yaml", "new.yaml", "--fail-on", "widening")
    assert (code, out.splitlines()) == (
        2,
        [
            "Other changes of the policy:",
            "  wider: new Organization role `ORGANIZATION_BILLING_ADMIN` of `ana@b`",
            "  wider: new Workspace role `WORKSPACE_OWNER` on Workspace `no`where` of `ana@b`",
            "Access is added from `old.yaml` to `new.yaml`.",
        ],
    )
    assert "on Workspace `` no`where `` of `ana@b`" in run("old.yaml", "new.yaml", "-o", "markdown")[1]
    found = json.loads(run("old.yaml", "new.yaml", "-o", "json")[1])["declared"][1]
    assert (found["name"], found["workspace_id"], found["subjects"]) == ("WORKSPACE_OWNER", "no`where", ["ana@b"])


def test_nothing_changes(files: Path, run: Run) -> None:
    """Two files that let everybody do the same are one sentence, whatever they look like."""
    (files / "new.yaml").write_text(OLD.replace("ana@b, bo@b", "BO@b, ana@b") + "# so\n")
    assert run("old.yaml", "new.yaml")[1] == "Nothing changes from `old.yaml` to `new.yaml`.\n"


def test_all_deployments(files: Path, run: Run) -> None:
    """Without --deployment every Deployment of the two files is looked at, so no widening is missed; a Dag list is of one."""
    (files / "old.yaml").write_text(HEAD)
    (files / "new.yaml").write_text(HEAD + TEAM.replace("dep,", "dep-other,") % ("ana@b", "x", "DAG_VIEWER"))
    code, out, _ = run("old.yaml", "new.yaml", "--fail-on", "widening")
    assert (code, out.splitlines()[0]) == (
        2,
        "Deployment `dep-other`: 1 change (no Dags available: by tag, bundle and id)",
    )
    assert run("old.yaml", "new.yaml", "--fail-on", "widening", "--deployment", "dep")[0] == 0
    assert run("old.yaml", "new.yaml", "--dags", "dags.json")[2] == (
        "error: a Dag list is of one Deployment: name it with --deployment\n"
    )


def test_tags_that_change(files: Path, run: Run) -> None:
    """With a second Dag list, tags that change are told as what they are."""
    (files / "tagged.yaml").write_text("- {dag_id: orders}\n- {dag_id: ledger, tags: [team:sales]}\n")
    out = run("old.yaml", "old.yaml", "--dags", "dags.json", "--new-dags", "tagged.yaml")[1].splitlines()
    assert out[1].startswith(
        "  wider   Dag `ledger` has other tags or another file, for `ana@b`, `bo@b`: gains all permissions of DAG_VIEWER"
    )
    assert out[2].startswith(
        "  less    Dag `orders` has other tags or another file, for `ana@b`, `bo@b`: loses all permissions of DAG_VIEWER"
    )


@pytest.mark.parametrize(("form", "load"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_for_machines(files: Path, run: Run, form: str, load: Callable[[str], Any]) -> None:
    """Machines get everything that sentences only count."""
    found = load(run("old.yaml", "new.yaml", "--dags", "dags.json", "-o", form)[1])
    assert (found["old"], found["new"], found["widens"], found["declared"]) == ("old.yaml", "new.yaml", True, [])
    (deployment,) = found["deployments"]
    team, joins = deployment["changes"]
    assert (deployment["deployment_id"], deployment["by_scope"]) == ("dep", False)
    assert team["cause"] == {"kind": "Team", "name": "sales"}
    assert (team["subjects"], team["unaffected"], team["widens"], team["losses"]) == (["ana@b", "bo@b"], 0, True, [])
    (gain,) = team["gains"]
    assert (len(gain["permissions"]), gain["deployment"], gain["dags"], gain["tags"]) == (9, False, ["orders"], [])
    assert team["grants"][1] == {"sign": "+", "role": "DAG_AUTHOR", "on": "tag", "id": "team:sales", "line": 9}
    assert joins["cause"] == {"kind": "joins", "name": "sales"}


# -- a comment of a pull request -----------------------------------------------------------------------------------

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "@everybody",
    "a`b``c <b>",
    "`",
    "[x](javascript:alert(1))",
    "x | y \\| z",
    "two\nlines\n# heading",
    "\u202egnorw",
    "https://example.com #1 !2",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_quotes(files: Path, run: Run, text: str) -> None:
    """Words of a policy are code in Markdown, which no renderer reads as markup, and the text cannot end the code."""
    (files / "new.yaml").write_text(ONE_DEPLOYMENT + TEAM % ("ana@b", json.dumps(text), "DAG_VIEWER"))
    out = run("old.yaml", "new.yaml", "-o", "markdown")[1]
    assert as_code(text) in out
    outside = remove_code(out)
    assert not any(char in outside for char in "<>@`|\\[]\u202e#")


def remove_code(markdown: str) -> str:
    """Return what is outside of the code spans, found as CommonMark finds them: equal runs of backticks."""
    kept, rest = "", markdown.removeprefix("### ")
    while "`" in rest:
        before, _, _ = rest.partition("`")
        fence = len(rest) - len(before) - len(rest[len(before) :].lstrip("`"))
        start = len(before) + fence
        end = start
        while True:
            end = rest.index("`", end)
            run_length = len(rest[end:]) - len(rest[end:].lstrip("`"))
            if run_length == fence:
                break
            end += run_length
        assert "\n" not in rest[start:end]
        kept, rest = kept + before, rest[end + fence :]
    return kept + rest


def test_markdown(files: Path, run: Run) -> None:
    """The comment says first whether somebody gains access, and marks what widens."""
    (files / "roles.yaml").write_text(NEW + "roles: [{name: r, scope: DAG, permissions: [dag.airflow.dag.get]}]\n")
    lines = run("old.yaml", "roles.yaml", "-o", "markdown")[1].splitlines()
    assert lines[0] == "### Access is added from `old.yaml` to `roles.yaml`."
    assert lines[4].startswith("- **wider** Team `sales` (2 people): gains dag.update,")
    assert lines[5] == "  - gone: `DAG_VIEWER` on tag `team:sales` (line 9)"
    assert lines[-3:] == ["Other changes of the policy:", "", "- new role `r`: +dag.airflow.dag.get"]


def test_long_comments_are_cut(files: Path, run: Run) -> None:
    """A comment stays short enough for the places where comments go, and says how much is missing."""
    users = "".join(
        f"  - {{email: u{number}@b, dag_roles: [{{deployment_id: dep, tag: x, role: DAG_VIEWER}}]}}\n"
        for number in range(600)
    )
    (files / "new.yaml").write_text(OLD + "users:\n" + users)
    out = run("old.yaml", "new.yaml", "-o", "markdown")[1]
    assert 50_000 < len(out) < 60_100
    assert out.splitlines()[-1].endswith(" lines more.")


def test_terminals() -> None:
    """What is not printable cannot steer a terminal."""
    assert in_backticks("\x1b[31mred\n") == "`\\x1b[31mred\\n`"


# -- revisions, and the configured file ----------------------------------------------------------------------------


@pytest.fixture
def repository(files: Path) -> Path:
    """A git repository in which main has the old version, and the folder the new one."""
    folder = files / "access"
    folder.mkdir()
    (folder / "policy.yaml").write_text(OLD)
    who = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    for words in (["init", "-q", "-b", "main"], ["add", "access"], [*who, "commit", "-qm", "policy"]):
        subprocess.run(["git", *words], cwd=files, check=True)
    (folder / "policy.yaml").write_text(NEW)
    return files


def test_revisions(repository: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version can be a file of a revision, as git writes it or with --policy, from wherever one stands."""
    expected = run("old.yaml", "access/policy.yaml", "-o", "json")[1].replace('"old.yaml"', '"X"')
    for word, more in [("main:access/policy.yaml", ()), ("main", ("--policy", "access/policy.yaml"))]:
        found = run(word, "access/policy.yaml", "-o", "json", *more)[1]
        assert found.replace(f'"{word}"', '"X"') == expected
    monkeypatch.chdir(repository / "access")
    assert run("main", "policy.yaml", "--policy", "policy.yaml", "--fail-on", "widening")[0] == 2
    assert run("main:./policy.yaml", "policy.yaml", "--fail-on", "widening")[0] == 2
    monkeypatch.chdir(repository / "..")
    path = str(repository / "access" / "policy.yaml")
    assert "git has none" in run("main", path, "--policy", path)[2]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        (
            "nosuch",
            "there is no file `nosuch`; for a revision of git write `nosuch:PATH`, or name the file with --policy",
        ),
        ("main:nosuch.yaml", "there is no file `main:nosuch.yaml`, and git has none: fatal: "),
        ("nosuch:access/policy.yaml", "there is no file `nosuch:access/policy.yaml`, and git has none: fatal: "),
        ("main:access", "there is no file `main:access`, and git has none: fatal: "),
        (
            "main:access/policy.yaml;touch x",
            "there is no file `main:access/policy.yaml;touch x`, and git has none: fatal: ",
        ),
    ],
)
def test_revisions_that_are_not_there(repository: Path, run: Run, word: str, said: str) -> None:
    """What neither a file nor git has is said, in git's words; nothing of it is a command."""
    code, out, error = run(word, "access/policy.yaml")
    assert (code, out) == (1, "")
    assert error.startswith(f"error: {said}")
    assert not (repository / "x").exists()


def test_options_are_no_revisions(repository: Path, run: Run) -> None:
    """A word that git would take for one of its options never reaches it."""
    code, _, error = run("--", "--textconv:access/policy.yaml", "access/policy.yaml")
    assert (code, error) == (1, "error: `--textconv:access/policy.yaml` is neither a file nor a revision of git\n")


def test_bad_revisions(repository: Path, run: Run) -> None:
    """A bad policy in a revision is all its problems, with the revision in front."""
    (repository / "access" / "bad.yaml").write_text("version: 2\n")
    subprocess.run(["git", "add", "access/bad.yaml"], cwd=repository, check=True)
    code, _, error = run(":access/bad.yaml", "old.yaml")
    assert code == 3
    assert error.splitlines()[1].startswith(":access/bad.yaml:1:1: the key `organization_id` is missing")


def test_without_git(files: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without git, revisions cannot be read, and that is said; a git that hangs is not waited for."""
    monkeypatch.setattr(policy_versions, "which", lambda _: None)
    assert (
        run("main:x", "old.yaml")[2]
        == "error: there is no file `main:x`, and git is not installed, so no revision can be read\n"
    )
    slow = files / "slow"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr(policy_versions, "which", lambda _: str(slow))
    monkeypatch.setattr(policy_versions, "_PATIENCE", 0.1)
    assert run("main:x", "old.yaml")[2] == "error: git did not answer within 0.1 seconds\n"


def test_configured(files: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """`configured` is the file of [astro_auth] policy_file, of the Deployment that is served."""
    assert run("configured", "new.yaml")[2].startswith("error: no policy: name one with --policy, or set [astro_auth]")
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__POLICY_FILE", str(files / "old.yaml"))
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__DEPLOYMENT_ID", "dep")
    out = run("configured", "new.yaml")[1]
    assert out.splitlines()[-1] == "Access is added from `configured` to `new.yaml`."


def test_database(files: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an Airflow is set up, the Dags are those of its database; one that cannot be read is an error."""
    from astro_auth_plugin.authorization import dag_lookup
    from astro_auth_plugin.rbac.model.scopes import Dag

    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "sqlite://")
    monkeypatch.setattr(dag_lookup, "read_all_dags", lambda: [Dag("from_database", frozenset({"team:sales"}))])
    assert "on Dag `from_database`" in run("old.yaml", "new.yaml")[1]
    monkeypatch.setattr(dag_lookup, "read_all_dags", lambda: 1 / 0)
    code, _, error = run("old.yaml", "new.yaml")
    assert (code, error.count("name a file with --dags")) == (1, 1)
