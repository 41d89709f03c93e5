"""One structured line in the log `astro_auth.audit` and one row in Airflow's audit log for each event.

Events are noted while a request is served, and written when it has ended: before, its transaction may still be open,
and SQLite lets one write at a time.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
import uuid
from collections import Counter
from typing import Any, NamedTuple

from airflow.models.log import Log
from airflow.utils.session import create_session
from sqlalchemy.orm import Session

from astro_auth_plugin.runtime import metrics
from astro_auth_plugin.runtime.identity import AstroIdentity
from astro_auth_plugin.runtime.request_context import RequestContext, current_request

LOGGER = "astro_auth.audit"
"""The name of the log; operators filter by it."""
log = logging.getLogger(LOGGER)

SIGNED_IN = "astro_auth.signed_in"
SIGN_IN_REFUSED = "astro_auth.sign_in_refused"
SIGNED_OUT = "astro_auth.signed_out"
ACCOUNT_CREATED = "astro_auth.account_created"
ACCOUNT_CHANGED = "astro_auth.account_changed"
ACCOUNT_DELETED = "astro_auth.account_deleted"
ACCOUNT_CHANGE_REFUSED = "astro_auth.account_change_refused"
POLICY_CHANGED = "astro_auth.policy_changed"
SUPPORT_ACCESS = "astro_auth.support_access"
ANSWER_ENDED = "astro_auth.answer_ended"
_CHANGES = frozenset({ACCOUNT_CREATED, ACCOUNT_CHANGED, ACCOUNT_DELETED})

ROWS_A_MINUTE = 60
"""How many rows one account, or all strangers together, can add in a minute and process."""
STRANGERS = ""
"""Who has not signed in, in the budget of rows."""

_LONGEST_NAME = 200
# As long as the longest names that Airflow takes; a path can be as long as the caller likes.
_LONGEST_ACTION = 1000
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class Event(NamedTuple):
    """What happened: the event's name, whose it is, and the fields of its line and row.

    `payer` is the account whose budget of rows it takes from, or STRANGERS. `dag_id` is an
    existing Dag: people who may read its audit log see the row.
    """

    name: str
    owner: str
    fields: dict[str, Any]
    payer: int | str = STRANGERS
    dag_id: str | None = None


class _Budget:
    """How many rows each account may still add in the minute that runs, and how many were left out."""

    def __init__(self) -> None:
        self._minute = 0
        self._taken: Counter[int | str] = Counter()
        self._lock = threading.Lock()

    def take(self, payer: int | str) -> tuple[bool, int]:
        """Return whether there is one left, and how many of strangers were left out in a minute that has ended."""
        with self._lock:
            minute, left_out = int(time.monotonic() // 60), 0
            if minute != self._minute:
                left_out = max(self._taken[STRANGERS] - ROWS_A_MINUTE, 0)
                self._minute, self._taken = minute, Counter()
            self._taken[payer] += 1
            return self._taken[payer] <= ROWS_A_MINUTE, left_out


_budget = _Budget()


def note(event: Event) -> None:
    """Keep an event until the request ends. A successful sign-in replaces denied ones before it."""
    context = current_request()
    if context is None:
        return
    if event.name in (SIGNED_IN, SIGN_IN_REFUSED):
        context.events = [kept for kept in context.events if kept.name != SIGN_IN_REFUSED]
    context.events.append(event)


def signed_out(user: Any) -> Event:
    """Return the event of a sign-out of an account or an API token."""
    return Event(SIGNED_OUT, user.username, {"user": user.username, "email": user.email}, user.id)


def answer_ended(user: Any) -> Event:
    """Return the event of an answer that was cut off, since access had ended while it went on."""
    return Event(ANSWER_ENDED, user.username, {"user": user.username, "email": user.email}, user.id)


def support_access(identity: AstroIdentity, status: int) -> Event | None:
    """Return the event of a request of a person who is in a support Team that is not switched off; None for others.

    It has a budget of rows of its own, so that it leaves those of other events alone.
    """
    engine = identity.engine
    off = engine.teams_off
    teams = [team for team in engine.support_teams(identity.subject, identity.groups) if team not in off]
    if not teams:
        return None
    fields = {"user": identity.username, "email": identity.email, "teams": teams, "status": status}
    return Event(SUPPORT_ACCESS, identity.username, fields, f"support {identity.id}")


def shortened(text: object) -> str:
    """Return what a caller has sent, no longer than a name may be."""
    return str(text)[:_LONGEST_NAME]


def record(context: RequestContext, event: Event) -> None:
    """Write the line and the row. Never raises: a request is answered, whether it can be written down or not."""
    request_id = _request_id(context)
    entry = {**event.fields, "action": _action(context), "request_id": request_id}
    if event.name == SIGN_IN_REFUSED:
        metrics.count(metrics.SIGN_IN_REFUSED, reason=event.fields.get("reason", ""))
    # A change that was made is always written: refusals before it must not use up its row.
    in_budget, left_out = (True, 0) if event.name in _CHANGES else _budget.take(event.payer)
    if left_out:
        log.warning("left_out %s", json.dumps({"event": SIGN_IN_REFUSED, "count": left_out}))
    word, level = event.name.removeprefix("astro_auth."), logging.INFO
    if "refused" in word:
        level = logging.WARNING
    if in_budget or event.payer != STRANGERS:
        # As JSON, so that nothing in a path or a name can begin a line of its own.
        log.log(level, "%s %s", word, json.dumps(entry))
    if in_budget:
        _write_row(event, entry)


def record_now(event: Event) -> None:
    """Write the line and the row of what has happened, whether there is a request or not. Never raises."""
    context = current_request()
    entry = {**event.fields, "action": _action(context) if context else "", "request_id": _request_id(context)}
    write_line(event, entry)
    _write_row(event, entry)


def write_line(event: Event, entry: dict[str, Any]) -> None:
    """Write the line of an event that is no refusal."""
    log.info("%s %s", event.name.removeprefix("astro_auth."), json.dumps(entry))


def _action(context: RequestContext) -> str:
    return f"{context.scope['method']} {context.scope['path']}"[:_LONGEST_ACTION]


def _write_row(event: Event, entry: dict[str, Any]) -> None:
    try:
        with create_session(scoped=False) as session:
            add_row(session, event, entry)
    except Exception:
        log.exception("Could not write %s to the audit log, request %s", event.name, entry["request_id"])


def add_row(session: Session, event: Event, entry: dict[str, Any]) -> None:
    """Add the row of an event to a transaction."""
    row = Log(event.name, owner=event.owner, extra=json.dumps(entry))
    row.dag_id = event.dag_id
    session.add(row)


def _request_id(context: RequestContext | None) -> str:
    given = dict(context.scope.get("headers", ())).get(b"x-request-id", b"") if context else b""
    return given.decode("ascii") if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
