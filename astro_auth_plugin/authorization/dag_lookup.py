"""Dags with their tags and the names of other objects, read from the metadata database on request: one statement each.

What the database returns is compared again here, because a database may compare text more loosely (by case, or
without trailing blanks) than ids and tags are compared. Only `sub_selects` leaves that to the
database, where it compares exactly.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from airflow.models import DagModel
from airflow.models.asset import AssetModel
from airflow.models.backfill import Backfill
from airflow.models.dag import DagTag
from airflow.models.log import Log
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.team import Team
from airflow.models.team import dag_bundle_team_association_table as bundles_of_teams
from sqlalchemy import and_, bindparam, false, func, or_, select
from sqlalchemy.orm import aliased
from sqlalchemy.sql.expression import ColumnElement, Select

from astro_auth_plugin.authorization import dag_filters
from astro_auth_plugin.authorization.lazy_set import LazySet, SubSelect
from astro_auth_plugin.rbac.engine.engine import Clause, DagSelection
from astro_auth_plugin.rbac.model.scopes import Dag, DagFile
from astro_auth_plugin.runtime.database import Along, connect, database_engine

# Above this many values the whole table is read instead: databases limit the parameters of a statement.
MAX_PARAMETERS = 10_000

_DAG, _TAG = DagModel.__table__, DagTag.__table__
_FILE = (_DAG.c.bundle_name, _DAG.c.relative_fileloc)


def read_dags(dag_ids: Collection[str]) -> dict[str, Dag]:
    """Return those of the Dags that exist, with the tags they carry and their files. One statement, none for no id."""
    wanted = _possible(dag_ids)
    if not wanted:
        return {}
    if len(wanted) == 1:
        found = _read(_one_dag(), {"dag_id": next(iter(wanted))})
    elif len(wanted) <= MAX_PARAMETERS:
        found = _read(_some_with_tags(wanted))
    else:
        found = _read(_dags_with_tags())
    return {dag.id: dag for dag in found if dag.id in wanted}


def _possible(dag_ids: Iterable[str]) -> frozenset[str]:
    """Return those of the ids that a Dag can have; for another one, the database may refuse the statement."""
    dialect = database_engine().dialect.name
    return frozenset(each for each in dag_ids if dag_filters.can_be_stored(each, dialect, _DAG.c.dag_id))


def read_all_dags() -> list[Dag]:
    """Return every Dag with the tags it carries and the file it was parsed from. One statement."""
    return _read(_dags_with_tags())


def read_dags_with_tag(tag: str) -> list[Dag]:
    """Return the Dags that carry a tag, with all of their tags and the file. One statement."""
    carrying = select(DagTag.dag_id).where(DagTag.name == tag)
    return [dag for dag in _read(_dags_with_tags().where(_DAG.c.dag_id.in_(carrying))) if tag in dag.tags]


def read_dags_of_bundle(bundle: str) -> list[Dag]:
    """Return the Dags of a bundle, with their tags and files. One statement."""
    found = _read(_dags_with_tags().where(_one_of(_DAG.c.bundle_name, [bundle])))
    return [dag for dag in found if dag.file and dag.file.bundle == bundle]


def select_dag_ids(selection: DagSelection) -> AbstractSet[str]:
    """Return the ids of all Dags that a selection matches. Nothing is sent before it is used, and then once."""
    if selection.nothing:
        return set()
    statement = dag_filters.of_selection(selection, database_engine().dialect.name)
    if statement is None:
        return LazySet(lambda: _matching(selection))
    return SubSelect(statement, _scalars)


def _matching(selection: DagSelection) -> set[str]:
    statement = _dags_with_tags()
    if sum(clause.size for clause in selection.clauses) <= MAX_PARAMETERS:
        statement = statement.where(and_(*map(_condition, selection.clauses)))
    return {dag.id for dag in _read(statement) if selection.matches(dag)}


def _scalars(statement: Any) -> list[Any]:
    with connect() as connection:
        return list(connection.scalars(statement))


def _dags_with_tags(*of_tags: ColumnElement[bool]) -> Select[Any]:
    joined = _DAG.outerjoin(_TAG, and_(_TAG.c.dag_id == _DAG.c.dag_id, *of_tags))
    return select(_DAG.c.dag_id, _TAG.c.name, *_FILE).select_from(joined)


def _some_with_tags(dag_ids: Collection[str]) -> Select[Any]:
    # The ids for both tables: PostgreSQL read all tags of 10,000 Dags to find those of 100.
    return _dags_with_tags(_TAG.c.dag_id.in_(dag_ids)).where(_DAG.c.dag_id.in_(dag_ids))


@functools.cache
def _one_dag() -> Select[Any]:
    """Return the statement behind most decisions, made once: to make it can take longer than to send it."""
    return _dags_with_tags().where(_DAG.c.dag_id == bindparam("dag_id"))


ALONG = Along(
    (_DAG.c.dag_id, _TAG.c.name, *_FILE),
    ((_DAG, _DAG.c.dag_id == bindparam("dag_id")), (_TAG, _TAG.c.dag_id == _DAG.c.dag_id)),
)
"""The Dag `dag_id` with its tags and file, to be read with something else; of this `dags_of` makes Dags."""


def dags_of(rows: Iterable[Sequence[Any]], dag_id: str) -> dict[str, Dag | None]:
    """Return the Dag of the rows that were read along; None in its place if it does not exist."""
    return {dag_id: None, **{dag.id: dag for dag in _dags_of(rows) if dag.id == dag_id}}


def _condition(clause: Clause) -> ColumnElement[bool]:
    # No narrower than the clause; folders are looked at when the Dags are read.
    bundles = {bundle for bundle, _ in clause.places}
    by_tag = select(DagTag.dag_id).where(_one_of(_TAG.c.name, clause.tags))
    return or_(
        DagModel.dag_id.in_(by_tag) if clause.tags else false(),
        _one_of(_DAG.c.dag_id, clause.dag_ids),
        _one_of(_DAG.c.bundle_name, bundles),
    )


def _one_of(column: Any, values: Collection[str]) -> ColumnElement[bool]:
    dialect = database_engine().dialect.name
    storable = [value for value in values if dag_filters.can_be_stored(value, dialect, column)]
    found: ColumnElement[bool] = column.in_(storable) if storable else false()
    return found


def _read(statement: Select[Any], values: dict[str, Any] | None = None) -> list[Dag]:
    with connect() as connection:
        return _dags_of(connection.execute(statement, values or {}))


def _dags_of(rows: Iterable[Sequence[Any]]) -> list[Dag]:
    tags: dict[str, set[str]] = defaultdict(set)
    files: dict[str, DagFile] = {}
    for dag_id, tag, bundle, path in rows:
        carried = tags[dag_id]
        # A Dag without tags comes as one row without a tag.
        if tag is not None:
            carried.add(tag)
        if dag_id not in files:
            files[dag_id] = _file(bundle, path)
    return [Dag(dag_id, frozenset(names), files[dag_id]) for dag_id, names in tags.items()]


def _file(bundle: str | None, path: str | None) -> DagFile:
    # A row that does not say where the Dag is says that it is nowhere: None would make all of its tags effective.
    return DagFile(bundle or "", path or "")


def read_dags_of_teams(team_names: Collection[str]) -> list[tuple[str, Dag]]:
    """Return teams of multi-team Airflow, each with every Dag of its bundles and its file. One statement."""
    wanted = frozenset(team_names)
    statement = (
        select(bundles_of_teams.c.team_name, DagModel.dag_id, DagTag.name, *_FILE)
        .join(DagModel, DagModel.bundle_name == bundles_of_teams.c.dag_bundle_name)
        .outerjoin(DagTag, DagTag.dag_id == DagModel.dag_id)
    )
    tags: dict[tuple[str, str, DagFile], set[str]] = defaultdict(set)
    with connect() as connection:
        rows: Iterable[Any] = connection.execute(statement)
        for team_name, dag_id, tag, *file in rows:
            tags[team_name, dag_id, _file(*file)] |= {tag} if tag is not None else set()
    return [
        (team, Dag(dag_id, frozenset(found), file)) for (team, dag_id, file), found in tags.items() if team in wanted
    ]


def read_dags_with_files(dag_ids: Collection[str]) -> list[Dag]:
    """Return the Dags with tags and file, stale ones included: their runs and logs are still there. One statement."""
    wanted = _possible(dag_ids)
    if not wanted:
        return []
    statement = _some_with_tags(wanted) if len(wanted) <= MAX_PARAMETERS else _dags_with_tags()
    return [dag for dag in _read(statement) if dag.id in wanted]


def read_stale_dag_ids(dag_ids: Collection[str]) -> set[str]:
    """Return those of the Dags that Airflow has marked as stale. One statement."""
    statement = select(DagModel.dag_id).where(DagModel.is_stale.is_(True))
    wanted = _possible(dag_ids)
    if len(wanted) <= MAX_PARAMETERS:
        statement = statement.where(DagModel.dag_id.in_(wanted))
    with connect() as connection:
        return set(wanted.intersection(connection.scalars(statement)))


def read_dag_of_backfill(backfill_id: int) -> str | None:
    """Return the Dag of a backfill; None when there is no such backfill."""
    with connect() as connection:
        return connection.scalar(select(Backfill.dag_id).where(Backfill.id == backfill_id))


def read_dag_ids_of_file(bundle_name: str, relative_fileloc: str) -> set[str]:
    """Return the Dags that a file of a bundle defines."""
    of_file = and_(DagModel.bundle_name == bundle_name, DagModel.relative_fileloc == relative_fileloc)
    with connect() as connection:
        return set(connection.scalars(select(DagModel.dag_id).where(of_file)))


def read_dag_ids_of_same_file(dag_id: str) -> set[str]:
    """Return the Dags that the file of a Dag defines, the Dag itself among them, if it exists."""
    other = aliased(DagModel)
    same_file = and_(other.bundle_name == DagModel.bundle_name, other.relative_fileloc == DagModel.relative_fileloc)
    with connect() as connection:
        return set(connection.scalars(select(other.dag_id).join(DagModel, same_file).where(DagModel.dag_id == dag_id)))


def has_shared_files() -> bool:
    """Return whether some file defines several Dags."""
    of_file = select(DagModel.relative_fileloc).where(DagModel.relative_fileloc.is_not(None))
    of_file = of_file.group_by(DagModel.bundle_name, DagModel.relative_fileloc).having(func.count() > 1)
    with connect() as connection:
        return connection.execute(of_file.limit(1)).first() is not None


def read_dag_of_event(event_log_id: int) -> str | None:
    """Return the Dag of a row of the audit log; None when the row has none, or there is no such row."""
    with connect() as connection:
        return connection.scalar(select(Log.dag_id).where(Log.id == event_log_id))


def asset_ids() -> AbstractSet[int]:
    """Return the ids of all assets; read on first use, as those below."""
    return _every(AssetModel, "id")


def team_names() -> AbstractSet[str]:
    """Return the names of all teams of multi-team Airflow."""
    return _every(Team, "name")


def _every(model: Any, column: str) -> SubSelect[Any]:
    return SubSelect(dag_filters.ids_of(model.__table__, column), _scalars)


# -- Dags next to each other, as Airflow's graphs show them ------------------------------------------------------------


def next_to(dag_id: str) -> set[str]:
    """Return the Dags that a Dag starts, is started by, or waits for, as far as Airflow has parsed them."""
    found: set[str] = set()
    for owner, dependencies in _dependencies().items():
        near = [each for each in dependencies if dag_id in (owner, each.target)]
        found |= _dags_at(near) | ({owner} if near else set())
    return found - {dag_id}


def without_outsiders(dag_ids: AbstractSet[str]) -> set[str]:
    """Return those of the Dags that start and wait for no Dag but these."""
    dependencies = _dependencies()
    return {dag_id for dag_id in dag_ids if _dags_at(dependencies.get(dag_id, ())) <= dag_ids}


def _dependencies() -> dict[str, list[Any]]:
    return SerializedDagModel.get_dag_dependencies()


def _dags_at(dependencies: Iterable[Any]) -> set[str]:
    """Return the Dags at the ends; an end that is no Dag is the dependency's type, or has a `:`."""
    ends = {(end, each.dependency_type) for each in dependencies for end in (each.source, each.target)}
    return {end for end, kind in ends if end != kind and ":" not in end}
