"""Changes of the policy in the audit log."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.models.log import Log
from airflow.utils.session import create_session
from sqlalchemy import select
from sqlalchemy.orm import Session

from astro_auth_plugin.accounts import sign_ins
from astro_auth_plugin.rbac.changes.difference import changes
from astro_auth_plugin.rbac.policy.loader import Policy
from astro_auth_plugin.runtime import audit_log
from astro_auth_plugin.runtime.audit_log import POLICY_CHANGED, Event
from astro_auth_plugin.runtime.policy_versions import Change

log = logging.getLogger(__name__)

_MOST_CHANGES = 200
"""How many parts of a change a line and a row have; a version in the database has all."""
FILE = "file"
_SAME_CHANGE = timedelta(minutes=10)
"""For how long the same change, seen by another worker or server, is no other one."""


def record_change(version: int, change: Change) -> None:
    """Write the line and the row of a version that was published. Never raises."""
    fields = {
        "user": change.author,
        "author_kind": change.author_kind,
        "source": change.source,
        "reason": change.reason,
        "version": version,
        "reverts": change.reverts,
        **_listed(change.changes),
    }
    audit_log.record_now(Event(POLICY_CHANGED, change.author, fields))


def record_file(before: Policy | None, after: Policy) -> None:
    """Write the line and the row of a new version of the policy file, once for all workers and servers.

    In a thread: a request that sees the new version may have a transaction open, and must not wait for this one.

    Args:
        before: the version before; None when the server starts, so that it is unknown what changed.
        after: the new version.
    """
    threading.Thread(target=_record_file, args=(before, after), daemon=True, name="astro_auth_policy_audit").start()


def _record_file(before: Policy | None, after: Policy) -> None:
    try:
        digest = _digest(after)
        with create_session(scoped=False) as session:
            # Workers and servers one after the other, so that the second one sees the row of the first.
            sign_ins.lock_accounts(session)
            recorded = _recorded(session)
            known = next((entry.get("digest") for _, entry in recorded), None)
            earlier = known if before is None else _digest(before)
            if (before is None and digest == known) or _is_known(recorded, earlier, digest):
                return
            parts = map(str, changes(before.document, after.document)) if before else ()
            fields: dict[str, Any] = {"user": FILE, "author_kind": FILE, "source": FILE, "reason": ""}
            fields |= {"version": None, "reverts": None, "digest": digest, "before": earlier, **_listed(parts)}
            event, entry = Event(POLICY_CHANGED, FILE, fields), {**fields, "action": "", "request_id": ""}
            audit_log.write_line(event, entry)
            audit_log.add_row(session, event, entry)
    except Exception:
        log.exception("Could not write a change of the policy file to the audit log")


def _recorded(session: Session) -> list[tuple[datetime, dict[str, Any]]]:
    """Return the newest changes that are recorded, newest first."""
    statement = select(Log.dttm, Log.extra).where(Log.event == POLICY_CHANGED, Log.owner == FILE)
    rows: Iterable[Any] = session.execute(statement.order_by(Log.id.desc()).limit(20))
    return [(moment.replace(tzinfo=UTC), json.loads(extra)) for moment, extra in rows]


def _is_known(recorded: list[tuple[datetime, dict[str, Any]]], before: str | None, digest: str) -> bool:
    since = datetime.now(UTC) - _SAME_CHANGE
    return any(
        moment > since and (entry.get("before"), entry.get("digest")) == (before, digest) for moment, entry in recorded
    )


def _digest(policy: Policy) -> str:
    text = json.dumps(policy.document.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _listed(parts: Iterable[str]) -> dict[str, Any]:
    listed = list(parts)
    return {"changes": listed[:_MOST_CHANGES], "changes_left_out": max(len(listed) - _MOST_CHANGES, 0)}
