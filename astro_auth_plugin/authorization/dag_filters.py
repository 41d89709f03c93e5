"""A selection of Dags as one SELECT of their ids, for those databases and policies for which SQL can say it exactly.

Exactly means: as ids and tags are compared here, by every character. What cannot be said so is left to those who read
the Dags and compare themselves.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from airflow.models import DagModel
from airflow.models.dag import DagTag
from sqlalchemy import LargeBinary, Table, and_, cast, false, func, or_, select, union
from sqlalchemy.sql.expression import ColumnElement, Select

from astro_auth_plugin.rbac.engine.engine import Clause, DagSelection
from astro_auth_plugin.rbac.model.folders import LEAVES
from astro_auth_plugin.rbac.policy.tag_rules import ANY_FILE, Place, TagRules, folder_of
from astro_auth_plugin.runtime.database import LAST_OF_UTF8MB3

MAX_VALUES = 2_000
"""Above this many ids and tags a list is read instead: Airflow's statements repeat a sub-select up to three times."""
MAX_FOLDERS = 100
"""Above this many folders, too: each is a condition of its own."""

_MYSQL = ("mysql", "mariadb")
_DATABASES = ("sqlite", "postgresql", *_MYSQL)

# Made once, since an alias copies every column. Each SELECT below stands for itself, so several may share them.
_dags = DagModel.__table__.alias()
_carried = DagTag.__table__.alias()

_EVERY_DAG = select(_dags.c.dag_id).correlate(None)
_CARRYING = select(_carried.c.dag_id).correlate(None)

_LEAVING = ("//", "/./", "/../")
"""What a path has that may leave the folder which it begins with, once it ends in `/`."""

Folders = frozenset[tuple[str, str]]
"""Bundles, each with a folder; '' for the whole bundle."""


@functools.cache
def ids_of(table: Table, column: str) -> Select[Any]:
    """Return the SELECT of a column of all rows. What it is put into never takes its table for its own."""
    return select(table.alias().c[column]).correlate(None)


@functools.lru_cache(maxsize=128)
def of_selection(selection: DagSelection, dialect: str) -> Any:
    """Return the SELECT of the ids of the Dags that a selection matches; None when SQL cannot say it exactly.

    What is needed often is made once: to make a statement takes longer than to decide what it says.

    Args:
        selection: which Dags.
        dialect: the database's name at SQLAlchemy.
    """
    if selection.everything:
        return _EVERY_DAG
    if not _can_be_said(selection, dialect):
        return None
    clauses = []
    for clause in _smallest(selection.clauses):
        parts = _parts(clause, selection.tag_rules, dialect)
        if parts is None:
            return None
        clauses.append(parts)
    first, *others = clauses
    for other in others:
        first = [part.where(part.selected_columns[0].in_(_one(other))) for part in first]
    return _one(first)


def _can_be_said(selection: DagSelection, dialect: str) -> bool:
    few = sum(clause.size for clause in selection.clauses) <= MAX_VALUES
    return few and all(
        compares_exactly(column, dialect) for column in (_dags.c.dag_id, _dags.c.bundle_name, _dags.c.relative_fileloc)
    )


def compares_exactly(column: Any, dialect: str) -> bool:
    """Whether `is_one_of` compares a column as ids are compared here, by every character."""
    # Ids with a collation, for which Airflow has an option, are compared here.
    collated = dialect not in _MYSQL and getattr(column.type, "collation", None) is not None
    return dialect in _DATABASES and not collated


def finds_exactly(column: Any, dialect: str) -> bool:
    """Whether the database finds nothing else by a text than what is equal to it by every character."""
    return dialect not in _MYSQL and compares_exactly(column, dialect)


def _smallest(clauses: Iterable[Clause]) -> list[Clause]:
    """Leave out the clauses that another one implies: anyone who may edit a Dag by a tag may see it by that tag."""
    kept: list[Clause] = []
    for clause in sorted(clauses, key=lambda clause: clause.size):
        if not any(all(part <= whole for part, whole in zip(each, clause, strict=True)) for each in kept):
            kept.append(clause)
    return kept


