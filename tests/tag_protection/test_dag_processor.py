"""Protected tags: in decisions, in what comes back from parsing a file, and in what is told of changes."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import wrapt
from airflow.models.team import dag_bundle_team_association_table

from astro_auth_plugin.auth_manager import AstroAuthManager
from astro_auth_plugin.authorization import dag_access, dag_lookup
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.scopes import Dag, DagFile
from astro_auth_plugin.runtime.policy_store import PolicyRefused
from astro_auth_plugin.tag_protection import access_change_log, cluster_policy, dag_id_owners, dag_processor
from tests.conftest import CountStatements
from tests.dag_fixtures import PEOPLE
from tests.in_request import ask_dag, engine_of, person

PROTECTED = """\
protected_tags:
  - {deployment_id: dep, tag: finance, only_in: [{bundle: plain, files: ["**"]}]}
  - {deployment_id: dep, tag: ops, only_in: [{bundle: plain, files: ["ops/"]}]}
  - {deployment_id: dep-2, tag: shared, only_in: []}
"""
FILE = DagFile("plain", "ops/a.py")


@pytest.fixture(scope="module")
def guarded() -> Engine:
    """The policy of PEOPLE, with protected tags."""
    return engine_of(PEOPLE + PROTECTED)


# -- decisions -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("dags")
def test_decisions(engine: Engine, guarded: Engine, statements: CountStatements) -> None:
    """A protected tag counts for a Dag in its place only, on every way to a decision, for one statement as ever."""
    for requested, sees in ((engine, True), (guarded, False)):
        art = person(requested, "art")
        with statements() as sent:
            assert ask_dag(art, "GET", None, "ops_sync") is sees
            assert len(sent) == 1
            assert ("ops_sync" in dag_access.readable_dag_ids(art, "GET")) is sees
            assert ("ops_sync" in dag_access.filter_dag_ids(art, "GET", {"ops_sync", "fin_daily"})) is sees
            assert len(sent) == 3
    vera = person(guarded, "vera")
    assert ask_dag(vera, "GET", None, "fin_daily")
    assert dag_access.readable_dag_ids(vera, "GET") == {"fin_daily", "fin_report"}


@pytest.mark.skipif("team_name" not in dag_bundle_team_association_table.c, reason="Airflow 3.1 has no use for teams")
@pytest.mark.usefixtures("dags")
def test_dags_of_teams(guarded: Engine) -> None:
    """The Dags of a team of Airflow come with their files, so protected tags are judged there, too."""
    found = [dag for _, dag in dag_lookup.read_dags_of_teams({"ops"})]
    assert [(dag.id, dag.file) for dag in found] in ([("ops_sync", DagFile("of-team-ops", ""))], [])
    assert not any(guarded.with_effective_tags(dag).tags for dag in found)


# -- what comes back from parsing ----------------------------------------------------------------------------------


class Result(SimpleNamespace):
    """What Airflow's DagFileParsingResult has."""

    def __init__(self, *dags: dict, errors: dict[str, str] | None = None) -> None:
        super().__init__(
            serialized_dags=[SimpleNamespace(data={"__version": 3, "dag": dag}) for dag in dags],
            import_errors=errors,
            warnings=None,
        )

    @property
    def kept(self) -> list[str]:
        """The ids of the Dags that are left."""
        return [dag.data["dag"]["dag_id"] for dag in self.serialized_dags]


def dag_of(dag_id: Any = "d", tags: Any = (), path: Any = FILE.path) -> dict:
    about = {"dag_id": dag_id, "tags": [*tags] if tags == () else tags, "relative_fileloc": path}
    return {**about, "fileloc": "/x", "tasks": [], "timezone": "UTC", "timetable": {}}


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> list[Dag]:
    """The Dags that are there already."""
    there: list[Dag] = []
    monkeypatch.setattr(dag_id_owners, "read_dags_with_files", lambda ids: [dag for dag in there if dag.id in ids])
    monkeypatch.setattr(dag_id_owners, "read_stale_dag_ids", lambda _: set())
    return there


def sifted(result: Result, guarded: Engine, file: DagFile = FILE) -> Result:
    dag_processor._sift(result, file, guarded)
    return result


@pytest.mark.parametrize("tags", [[], ["free"], ["ops", "free"]])
def test_kept(tags: Any, guarded: Engine, live: list[Dag]) -> None:
    """A Dag that may carry its tags stays, and no error comes of it."""
    result = sifted(Result(dag_of(tags=tags)), guarded)
    assert (result.kept, result.import_errors) == (["d"], {})


