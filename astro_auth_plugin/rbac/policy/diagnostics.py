"""What the checks of `validate`, `lint`, `check-dags` and `doctor` report: one record for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from astro_auth_plugin.rbac.model.token_secrets import masked
from astro_auth_plugin.rbac.policy.yaml_reader import NOWHERE, Path, Place, Text

Severity = Literal["error", "warning", "info", "ok"]

MAX_PROBLEMS = 200
"""How many problems of one document are reported; a longer list does not help."""


class Diagnostic(NamedTuple):
    """Something that a check reports, and where.

    Attributes:
        path: the part of a policy or scenario file; () for the whole, and for what is no such file.
        message: what is there, and what to do about it.
        severity: whether it has to be corrected, should be, can be; `ok` is for what is as it should be.
        rule: the name of the rule of `lint`, '' for others.
        place: line and column in the file.
        file: the Dag file, where it is not clear which file is meant.
        subject: the setting or the tag that it is about.
        at_key: whether the key at `path` is wrong, and not its value.
    """

    path: Path
    message: str
    severity: Severity = "error"
    rule: str = ""
    place: Place = NOWHERE
    file: str = ""
    subject: str = ""
    at_key: bool = False

    @property
    def where(self) -> str:
        """The path as messages write it, such as ``teams[0].members[2]``."""
        return spell(self.path)

    @property
    def text(self) -> str:
        """The path and the message."""
        return f"{self.where}: {self.message}" if self.path else self.message

    def __str__(self) -> str:
        line, column = self.place
        place = f"{line}:{column}: " if line else ""
        text = f"{place}{'warning: ' if self.severity == 'warning' else ''}{self.text}"
        # Words of the file go into terminals and logs; what is not printable could forge lines or colours there.
        return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)

    def in_file(self, name: object) -> str:
        """Return it as text behind the name of its file, as editors and terminals link it."""
        return f"{name}:{'' if self.place.line else ' '}{self}"


def warning(path: Path, message: str, rule: str = "other-warning") -> Diagnostic:
    """Return a warning about a part of a policy."""
    return Diagnostic(path, message, "warning", rule)


def problems_of(found: Iterable[Diagnostic], text: Text) -> tuple[Diagnostic, ...]:
    """Return what was found with its places in a text, sorted, not too much, and errors alone if there are any."""
    placed = sorted({in_text(each, text.places, text.keys) for each in found}, key=_order)
    errors = [problem for problem in placed if problem.severity == "error"]
    return _capped(errors) or _capped(placed)


def in_text(found: Diagnostic, places: Mapping[Path, Place], keys: Mapping[Path, Place]) -> Diagnostic:
    """Return a diagnostic with its place in a text, and without any secret that the text has there."""
    place = keys.get(found.path) if found.at_key else None
    # A user may have pasted a secret where a name belongs, and messages quote what they find.
    path, message = tuple(map(_masked, found.path)), masked(found.message)
    return found._replace(path=path, message=message, place=place or nearest(places, found.path), at_key=False)


def _masked(part: str | int) -> str | int:
    return masked(part) if isinstance(part, str) else part


def _order(found: Diagnostic) -> tuple[Place, str, str, str]:
    return found.place, found.where, found.message, found.severity


def _capped(problems: list[Diagnostic]) -> tuple[Diagnostic, ...]:
    if len(problems) <= MAX_PROBLEMS:
        return tuple(problems)
    return (*problems[:MAX_PROBLEMS], Diagnostic((), "and more of the same kind", problems[0].severity))


def nearest(places: Mapping[Path, Place], path: Path) -> Place:
    """Return the place of the part at a path, or of the nearest part around it."""
    # What an alias stands for, and what is missing, have no place of their own: use that of the part around it.
    for length in range(len(path), -1, -1):
        if path[:length] in places:
            return places[path[:length]]
    return NOWHERE


def spell(path: Path) -> str:
    """Return a path as messages write it, such as ``teams[0].members[2]``."""
    spelled = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return spelled.removeprefix(".")
