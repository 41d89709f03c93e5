"""Names the nearest known word for a word that is not known."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable


class Hints:
    """Finds the nearest known words for the problems of one document, and stops after a number of comparisons.

    A comparison takes up to a tenth of a millisecond. A document with a thousand Deployments and a thousand mistakes
    would take minutes for hints, during which requests wait for the check.
    """

    def __init__(self, comparisons: int = 5_000) -> None:
        self._left = comparisons

    def did_you_mean(self, word: str, known: Collection[str]) -> str:
        """Return the end of a message that names the nearest known word, or nothing."""
        return self._nearest(did_you_mean, word, known)

    def misspelling_of(self, word: str, known: Collection[str]) -> str:
        """Return the end of a message that names the role or permission of which a word is a misspelling."""
        return self._nearest(misspelling_of, word, known)

    def _nearest(self, hint: Callable[[str, Collection[str]], str], word: str, known: Collection[str]) -> str:
        if self._left <= 0:
            return ""
        self._left -= len(known)
        return hint(word, known)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the end of a message that names the nearest known word, or nothing."""
    # The time it takes grows with the square of the length, and no known word is that long.
    near = difflib.get_close_matches(word[:_LONGEST_WORD], list(known), n=1, cutoff=0.6)
    return f", did you mean `{near[0]}`?" if near else ""


def misspelling_of(word: str, known: Iterable[str]) -> str:
    """Return the end of a message that names the role or permission of which a word is a misspelling, or nothing.

    Each part of the word has to be a misspelling of the same part of the known one: `DEPLOYMENT_VIEWER` is not
    `DEPLOYMENT_ADMIN`, and a hint must not lead to more access than was meant.
    """
    near = max(((_likeness(word[:_LONGEST_WORD], each), each) for each in known), default=(0.0, ""))
    return f", did you mean `{near[1]}`?" if near[0] else ""


_LONGEST_WORD = 80
_LEAST_LIKENESS = 0.7


def _likeness(word: str, known: str) -> float:
    """Return how alike two words are, from 0 for not at all to 1 for the same but for capitals."""
    parts, others = ([part.casefold() for part in _PARTS.findall(each)] for each in (word, known))
    whole, other_whole = "".join(parts), "".join(others)
    if len(parts) != len(others) or whole == other_whole:
        return float(whole == other_whole)
    if _is_longer(whole, other_whole):
        return 0.0
    alike = [_likeness_of_part(*pair) for pair in zip(parts, others, strict=True)]
    return sum(alike) / len(alike) if alike and all(alike) else 0.0


# `taskInstance` has two parts, as `TASK_INSTANCE` has.
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W_A-Z]+|[A-Z]+")
_FEW_LETTERS = 2


def _is_longer(word: str, other: str) -> bool:
    """Whether one word is the other with more letters than are mistyped."""
    shorter, longer = sorted((word, other), key=len)
    letters = iter(longer)
    return len(longer) - len(shorter) > _FEW_LETTERS and all(letter in letters for letter in shorter)


def _likeness_of_part(part: str, other: str) -> float:
    if part == other:
        return 1.0
    # A misspelling of `set` does not begin with another letter, as `get` does.
    if part[0] != other[0] or _is_longer(part, other):
        return 0.0
    ratio = difflib.SequenceMatcher(None, part, other).ratio()
    return ratio if ratio >= _LEAST_LIKENESS else 0.0
