"""The smallest grant that would turn a no into a yes: the role with the least besides, in the narrowest place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from astro_auth_plugin.rbac.engine.decision import Decision, reaching
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.explain.answers import SEVERAL, Answer, together
from astro_auth_plugin.rbac.model.resources import Resource
from astro_auth_plugin.rbac.model.roles import BUILT_IN, Level
from astro_auth_plugin.rbac.model.scopes import KINDS, GrantScope
from astro_auth_plugin.rbac.model.subjects import TOKEN_PREFIX
from astro_auth_plugin.rbac.policy.yaml_reader import Path

# The scopes of advice, the narrowest first. No advice names a tag, a bundle or a prefix.
_LEVELS: tuple[Level, ...] = ("OBJECT", "DAG", "DEPLOYMENT", "WORKSPACE")


class Advice(NamedTuple):
    """A grant that is not there. `extra` are the permissions it gives that are neither requested nor granted there."""

    role: str
    scope: GrantScope
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
    if answer.verdict != "no" or not answer.cases or answer.question.where in SEVERAL:
        return ()
    found: list[Advice] = []
    given = 0
    for decision in answer.cases[0].decisions:
        missing = decision.missing & ~given
        if missing:
            advice = _best(engine, answer, decision, missing)
            found.append(advice)
            # What is granted Deployment-wide is granted on the Dag, too.
            given |= missing if advice.scope.is_deployment_wide else 0
    return tuple(found)


def addition(engine: Engine, subject: str, advice: tuple[Advice, ...]) -> Addition | None:
    """Return what to write into the policy file; None for an API token that it does not have."""
    path = engine.entry_of(subject)
    if subject.startswith(TOKEN_PREFIX):
        return Addition(path, {"roles": [_of_token(engine, one) for one in advice]}) if path else None
    entry: dict[str, Any] = {}
    for one in advice:
        kind = KINDS[one.scope.kind]
        place = {"deployment_id": engine.deployment_id} if kind.in_deployment else {}
        entry.setdefault(kind.key, []).append({**place, kind.id_key: one.scope.id, "role": one.role})
    if path:
        return Addition(path, entry)
    return Addition(("users",), {"email": subject, **entry}, new=True)


def _of_token(engine: Engine, advice: Advice) -> dict[str, str]:
    kind = KINDS[advice.scope.kind]
    grant = {"role": advice.role, "entity_type": kind.entity_type, "entity_id": advice.scope.id}
    return {**grant, "deployment_id": engine.deployment_id} if kind.in_deployment else grant


def _best(engine: Engine, answer: Answer, decision: Decision, missing: int) -> Advice:
    """Return the best role for what a decision misses; there is always one, since an Admin's role has everything."""
    held = together(reaching(engine.access(answer.subject, answer.groups).grants, decision.place))
    places = _places(engine, answer, decision)

    def extra(role: _Role) -> int:
        return places[role.level].narrowed(role.permissions) & ~(held | decision.required)

    def cost(role: _Role) -> tuple[bool, int, int, str]:
        is_narrow = not places[role.level].is_deployment_wide
        return not is_narrow, extra(role).bit_count(), _LEVELS.index(role.level), role.name

    fitting = [role for role in _usable(engine) if role.level in places and not missing & ~role.permissions]
    best = min(fitting, key=cost)
    return Advice(best.name, places[best.level], extra(best))


def _places(engine: Engine, answer: Answer, decision: Decision) -> dict[Level, GrantScope]:
    """Return where a role of each level could be granted, for the levels of which one can help."""
    places: dict[Level, GrantScope] = {
        "DEPLOYMENT": GrantScope("Deployment", engine.deployment_id),
        "WORKSPACE": GrantScope("Workspace", engine.workspace_id),
    }
    if isinstance(decision.place, Resource):
        kind, name = decision.place
        scope = next(each.name for each in KINDS.values() if each.object_kind == kind and not each.is_prefix)
        places["OBJECT"] = GrantScope(scope, name)
    elif decision is answer.cases[0].decisions[-1] and answer.question.dag_id is not None:
        places["DAG"] = GrantScope("Dag", answer.question.dag_id)
    return places


class _Role(NamedTuple):
    name: str
    level: Level
    permissions: int


def _usable(engine: Engine) -> Iterator[_Role]:
    for role in BUILT_IN.values():
        # An Organization's role gives nothing that a Deployment's Admin does not have.
        if role.today is None and role.level in _LEVELS:
            yield _Role(role.name, role.level, role.permissions)
    for custom in engine.policy.document.roles:
        # An empty list is not "everywhere": then the role may be given nowhere.
        restricted = "restricted_workspace_ids" in custom.model_fields_set
        if not restricted or engine.workspace_id in custom.restricted_workspace_ids:
            yield _Role(custom.name, custom.scope, engine.permissions_of(custom.name))
