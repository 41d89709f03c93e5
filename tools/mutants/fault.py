"""What a fault is, and the tests that most of them are shown to."""

from __future__ import annotations

from typing import NamedTuple

# The quick ones first: most faults are noticed there.
_RBAC_IN_TURN = (
    *("model", "policy", "engine/test_engine.py", "engine/test_time_bound_grants.py", "engine/test_access.py"),
    *(
        "engine/test_exact_matching.py",
        "engine/test_api_tokens.py",
        "engine/test_groups.py",
        "engine/test_delegation.py",
    ),
    *("review/test_declared_changes.py", "review/test_scenario_file.py", "review/test_scenario_results.py"),
    *("review/test_lint.py", "explain/test_questions.py", "explain/test_routes.py", "explain/test_minimal_grants.py"),
)
RBAC = (*(f"tests/rbac/{part}" for part in _RBAC_IN_TURN), "tests/rbac")
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
