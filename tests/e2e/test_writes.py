"""Every change of the table, by everybody, and whether it happened."""

from __future__ import annotations

import pytest

from .client import Caller, Everybody
from .database import Database
from .tables import ALLOWED, Row, every_row, letter, rows
from .writes import WRITES, filled, perform

ROWS = rows("expected_writes.txt")


def test_every_row_is_described() -> None:
    """Each row of the table says what to send and where the change shows, and nothing is described in vain."""
    assert set(WRITES) == {row.name for row in every_row("expected_writes.txt")}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_write(row: Row, everybody: Everybody, database: Database, write_names: list[dict]) -> None:
    """Everybody is answered as the table says, and the database has changed exactly for those who were allowed."""
    wrong = []
    for caller in everybody.of("".join(row.cells)):
        for expected, names in zip(row.cells[caller.column], write_names, strict=False):
            got = attempt(row, caller, database, names)
            if got != (expected, expected == ALLOWED):
                wrong.append(f"{caller.user} ({caller.column}) on {names['dag']}: expected {expected}, got {got}")
    assert not wrong, "\n".join([f"{row.method} {row.path}", *wrong])


def attempt(row: Row, caller: Caller, database: Database, names: dict) -> tuple[str, bool]:
    """The letter of the answer, and whether the row in the database has changed."""
    write = WRITES[row.name]
    perform(write.ready, database, names)
    before = database.rows(write.shows, **names)
    try:
        answer = caller.request(row.method, row.path.format(**names), json=filled(write.body, names))
        changed = database.rows(write.shows, **names) != before
    finally:
        perform(write.after, database, names)
    return letter(answer.status_code), changed
