"""When each API token was last used: one row of Airflow's audit log an hour, and not one for each request.

The audit log is where people look for who did something, needs no table of our own, and is kept short by
`airflow db clean`.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from airflow.models.log import Log
from airflow.utils.session import create_session
from sqlalchemy import func, select

from astro_auth_plugin.runtime.identity import AstroIdentity

log = logging.getLogger(__name__)

EVENT = "astro_auth.token_used"
"""The event's name in Airflow's audit log."""

EVERY_SECONDS = 3600.0


class Used(NamedTuple):
    """An API token as a subject, and which of its secrets, by `token_secrets.key_of`."""

    subject: str
    key: str


_recorded: dict[Used, float] = {}
_lock = threading.Lock()


def is_due(identity: AstroIdentity) -> bool:
    """Whether a use of an API token is to be recorded now; it is then taken as recorded, in this process."""
    if not identity.is_token:
        return False
    moment, used = time.monotonic(), Used(identity.subject, identity.key)
    with _lock:
        last = _recorded.get(used)
        if last is not None and moment - last < EVERY_SECONDS:
            return False
        _recorded[used] = moment
    return True


def record(identity: AstroIdentity) -> None:
    """Write the row. Never raises: a request is answered, whether it can be written down or not."""
    extra = json.dumps({"token": identity.subject, "key": identity.key})
    try:
        with create_session(scoped=False) as session:
            session.add(Log(EVENT, owner=identity.username, extra=extra))
    except Exception:
        log.exception("Could not write to the audit log that %s was used", identity.subject)


def read_last_uses() -> dict[Used, datetime]:
    """Return when each secret of a token was last used, to the hour. One statement."""
    statement = select(Log.extra, func.max(Log.dttm)).where(Log.event == EVENT).group_by(Log.extra)
    with create_session(scoped=False) as session:
        rows: Sequence[Any] = session.execute(statement).all()
    uses = [(json.loads(extra), last) for extra, last in rows]
    return {Used(used["token"], used["key"]): last for used, last in uses}
