"""An SQLite database that is kept, compared with and put back, while a server has it open."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

# What is written about requests and sign-ins, whoever asks.
RECORDS = {"log", "session", "revoked_token", "astro_auth_sign_in"}
OF_DAG = ("dag_id", "target_dag_id")
# In these the Dag, or its file, is part of a text.
IN_TEXT = {"import_error": "filename", "dag_priority_parsing_request": "relative_fileloc", "callback": "data"}

Rows = dict[str, set[tuple]]


class Kept:
    """A copy of a database file as it is now."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._copy = sqlite3.connect(":memory:")
        with closing(sqlite3.connect(file, timeout=30)) as source:
            source.backup(self._copy)

    def put_back(self, file: Path | None = None) -> None:
        """Makes the file, or another one, what it was."""
        with closing(sqlite3.connect(file or self._file, timeout=30)) as target:
            self._copy.backup(target)


class RowsOfOthers:
    """Reads every row that does not belong to one Dag, `own`: those of other Dags, and those of none."""

    def __init__(self, engine: sa.Engine, own: str) -> None:
        self._engine = engine
        self._own = own
        metadata = sa.MetaData()
        metadata.reflect(engine)
        # A table after those that it refers to.
        self._tables = [table for table in metadata.sorted_tables if table.name not in RECORDS]

    def read(self) -> Rows:
        """The rows by table."""
        own_rows: dict[str, list[dict]] = {}
        others: Rows = {}
        with self._engine.connect() as connection:
            for table in self._tables:
                own_rows[table.name], others[table.name] = [], set()
                is_own = self._rule(table, own_rows)
                for row in connection.execute(sa.text(f'SELECT * FROM "{table.name}"')).mappings():
                    if is_own(row):
                        own_rows[table.name].append(row)
                    else:
                        others[table.name].add(tuple(row.items()))
        return others

    def _rule(self, table: sa.Table, own_rows: dict[str, list[dict]]):
        """Whether a row is one's own: it names the Dag or, where the table names none, refers to an own row."""
        for column in OF_DAG:
            if column in table.columns:
                return lambda row: row[column] == self._own
        if table.name in IN_TEXT:
            return lambda row: self._own in row[IN_TEXT[table.name]]
        links = [
            (key.column_keys, {tuple(row[element.column.name] for element in key.elements) for row in found})
            for key in table.foreign_key_constraints
            if (found := own_rows.get(key.referred_table.name))
        ]
        return lambda row: any(tuple(row[name] for name in names) in values for names, values in links)


def changes(before: Rows, after: Rows) -> Iterator[str]:
    """Yields what has come and gone, a line for each row."""
    for table in before:
        for sign, rows in (("-", before[table] - after[table]), ("+", after[table] - before[table])):
            yield from (f"{sign} {table} {dict(row)}" for row in sorted(rows, key=repr))
