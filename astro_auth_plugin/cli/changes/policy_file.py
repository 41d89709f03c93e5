"""Writes a changed policy file: only if it says what it should, and in one step, so that no server reads half of it.

Commands that run at the same time change it one after the other: each keeps a lock from before it reads until it has
written.
"""

from __future__ import annotations

import codecs
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

from yaml import MarkedYAMLError

from astro_auth_plugin.cli.changes.policy_text import UneditableText, rewritten
from astro_auth_plugin.cli.exit_codes import INVALID, CommandFailed
from astro_auth_plugin.rbac.model.errors import UnreadablePolicy
from astro_auth_plugin.rbac.policy import loader, yaml_reader
from astro_auth_plugin.rbac.policy.entries import plain
from astro_auth_plugin.rbac.policy.loader import Policy
from astro_auth_plugin.rbac.policy.yaml_reader import MAX_BYTES


class PolicyFile(NamedTuple):
    """A valid policy file that may be changed: the bytes that were read, and what they say as plain values."""

    path: Path
    data: bytes
    policy: Policy
    values: dict[str, Any]


def read_policy_file(path: Path) -> PolicyFile:
    """Read a policy file that may be changed.

    Raises:
        CommandFailed: if it cannot be read, or has errors.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CommandFailed(f"{path}: cannot read the policy file: {error.strerror or error}", INVALID) from None
    return PolicyFile(path, data, _good(path, data), plain(yaml_reader.read(data).values))


LONGEST_WAIT = 120.0
"""For how many seconds at most a command waits for others that change the same file."""
_BETWEEN_LOOKS = 0.02


@contextmanager
def policy_file_to_change(path: Path, *, wait: float = LONGEST_WAIT) -> Iterator[PolicyFile]:
    """Read a policy file, and keep other commands from changing it until the block ends.

    Raises:
        CommandFailed: if it cannot be read, has errors, or others do not finish with it.
    """
    _refuse_link(path)
    # Not the policy itself: all who may read that could lock it, for as long as they like.
    lock = path.with_name(f".{path.name}.lock")
    try:
        owner = path.stat()
    except OSError as error:
        raise CommandFailed(f"{path}: cannot read the policy file: {error.strerror or error}", INVALID) from None
    try:
        file = _locked(lock, owner, time.monotonic() + wait)
    except OSError as error:
        raise _not_writable(path, f"{lock}: {error.strerror or error}") from None
    if file is None:
        raise CommandFailed(f"{path} is being changed by other commands; nothing was written, try again")
    with file:
        try:
            yield read_policy_file(path)
        finally:
            with suppress(OSError):
                lock.unlink()


def _locked(lock: Path, owner: os.stat_result, deadline: float) -> IO[bytes] | None:
    """Return the lock, which this process has until it closes it or ends; None if others keep it until the deadline."""
    while True:
        # For writing, since NFS locks nothing else.
        file = os.fdopen(os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b")
        with suppress(BlockingIOError, FileNotFoundError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Others remove the lock when they are done, and then it is no longer the current one.
            if os.path.samestat(os.fstat(file.fileno()), lock.stat()):
                if os.geteuid() == 0:
                    # So that a lock which root leaves behind does not keep the owner from changing the policy.
                    os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
                return file
        file.close()
        if time.monotonic() > deadline:
            return None
        time.sleep(_BETWEEN_LOOKS)


def write_policy_file(file: PolicyFile, values: Mapping[str, Any], expected: Policy) -> None:
    """Change the text of a policy file, and write it if it says what is expected then.

    Args:
        file: the file, as it was read.
        values: what it is to say.
        expected: the policy that these are.

    Raises:
        CommandFailed: if anything is not as it should be; the file is as it was then.
    """
    mark = codecs.BOM_UTF8 if file.data.startswith(codecs.BOM_UTF8) else b""
    try:
        new = mark + rewritten(file.data.removeprefix(mark).decode(), values).encode()
        found, why = loader.load(new).policy, ""
    except (UneditableText, UnreadablePolicy, MarkedYAMLError) as error:
        found, why = None, f": {error}" if isinstance(error, UneditableText) else ""
    if found is None or found.document != expected.document:
        raise CommandFailed(f"{file.path}: this file is written in a way that has to be changed by hand{why}")
    _replace(file, new)


def _good(path: Path, data: bytes) -> Policy:
    checked = loader.load(data)
    if checked.policy is None:
        problems = "\n".join(problem.in_file(path) for problem in checked.errors)
        raise CommandFailed(f"the policy cannot be used:\n{problems}", INVALID)
    return checked.policy


def _replace(file: PolicyFile, new: bytes) -> None:
    """Put a new file in the place of the old one, with its mode and owner."""
    path = file.path
    _refuse_link(path)
    try:
        before = path.stat()
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as out:
                os.fchmod(out.fileno(), stat.S_IMODE(before.st_mode))
                if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(out.fileno(), before.st_uid, before.st_gid)
                out.write(new)
                out.flush()
                os.fsync(out.fileno())
            if path.read_bytes() != file.data:
                raise CommandFailed(f"{path} was changed in the meantime; nothing was written, try again")
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise _not_writable(path, error.strerror or str(error)) from None


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise CommandFailed(
            f"{path} is a symbolic link, as files of a Kubernetes ConfigMap are: change what it is made from"
        )


def _not_writable(path: Path, why: str) -> CommandFailed:
    return CommandFailed(
        f"{path} cannot be written, and is as it was: {why}; "
        "if it comes from elsewhere, from git or a ConfigMap, change it there"
    )
