"""What a check of `airflow astro-auth doctor` finds."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Verdict(StrEnum):
    """How bad it is: not at all; worth a thought; somebody cannot sign in, or somebody else could."""

    OK = "ok"
    HINT = "hint"
    WRONG = "wrong"


class Finding(NamedTuple):
    """What a check found: how bad it is, what it is about, and in words what is there and what to do."""

    verdict: Verdict
    what: str
    words: str


def ok(what: str, words: str) -> Finding:
    """Return a finding that nothing is to be done about."""
    return Finding(Verdict.OK, what, words)


def hint(what: str, words: str) -> Finding:
    """Return a finding that can stay as it is."""
    return Finding(Verdict.HINT, what, words)


def wrong(what: str, words: str) -> Finding:
    """Return a finding that has to be corrected."""
    return Finding(Verdict.WRONG, what, words)
