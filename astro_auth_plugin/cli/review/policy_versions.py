"""The versions of a policy that a command compares: files, revisions of git, and the policy that is configured."""

from __future__ import annotations

import os
import subprocess
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path
from shutil import which

from astro_auth_plugin.cli.exit_codes import INVALID, CommandFailed
from astro_auth_plugin.cli.inputs import good_policy, policy_file
from astro_auth_plugin.cli.output import printable
from astro_auth_plugin.rbac.policy import loader
from astro_auth_plugin.rbac.policy.loader import Policy

CONFIGURED = "configured"
"""The word for the policy that `[astro_auth]` names. An api-server that refused it decides by an older version."""

_PATIENCE = 60


def read_version(word: str, args: Namespace) -> Policy:
    """Read the version of a policy that a word names.

    Args:
        word: `configured`, a file, `REVISION:PATH` as git writes it, or a revision for the file of `--policy`.
        args: the arguments of the command.

    Raises:
        CommandFailed: if nothing is there, or it is no valid policy.
    """
    if word == CONFIGURED:
        return good_policy(policy_file(Namespace(policy=None)))
    if Path(word).is_file():
        return good_policy(Path(word))
    checked = loader.load(_of_git(_spec(word, args.policy)), datetime.now(UTC))
    if checked.policy is None:
        problems = "\n".join(problem.in_file(word) for problem in checked.errors)
        raise CommandFailed(f"the policy cannot be used:\n{problems}", INVALID)
    return checked.policy


def _spec(word: str, path: str | None) -> str:
    """Return how git names a file of a revision."""
    # git would take it for an option.
    if word.startswith("-"):
        raise CommandFailed(f"`{word}` is neither a file nor a revision of git")
    if ":" in word:
        return word
    if not path:
        raise CommandFailed(
            f"there is no file `{word}`; for a revision of git write `{word}:PATH`, or name the file with --policy"
        )
    return f"{word}:./{Path(os.path.relpath(path)).as_posix()}"


def _of_git(spec: str) -> bytes:
    """Return a file out of git's store. No shell reads the words, and no filter or pager of the repository runs."""
    git = which("git")
    if git is None:
        raise CommandFailed(f"there is no file `{spec}`, and git is not installed, so no revision can be read")
    try:
        done = subprocess.run(  # noqa: S603 - one word, not an option, after `--end-of-options`
            [git, "cat-file", "--end-of-options", "blob", spec], capture_output=True, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise CommandFailed(f"git did not answer within {_PATIENCE} seconds") from None
    if done.returncode:
        said = printable(done.stderr.decode(errors="replace").strip()[:200])
        raise CommandFailed(f"there is no file `{spec}`, and git has none: {said}")
    return done.stdout
