"""Routes on which Airflow asks too little, or about another Dag than the one acted on; what is asked there instead.

Each rule names the route and says why. `docs/` tells operators which of these a newer Airflow makes unnecessary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from airflow import __version__ as airflow_version
from itsdangerous import BadSignature, URLSafeSerializer
from packaging.version import Version
from pydantic import NonNegativeInt, TypeAdapter, ValidationError

from astro_auth_plugin.airflow_bridge import metadata, neighbours
from astro_auth_plugin.airflow_bridge.request import RequestFacts
from astro_auth_plugin.rbac.permissions import mask

_AIRFLOW = Version(Version(airflow_version).base_version)
_3_2 = Version("3.2")
_3_3 = Version("3.3")
_3_4 = Version("3.4")

SHOWS_ROWS_OF_NO_DAG = _3_4 > _AIRFLOW
"""Whether lists of the audit log and of import errors always add the rows that belong to no Dag (before 3.4)."""

_TASK_INSTANCES = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances"
_TASK_GROUPS = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskGroupInstances"
_DRY_RUNS = (
    f"PATCH {_TASK_INSTANCES}/{{task_id}}/dry_run",
    f"PATCH {_TASK_INSTANCES}/{{task_id}}/{{map_index}}/dry_run",
    f"PATCH {_TASK_GROUPS}/{{group_id}}/dry_run",
)

# Airflow filters the Dags by what may be edited, or asks about each item again.
FILTERED_WRITES = frozenset({"PATCH /api/v2/dags"} | ({f"PATCH {_TASK_INSTANCES}"} if _3_2 <= _AIRFLOW else set()))
"""Writes that name no Dag and are still safe to open to whoever may write on some Dag."""

_SEE_RUNS = mask("dagRun.get")

_PARTITIONED_RUNS = "GET /ui/partitioned_dag_runs"

# These answer with runs, and Airflow asks for Dags (or assets) only; for the last before 3.2.
_LISTS_WITH_RUNS = {
    _PARTITIONED_RUNS: _SEE_RUNS,
    "GET /ui/dashboard/dag_stats": _SEE_RUNS,
    "GET /ui/dags": mask("dagRun.get", "taskInstance.get"),
}
_LIST_OF_DAGS = "GET /api/v2/dags"
_STRUCTURE = "GET /ui/structure/structure_data"
_DEPENDENCIES = "GET /ui/dependencies"

_EVENT_LOG = "GET /api/v2/eventLogs/{event_log_id}"
_BACKFILL_LISTS = ("GET /api/v2/backfills", "GET /ui/backfills")
_BACKFILL_CREATE = "POST /api/v2/backfills"
_WAIT = "GET /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/wait"
_UPSTREAM_EVENTS = "GET /api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/upstreamAssetEvents"
_MATERIALIZE = "POST /api/v2/assets/{asset_id}/materialize"

_PARSE_FILE = "PUT /api/v2/parseDagFile/{file_token}"
_CODE = "GET /api/v2/dagSources/{dag_id}"

_QUEUED_EVENTS = (
    "DELETE /api/v2/assets/{asset_id}/queuedEvents",
    "DELETE /api/v2/dags/{dag_id}/assets/queuedEvents",
    "DELETE /api/v2/dags/{dag_id}/assets/{asset_id}/queuedEvents",
)
_BACKFILLS = (
    "GET /api/v2/backfills/{backfill_id}",
    "PUT /api/v2/backfills/{backfill_id}/pause",
    "PUT /api/v2/backfills/{backfill_id}/unpause",
    "PUT /api/v2/backfills/{backfill_id}/cancel",
)

# The Dag of these is read from the body or the asset, whatever the query says.
_DAG_NOT_FROM_QUERY = frozenset({"POST /api/v2/backfills/dry_run", _MATERIALIZE})

# As Airflow's handlers read a backfill's id: "1.0" is 1 there.
_BACKFILL_ID: TypeAdapter[int] = TypeAdapter(NonNegativeInt)


EVERY_DAG = "~"
"""An id that no Dag has: a question about it is answered with yes only to who may do so with every Dag."""


# No database has a larger one, and some refuse to look.
_LARGEST_ID = 2**63 - 1


# What Deployment-wide questions need besides, by route.
_WIDE_NEED = {
    # These name the runs that took an event, of whatever Dag.
    "GET /api/v2/assets/events": _SEE_RUNS,
    _UPSTREAM_EVENTS: _SEE_RUNS,
}
if _3_3 > _AIRFLOW:
    # Tests a stored connection, password included, against any host that the body names.
    _WIDE_NEED["POST /api/v2/connections/test"] = mask("connection.get", "connection.update")
if _3_2 > _AIRFLOW:
    # Shows errors of files without a look at whose Dags are in them.
    _WIDE_NEED["GET /api/v2/importErrors"] = mask("dag.get")
    _WIDE_NEED["GET /api/v2/importErrors/{import_error_id}"] = mask("dag.get")


class Corrected(NamedTuple):
    """A question as it should have been asked.

    `also` are the other Dags that the same answer shows or the same write touches. `refused` is set where no
    permission helps: the request itself is made to be decided on another Dag.
    """

    dag_id: str | None
    needed: int
    refused: bool = False
    also: frozenset[str] = frozenset()


def correct(facts: RequestFacts | None, *, reads: bool, dag_id: str | None, needed: int) -> Corrected:
    """Return the question about a Dag that the request really poses.

    Args:
        facts: the request; None outside of one, where the question is taken as it is.
        reads: whether the question is a GET.
        dag_id: the Dag that Airflow asks about; None for no Dag in particular.
        needed: what Airflow asks for.
    """
    if facts is None:
        return Corrected(dag_id, needed)
    rule = _RULES.get(facts.route)
    if rule is not None:
        return rule(facts, dag_id, needed)
    if not reads and _only_in_query(facts, dag_id):
        dag_id = None
    return Corrected(dag_id, needed)


def dag_of_assets(facts: RequestFacts | None) -> str | None:
    """Return the Dag for whose page a question about assets is asked; None when it is about all assets."""
    if facts is None or facts.route == _UPSTREAM_EVENTS:
        return None
    if facts.route == _PARTITIONED_RUNS:
        # The page of a partitioned Dag asks so, and Airflow answers about this Dag alone.
        named = facts.query("dag_id")
        return named[0] if len(named) == 1 else None
    return facts.path_dag_id


def asset_write_needs_run(facts: RequestFacts | None) -> bool:
    """Whether to write an asset starts Dags that Airflow does not ask about again."""
    asked_again = facts is not None and facts.route == _MATERIALIZE and _3_2 <= _AIRFLOW
    return not asked_again


def wide_need(facts: RequestFacts | None) -> int:
    """Return what a question about the whole Deployment needs on this route besides what Airflow asks for."""
    return _WIDE_NEED.get(facts.route, 0) if facts is not None else 0


def _only_in_query(facts: RequestFacts, dag_id: str | None) -> bool:
    # Airflow takes a Dag from the query where the path has none, and then acts on more than that Dag.
    named = dag_id is not None and dag_id in facts.query("dag_id")
    return named and not facts.path_asks_for_dag and facts.route not in _DAG_NOT_FROM_QUERY


def lists_need(facts: RequestFacts | None) -> int:
    """Return what the Dags in an answer need besides what Airflow asked about."""
    if facts is None:
        return 0
    if facts.route == _LIST_OF_DAGS and _asks_about_runs(facts):
        return _SEE_RUNS
    return _LISTS_WITH_RUNS.get(facts.route, 0)


def narrow(facts: RequestFacts | None, dag_ids: AbstractSet[str]) -> AbstractSet[str]:
    """Return those of the Dags, which a person may see, that this answer may show."""
    if facts is not None and facts.route == _DEPENDENCIES and _3_3 > _AIRFLOW:
        # Each Dag names those at the other end of its edges; Airflow looks at them from 3.3 on.
        return neighbours.without_outsiders(dag_ids)
    return dag_ids


def _asks_about_runs(facts: RequestFacts) -> bool:
    # Dags that are found or ordered by their runs tell of the runs.
    found = any("dag_run_" in name for name in facts.query_names)
    return found or any("last_run_" in value for value in facts.query("order_by"))


# -- the rules of single routes ------------------------------------------------------------------------------------


def _event(facts: RequestFacts, _dag_id: str | None, needed: int) -> Corrected:
    # Airflow falls back to the Dag of the query where the row has none.
    return Corrected(_dag_of_event(facts.scope["path_params"].get("event_log_id")), needed)


def _dag_of_event(event_log_id: str | None) -> str | None:
    try:
        number = int(event_log_id or "")
    except ValueError:
        return None
    return metadata.read_dag_of_event(number) if abs(number) <= _LARGEST_ID else None


def _backfill(facts: RequestFacts, _dag_id: str | None, needed: int) -> Corrected:
    # Before 3.3 an id that only the handler understands lets the query or the body name the Dag.
    return Corrected(_dag_of_backfill(facts.scope["path_params"]["backfill_id"]), needed)


def _dag_of_backfill(backfill_id: str) -> str:
    try:
        number = _BACKFILL_ID.validate_python(backfill_id)
    except ValidationError:
        return EVERY_DAG
    return (metadata.read_dag_of_backfill(number) if number <= _LARGEST_ID else None) or EVERY_DAG


def _list_of_backfills(facts: RequestFacts, _dag_id: str | None, needed: int) -> Corrected:
    # Airflow decides on the Dag of a JSON body where there is one, and then lists that of the query.
    named = facts.query("dag_id")
    refused = facts.has_body or len(set(named)) > 1
    if named:
        return Corrected(named[-1], needed, refused)
    # Before 3.2 the list is not cut to the Dags that may be seen: only for who may see all.
    return Corrected(None if _3_2 <= _AIRFLOW else EVERY_DAG, needed, refused)


def _new_backfill(facts: RequestFacts, dag_id: str | None, needed: int) -> Corrected:
    # Reprocessing clears runs that are there.
    reprocesses = facts.body_field("reprocess_behavior") not in (None, "none")
    return Corrected(dag_id, needed | (mask("dagRun.update") if reprocesses else 0))


def _delete_queued_events(facts: RequestFacts, _dag_id: str | None, needed: int) -> Corrected:
    # Before 3.3 Airflow asks whether the Dag may be seen; and it takes it from the query where the path has none.
    return Corrected(facts.path_dag_id, needed | mask("dag.update"))


def _wait(facts: RequestFacts, dag_id: str | None, needed: int) -> Corrected:
    # With results the answer carries XComs; Airflow asks for them from 3.2 on.
    return Corrected(dag_id, needed | (mask("xcom.get") if facts.query("result") else 0))


def _dry_run(_facts: RequestFacts, dag_id: str | None, needed: int) -> Corrected:
    # It changes nothing, and shows the task instances that it would change.
    return Corrected(dag_id, needed | mask("taskInstance.get"))


def _many_task_instances(_facts: RequestFacts, dag_id: str | None, needed: int) -> Corrected:
    # Before 3.2 what is to be deleted is not asked about again.
    return Corrected(dag_id, needed | (mask("taskInstance.delete") if _3_2 > _AIRFLOW else 0))


def _structure(facts: RequestFacts, dag_id: str | None, needed: int) -> Corrected:
    asks_outside = any(value.lower() != "false" for value in facts.query("external_dependencies"))
    if _3_2 <= _AIRFLOW or not asks_outside or not dag_id:
        return Corrected(dag_id, needed)
    # The answer names the Dags next to this one; from 3.2 on Airflow leaves out those that may not be seen.
    return Corrected(dag_id, needed, also=frozenset(neighbours.next_to(dag_id)))


def _code(_facts: RequestFacts, dag_id: str | None, needed: int) -> Corrected:
    if _3_3 <= _AIRFLOW or not dag_id:
        return Corrected(dag_id, needed)
    # The answer is the whole file; from 3.3 on Airflow takes out what may not be seen.
    return _on_all({dag_id, *metadata.read_dag_ids_of_same_file(dag_id)}, needed)


def _parse_file(facts: RequestFacts, dag_id: str | None, needed: int) -> Corrected:
    if _3_3 <= _AIRFLOW:
        return Corrected(dag_id, needed)
    # Airflow asks about the Dag of the query, and then parses every Dag of the token's file.
    return _on_all(_dags_of_token(facts), needed)


def _on_all(dag_ids: set[str], needed: int) -> Corrected:
    first, *others = sorted(dag_ids) or [EVERY_DAG]
    return Corrected(first, needed, also=frozenset(others))


def _dags_of_token(facts: RequestFacts) -> set[str]:
    """Return the Dags of the file that a token names; none for a token that is not Airflow's."""
    try:
        serializer = URLSafeSerializer(facts.scope["app"].state.secret_key)
        file = serializer.loads(facts.scope["path_params"]["file_token"])
        return metadata.read_dag_ids_of_file(file["bundle_name"], file["relative_fileloc"])
    except (BadSignature, KeyError, TypeError):
        return set()


_RULES: Mapping[str, Callable[[RequestFacts, str | None, int], Corrected]] = {
    _EVENT_LOG: _event,
    _BACKFILL_CREATE: _new_backfill,
    _WAIT: _wait,
    f"PATCH {_TASK_INSTANCES}": _many_task_instances,
    **dict.fromkeys(_DRY_RUNS, _dry_run),
    _STRUCTURE: _structure,
    _CODE: _code,
    _PARSE_FILE: _parse_file,
    **dict.fromkeys(_BACKFILLS, _backfill),
    **dict.fromkeys(_QUEUED_EVENTS, _delete_queued_events),
    **dict.fromkeys(_BACKFILL_LISTS, _list_of_backfills),
}
