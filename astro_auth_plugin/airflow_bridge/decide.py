"""From a question of Airflow to yes or no: gathers the facts, lets the engine decide, keeps what was asked.

Every function takes the identity first and answers for it; none is asked without one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet
from typing import Any

from astro_auth_plugin.airflow_bridge import action_map, dag_cache, denials, metadata, route_rules
from astro_auth_plugin.airflow_bridge.action_map import SEE_DAG
from astro_auth_plugin.airflow_bridge.identity import AstroIdentity
from astro_auth_plugin.airflow_bridge.request import RequestFacts, current_request
from astro_auth_plugin.rbac.engine import DagSelection
from astro_auth_plugin.rbac.permissions import DAG_WORDS, mask, names, word
from astro_auth_plugin.rbac.scopes import Dag
from astro_auth_plugin.rbac.subjects import normalize_email

EVERY_DAG = route_rules.EVERY_DAG
_NOBODYS_DAGS = ("", EVERY_DAG)
"""Ids that no Dag has: an empty parameter, and Airflow's word for "any"."""


# -- Dags ----------------------------------------------------------------------------------------------------------


def dag(identity: AstroIdentity, method: Any, entity: Any, dag_id: str | None) -> bool:
    """Whether the person may use a method on an entity of a Dag, or with None of no Dag in particular."""
    entity_name, reads = action_map.text(entity), action_map.text(method) == "GET"
    needed = action_map.needed(action_map.DAG_ENTITIES, entity_name, method)
    if needed is None:
        return False
    facts = current_request()
    asked = route_rules.correct(facts, reads=reads, dag_id=dag_id, needed=needed | SEE_DAG)
    dag_id, needed = asked.dag_id, asked.needed
    identity.asked |= needed
    if asked.refused:
        return False
    if dag_id is not None:
        allowed = _on_dag(identity, needed, dag_id) and all(_on_dag(identity, needed, each) for each in asked.also)
    elif reads:
        allowed = _list_of(identity, entity_name, needed)
    else:
        allowed = _write_on_no_dag(identity, needed, facts)
    if allowed:
        return True
    if not reads or (facts is not None and facts.writes):
        _refuse_write(facts, identity, needed, dag_id)
    elif entity_name in denials.NOTED_READS and dag_id is not None:
        denials.note(identity, _missing(identity, needed, dag_id), _existing(identity, dag_id))
    return False


def dags(identity: AstroIdentity, requests: Iterable[tuple[Any, Any, str | None]]) -> bool:
    """Whether the person may do all of this: (method, entity, Dag id) each. At most one statement."""
    asked = list(requests)
    if not asked:
        # It names nothing and changes nothing.
        return identity.holds_anywhere(SEE_DAG)
    _look_up(
        identity, {dag_id for method, entity, dag_id in asked if dag_id and _is_open(identity, method, entity, dag_id)}
    )
    for method, entity, _ in asked:
        # Every item has been asked about and narrows what is listed later, also those after the first refusal.
        identity.asked |= _needed_on_dag(method, entity)
    return all(dag(identity, method, entity, dag_id) for method, entity, dag_id in asked)


def _is_open(identity: AstroIdentity, method: Any, entity: Any, dag_id: str) -> bool:
    """Whether the tags of the Dag can matter for a question."""
    return dag_id not in _NOBODYS_DAGS and not wide(identity, _needed_on_dag(method, entity))


def _needed_on_dag(method: Any, entity: Any) -> int:
    row = action_map.DAG_ENTITIES.get(action_map.text(entity), {})
    return row.get(action_map.text(method), 0) | SEE_DAG


def readable_dag_ids(identity: AstroIdentity, method: Any) -> AbstractSet[str]:
    """Return the Dags on which the person holds all that this request was asked about, and the method on the Dag."""
    needed = action_map.needed(action_map.DAG_ENTITIES, "", method)
    if needed is None:
        return set()
    return route_rules.narrow(current_request(), metadata.select_dag_ids(_selection(identity, needed)))


def filter_dag_ids(identity: AstroIdentity, method: Any, dag_ids: Collection[str]) -> set[str]:
    """Return those of the Dags that `readable_dag_ids` would return."""
    needed = action_map.needed(action_map.DAG_ENTITIES, "", method)
    if needed is None:
        return set()
    selection = _selection(identity, needed)
    _look_up(identity, set(dag_ids))
    found = (identity.dags[dag_id] for dag_id in dag_ids)
    return {found_dag.id for found_dag in found if found_dag and selection.matches(found_dag)}


