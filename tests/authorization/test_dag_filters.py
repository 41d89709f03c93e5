"""Selections of Dags as SQL: what the database finds is what `check` says of each Dag."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from airflow import settings as airflow_settings
from airflow.models import DagModel
from airflow.models.dag import DagTag
from airflow.models.dagbundle import DagBundleModel
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, String, Table, create_engine, event, insert, make_url, select, update
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import configure_mappers

from astro_auth_plugin.authorization import dag_filters, dag_lookup
from astro_auth_plugin.authorization.lazy_set import LazySet, SubSelect
from astro_auth_plugin.rbac.engine.engine import Clause, DagSelection
from astro_auth_plugin.rbac.model.permissions import mask
from astro_auth_plugin.rbac.model.scopes import Dag, DagFile
from astro_auth_plugin.rbac.policy.tag_rules import NO_RULES, Place, TagRules
from tests.rbac.helpers import checked, engine_of, everybody, required_of
from tests.strategies import BUNDLES, FOLDERS, NAMES, Case, cases, paths

BUNDLE, DAG, TAG = (model.__table__ for model in (DagBundleModel, DagModel, DagTag))
REST_OF_A_DAG = {
    "is_paused": False,
    "is_stale": True,
    "max_active_tasks": 1,
    "max_consecutive_failed_dag_runs": 0,
    "has_task_concurrency_limits": False,
}
# Like runs and logs: a table with Dag ids that outlive their Dags.
RUNS = Table("runs_of_this_test", DagModel.metadata.__class__(), Column("dag_id", String(250), primary_key=True))
LONGEST_TAG = 100
SERVER = os.environ.get("E2E_SQL_ALCHEMY_CONN", "")


def scratch_database(address: str) -> Any:
    """Make the tables of Dags and tags, as Airflow makes them, where there are none."""
    configure_mappers()  # Airflow's own warn of each other when that is done for the first time
    if address.startswith("sqlite"):
        engine = create_engine(address)
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys=ON"))
    elif address.startswith("mysql"):
        address, _, of_tags = address.partition(" ")
        with create_engine(address, isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql("DROP DATABASE IF EXISTS sub_selects")
            connection.exec_driver_sql("CREATE DATABASE sub_selects COLLATE utf8mb4_nopad_bin")
        engine = create_engine(make_url(address).set(database="sub_selects"))
    else:
        engine = create_engine(address, connect_args={"options": "-csearch_path=sub_selects"})
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA IF EXISTS sub_selects CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA sub_selects")
    DagModel.metadata.create_all(engine, tables=[BUNDLE, DAG, TAG], checkfirst=False)
    RUNS.create(engine)
    with engine.begin() as connection:
        if engine.dialect.name == "mysql":
            connection.exec_driver_sql(f"ALTER TABLE dag_tag MODIFY name VARCHAR(100) COLLATE {of_tags} NOT NULL")
        connection.execute(insert(RUNS), [{"dag_id": name} for name in NAMES])
        connection.execute(insert(BUNDLE), [{"name": name, "active": True} for name in BUNDLES])
    return engine


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("sqlite://", id="sqlite"),
        *(
            pytest.param(
                f"{SERVER}{more}", marks=pytest.mark.skipif(not has, reason="runs on another database"), id=name
            )
            for name, more, has in (
                ("postgresql", "", SERVER.startswith("postgresql")),
                ("mariadb", " utf8mb4_nopad_bin", SERVER.startswith("mysql")),
                # As Airflow has it where nothing else is set: without a look at case, accents and trailing blanks.
                ("mariadb-alike", " utf8mb4_unicode_ci", SERVER.startswith("mysql")),
            )
        ),
    ],
)
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """An engine of such a database, which Airflow is made to use."""
    address = request.param
    if address == "sqlite://":
        address = f"sqlite:///{tmp_path_factory.mktemp('sub_selects')}/dags.db"
    engine = scratch_database(address)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(airflow_settings, "engine", engine)
        yield engine
    engine.dispose()


def put(engine: Any, dags: Iterable[Dag]) -> None:
    """Make these the Dags of the database."""
    rows = [{"dag_id": dag.id, **_at(dag.file or DagFile("dags", "")), **REST_OF_A_DAG} for dag in dags]
    tags = [{"dag_id": dag.id, "name": tag} for dag in dags for tag in dag.tags]
    with engine.begin() as connection:
        connection.execute(DAG.delete())
        for table, values in ((DAG, rows), (TAG, tags)):
            if values:
                _insert(connection, table, values)


def _insert(connection: Any, table: Any, values: list[dict[str, str]]) -> None:
    try:
        connection.execute(insert(table), values)
    except IntegrityError:
        # Where two tags are the same no Dag has both, but a grant on one must still not reach a Dag with the other.
        assume(connection.dialect.name not in ("mysql", "mariadb"))
        raise


def _at(file: DagFile) -> dict[str, str]:
    return {"bundle_name": file.bundle, "relative_fileloc": file.path}


def runs_of(engine: Any, ids: Any) -> set[str]:
    """Return the rows of another table that a list lets through, as Airflow asks for them."""
    with engine.connect() as connection:
        return set(connection.scalars(select(RUNS.c.dag_id).where(RUNS.c.dag_id.in_(ids or set()))))


def stored(case: Case) -> list[Dag]:
    """Return the Dags of a case as a database has them: one of an id, each in a file, tags not too long."""
    return [
        Dag(dag.id, frozenset(tag for tag in dag.tags if len(tag) <= LONGEST_TAG), DagFile(*(dag.file or ("dags", ""))))
        for dag in {dag.id: dag for dag in case.dags}.values()
    ]


@given(case=cases())
@settings(checked, max_examples=100)
def test_lists_and_checks_agree(database: Any, case: Case) -> None:
    """What a list lets through in SQL, what is in it when it is read, and what `check` says of each Dag is the same."""
    engine = engine_of(case.values, case.deployment_id)
    dags = stored(case)
    put(database, dags)
    for subject in everybody(case.values):
        for required in required_of(case):
            needed = mask(*required)
            expected = {dag.id for dag in dags if engine.check(subject, needed, dag, groups=case.groups).allowed}
            ids = dag_lookup.select_dag_ids(engine.allowed_dags(subject, needed, groups=case.groups))
            assert runs_of(database, ids) == expected
            assert ids == expected


words = st.frozensets(st.sampled_from(("sales", "Sales", "sale")), max_size=2)
odd_paths = st.sampled_from(
    ("x/a.py", "x/../a.py", "x/..", "x/./a.py", "x//a.py", "x/", "X/a.py", "x/y/a.py", "x/y.zip/a.py", "x.zip/a.py", "")
) | st.lists(st.sampled_from(("x", "y", ".", "..", "/", "/", ".zip", "a.py", "\u00e9")), max_size=7).map("".join)
some_files = st.builds(DagFile, st.sampled_from(BUNDLES), odd_paths | paths())
some_dags = st.lists(
    st.builds(Dag, st.sampled_from(NAMES), words, some_files),
    min_size=3,
    max_size=9,
    unique_by=lambda dag: dag.id,
)
FILES = [("**",), ("y/", "**"), ("x/",), ("x/y/**", "y/"), ("x.zip/",), ("x/*",), ("\u00e9/",), ()]
some_places = st.lists(
    st.builds(Place, st.sampled_from(BUNDLES), st.sampled_from(FILES)),
    max_size=2,
).map(tuple)
some_rules = st.dictionaries(st.sampled_from(("sales", "Sales", "sa*", "*")), some_places, max_size=2).map(TagRules)
folders = st.frozensets(st.tuples(st.sampled_from(BUNDLES), st.sampled_from(("", "x/", *FOLDERS))), max_size=2)
some_clauses = st.lists(st.builds(Clause, words, words, folders), min_size=1, max_size=3).map(tuple)


@given(dags=some_dags, clauses=some_clauses, rules=some_rules)
@settings(checked, max_examples=200)
def test_selections(database: Any, dags: list[Dag], clauses: tuple[Clause, ...], rules: TagRules) -> None:
    """Whatever its clauses and protected tags, a selection finds in SQL, and read, the Dags that match it."""
    put(database, dags)
    chosen = DagSelection(False, clauses, rules)
    expected = {dag.id for dag in dags if chosen.matches(dag)}
    ids = dag_lookup.select_dag_ids(chosen)
    assert runs_of(database, ids) == expected
    assert ids == expected


# -- what is sent --------------------------------------------------------------------------------------------------


def clause(*tags: str, ids: Iterable[str] = (), places: Iterable[tuple[str, str]] = ()) -> Clause:
    return Clause(frozenset(tags), frozenset(ids), frozenset(places))


def selection(*clauses: Clause, rules: TagRules = NO_RULES) -> DagSelection:
    return DagSelection(False, clauses, rules)


def sql(chosen: DagSelection, dialect: Any = None) -> tuple[str, list[Any]]:
    """Return a selection as a database gets it: a statement in one line, and the values that travel with it."""
    dialect = dialect or sqlite.dialect()
    compiled = dag_filters.of_selection(chosen, dialect.name).compile(dialect=dialect)
    return " ".join(str(compiled).split()), list(compiled.params.values())


def test_tags_are_found_without_the_table_of_dags() -> None:
    """Tags alone are looked up in the table of tags, whose rows go with their Dags."""
    statement, values = sql(selection(clause("a", "b")))
    assert statement == (
        "SELECT dag_tag_1.dag_id FROM dag_tag AS dag_tag_1 WHERE dag_tag_1.name IN (__[POSTCOMPILE_name_1])"
    )
    assert values == [["a", "b"]]


def test_ids_are_those_of_dags() -> None:
    """A granted id counts where there is such a Dag; what is deployment-wide reaches every Dag; neither asks for tags."""
    assert sql(selection(clause(ids=["x"])))[0] == (
        "SELECT dag_1.dag_id FROM dag AS dag_1 WHERE dag_1.dag_id IN (__[POSTCOMPILE_dag_id_1])"
    )
    assert sql(DagSelection(True)) == ("SELECT dag_1.dag_id FROM dag AS dag_1", [])


def test_tags_that_may_be_carried_nowhere_are_not_sent() -> None:
    """A protected tag without a place gives nothing, so nothing is asked; in whole bundles, the bundle is."""
    rules = TagRules({"a": (), "b*": (Place("dags", ("x/", "**")),)})
    assert sql(selection(clause("a"), rules=rules))[0] == "SELECT dag_1.dag_id FROM dag AS dag_1 WHERE 0 = 1"
    statement, values = sql(selection(clause("a", "bb", "c"), rules=rules))
    assert values == [["bb"], ["dags"], ["c"]]
    assert "FROM dag AS dag_1 WHERE dag_1.dag_id IN (SELECT dag_tag_1.dag_id FROM dag_tag AS dag_tag_1" in statement


def test_places_are_those_of_files() -> None:
    """A bundle is looked up by its name, a folder by how the path begins; one in a bundle that is found anyway is not."""
    assert sql(selection(clause(places=[("b", ""), ("b", "x/")])))[1] == [["b"]]
    statement, values = sql(selection(clause(places=[("b", "x/")])))
    assert statement == (
        "SELECT dag_1.dag_id FROM dag AS dag_1 WHERE dag_1.bundle_name IN (__[POSTCOMPILE_bundle_name_1]) "
        "AND substr(dag_1.relative_fileloc, ?, ?) = ? AND instr(dag_1.relative_fileloc || ?, ?) = ?"
    )
    assert values == [["b"], 1, 2, "x/", "/", "/..", 0]
    assert "relative_fileloc LIKE" in sql(selection(clause(places=[("b", "x/")])), postgresql.dialect())[0]
    assert b"\xc3\xa9/" in sql(selection(clause(places=[("b", "\u00e9/")])), mysql.dialect())[1]


def test_clauses_that_others_imply_are_left_out() -> None:
    """Whoever may edit a Dag by a tag and see it by two is asked about the one tag only."""
    assert sql(selection(clause("a", "b", ids=["x"]), clause("a")))[1] == [["a"]]
    assert sql(selection(clause("a"), clause("b")))[1] == [["a"], ["b"]]


def test_mysql_compares_bytes() -> None:
    """MySQL may compare text without a look at case or trailing blanks, so there the bytes are compared, too."""
    statement, values = sql(selection(clause("Caf\u00e9")), mysql.dialect())
    assert statement == (
        "SELECT dag_tag_1.dag_id FROM dag_tag AS dag_tag_1 WHERE dag_tag_1.name IN (__[POSTCOMPILE_name_1]) "
        "AND CAST(dag_tag_1.name AS BINARY) IN (__[POSTCOMPILE_param_1])"
    )
    assert values == [["Caf\u00e9"], [b"Caf\xc3\xa9"]]
    assert "CAST(dag_1.dag_id AS BINARY)" in sql(selection(clause(ids=["x"])), mysql.dialect())[0]


@pytest.mark.parametrize("dialect", [sqlite.dialect(), postgresql.dialect(), mysql.dialect()], ids=lambda it: it.name)
def test_inside_of_airflows_statements(dialect: Any) -> None:
    """Within a statement about Dags and tags it keeps its own tables, so nothing of it depends on the row outside."""
    chosen = selection(clause("a", ids=["x"]), clause("b", ids=["y"]))
    ids: SubSelect[str] = SubSelect(dag_filters.of_selection(chosen, dialect.name), pytest.fail)
    outer = select(DagModel.dag_id).join(DagTag, DagTag.dag_id == DagModel.dag_id).where(DagTag.dag_id.in_(ids))
    statement = str(outer.compile(dialect=dialect))
    assert statement.count("FROM dag_tag AS dag_tag_") == 3
    assert statement.count("FROM dag AS dag_") == 3
    changing = update(DagModel).where(DagModel.dag_id.in_(select(outer.subquery().c.dag_id))).values(is_paused=True)
    assert "UNION" in str(changing.compile(dialect=dialect))


def many_folders() -> TagRules:
    """One more than a statement has, each of a tag."""
    return TagRules({str(tag): (Place("dags", (f"{tag}/",)),) for tag in range(dag_filters.MAX_FOLDERS + 1)})


@pytest.mark.parametrize(
    ("chosen", "dialect"),
    [
        (selection(clause("a"), rules=TagRules({"a": (Place("dags", ("team/*.py",)),)})), "sqlite"),
        (selection(clause("a"), rules=TagRules({"a": (Place("x", ("**",)), Place("y", ("y/", "*/y/")))})), "sqlite"),
        (selection(clause("a"), clause(*map(str, range(dag_filters.MAX_VALUES)))), "sqlite"),
        (selection(clause(places=[("b", f"{n}/") for n in range(dag_filters.MAX_FOLDERS + 1)])), "sqlite"),
        (selection(clause(*map(str, range(101))), rules=many_folders()), "sqlite"),
        (selection(clause("a")), "oracle"),
    ],
)
def test_what_sql_cannot_say(chosen: DagSelection, dialect: str) -> None:
    """Patterns of files, very many values and other databases are left to those who read the Dags."""
    assert dag_filters.of_selection(chosen, dialect) is None


def test_ids_with_a_collation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids that a database compares in its own way are compared here, except in MySQL, where bytes are."""
    monkeypatch.setattr(DAG.c.dag_id.type, "collation", "NOCASE")
    assert dag_filters.of_selection(selection(clause("a")), "sqlite") is None
    assert dag_filters.of_selection(selection(clause("a")), "postgresql") is None
    assert dag_filters.of_selection(selection(clause("a")), "mysql") is not None


