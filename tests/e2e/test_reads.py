"""Every read of the table, by everybody."""

from __future__ import annotations

import pytest

from .client import Everybody
from .tables import Row, letter, rows

ROWS = rows("expected_reads.txt")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_read(row: Row, everybody: Everybody, read_names: list[dict]) -> None:
    """Everybody is answered as the table says, for a Dag of either team."""
    wrong = []
    for caller in everybody.of("".join(row.cells)):
        expected = row.cells[caller.column]
        paths = [row.path.format(**names) for names in read_names[: len(expected)]]
        got = "".join(letter(caller.get(path).status_code) for path in paths)
        if got != expected:
            wrong.append(f"{caller.user} ({caller.column}): expected {expected}, got {got}")
    assert not wrong, "\n".join([f"GET {row.path}", *wrong])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("log", "log of load of fin_daily"),
        ("XComs", "return_value"),
        ("one XCom", "value of fin_daily"),
        ("code", "A Dag of Team finance, on a schedule"),
        ("one run", "note of run done of fin_daily"),
        ("one task instance", "note of load of fin_daily"),
        ("its question", "May fin_daily go on?"),
        ("audit log of a Dag", "audit of fin_daily"),
    ],
)
def test_content(name: str, content: str, everybody: Everybody, read_names: list[dict]) -> None:
    """What is answered is what the Dag has: a yes to an empty page would prove little."""
    path = next(row.path for row in ROWS if row.name == name)
    for user in ("tag.viewer", "organization.owner"):
        assert content in everybody[user].get(path.format(**read_names[0])).text


def test_secrets_are_masked(everybody: Everybody) -> None:
    """Not even the Owner reads a connection's password."""
    assert "e2e-secret" not in everybody["organization.owner"].get("/api/v2/connections/e2e").text
