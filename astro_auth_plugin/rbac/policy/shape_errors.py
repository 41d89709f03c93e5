"""What is said of values that have the wrong shape: an unknown key, text instead of a list."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from astro_auth_plugin.rbac.policy.diagnostics import Diagnostic
from astro_auth_plugin.rbac.policy.hints import did_you_mean, misspelling_of
from astro_auth_plugin.rbac.policy.yaml_reader import Path


def shape_findings(error: ValidationError, model: type[BaseModel]) -> Iterator[Diagnostic]:
    """Yield what does not have the shape of a model, as text."""
    for detail in error.errors(include_url=False):
        path, kind = detail["loc"], detail["type"]
        if kind == "extra_forbidden":
            hint = did_you_mean(str(path[-1]), _keys_at(model, path[:-1]))
            yield Diagnostic(path, f"unknown key `{path[-1]}`{hint}", at_key=True)
        elif kind == "missing":
            yield Diagnostic(path[:-1], f"the key `{path[-1]}` is missing")
        else:
            yield Diagnostic(path, _shape_message(kind, detail))


def _shape_message(kind: str, detail: Any) -> str:
    value = detail["input"]
    if kind == "literal_error":
        words = str(detail["ctx"]["expected"]).replace("'", "`").replace(" or ", ", ")
        if not isinstance(value, str):
            return f"expected one of {words}, found {kind_of(value)}"
        hint = misspelling_of(value, words.split("`"))
        return f"expected one of {words}, found `{value[:40]}`{hint}"
    if kind == "string_type" and isinstance(value, int | float | date):
        return f"expected text, found {kind_of(value)}: put it in quotes"
    expected = _EXPECTED.get(kind)
    return f"expected {expected}, found {kind_of(value)}" if expected else str(detail["msg"])


_EXPECTED = {
    "string_type": "text",
    "string_too_short": "some text",
    "list_type": "a list",
    "bool_type": "`true` or `false`",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}

_LONGEST_NUMBER = 10**20

_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    # bool before int, of which it is one
    (bool, "the truth value `{}`"),
    ((int, float), "the number `{}`"),
    (date, "the date `{}`"),
    (dict, "a mapping"),
    (list, "a list"),
)


def kind_of(value: Any) -> str:
    """Return a value as text. Text is not repeated: it may be a secret in the wrong place."""
    if isinstance(value, int) and abs(value) > _LONGEST_NUMBER:
        return "a very long number"
    for types, words in _KINDS:
        if isinstance(value, types):
            return words.format(str(value).lower())
    return "text" if value else "nothing"


def _keys_at(model: type[BaseModel], path: Path) -> list[str]:
    """Return the keys that the entry at a path can have."""
    for part in path:
        if isinstance(part, str):
            annotation = model.model_fields[part].annotation
            model = get_args(annotation)[0]
    return list(model.model_fields)
