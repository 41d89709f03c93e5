"""Which connections, Variables and pools the body of a request names, and what it does with each.

Airflow's hooks get no id where an object is created, and some ids of a body never reach them. The body is read as
Airflow reads it: the same bytes by the same decoder. Whatever could be an id there counts as one, since it costs a
request nothing to name its own object twice; and what cannot be read names every object.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from astro_auth_plugin.rbac.model.permissions import ObjectKind, mask
from astro_auth_plugin.runtime.request_context import RequestContext

# By which keys Airflow takes the id of an object, those of its models included.
_ID_KEYS: dict[ObjectKind, tuple[str, ...]] = {
    "connection": ("connection_id", "conn_id"),
    "variable": ("key",),
    "pool": ("name", "pool"),
}


class UnclearBody(ValueError):
    """The body cannot be read, or is none that Airflow takes."""


class Named(NamedTuple):
    """An object that a body names: its id, and what is done with it besides what Airflow asks about."""

    name: str
    needed: int


def named_in_batch(context: RequestContext, kind: ObjectKind) -> Iterator[Named]:
    """Yield every object that a batch names, with all that its action may do with it.

    Raises:
        UnclearBody: if it cannot be read.
    """
    for action in _list_at(_body_of(context), "actions"):
        needed = _needed_of(action, kind)
        for entity in _list_at(action, "entities"):
            names = [entity] if isinstance(entity, str) else [*_ids_in(entity, kind)]
            if not names:
                raise UnclearBody
            yield from (Named(name, needed) for name in names)


def named_in_body(context: RequestContext, kind: ObjectKind) -> Iterator[Named]:
    """Yield every id in the body of a request about one object; a change of a pool needs not name any.

    Raises:
        UnclearBody: if it cannot be read.
    """
    body = _body_of(context)
    # A test of a connection can end in a connection that is created, or updated if there is one by then.
    keeps = isinstance(body, dict) and body.get("commit_on_success", False) is not False
    needed = mask("connection.create", "connection.update") if keeps else 0
    yield from (Named(name, needed) for name in _ids_in(body, kind))


def _body_of(context: RequestContext) -> Any:
    if context.raw_body is None:
        raise UnclearBody
    try:
        return json.loads(context.raw_body)
    except (ValueError, RecursionError):
        raise UnclearBody from None


def _list_at(parent: Any, key: str) -> list[Any]:
    found = parent.get(key) if isinstance(parent, dict) else None
    if not isinstance(found, list):
        raise UnclearBody
    return found


def _needed_of(action: Any, kind: ObjectKind) -> int:
    verb = action.get("action") if isinstance(action, dict) else None
    if verb == "create":
        overwrites = action.get("action_on_existence", "fail") not in ("fail", "skip")
        return mask(f"{kind}.create", *([f"{kind}.update"] if overwrites else []))
    if verb not in ("update", "delete"):
        raise UnclearBody
    return mask(f"{kind}.{verb}")


def _ids_in(entity: Any, kind: ObjectKind) -> Iterator[str]:
    if not isinstance(entity, dict):
        raise UnclearBody
    for key in _ID_KEYS[kind]:
        if key in entity:
            if not isinstance(entity[key], str):
                raise UnclearBody
            yield entity[key]
