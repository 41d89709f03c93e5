"""Compares what another auth manager has answered with what the policy says, in one thread and after the request.

No request waits for it. Where it cannot keep up, or the policy or the database cannot be read, answers are counted as
left out or failed, and no difference is made up.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from astro_auth_plugin.auth_manager import AstroAuthManager
from astro_auth_plugin.authentication.authenticator import Authenticator
from astro_auth_plugin.authentication.trusted_issuers import Issuers
from astro_auth_plugin.authorization import authorizer, dag_checks
from astro_auth_plugin.authorization.access_request import AccessRequest, enum_name
from astro_auth_plugin.authorization.dag_cache import DagCache
from astro_auth_plugin.authorization.lazy_set import LazySet
from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.model.subjects import is_email, user_subject
from astro_auth_plugin.runtime import metrics, shadow_records, state
from astro_auth_plugin.runtime.identity import AstroIdentity
from astro_auth_plugin.runtime.policy_store import PolicyRefused, PolicyStore
from astro_auth_plugin.runtime.request_context import RequestContext, enter_request, leave_request
from astro_auth_plugin.runtime.settings import SettingsError, read_settings
from astro_auth_plugin.runtime.shadow_records import COMPARED, FAILED, LEFT_OUT, Difference, Seen
from astro_auth_plugin.shadow.observed import Answer, Asker, Observed

log = logging.getLogger(__name__)
lines = logging.getLogger("astro_auth.shadow")
"""Has a line for each difference that a process sees for the first time."""

MOST_WAITING = 500
"""How many requests wait to be compared at most."""
MOST_IDS = 200_000
"""How many ids of lists wait to be compared at most: with 10,000 Dags, all requests that wait could have gigabytes."""
WRITE_SECONDS = 5.0
"""How often what was found is written to the database."""
GATHER_SECONDS = 0.1
"""How long requests are gathered before they are compared."""
TAG_SECONDS = 10.0
"""How long a Dag's tags are kept."""
LIST_SECONDS = 60.0
"""How long a list of all Dags is not compared again for the same user and route: to read it takes longest."""
RETRY_SECONDS = 30.0
"""How long after a failed attempt to read the policy the next one is made."""
MOST_OF_A_LIST = 20
"""How many Dags of one list are kept as differences."""
_MOST_KEPT = 20_000

_LISTS = {"dag_ids": "Dags", "menu_items": "menu items"}


class Comparing:
    """The thread that compares, and what requests hand over to it. Begins with the first request of a process."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[Observed] = queue.Queue(MOST_WAITING)
        self._found = Found()
        self._left_out = 0
        self._ids = 0
        self._counting = threading.Lock()
        self._process = 0
        self._starting = threading.Lock()

    def hand_over(self, request: Observed) -> None:
        """Let a request that is over be compared; never raises and never waits."""
        try:
            if request.answers or request.left_out:
                self._start()
                self._put(request)
        except queue.Full:
            self._left_out += len(request.answers) + request.left_out
        except Exception:
            log.exception("An answer cannot be compared")

    def _put(self, request: Observed) -> None:
        """Let a request wait, or raise that there is no room. Only the ids of those that wait are counted."""
        with self._counting:
            # One alone may have more.
            if self._ids and self._ids + request.ids > MOST_IDS:
                raise queue.Full
            self._waiting.put_nowait(request)
            self._ids += request.ids

    def _start(self) -> None:
        # The server may make its processes after this object.
        if self._process != os.getpid():
            with self._starting:
                if self._process != os.getpid():
                    self._process = os.getpid()
                    threading.Thread(target=self._run, name="astro_auth shadow", daemon=True).start()

    def _run(self) -> None:
        policy = Policy()
        while True:
            for request in self._gathered():
                try:
                    compare(request, policy, self._found)
                except Exception as error:  # noqa: BLE001 - the thread is the only one, and has to go on
                    log.warning("Shadow mode cannot compare a request: %s", type(error).__name__)
                    self._found.count(FAILED, len(request.answers))
                with self._counting:
                    self._ids -= request.ids
                self._waiting.task_done()
            if self._left_out:
                self._found.count(LEFT_OUT, self._left_out)
                self._left_out = 0
            self._found.write()

    def _gathered(self) -> Iterator[Observed]:
        """Yield what is waiting, after a moment: to wake this thread for each request would cost the requests time."""
        with suppress(queue.Empty):
            yield self._waiting.get(timeout=WRITE_SECONDS)
            time.sleep(GATHER_SECONDS)
            while True:
                yield self._waiting.get_nowait()

    @property
    def is_idle(self) -> bool:
        """Whether everything has been compared and written."""
        return not (self._waiting.unfinished_tasks or self._left_out or self._found.has_more)


class Found:
    """What has been found and not been written.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._new: dict[Difference | str, Seen] = {}
        self._logged: set[Difference] = set()
        self._write_at = 0.0

    def count(self, what: Difference | str, times: int = 1) -> None:
        """Count something once more; a difference has a line in the log when this process sees it first."""
        if isinstance(what, Difference):
            says = "denies" if what.allowed else "allows"
            metrics.count(metrics.SHADOW_DIFFERENCE, policy=says)
            what = what.cut()
            if what not in self._logged and len(self._logged) < _MOST_KEPT:
                self._logged.add(what)
                said, about = ("allows" if what.allowed else "denies"), f" {what.object}" if what.object else ""
                lines.info("%s: %s%s: the auth manager %s, the policy %s", *what[:2], about, said, says)
            if what not in self._new and len(self._new) >= _MOST_KEPT:
                what = LEFT_OUT
        self._new[what] = self._new.get(what, Seen()).once_more(int(self._clock()), times)

    @property
    def has_more(self) -> bool:
        """Whether there is anything that has not been written."""
        return bool(self._new)

    def write(self) -> None:
        """Write what is new to the database, now and then; what cannot be written is kept."""
        if not self._new or self._clock() < self._write_at:
            return
        self._write_at = self._clock() + WRITE_SECONDS
        for what in list(self._new):
            try:
                _add(what, self._new[what])
            except Exception as error:  # noqa: BLE001 - the text of an error may have values in it
                log.warning(
                    "Differences cannot be written to the metadata database (%s). Has `airflow db migrate` been run?",
                    type(error).__name__,
                )
                self._write_at += RETRY_SECONDS
                return
            del self._new[what]


