"""Scenario files: a policy, Dags with their tags, and the answers that are expected.

A file is checked as a whole before anything in it is used: a misspelt key could make it weaker without anyone noticing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from astro_auth_plugin.rbac.model.actions import WORDS, meant
from astro_auth_plugin.rbac.model.errors import UnknownPermission, UnreadablePolicy
from astro_auth_plugin.rbac.model.permissions import ON_OBJECTS, mask
from astro_auth_plugin.rbac.model.resources import Resource
from astro_auth_plugin.rbac.model.scopes import Dag, DagFile
from astro_auth_plugin.rbac.policy import yaml_reader
from astro_auth_plugin.rbac.policy.diagnostics import Diagnostic, nearest, problems_of
from astro_auth_plugin.rbac.policy.hints import did_you_mean
from astro_auth_plugin.rbac.policy.loader import unreadable
from astro_auth_plugin.rbac.policy.shape_errors import kind_of, shape_findings
from astro_auth_plugin.rbac.policy.yaml_reader import Path, Text

_SEE_DAG = mask("dag.get")
_TEXTS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
_TAGS = {"type": "array", "items": {"type": "string"}}
_DAG = {
    "type": "object",
    "properties": {"tags": _TAGS, "bundle": {"type": "string"}, "file": {"type": "string"}},
    "dependentRequired": {"file": ["bundle"]},
    "additionalProperties": False,
}
_DAGS = {"type": "object", "additionalProperties": {"anyOf": [_TAGS, _DAG]}}


def action(word: str) -> int:
    """Return the permissions that an action needs: a plain name such as `trigger`, or a permission.

    What can be done with a Dag needs the right to see it, also for the whole Deployment.

    Raises:
        UnknownPermission: if there is no such action, or Airflow never checks it.
    """
    found = meant(word)
    if found is None or not found.needs:
        raise UnknownPermission(word)
    return found.needs | (_SEE_DAG if found.on_dag else 0)


def _actions(value: Any) -> tuple[str, ...]:
    words = value.split() if isinstance(value, str) else value
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise PydanticCustomError("actions", "expected actions such as `trigger` or `dagRun.create`")
    for word in words:
        try:
            action(word)
        except UnknownPermission:
            hint = ", which Airflow never checks" if word in WORDS else did_you_mean(word, WORDS)
            message = "unknown action `{word}`{hint}"
            raise PydanticCustomError("action", message, {"word": word, "hint": hint}) from None
    return tuple(words)


def _fragments(value: Any) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
        raise PydanticCustomError("fragments", "expected a part of the reason, or a list of parts")
    return tuple(texts)


def _policy(value: Any) -> Any:
    if not isinstance(value, dict) and not (isinstance(value, str) and value):
        raise PydanticCustomError("policy", "expected a policy, or the path of a policy file")
    return value


def _dags(value: Any) -> Any:
    listed = value.items() if isinstance(value, dict) else ()
    good = all(isinstance(name, str) and _is_dag(dag) for name, dag in listed)
    if not (isinstance(value, dict) or (isinstance(value, str) and value)) or not good:
        message = "expected a mapping from each Dag to the list of its tags, or to `tags`, `bundle` and `file`; "
        raise PydanticCustomError("dags", message + "or the path of a Dag list")
    if not all(isinstance(tag, str) for _, dag in listed for tag in _tags(dag)):
        raise PydanticCustomError("dags", "a tag has to be text: put it in quotes")
    return value


def _is_dag(value: Any) -> bool:
    if not isinstance(value, dict):
        return isinstance(value, list)
    place = {key: value[key] for key in ("bundle", "file") if key in value}
    known = not set(value) - {"tags", "bundle", "file"} and not ("file" in value and "bundle" not in value)
    return known and isinstance(value.get("tags", []), list) and all(isinstance(each, str) for each in place.values())


def _tags(value: Any) -> list[Any]:
    tags: list[Any] = value.get("tags", []) if isinstance(value, dict) else value
    return tags


def dag_of(name: str, value: Any) -> Dag:
    """Return a Dag under `dags`: its tags alone, or with its bundle and file."""
    is_placed = isinstance(value, dict) and "bundle" in value
    file = DagFile(value["bundle"], value.get("file", "")) if is_placed else None
    return Dag(name, frozenset(_tags(value)), file)


Name = Annotated[str, Field(min_length=1)]
Actions = Annotated[Any, BeforeValidator(_actions), WithJsonSchema(_TEXTS)]
Fragments = Annotated[Any, BeforeValidator(_fragments), WithJsonSchema(_TEXTS)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Somewhere(_Part):
    dag: str | None = None
    connection: Name | None = Field(None, description="The id of a connection, which needs not exist.")
    variable: Name | None = Field(None, description="The key of a Variable.")
    pool: Name | None = Field(None, description="The name of a pool.")

    @property
    def resource(self) -> Resource | None:
        """The connection, Variable or pool, if one is named."""
        named = (Resource(kind, name) for kind in ON_OBJECTS if (name := getattr(self, kind)) is not None)
        return next(named, None)


class Answer(_Somewhere):
    """A user may do something, or may not: on a Dag or object, or without one in the whole Deployment."""

    who: str = Field(description="An e-mail, or `token:` and the id of an API token.")
    may: Actions = Field((), description="All of this is allowed.")
    may_not: Actions = Field((), description="Each of this is denied.")
    because: Fragments = Field((), description="Parts of the reason, each of which has to be in it.")


class Sees(_Part):
    """The Dags on which a user may do something: these, and no others."""

    who: str
    may: Actions
    dags: list[str]


class WhoCan(_Somewhere):
    """Those who may do something on a Dag or object, or without one in the whole Deployment: these, and no others."""

    may: Actions
    people: list[str]


class CaseDocument(_Part):
    """A policy, and what is expected of it."""

    policy: Annotated[
        Any,
        BeforeValidator(_policy),
        WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "string"}]}),
    ] = Field(description="A policy, or the path of a policy file from this file's folder.")
    story: str = Field("", description="What this is about, in a sentence.")
    deployment_id: str = Field("", description="The Deployment; default: the only one of the policy.")
    dags: Annotated[Any, BeforeValidator(_dags), WithJsonSchema({"anyOf": [_DAGS, {"type": "string"}]})] = Field(
        {}, description="The tags of each Dag, or its `tags`, `bundle` and `file`; or a path of a Dag list from here."
    )
    outsiders: list[str] = Field(
        [], description="Subjects that the policy does not name on purpose: e-mails, or `token:` and an id."
    )
    answers: list[Answer] = []
    sees: list[Sees] = []
    who_can: list[WhoCan] = []
    refused: list[Name] = Field(
        [], description="Instead of all these: the beginning of each error for which the policy is invalid."
    )


class CaseFile(NamedTuple):
    """A scenario file without mistakes, and its text."""

    document: CaseDocument
    text: Text

    def policy_text(self) -> Text | None:
        """Return the policy in the file, with its places; None when another file has it."""
        if isinstance(self.document.policy, str):
            return None
        places, keys = (_below("policy", part) for part in (self.text.places, self.text.keys))
        return Text(self.document.policy, places, keys, [])

    def line(self, path: Path) -> int:
        """Return the line of a part of the file."""
        return nearest(self.text.places, path).line


def read(data: bytes) -> tuple[CaseFile | None, tuple[Diagnostic, ...]]:
    """Return a scenario file, or None and all its mistakes.

    Args:
        data: the file's content.
    """
    try:
        text = yaml_reader.read(data)
    except UnreadablePolicy as error:
        return None, (unreadable(error),)
    findings = [Diagnostic(path, f"duplicate key `{path[-1]}`", at_key=True) for path, _ in text.repeated]
    document = None
    if not isinstance(text.values, dict):
        findings.append(Diagnostic((), f"expected a mapping with `policy` and `answers`, found {kind_of(text.values)}"))
    else:
        try:
            document = CaseDocument.model_validate(text.values)
            findings += _contradictions(document)
        except ValidationError as error:
            findings += shape_findings(error, CaseDocument)
    if document is None or findings:
        return None, problems_of(findings, text)
    return CaseFile(document, text), ()


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of scenario files."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **CaseDocument.model_json_schema()}


def unlisted_dags(document: CaseDocument, known: Iterable[str]) -> Iterator[Diagnostic]:
    """Yield a finding for every Dag that is used and is not among those known."""
    listed = set(known)
    asking: dict[str, Sequence[Answer | WhoCan]] = {"answers": document.answers, "who_can": document.who_can}
    for key, parts in asking.items():
        for at, part in enumerate(parts):
            if part.dag is not None and part.dag not in listed:
                yield Diagnostic((key, at, "dag"), _unlisted(part.dag, listed))
    for at, sees in enumerate(document.sees):
        for position, name in enumerate(sees.dags):
            if name not in listed:
                yield Diagnostic(("sees", at, "dags", position), _unlisted(name, listed))


def _quoted(name: str) -> str:
    return f"`{name}`"


def _unlisted(name: str, listed: Iterable[str]) -> str:
    return f"Dag `{name}` is not under `dags`{did_you_mean(name, listed)}"


def _contradictions(document: CaseDocument) -> Iterator[Diagnostic]:
    for at, answer in enumerate(document.answers):
        if bool(answer.may) == bool(answer.may_not):
            found = "both" if answer.may else "neither"
            yield Diagnostic(("answers", at), f"expected exactly one of `may` and `may_not`, found {found}")
    expected = bool(document.answers or document.sees or document.who_can)
    if expected == bool(document.refused):
        found = "both" if expected else "neither"
        message = f"expected either `refused` or some of `answers`, `sees` and `who_can`, found {found}"
        yield Diagnostic((), message)
    for key, parts in (("answers", document.answers), ("who_can", document.who_can)):
        for at, part in enumerate(parts):
            named = [name for name in ("dag", *ON_OBJECTS) if getattr(part, name) is not None]
            if len(named) > 1:
                yield Diagnostic((key, at), f"expected at most one place, found {' and '.join(map(_quoted, named))}")
    if isinstance(document.dags, dict):
        yield from unlisted_dags(document, document.dags)


def _below(key: str, places: Mapping[Path, Any]) -> dict[Path, Any]:
    return {path[1:]: place for path, place in places.items() if path[:1] == (key,)}
