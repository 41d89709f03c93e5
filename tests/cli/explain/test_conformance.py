"""`explain` with a method and a path says what the tables of the live tests say, for everybody and every row."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from astro_auth_plugin.cli import inputs, main
from astro_auth_plugin.cli.exit_codes import DENIED, FAILED, YES
from astro_auth_plugin.cli.explain import commands
from tests.cli.explain.invoke import values
from tests.e2e.tables import ALLOWED, HERE, HIDDEN, Person, Row, people, rows

DAGS = {"fin": ["team:finance", "daily"], "ops": ["team:ops"]}
NAMES = dict.fromkeys(("backfill", "open_backfill", "audit", "audit_none", "asset", "import_error"), 7)
ROWS = [*rows("expected_reads.txt"), *rows("expected_writes.txt")]

# What only the body tells: the case of each row.
CASES = {
    "backfill": "otherwise",
    "backfill again": "where existing runs are processed again",
    "mark runs": "an item to update",
    "mark tasks": "an item to update",
    "add connections": "an item to create",
    "add Variables": "an item to create",
    "overwrite Variables": "an item to update",
    "add pools": "an item to create",
}
# Whose row of the audit log it is, is not in the path.
UNNAMED = "audit row of no Dag"
# Two accounts of one person hold nothing, which no policy tells.
TWINS = ("twin.one", "twin.two")


@pytest.fixture(scope="module")
def dags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Dags of the tables, those that the write tests make and delete among them."""
    kinds = ("daily", "sync", "writes", "gone")
    listed = [{"dag_id": f"{team}_{kind}", "tags": tags} for team, tags in DAGS.items() for kind in kinds]
    file = tmp_path_factory.mktemp("dags") / "dags.json"
    file.write_text(json.dumps(listed))
    return file


@pytest.fixture(scope="module")
def by_group(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The policy in which all that each person has comes through one group of that name, and no e-mail is named."""
    policy = yaml.safe_load((HERE / "policy.yaml").read_bytes())
    for team in policy["teams"]:
        team["idp_groups"] = team.pop("members")
    policy["teams"] += [{"name": user["email"], "idp_groups": [user.pop("email")], **user} for user in policy["users"]]
    file = tmp_path_factory.mktemp("by-group") / "policy.yaml"
    file.write_text(yaml.safe_dump({**policy, "users": []}))
    return file


@pytest.fixture(scope="module", autouse=True)
def read_once() -> Iterator[None]:
    """Nothing changes while thousands of questions are asked: policy, Dags and the commands' options are read once."""
    with pytest.MonkeyPatch.context() as patch:
        kept: dict[tuple[str, str], object] = {}

        def once(name: str, args: Namespace) -> object:
            key = name, str(args.policy)
            if key not in kept:
                kept[key] = getattr(inputs, name)(args)
            return kept[key]

        patch.setattr(main, "parser", cache(main.parser))
        patch.setattr(commands, "open_policy", lambda args: once("open_policy", args))
        patch.setattr(commands, "read_dags", lambda args, *_: once("read_dags", args))
        yield


def requests(row: Row) -> list[tuple[str, str]]:
    """The paths of a row, each with its Dag."""
    first, second = ("fin_daily", "ops_sync") if row in rows("expected_reads.txt") else ("fin_writes", "ops_writes")
    found = []
    for dag_id in (first, second)[: len(row.cells["O"])]:
        gone = f"{dag_id.split('_')[0]}_gone"
        path = row.path.format(**NAMES, dag=dag_id, gone_dag=gone, file_token="abc")
        found.append((path, dag_id))
    return found


def askers(by_group: Path) -> Iterator[tuple[Person, list[str | Path]]]:
    """Everybody, with the options by which they hold what the tables say; the first of each column also by group."""
    columns = set()
    for person in people():
        if person.user in TWINS:
            continue
        yield person, ["--as", person.email, "--policy", HERE / "policy.yaml"]
        if person.column not in columns:
            columns.add(person.column)
            yield person, ["--as", "new@example.com", "--group", person.email, "--policy", by_group]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row(row: Row, dags: Path, by_group: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Everybody is answered as the server answers, also through groups; where the body decides, in the case of the row."""
    wrong = []
    for person, who in askers(by_group):
        if person.column not in row.cells:
            continue
        for letter, (path, dag_id) in zip(row.cells[person.column], requests(row), strict=True):
            named = [dag_id] if any(place in row.path for place in ("backfill}", "{audit}", "{file_token}")) else []
            named += [dag_id] if row.path == "/api/v2/backfills" and row.method == "POST" else []
            words = ["explain", *who, row.method, path, *named]
            reported = values(capsys, *words, "--deployment", "dep-prod", "--dags", dags)
            if not agrees(row, letter, *reported):
                wrong.append(
                    f"{person.user} as {who[1]} {path}: expected {letter}, got {reported[1]['answer']} {reported[1]['status']}"
                )
    assert not wrong, "\n".join(wrong)


def agrees(row: Row, letter: str, code: int, reported: dict) -> bool:
    """Whether a letter of the table is what the command says."""
    if row.name == UNNAMED and reported["answer"] == "depends":
        return code == FAILED and letter != ALLOWED
    answers = {case["when"]: case["answer"] for case in reported["cases"]}
    if reported["answer"] == "depends":
        return code == FAILED and (answers[CASES[row.name]] == "yes") == (letter == ALLOWED)
    if letter == ALLOWED:
        return (code, reported["answer"]) == (YES, "yes")
    return (code, reported["answer"], reported["status"]) == (DENIED, "no", 404 if letter == HIDDEN else 403)