def _add(what: Difference | str, seen: Seen) -> None:
    """Write a row; one with characters that the database does not have must not keep all others from being written."""
    try:
        shadow_records.add(what, seen)
    except Exception:
        if isinstance(what, str) or what.in_ascii() == what:
            raise
        shadow_records.add(what.in_ascii(), seen)


class Policy:
    """The policy, read when it is first needed."""

    def __init__(self) -> None:
        self._store: PolicyStore | None = None
        self._retry_at = 0.0
        self.lists: dict[tuple[Any, ...], float] = {}
        self.manager = AstroAuthManager()  # type: ignore[no-untyped-call]

    def engine(self) -> Engine | None:
        """Return the engine of the newest version; None while there is no valid one."""
        if self._store is None:
            if time.monotonic() < self._retry_at:
                return None
            self._retry_at = time.monotonic() + RETRY_SECONDS
            try:
                self._store = self._loaded()
            except (SettingsError, PolicyRefused) as error:
                log.error("Shadow mode has no policy to compare with: %s", error)  # noqa: TRY400 - it says it all
                return None
        return self._store.engine()

    @staticmethod
    def _loaded() -> PolicyStore:
        settings = read_settings()
        store = PolicyStore(settings)
        dag_cache = DagCache(max(settings.tag_cache_ttl, TAG_SECONDS))
        authenticator = Authenticator(store, Issuers(()), dag_cache)
        state.start(
            state.State(settings=settings, policy_store=store, authenticator=authenticator, dag_cache=dag_cache)
        )
        return store

    def is_due(self, *which: Any) -> bool:
        """Whether a list is to be compared again."""
        now = time.monotonic()
        if now < self.lists.get(which, 0):
            return False
        if len(self.lists) >= _MOST_KEPT:
            self.lists.clear()
        self.lists[which] = now + LIST_SECONDS
        return True


def compare(request: Observed, policy: Policy, found: Found) -> None:
    """Compare every answer of a request; an answer that cannot be compared is counted."""
    if request.left_out:
        found.count(LEFT_OUT, request.left_out)
    try:
        engine = policy.engine()
    except Exception as error:  # noqa: BLE001 - a store that does not answer
        log.warning("Shadow mode cannot read the policy: %s", type(error).__name__)
        engine = None
    if engine is None:
        if request.answers:
            found.count(FAILED, len(request.answers))
        return
    context = _context(request)
    identities: dict[Asker, AstroIdentity] = {}
    token = enter_request(context)
    try:
        for answer in request.answers:
            try:
                if answer.asker not in identities:
                    identities[answer.asker] = _identity(answer.asker, engine)
                identity = identities[answer.asker]
                differences = _differences(answer, identity, policy, context)
            except Exception as error:  # noqa: BLE001 - the text of an error may have values in it
                log.warning("Shadow mode cannot compare %s: %s", answer.hook, type(error).__name__)
                found.count(FAILED)
                continue
            if differences is None:
                continue
            found.count(COMPARED)
            for difference in differences:
                found.count(difference)
    finally:
        leave_request(token)


