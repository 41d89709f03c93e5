"""Write what each built-in role can do to tests/expected/roles.yaml, where a change of power is a visible diff.

Run it as ``python -m tests.role_permissions`` after a change that is meant, and have the diff reviewed.
"""

from __future__ import annotations

from pathlib import Path

from astro_auth_plugin.rbac.model.permissions import Scope, names, word
from astro_auth_plugin.rbac.model.roles import BUILT_IN, Role

EXPECTED = Path(__file__).parent / "expected" / "roles.yaml"

HEADER = """\
# What each built-in role holds. Written by `python -m tests.role_permissions`; compared by tests/rbac/model/test_roles.py.
# Review every changed line: it changes what people can do.
"""


def text() -> str:
    """Return the whole file, roles and permissions in the order of the code's tables."""
    return HEADER + "".join(f"\n{role.name}:\n{lines(role)}" for role in BUILT_IN.values())


def lines(role: Role) -> str:
    """Return one role: its level, and one line for each object it may touch."""
    scope: Scope = "DAG" if role.level == "DAG" else "DEPLOYMENT"
    verbs: dict[str, list[str]] = {}
    for name in names(role.permissions):
        where, _, verb = word(name, scope).rpartition(".")
        verbs.setdefault(where, []).append(verb)
    held = "".join(f"    {where}: {' '.join(held)}\n" for where, held in verbs.items())
    legacy = f"  today: {role.today}\n" if role.today else ""
    return f"  level: {role.level}\n{legacy}  holds:{' {}' if not held else ''}\n{held}"


if __name__ == "__main__":
    EXPECTED.write_text(text(), encoding="utf-8")
