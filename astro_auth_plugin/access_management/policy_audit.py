"""Changes of the policy in the audit log."""

from __future__ import annotations

from astro_auth_plugin.runtime import audit_log
from astro_auth_plugin.runtime.policy_versions import Change

_MOST_CHANGES = 200
"""How many parts of a change a line and a row have; the version itself has all."""


def record_change(version: int, change: Change) -> None:
    """Write the line and the row of a version that was published. Never raises."""
    fields = {
        "user": change.author,
        "author_kind": change.author_kind,
        "source": change.source,
        "reason": change.reason,
        "version": version,
        "reverts": change.reverts,
        "changes": list(change.changes[:_MOST_CHANGES]),
        "changes_left_out": max(len(change.changes) - _MOST_CHANGES, 0),
    }
    audit_log.record_now(audit_log.Event(audit_log.POLICY_CHANGED, change.author, fields))