def _context(request: Observed) -> RequestContext:
    try:
        body = json.loads(request.body) if request.body else None
    except (ValueError, RecursionError):
        body = None
    context = RequestContext(request.scope, body)
    context.raw_body = None if request.body is None else bytes(request.body)
    context.is_over = True
    return context


def _identity(asker: Asker, engine: Engine) -> AstroIdentity:
    # An e-mail that is none could be the name of an API token.
    subject = user_subject(asker.email) if is_email(asker.email) else ""
    return AstroIdentity(id=asker.id, username=asker.name, email=asker.email, subject=subject, engine=engine)


def _differences(
    answer: Answer, identity: AstroIdentity, policy: Policy, context: RequestContext
) -> tuple[Difference, ...] | None:
    """Return how the policy's answer differs; None for a list that was compared a moment ago."""
    given = answer.given
    says = _says(answer.hook, identity, policy, *answer.args, **answer.kwargs)
    who = answer.asker.email or answer.asker.name
    if isinstance(says, bool):
        if says == bool(given):
            return ()
        about = _about(answer, identity, policy, allowed=bool(given))
        return (Difference(who, *about, bool(given)),)
    question = f"{enum_name(answer.kwargs.get('method', 'GET'))} list of {_of_list(answer.hook)}"
    if isinstance(says, LazySet):
        if not policy.is_due(who, question, context.route, identity.requested, id(identity.engine)):
            return None
        says = says.read()
    theirs, ours = (frozenset(map(enum_name, names)) for names in (given, says))
    lost = (Difference(who, question, name, allowed=True) for name in sorted(theirs - ours)[:MOST_OF_A_LIST])
    gained = (Difference(who, question, name, allowed=False) for name in sorted(ours - theirs)[:MOST_OF_A_LIST])
    return (*lost, *gained)


def _says(hook: str, identity: AstroIdentity, policy: Policy, *args: Any, **kwargs: Any) -> Any:
    """Return the policy's answer, or raise why there is none: as the hook does, but that it denies then."""
    if hook == "is_authorized_dag":
        return dag_checks.allows(identity, kwargs["method"], kwargs.get("access_entity"), kwargs.get("details"))
    if hook == "is_authorized_view" and enum_name(kwargs["access_view"]) == "PLUGINS":
        # To others the plugin opens the list with its own pages alone, on every page of Airflow.
        return authorizer.may_see_all_plugins(identity)
    method = getattr(AstroAuthManager, hook)
    return getattr(method, "__wrapped__", method)(policy.manager, *args, user=identity, **kwargs)


def _of_list(hook: str) -> str:
    name = hook.partition("_authorized_")[2]
    return _LISTS.get(name, name)


def _about(answer: Answer, identity: AstroIdentity, policy: Policy, *, allowed: bool) -> tuple[str, str]:
    """Return what was asked: a method with what it is about, and on which object."""
    resource = answer.hook.partition("is_authorized_")[2]
    asked = answer.kwargs
    if answer.hook.startswith("batch_"):
        items = list(answer.args[0] if answer.args else asked["requests"])
        requests = list(_items_of(resource, items, identity, policy, allowed=allowed))
        request = requests[0] if requests else AccessRequest("", resource)
        return f"batch of {request.method} {request.entity or resource}", str(_object(request))
    if resource == "view":
        return f"view {enum_name(asked['access_view'])}", ""
    if resource == "custom_view":
        return f"page {enum_name(asked['method'])}", str(asked["resource_name"])
    if resource == "hitl_task":
        return "answer to a task that is assigned", ""
    details = asked.get("details")
    if resource == "dag":
        request = AccessRequest.of_dag(asked["method"], asked.get("access_entity"), details)
        return f"{request.method} {request.entity or 'DAG'}", str(_object(request))
    request = AccessRequest.of(resource, asked["method"], details)
    return f"{request.method} {resource}", str(_object(request))


def _items_of(
    resource: str, items: list[Any], identity: AstroIdentity, policy: Policy, *, allowed: bool
) -> Iterator[AccessRequest]:
    """Yield the items of a batch on which it depends, that the policy answers unlike the batch; then all of them."""
    for item in items:
        if _says(f"is_authorized_{resource}", identity, policy, **item) != allowed:
            yield AccessRequest.of_item(resource, item)
    for item in items:
        yield AccessRequest.of_item(resource, item)


def _object(request: AccessRequest) -> Any:
    found = request.dag_id if request.resource == "dag" else request.resource_id
    return "" if found is None else found
