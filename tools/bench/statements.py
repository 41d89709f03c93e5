"""Counts what a block asks the databases: statements, and the values that travel with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event


class Count:
    """How many statements were sent, and how many values with them."""

    def __init__(self) -> None:
        self.statements = 0
        self.parameters = 0

    def __call__(
        self, _connection: Any, _cursor: Any, _statement: str, parameters: Any, _context: Any, many: bool
    ) -> None:
        """Add a statement."""
        self.statements += 1
        self.parameters += sum(map(len, parameters)) if many else len(parameters or ())


@contextmanager
def counted() -> Iterator[Count]:
    """Count while the block runs, on every engine of the process, asynchronous ones included."""
    count = Count()
    event.listen(Engine, "before_cursor_execute", count)
    try:
        yield count
    finally:
        event.remove(Engine, "before_cursor_execute", count)
