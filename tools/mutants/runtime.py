"""Faults in what the process knows of Airflow."""

from __future__ import annotations

from tools.mutants.fault import Fault

FAULTS = (
    Fault(
        "a page that fails fills the log",
        "_LOGGERS",
        "'airflow.providers.fab.www.app'",
        "'airflow.providers.fab.www.other'",
        ("tests/runtime/test_log_filters.py",),
    ),
    Fault(
        "a grant that has ended counts until the next version of the policy",
        "_has_ended",
        "engine.ends_at <= datetime.now(UTC)",
        "False",
        ("tests/runtime/test_policy_store.py",),
    ),
    Fault(
        "the server starts on any release of Airflow",
        "unsupported",
        "installed < _release(line)",
        "installed.micro < 0",
        ("tests/runtime/test_version_compat.py",),
    ),
    Fault(
        "the server starts on an Airflow for whose routes there are no rules",
        "unsupported",
        "installed.major > _release(newest).major",
        "False",
        ("tests/runtime/test_version_compat.py",),
    ),
)