def _selection(identity: AstroIdentity, needed: int) -> DagSelection:
    needed |= identity.asked | route_rules.lists_need(current_request())
    return identity.allowed_dags(needed)


def _on_dag(identity: AstroIdentity, needed: int, dag_id: str) -> bool:
    access = identity.access
    if not needed & ~access.wide:
        return True
    if needed & ~access.anywhere or dag_id in _NOBODYS_DAGS:
        return False
    if dag_id not in identity.dags:
        _look_up(identity, {dag_id})
    found = identity.dags[dag_id]
    return found is not None and identity.check(needed, found)


def _look_up(identity: AstroIdentity, dag_ids: set[str]) -> None:
    """Find Dags and their tags, each at most once in a request."""
    # Not `dag_ids - identity.dags.keys()`, which walks through all that is known already.
    unknown = {dag_id for dag_id in dag_ids if dag_id not in identity.dags}
    if unknown:
        found = dag_cache.look_up(unknown, files=bool(identity.engine.tag_rules))
        identity.dags.update({dag_id: found.get(dag_id) for dag_id in unknown})


def _list_of(identity: AstroIdentity, entity_name: str, needed: int) -> bool:
    # The rows come from `readable_dag_ids`; rows that belong to no Dag do not, so they decide alone.
    if entity_name == "AUDIT_LOG" and route_rules.SHOWS_ROWS_OF_NO_DAG:
        return wide(identity, needed)
    return identity.holds_anywhere(SEE_DAG)


def _write_on_no_dag(identity: AstroIdentity, needed: int, facts: RequestFacts | None) -> bool:
    if facts and facts.route in route_rules.FILTERED_WRITES:
        return identity.holds_anywhere(needed)
    return wide(identity, needed)


# -- objects of the whole Deployment -------------------------------------------------------------------------------


def wide(identity: AstroIdentity, needed: int) -> bool:
    """Whether the person holds all of this Deployment-wide."""
    return bool(needed) and not needed & ~identity.access.wide


def thing(identity: AstroIdentity, kind: str, method: Any) -> bool:
    """Whether the person may use a method on connections, Variables, pools or the configuration."""
    needed = action_map.needed(action_map.OBJECTS, kind, method)
    if needed is None:
        return False
    identity.asked |= needed
    return _wide_or_refused(identity, needed | route_rules.wide_need(current_request()), method)


def things(identity: AstroIdentity, kind: str, methods: Iterable[Any]) -> bool:
    """Whether the person may do all of this with connections, Variables or pools."""
    asked = list(methods)
    if asked:
        return all(thing(identity, kind, method) for method in asked)
    # An empty batch names nothing and changes nothing: any verb of the object will do.
    return any(wide(identity, needed) for needed in action_map.OBJECTS[kind].values())


def asset(identity: AstroIdentity, kind: str, method: Any) -> bool:
    """Whether the person may use a method on assets or asset aliases."""
    needed = action_map.needed(action_map.OBJECTS, kind, method)
    if needed is None:
        return False
    identity.asked |= needed
    facts = current_request()
    verb = action_map.text(method)
    of_dag = route_rules.dag_of_assets(facts)
    if verb == "GET" and of_dag:
        return _on_dag(identity, needed, of_dag)
    if verb == "POST" and route_rules.asset_write_needs_run(facts):
        needed |= mask("dagRun.create")
    return _wide_or_refused(identity, needed | route_rules.wide_need(facts), method)


def view(identity: AstroIdentity, access_view: Any) -> bool:
    """Whether the person may open one of Airflow's views."""
    name = action_map.text(access_view)
    alternatives = action_map.VIEWS.get(name)
    if alternatives is None:
        action_map.warn_unknown(f"view {name}")
        return False
    if len(alternatives) == 1:
        identity.asked |= alternatives[0]
    if name == "IMPORT_ERRORS" and not route_rules.SHOWS_ROWS_OF_NO_DAG:
        return identity.holds_anywhere(alternatives[0] | SEE_DAG)
    more = route_rules.wide_need(current_request())
    return any(wide(identity, needed | more) for needed in alternatives)


