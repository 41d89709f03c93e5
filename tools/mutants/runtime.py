"""Faults in what the process knows of Airflow."""

from __future__ import annotations

from tools.mutants.fault import Fault

FAULTS = (
    Fault(
        "a grant that has ended counts until the next version of the policy",
        "PolicyStore.newest",
        "engine.ends_at is None or now < engine.ends_at",
        "True",
        ("tests/runtime/test_policy_store.py",),
    ),
    Fault(
        "the server starts on any release of Airflow",
        "unsupported",
        "installed < Version(line.release)",
        "installed.micro < 0",
        ("tests/runtime/test_version_compat.py",),
    ),
)
