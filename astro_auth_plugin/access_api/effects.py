"""Who gains and who loses what through a change, as the pages show it before it is saved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from astro_auth_plugin.access_api import shapes
from astro_auth_plugin.access_api.caller import Caller
from astro_auth_plugin.rbac.changes.affected import affected_subjects
from astro_auth_plugin.rbac.changes.difference import PolicyChange
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.actions import TITLES, spelled
from astro_auth_plugin.rbac.model.errors import UnknownDeployment
from astro_auth_plugin.rbac.model.permissions import EVERYTHING
from astro_auth_plugin.rbac.model.subjects import GROUP_PREFIX, TOKEN_PREFIX
from astro_auth_plugin.rbac.policy.loader import Policy
from astro_auth_plugin.rbac.review.plan_lines import Cause, Line
from astro_auth_plugin.rbac.review.policy_diff import Plan, compare
from astro_auth_plugin.rbac.review.policy_snapshot import Spot, words

_MOST_NAMES = 50
_BECAUSE = {"joins": "in Team `{}`", "leaves": "no more in Team `{}`", "Team": "Team `{}`", "user": "own roles"}
_OVER_OTHERS = {
    "changeAccounts": "change accounts",
    "apiTokens.create": "make API tokens",
    "apiTokens.rotate": "rotate API tokens",
    "apiTokens.delete": "revoke API tokens",
    "giveRoles.deployment": "grant roles in the Deployment",
    "makeApiTokens.workspace": "make API tokens of the Workspace",
    "giveRoles.workspace": "grant roles in the Workspace",
    "giveRoles.organization": "grant roles in the Organization",
}


class Effects(NamedTuple):
    """Who gains and who loses what, and what of that the caller loses."""

    gains: list[shapes.Effect]
    losses: list[shapes.Effect]
    own_losses: list[str]


def of(who: Caller, changes: Iterable[PolicyChange], before: Policy, after: Policy) -> Effects:
    """Return the effects of a change in this Deployment, by tag, bundle and Dag id.

    Args:
        who: the caller.
        changes: every part that is different.
        before: the policy before.
        after: the policy after.
    """
    now, here = datetime.now(UTC), who.engine.deployment_id
    only = affected_subjects(changes, before.document, after.document)
    engine = who.engine if before is who.engine.policy else _engine(before, here, now)
    plan = compare(here, engine, _engine(after, here, now), only=only)
    tokens = {token.id: token.name for each in (before, after) for token in each.document.api_tokens}
    return Effects(
        [effect for line in plan.lines for effect in _effects(line, line.gains, tokens)],
        [effect for line in plan.lines for effect in _effects(line, line.losses, tokens)],
        list(_losses_of(who.identity.subject, plan)),
    )


def _engine(policy: Policy, deployment_id: str, at: datetime) -> Engine | None:
    try:
        return Engine(policy, deployment_id, at)
    except UnknownDeployment:
        # An older version may not have listed it yet.
        return None


_ON_DAGS = ("Dag", "tag", "bundle")


def _effects(
    line: Line, changed: Mapping[int, tuple[Spot | None, ...]], tokens: Mapping[str, str]
) -> Iterator[shapes.Effect]:
    names = [_name(subject, tokens) for subject in line.subjects[:_MOST_NAMES]]
    more = len(line.subjects) - len(names)
    for permissions, places in changed.items():
        yield shapes.Effect(
            who=[*names, *([f"{more} more"] if more else [])],
            where=", ".join(map(_where, places)),
            may=_may(permissions, on_dag=all(place is not None and place.kind in _ON_DAGS for place in places)),
            because=_because(line.cause, tokens),
        )


def _losses_of(subject: str, plan: Plan) -> Iterator[str]:
    own = plan.differences.get(subject)
    if own is not None:
        places: dict[Spot | None, int] = {None: own.lost, **{spot: lost for spot, (_, lost) in own.on.items()}}
        for place, lost in places.items():
            for word in _may(lost, on_dag=place is not None and place.kind in _ON_DAGS):
                yield f"{TITLES.get(word, word)} ({_where(place)})"


def _where(place: Spot | None) -> str:
    if place is None:
        return "the whole Deployment"
    if place.kind == "bundle":
        return f"Dags in {place}"
    return f"Dags tagged `{place.name}`" if place.kind == "tag" else str(place)


def _may(permissions: int, *, on_dag: bool) -> list[str]:
    over_others = words(permissions & ~EVERYTHING)
    return [*spelled(permissions & EVERYTHING, on_dag=on_dag), *(_OVER_OTHERS.get(word, word) for word in over_others)]


def _because(cause: Cause, tokens: Mapping[str, str]) -> str:
    name = tokens.get(cause.name, cause.name) if cause.kind == "token" else cause.name
    return _BECAUSE.get(cause.kind, "roles of API token `{}`").format(name)


def _name(subject: str, tokens: Mapping[str, str]) -> str:
    if subject.startswith(GROUP_PREFIX):
        return f"users of group `{subject.removeprefix(GROUP_PREFIX)}`"
    if subject.startswith(TOKEN_PREFIX):
        token_id = subject.removeprefix(TOKEN_PREFIX)
        return f"API token `{tokens.get(token_id, token_id)}`"
    return subject
