"""What shadow mode has found, in a table of this plugin: a row for each difference, and three rows that count.

Several api-servers add to the same rows. There are at most `MAX_DIFFERENCES` rows, whatever is requested.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from sqlalchemy import BigInteger, Boolean, Column, String, Table, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from astro_auth_plugin.runtime.database import database_engine, metadata

SHADOW = Table(
    "astro_auth_shadow",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("who", String(512), nullable=False),
    Column("question", String(512), nullable=False),
    Column("object", String(512), nullable=False),
    Column("allowed", Boolean, nullable=False),
    Column("answers", BigInteger, nullable=False),
    Column("first_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
)
"""Times are seconds since 1970."""

MAX_DIFFERENCES = 10_000
_LONGEST = 250

COMPARED = "compared"
FAILED = "failed"
LEFT_OUT = "left out"
"""What else is counted: answers that were compared, that could not be, and that were not for lack of time or room."""
_COUNTERS = (COMPARED, FAILED, LEFT_OUT)


class Difference(NamedTuple):
    """An answer that the policy would give otherwise.

    Attributes:
        who: the user's e-mail, or the user name where there is none.
        question: a method and what it is about, such as `GET RUN`.
        object: the Dag, or the id of another object; '' for none in particular.
        allowed: what the auth manager has answered; the policy says the opposite.
    """

    who: str
    question: str
    object: str
    allowed: bool

    def cut(self) -> Difference:
        """Return it with texts that a database can have."""
        return Difference(_storable(self.who), _storable(self.question), _storable(self.object), self.allowed)

    def in_ascii(self) -> Difference:
        """Return it with every other character spelled out, for a database whose character set lacks some."""
        return Difference(_spelled(self.who), _spelled(self.question), _spelled(self.object), self.allowed)


class Seen(NamedTuple):
    """How often something was seen, and when first and last."""

    answers: int = 0
    first_at: int = 0
    last_at: int = 0

    def once_more(self, now: int, times: int = 1) -> Seen:
        """Return it after further times."""
        return Seen(self.answers + times, self.first_at or now, now)


class Records(NamedTuple):
    """All that was found: the differences, the latest first, and what was counted."""

    differences: tuple[tuple[Difference, Seen], ...] = ()
    compared: Seen = Seen()
    failed: Seen = Seen()
    left_out: Seen = Seen()

    @property
    def without_difference(self) -> int:
        """For how many seconds answers were compared since the last difference, or since the start without one."""
        last = max((seen.last_at for _, seen in self.differences), default=0)
        return max(0, self.compared.last_at - max(last, self.compared.first_at))


def add(what: Difference | str, seen: Seen) -> None:
    """Add what was seen to its row; a difference beyond the limit is counted as left out.

    Raises:
        SQLAlchemyError: if the database does not take it.
    """
    if _add_to_row(what, seen):
        return
    if isinstance(what, Difference) and _is_full():
        add(LEFT_OUT, seen)
        return
    row = what if isinstance(what, Difference) else Difference("", what, "", allowed=False)
    try:
        with database_engine().begin() as connection:
            connection.execute(insert(SHADOW).values(digest=_digest(what), **row._asdict(), **seen._asdict()))
    except IntegrityError:
        # Another process has just made it.
        _add_to_row(what, seen)


def _add_to_row(what: Difference | str, seen: Seen) -> bool:
    more = update(SHADOW).where(SHADOW.c.digest == _digest(what))
    with database_engine().begin() as connection:
        done = connection.execute(more.values(answers=SHADOW.c.answers + seen.answers, last_at=seen.last_at))
        return bool(done.rowcount)


def _is_full() -> bool:
    with database_engine().connect() as connection:
        number = connection.scalar(select(func.count()).where(SHADOW.c.digest.not_in(_COUNTER_DIGESTS))) or 0
    return number >= MAX_DIFFERENCES


def read() -> Records:
    """Return everything.

    Raises:
        SQLAlchemyError: if there is no table, or no database.
    """
    with database_engine().connect() as connection:
        rows = connection.execute(select(SHADOW).order_by(SHADOW.c.last_at.desc(), SHADOW.c.digest)).all()
    counted = {row.question: _seen(row) for row in rows if row.digest in _COUNTER_DIGESTS}
    differences = tuple(
        (Difference(row.who, row.question, row.object, row.allowed), _seen(row))
        for row in rows
        if row.digest not in _COUNTER_DIGESTS
    )
    return Records(differences, *(counted.get(name, Seen()) for name in _COUNTERS))


def clear() -> int:
    """Delete everything; return how many differences there were."""
    differences = SHADOW.c.digest.not_in(_COUNTER_DIGESTS)
    with database_engine().begin() as connection:
        number = connection.execute(delete(SHADOW).where(differences)).rowcount
        connection.execute(delete(SHADOW))
    return int(number)


def _seen(row: object) -> Seen:
    return Seen(*(getattr(row, name) for name in Seen._fields))


def _digest(what: Difference | str) -> str:
    text = what if isinstance(what, str) else "\n".join(map(repr, what))
    return hashlib.sha256(text.encode()).hexdigest()


_COUNTER_DIGESTS = frozenset(map(_digest, _COUNTERS))


def _storable(text: str) -> str:
    printable = "".join(each if each.isprintable() else "?" for each in text[:_LONGEST])
    return printable.encode(errors="replace").decode()


def _spelled(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()[:_LONGEST]