# -- what is found -------------------------------------------------------------------------------------------------


def test_in_a_folder(database: Any) -> None:
    """Where a tag belongs to a folder, the database finds the Dags; where it belongs to files of a name, they are read."""
    put(database, [Dag("sales", frozenset("t"), DagFile("dags", "x/a.py")), Dag("sale", frozenset("t"))])
    for pattern, in_sql in (("x/", True), ("x/**", True), ("x/*.py", False)):
        ids = dag_lookup.select_dag_ids(selection(clause("t"), rules=TagRules({"t": (Place("dags", (pattern,)),)})))
        assert isinstance(ids, SubSelect) == in_sql
        assert isinstance(ids, LazySet)
        assert runs_of(database, ids) == ids == {"sales"}


def test_each_tag_in_its_folder(database: Any) -> None:
    """Of several tags for folders each counts in its own, of its own bundle, and a path that leaves it is not in it."""
    at = {"sales": "x/a.py", "Sales": "y/a.py", "sale": "x/../x/a.py"}
    put(database, [Dag(name, frozenset("s"), DagFile(BUNDLES[0], path)) for name, path in at.items()])
    for bundle, found in ((BUNDLES[0], {"sales"}), (BUNDLES[1], set())):
        rules = TagRules({"s": (Place(bundle, ("x/",)),), "t": (Place(bundle, ("y/",)),)})
        assert runs_of(database, dag_lookup.select_dag_ids(selection(clause("s", "t"), rules=rules))) == found


