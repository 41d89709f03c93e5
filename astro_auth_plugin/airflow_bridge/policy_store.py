"""The running policy: loaded at start, looked at again on every request, replaced as a whole or not at all."""

from __future__ import annotations

import logging
import os
import threading
from datetime import UTC, datetime
from typing import NamedTuple

from astro_auth_plugin.airflow_bridge.settings import Settings
from astro_auth_plugin.rbac import policy
from astro_auth_plugin.rbac.engine import Engine
from astro_auth_plugin.rbac.errors import UnknownDeployment
from astro_auth_plugin.rbac.policy import Checked, Policy, Problem
from astro_auth_plugin.rbac.policy_text import MAX_BYTES

log = logging.getLogger(__name__)

_READS = 5


class PolicyRefused(Exception):
    """A policy file that cannot be used; the message lists everything that is wrong with it."""


class _Signature(NamedTuple):
    """What tells one version of a file from the next, without reading it."""

    modified_ns: int
    changed_ns: int
    size: int
    inode: int
    device: int


class PolicyStore:
    """Holds the engine of the newest good version of the policy file.

    Safe under many threads: whoever sees a new version first loads it while the others wait, so that after a change
    no request is answered from the old version. Each worker process has a store of its own and sees the same file.

    Args:
        settings: where the file is, and which Deployment to answer for.

    Raises:
        PolicyRefused: if there is no good version to begin with.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._seen = _signature(settings)
        self._engine = load_engine(settings)

    def has_changed(self) -> bool:
        """Whether there is a version that has not been looked at, so that `engine` would load it."""
        return _signature(self._settings) != self._seen

    def engine(self) -> Engine:
        """Return the engine of the newest good version, after a look at the file. Never raises."""
        if self.has_changed():
            with self._lock:
                self._reload()
        return self._engine

    def _reload(self) -> None:
        signature = _signature(self._settings)
        if signature == self._seen:
            return
        try:
            self._engine = load_engine(self._settings)
        except PolicyRefused as refusal:
            log.error("The policy stays as it was: %s", refusal)  # noqa: TRY400 - the list of problems says it all
        except Exception:
            log.exception("The policy stays as it was: %s cannot be checked", self._settings.policy_file)
        else:
            log.info("Loaded a new version of the policy %s", self._settings.policy_file)
        # Last, since other threads compare it without the lock. It is the signature from before loading, so that a
        # version which changed while it was read is looked at again on the next request.
        self._seen = signature


def load_engine(settings: Settings) -> Engine:
    """Load the policy file and compile it for this Deployment.

    Raises:
        PolicyRefused: if the file cannot be read, has errors, or does not list this Deployment where it should be.
    """
    checked = check_file(settings)
    if checked.policy is None:
        raise PolicyRefused(spell_problems(settings, checked.errors))
    for warning in checked.warnings:
        log.warning("%s", warning.in_file(settings.policy_file))
    try:
        return compile_policy(settings, checked.policy)
    except PolicyRefused as refusal:
        raise PolicyRefused(f"{settings.policy_file}: {refusal}") from None


def compile_policy(settings: Settings, good: Policy) -> Engine:
    """Compile a policy without errors for this Deployment.

    Raises:
        PolicyRefused: if it does not list this Deployment, or lists it elsewhere than the options say.
    """
    try:
        engine = Engine(good, settings.deployment_id)
    except UnknownDeployment as error:
        raise PolicyRefused(f"{error}; see [astro_auth] deployment_id") from None
    _agree(settings, engine)
    return engine


def check_file(settings: Settings) -> Checked:
    """Read and check the policy file; a file that cannot be read is a problem like any other."""
    try:
        data = _read(settings)
    except OSError as error:
        problem = Problem(0, 0, "", f"cannot read the policy file: {error.strerror or error}")
        return Checked(None, (problem,))
    return policy.load(data, datetime.now(UTC))


def spell_problems(settings: Settings, problems: tuple[Problem, ...]) -> str:
    """Return the problems of a policy file in words, one a line."""
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    lines = [problem.in_file(settings.policy_file) for problem in problems]
    return "\n".join([f"the policy file has {count}:", *lines])


def _agree(settings: Settings, engine: Engine) -> None:
    organization_id = engine.policy.document.organization_id
    for option, said, actual in (
        ("workspace_id", settings.workspace_id, engine.workspace_id),
        ("organization_id", settings.organization_id, organization_id),
    ):
        if said and said != actual:
            where = f"Deployment `{settings.deployment_id}` is in `{actual}` there"
            raise PolicyRefused(f"{where}, but [astro_auth] {option} says `{said}`")


def _read(settings: Settings) -> bytes:
    # A file that is written in place can be read half-written; a version is good when nothing changed meanwhile.
    for _ in range(_READS):
        before = _signature(settings)
        with open(settings.policy_file, "rb") as file:  # noqa: PTH123 - Path.open opens the same
            data = file.read(MAX_BYTES + 1)
        if _signature(settings) == before:
            return data
    return data


def _signature(settings: Settings) -> _Signature | None:
    try:
        stat = os.stat(settings.policy_file)  # noqa: PTH116 - the hot path: a third of the cost of Path.stat
    except OSError:
        return None
    return _Signature(stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino, stat.st_dev)
