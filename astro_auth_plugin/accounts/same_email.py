"""Finds accounts that may have the same e-mail in the database, for Python to compare exactly."""

from __future__ import annotations

from typing import Any, TypeAlias

from sqlalchemy import Boolean, Integer, LargeBinary, and_, case, cast, func, literal_column, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.expression import ColumnElement, FunctionElement

_Column: TypeAlias = "ColumnElement[str] | InstrumentedAttribute[str]"


def may_be_same(one: _Column, other: _Column) -> ColumnElement[bool]:
    """Return whether two e-mails may be of one person: what Python says yes to is always found."""
    # Databases lower-case ASCII alike and the rest each in its own way, so any other text is compared in Python.
    # Both sides: the KELVIN SIGN is a `k` to us, so an account of ASCII can be the same person as one that is not.
    # Every request asks this of every account, so what is cheap comes first: ASCII is as long in lower case.
    ascii_alike = and_(_octets(one) == _octets(other), func.lower(one) == func.lower(other))
    return or_(ascii_alike, is_not_ascii(other), is_not_ascii(one))


class _octets(FunctionElement[int]):  # noqa: N801 - a function of SQL
    """How many bytes a text has."""

    type = Integer()
    inherit_cache = True


class is_not_ascii(FunctionElement[bool]):  # noqa: N801 - a function of SQL
    """Whether there is anything in a text but ASCII; where in doubt, there is."""

    type = Boolean()
    inherit_cache = True


@compiles(_octets)
def _number_of_octets(element: Any, compiler: Any, **options: Any) -> str:
    (text,) = element.clauses
    sqlite = compiler.dialect.name == "sqlite"
    return str(compiler.process(func.length(cast(text, LargeBinary)) if sqlite else func.octet_length(text), **options))


@compiles(is_not_ascii)
def _by_octets_or_pattern(element: Any, compiler: Any, **options: Any) -> str:
    """A pattern takes up to ten times as long, but in encodings where one byte can be a character that is not ASCII."""
    (text,) = element.clauses
    if compiler.dialect.name in ("mysql", "mariadb"):
        # Where case makes no difference to a pattern, the KELVIN SIGN is not beyond `~` there, as `k` is not.
        said = compiler.process(text, **options)
        return f"octet_length(CONVERT({said} USING utf8mb4)) != char_length({said})"
    by_pattern = text.regexp_match(literal_column("'[^ -~]'"))
    by_octets = func.length(text) != _octets(text)
    found = {
        "sqlite": by_octets,
        "postgresql": case((func.getdatabaseencoding() == literal_column("'UTF8'"), by_octets), else_=by_pattern),
    }
    return str(compiler.process(found.get(compiler.dialect.name, by_pattern), **options))
