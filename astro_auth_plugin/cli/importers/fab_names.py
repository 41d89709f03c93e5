"""What roles and Teams that are made from FAB's are called."""

from __future__ import annotations

from collections.abc import Sequence

from astro_auth_plugin.rbac.model.permissions import mask, names
from astro_auth_plugin.rbac.model.roles import BUILT_IN

_FEW = 2
"""How many roles of FAB a name lists; the description and the comment of the Team list all."""

_DAG_ROLES = (
    (mask("dagRun.create", "dag.delete"), "FAB Dag Author", "See, run, change and delete"),
    (mask("dagRun.create"), "FAB Dag Runner", "See, run and change"),
)
_EDITOR = "FAB Dag Editor", "See and change, but not run"
_VIEWER = "FAB Dag Viewer", "See"


def dag_role_name(held: int) -> tuple[str, str]:
    """Return the name and the description of a role that gives these permissions on a Dag."""
    name, actions = _name_and_actions(held)
    objects = dict.fromkeys(each.partition(".")[0] for each in names(held))
    return name, f"{actions}, as far as FAB allowed: {', '.join(objects)}"


def _name_and_actions(held: int) -> tuple[str, str]:
    for needed, name, actions in _DAG_ROLES:
        if not needed & ~held:
            return name, actions
    return _VIEWER if all(each.endswith(".get") for each in names(held)) else _EDITOR


class Names:
    """Names of one policy: none is built in, and each is given once."""

    def __init__(self) -> None:
        self._taken = set(BUILT_IN)

    def of_roles(self, roles: Sequence[str]) -> str:
        """Return a name for what several roles of FAB give together; mostly it is one."""
        more = f" + {len(roles) - _FEW} more" if len(roles) > _FEW else ""
        return self.free(" + ".join(roles[:_FEW]) + more)

    def free(self, name: str) -> str:
        """Return a name that is not taken, and take it."""
        candidate, number = name or "without a name", 1
        while candidate in self._taken:
            number += 1
            candidate = f"{name} ({number})"
        self._taken.add(candidate)
        return candidate
