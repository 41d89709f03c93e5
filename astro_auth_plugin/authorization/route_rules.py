"""Corrects Airflow's checks by the rows of routes.yaml: routes on which it checks too little, or another Dag.

A row says what the server requires besides what Airflow checks. Where that depends on the request or on the database,
the row names a function below. `docs/route-rules.md` has the reason for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from functools import cache
from typing import Any, NamedTuple

from airflow import __version__ as airflow_version
from airflow.api_fastapi.auth.managers.base_auth_manager import BaseAuthManager
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from itsdangerous import BadSignature, URLSafeSerializer
from packaging.version import Version
from pydantic import NonNegativeInt, TypeAdapter, ValidationError

from astro_auth_plugin.authorization import dag_lookup, route_table
from astro_auth_plugin.authorization.route_table import RouteTableError
from astro_auth_plugin.rbac.explain.route_rows import CASES_IN_BODY, CASES_IN_QUERY, OBJECT_PLACES, Route
from astro_auth_plugin.rbac.model.permissions import mask
from astro_auth_plugin.rbac.policy.hints import did_you_mean
from astro_auth_plugin.runtime.request_context import RequestContext

RELEASE = "{0.major}.{0.minor}".format(Version(airflow_version))
"""The installed Airflow, as the table of routes has it."""

SHOWS_ROWS_OF_NO_DAG = not {"AUDIT_LOGS_ALL", "IMPORT_ERRORS_ALL"} <= AccessView.__members__.keys()
"""Whether lists of the audit log and of import errors add the rows that belong to no Dag without a check."""

LISTS_ONLY_GRANTED_OBJECTS = hasattr(BaseAuthManager, "get_authorized_connections")
"""Whether Airflow leaves connections, Variables and pools out of its lists: not before 3.2, where lists have all."""

EVERY_DAG = "~"
"""An id that no Dag has: a check of it passes only for identities with the permission on every Dag."""

# No database has a larger one, and some refuse to look.
_LARGEST_ID = 2**63 - 1

# As Airflow's handlers read a backfill's id: "1.0" is 1 there.
_BACKFILL_ID: TypeAdapter[int] = TypeAdapter(NonNegativeInt)

# Where the Dag of a write is read from something else than the query, whatever the query says.
_DAG_NOT_FROM_QUERY = ("body", "row", "file")


class Corrected(NamedTuple):
    """A check as it should be.

    `also` are the other Dags that the same answer shows or the same write touches. `refused` is set where no
    permission helps: the request itself is made to be decided on another Dag.
    """

    dag_id: str | None
    needed: int
    refused: bool = False
    also: frozenset[str] = frozenset()


Rule = Callable[[RequestContext, str | None, int], Corrected]
ListRule = Callable[[AbstractSet[str]], AbstractSet[str]]


class RouteRule(NamedTuple):
    """What the row of a route means for the server; the default is that of a route without a row.

    Attributes:
        on_dags: what is required on each Dag that Airflow checks.
        on_lists: what is required on each Dag of a list.
        deployment_wide: what is required Deployment-wide.
        cases: what is required besides in cases that the request decides: on Dags, or on the Dags of a list.
        dag_from_query: whether the Dag of a write may be one that only the query names, which is then none.
        is_filtered_write: whether a write without a Dag is safe to open to anyone with the permission on some Dag:
            Airflow then filters the Dags, or checks each item.
        assets_of: on which Dag assets are read: that of the `path` or of the `query`; `Deployment` for none.
        starts_dags: whether to write an asset starts Dags that Airflow does not check.
        objects: where the connection, Variable or pool is named, as `where` of the row has it; '' elsewhere.
        is_batch: whether the body has many objects, each with what is done with it.
    """

    on_dags: int = 0
    on_lists: int = 0
    deployment_wide: int = 0
    cases: tuple[tuple[Callable[[RequestContext], bool], int], ...] = ()
    rule: Rule | None = None
    list_rule: ListRule | None = None
    dag_from_query: bool = True
    is_list: bool = False
    is_filtered_write: bool = False
    assets_of: str = "path"
    starts_dags: bool = True
    objects: str = ""
    is_batch: bool = False

    @property
    def corrects(self) -> bool:
        """Whether the server requires anything else on the route than what Airflow checks."""
        added = self.on_dags | self.on_lists | self.deployment_wide
        return bool(added or self.cases or self.rule or self.list_rule or self.is_filtered_write)

    def correct(self, context: RequestContext | None, *, reads: bool, dag_id: str | None, needed: int) -> Corrected:
        """Return the check of a Dag that the request really needs.

        Args:
            context: the request; None outside of one, where the check is taken as it is.
            reads: whether the check is a GET.
            dag_id: the Dag that Airflow checks; None for no Dag in particular.
            needed: what Airflow checks.
        """
        if context is None:
            return Corrected(dag_id, needed)
        needed |= self.on_dags
        if self.cases and not self.is_list:
            needed |= self._of_cases(context)
        if self.rule is not None:
            return self.rule(context, dag_id, needed)
        if not reads and self.dag_from_query and _only_in_query(context, dag_id):
            dag_id = None
        return Corrected(dag_id, needed)

    def lists_need(self, context: RequestContext | None) -> int:
        """Return what the Dags in an answer need besides what Airflow checked."""
        return self.on_lists | self._of_cases(context) if self.is_list and context is not None else self.on_lists

    def _of_cases(self, context: RequestContext) -> int:
        needed = 0
        for is_case, permissions in self.cases:
            needed |= permissions if is_case(context) else 0
        return needed

    def dag_of_assets(self, context: RequestContext | None) -> str | None:
        """Return the Dag for whose page assets are read; None when it is about all assets."""
        if context is None or self.assets_of == "Deployment":
            return None
        if self.assets_of == "query":
            # The page of a partitioned Dag asks so, and Airflow answers about this Dag alone.
            named = context.query("dag_id")
            return named[0] if len(named) == 1 else None
        return context.path_dag_id

    def narrow(self, dag_ids: AbstractSet[str]) -> AbstractSet[str]:
        """Return those of the Dags, which a person may see, that this answer may show."""
        return self.list_rule(dag_ids) if self.list_rule is not None else dag_ids


WITHOUT_A_ROW = RouteRule()


def rule_of(context: RequestContext | None) -> RouteRule:
    """Return the rule of the route of a request."""
    return rules(RELEASE).get(context.route, WITHOUT_A_ROW) if context is not None else WITHOUT_A_ROW


@cache
def rules(release: str) -> Mapping[str, RouteRule]:
    """Return what the rows of a release mean, by route.

    Raises:
        RouteTableError: if a row is not as the head of the table says, or names a function that does not exist.
    """
    return {name: compiled(route) for name, route in route_table.table(release).items()}


def compiled(route: Route) -> RouteRule:
    """Return what a row means."""
    is_list = "list" in route.where
    added = mask(*route.adds)
    cases = ((_condition(case), mask(*names.split())) for case, names in route.also.items())
    return RouteRule(
        on_dags=0 if is_list else added,
        on_lists=added if is_list else 0,
        deployment_wide=mask(*route.adds_wide),
        cases=tuple((is_case, permissions) for is_case, permissions in cases if is_case is not None),
        rule=_named(route, "rule", RULES),
        list_rule=_named(route, "list_rule", LIST_RULES),
        dag_from_query=route.where not in _DAG_NOT_FROM_QUERY,
        is_list=is_list,
        is_filtered_write=is_list and route.method != "GET" and not route.path.endswith("/list"),
        assets_of="query" if route.named else "Deployment" if "datasets.get" in route.deployment_wide else "path",
        objects=route.where if route.where in OBJECT_PLACES else "",
        is_batch=bool(route.items),
        starts_dags=not ("datasets.create" in route.deployment_wide and "dagRun.create" not in route.deployment_wide),
    )


def _condition(case: str) -> Callable[[RequestContext], bool] | None:
    """Return whether a request is a case of `also`; None for those that Airflow checks itself."""
    if case in CASES_IN_QUERY:
        in_query = CASES_IN_QUERY[case]
        return lambda context: in_query(context.parsed_query)
    if case in CASES_IN_BODY:
        in_body = CASES_IN_BODY[case]
        return lambda context: in_body(context.body)
    return None


def _named(route: Route, key: str, functions: Mapping[str, Any]) -> Any:
    name = getattr(route, key)
    if name and name not in functions:
        raise RouteTableError(f"routes.yaml: `{route.name}`: unknown {key} `{name}`{did_you_mean(name, functions)}")
    return functions.get(name)


def _only_in_query(context: RequestContext, dag_id: str | None) -> bool:
    # Airflow takes a Dag from the query where the path has none, and then acts on more than that Dag.
    return dag_id is not None and dag_id in context.query("dag_id") and not context.path_asks_for_dag


# -- the functions that rows name ----------------------------------------------------------------------------------


def dag_of_the_event(context: RequestContext, _dag_id: str | None, needed: int) -> Corrected:
    """A row of the audit log: Airflow falls back to the Dag of the query where the row has none."""
    return Corrected(_dag_of_event(context.scope["path_params"].get("event_log_id")), needed)


def _dag_of_event(event_log_id: str | None) -> str | None:
    try:
        number = int(event_log_id or "")
    except ValueError:
        return None
    return dag_lookup.read_dag_of_event(number) if abs(number) <= _LARGEST_ID else None


def dag_of_the_backfill(context: RequestContext, _dag_id: str | None, needed: int) -> Corrected:
    """A backfill: before 3.3 an id that only the handler understands lets the query or the body name the Dag."""
    return Corrected(_dag_of_backfill(context.scope["path_params"]["backfill_id"]), needed)


def _dag_of_backfill(backfill_id: str) -> str:
    try:
        number = _BACKFILL_ID.validate_python(backfill_id)
    except ValidationError:
        return EVERY_DAG
    return (dag_lookup.read_dag_of_backfill(number) if number <= _LARGEST_ID else None) or EVERY_DAG


def dag_of_the_query(context: RequestContext, _dag_id: str | None, needed: int) -> Corrected:
    """A list of backfills: Airflow decides on the Dag of a JSON body, and then lists that of the query."""
    named = context.query("dag_id")
    refused = context.has_body or len(set(named)) > 1
    return Corrected(named[-1] if named else None, needed, refused)


def dag_of_the_query_or_every_dag(context: RequestContext, dag_id: str | None, needed: int) -> Corrected:
    """The same before 3.2, where the list without a Dag is not filtered: only for who may see all."""
    corrected = dag_of_the_query(context, dag_id, needed)
    return corrected if corrected.dag_id is not None else corrected._replace(dag_id=EVERY_DAG)


def dag_of_the_path(context: RequestContext, _dag_id: str | None, needed: int) -> Corrected:
    """Queued events: Airflow takes the Dag from the query where the path has none."""
    return Corrected(context.path_dag_id, needed)


def with_neighbours(context: RequestContext, dag_id: str | None, needed: int) -> Corrected:
    """The graph of a Dag: before 3.2 it names the Dags next to this one without a check of them."""
    asks_outside = any(value.lower() != "false" for value in context.query("external_dependencies"))
    if not asks_outside or not dag_id:
        return Corrected(dag_id, needed)
    return Corrected(dag_id, needed, also=frozenset(dag_lookup.next_to(dag_id)))


def every_dag_of_the_same_file(_facts: RequestContext, dag_id: str | None, needed: int) -> Corrected:
    """The code of a Dag: before 3.3 the answer is the whole file, other Dags in it included."""
    if not dag_id:
        return Corrected(dag_id, needed)
    return _on_all({dag_id, *dag_lookup.read_dag_ids_of_same_file(dag_id)}, needed)


def every_dag_of_the_file(context: RequestContext, _dag_id: str | None, needed: int) -> Corrected:
    """A file to parse again: before 3.3 Airflow checks the Dag of the query, and then parses every Dag of the file."""
    return _on_all(_dags_of_token(context), needed)


def _on_all(dag_ids: set[str], needed: int) -> Corrected:
    first, *others = sorted(dag_ids) or [EVERY_DAG]
    return Corrected(first, needed, also=frozenset(others))


def _dags_of_token(context: RequestContext) -> set[str]:
    """Return the Dags of the file that a token names; none for a token that is not Airflow's."""
    try:
        serializer = URLSafeSerializer(context.scope["app"].state.secret_key)
        file = serializer.loads(context.scope["path_params"]["file_token"])
        return dag_lookup.read_dag_ids_of_file(file["bundle_name"], file["relative_fileloc"])
    except (BadSignature, KeyError, TypeError):
        return set()


RULES: Mapping[str, Rule] = {
    "dag_of_the_backfill": dag_of_the_backfill,
    "dag_of_the_event": dag_of_the_event,
    "dag_of_the_path": dag_of_the_path,
    "dag_of_the_query": dag_of_the_query,
    "dag_of_the_query_or_every_dag": dag_of_the_query_or_every_dag,
    "every_dag_of_the_file": every_dag_of_the_file,
    "every_dag_of_the_same_file": every_dag_of_the_same_file,
    "with_neighbours": with_neighbours,
}
"""The functions that `rule` may name."""

LIST_RULES: Mapping[str, ListRule] = {"without_outsiders": dag_lookup.without_outsiders}
"""The functions that `list_rule` may name."""
