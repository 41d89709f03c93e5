"""Decisions on single connections, Variables and pools: the one place through which every way to them goes.

Only for subjects with grants on such objects: users with a permission in the whole Deployment have been allowed before,
and all others denied. The object that is decided on is the stored one, under the id that it is stored by, and under
the id that it would have afterwards; of an object that is not stored, the id decides alone. So a request learns nothing
of objects that are not granted, not even whether there are any.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet
from typing import Any, cast

from astro_auth_plugin.authorization import action_map, denials, route_rules
from astro_auth_plugin.authorization.access_decision import ALLOWED, AccessDecision, denied, denied_on_object
from astro_auth_plugin.authorization.access_request import AccessRequest, enum_name
from astro_auth_plugin.authorization.objects import bodies, lookup
from astro_auth_plugin.authorization.objects.bodies import Named, UnclearBody
from astro_auth_plugin.authorization.route_rules import RouteRule
from astro_auth_plugin.rbac.model.permissions import ON_OBJECTS, ObjectKind
from astro_auth_plugin.rbac.model.resources import Resource
from astro_auth_plugin.runtime.identity import AstroIdentity
from astro_auth_plugin.runtime.request_context import RequestContext, current_request


def kind_with_grants(identity: AstroIdentity, resource: str) -> ObjectKind | None:
    """Return the kind of objects that a resource is, if the subject has grants on some of these; None otherwise."""
    return cast("ObjectKind", resource) if resource in identity.access.objects else None


def decide(
    identity: AstroIdentity, kind: ObjectKind, requests: Collection[AccessRequest], context: RequestContext | None
) -> AccessDecision:
    """Decide one request of Airflow, or all of a batch together, for a subject with grants on single objects."""
    rule = route_rules.rule_of(context)
    decision = _decide(identity, kind, requests, rule, context)
    if decision.allowed:
        return decision
    first = next(iter(requests))
    if all(request.reads for request in requests):
        return denials.deny_read(context, first, decision)
    return denials.deny_write(context, decision)


def _decide(
    identity: AstroIdentity,
    kind: ObjectKind,
    requests: Iterable[AccessRequest],
    rule: RouteRule,
    context: RequestContext | None,
) -> AccessDecision:
    every = 0
    named: list[Named] = []
    is_unclear = opens_list = False
    for request in requests:
        needed = action_map.needed(action_map.OBJECTS, kind, request.method)
        if needed is None:
            return AccessDecision(allowed=False)
        needed |= rule.deployment_wide & ON_OBJECTS[kind]
        every |= needed
        if isinstance(request.resource_id, str):
            named.append(Named(request.resource_id, needed))
        elif request.resource_id is not None:
            is_unclear = True
        else:
            opens_list = request.reads and rule.objects == "objects"
            is_unclear = is_unclear or not (opens_list or rule.objects == "body object")
    if is_unclear:
        return denied(identity, every)
    if opens_list and not named:
        # The rows come from `readable`.
        opens = not identity.access.objects_with(kind, every).nothing
        return ALLOWED if opens else denied(identity, every)
    try:
        named += _named_in_body(kind, every, rule, context)
    except UnclearBody:
        return denied(identity, every)
    return _decide_on(identity, kind, named) if named else denied(identity, every)


def _named_in_body(kind: ObjectKind, every: int, rule: RouteRule, context: RequestContext | None) -> list[Named]:
    if context is None or context.scope["method"] not in ("POST", "PATCH"):
        return []
    if rule.is_batch:
        return [*bodies.named_in_batch(context, kind)]
    if rule.objects not in ("object", "body object"):
        return []
    return [Named(name, needed | every) for name, needed in bodies.named_in_body(context, kind)]


def _decide_on(identity: AstroIdentity, kind: ObjectKind, named: Iterable[Named]) -> AccessDecision:
    wanted: dict[str, int] = {}
    for name, needed in named:
        wanted[name] = wanted.get(name, 0) | needed
    access, together = identity.access, 0
    for name, needed in wanted.items():
        together |= needed
        if needed & ~access.on_object(kind, name):
            return denied_on_object(identity, needed, Resource(kind, name))
    # What is found by another spelling may be found by any of these ids.
    for stored in lookup.other_spellings(kind, wanted):
        if together & ~access.on_object(kind, stored):
            return denied_on_object(identity, together, Resource(kind, next(iter(wanted))))
    return ALLOWED


def may_do_anything(identity: AstroIdentity, kind: ObjectKind) -> bool:
    """Whether a subject has a permission on some object of a kind, as an empty batch needs."""
    return bool(identity.access.objects[kind].anywhere)


def is_shown(identity: AstroIdentity, kind: ObjectKind) -> bool:
    """Whether the page of a kind of objects shows some to a subject with grants on single ones."""
    if not route_rules.LISTS_ONLY_GRANTED_OBJECTS or kind not in identity.access.objects:
        return False
    needed = action_map.OBJECTS[kind]["GET"]
    return not identity.access.objects_with(kind, needed).nothing


# -- lists ---------------------------------------------------------------------------------------------------------


def readable(identity: AstroIdentity, kind: ObjectKind, method: Any) -> AbstractSet[str]:
    """Return the ids of all objects of a kind on which a subject has the permission of a method."""
    needed = action_map.needed(action_map.OBJECTS, kind, enum_name(method))
    if needed is None:
        return set()
    return lookup.select_names(kind, identity.access.objects_with(kind, needed | _asked(kind)))


def readable_of(identity: AstroIdentity, kind: ObjectKind, method: Any, names: Collection[str]) -> set[str]:
    """Return those of the ids that `readable` would return, if they are stored."""
    needed = action_map.needed(action_map.OBJECTS, kind, enum_name(method))
    if needed is None:
        return set()
    return {*filter(identity.access.objects_with(kind, needed | _asked(kind)).matches, names)}


def _asked(kind: ObjectKind) -> int:
    return route_rules.rule_of(current_request()).deployment_wide & ON_OBJECTS[kind]
