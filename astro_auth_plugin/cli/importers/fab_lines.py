"""What a role of FAB and its role in the policy do not have in common, each in a line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from astro_auth_plugin.cli.importers import fab_questions
from astro_auth_plugin.cli.importers.fab_questions import OF_ONE_DAG, Pair
from astro_auth_plugin.cli.importers.fab_roles import FabPermissions
from astro_auth_plugin.rbac.model.permissions import mask, names
from astro_auth_plugin.rbac.model.roles import ACCESSOR_PERMISSIONS

# The menu shows what one may open, everybody has the own account, and backfills are runs.
_ELSEWHERE = ("My Password", "My Profile", "Backfills")


Lacking = dict[tuple[str, frozenset[Pair]], list[str]]
"""Which roles of FAB lack which pairs of a permission that is rounded up for them."""


def add_rounded(found: Lacking, role: str, pairs: frozenset[Pair], permissions: FabPermissions) -> None:
    """Add a role of FAB for the permissions that are rounded up."""
    for permission in names(_anywhere(permissions)):
        if lacking := fab_questions.rounding(permission) - pairs:
            found.setdefault((permission, lacking), []).append(role)


def rounded(found: Lacking) -> Iterator[str]:
    """Yield the permissions that are rounded up, with what FAB's roles lack of them."""
    for (permission, lacking), roles in sorted(found.items(), key=lambda item: (item[0][0], sorted(item[0][1]))):
        named = ", ".join(f"`{role}`" for role in roles)
        yield f"{permission} of {named}, although FAB gives no {spell(lacking)}"


def not_expressed(role: str, pairs: frozenset[Pair], permissions: FabPermissions, *, exact: bool) -> Iterator[str]:
    """Yield what FAB gave and the policy does not."""
    if permissions.everything:
        return
    if not pairs:
        yield f"role `{role}`: it has no permissions in FAB"
    for lacking, several in _half_there(pairs, permissions, exact=exact).items():
        yield f"role `{role}`: {', '.join(several)}, since FAB's role lacks {spell(lacking)}"
    if other := without_equivalent(pairs):
        yield f"role `{role}`: a policy has no equivalent of {spell(other)}"
    yield from _dags_not_expressed(role, pairs, permissions, exact=exact)


def without_equivalent(pairs: frozenset[Pair]) -> frozenset[Pair]:
    """Return the pairs that no question of Airflow is about: pages of FAB and of plugins."""
    asked = frozenset[Pair]().union(*fab_questions.needs().values())
    return frozenset(
        (action, resource)
        for action, resource in pairs - asked
        if action != "menu_access" and resource not in _ELSEWHERE and not resource.startswith(OF_ONE_DAG)
    )


def spell(pairs: Iterable[Pair]) -> str:
    """Return pairs as text."""
    return ", ".join(f"`{action} on {resource}`" for action, resource in sorted(pairs))


def _anywhere(permissions: FabPermissions) -> int:
    given = permissions.deployment_wide
    for held in permissions.on_dags.values():
        given |= held
    return given


def _half_there(
    pairs: frozenset[Pair], permissions: FabPermissions, *, exact: bool
) -> dict[frozenset[Pair], list[str]]:
    """Return the permissions of which FAB's role has a part, by what it lacks of them."""
    given, found = _anywhere(permissions), defaultdict[frozenset[Pair], list[str]](list)
    needs = fab_questions.needs(exact=exact)
    for permission, needed in needs.items():
        own = needed - needs["dag.get"] - needs["dag.update"] or needed
        if not given & mask(permission) and own & pairs:
            found[needed - pairs].append(permission)
    return found


def _dags_not_expressed(
    role: str, pairs: frozenset[Pair], permissions: FabPermissions, *, exact: bool
) -> Iterator[str]:
    if not (mask("dag.get") | ACCESSOR_PERMISSIONS) & ~permissions.deployment_wide:
        return
    lost = sorted(fab_questions.dag_ids(pairs) - set(permissions.on_dags))
    if lost:
        needs, opening = fab_questions.needs(exact=exact), names(ACCESSOR_PERMISSIONS) if exact else ()
        needed = frozenset[Pair]().union(*(needs[each] for each in ("dag.get", *opening)))
        lacking = needed - pairs - {("can_read", "DAGs")}
        what = f"lacks {spell(lacking)}" if lacking else "has no `can_read` on them"
        dags = ", ".join(f"`{dag_id}`" for dag_id in lost)
        yield f"role `{role}`: what it has on the Dags {dags}, since FAB's role {what}, which is needed to see a Dag"