def _parts(clause: Clause, rules: TagRules, dialect: str) -> list[Select[Any]] | None:
    """Return the SELECTs which together find what matches a clause; None when that cannot be said."""
    tags: dict[Folders | None, set[str]] = defaultdict(set)
    for tag in sorted(clause.tags):
        places = rules.places(tag)
        folders = _folders(places) if places is not None else None
        if places is not None and folders is None:
            return None
        tags[folders].add(tag)
    if sum(len(folders) for folders in tags if folders) > MAX_FOLDERS:
        return None
    parts = [_carrying(names, folders, dialect) for folders, names in tags.items() if folders != Folders()]
    if clause.dag_ids:
        # A granted id may be of no Dag: Airflow keeps runs and logs of Dags that are gone.
        parts.append(_EVERY_DAG.where(is_one_of(_dags.c.dag_id, clause.dag_ids, dialect)))
    whole = {bundle for bundle, folder in clause.places if not folder}
    if whole:
        parts.append(_EVERY_DAG.where(is_one_of(_dags.c.bundle_name, whole, dialect)))
    in_folders = sorted(place for place in clause.places if place[1] and place[0] not in whole)
    if len(in_folders) > MAX_FOLDERS:
        return None
    if in_folders:
        parts.append(_EVERY_DAG.where(or_(*(_is_below(*place, (LEAVES,), dialect) for place in in_folders))))
    return parts


def _folders(places: Iterable[Place]) -> Folders | None:
    """Return the folders of which places have all files; None when they have other patterns."""
    found: set[tuple[str, str]] = set()
    for bundle, patterns in places:
        folders = {""} if ANY_FILE in patterns else {folder_of(pattern) or None for pattern in patterns}
        if None in folders:
            return None
        found |= {(bundle, folder) for folder in folders if folder is not None}
    return frozenset(found)


def _carrying(tags: set[str], folders: Folders | None, dialect: str) -> Select[Any]:
    # A tag goes when its Dag goes: the database sees to it, so the table of Dags is not needed.
    found = _CARRYING.where(is_one_of(_carried.c.name, tags, dialect))
    if folders is None:
        return found
    # Not a join: a Dag with several of the tags is looked up once.
    in_folders = or_(*(_is_in(*folder, dialect) for folder in sorted(folders)))
    return _EVERY_DAG.where(_dags.c.dag_id.in_(found), in_folders)


def _is_in(bundle: str, folder: str, dialect: str) -> ColumnElement[bool]:
    """Return the condition that a Dag's file is in a bundle or in a folder of it, as `folder_of` has it."""
    if not folder:
        return is_one_of(_dags.c.bundle_name, [bundle], dialect)
    return _is_below(bundle, folder, _LEAVING, dialect)


def _is_below(bundle: str, folder: str, leaving: Sequence[str], dialect: str) -> ColumnElement[bool]:
    """Return the condition that a path begins with a folder of a bundle and has none of the texts that leave it."""
    if not can_be_stored(folder, dialect):
        return false()
    is_of_bundle = is_one_of(_dags.c.bundle_name, [bundle], dialect)
    path: Any = _dags.c.relative_fileloc
    if dialect == "postgresql":
        # Of functions its planner thinks that they leave hardly a row, and looks up the tags of every Dag one by one.
        begins = path.startswith(folder, autoescape=True, escape="|")
        return and_(is_of_bundle, begins, *(~path.concat("/").contains(text) for text in leaving))
    texts: list[Any] = [folder, "/", *leaving]
    if dialect in _MYSQL:
        path, texts = cast(path, LargeBinary), [text.encode() for text in texts]
    begin, end, *others = texts
    stays = (func.instr(path.concat(end), text) == 0 for text in others)
    return and_(is_of_bundle, func.substr(path, 1, len(begin)) == begin, *stays)


def _one(parts: list[Select[Any]]) -> Any:
    if not parts:
        return _EVERY_DAG.where(false())
    return union(*parts) if len(parts) > 1 else parts[0]


def is_one_of(column: Any, values: Iterable[str], dialect: str) -> ColumnElement[bool]:
    """Return the condition that a text is one of these, exactly."""
    storable = sorted(value for value in values if can_be_stored(value, dialect, column))
    if not storable:
        return false()
    found: ColumnElement[bool] = column.in_(storable)
    if dialect not in _MYSQL:
        return found
    # MySQL compares as the column says, mostly without a look at case and trailing blanks; bytes it compares exactly.
    return and_(found, cast(column, LargeBinary).in_([value.encode() for value in storable]))


def can_be_stored(value: str, dialect: str, column: Any = None) -> bool:
    """Whether a database can have the text at all; some refuse the whole statement for one that it cannot.

    Args:
        value: the text.
        dialect: the database's name at SQLAlchemy.
        column: where it is looked for, whose character set may lack some: that of ids is utf8mb3 with MySQL.
    """
    if "\0" in value and dialect != "sqlite":
        return False
    if dialect in _MYSQL and not value.isascii() and max(value) > LAST_OF_UTF8MB3:
        collation = getattr(getattr(column, "type", None), "collation", None) or ""
        if collation.startswith(("utf8_", "utf8mb3_")):
            return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
