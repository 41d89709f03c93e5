"""From a request of Airflow to a decision: gathers the context, lets the engine decide, and keeps what was asked.

`authorize` is the way in for everything that is allowed or denied; each kind of resource has a function below. What is
asked is remembered in the identity, since Airflow's lists ask afterwards, and in `dag_access`, which Dags may be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from astro_auth_plugin.authorization import (
    action_map,
    custom_views,
    dag_access,
    dag_lookup,
    denials,
    route_rules,
)
from astro_auth_plugin.authorization.access_decision import ALLOWED, DENIED, AccessDecision, denied
from astro_auth_plugin.authorization.access_request import AccessRequest, enum_name
from astro_auth_plugin.authorization.action_map import SEE_DAG
from astro_auth_plugin.authorization.dag_access import holds_in_deployment
from astro_auth_plugin.authorization.objects import decisions as objects
from astro_auth_plugin.authorization.route_rules import RouteRule
from astro_auth_plugin.rbac.model.permissions import EVERYTHING, ObjectKind, mask
from astro_auth_plugin.rbac.model.subjects import normalize_email
from astro_auth_plugin.runtime.identity import AstroIdentity
from astro_auth_plugin.runtime.request_context import RequestContext, current_request


def authorize(identity: AstroIdentity, request: AccessRequest) -> AccessDecision:
    """Decide one request. A denial has its reason, which the response shows where that is of use."""
    context = current_request()
    decision = _AUTHORIZE.get(request.resource, authorize_object)(identity, request, context)
    if decision.allowed and context is not None:
        context.allowed.append((identity.id, request))
    return decision


def authorize_all(identity: AstroIdentity, resource: str, requests: Collection[AccessRequest]) -> AccessDecision:
    """Decide a batch of requests for one kind of resource: the first denial, if there is one."""
    if not requests:
        return _authorize_empty_batch(identity, resource)
    if resource == "dag":
        _prepare_batch(identity, requests)
    elif (kind := objects.kind_with_grants(identity, resource)) is not None:
        return _authorize_objects(identity, kind, requests)
    decisions = (authorize(identity, request) for request in requests)
    return next((decision for decision in decisions if not decision.allowed), ALLOWED)


def _authorize_empty_batch(identity: AstroIdentity, resource: str) -> AccessDecision:
    # It names nothing and changes nothing: to see some Dag will do, or any verb of the object.
    if resource == "dag":
        allowed = identity.holds_anywhere(SEE_DAG)
    else:
        verbs = action_map.OBJECTS[resource].values()
        allowed = any(holds_in_deployment(identity, needed) for needed in verbs)
        if not allowed and (kind := objects.kind_with_grants(identity, resource)) is not None:
            allowed = objects.may_do_anything(identity, kind)
    return ALLOWED if allowed else DENIED


def _authorize_objects(
    identity: AstroIdentity, kind: ObjectKind, requests: Collection[AccessRequest]
) -> AccessDecision:
    """Decide a batch on single objects as a whole: what is stored under their ids is looked up once."""
    context = current_request()
    needed = 0
    for request in requests:
        needed |= action_map.OBJECTS[kind].get(request.method, EVERYTHING)
    if holds_in_deployment(identity, needed | route_rules.rule_of(context).deployment_wide):
        decision = ALLOWED
    else:
        decision = objects.decide(identity, kind, requests, context)
    if decision.allowed and context is not None:
        context.allowed += [(identity.id, request) for request in requests]
    return decision


# -- Dags ----------------------------------------------------------------------------------------------------------


def authorize_dag(identity: AstroIdentity, request: AccessRequest, context: RequestContext | None) -> AccessDecision:
    """Decide a method on an entity of a Dag, or of no Dag in particular."""
    needed = action_map.needed(action_map.DAG_ENTITIES, request.entity, request.method)
    if needed is None:
        return DENIED
    reads = request.reads
    rule = route_rules.rule_of(context)
    requested = rule.correct(context, reads=reads, dag_id=request.dag_id, needed=needed | SEE_DAG)
    identity.requested |= requested.needed
    if requested.refused:
        return DENIED
    if requested.dag_id is None:
        decision = _decide_on_no_dag(identity, request, requested.needed, rule)
    else:
        dag_ids = (requested.dag_id, *sorted(requested.also)) if requested.also else (requested.dag_id,)
        decision = _decide_on_dags(identity, requested.needed, dag_ids)
        if decision.allowed and context is not None and not reads:
            context.written.update(dag_ids)
    if decision.allowed:
        return decision
    if reads and not (context is not None and context.writes):
        return denials.deny_read(context, request, decision)
    return denials.deny_write(context, decision)


def _decide_on_dags(identity: AstroIdentity, needed: int, dag_ids: Iterable[str]) -> AccessDecision:
    for dag_id in dag_ids:
        if not dag_access.holds_on_dag(identity, needed, dag_id):
            return denied(identity, needed, dag_id)
    return ALLOWED


def _decide_on_no_dag(identity: AstroIdentity, request: AccessRequest, needed: int, rule: RouteRule) -> AccessDecision:
    if request.reads:
        # The rows come from `readable_dag_ids`; rows that belong to no Dag do not, so they decide alone.
        if request.entity == "AUDIT_LOG" and route_rules.SHOWS_ROWS_OF_NO_DAG:
            return _decide_in_deployment(identity, needed)
        return ALLOWED if identity.holds_anywhere(SEE_DAG) else denied(identity, SEE_DAG)
    if rule.is_filtered_write:
        return ALLOWED if identity.holds_anywhere(needed) else denied(identity, needed)
    return _decide_in_deployment(identity, needed)


def _decide_in_deployment(identity: AstroIdentity, needed: int) -> AccessDecision:
    return ALLOWED if holds_in_deployment(identity, needed) else denied(identity, needed)


def _prepare_batch(identity: AstroIdentity, requests: Iterable[AccessRequest]) -> None:
    """Look up the Dags of a batch in one statement, and keep what is asked about all of them.

    Every item narrows what is listed later, also those after the first denial.
    """
    dag_ids = set()
    for request in requests:
        needed = action_map.DAG_ENTITIES.get(request.entity, {}).get(request.method, 0) | SEE_DAG
        identity.requested |= needed
        if request.dag_id and request.dag_id not in dag_access.NO_DAGS and needed & ~identity.access.deployment_wide:
            dag_ids.add(request.dag_id)
    dag_access.look_up(identity, dag_ids)


def authorize_backfill(
    identity: AstroIdentity, request: AccessRequest, context: RequestContext | None
) -> AccessDecision:
    """Decide a method on a backfill, which does not say of which Dag: Airflow asks about the RUN of the Dag instead."""
    dag_id = None if request.reads else route_rules.EVERY_DAG
    return authorize_dag(identity, AccessRequest(request.method, "dag", "RUN", dag_id), context)


def authorize_hitl_task(identity: AstroIdentity, assigned_users: Iterable[str]) -> AccessDecision:
    """Decide an answer to a human-in-the-loop task that is assigned to these users."""
    context = current_request()
    needed = mask("taskInstance.update")
    if context and context.path_dag_id:
        may_update = dag_access.holds_on_dag(identity, needed | SEE_DAG, context.path_dag_id)
    else:
        # Airflow has asked about the Dag before it asks this; here it is not named any more.
        may_update = identity.holds_anywhere(needed)
    return ALLOWED if may_update and _is_assigned(identity, assigned_users) else DENIED


def _is_assigned(identity: AstroIdentity, assigned_users: Iterable[str]) -> bool:
    """Whether one of the entries is the person.

    An entry with `@` is an e-mail, one of digits FAB's id, any other a user name; a user name that looks like one of
    the first two never matches, or an account could be named after another user's address.
    """
    for entry in assigned_users:
        if "@" in entry:
            matches = bool(identity.subject) and normalize_email(entry) == normalize_email(identity.email)
        elif entry.isdigit():
            matches = entry == identity.get_id()
        else:
            matches = entry == identity.username
        if matches:
            return True
    return False


# -- connections, Variables, pools, the configuration, assets ------------------------------------------------------


def authorize_object(identity: AstroIdentity, request: AccessRequest, context: RequestContext | None) -> AccessDecision:
    """Decide a method on an object of the whole Deployment, or on a single connection, Variable or pool."""
    needed = action_map.needed(action_map.OBJECTS, request.resource, request.method)
    if needed is None:
        return DENIED
    identity.requested |= needed
    needed |= route_rules.rule_of(context).deployment_wide
    kind = objects.kind_with_grants(identity, request.resource)
    if kind is not None and not holds_in_deployment(identity, needed):
        return objects.decide(identity, kind, (request,), context)
    return _decide_object(identity, request, needed, context)


def authorize_asset(identity: AstroIdentity, request: AccessRequest, context: RequestContext | None) -> AccessDecision:
    """Decide a method on assets or asset aliases; to read them for the page of a Dag, on that Dag."""
    needed = action_map.needed(action_map.OBJECTS, request.resource, request.method)
    if needed is None:
        return DENIED
    identity.requested |= needed
    rule = route_rules.rule_of(context)
    dag_id = rule.dag_of_assets(context)
    if request.reads and dag_id:
        decision = _decide_on_dags(identity, needed, (dag_id,))
        return decision if decision.allowed else denials.deny_read(context, request, decision)
    if request.method == "POST" and rule.starts_dags:
        needed |= mask("dagRun.create")
    return _decide_object(identity, request, needed | rule.deployment_wide, context)


def _decide_object(
    identity: AstroIdentity, request: AccessRequest, needed: int, context: RequestContext | None
) -> AccessDecision:
    if holds_in_deployment(identity, needed):
        return ALLOWED
    decision = denied(identity, needed)
    return denials.deny_read(context, request, decision) if request.reads else denials.deny_write(context, decision)


def may_list_assets(identity: AstroIdentity, method: Any) -> bool:
    """Whether a list has all assets, or none."""
    needed = action_map.needed(action_map.OBJECTS, "asset", enum_name(method))
    return needed is not None and holds_in_deployment(identity, needed)


_OBJECTS_OF_TEAMS = {"connections": "connection", "pools": "pool", "variables": "variable"}


@denials.denies_on_error(bool)
def may_name_team(context: RequestContext) -> bool:
    """Whether the person may make the change of a request that Airflow has not asked about.

    In multi-team mode Airflow looks up the team that a body names before it asks, and the answer 400 would say to
    any user that there is no such team.
    """
    resource = _OBJECTS_OF_TEAMS.get("".join(context.scope["path"].partition("/api/v2/")[2].split("/")[:1]))
    method = {"PATCH": "PUT"}.get(context.scope["method"], context.scope["method"])
    if resource is None or context.signed_in is None or method not in ("POST", "PUT"):
        return True
    named = next(iter(context.scope.get("path_params", {}).values()), None)
    return authorize(context.signed_in, AccessRequest(method, resource, resource_id=named)).allowed


# -- views and menus -----------------------------------------------------------------------------------------------


def authorize_view(identity: AstroIdentity, request: AccessRequest, context: RequestContext | None) -> AccessDecision:
    """Decide whether one of Airflow's views opens."""
    alternatives = action_map.VIEWS.get(request.entity)
    if alternatives is None:
        action_map.warn_unknown(f"view {request.entity}")
        return DENIED
    first = alternatives[0]
    if len(alternatives) == 1:
        identity.requested |= first
    if request.entity == "IMPORT_ERRORS" and not route_rules.SHOWS_ROWS_OF_NO_DAG:
        needed, allowed = first | SEE_DAG, identity.holds_anywhere(first | SEE_DAG)
    else:
        more = route_rules.rule_of(context).deployment_wide
        needed, allowed = first | more, any(holds_in_deployment(identity, each | more) for each in alternatives)
        if request.entity == "PLUGINS" and context is not None and context.route == action_map.PLUGIN_LIST:
            allowed = allowed or holds_in_deployment(identity, action_map.OPEN_PAGES)
    return ALLOWED if allowed else denials.deny_read(context, request, denied(identity, needed))


