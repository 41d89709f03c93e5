"""What an identity holds on Dags, and the lists of Dags that it may see.

A Dag is looked up at most once in a request: the identity, which lives as long as the request, keeps it.
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Set as AbstractSet
from typing import Any

from astro_auth_plugin.authorization import action_map, dag_cache, dag_lookup, route_rules
from astro_auth_plugin.authorization.access_request import enum_name
from astro_auth_plugin.rbac.engine.engine import DagSelection
from astro_auth_plugin.rbac.model.scopes import Dag
from astro_auth_plugin.runtime.identity import AstroIdentity
from astro_auth_plugin.runtime.request_context import current_request

NO_DAGS = ("", route_rules.EVERY_DAG)
"""Ids that no Dag has: an empty parameter, and Airflow's word for "any"."""


def holds_in_deployment(identity: AstroIdentity, needed: int) -> bool:
    """Whether all of these permissions are held Deployment-wide; False for none."""
    return bool(needed) and not needed & ~identity.access.deployment_wide


def holds_on_dag(identity: AstroIdentity, needed: int, dag_id: str) -> bool:
    """Whether all of these permissions are held on a Dag. Its tags are looked up only where they can matter."""
    access = identity.access
    missing = needed & ~access.deployment_wide
    if not missing:
        return True
    if missing & ~access.anywhere:
        return False
    found = identity.dags.get(dag_id) or find(identity, dag_id)
    return found is not None and identity.engine.allows(access, needed, found)


def find(identity: AstroIdentity, dag_id: str) -> Dag | None:
    """Return a Dag with its tags; None if it does not exist."""
    dags = identity.dags
    if dag_id not in dags:
        if dag_id in NO_DAGS:
            return None
        kept = dag_cache.kept(dag_id)
        if kept is not None:
            dags[dag_id] = kept
            return kept
        look_up(identity, {dag_id})
    return dags[dag_id]


def look_up(identity: AstroIdentity, dag_ids: set[str]) -> None:
    """Look up Dags with their tags in one statement, those that are not known yet."""
    # Not `dag_ids - identity.dags.keys()`, which walks through all that is known already.
    unknown = {dag_id for dag_id in dag_ids if dag_id not in identity.dags}
    if unknown:
        found = dag_cache.look_up(unknown)
        identity.dags.update(found)
        identity.dags.update(dict.fromkeys(unknown.difference(found)))


# -- lists ---------------------------------------------------------------------------------------------------------


def readable_dag_ids(identity: AstroIdentity, method: Any) -> AbstractSet[str]:
    """Return the Dags on which the person holds all that this request was asked about, and the method on the Dag."""
    needed = action_map.needed(action_map.DAG_ENTITIES, "", enum_name(method))
    if needed is None:
        return set()
    rule = route_rules.rule_of(current_request())
    return rule.narrow(dag_lookup.select_dag_ids(_selection(identity, needed)))


def filter_dag_ids(identity: AstroIdentity, method: Any, dag_ids: Collection[str]) -> set[str]:
    """Return those of the Dags that `readable_dag_ids` would return."""
    needed = action_map.needed(action_map.DAG_ENTITIES, "", enum_name(method))
    if needed is None:
        return set()
    selection = _selection(identity, needed)
    look_up(identity, set(dag_ids))
    found = (identity.dags[dag_id] for dag_id in dag_ids)
    return {found_dag.id for found_dag in found if found_dag and selection.matches(found_dag)}


def _selection(identity: AstroIdentity, needed: int) -> DagSelection:
    context = current_request()
    needed |= identity.requested | route_rules.rule_of(context).lists_need(context)
    return identity.allowed_dags(needed)
