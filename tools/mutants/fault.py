"""What a fault is, and the tests that most of them are shown to."""

from __future__ import annotations

from typing import NamedTuple

RBAC = ("tests/rbac",)
BRIDGE = ("tests/runtime", "tests/authorization", "tests/test_auth_manager.py", "tests/test_overrides.py")
LOGIN = ("tests/accounts", "tests/authentication", "tests/test_auth_manager.py")
WEB = ("tests/web", "tests/test_auth_manager.py")


class Fault(NamedTuple):
    """In the definition of that name, `old` becomes `new`. `tests` are those that should notice.

    Where the definition is and how its code is laid out does not matter: `tools.mutants.code` finds it by its syntax
    tree. Without `old` the whole definition is meant; without `new` there is nothing in its place.
    """

    what: str
    definition: str
    old: str
    new: str
    tests: tuple[str, ...]