def test_below_a_folder(database: Any) -> None:
    """A folder has what is below it, however deep; not what begins like it, is written otherwise, or leaves it."""
    paths = ["x/a.py", "x/y/a.py", "xy/a.py", "X/a.py", "x", "x/../a.py", "\u00e9/a.py", "e\u0301/a.py", "/x/a.py"]
    found = [Dag(name, frozenset(), DagFile("dags", path)) for name, path in zip("abcdefghi", paths, strict=True)]
    put(database, [*found, Dag("z", frozenset(), DagFile("dags-folder", "x/a.py"))])
    for folder, expected in (("x/", {"a", "b"}), ("x/y/", {"b"}), ("\u00e9/", {"g"}), ("\0/", set())):
        ids = dag_lookup.select_dag_ids(selection(clause(places=[("dags", folder)])))
        assert ids == expected, folder


def test_very_many_folders(database: Any) -> None:
    """Above what one statement takes, the Dags of the bundles are read and compared here."""
    put(
        database, [Dag("sales", frozenset(), DagFile("dags", "7/a.py")), Dag("sale", frozenset(), DagFile("dags", "a"))]
    )
    ids = dag_lookup.select_dag_ids(selection(clause(places=[("dags", f"{n}/") for n in range(200)])))
    assert isinstance(ids, LazySet)
    assert ids == {"sales"}


