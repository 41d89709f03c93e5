"""Writes a changed policy file: only if it says what it should, and in one step, so that no server reads half of it."""

from __future__ import annotations

import codecs
import os
import stat
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from astro_auth_plugin.cli.failing import INVALID, CommandFailed
from astro_auth_plugin.rbac import policy, policy_text
from astro_auth_plugin.rbac.policy import Checked, Policy
from astro_auth_plugin.rbac.policy_text import MAX_BYTES


class PolicyFile(NamedTuple):
    """A good policy file that may be changed: the bytes that were read, and the API tokens in them as plain values."""

    path: Path
    data: bytes
    policy: Policy
    tokens: list[dict[str, Any]]


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
    return PolicyFile(path, data, _good(path, data), policy_text.read(data).values.get("api_tokens", []))


def with_tokens(file: PolicyFile, tokens: Sequence[dict[str, Any]]) -> Checked:
    """Return what the policy would be with these tokens in the place of its own.

    Raises:
        CommandFailed: if that would be no policy.
    """
    checked = policy.from_values({**policy_text.read(file.data).values, "api_tokens": list(tokens)}, datetime.now(UTC))
    if checked.policy is None:
        problems = "\n".join(problem.message for problem in checked.errors)
        raise CommandFailed(f"that would be no good token:\n{problems}")
    return checked


def write_policy_file(file: PolicyFile, change: Callable[[str], str], expected: Checked) -> None:
    """Change the text of a policy file, and write it if it says what is expected then.

    Args:
        file: the file, as it was read.
        change: from the text of the file to its new text.
        expected: from `with_tokens`.

    Raises:
        CommandFailed: if anything is not as it should be; the file is as it was then.
    """
    assert expected.policy is not None
    mark = codecs.BOM_UTF8 if file.data.startswith(codecs.BOM_UTF8) else b""
    new = mark + change(file.data.removeprefix(mark).decode()).encode()
    found = policy.load(new).policy
    if found is None or found.document != expected.policy.document:
        raise CommandFailed(f"{file.path}: this file is written in a way that has to be changed by hand")
    _replace(file, new)


def _good(path: Path, data: bytes) -> Policy:
    checked = policy.load(data)
    if checked.policy is None:
        problems = "\n".join(problem.in_file(path) for problem in checked.errors)
        raise CommandFailed(f"the policy cannot be used:\n{problems}", INVALID)
    return checked.policy


def _replace(file: PolicyFile, new: bytes) -> None:
    """Put a new file in the place of the old one, with its mode and owner."""
    path = file.path
    if path.is_symlink():
        raise CommandFailed(
            f"{path} is a symbolic link, as files of a Kubernetes ConfigMap are: change what it is made from"
        )
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
                raise CommandFailed(f"{path} was changed by somebody else meanwhile; nothing was written, try again")
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise CommandFailed(
            f"{path} cannot be written, and is as it was: {error.strerror or error}; "
            "if it comes from elsewhere, from git or a ConfigMap, change it there"
        ) from None
