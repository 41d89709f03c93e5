"""The running policy: loaded at start, looked at again on every request, replaced as a whole or not at all."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable
from datetime import UTC, datetime

from astro_auth_plugin.rbac.engine.engine import Engine
from astro_auth_plugin.rbac.policy.diagnostics import Diagnostic
from astro_auth_plugin.rbac.policy.document import PolicyDocument
from astro_auth_plugin.rbac.policy.loader import Checked, Policy
from astro_auth_plugin.runtime import metrics
from astro_auth_plugin.runtime.policy_source import (
    PolicySource,
    PolicyUnavailable,
    PolicyUnread,
    no_collection,
    source_of,
)
from astro_auth_plugin.runtime.settings import Settings

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
"""How long a request waits to know whether the policy has changed."""
LOAD_SECONDS = 60.0
"""How long a request waits until a new version has been read and checked."""
RETRY_SECONDS = 5
"""How long after a failed attempt to read the policy the next one is made."""


_UNREAD = "a newer version of the policy cannot be read: see the log of the api-server"
_REFUSED = "a newer version of the policy is invalid: see the log of the api-server"


class PolicyRefused(Exception):
    """A policy that cannot be used; the message lists everything that is wrong with it."""


class _Turn:
    """A lock for work that may hang: one thread does it, and the others wait for it up to some seconds.

    When one has waited in vain, the next ones do not wait at all until the work has ended. So a network mount that
    hangs takes one thread, and not one for each request.
    """

    def __init__(self, seconds: float) -> None:
        self._lock = threading.Lock()
        self._seconds = seconds
        self._hangs = False

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=0 if self._hangs else self._seconds):
            self._hangs = True
            raise PolicyUnavailable("where the policy is kept nothing answers")
        self._hangs = False

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class PolicyStore:
    """Holds the engine of the newest valid version of the policy.

    Safe under many threads: the first thread to see a new version loads it while the others wait, so that after a
    change no request is answered from the old version. Each worker process has a store of its own and sees the same
    file or database. Where that does not answer, threads wait for a limited time and are then refused.

    Args:
        settings: which Deployment to answer for, and where the policy is.
        on_change: called with the version before and the new one, once a new one is in effect; at the start with None
            and the first one.

    Attributes:
        column: a sub-select that has the policy's version, to be read with what is read for a request anyway; None
            where a look costs nothing.

    Raises:
        PolicyRefused: if there is no valid version to begin with.
    """

    def __init__(
        self, settings: Settings, on_change: Callable[[Policy | None, Policy], None] = lambda *_: None
    ) -> None:
        self._settings = settings
        self._on_change = on_change
        self._source = source_of(settings)
        self.column = self._source.column
        self._looking = _Turn(LOOK_SECONDS)
        self._loading = _Turn(LOAD_SECONDS)
        self._renewing = threading.Lock()
        self._retry_at = 0.0
        self.problem = ""
        try:
            self._seen = self._source.version()
            self._engine = load_engine(settings, self._source)
        except (PolicyUnavailable, PolicyUnread) as error:
            raise PolicyRefused(f"{self._source.name}: {error}") from None
        on_change(None, self._engine.policy)

    def has_changed(self, version: Hashable = None) -> bool:
        """Whether there is a version that has not been looked at, so that `engine` would load it.

        Args:
            version: what `column` had a moment ago; None looks for it.

        Raises:
            PolicyUnavailable: if where the policy is kept nothing answers.
        """
        if version is None and self.column is None:
            with self._looking:
                version = self._source.version()
        elif version is None:
            # A database has many connections, and time limits of its own.
            version = self._source.version()
        return version != self._seen and time.monotonic() >= self._retry_at

    @property
    def newest(self) -> Engine:
        """The engine of the newest version that has been loaded, without a look for a newer one.

        Grants that have ended meanwhile give nothing.
        """
        engine = self._engine
        if not _has_ended(engine):
            return engine
        # Under the lock, so that one thread makes it, and a version that was loaded meanwhile is not undone.
        with self._renewing:
            engine = self._engine
            if _has_ended(engine):
                self._engine = engine = Engine(engine.policy, engine.deployment_id, datetime.now(UTC))
            return engine

    def engine(self, version: Hashable = None) -> Engine:
        """Return the engine of the newest valid version, after a look whether there is a newer one.

        Args:
            version: what `column` had a moment ago; None looks for it.

        Raises:
            PolicyUnavailable: if where the policy is kept nothing answers.
        """
        if self.has_changed(version):
            with self._loading:
                self._reload()
        return self.newest

    def _reload(self) -> None:
        signature = self._source.version()
        if signature == self._seen:
            return
        try:
            engine = load_engine(self._settings, self._source)
        except (PolicyUnread, MemoryError) as error:
            # It may be a valid version, of which this process must not miss what it takes away.
            if self.column is not None:
                # Other statements of the request have worked, so it can fail; the next one tries again.
                log.error("Denied, because the new version of the policy cannot be read: %s", error)  # noqa: TRY400 - so it is
                raise PolicyUnavailable(str(error)) from None
            log.error("The policy stays as it was for now: %s: %s", self._source.name, error)  # noqa: TRY400 - the message says it all
            self.problem = _UNREAD
            if signature is not None:
                self._retry_at = time.monotonic() + RETRY_SECONDS
                return
        except PolicyRefused as refusal:
            metrics.count(metrics.POLICY_REFUSED)
            log.error("The policy stays as it was: %s", refusal)  # noqa: TRY400 - the list of problems says it all
            self.problem = _REFUSED
        except Exception:
            metrics.count(metrics.POLICY_REFUSED)
            log.exception("The policy stays as it was: %s cannot be checked", self._source.name)
            self.problem = _REFUSED
        else:
            with self._renewing:
                before, self._engine = self._engine.policy, engine
            self.problem = ""
            self._on_change(before, engine.policy)
            metrics.count(metrics.POLICY_LOADED)
            log.info("Loaded a new version of the policy %s", self._source.name)
        # Last, since other threads compare it without the lock. It is the signature from before loading, so that a
        # version which changed while it was read is looked at again on the next request.
        self._seen = signature


def _has_ended(engine: Engine) -> bool:
    """Whether a grant has ended since the engine was made."""
    return engine.ends_at is not None and engine.ends_at <= datetime.now(UTC)


@no_collection()
def load_engine(settings: Settings, source: PolicySource) -> Engine:
    """Load the policy and compile it for this Deployment.

    Raises:
        PolicyUnread: if it cannot be read.
        PolicyRefused: if it has errors, or does not list this Deployment where it should be.
    """
    checked = source.load()
    if checked.policy is None:
        raise PolicyRefused(spell_problems(source, checked.errors))
    for warning in checked.warnings:
        log.warning("%s", warning.in_file(source.name))
    try:
        return compile_policy(settings, checked.policy)
    except PolicyRefused as refusal:
        raise PolicyRefused(f"{source.name}: {refusal}") from None


def compile_policy(settings: Settings, good: Policy) -> Engine:
    """Compile a policy without errors for this Deployment.

    Raises:
        PolicyRefused: if it does not list this Deployment, or lists it elsewhere than the options say.
    """
    check_place(settings, good.document)
    return Engine(good, settings.deployment_id, datetime.now(UTC))


def check_place(settings: Settings, document: PolicyDocument) -> None:
    """Check that a policy without errors is one of this Deployment.

    Raises:
        PolicyRefused: if it does not list this Deployment, or lists it elsewhere than the options say.
    """
    here = settings.deployment_id
    workspace_id = next((entry.workspace_id for entry in document.deployments if entry.id == here), None)
    if workspace_id is None:
        raise PolicyRefused(f"the policy does not list the Deployment `{here}`; see [astro_auth] deployment_id")
    for option, said, actual in (
        ("workspace_id", settings.workspace_id, workspace_id),
        ("organization_id", settings.organization_id, document.organization_id),
    ):
        if said and said != actual:
            raise PolicyRefused(f"Deployment `{here}` is in `{actual}` there, but [astro_auth] {option} says `{said}`")


def check_policy(settings: Settings) -> Checked:
    """Read and check the policy; one that cannot be read is a problem like any other."""
    try:
        return source_of(settings).load()
    except PolicyUnread as error:
        return Checked(None, (Diagnostic((), str(error)),))


def spell_problems(source: PolicySource, problems: tuple[Diagnostic, ...]) -> str:
    """Return the problems of a policy as text, one a line."""
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    lines = [problem.in_file(source.name) for problem in problems]
    return "\n".join([f"the policy has {count}:", *lines])