@pytest.mark.parametrize(
    ("dag", "why"),
    [
        (dag_of(tags=["finance", "free"]), None),
        (dag_of(tags=["ops"], path="ops/b.py"), "it says that it is in `ops/b.py`"),
        (dag_of(path="ops/a.py/../b.py"), "it says that it is in `ops/a.py/../b.py`"),
        (dag_of(path="ops/a.pyx"), "it says that it is in `ops/a.pyx`"),
        (dag_of(path="ops/a.py/b.py"), "it says that it is in `ops/a.py/b.py`"),
        (dag_of(path=None), "its serialized form is not valid: None is not of type 'string'"),
        (dag_of(tags={"ops": 1}), "its serialized form is not valid: {'ops': 1} is not of type 'array'"),
        (dag_of(tags="ops"), "its serialized form is not valid: 'ops' is not of type 'array'"),
        (dag_of(tags=["ops", b"finance"]), "its id and tags have to be text"),
        (dag_of(tags=["ops", ["finance"]]), "its id and tags have to be text"),
        (dag_of(dag_id=["d"]), "its serialized form is not valid: ['d'] is not of type 'string'"),
        (dag_of(dag_id=7), "its serialized form is not valid: 7 is not of type 'string'"),
        (dag_of() | {"__dict__": {"dag_id": "owned"}}, "its serialized form is not valid: Additional properties"),
        (dag_of() | {"_dag_id": "owned"}, "its serialized form is not valid: Additional properties"),
        (None, "its serialized form is not valid: None is not of type 'object'"),
        ("finance", "its serialized form is not valid: 'finance' is not of type 'object'"),
    ],
)
def test_refused(dag: Any, why: str | None, guarded: Engine, live: list[Dag]) -> None:
    """A Dag that says what it may not is taken out, and the file's import error says why; its other Dags stay."""
    file = DagFile("other", "ops/a.py") if why is None else FILE
    result = sifted(Result(dag, dag_of("other")), guarded, file)
    assert result.kept == ["other"]
    assert list(result.import_errors) == [FILE.path]
    expected = why or "the tag `finance` is only for Dags in `**` of bundle `plain`"
    assert f"in `ops/a.py` of bundle `{file.bundle}` is refused: {expected}" in result.import_errors[FILE.path]


@pytest.mark.parametrize("version", [None, 1, 2, "3", 3.0, True])
def test_other_serialized_form(version: Any, guarded: Engine, live: list[Dag]) -> None:
    """A Dag that Airflow would convert after the check is refused: the conversion takes `_dag_id` for its id."""
    result = Result(dag_of("d"), dag_of("good"))
    result.serialized_dags[0].data["__version"] = version
    assert sifted(result, guarded).kept == ["good"]
    assert f"its serialized form has the version `{version}`" in result.import_errors[FILE.path]


@pytest.mark.parametrize("rules", ["", PROTECTED], ids=["no protected tags", "protected tags"])
@pytest.mark.parametrize("kind", ["airflow_exc_ser", "base_exc_ser", "connection", "task_callback_request"])
def test_values_that_airflow_would_create(kind: str, rules: str, live: list[Dag]) -> None:
    """A value for which Airflow would call what it names is refused, also without protected tags."""
    called = {"__type": kind, "__var": {"__type": "dict", "__var": {"exc_cls_name": "os.system", "args": ["true"]}}}
    values = {"__type": "dict", "__var": {"x": [{"y": called}]}}
    result = sifted(Result({**dag_of(), "default_args": values}, dag_of("good")), engine_of(PEOPLE + rules))
    assert result.kept == ["good"]
    assert f"it has a value of the type `{kind}`" in result.import_errors[FILE.path]


def test_ids_are_no_references(guarded: Engine, live: list[Dag]) -> None:
    """A Param may have an `id` in its value, and among the properties of its schema."""
    schema = {"type": "object", "properties": {"id": {"type": "string"}}, "examples": [{"id": "a-1"}]}
    param = {
        "__class": "airflow.sdk.definitions.param.Param",
        "default": {"id": "urn:a", "$ref": "a"},
        "schema": schema,
    }
    assert sifted(Result({**dag_of(), "params": [["x", param]]}), guarded).kept == ["d"]


def test_two_types(guarded: Engine, live: list[Dag]) -> None:
    """A type that Airflow takes from another key is looked at, whatever the first one says."""
    value = {"__type": "x", "Encoding.TYPE": "deadline_alert", "Encoding.VAR": {}}
    values = {"__type": "dict", "__var": {"x": value}}
    assert sifted(Result({**dag_of(), "default_args": values}), guarded).kept == []


def test_values_beside_the_dag(guarded: Engine, live: list[Dag]) -> None:
    """What Airflow takes over into each task from beside the Dag is looked at, too."""
    result = Result(dag_of())
    called = {"__type": "airflow_exc_ser", "__var": {}}
    result.serialized_dags[0].data["client_defaults"] = {"tasks": {"zzz": called}}
    assert sifted(result, guarded).kept == []


