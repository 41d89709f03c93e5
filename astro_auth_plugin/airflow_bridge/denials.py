"""Refusals that somebody should see: one structured line in the log, and one row in Airflow's audit log.

Airflow records what people try on some routes before it decides and on others after, and never how it ended. Noted
here are refused writes, and refused reads of one Dag's logs, code and XComs and of one connection, Variable or
option of the configuration. Lists are not: Airflow's pages ask for many that a person may not see.
"""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from collections import Counter
from typing import Any, NamedTuple

from airflow.models.log import Log
from airflow.utils.session import create_session

from astro_auth_plugin.airflow_bridge.identity import AstroIdentity
from astro_auth_plugin.airflow_bridge.request import RequestFacts, current_request
from astro_auth_plugin.rbac.permissions import names
from astro_auth_plugin.rbac.scopes import Dag

log = logging.getLogger(__name__)

EVENT = "astro_auth.refused"
"""The event's name in Airflow's audit log."""

NOTED_READS = frozenset({"TASK_LOGS", "CODE", "XCOM"})
"""Entities of a Dag of which a refused read is noted."""

# As long as the longest names that Airflow takes; a path can be as long as the caller likes.
_LONGEST_ACTION = 1000

_OBJECTS_OF_PATH = ("connection_id", "variable_key", "option")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


ROWS_A_MINUTE = 60
"""How many rows one account can add in a minute: anybody can be refused as often as they like."""


class _Budget:
    """How many rows each account may still add in the minute that runs."""

    def __init__(self) -> None:
        self._minute = 0
        self._taken: Counter[int | str] = Counter()

    def take(self, account_id: int | str) -> bool:
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._taken = minute, Counter()
        self._taken[account_id] += 1
        return self._taken[account_id] <= ROWS_A_MINUTE


_budget = _Budget()


class Denial(NamedTuple):
    """A refusal: who, what was missing, and on which Dag, None where it is not about an existing Dag."""

    who: AstroIdentity
    missing: int
    dag: Dag | None


def note(identity: AstroIdentity, missing: int, dag: Dag | None = None) -> None:
    """Keep a refusal until the request ends; the last one of a request counts."""
    facts = current_request()
    if facts is not None:
        facts.denial = Denial(identity, missing, dag)


def names_one_object(facts: RequestFacts | None) -> bool:
    """Whether the request is about one connection, Variable or option, and not about a list of them."""
    return facts is not None and any(facts.scope.get("path_params", {}).get(name) for name in _OBJECTS_OF_PATH)


def record(facts: RequestFacts, denial: Denial) -> None:
    """Write the line and the row. Never raises: a request is answered, whether it can be written down or not."""
    request_id = _request_id(facts)
    entry: dict[str, Any] = {
        "user": denial.who.username,
        "email": denial.who.email,
        "action": f"{facts.scope['method']} {facts.scope['path']}"[:_LONGEST_ACTION],
        "dag_id": denial.dag.id if denial.dag else None,
        "missing": list(names(denial.missing)),
        "outcome": "refused",
        "request_id": request_id,
    }
    # As JSON, so that nothing in a path or a name can begin a line of its own.
    log.warning("refused %s", json.dumps(entry))
    if not _budget.take(denial.who.id):
        return
    try:
        with create_session(scoped=False) as session:
            row = Log(EVENT, owner=denial.who.username, extra=json.dumps(entry))
            # Only a Dag that exists: rows of a Dag are shown to who may read its audit log.
            row.dag_id = entry["dag_id"]
            session.add(row)
    except Exception:
        log.exception("Could not write a refusal to the audit log, request %s", request_id)


def _request_id(facts: RequestFacts) -> str:
    given = dict(facts.scope.get("headers", ())).get(b"x-request-id", b"")
    return given.decode("ascii") if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
