"""The policy document, checked as a whole: every problem at once, each with its place.

A document with one error is no policy at all; nothing of it counts. Warnings do not stop a policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from pydantic import ValidationError

from astro_auth_plugin.rbac import policy_checks, policy_tags, policy_text
from astro_auth_plugin.rbac.errors import UnreadablePolicy
from astro_auth_plugin.rbac.policy_checks import Finding, Severity
from astro_auth_plugin.rbac.policy_document import PolicyDocument
from astro_auth_plugin.rbac.policy_shape import kind_of, shape_findings
from astro_auth_plugin.rbac.policy_text import NOWHERE, Path, Place, Text

MAX_PROBLEMS = 200
"""How many problems of one document are told; a list longer than this helps nobody."""


class Problem(NamedTuple):
    """Something wrong in a policy, and where.

    `line` and `column` are 1-based, 0 where no place is known; `path` is like ``teams[0].members[2]``.
    """

    line: int
    column: int
    path: str
    message: str
    severity: Severity = "error"

    def __str__(self) -> str:
        where = f"{self.line}:{self.column}: " if self.line else ""
        path = f"{self.path}: " if self.path else ""
        text = f"{where}{'warning: ' if self.severity == 'warning' else ''}{path}{self.message}"
        # Words of the file go into terminals and logs; what is not printable could forge lines or colours there.
        return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)

    def in_file(self, name: object) -> str:
        """Return the problem in words behind the name of its file, as editors and terminals link it."""
        return f"{name}:{'' if self.line else ' '}{self}"


class Policy(NamedTuple):
    """A document without errors, and the line of each of its parts."""

    document: PolicyDocument
    places: Mapping[Path, Place]

    def line(self, path: Path) -> int:
        """Return the line of the part at this path, or of the nearest part around it; 0 if unknown."""
        return self.place(path).line

    def place(self, path: Path) -> Place:
        """Return the place of the part at this path, or of the nearest part around it."""
        return nearest(self.places, path)


class Checked(NamedTuple):
    """What became of a document: a policy, or None, and everything that there is to say about it."""

    policy: Policy | None
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What makes the document no policy."""
        return tuple(problem for problem in self.problems if problem.severity == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is allowed but likely not meant."""
        return tuple(problem for problem in self.problems if problem.severity == "warning")


def load(data: bytes, now: datetime | None = None) -> Checked:
    """Check the text of a policy file.

    Args:
        data: the file's content.
        now: the time, with a time zone, for what is said of tokens that expire soon; None says nothing of that.
    """
    try:
        text = policy_text.read(data)
    except UnreadablePolicy as error:
        return Checked(None, (Problem(error.line, error.column, "", error.message),))
    return from_text(text, now)


def from_values(values: Any, now: datetime | None = None) -> Checked:
    """Check a document that is already plain values: mappings, lists, text and numbers. No place is known."""
    return from_text(Text(values, {}, {}, []), now)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the policy file."""
    schema = PolicyDocument.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def unmatched_grants(policy: Policy, deployment_id: str, dag_ids: set[str], tags: set[str]) -> tuple[Problem, ...]:
    """Return a warning for every grant in a Deployment on a Dag id or tag that none of its Dags has.

    Args:
        policy: the policy.
        deployment_id: the Deployment.
        dag_ids: the ids of all its Dags.
        tags: every tag that one of its Dags carries.
    """
    values = policy.document.model_dump(exclude_unset=True)
    found = policy_checks.unmatched(values, deployment_id, dag_ids, tags)
    return tuple(_problem(finding, policy.places, {}) for finding in found)


def from_text(text: Text, now: datetime | None = None) -> Checked:
    """Check a document that has been read already."""
    findings = [Finding(path, f"key `{path[-1]}` stands here a second time", at_key=True) for path, _ in text.repeated]
    document = None
    if isinstance(text.values, dict):
        try:
            document = PolicyDocument.model_validate(text.values)
        except ValidationError as error:
            findings += islice(shape_findings(error, PolicyDocument), MAX_PROBLEMS + 1)
        # A hint for an unknown word takes a millisecond, so no more is looked for than is told.
        findings += islice(policy_checks.errors(text.values), MAX_PROBLEMS + 1)
        findings += islice(policy_tags.errors(text.values), MAX_PROBLEMS + 1)
    else:
        findings.append(Finding((), f"expected a mapping that begins with `version: 1`, found {kind_of(text.values)}"))
    valid = document is not None and not findings
    if document is not None and valid:
        # A valid document is its values, except that times are still text in them.
        tokens = [token.model_dump(exclude_unset=True) for token in document.api_tokens]
        findings += policy_checks.warnings({**text.values, "api_tokens": tokens}, now)
        findings += policy_tags.warnings(document)
    problems = problems_of(findings, text)
    policy = Policy(document, text.places) if document is not None and valid else None
    return Checked(policy, problems)


def problems_of(findings: Iterable[Finding], text: Text) -> tuple[Problem, ...]:
    """Return findings with their places in a text, sorted, not too many, and errors alone if there are any."""
    found = sorted({_problem(finding, text.places, text.keys) for finding in findings})
    errors = [problem for problem in found if problem.severity == "error"]
    return _capped(errors) or _capped(found)


def _capped(problems: list[Problem]) -> tuple[Problem, ...]:
    if len(problems) <= MAX_PROBLEMS:
        return tuple(problems)
    more = Problem(0, 0, "", "and more of the same kind", problems[0].severity)
    return (*problems[:MAX_PROBLEMS], more)


def _problem(finding: Finding, places: Mapping[Path, Place], keys: Mapping[Path, Place]) -> Problem:
    place = keys.get(finding.path) if finding.at_key else None
    line, column = place or nearest(places, finding.path)
    return Problem(line, column, spell(finding.path), finding.message, finding.severity)


def nearest(places: Mapping[Path, Place], path: Path) -> Place:
    """Return the place of the part at a path, or of the nearest part around it."""
    # What an alias stands for, and what is missing, have no place of their own: tell that of the part around it.
    for length in range(len(path), -1, -1):
        if path[:length] in places:
            return places[path[:length]]
    return NOWHERE


def spell(path: Path) -> str:
    """Return a path as messages write it, such as ``teams[0].members[2]``."""
    spelled = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return spelled.removeprefix(".")