def deadline(callback: Any, interval: Any = 60.0) -> Any:
    """A deadline as Airflow writes it."""
    inside = {"reference": {"reference_type": "DagRunQueuedAtDeadline"}, "interval": interval, "callback": callback}
    return {"__type": "deadline_alert", "__var": inside}


def variable(name: str) -> Any:
    """An interval of this class of Airflow."""
    return {"__classname__": f"airflow.{name}", "__version__": 1, "__data__": {"key": "x"}}


CALLBACK = {
    "__classname__": "airflow.sdk.definitions.callback.AsyncCallback",
    "__version__": 0,
    "__data__": {"path": "my.module.call", "kwargs": {"text": "x", "after": {"__classname__": "datetime.timedelta"}}},
}
NESTED = {**CALLBACK, "__data__": {"kwargs": {"x": [{"__classname__": "airflow.models.connection.Connection"}]}}}
OLD_STYLE = {**CALLBACK, "__data__": {"kwargs": {"x": {"__type": "airflow.models.connection.Connection", "__var": {}}}}}


@pytest.mark.parametrize(
    ("deadlines", "refused"),
    [
        (None, ""),
        ([], ""),
        ([deadline(CALLBACK)], ""),
        ([deadline(CALLBACK)["__var"]], ""),
        ([deadline(CALLBACK, variable("sdk.definitions.deadline.VariableInterval"))], ""),
        (
            [deadline(CALLBACK, variable("models.connection.Connection"))],
            "of the class `airflow.models.connection.Conn",
        ),
        ([deadline({**CALLBACK, "__classname__": "airflow.settings"})], "callback of the class `airflow.settings`"),
        ([deadline({"__type": "airflow.models.connection.Connection", "__var": {}})], "callback of the class `None`"),
        ([deadline(CALLBACK), deadline(None)], "callback of the class `None`"),
        (["x"], "its serialized form is not valid"),
        (
            [deadline({**CALLBACK, "__type": "airflow.models.connection.Connection", "__var": {}})],
            "a value of the class",
        ),
        ([deadline(NESTED)], "has a value of the class `airflow.models.connection.Connection`"),
        ([deadline(OLD_STYLE)], "has a value of the class `airflow.models.connection.Connection`"),
    ],
)
def test_deadlines(deadlines: Any, refused: str, guarded: Engine, live: list[Dag]) -> None:
    """The callback of a deadline is one of Airflow's callbacks, and no other class of Airflow is in it."""
    result = sifted(Result({**dag_of(), "deadline": deadlines}), guarded)
    assert (result.kept == []) is bool(refused)
    assert refused in result.import_errors.get(FILE.path, "")


def test_the_words_of_an_invalid_dag(guarded: Engine, live: list[Dag], monkeypatch: pytest.MonkeyPatch) -> None:
    """The Dag is not printed for them, which takes minutes for a large and nested one, in the dag-processor itself."""

    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("the Dag is printed")

    monkeypatch.setattr("pprint.PrettyPrinter.pformat", fail)
    monkeypatch.setattr("jsonschema.exceptions._Error.__str__", fail)
    errors = sifted(Result({**dag_of(), "more": {"x": [1]}}), guarded).import_errors
    assert "Additional properties are not allowed ('more' was unexpected)" in errors[FILE.path]


def test_deadlines_elsewhere(guarded: Engine, live: list[Dag]) -> None:
    """A deadline among other values is not one that Airflow writes."""
    values = {"__type": "dict", "__var": {"x": deadline(CALLBACK)}}
    assert sifted(Result({**dag_of(), "default_args": values}), guarded).kept == []


@pytest.mark.parametrize(
    ("reference", "kept"),
    [("#/definitions/a", True), ("http://169.254.169.254/", False), ("file:/etc/passwd", False)],
)
@pytest.mark.parametrize("key", ["$ref", "$dynamicRef", "$recursiveRef", "$id", "id"])
def test_references_of_params(key: str, reference: str, kept: bool, guarded: Engine, live: list[Dag]) -> None:
    """The schema of a Param refers to nothing that the api-server would have to fetch; other values may."""
    schema = {"anyOf": [{"type": "string"}, {key: reference}]}
    of_dag = [["x", {"__class": "airflow.sdk.definitions.param.Param", "default": 1, "schema": schema}]]
    values = [
        {"__type": "param", "__var": {"schema": schema}},
        {"__type": "x", "Encoding.TYPE": "param", "Encoding.VAR": {"schema": schema}},
    ]
    for more in ({"params": of_dag}, *({"default_args": {"__type": "dict", "__var": {"x": each}}} for each in values)):
        result = sifted(Result({**dag_of(), **more}), guarded)
        assert (result.kept == ["d"]) is kept
        assert kept or f"refers to `{reference}`" in result.import_errors[FILE.path]
    assert sifted(Result({**dag_of(), "default_args": {"__type": "dict", "__var": schema}}), guarded).kept == ["d"]


