"""The stored ids of connections, Variables and pools: those that a selection matches, and those that an id finds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet
from functools import cache
from typing import Any

from airflow.models.connection import Connection
from airflow.models.pool import Pool
from airflow.models.variable import Variable
from sqlalchemy import and_, false, func, or_, select
from sqlalchemy.sql.expression import ColumnElement

from astro_auth_plugin.authorization import dag_filters
from astro_auth_plugin.authorization.lazy_set import LazySet, SubSelect
from astro_auth_plugin.rbac.engine.objects import ObjectClause, ObjectSelection
from astro_auth_plugin.rbac.model.permissions import ObjectKind
from astro_auth_plugin.runtime.database import connect, database_engine

_COLUMNS: dict[ObjectKind, tuple[Any, str]] = {
    "connection": (Connection, "conn_id"),
    "variable": (Variable, "key"),
    "pool": (Pool, "pool"),
}


def every_name(kind: ObjectKind) -> AbstractSet[str]:
    """Return the ids of all objects of a kind; read on first use, as those below."""
    return SubSelect(select(_column(kind)).correlate(None), _scalars)


def select_names(kind: ObjectKind, selection: ObjectSelection) -> AbstractSet[str]:
    """Return the ids of all objects of a kind that a selection matches."""
    if selection.everything:
        return every_name(kind)
    if selection.nothing:
        return set()
    column, dialect = _column(kind), database_engine().dialect.name
    size = sum(len(clause.ids) + len(clause.prefixes) for clause in selection.clauses)
    if not dag_filters.compares_exactly(column, dialect) or size > dag_filters.MAX_VALUES:
        return LazySet(lambda: filter(selection.matches, _scalars(select(column))))
    conditions = (_condition(column, clause, dialect) for clause in selection.clauses)
    return SubSelect(select(column).where(and_(*conditions)).correlate(None), _scalars)


def other_spellings(kind: ObjectKind, names: Collection[str]) -> set[str]:
    """Return the ids of the objects that the database finds for these, and that are none of these.

    MySQL finds an object by another spelling of its id: by case, without accents or trailing blanks. Others are not
    asked, since Airflow calls its hooks for these objects on the event loop, which must not wait for a connection.
    """
    dialect = database_engine().dialect.name
    if dag_filters.finds_exactly(_column(kind), dialect):
        return set()
    storable = [name for name in names if dag_filters.can_be_stored(name, dialect)]
    found: set[str] = set()
    for start in range(0, len(storable), dag_filters.MAX_VALUES):
        some = storable[start : start + dag_filters.MAX_VALUES]
        found |= {*_scalars(select(_column(kind)).where(_column(kind).in_(some)))}
    return found.difference(names)


@cache
def _column(kind: ObjectKind) -> Any:
    # An alias is never taken for the table of the statement that it is put into.
    model, name = _COLUMNS[kind]
    return model.__table__.alias().c[name]


def _condition(column: Any, clause: ObjectClause, dialect: str) -> ColumnElement[bool]:
    by_length: dict[int, list[str]] = defaultdict(list)
    for prefix in sorted(clause.prefixes):
        by_length[len(prefix)].append(prefix)
    begins = (
        dag_filters.is_one_of(func.substr(column, 1, length), prefixes, dialect)
        for length, prefixes in sorted(by_length.items())
    )
    return or_(false(), dag_filters.is_one_of(column, clause.ids, dialect), *begins)


def _scalars(statement: Any) -> Iterable[str]:
    with connect() as connection:
        return list(connection.scalars(statement))
