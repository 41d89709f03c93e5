"""FAB's accounts, read fresh on every request: who is behind an id, and whether anybody else is the same person."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

from airflow.providers.fab.auth_manager.models import User
from airflow.utils.session import create_session
from sqlalchemy import (
    Boolean,
    Integer,
    LargeBinary,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
)
from sqlalchemy.engine import Connection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.sql.expression import ColumnElement, FunctionElement

from astro_auth_plugin.airflow_bridge import sign_ins
from astro_auth_plugin.airflow_bridge.metadata import connect
from astro_auth_plugin.rbac.subjects import normalize_email, user_subject

log = logging.getLogger(__name__)

_ACCOUNTS: Any = User.__table__


_Column: TypeAlias = "ColumnElement[str] | InstrumentedAttribute[str]"


class Account(NamedTuple):
    """An account of FAB.

    `subject` is who that is in the policy: '' when another active account is the same person, since then nobody can
    tell whose roles they are. `groups` are those of the last sign-in, and what was handed out before `not_before` has
    ended.
    """

    id: int
    username: str
    email: str
    active: bool
    subject: str
    groups: frozenset[str] = frozenset()
    not_before: int = 0


def load_account(account_id: int) -> Account | None:
    """Read an account; None when there is none. One statement.

    Raises:
        SQLAlchemyError: if the database does not answer.
    """
    with connect() as connection:
        # A row for each account that may be the same person, or one row without any.
        rows: Sequence[Any] = connection.execute(_one_account(), {"account_id": account_id}).all()
    if not rows:
        return None
    found_id, username, email, active = rows[0][:4]
    twins = [row[4] for row in rows if row[5] is not None and normalize_email(row[5]) == normalize_email(email)]
    if twins and active:
        _tell_twins(tuple(sorted([found_id, *twins])))
    sign_in = sign_ins.sign_in_of(rows[0][6:], email)
    subject, groups = ("", frozenset[str]()) if twins else (user_subject(email), sign_in.groups)
    return Account(found_id, username, email, bool(active), subject, groups, sign_in.not_before)


@functools.cache
def _one_account() -> Any:
    """Return the statement that every request sends, made once: to make it takes longer than to send it."""
    one, other = _ACCOUNTS, _ACCOUNTS.alias()
    twin = and_(other.c.id != one.c.id, other.c.active.is_(True), _may_be_same(other.c.email, one.c.email))
    found = one.outerjoin(other, twin).outerjoin(sign_ins.SIGN_INS, sign_ins.SIGN_INS.c.account_id == one.c.id)
    columns = (one.c.id, one.c.username, one.c.email, one.c.active, other.c.id, other.c.email, *sign_ins.COLUMNS)
    return select(*columns).select_from(found).where(one.c.id == bindparam("account_id"))


def find_account(email: str) -> Account | None:
    """Return the active account of a person; None when there is none, or nobody can tell which one.

    Raises:
        SQLAlchemyError: if the database does not answer.
    """
    with create_session(scoped=False) as session:
        found = [known.id for known in known_by(email, session) if known.active]
    return load_account(found[0]) if len(found) == 1 else None


class Known(NamedTuple):
    """An account that has an e-mail, active or not."""

    id: int
    username: str
    active: bool


def known_by(email: str, database: Connection | Session) -> list[Known]:
    """Return every account of a person.

    Raises:
        SQLAlchemyError: if the database does not answer.
        ValueError: if the database cannot have such text.
    """
    columns = select(User.id, User.username, User.active, User.email)
    rows: Sequence[Any] = database.execute(columns.where(_may_be_same(User.email, literal(email)))).all()
    same = normalize_email(email)
    return [Known(row[0], row[1], bool(row[2])) for row in rows if normalize_email(row[3]) == same]


_told: set[tuple[int, ...]] = set()


def _tell_twins(account_ids: tuple[int, ...]) -> None:
    if account_ids not in _told:
        _told.add(account_ids)
        ids = ", ".join(map(str, account_ids))
        log.error("The active accounts %s are one person by e-mail, so none of them holds anything", ids)


def _may_be_same(one: _Column, other: _Column) -> ColumnElement[bool]:
    # Databases lower-case ASCII alike and the rest each in its own way, so any other text is compared in Python.
    # Both sides: the KELVIN SIGN is a `k` to us, so an account of ASCII can be the same person as one that is not.
    # Every request asks this of every account, so what is cheap comes first: ASCII is as long in lower case.
    ascii_alike = and_(_octets(one) == _octets(other), func.lower(one) == func.lower(other))
    return or_(ascii_alike, _is_not_ascii(other), _is_not_ascii(one))


class _octets(FunctionElement[int]):  # noqa: N801 - a function of SQL
    """How many bytes a text has."""

    type = Integer()
    inherit_cache = True


class _is_not_ascii(FunctionElement[bool]):  # noqa: N801 - a function of SQL
    """Whether there is anything in a text but ASCII; where in doubt, there is."""

    type = Boolean()
    inherit_cache = True


@compiles(_octets)
def _number_of_octets(element: Any, compiler: Any, **options: Any) -> str:
    (text,) = element.clauses
    sqlite = compiler.dialect.name == "sqlite"
    return str(compiler.process(func.length(cast(text, LargeBinary)) if sqlite else func.octet_length(text), **options))


@compiles(_is_not_ascii)
def _by_octets_or_pattern(element: Any, compiler: Any, **options: Any) -> str:
    """A pattern takes up to ten times as long, but in encodings where one byte can be a character that is not ASCII."""
    (text,) = element.clauses
    by_pattern = text.regexp_match(literal_column("'[^ -~]'"))
    by_octets = func.length(text) != _octets(text)
    found = {
        "sqlite": by_octets,
        "postgresql": case((func.getdatabaseencoding() == literal_column("'UTF8'"), by_octets), else_=by_pattern),
    }
    return str(compiler.process(found.get(compiler.dialect.name, by_pattern), **options))