def test_callbacks_are_read_without_an_import() -> None:
    """Airflow reads the callback of a deadline without importing what it names: that might end the process."""
    from airflow.sdk.definitions import deadline as definitions

    kind = definitions.AsyncCallback
    read = kind.deserialize({"path": "unittest.__main__.x", "kwargs": {"a": 1}}, 0)
    assert (type(read), read.path, read.kwargs) == (kind, "unittest.__main__.x", {"a": 1})


def test_params(guarded: Engine, live: list[Dag]) -> None:
    """No class but Airflow's own is imported for a Param, however deep it is."""
    param: dict = {"__class": "os.abort", "default": 1}
    deep: Any = param
    for _ in range(100_000):
        deep = [deep]
    result = sifted(Result({**dag_of(), "params": [["x", deep]]}), guarded)
    assert (result.kept, param["__class"]) == (["d"], "airflow.sdk.definitions.param.Param")


def test_errors_of_other_files(guarded: Engine, live: list[Dag]) -> None:
    """What a file reports of another file is reported of itself; archives report of what is in them."""
    errors = {"ops/a.py": "own", "fin/b.py": "foreign", "ops/a.py/member.py": "inside"}
    result = sifted(Result(errors=errors), guarded)
    assert result.import_errors == {"ops/a.py": "own\nforeign", "ops/a.py/member.py": "inside"}


def test_archive(guarded: Engine, live: list[Dag]) -> None:
    """A Dag of an archive is judged by the archive's place, and its error is filed under its module."""
    pack = DagFile("plain", "fin/p.zip")
    result = sifted(
        Result(dag_of("bad", ["ops"], "fin/p.zip/m.py"), dag_of("good", [], "fin/p.zip/m.py")), guarded, pack
    )
    assert (result.kept, list(result.import_errors)) == (["good"], ["fin/p.zip/m.py"])


def test_ids_of_other_files(guarded: Engine, live: list[Dag]) -> None:
    """A file takes over the id of another file's Dag only if it may carry all that counts there."""
    live += [
        Dag("theirs", frozenset(["ops"]), DagFile("plain", "ops/z.py")),
        Dag("shared", frozenset(["finance"]), DagFile("plain", "x/z.py")),
        Dag("own", frozenset(["ops"]), DagFile("plain", "x/a.py")),
        Dag("free", frozenset(["free", "ops"]), DagFile("of-team-ops", "ops/z.py")),  # there `ops` does not count
    ]
    requested = Result(*(dag_of(dag.id, path="x/a.py") for dag in live))
    result = sifted(requested, guarded, DagFile("plain", "x/a.py"))
    assert result.kept == ["shared", "own", "free"]
    reported = (
        "`ops/z.py` of bundle `plain` has a Dag of this id with the tag `ops`, and the tag `ops` is only for Dags in"
    )
    assert reported in result.import_errors["x/a.py"]


def test_ids_claimed_with_protected_tags(guarded: Engine, live: list[Dag]) -> None:
    """A file cannot take the id of another file's Dag with a tag that the other file may not carry."""
    live += [
        Dag("untagged", frozenset(), DagFile("plain", "x/z.py")),
        Dag("moved", frozenset(), DagFile("plain", "ops/z.py")),
    ]
    result = sifted(Result(dag_of("untagged", ["ops"]), dag_of("moved", ["ops"]), dag_of("new", ["ops"])), guarded)
    assert result.kept == ["moved", "new"]
    reason = "`x/z.py` of bundle `plain` has a Dag of this id, and the tag `ops` is only for Dags in"
    assert reason in result.import_errors[FILE.path]
    assert sifted(Result(dag_of("untagged", ["free"])), guarded).kept == ["untagged"]


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ("", ""),
        ("users: [{email: ana@example.com, dag_roles: [{deployment_id: dep-2, bundle: plain, role: DAG_VIEWER}]}]", ""),
        ("users: [{email: ana@example.com, dag_roles: [{deployment_id: dep, bundle: plain, role: DAG_VIEWER}]}]",) * 2,
        ("users: [{email: ana@example.com, dag_roles: [{deployment_id: dep, bundle: other, role: DAG_VIEWER}]}]",) * 2,
        ("protect_dag_ids: true",) * 2,
    ],
)
def test_ids_stay_in_their_bundle(policy: str, reason: str, live: list[Dag], caplog: pytest.LogCaptureFixture) -> None:
    """A file gets no id of another bundle's Dag where a role on one of the bundles, or an option, protects it."""
    live += [
        Dag("theirs", frozenset(), DagFile("other", "z.py")),
        Dag("same", frozenset(), DagFile("plain", "z.py")),
        Dag("old", frozenset(), DagFile("other", "")),
    ]
    result = sifted(Result(*(dag_of(name) for name in ("theirs", "same", "old", "new"))), engine_of(policy))
    assert result.kept == [*([] if reason else ["theirs"]), "same", "old", "new"]
    if reason:
        assert (
            "Dag `theirs` in `ops/a.py` of bundle `plain` is refused: `z.py` of bundle `other` has a Dag of this id, and "
            f"{'`protect_dag_ids` of the policy is set' if 'ids' in policy else 'the policy has roles on bundle'}"
        ) in result.import_errors[FILE.path]
        assert "; choose another id, or remove that one first." in result.import_errors[FILE.path]
        assert result.import_errors[FILE.path] in caplog.text


