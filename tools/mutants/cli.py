"""Faults in the commands."""

from __future__ import annotations

from tools.mutants.fault import Fault

FAULTS = (
    Fault(
        "users without an account are not reported",
        "users",
        """if missing:
    yield hint('users of the policy', f'{_some(missing)} without an active account: not signed in yet, or misspelt.')""",
        """if not missing:
    yield hint('users of the policy', f'{_some(missing)} without an active account: not signed in yet, or misspelt.')""",
        ("tests/doctor/test_check_accounts.py",),
    ),
    Fault(
        "the doctor does not build the sign-in pages",
        "build",
        "manager.get_fastapi_app()",
        "manager.get_fastapi_app",
        ("tests/doctor/test_check_start.py",),
    ),
    Fault(
        "a percent sign is a traceback",
        "_option",
        "InterpolationError",
        "KeyError",
        ("tests/doctor/test_check_start.py",),
    ),
    Fault("lint takes any Deployment", "lint_policy", "args.deployment", "False", ("tests/cli/review/test_lint.py",)),
    Fault(
        "a misspelt Dag has no hint",
        "unmatched",
        "f'there is no Dag `{name}`{hints.did_you_mean(name, dag_ids)}'",
        "f'there is no Dag `{name}`'",
        ("tests/rbac/policy/test_warnings.py",),
    ),
    Fault(
        "two roles in one place are not reported",
        "_roles_in_one_place",
        "other is not grant",
        "other is None",
        ("tests/rbac/review/test_lint.py",),
    ),
    Fault(
        "a scenario about a person whom the policy does not name passes",
        "_about_somebody",
        "subject in expected",
        "subject is not None",
        ("tests/rbac/review/test_scenario_file.py",),
    ),
)
