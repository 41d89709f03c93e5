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
    Fault(
        "an exact import from FAB rounds up",
        "held",
        "exact or not question.rounded",
        "not question.rounded",
        ("tests/cli/importers/test_fab_draft.py",),
    ),
    Fault(
        "an import from FAB rounds up a Dag's code",
        "ROUNDED",
        "('asset_alias', 'GET')",
        "('asset_alias', 'GET'), ('CODE', 'GET')",
        ("tests/cli/importers/test_fab_draft.py",),
    ),
    Fault(
        "an import from FAB gives the page to those who have nothing",
        "permissions",
        "not exact and (deployment_wide or on_dags)",
        "not exact",
        ("tests/cli/importers/test_fab_draft.py",),
    ),
    Fault(
        "an exact import from FAB gives Dags to those who cannot open the page",
        "permissions",
        "exact and ACCESSOR_PERMISSIONS & ~deployment_wide",
        "exact and not deployment_wide",
        ("tests/cli/importers/test_fab_draft.py",),
    ),
    Fault(
        "a comparison with FAB gives duplicate accounts what the policy gives their e-mail",
        "_Sides.row_of_account",
        "'' if person.excluded else user_subject(account.email)",
        "user_subject(account.email)",
        ("tests/cli/importers/test_fab_differences.py",),
    ),
    Fault(
        "a comparison with FAB takes a Dag for all Dags",
        "_answers",
        "_fab_answers(pairs, dag.id, dag=True) if dag.id in named else others",
        "others",
        ("tests/cli/importers/test_fab_differences.py",),
    ),
    Fault(
        "a comparison with FAB does not fail on gains",
        "plan_fab",
        "any((row.gains for row in found.rows))",
        "False",
        ("tests/cli/review/test_plan_fab.py",),
    ),
    Fault(
        "a plan leaves out what support Teams get later",
        "_gains_of_support",
        "new.document.support_access == 'allowed'",
        "True",
        ("tests/cli/review/test_plan.py",),
    ),
    Fault(
        "more problems than are listed stop an import",
        "_parts",
        "zip(path, (*path[1:], None), strict=False)",
        "zip(path, (*path[1:], None), strict=True)",
        ("tests/cli/importers/test_policy_draft.py",),
    ),
    Fault("JSON steers a terminal", "print_values", "char.isprintable()", "True", ("tests/cli/test_commands.py",)),
)