@pytest.mark.parametrize("place", [DagFile("", ""), DagFile("plain", "")])
def test_rows_without_a_place(place: DagFile, guarded: Engine, live: list[Dag]) -> None:
    """After an upgrade from Airflow 2 no row says where its Dag is, until it is parsed: its own file is not refused."""
    live.append(Dag("old", frozenset(["ops"]), place))
    assert sifted(Result(dag_of("old", ["ops"])), guarded).kept == ["old"]


def test_installed(guarded: Engine, live: list[Dag], monkeypatch: pytest.MonkeyPatch) -> None:
    """The dag-processor tells the process which file it is, and stores what has been looked at."""
    seen: list[Any] = []

    class DagFileProcessorManager:
        def _create_process(self, dag_file: Any) -> None:
            seen.append(dag_processor._being_parsed)

    module = ModuleType("manager")
    module.DagFileProcessorManager = DagFileProcessorManager
    module.process_parse_results = lambda **given: seen.append(given)
    dag_processor.install(module)
    monkeypatch.setattr(dag_processor, "engine", lambda: guarded)
    DagFileProcessorManager()._create_process(SimpleNamespace(bundle_name="plain", rel_path=Path("ops/a.py")))
    assert seen == [FILE]
    assert dag_processor._being_parsed is None
    bad = Result(dag_of(tags=["finance"]))
    module.process_parse_results(parsing_result=bad, bundle_name="other", relative_fileloc="a.py")
    assert bad.kept == []
    module.process_parse_results(parsing_result=None, bundle_name="other", relative_fileloc="a.py")
    assert len(seen) == 3
    # Whatever goes wrong with a result, it does not end the dag-processor, and nothing of it is stored.
    odd = Result(dag_of(tags=["finance"]))
    odd.serialized_dags = [SimpleNamespace(data=None)]
    module.process_parse_results(parsing_result=odd, bundle_name="other", relative_fileloc="a.py")
    assert seen[-1] == {"parsing_result": None, "bundle_name": "other", "relative_fileloc": "a.py"}


