"""`airflow astro-auth validate`, without the time that Airflow takes to start."""

from __future__ import annotations

import re
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from astro_auth_plugin.authorization import dag_lookup
from astro_auth_plugin.cli import commands
from astro_auth_plugin.rbac.model.scopes import Dag
from astro_auth_plugin.rbac.policy import policy_schema
from tests.in_request import HEAD
from tests.policy_fixtures import BAD, BAD_PROBLEMS, ODD

READ_ALL_DAGS, HAS_SHARED_FILES = dag_lookup.read_all_dags, dag_lookup.has_shared_files
DAGS = [Dag("fin_daily", frozenset({"finance"})), Dag("untagged", frozenset())]


@pytest.fixture
def configured(file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with a policy file, and a database that has two Dags."""
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__POLICY_FILE", str(file))
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__DEPLOYMENT_ID", "dep")
    monkeypatch.setattr(dag_lookup, "read_all_dags", lambda: DAGS)
    monkeypatch.setattr(dag_lookup, "has_shared_files", lambda: False)
    return file


def validate(capsys: pytest.CaptureFixture[str], file: Path | str | None = None) -> tuple[int, list[str], str]:
    """Run the command; return its exit code, the lines it printed, and what it said on the error stream."""
    code: Any = 0
    try:
        commands.validate(Namespace(file=None if file is None else str(file)))
    except SystemExit as end:
        code = end.code
    printed = capsys.readouterr()
    return code, printed.out.splitlines(), printed.err


def test_good_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file without problems can be used, which is one line and exit code 0."""
    assert validate(capsys, file) == (0, [f"{file} can be used: 0 errors, 0 warnings."], "")


def test_bad_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A bad file is all its problems, with file, line and column in front, and exit code 3."""
    file.write_text(HEAD + BAD)
    code, lines, _ = validate(capsys, file)
    assert code == 3
    assert lines == [
        *(f"{file}:{problem}" for problem in BAD_PROBLEMS),
        f"{file} cannot be used: 4 errors, 0 warnings.",
    ]


def test_warnings_do_not_fail(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file with warnings can be used; without an installation nothing is said of its Dags."""
    file.write_text(HEAD + ODD)
    code, lines, _ = validate(capsys, file)
    assert code == 0
    assert lines == [
        f"{file}:5:9: warning: teams[0]: this Team has neither members nor groups",
        f"{file} can be used: 0 errors, 1 warning.",
    ]


def test_against_the_installation(configured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where a metadata database is at hand, ids and tags that no Dag has are warnings."""
    configured.write_text(HEAD + ODD)
    code, lines, _ = validate(capsys)
    assert code == 0
    assert lines[1:] == [
        f"{configured}:10:35: warning: users[0].dag_roles[1].tag: no Dag carries the tag `no-such-tag`",
        f"{configured}:11:38: warning: users[0].dag_roles[2].dag_id: there is no Dag `no_such_dag`",
        f"{configured} can be used: 0 errors, 3 warnings.",
    ]


def test_exposure(configured: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What Airflow shows to people of this policy who should not see it is a warning, once, at the first grant."""
    monkeypatch.setattr(dag_lookup, "has_shared_files", lambda: True)
    configured.write_text(HEAD + ODD)
    code, lines, _ = validate(capsys)
    about = [line for line in lines if "older versions of a file's source" in line]
    assert (code, len(about)) == (0, 1)
    assert about[0].startswith(f"{configured}:9:1: warning: users[0].dag_roles[0]: on Airflow ")


def test_database_that_does_not_answer(
    configured: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a database the file itself is still checked."""
    monkeypatch.setattr(dag_lookup, "read_all_dags", lambda: 1 / 0)
    configured.write_text(HEAD + ODD)
    code, lines, error = validate(capsys)
    assert (code, lines[-1], error) == (0, f"{configured} can be used: 0 errors, 1 warning.", "")


def test_real_database(
    configured: Path, metadata_database: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The database that is asked is Airflow's."""
    configured.write_text(
        HEAD + "users: [{email: a@b, dag_roles: [{deployment_id: dep, dag_id: nope, role: DAG_VIEWER}]}]\n"
    )
    monkeypatch.setattr(dag_lookup, "read_all_dags", READ_ALL_DAGS)
    monkeypatch.setattr(dag_lookup, "has_shared_files", HAS_SHARED_FILES)
    code, lines, _ = validate(capsys)
    assert (code, lines[0]) == (0, f"{configured}:5:63: warning: users[0].dag_roles[0].dag_id: there is no Dag `nope`")


def test_named_file_before_the_configured(configured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is named is checked instead of the configured one, for the configured Deployment."""
    other = configured.with_name("other.yaml")
    other.write_text(HEAD.replace("{id: dep, ", "{id: dep-new, "))
    configured.write_text("broken")
    code, lines, _ = validate(capsys, other)
    assert code == 3
    assert lines == [
        f"{other}: the policy does not list the Deployment `dep`; see [astro_auth] deployment_id",
        f"{other} cannot be used: 1 error, 0 warnings.",
    ]


@pytest.mark.parametrize(("option", "said"), [("workspace_id", "ws-other"), ("organization_id", "org-other")])
def test_ids_that_the_server_would_refuse(
    configured: Path, option: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that the server would refuse for its options cannot be used."""
    monkeypatch.setenv(f"AIRFLOW__ASTRO_AUTH__{option.upper()}", said)
    code, lines, _ = validate(capsys)
    assert code == 3
    assert said in lines[0]


def test_no_file_and_no_option(capsys: pytest.CaptureFixture[str]) -> None:
    """With nothing to look at, the command says what to set or to name, and fails."""
    code, lines, error = validate(capsys)
    assert (code, lines) == (1, [])
    assert "[astro_auth] policy_file is not set" in error
    assert "or name a file: airflow astro-auth validate FILE" in error


@pytest.mark.parametrize(("path", "why"), [("gone.yaml", "No such file or directory"), (".", "Is a directory")])
def test_unreadable_file(file: Path, path: str, why: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that cannot be read cannot be used."""
    code, lines, _ = validate(capsys, file.parent / path)
    assert code == 3
    assert lines[0] == f"{file.parent / path}: cannot read the policy file: {why}"


def test_endless_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file of more than 10 MiB is not read to its end."""
    with file.open("wb") as opened:
        opened.truncate(1 << 40)
    code, lines, _ = validate(capsys, file)
    assert (code, lines[0]) == (3, f"{file}: the file is larger than 10 MiB")


def test_many_warnings(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """However many warnings a file has, it can be used."""
    file.write_text(HEAD + "teams:\n" + "".join(f"  - name: team{number}\n" for number in range(250)))
    assert validate(capsys, file)[0] == 0


def test_printed_as_it_is(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing in a message is taken for markup, coloured into pieces, or broken into lines."""
    email = "[bold]x[/bold][link=https://example.com]" + "y" * 300
    file.write_text(HEAD + f"users: [{{email: '{email}'}}]\n")
    _, lines, _ = validate(capsys, file)
    assert lines[0] == f"{file}:5:17: users[0].email: `{email}` is not an e-mail address"


def test_control_characters(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a policy says cannot steer the terminal."""
    file.write_text(HEAD + 'users: [{email: "\\e[31mred\\e]0;title\\a"}]\n')
    _, lines, _ = validate(capsys, file)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f]", "\n".join(lines))


def test_schema(capsys: pytest.CaptureFixture[str]) -> None:
    """The schema is printed as JSON, and nothing else is."""
    import json

    commands.schema(Namespace())
    assert json.loads(capsys.readouterr().out) == policy_schema.json_schema()
