"""Finds the code of a fault by the name of its definition and by its syntax tree, and puts the fault in."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple


class Place(NamedTuple):
    """Where code stands: the file, and the offsets of its first byte and behind its last one."""

    file: Path
    begin: int
    end: int


class CodeNotFound(Exception):
    """The code of a fault is in no definition of that name, or in more than one place."""


def find(package: Path, definition: str, code: str) -> Place:
    """Return the only place in a package where a definition has this code.

    Args:
        package: the folder with the modules.
        definition: qualified name of a function, class or module-level variable, such as `Engine.decide`; '' for any.
        code: an expression, one or more statements, or an item of a dictionary; its layout does not matter. Nothing
            stands for the whole definition.

    Raises:
        CodeNotFound: if there is none, or more than one.
    """
    wanted = normalized(code)
    found = [place for file in sorted(package.rglob("*.py")) for place in _in_file(file, definition, wanted)]
    if len(found) != 1:
        raise CodeNotFound(f"`{code}` is in {len(found)} places of `{definition}`, and not in one")
    return found[0]


def put_in(place: Place, code: str) -> str:
    """Return the text of the place's file with other code there; nothing stands for `pass`."""
    text = place.file.read_bytes()
    margin = text[: place.begin].decode().rpartition("\n")[2]
    # Statements of more than one line stand as deep as those that they replace.
    lines = (code or "pass").splitlines()
    new = f"\n{margin if margin.isspace() else ''}".join(lines)
    return (text[: place.begin] + new.encode() + text[place.end :]).decode()


def normalized(code: str) -> tuple[str, ...]:
    """Return code as the parser understands it: one text for each statement, or for the item of a dictionary."""
    try:
        return tuple(map(ast.unparse, ast.parse(code).body))
    except SyntaxError:
        pair: Any = ast.parse(f"{{{code}}}", mode="eval").body
        return _items(pair)[0][0]


def _in_file(file: Path, definition: str, wanted: tuple[str, ...]) -> Iterator[Place]:
    source = file.read_bytes()
    if definition.rpartition(".")[2].encode() not in source:
        return
    tree = ast.parse(source)
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    spans: set[tuple[int, int]] = set()
    for node in _definitions(tree, definition) if definition else [tree]:
        spans.update(_matches(node, wanted, starts))
    yield from (Place(file, *span) for span in spans)


def _definitions(tree: ast.AST, wanted: str, inside: str = "") -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        names = _names(node)
        for name in names:
            if f"{inside}{name}" == wanted:
                yield node
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield from _definitions(node, wanted, f"{inside}{node.name}.")
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            yield from _definitions(node, wanted, inside)


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _matches(tree: ast.AST, wanted: tuple[str, ...], starts: list[int]) -> Iterator[tuple[int, int]]:
    def span(first: Any, last: Any) -> tuple[int, int]:
        decorators = getattr(first, "decorator_list", ())
        begin = min([first, *decorators], key=lambda node: node.lineno)
        # A decorator begins behind its `@`.
        return starts[begin.lineno - 1] + begin.col_offset - bool(decorators), starts[
            last.end_lineno - 1
        ] + last.end_col_offset

    if not wanted:
        yield span(tree, tree)
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            yield from (span(key, value) for words, key, value in _items(node) if words == wanted)
        if len(wanted) == 1 and isinstance(node, ast.expr) and ast.unparse(node) == wanted[0]:
            yield span(node, node)
        for statements in _bodies(node):
            for at in range(len(statements) - len(wanted) + 1):
                part = statements[at : at + len(wanted)]
                if tuple(map(ast.unparse, part)) == wanted:
                    # An expression that is a statement has been seen above.
                    yield span(part[0], part[-1])


def _items(node: ast.Dict) -> list[tuple[tuple[str, ...], ast.expr, ast.expr]]:
    pairs = zip(node.keys, node.values, strict=True)
    return [((f"{ast.unparse(key)}: {ast.unparse(value)}",), key, value) for key, value in pairs if key is not None]


def _bodies(node: ast.AST) -> Iterator[list[ast.stmt]]:
    for field in ("body", "orelse", "finalbody"):
        statements = getattr(node, field, None)
        if isinstance(statements, list):
            yield statements
