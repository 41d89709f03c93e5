"""The policy document, checked as a whole: every problem at once, each with its place.

A document with one error is invalid as a whole. Warnings do not stop a policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from pydantic import ValidationError

from astro_auth_plugin.rbac.model.errors import UnreadablePolicy
from astro_auth_plugin.rbac.model.token_secrets import masked
from astro_auth_plugin.rbac.policy import checks, protected_tags, warnings, yaml_reader
from astro_auth_plugin.rbac.policy.diagnostics import MAX_PROBLEMS, Diagnostic, in_text, nearest, problems_of
from astro_auth_plugin.rbac.policy.document import PolicyDocument
from astro_auth_plugin.rbac.policy.grants import ends
from astro_auth_plugin.rbac.policy.hints import Hints
from astro_auth_plugin.rbac.policy.shape_errors import kind_of, shape_findings
from astro_auth_plugin.rbac.policy.yaml_reader import Path, Place, Text


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
    problems: tuple[Diagnostic, ...]

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """What makes the document no policy."""
        return tuple(problem for problem in self.problems if problem.severity == "error")

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """What is allowed but likely not meant."""
        return tuple(problem for problem in self.problems if problem.severity == "warning")


def load(data: bytes, now: datetime | None = None) -> Checked:
    """Check the text of a policy file.

    Args:
        data: the file's content.
        now: the time, with a time zone, for what is said of tokens that expire soon; None says nothing of that.
    """
    try:
        text = yaml_reader.read(data)
    except UnreadablePolicy as error:
        return Checked(None, (unreadable(error),))
    return from_text(text, now)


def unreadable(error: UnreadablePolicy) -> Diagnostic:
    """Return the problem of a text that cannot be read."""
    return Diagnostic((), masked(error.message), place=Place(error.line, error.column))


def from_values(values: Any, now: datetime | None = None) -> Checked:
    """Check a document that is already plain values: mappings, lists, text and numbers. No place is known."""
    return from_text(Text(values, {}, {}, []), now)


def unmatched_grants(policy: Policy, deployment_id: str, dag_ids: set[str], tags: set[str]) -> tuple[Diagnostic, ...]:
    """Return a warning for every grant in a Deployment on a Dag id or tag that none of its Dags has.

    Args:
        policy: the policy.
        deployment_id: the Deployment.
        dag_ids: the ids of all its Dags.
        tags: every tag that one of its Dags carries.
    """
    found = warnings.unmatched(policy.document, deployment_id, dag_ids, tags)
    return tuple(in_text(finding, policy.places, {}) for finding in found)


def from_text(text: Text, now: datetime | None = None) -> Checked:
    """Check a document that has been read already."""
    findings = [Diagnostic(path, f"duplicate key `{path[-1]}`", at_key=True) for path, _ in text.repeated]
    document = None
    if isinstance(text.values, dict):
        try:
            document = PolicyDocument.model_validate(text.values)
        except ValidationError as error:
            findings += islice(shape_findings(error, PolicyDocument), MAX_PROBLEMS + 1)
        hints = Hints()
        findings += islice(checks.errors(text.values, hints), MAX_PROBLEMS + 1)
        findings += islice(protected_tags.errors(text.values, hints), MAX_PROBLEMS + 1)
    else:
        findings.append(
            Diagnostic((), f"expected a mapping that begins with `version: 1`, found {kind_of(text.values)}")
        )
    if document is None or findings:
        return Checked(None, problems_of(findings, text))
    return Checked(Policy(document, text.places), _warnings(document, text, now))


def warnings_of(document: PolicyDocument, values: Any, now: datetime) -> tuple[Diagnostic, ...]:
    """Return the warnings about a document that has been checked already.

    Args:
        document: the document.
        values: the same as plain values.
        now: the time, with a time zone.
    """
    return _warnings(document, Text(values, {}, {}, []), now)


def _warnings(document: PolicyDocument, text: Text, now: datetime | None) -> tuple[Diagnostic, ...]:
    # A valid document is its values, except that times are still text in them.
    timed = ("api_tokens", "teams", "users") if any(ends(document)) else ("api_tokens",)
    read = {key: [each.model_dump(exclude_unset=True) for each in getattr(document, key)] for key in timed}
    return problems_of([*warnings.warnings({**text.values, **read}, now), *protected_tags.warnings(document)], text)
