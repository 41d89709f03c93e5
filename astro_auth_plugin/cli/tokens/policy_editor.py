"""Changes of API tokens in the text of a policy file; every other character of it stays.

The places come from the events of YAML's parser. Anyone who uses this reads the result again and compares it with what
it should say, so that an odd file is left alone and never spoiled.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from astro_auth_plugin.cli.exit_codes import CommandFailed

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TOKENS = "api_tokens"
_COMMA = re.compile(r"\A((?:\s|#.*)*),")
_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")


def add_token(text: str, entry: Mapping[str, Any]) -> str:
    """Put a token behind the last one.

    Args:
        text: the policy file, without a byte order mark.
        entry: the keys of the token, in their order; `roles` is a list of mappings.
    """
    root = _read(text)
    tokens = root.get(_TOKENS)
    if tokens is None:
        if root.flow:
            return _insert(text, root.end_of_last, f', "{_TOKENS}": [{_json(entry)}]')
        lines = [f"{_TOKENS}:", *(f"  {line}" for line in block_of(entry))]
        return _insert_lines(text, root.end, lines, root.column)
    _check_is_list(tokens)
    if not tokens.flow:
        return _insert_lines(text, tokens.end, block_of(entry), tokens.column)
    if not tokens.items:
        return _insert(text, tokens.start + 1, _json(entry))
    return _insert(text, tokens.end_of_last, f", {_json(entry)}")


def change_token(text: str, index: int, key: str, value: str | None) -> str:
    """Give a key of a token a value, behind its other keys if it is new; None takes the key away."""
    token = _token(_read(text), index)
    position = token.keys.index(key) if key in token.keys else None
    if position is not None and value is not None:
        old = token.items[position]
        return text[: old.start] + _plain(value) + text[old.end :]
    if position is not None:
        return _without(text, token, position)
    if value is None:
        return text
    at = token.items[token.keys.index("secret_sha256")].end
    if token.flow:
        return _insert(text, at, f", {key}: {_plain(value)}")
    return _insert_lines(text, at, [f"{key}: {_plain(value)}"], token.column)


def remove_token(text: str, index: int) -> str:
    """Take a token out, with the comments inside of it."""
    root = _read(text)
    tokens = root.get(_TOKENS)
    _check_is_list(tokens)
    assert tokens is not None
    if len(tokens.items) > 1:
        return _without(text, tokens, index)
    if tokens.flow:
        rest = text[tokens.items[0].end :]
        return text[: tokens.items[0].start] + _COMMA.sub(r"\1", rest)
    # A key without a value would say something else than an empty list.
    key_end = text.index(":", root.key_starts[root.keys.index(_TOKENS)]) + 1
    return _insert(_without(text, tokens, index), key_end, " []")


def block_of(entry: Mapping[str, Any]) -> list[str]:
    """Return a token as lines of YAML, the first of which begins with a dash."""
    lines = [f"{key}: {_plain(value)}" for key, value in entry.items() if key != "roles"]
    lines.append("roles:")
    for role in entry["roles"]:
        pairs = ", ".join(f"{key}: {_plain(value)}" for key, value in role.items())
        lines.append(f"  - {{{pairs}}}")
    return [f"{'  ' if number else '- '}{line}" for number, line in enumerate(lines)]


# -- what is where ---------------------------------------------------------------------------------------------


@dataclass
class _Node:
    """A value in the text: from `start` to `end`, where its last character that is no comment has been."""

    start: int
    end: int
    column: int
    kind: str
    flow: bool = True
    keys: list[str] = field(default_factory=list)
    key_starts: list[int] = field(default_factory=list)
    items: list[_Node] = field(default_factory=list)

    def get(self, key: str) -> _Node | None:
        return self.items[self.keys.index(key)] if key in self.keys else None

    @property
    def end_of_last(self) -> int:
        return self.items[-1].end

    def starts(self) -> list[int]:
        """Where each item begins, with its key if it has one."""
        return self.key_starts or [item.start for item in self.items]


def _read(text: str) -> _Node:
    events = (event for event in yaml.parse(text, Loader=_LOADER) if not isinstance(event, _AROUND))
    return _node(next(events), events)


_AROUND = (yaml.StreamStartEvent, yaml.DocumentStartEvent, yaml.DocumentEndEvent, yaml.StreamEndEvent)


def _node(event: Any, events: Iterator[Any]) -> _Node:
    start, end = event.start_mark, event.end_mark
    kind = type(event).__name__.removesuffix("Event")
    node = _Node(start.index, end.index, start.column, kind)
    if not isinstance(event, yaml.CollectionStartEvent):
        return node
    node.flow = bool(event.flow_style)
    while not isinstance(inner := next(events), yaml.CollectionEndEvent):
        if isinstance(event, yaml.MappingStartEvent):
            node.keys.append(getattr(inner, "value", ""))
            node.key_starts.append(inner.start_mark.index)
            inner = next(events)
        node.items.append(_node(inner, events))
    # The end of a block is where the next one begins, so the end of its content is used.
    mark: Any = inner.end_mark
    node.end = mark.index if node.flow or not node.items else node.end_of_last
    return node


def _check_is_list(node: _Node | None) -> None:
    if node is None or node.kind != "SequenceStart":
        raise CommandFailed(f"`{_TOKENS}` is not a separate list in this file, so change it manually")


def _token(root: _Node, index: int) -> _Node:
    tokens = root.get(_TOKENS)
    _check_is_list(tokens)
    assert tokens is not None
    token = tokens.items[index]
    if token.kind != "MappingStart":
        raise CommandFailed("the token is an alias in this file, so it has to be changed by hand")
    return token


# -- cutting and pasting -------------------------------------------------------------------------------------------


def _insert(text: str, at: int, what: str) -> str:
    return text[:at] + what + text[at:]


def _insert_lines(text: str, at: int, lines: Sequence[str], column: int) -> str:
    """Insert lines behind the line in which `at` is, or at its beginning if `at` is there."""
    newline = found[0] if (found := _BREAK.search(text)) else "\n"
    added = "".join(f"{' ' * column}{line}{newline}" for line in lines)
    if at and _BREAK.fullmatch(text[at - 1]):
        return _insert(text, at, added)
    end_of_line = _BREAK.search(text, at)
    if end_of_line is None:
        return text + newline + added
    return _insert(text, end_of_line.end(), added)


def _without(text: str, parent: _Node, position: int) -> str:
    """Cut an item, with its key if it has one, out of a list or mapping that has others."""
    starts = parent.starts()
    if position == 0 and (parent.flow or parent.keys):
        # The first key of an entry in lines is behind the entry's dash.
        return text[: starts[0]] + text[starts[1] :]
    if parent.flow:
        before = parent.items[position - 1].end
        between = text[before : starts[position]]
        kept = between.replace(",", "", 1) if "#" in between else ""
        return text[:before] + kept + text[parent.items[position].end :]
    start = _start_of_line(text, starts[position])
    end = parent.items[position].end
    if not _BREAK.fullmatch(text[end - 1]):
        end = found.end() if (found := _BREAK.search(text, end)) else len(text)
    return text[:start] + text[end:]


def _start_of_line(text: str, at: int) -> int:
    breaks = [found.end() for found in _BREAK.finditer(text, 0, at)]
    return breaks[-1] if breaks else 0


# -- words of YAML -------------------------------------------------------------------------------------------------

# Not the 64 digits of a hash, which can also look like a number.
_NEEDS_NO_QUOTES = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_NOT_TEXT = re.compile("(?i)y|n|yes|no|on|off|true|false|null")


def _plain(value: str) -> str:
    if _NEEDS_NO_QUOTES.fullmatch(value) and not _NOT_TEXT.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _json(entry: Mapping[str, Any]) -> str:
    return json.dumps(entry, ensure_ascii=False)