def test_words_that_no_database_has(database: Any) -> None:
    """A tag or id that cannot be stored finds nothing, and keeps nothing else from being found."""
    put(database, [Dag("sales", frozenset("t"))])
    for odd in ("\0", "\ud800"):
        ids = dag_lookup.select_dag_ids(selection(clause(odd, "t", ids=[odd, "sale"])))
        assert runs_of(database, ids) == ids == {"sales"}
        assert runs_of(database, dag_lookup.select_dag_ids(selection(clause(odd)))) == set()


def test_tags_look_alike(database: Any) -> None:
    """Tags and ids that differ by case, blanks or composition are not the same."""
    names = ["sales", "Sales", "sales ", "caf\u00e9", "cafe\u0301", "s_les"]
    put(database, [Dag(name, frozenset([name])) for name in names])
    for name in names:
        assert runs_of(database, dag_lookup.select_dag_ids(selection(clause(name)))) == {name}
        assert runs_of(database, dag_lookup.select_dag_ids(selection(clause(ids=[name])))) == {name}


@pytest.mark.parametrize(
    ("dialect", "collation", "can"),
    [
        ("mysql", "utf8mb3_bin", False),
        ("mariadb", "utf8_general_ci", False),
        ("mysql", "utf8mb4_bin", True),
        ("mysql", None, True),
        ("sqlite", "utf8mb3_bin", True),
        ("postgresql", None, True),
    ],
)
def test_characters_that_a_column_lacks(dialect: str, collation: str | None, can: bool) -> None:
    """MariaDB refuses the statement that looks for such a character; Airflow's ids have a character set without some."""
    column = Column("dag_id", String(250, collation=collation))
    assert dag_filters.can_be_stored("a\U0001f600", dialect, column) is can
    assert dag_filters.can_be_stored("\u00e9\uffdc", dialect, column)
    condition = dag_filters.is_one_of(column, ["a", "a\U0001f600"], dialect)
    sent = condition.compile(dialect=mysql.dialect(), compile_kwargs={"literal_binds": False}).params.values()
    assert any("a\U0001f600" in value for value in sent if isinstance(value, list)) is can


def test_ids_that_no_dag_has(database: Any) -> None:
    """An id that the database cannot have is that of no Dag, in whatever way it is asked."""
    put(database, [Dag(NAMES[0], frozenset(), DagFile("dags", "a.py"))])
    odd = ["\ud800", *(["a\0"] if database.dialect.name != "sqlite" else [])]
    assert dag_lookup.read_dags(odd) == {}
    assert set(dag_lookup.read_dags([*odd, NAMES[0]])) == {NAMES[0]}
    assert dag_lookup.read_dags_with_files(odd) == []
    assert dag_lookup.read_stale_dag_ids(odd) == set()
    clause = Clause(frozenset(), frozenset([*odd, NAMES[0]]), frozenset((each, "") for each in odd))
    assert dag_lookup._matching(DagSelection(False, (clause,))) == {NAMES[0]}
