"""Looks into, and changes, the metadata database behind the server's back."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa


class Database:
    """Plain SQL with named parameters; every call is one transaction. `dialect` is "sqlite", "postgresql" or "mysql"."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self.dialect = engine.dialect.name
        self._metadata = sa.MetaData()
        if self.dialect == "sqlite":
            sa.event.listen(engine, "connect", _enforce_foreign_keys)

    def rows(self, sql: str, **values: Any) -> list[tuple]:
        """What a SELECT returns."""
        with self._engine.connect() as connection:
            return [tuple(row) for row in connection.execute(self._text(sql), values)]

    def value(self, sql: str, **values: Any) -> Any:
        """The only value of a SELECT's first row."""
        return self.rows(sql, **values)[0][0]

    def run(self, *statements: str, **values: Any) -> None:
        """Runs statements in one transaction; each takes of `values` what it names."""
        with self._engine.begin() as connection:
            for statement in statements:
                connection.execute(self._text(statement), values)

    def _text(self, sql: str) -> sa.TextClause:
        # The name of columns, and a word of MariaDB's own; what it takes for quotes is unknown to PostgreSQL.
        return sa.text(re.sub(r"(?<![:\w])key\b", "`key`", sql) if self.dialect == "mysql" else sql)

    def copy(self, table_name: str, find: dict[str, Any], **changes: Any) -> None:
        """Inserts a copy of one row with changes, and an `id` of its own where that is a number."""
        table = sa.Table(table_name, self._metadata, autoload_with=self._engine)
        with self._engine.begin() as connection:
            row = connection.execute(sa.select(table).filter_by(**find)).mappings().one()
            values = {**row, **changes}
            if isinstance(row.get("id"), int):
                # Far from those that a sequence gives: FAB's tables leave it to the caller to ask one.
                values["id"] = connection.scalar(sa.select(sa.func.max(table.c.id))) + 1000
            connection.execute(table.insert().values(values))


def _enforce_foreign_keys(connection, _record) -> None:
    connection.execute("PRAGMA foreign_keys=ON")
