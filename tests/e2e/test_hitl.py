"""Human-in-the-loop tasks with assigned people: an entry names one by e-mail, by FAB's id, or by user name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .client import Everybody
from .database import Database
from .tables import ALLOWED, REFUSED, rows
from .test_writes import attempt
from .writes import ASK

ASSIGNED = "tag.author"
# May answer the other questions of Team finance, or of every Team.
OTHERS = ("workspace.operator", "organization.owner", "lifted.member", "tag.viewer", "id.author", "nobody")


@pytest.fixture
def assign(database: Database) -> Iterator[Callable[[str], None]]:
    """Assigns the question of the Dag `approval` to one entry; afterwards it is assigned as the Dag file says."""

    def to(entry: Any) -> None:
        database.run(
            f"UPDATE hitl_detail SET assignees = :entries WHERE ti_id = {ASK}",
            entries=json.dumps([{"id": entry, "name": "Somebody Else"}]),
            dag="approval",
        )

    yield to
    to("tag.author@example.com")


@pytest.fixture
def answer(everybody: Everybody, database: Database, write_names: list[dict]) -> Callable[[str], tuple[str, bool]]:
    """Lets somebody answer the question: the answer's letter, and whether the row in the database has it."""
    row = next(row for row in rows("expected_writes.txt") if row.name == "answer question")
    return lambda user: attempt(row, everybody[user], database, write_names[0] | {"dag": "approval"})


def id_of(user: str, database: Database) -> str:
    return str(database.value("SELECT id FROM ab_user WHERE username = :user", user=user))


@pytest.mark.parametrize("way", ["as in the Dag file", "e-mail", "user name", "id"])
def test_assigned_person(way: str, assign: Any, answer: Any, database: Database) -> None:
    """The assigned person answers, whichever way the entry names them; everybody else is refused and changes nothing."""
    entries = {"e-mail": "TAG.Author@example.com", "user name": ASSIGNED, "id": id_of(ASSIGNED, database)}
    if way in entries:
        assign(entries[way])
    for user in OTHERS:
        assert answer(user) == (REFUSED, False), user
    assert answer(ASSIGNED) == (ALLOWED, True)


@pytest.mark.parametrize("entry", ["TAG.author", "Somebody Else", "tag", "", "tag.author@example.com ", "0", "~"])
def test_entry_that_is_nobody(entry: str, assign: Any, answer: Any) -> None:
    """An entry that names nobody exactly lets nobody answer; the name that it shows counts for nothing."""
    assign(entry)
    for user in (ASSIGNED, "organization.owner"):
        assert answer(user) == (REFUSED, False), user


def test_assigned_without_the_permission(assign: Any, answer: Any) -> None:
    """To be assigned gives nobody a permission: who may only look is refused, and so are all who are not assigned."""
    assign("tag.viewer")
    for user in ("tag.viewer", ASSIGNED):
        assert answer(user) == (REFUSED, False), user


def test_name_that_looks_like_an_address(assign: Any, answer: Any, database: Database) -> None:
    """An account that is named after somebody else's address or id does not pass for that person."""
    for name in ("lifted.member@example.com", id_of("lifted.member", database)):
        assign(name)
        database.run("UPDATE ab_user SET username = :name WHERE username = :user", name=name, user=ASSIGNED)
        try:
            assert answer(ASSIGNED) == (REFUSED, False)
            assert answer("lifted.member") == (ALLOWED, True)
        finally:
            database.run("UPDATE ab_user SET username = :user WHERE username = :name", name=name, user=ASSIGNED)