def may_see_all_plugins(identity: AstroIdentity) -> bool:
    """Whether the list of plugins has all of them for a user, or this plugin's own entries alone."""
    return any(holds_in_deployment(identity, each) for each in action_map.VIEWS["PLUGINS"])


def may_see_menu_item(identity: AstroIdentity, item: Any) -> bool:
    """Whether a menu item is shown to a user."""
    name = enum_name(item)
    rule = action_map.MENU_ITEMS.get(name)
    if rule is None:
        action_map.warn_unknown(f"menu item {name}")
        return False
    if rule.object_kind is not None and objects.is_shown(identity, rule.object_kind):
        return True
    access = identity.access
    on_dags = 0
    for permissions in (*access.by_tag.values(), *access.by_dag.values(), *access.by_place.values()):
        on_dags |= permissions
    return holds_in_deployment(identity, rule.deployment_wide) or bool(
        rule.on_dags and not rule.on_dags & ~(on_dags | access.deployment_wide & SEE_DAG)
    )


# -- teams of multi-team Airflow -----------------------------------------------------------------------------------


def authorize_team(identity: AstroIdentity, request: AccessRequest, _facts: RequestContext | None) -> AccessDecision:
    """Decide a method on one team of multi-team Airflow."""
    return ALLOWED if visible_teams(identity, request.method, {request.resource_id or ""}) else DENIED


