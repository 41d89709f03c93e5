"""The policy document, checked as a whole: every problem at once, each with its place.

A document with one error is invalid as a whole. Warnings do not stop a policy.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from astro_auth_plugin.rbac.model.errors import UnreadablePolicy
from astro_auth_plugin.rbac.model.scopes import Dag
from astro_auth_plugin.rbac.model.token_secrets import masked
from astro_auth_plugin.rbac.policy import checks, protected_tags, warnings, yaml_reader
from astro_auth_plugin.rbac.policy.diagnostics import MAX_PROBLEMS, Diagnostic, in_text, nearest, problems_of
from astro_auth_plugin.rbac.policy.document import PolicyDocument
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


class Before(NamedTuple):
    """A document before a change: its plain values, and the policy that they are."""

    values: Mapping[str, Any]
    policy: Policy


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


def from_values(values: Any, now: datetime | None = None, before: Before | None = None) -> Checked:
    """Check a document that is already plain values: mappings, lists, text and numbers. No place is known.

    Args:
        values: the document.
        now: the time, with a time zone, for what is said of tokens that expire soon; None says nothing of that.
        before: the document of which this one was made. The entries that are the very same objects in both, which
            nothing may have changed, are not checked again; what is found is the same as without it.
    """
    return from_text(Text(values, {}, {}, []), now, before)


def unmatched_grants(policy: Policy, deployment_id: str, dags: Collection[Dag]) -> tuple[Diagnostic, ...]:
    """Return a warning for every grant in a Deployment on a Dag id, tag, bundle or folder that none of its Dags has.

    Args:
        policy: the policy.
        deployment_id: the Deployment.
        dags: all its Dags.
    """
    found = warnings.unmatched(policy.document, deployment_id, dags)
    return tuple(in_text(finding, policy.places, {}) for finding in found)


def from_text(text: Text, now: datetime | None = None, before: Before | None = None) -> Checked:
    """Check a document that has been read already; `before` is explained at `from_values`."""
    findings = [Diagnostic(path, f"duplicate key `{path[-1]}`", at_key=True) for path, _ in text.repeated]
    document = None
    if isinstance(text.values, dict):
        known = _known_entries(before) if before else {}
        try:
            document = PolicyDocument.model_validate(_with_known(text.values, known))
        except ValidationError as error:
            findings += islice(shape_findings(error, PolicyDocument), MAX_PROBLEMS + 1)
        hints = Hints()
        same = before is not None and checks.is_about_the_same(text.values, before.values)
        unchanged = {entry for entries in known.values() for entry in entries} if same else frozenset[int]()
        findings += islice(checks.errors(text.values, hints, unchanged), MAX_PROBLEMS + 1)
        findings += islice(protected_tags.errors(text.values, hints), MAX_PROBLEMS + 1)
    else:
        findings.append(
            Diagnostic((), f"expected a mapping that begins with `version: 1`, found {kind_of(text.values)}")
        )
    if document is None or findings:
        return Checked(None, problems_of(findings, text))
    policy = Policy(document, text.places)
    return Checked(policy, warnings_of(policy, now))


def _known_entries(before: Before) -> dict[str, dict[int, BaseModel]]:
    """Return the entries of a document by the identity of their plain values."""
    return {
        key: {
            id(entry): model
            for entry, model in zip(before.values[key], getattr(before.policy.document, key), strict=True)
        }
        for key in ("teams", "users", "api_tokens")
        if key in before.values
    }


def _with_known(values: dict[Any, Any], known: Mapping[str, Mapping[int, BaseModel]]) -> dict[Any, Any]:
    """Return values with entries that have been checked in the place of their plain values."""
    replaced = {
        key: [models.get(id(entry), entry) for entry in values[key]]
        for key, models in known.items()
        if isinstance(values.get(key), list)
    }
    return {**values, **replaced}


def warnings_of(policy: Policy, now: datetime | None) -> tuple[Diagnostic, ...]:
    """Return the warnings about a policy.

    Args:
        policy: the policy.
        now: the time, with a time zone; None says nothing of what ends.
    """
    document = policy.document
    found = [*warnings.warnings(document, now), *protected_tags.warnings(document)]
    return problems_of(found, Text(None, policy.places, {}, []))
