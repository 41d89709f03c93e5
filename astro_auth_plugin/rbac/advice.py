"""The smallest grant that would turn a no into a yes: the role with the least besides, in the narrowest place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from astro_auth_plugin.rbac.answers import Answer, together
from astro_auth_plugin.rbac.decision import Decision, reaching
from astro_auth_plugin.rbac.engine import Engine
from astro_auth_plugin.rbac.policy_text import Path
from astro_auth_plugin.rbac.roles import BUILT_IN
from astro_auth_plugin.rbac.scopes import Reach, ReachKind
from astro_auth_plugin.rbac.subjects import TOKEN_PREFIX

_KINDS: dict[str, ReachKind] = {"DAG": "Dag", "DEPLOYMENT": "Deployment", "WORKSPACE": "Workspace"}
_WIDTH: dict[ReachKind, int] = {kind: width for width, kind in enumerate(_KINDS.values())}
# How an entry of the policy file spells a grant on each: its key, and the key of the id in it.
_SPELLING = {
    "Dag": ("dag_roles", "dag_id"),
    "Deployment": ("deployment_roles", "deployment_id"),
    "Workspace": ("workspace_roles", "workspace_id"),
}


class Advice(NamedTuple):
    """A grant that is not there. `extra` are the permissions it gives that are neither asked for nor held there."""

    role: str
    reach: Reach
    extra: int


class Addition(NamedTuple):
    """What to add to a policy file: to the entry at `path`, or with `new` as a new entry of the list at `path`."""

    path: Path
    entry: dict[str, Any]
    new: bool = False


def smallest(engine: Engine, answer: Answer) -> tuple[Advice, ...]:
    """Return the grants that together make a yes of a no; nothing where no permission on a known place is missing.

    Only roles that may be given here are named: no legacy one, and none that is restricted to other Workspaces.
    """
    if answer.verdict != "no" or not answer.cases or answer.question.where in ("Dags", "some Dag"):
        return ()
    found: list[Advice] = []
    given = 0
    for decision in answer.cases[0].decisions:
        missing = decision.missing & ~given
        if missing:
            advice = _best(engine, answer, decision, missing)
            found.append(advice)
            # What is held in the whole Deployment is held on the Dag, too.
            given |= missing if advice.reach.is_wide else 0
    return tuple(found)


def addition(engine: Engine, subject: str, advice: tuple[Advice, ...]) -> Addition | None:
    """Return what to write into the policy file; None for an API token that it does not have."""
    place = engine.entry_of(subject)
    if subject.startswith(TOKEN_PREFIX):
        return Addition(place, {"roles": [_of_token(engine, one) for one in advice]}) if place else None
    entry: dict[str, Any] = {}
    for one in advice:
        key, id_key = _SPELLING[one.reach.kind]
        grant = {"deployment_id": engine.deployment_id, id_key: one.reach.id, "role": one.role}
        if one.reach.kind == "Workspace":
            del grant["deployment_id"]
        entry.setdefault(key, []).append(grant)
    if place:
        return Addition(place, entry)
    return Addition(("users",), {"email": subject, **entry}, new=True)


def _of_token(engine: Engine, advice: Advice) -> dict[str, str]:
    entity_type = next(entity for entity, kind in _KINDS.items() if kind == advice.reach.kind)
    grant = {"role": advice.role, "entity_type": entity_type, "entity_id": advice.reach.id}
    return {**grant, "deployment_id": engine.deployment_id} if advice.reach.kind == "Dag" else grant


def _best(engine: Engine, answer: Answer, decision: Decision, missing: int) -> Advice:
    """Return the best role for what a decision misses; there is always one, since an Admin's role holds everything."""
    held = together(reaching(engine.access(answer.subject, answer.groups).grants, decision.dag))
    dag_id = answer.question.dag_id if decision is answer.cases[0].decisions[-1] else None

    def cost(role: _Role) -> tuple[bool, int, int, str]:
        extra = role.powers & ~(held | decision.required)
        return role.kind != "Dag", extra.bit_count(), _WIDTH[role.kind], role.name

    fitting = [
        role for role in _usable(engine) if not missing & ~role.powers and (dag_id is not None or role.kind != "Dag")
    ]
    best = min(fitting, key=cost)
    ids = {"Dag": dag_id or "", "Deployment": engine.deployment_id, "Workspace": engine.workspace_id}
    return Advice(best.name, Reach(best.kind, ids[best.kind]), best.powers & ~(held | decision.required))


class _Role(NamedTuple):
    name: str
    kind: ReachKind
    powers: int


def _usable(engine: Engine) -> Iterator[_Role]:
    for role in BUILT_IN.values():
        # An Organization's role gives nothing that a Deployment's Admin does not have.
        if role.today is None and role.level in _KINDS:
            yield _Role(role.name, _KINDS[role.level], role.powers)
    for custom in engine.policy.document.roles:
        # An empty list is not "everywhere": then the role may be given nowhere.
        restricted = "restricted_workspace_ids" in custom.model_fields_set
        if not restricted or engine.workspace_id in custom.restricted_workspace_ids:
            yield _Role(custom.name, _KINDS[custom.scope], engine.powers_of(custom.name))
