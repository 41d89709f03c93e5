"""From a whole FAB installation to a policy: thirteen people go on working, or it is listed what they lose."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.permissions import mask
from astro_auth_plugin.rbac.model.scopes import Dag
from astro_auth_plugin.rbac.policy import loader
from tests.cli.importers import fab_installation
from tests.cli.importers.fab_installation import ACCOUNTS, DAGS, ELSEWHERE, ON_DAG

IDS = ["--organization", "org", "--workspace", "ws", "--deployment", "dep"]
MODULE = "from tests.cli.importers import fab_installation; fab_installation"
COMMAND = "import sys; from astro_auth_plugin.cli.main import main; main({words!r})"

Listed = set[tuple[str, str]]


class Move(NamedTuple):
    """What a move from FAB gives: FAB's answers by user name, the engine of the policy, the rows of the plan."""

    fab: dict[str, Any]
    engine: Engine
    rows: dict[str, Any]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an Airflow with FAB and its people."""
    home = tmp_path_factory.mktemp("fab")
    fab_installation.run(home, f"{MODULE}.build()")
    return home


@pytest.fixture(scope="module")
def answers(home: Path) -> dict[str, Any]:
    """FAB's own answers."""
    out = fab_installation.run(home, f"{MODULE}.answer()")
    answers: dict[str, Any] = json.loads(out.partition("ANSWERS")[2])
    return answers


def moved(home: Path, answers: dict[str, Any], *more: str) -> Move:
    """Import from FAB, and compare the policy with FAB."""
    path = home / f"policy{''.join(more)}.yaml"
    fab_installation.run(home, COMMAND.format(words=["import", "fab", *IDS, "--out", str(path), *more]))
    found = loader.load(path.read_bytes())
    assert found.policy is not None
    plan = json.loads(fab_installation.run(home, COMMAND.format(words=["plan", "fab", str(path), "-o", "json"])))
    names = {email: name for name, email, _ in ACCOUNTS}
    rows = {names[row["subject"]]: row for row in plan["people"]}
    return Move(answers, Engine(found.policy, "dep", datetime.now(UTC)), rows)


@pytest.fixture(scope="module")
def rounded(home: Path, answers: dict[str, Any]) -> Move:
    """What the import gives by default."""
    return moved(home, answers)


@pytest.fixture(scope="module")
def exact(home: Path, answers: dict[str, Any]) -> Move:
    """What it gives with `--exact`."""
    return moved(home, answers, "--exact")


def asked(move: Move, name: str) -> Iterator[tuple[str, str, bool, bool]]:
    """Yield each question's permission and Dag, '' without one, with FAB's answer and the policy's."""
    row, yes = move.rows[name], set(move.fab[name]["yes"])
    # An account to which the policy gives nothing is not asked by e-mail: another account may have the same.
    email = "" if row["note"] else row["subject"]
    for dag_id in DAGS:
        for question, permission in ON_DAG.items():
            here = move.engine.check(email, mask(permission), Dag(dag_id, frozenset())).allowed
            yield permission, dag_id, f"{dag_id}: {question}" in yes, here
    for question, permission in ELSEWHERE.items():
        # Assets name all their Dags.
        needed = mask(permission, "dag.get") if permission == "datasets.get" else mask(permission)
        yield permission, "", question in yes, move.engine.check(email, needed).allowed


def listed(changes: list[Any]) -> Listed:
    """Return the permissions and Dags of changes."""
    return {
        (change["permission"], place)
        for change in changes
        for place in (*change["dags"], *([""] if change["deployment"] else []))
    }


def test_people(home: Path, answers: dict[str, Any]) -> None:
    """Thirteen people have 89 questions each, and FAB says yes to some of them for all but two."""
    assert len({email.lower() for _, email, _ in ACCOUNTS}) == 13
    assert len(DAGS) * len(ON_DAG) + len(ELSEWHERE) == 89
    assert {name for name, found in answers.items() if not found["yes"]} == {"fay", "hal"}
    assert answers["bo"]["dags"] == ["invoices", "ledger"]


@pytest.mark.parametrize("name", [name for name, *_ in ACCOUNTS])
@pytest.mark.parametrize("how", ["rounded", "exact"])
def test_agrees_with_fab_but_for_what_is_listed(how: str, name: str, request: pytest.FixtureRequest) -> None:
    """Policy and FAB give the same answer to each question, unless the plan lists it; and it lists nothing else."""
    move: Move = request.getfixturevalue(how)
    row = move.rows[name]
    answers = list(asked(move, name))
    lost = {(permission, place) for permission, place, fab, here in answers if fab and not here}
    gained = {(permission, place) for permission, place, fab, here in answers if here and not fab}
    known = {(permission, place) for permission, place, *_ in answers}
    assert lost == listed(row["losses"]) & known
    assert gained == listed(row["gains"]) & known
    assert how == "rounded" or not gained


@pytest.mark.parametrize("name", [name for name, *_ in ACCOUNTS])
def test_keeps_dags(name: str, rounded: Move) -> None:
    """Everyone keeps the Dags that FAB let them see and run, or is listed with what is lost."""
    row = rounded.rows[name]
    losses = listed(row["losses"])
    yes = set(rounded.fab[name]["yes"])
    runs = {dag_id for dag_id in DAGS if f"{dag_id}: POST RUN" in yes}
    for permission, dag_ids in (("dag.get", set(rounded.fab[name]["dags"])), ("dagRun.create", runs)):
        for dag_id in dag_ids:
            kept = rounded.engine.check(row["subject"], mask(permission), Dag(dag_id, frozenset())).allowed
            assert (kept and not row["note"]) or (permission, dag_id) in losses


def test_who_loses(rounded: Move) -> None:
    """Only those lose a Dag who have no usable account; others lose the list of all assets, or FAB's own pages."""
    lose_dags = {name for name, row in rounded.rows.items() if any(place for _, place in listed(row["losses"]))}
    assert lose_dags == {"gus", "ivy", "ivy2"}
    others = {name: listed(row["losses"]) for name, row in rounded.rows.items() if name not in lose_dags}
    assert {name: losses for name, losses in others.items() if losses} == {
        "bo": {("datasets.get", "")},
        "dan": {("datasets.get", "")},
    }
    assert rounded.rows["dan"]["lost_pages"] == ["can_edit on Users", "can_read on Users"]
    assert {name: row["note"] for name, row in rounded.rows.items() if row["note"]} == {
        "fay": "it is not active",
        "gus": "invalid e-mail address",
        "ivy": "duplicate accounts for one e-mail, access is denied for all",
        "ivy2": "duplicate accounts for one e-mail, access is denied for all",
    }


def test_exact_reduces(exact: Move) -> None:
    """What the roundings are for: without them a role of Airflow 2 sees no Dag, and the plan says so."""
    lost = listed(exact.rows["ana"]["losses"])
    assert {("dag.get", dag_id) for dag_id in DAGS} <= lost
    assert not exact.engine.check("ana@example.com", mask("dag.get"), Dag("plain", frozenset())).allowed