def list_teams(identity: AstroIdentity, method: Any) -> AbstractSet[str]:
    """Return all teams of multi-team Airflow that the person may see."""
    names = dag_lookup.team_names()
    if enum_name(method) == "GET" and holds_in_deployment(identity, SEE_DAG):
        return names
    return visible_teams(identity, method, names)


def visible_teams(identity: AstroIdentity, method: Any, team_names: Collection[str]) -> set[str]:
    """Return the teams of multi-team Airflow that the person may see: those with a Dag that the person may see."""
    if enum_name(method) != "GET":
        action_map.warn_unknown(f"method {enum_name(method)} of team")
        return set()
    if holds_in_deployment(identity, SEE_DAG):
        return set(team_names)
    selection = identity.allowed_dags(SEE_DAG)
    if selection.nothing or not team_names:
        return set()
    return {name for name, found in dag_lookup.read_dags_of_teams(team_names) if selection.matches(found)}


_AUTHORIZE: Mapping[str, Callable[[AstroIdentity, AccessRequest, RequestContext | None], AccessDecision]] = {
    "asset": authorize_asset,
    "asset_alias": authorize_asset,
    "backfill": authorize_backfill,
    "custom_view": custom_views.authorize_custom_view,
    "dag": authorize_dag,
    "team": authorize_team,
    "view": authorize_view,
}
"""Which function decides about a resource; all others are objects of the whole Deployment."""
