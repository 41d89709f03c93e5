"""Where the policy is kept: a file, or the metadata database. Another place is a class with the same methods."""

from __future__ import annotations

import gc
import os
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from sqlalchemy.exc import SQLAlchemyError

from astro_auth_plugin.rbac.policy import loader
from astro_auth_plugin.rbac.policy.diagnostics import Diagnostic
from astro_auth_plugin.rbac.policy.loader import Checked, Policy
from astro_auth_plugin.rbac.policy.yaml_reader import MAX_BYTES
from astro_auth_plugin.runtime import policy_versions
from astro_auth_plugin.runtime.policy_versions import DocumentUnusable, Stored
from astro_auth_plugin.runtime.settings import Settings

_READS = 5


class PolicyUnread(Exception):
    """The policy could not be read just now, whatever is in it."""


class PolicyUnavailable(Exception):
    """Where the policy is kept nothing answers, so the current policy is unknown."""


class PolicySource(Protocol):
    """A place that has the newest version of the policy.

    Attributes:
        name: what messages call it.
        column: a sub-select that has what `version` returns, for statements that are sent anyway; None where there is
            none, or `version` costs nothing.
    """

    name: str
    column: Any

    def version(self) -> Hashable:
        """Return what differs from one version to the next, without reading the policy; None when there is none.

        May block.

        Raises:
            PolicyUnavailable: if it is unknown.
        """

    def load(self) -> Checked:
        """Read and check the policy.

        Raises:
            PolicyUnread: if it cannot be read.
        """


class _Signature(NamedTuple):
    """What distinguishes versions of a file, without reading it."""

    modified_ns: int
    changed_ns: int
    size: int
    inode: int
    device: int


class FilePolicySource:
    """A policy in a file.

    Args:
        path: of the file.
    """

    column = None

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = str(path)

    def version(self) -> _Signature | None:
        """Return what the file system says of the file; None when there is no such file."""
        try:
            stat = os.stat(self._path)  # noqa: PTH116 - the hot path: a third of the cost of Path.stat
        except OSError:
            return None
        return _Signature(stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino, stat.st_dev)

    def load(self) -> Checked:
        """Read and check the file."""
        try:
            data = self._read()
        except OSError as error:
            raise PolicyUnread(f"cannot read the policy file: {error.strerror or error}") from None
        return loader.load(data, datetime.now(UTC))

    def _read(self) -> bytes:
        """Return what is in the file, up to a little more than a policy may have."""
        # A file that is written in place can be read half-written; it is complete if nothing changed meanwhile.
        for _ in range(_READS):
            before = self.version()
            with open(self._path, "rb") as file:  # noqa: PTH123 - Path.open opens the same
                data = file.read(MAX_BYTES + 1)
            if self.version() == before:
                return data
        return data


class DatabasePolicySource:
    """A policy in the metadata database, of which each change is a version."""

    name = "the policy store"

    def __init__(self) -> None:
        self.column = policy_versions.newest_digest()

    def version(self) -> str | None:
        """Return the digest of the newest version; None when there is none. One statement."""
        try:
            return policy_versions.read_digest()
        except SQLAlchemyError as error:
            raise PolicyUnavailable(f"the metadata database does not answer: {type(error).__name__}") from None

    def load(self) -> Checked:
        """Read and check the newest version."""
        try:
            stored = policy_versions.read()
        except SQLAlchemyError as error:
            raise PolicyUnread(f"cannot read the policy from the database: {type(error).__name__}") from None
        except DocumentUnusable as unusable:
            return Checked(None, (Diagnostic((), str(unusable)),))
        if stored is None:
            return Checked(None, (Diagnostic((), EMPTY),))
        return check_version(stored)


class _Held(NamedTuple):
    """The version that this process has checked last, if it has no errors."""

    digest: str
    checked: Checked


_held: _Held | None = None


def check_version(stored: Stored) -> Checked:
    """Check a version, or return what came of that if this process has checked the same one last.

    To check a large policy takes long, and to load a version, to change it and to load the new one need the same
    checks. Versions are the same if their digests are, not their numbers: it is of the number and the whole document,
    and `policy_versions.read` has compared it with both.
    """
    held = _held
    if held is None or held.digest != stored.digest:
        held = _Held(stored.digest, loader.from_values(stored.values, datetime.now(UTC)))
        if held.checked.policy is not None:
            keep_checked(*held)
    return held.checked


def checked_last(digest: str) -> Policy | None:
    """Return the policy of a version, if it is the one that this process has checked last."""
    held = _held
    return held.checked.policy if held is not None and held.digest == digest else None


def keep_checked(digest: str, checked: Checked) -> None:
    """Keep what came of checking a version without errors."""
    global _held  # noqa: PLW0603 - replaced as a whole
    _held = _Held(digest, checked)


EMPTY = (
    "there is no policy in the metadata database yet: import one with "
    "`airflow astro-auth policy import FILE`, or begin one with `airflow astro-auth policy init --owner EMAIL`"
)


def source_of(settings: Settings) -> PolicySource:
    """Return where the options say that the policy is."""
    if settings.policy_file is None:
        return DatabasePolicySource()
    return FilePolicySource(settings.policy_file)


@contextmanager
def no_collection() -> Iterator[None]:
    """Look for no garbage meanwhile, in any thread: a large policy is made of many small objects.

    Else Python looks through all objects of the process again and again, because there are ever more of them, and
    finds nothing: that takes a third of the time.
    """
    if not gc.isenabled():
        # In another thread, or for good.
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
