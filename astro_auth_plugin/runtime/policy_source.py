"""Where the policy is kept. A file today; another place is one more class with the methods of `PolicySource`."""

from __future__ import annotations

import os
from collections.abc import Hashable
from pathlib import Path
from typing import NamedTuple, Protocol

from astro_auth_plugin.rbac.policy.yaml_reader import MAX_BYTES

_READS = 5


class PolicySource(Protocol):
    """A place that has the newest version of the policy."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def version(self) -> Hashable:
        """Return what differs from one version to the next, without reading the policy; None when there is none.

        May block; never raises.
        """

    def read(self) -> bytes:
        """Return the policy as text in YAML.

        Raises:
            OSError: if it cannot be read.
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

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def name(self) -> str:
        """The path."""
        return str(self._path)

    def version(self) -> _Signature | None:
        """Return what the file system says of the file; None when there is no such file."""
        try:
            stat = os.stat(self._path)  # noqa: PTH116 - the hot path: a third of the cost of Path.stat
        except OSError:
            return None
        return _Signature(stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino, stat.st_dev)

    def read(self) -> bytes:
        """Return what is in the file, up to a little more than a policy may have.

        Raises:
            OSError: if it cannot be read.
        """
        # A file that is written in place can be read half-written; it is complete if nothing changed meanwhile.
        for _ in range(_READS):
            before = self.version()
            with open(self._path, "rb") as file:  # noqa: PTH123 - Path.open opens the same
                data = file.read(MAX_BYTES + 1)
            if self.version() == before:
                return data
        return data
