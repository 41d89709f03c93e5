"""The tags that a Dag file gives its Dags, read from its text: none of its code is run.

A tag is known where it is in the file as text, in a list, tuple or set behind `tags=` of a call, or under a name
that the module gives exactly once. Whatever else is done about tags is reported as unknown.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

_DAG_MAKERS = frozenset({"DAG", "dag"})


class TagUse(NamedTuple):
    """A place in a file at which Dags get tags. `tags` is None where the text does not say which."""

    line: int
    tags: tuple[str, ...] | None


def tag_uses(source: str | bytes) -> list[TagUse]:
    """Return where a file gives tags, in the order of its lines.

    Raises:
        SyntaxError: if it is no Python.
        ValueError: if it is no text that Python takes.
    """
    tree = ast.parse(source)
    names = _named_once(tree)
    return sorted((use for node in ast.walk(tree) for use in _uses(node, names)), key=lambda use: use.line)


def _uses(node: ast.AST, names: dict[str, ast.expr]) -> Iterator[TagUse]:
    if isinstance(node, ast.Call):
        given = [keyword for keyword in node.keywords if keyword.arg == "tags"]
        for keyword in given:
            yield TagUse(keyword.value.lineno, _literal(keyword.value, names))
        hidden = any(keyword.arg is None for keyword in node.keywords)
        if not given and hidden and _name(node.func) in _DAG_MAKERS:
            yield TagUse(node.lineno, None)
    elif isinstance(node, ast.Attribute) and node.attr == "tags":
        # Read, changed or replaced: only running the file shows the result.
        yield TagUse(node.lineno, None)


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _literal(value: ast.expr, names: dict[str, ast.expr]) -> tuple[str, ...] | None:
    if isinstance(value, ast.Name) and value.id in names:
        value = names[value.id]
    if isinstance(value, ast.Constant) and value.value is None:
        return ()
    if not isinstance(value, ast.List | ast.Tuple | ast.Set):
        return None
    texts = [names.get(item.id, item) if isinstance(item, ast.Name) else item for item in value.elts]
    found = [text.value for text in texts if isinstance(text, ast.Constant) and isinstance(text.value, str)]
    return tuple(found) if len(found) == len(texts) else None


def _named_once(tree: ast.Module) -> dict[str, ast.expr]:
    """Return the values of a module's names, of those that nothing else in the file binds or changes."""
    bound: Counter[str] = Counter()
    for node in ast.walk(tree):
        bound.update(_binds(node))
    return {
        target.id: statement.value
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name) and bound[target.id] == 1
    }


def _binds(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.alias):
        yield node.asname or node.name
    elif isinstance(name := getattr(node, "name", None), str):
        # Functions, classes, exceptions that are caught, and what a `case` binds.
        yield name
    elif isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.value, ast.Name):
        # As in `TAGS.append("x")`.
        yield node.value.id