@pytest.mark.parametrize("is_down", [False, True])
def test_stored_by_this_airflow(
    is_down: bool, guarded: Engine, live: list[Dag], metadata_database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the installed Airflow stores of a result has been checked, and it stores nothing where that fails."""
    from airflow.dag_processing import manager

    if not hasattr(manager.DagFileProcessorManager, "handle_parsing_result"):
        pytest.skip("before Airflow 3.3 one function does all, which test_installed tries")
    if is_down:
        monkeypatch.setattr(dag_id_owners, "read_dags_with_files", lambda _: 1 / 0)
    stored: list[Any] = []
    monkeypatch.setattr(manager, "update_dag_parsing_results_in_db", lambda **given: stored.append(given))
    monkeypatch.setattr(dag_processor, "engine", lambda: guarded)
    given = Result(dag_of("bad", ["finance"], "ops/a.py"), dag_of("good", [], "ops/a.py"))
    given.warnings = [{"dag_id": name, "warning_type": "non-existent pool", "message": "x"} for name in ("good", "bad")]
    own = manager.DagFileProcessorManager(max_runs=1)
    own._bundle_versions, own._bundle_version_data = {"other": None}, {}
    file = manager.DagFileInfo(bundle_name="other", rel_path=Path("ops/a.py"), bundle_path=Path("/b"))
    own.handle_parsing_result(file, SimpleNamespace(had_callbacks=False, parsing_result=given, start_time=0.0))
    if is_down:
        assert stored == []
    else:
        assert given.kept == ["good"]
        assert [warning.dag_id for warning in stored[0]["warnings"]] == ["good"]


def test_other_airflow() -> None:
    """In an Airflow without these functions the dag-processor does not start."""
    with pytest.raises(AttributeError):
        dag_processor.install(ModuleType("manager"))


def test_this_airflow() -> None:
    """The installed Airflow has them, and they are guarded as soon as they are imported."""
    from airflow.dag_processing import manager

    own = manager.DagFileProcessorManager
    assert hasattr(getattr(own, "persist_parsing_result", manager.process_parse_results), "__wrapped__")
    assert hasattr(own._create_process, "__wrapped__")


# -- the cluster policy --------------------------------------------------------------------------------------------


@pytest.fixture
def dag() -> SimpleNamespace:
    """A Dag as the cluster policy is given it."""
    return SimpleNamespace(dag_id="d", tags={"ops"}, fileloc="/x/fin/b.py", relative_fileloc="fin/b.py")


@pytest.fixture
def no_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is not that of a task, whatever Airflow has been loaded by other tests."""
    monkeypatch.delitem(sys.modules, "airflow.sdk.execution_time.task_runner", raising=False)


@pytest.mark.usefixtures("no_task")
def test_cluster_policy(dag: Any, guarded: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy refuses what the file that is being parsed may not carry, whatever the Dag says of its file."""
    from airflow.exceptions import AirflowClusterPolicyViolation

    monkeypatch.setattr(dag_processor, "engine", lambda: guarded)
    with pytest.raises(
        AirflowClusterPolicyViolation, match=r"Dag `d` in `fin/b\.py` is refused: the tag `ops` is only"
    ):
        cluster_policy.dag_policy(dag)
    monkeypatch.setattr(dag_processor, "_being_parsed", FILE)
    cluster_policy.dag_policy(dag)
    monkeypatch.setattr(dag_processor, "_being_parsed", DagFile("other", "ops/a.py"))
    with pytest.raises(AirflowClusterPolicyViolation, match=r"in `ops/a\.py` of bundle `other` is refused"):
        cluster_policy.dag_policy(dag)
    # The dag-processor files errors of archives where they stay.
    monkeypatch.setattr(dag_processor, "_being_parsed", DagFile("other", "ops/a.zip"))
    dag.relative_fileloc = "ops/a.zip/member.py"
    cluster_policy.dag_policy(dag)


def test_tasks_are_left_alone(dag: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a task runs, the policy file may be missing, and nothing is stored: nothing is refused."""
    monkeypatch.setitem(
        sys.modules, "airflow.sdk.execution_time.task_runner", SimpleNamespace(SUPERVISOR_COMMS=object())
    )
    monkeypatch.setattr(dag_processor, "engine", lambda: 1 / 0)
    cluster_policy.dag_policy(dag)


@pytest.mark.usefixtures("no_task")
def test_without_a_policy(dag: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that cannot read the policy stops at a Dag with tags; one that has none to read refuses nothing."""
    from airflow.exceptions import AirflowClusterPolicyViolation

    def refuse() -> None:
        raise PolicyRefused("the policy file has 1 problem")

    monkeypatch.setattr(dag_processor, "engine", refuse)
    with pytest.raises(SystemExit) as stopped:
        cluster_policy.dag_policy(dag)
    assert "cannot be checked: the policy file has 1 problem" in str(stopped.value.code)
    # What parses Dags in a thread, or for the dag-processor, goes on and refuses the Dag.
    with ThreadPoolExecutor(1) as pool, pytest.raises(AirflowClusterPolicyViolation, match="has 1 problem"):
        pool.submit(cluster_policy.dag_policy, dag).result(60)
    monkeypatch.setattr(dag_processor, "_being_parsed", FILE)
    dag.fileloc = dag.relative_fileloc = FILE.path
    with pytest.raises(AirflowClusterPolicyViolation, match="cannot be checked: the policy file has 1 problem"):
        cluster_policy.dag_policy(dag)
    monkeypatch.setattr(dag_processor, "_being_parsed", None)
    dag.tags = set()
    cluster_policy.dag_policy(dag)
    dag.tags = {"ops"}
    monkeypatch.setattr(dag_processor, "engine", lambda: None)
    cluster_policy.dag_policy(dag)


def command_that_stores(bag: Any, rules: Any, monkeypatch: pytest.MonkeyPatch, *, by_name: bool = False) -> list[str]:
    """What a command stores of a bag of the bundle `plain`; `rules` returns the engine."""
    monkeypatch.setattr(dag_processor, "_is_set_up", lambda: True)
    monkeypatch.setattr(dag_processor, "_store", lambda: SimpleNamespace(engine=rules))
    module, stored = ModuleType("dagbag"), []
    module.sync_bag_to_db = lambda dagbag, *_, **__: stored.extend(dagbag.dags)
    cluster_policy._check_bags(module)
    if by_name:
        module.sync_bag_to_db(bundle_version=None, bundle_name="plain", dagbag=bag)
    else:
        module.sync_bag_to_db(bag, "plain", bundle_version=None)
    return stored


def bag_of(*dag_ids: str) -> Any:
    """What a command has parsed in one file that could not be read to its end."""
    dags = {dag_id: SimpleNamespace(dag_id=dag_id, tags=set(), relative_fileloc=FILE.path) for dag_id in dag_ids}
    return SimpleNamespace(dags=dags, import_errors={FILE.path: "before"})


@pytest.fixture
def of_others(live: list[Dag]) -> list[Dag]:
    """A Dag of another bundle, and one of another file of the same bundle."""
    live += [Dag("theirs", frozenset(), DagFile("other", "z.py")), Dag("same", frozenset(), DagFile("plain", "z.py"))]
    return live


@pytest.mark.usefixtures("of_others")
def test_commands_that_store_dags(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command stores no Dag whose protected id another bundle has, and the error of its file says why."""
    bag = bag_of("theirs", "same", "new")
    assert command_that_stores(bag, lambda: engine_of(""), monkeypatch) == ["theirs", "same", "new"]
    assert bag.import_errors == {FILE.path: "before"}
    assert command_that_stores(bag, lambda: engine_of("protect_dag_ids: true"), monkeypatch) == ["same", "new"]
    by_name = bag_of("theirs", "new")
    assert command_that_stores(by_name, lambda: engine_of("protect_dag_ids: true"), monkeypatch, by_name=True) == [
        "new"
    ]
    before, refusal = bag.import_errors[FILE.path].split("\n")
    assert before == "before"
    assert refusal.startswith("Dag `theirs` in `ops/a.py` of bundle `plain` is refused: `z.py` of bundle `other` has")


@pytest.mark.usefixtures("of_others")
def test_commands_without_a_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that cannot read the policy stops at an id of another bundle, and stores the Dags that have none."""

    def refuse() -> Engine:
        raise PolicyRefused("the policy file has 1 problem")

    assert command_that_stores(bag_of("same", "new"), refuse, monkeypatch) == ["same", "new"]
    with pytest.raises(SystemExit) as stopped:
        command_that_stores(bag_of("theirs", "same"), refuse, monkeypatch)
    assert "the id of Dag `theirs` cannot be checked: the policy file has 1 problem" in str(stopped.value.code)


def test_commands_where_it_is_not_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """With another auth manager commands read nothing more."""
    monkeypatch.setattr(dag_processor, "_is_set_up", lambda: False)
    monkeypatch.setattr(dag_id_owners, "owners_of", lambda *_: 1 / 0)
    dag_processor.check_bag(bag_of("theirs"), "plain")


def test_commands_of_this_airflow() -> None:
    """The function by which the installed Airflow's commands store Dags is guarded."""
    from airflow.cli.commands import dag_command

    assert isinstance(dag_command.sync_bag_to_db, wrapt.FunctionWrapper)


def test_whom_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal names whom to ask, if anybody is named."""
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__ACCESS_CONTACT", "ask@example.com")
    assert dag_processor._refusal("d", FILE, "why").endswith("is refused: why. Ask ask@example.com.")
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__ACCESS_CONTACT", "")
    assert dag_processor._refusal("d", FILE, "why").endswith("is refused: why.")


@pytest.mark.parametrize(
    ("file", "manager", "guards"),
    [
        ("", "airflow.other.Manager", False),
        ("", "astro_auth_plugin.auth_manager.AstroAuthManager", True),
        ("policy.yaml", "airflow.other.Manager", True),
    ],
)
def test_when_it_guards(file: str, manager: str, guards: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It guards where a policy file is named or this is the auth manager; with another one and no file it is off."""
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__POLICY_FILE", file)
    monkeypatch.setenv("AIRFLOW__CORE__AUTH_MANAGER", manager)
    monkeypatch.setattr(dag_processor, "_store", lambda: SimpleNamespace(engine=lambda: "engine"))
    assert dag_processor.engine() == ("engine" if guards else None)


# -- what changed --------------------------------------------------------------------------------------------------


@pytest.fixture
def session(metadata_database: Any, guarded: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A session that is watched."""
    from airflow.models.dagbundle import DagBundleModel
    from sqlalchemy import event
    from sqlalchemy.orm import Session

    monkeypatch.setattr(dag_processor, "engine", lambda: guarded)
    with Session(metadata_database, expire_on_commit=False) as watched:
        if watched.get(DagBundleModel, "plain") is None:
            watched.add(DagBundleModel(name="plain"))
            watched.commit()
        if not event.contains(Session, "before_flush", access_change_log._note):
            access_change_log.install()
        yield watched
        watched.rollback()


def test_changes_are_told(session: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A new Dag, a tag that goes and a Dag that moves are one line each, after the commit; nothing else is any."""
    from airflow.models import DagModel
    from airflow.models.dag import DagTag

    def reported() -> list[tuple]:
        lines = [json.loads(record.getMessage().removeprefix("tags changed access ")) for record in caplog.records]
        caplog.clear()
        return [(line["old_tags"], line["new_tags"], line["gained"], line["lost"]) for line in lines]

    caplog.set_level(logging.WARNING, logger=access_change_log.__name__)
    row = DagModel(dag_id="reported", bundle_name="plain", relative_fileloc=None)
    session.add(row)
    session.flush()
    row.relative_fileloc = "ops/a.py"
    row.tags = [DagTag(name="ops", dag_id="reported"), DagTag(name="free", dag_id="reported")]
    with session.begin_nested():
        session.flush()
    assert reported() == []
    session.commit()
    assert reported() == [([], ["free", "ops"], ["art@example.com"], [])]
    row.description = "nobody's access"
    row.tags.remove(row.tags[1])
    session.commit()
    assert reported() == []
    row.relative_fileloc = "x/a.py"
    session.commit()
    assert reported() == [(["ops"], [], [], ["art@example.com"])]
    row.relative_fileloc = "ops/a.py"
    session.flush()
    session.rollback()
    session.commit()
    assert reported() == []
    session.delete(row)
    session.commit()


def test_who_is_concerned() -> None:
    """Users, members of Teams and API tokens gain and lose; a person who holds the same otherwise does neither."""
    reported = "{deployment_id: dep, tag: t, role: DAG_VIEWER}"
    engine = engine_of(f"""\
teams:
  - {{name: a, members: [Team@example.com, both@example.com], dag_roles: [{reported}]}}
users:
  - {{email: User@example.com, dag_roles: [{reported}]}}
  - {{email: both@example.com, dag_roles: [{{deployment_id: dep, dag_id: d, role: DAG_AUTHOR}}]}}
  - {{email: elsewhere@example.com, dag_roles: [{{deployment_id: dep-2, tag: t, role: DAG_VIEWER}}]}}
api_tokens:
  - id: ci
    name: ci
    secret_sha256: {"a" * 64}
    expires_at: never
    roles: [{{role: DAG_VIEWER, entity_type: DAG_TAG, entity_id: t, deployment_id: dep}}]
""")
    found = access_change_log._concerned(engine, frozenset("t"))
    emails = {f"{name}@example.com" for name in ("user", "team", "both", "elsewhere")}
    assert found == {*emails, "token:ci"}
    assert access_change_log._concerned(engine, frozenset("u")) == set()
    without, carrying = Dag("d", frozenset()), Dag("d", frozenset("t"))
    gained = [who for who in found if engine.access(who).on(carrying) & ~engine.access(who).on(without)]
    assert sorted(gained) == ["team@example.com", "token:ci", "user@example.com"]


def test_what_cannot_be_told(session: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """When it cannot be told who gained, the change is stored all the same."""
    from airflow.models import DagModel
    from airflow.models.dag import DagTag

    monkeypatch.setattr(dag_processor, "engine", lambda: 1 / 0)
    row = DagModel(dag_id="reported", bundle_name="plain", relative_fileloc="ops/a.py")
    session.add(row)
    row.tags = [DagTag(name="ops", dag_id="reported")]
    session.commit()
    assert "Could not log who gained and lost" in caplog.text
    monkeypatch.setattr(dag_processor, "engine", lambda: None)
    session.delete(row)
    session.commit()


@pytest.mark.parametrize(
    ("manager", "names_policy", "counts"),
    [
        ("astro_auth_plugin.auth_manager.AstroAuthManager", True, True),
        ("tests.tag_protection.test_dag_processor.Own", True, True),
        ("airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager", True, False),
        ("airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager", False, False),
        ("no.such.Manager", True, True),
        ("", True, True),
        ("", False, False),
    ],
)
def test_with_another_auth_manager(
    manager: str, names_policy: bool, counts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard leaves Dags alone where another auth manager is configured, whatever else is; unsure, it guards."""
    if manager:
        monkeypatch.setenv("AIRFLOW__CORE__AUTH_MANAGER", manager)
    else:
        monkeypatch.delenv("AIRFLOW__CORE__AUTH_MANAGER", raising=False)
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__POLICY_FILE", "/no/such/file" if names_policy else "")
    monkeypatch.setattr(dag_processor, "_store", lambda: SimpleNamespace(engine=lambda: "an engine"))
    assert dag_processor.engine() == ("an engine" if counts else None)


class Own(AstroAuthManager):
    """An auth manager of somebody's own."""