def menu_item(identity: AstroIdentity, item: Any) -> bool:
    """Whether the person is shown a menu item."""
    name = action_map.text(item)
    rule = action_map.MENU_ITEMS.get(name)
    if rule is None:
        action_map.warn_unknown(f"menu item {name}")
        return False
    access = identity.access
    on_dags = 0
    for powers in (*access.by_tag.values(), *access.by_dag.values()):
        on_dags |= powers
    return wide(identity, rule.wide) or bool(rule.on_dags and not rule.on_dags & ~(on_dags | access.wide & SEE_DAG))


def team(identity: AstroIdentity, method: Any, name: str | None) -> bool:
    """Whether the person may see one team of multi-team Airflow."""
    return bool(teams(identity, method, {name or ""}))


def every_team(identity: AstroIdentity, method: Any) -> bool:
    """Whether the person may see all teams of multi-team Airflow."""
    return action_map.text(method) == "GET" and wide(identity, SEE_DAG)


def teams(identity: AstroIdentity, method: Any, team_names: Collection[str]) -> set[str]:
    """Return the teams of multi-team Airflow that the person may see: those with a Dag that the person may see."""
    if action_map.text(method) != "GET":
        action_map.warn_unknown(f"method {action_map.text(method)} of team")
        return set()
    if wide(identity, SEE_DAG):
        return set(team_names)
    selection = identity.allowed_dags(SEE_DAG)
    if selection.nothing or not team_names:
        return set()
    return {name for name, found in metadata.read_dags_of_teams(team_names) if selection.matches(found)}


def hitl_task(identity: AstroIdentity, assigned_users: Iterable[str]) -> bool:
    """Whether the person may answer a human-in-the-loop task that is assigned to these users."""
    facts = current_request()
    needed = mask("taskInstance.update")
    if facts and facts.path_dag_id:
        may_update = _on_dag(identity, needed | SEE_DAG, facts.path_dag_id)
    else:
        # Airflow has asked about the Dag before it asks this; here it is not named any more.
        may_update = identity.holds_anywhere(needed)
    return may_update and _assigned_to(identity, assigned_users)


def _assigned_to(identity: AstroIdentity, assigned_users: Iterable[str]) -> bool:
    """Whether one of the entries is the person.

    An entry with `@` is an e-mail, one of digits FAB's id, any other a user name; a user name that looks like one of
    the first two never matches, or an account could be named after somebody else's address.
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


# -- what a refusal says -------------------------------------------------------------------------------------------


def _wide_or_refused(identity: AstroIdentity, needed: int, method: Any) -> bool:
    if wide(identity, needed):
        return True
    facts = current_request()
    if action_map.text(method) != "GET":
        _refuse_write(facts, identity, needed, None)
    elif denials.names_one_object(facts):
        denials.note(identity, _missing(identity, needed, None))
    return False


def _refuse_write(facts: RequestFacts | None, identity: AstroIdentity, needed: int, dag_id: str | None) -> None:
    """Keep, in words for the person and for the audit log, why a write is refused."""
    if facts is not None:
        facts.write_refusal = refusal(facts, identity, needed, dag_id)
        denials.note(identity, _missing(identity, needed, dag_id), _existing(identity, dag_id))


def _missing(identity: AstroIdentity, needed: int, dag_id: str | None) -> int:
    found = _existing(identity, dag_id)
    return needed & ~(identity.access.on(found) if found else identity.access.wide)


def _existing(identity: AstroIdentity, dag_id: str | None) -> Dag | None:
    if not dag_id or dag_id in _NOBODYS_DAGS:
        return None
    _look_up(identity, {dag_id})
    return identity.dags[dag_id]


def refusal(facts: RequestFacts, identity: AstroIdentity, needed: int, dag_id: str | None) -> str:
    """Say what is missing. To somebody who may not see the Dag it does not say whether there is one.

    Nor what it is called: the Dag of somebody else's row, or another one in the file of one's own.
    """
    if dag_id is None:
        listed = ", ".join(f"`{word(name, 'DEPLOYMENT')}`" for name in names(_missing(identity, needed, None)))
        return f"Missing permission {listed} in this Deployment."
    if not _on_dag(identity, SEE_DAG, dag_id):
        named = f"Dag `{dag_id}`" if facts.names_dag(dag_id) else "such Dag"
        return f"There is no {named}, or you may not see it."
    listed = ", ".join(f"`{_on_dag_word(name)}`" for name in names(_missing(identity, needed, dag_id)))
    return f"Missing permission {listed} on Dag `{dag_id}`."


def _on_dag_word(name: str) -> str:
    return word(name, "DAG" if f"dag.airflow.{name}" in DAG_WORDS else "DEPLOYMENT")
