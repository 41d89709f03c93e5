"""Changes in the text of a policy file: the text then has other values, and every other character of it stays.

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

from astro_auth_plugin.rbac.policy import yaml_reader
from astro_auth_plugin.rbac.policy.entries import plain

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_COMMA = re.compile(r"\A((?:\s|#.*)*),")
_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
_MOST_STEPS = 10_000

# By which keys an entry of a list is known, so that it is changed and not replaced by another one.
_NAMES = ("email", "id", "name")
_NAMES_OF_GRANT = (
    "deployment_id",
    "workspace_id",
    "dag_id",
    "tag",
    "bundle",
    "folder",
    "connection_id",
    "connection_prefix",
    "variable_key",
    "variable_prefix",
    "pool",
    "pool_prefix",
    "entity_type",
    "entity_id",
    "role",
)


class UneditableText(Exception):
    """The text is written in a way in which it has to be changed by hand; the message says where."""


def rewritten(text: str, new: Mapping[str, Any]) -> str:
    """Return a text that has other values, with as few changes as possible.

    Args:
        text: the policy file, without a byte order mark.
        new: the values that it is to have.

    Raises:
        UneditableText: if it has to be changed by hand.
    """
    wanted = plain(new)
    for _ in range(_MOST_STEPS):
        changed = _step(text, _read(text), plain(yaml_reader.read(text.encode()).values), wanted, ())
        if changed is None:
            return text
        if changed == text:
            raise UneditableText("it does not say what was written into it")
        text = changed
    raise UneditableText("too much of it changes")


def block_of(entry: Mapping[str, Any]) -> list[str]:
    """Return an entry of a list as lines of YAML, the first of which begins with a dash."""
    return [f"{'  ' if number else '- '}{line}" for number, line in enumerate(_lines(entry))]


# -- one difference after the other --------------------------------------------------------------------------------

_Path = tuple[str, ...]


def _step(text: str, node: _Node, old: Any, new: Any, path: _Path) -> str | None:
    """Return the text with one difference less; None where there is none."""
    if old == new:
        return None
    if node.kind == "Alias":
        raise UneditableText(f"{_spell(path)} is an alias")
    if isinstance(old, dict) and isinstance(new, dict) and node.kind == "MappingStart":
        return _in_mapping(text, node, old, new, path)
    if isinstance(old, list) and isinstance(new, list) and node.kind == "SequenceStart":
        return _in_list(text, node, old, new, path)
    if isinstance(old, str) and isinstance(new, dict):
        return text[: node.start] + _in_line(new) + text[node.end :]
    if isinstance(new, (dict, list)):
        raise UneditableText(f"{_spell(path)} has another shape")
    ends_line = text[node.start] in "|>" and _BREAK.fullmatch(text[node.end - 1])
    return text[: node.start] + _plain(new) + (text[node.end - 1] if ends_line else "") + text[node.end :]


def _in_mapping(text: str, node: _Node, old: dict[str, Any], new: Mapping[str, Any], path: _Path) -> str | None:
    if set(node.keys) != set(old):
        raise UneditableText(f"{_spell(path)} has a key `<<`")
    for position, key in enumerate(node.keys):
        if key not in new:
            return _without(text, node, position)
        if old[key] and new[key] == [] and node.items[position].items:
            return _with_one_less(text, node, position)
        changed = _step(text, node.items[position], old[key], new[key], (*path, key))
        if changed is not None:
            return changed
    names = list(new)
    key = next(name for name in names if name not in old)
    before = next((name for name in reversed(names[: names.index(key)]) if name in old), node.keys[-1])
    return _with_key(text, node, node.keys.index(before), key, new[key])


def _in_list(text: str, node: _Node, old: list[Any], new: list[Any], path: _Path) -> str | None:
    had, has = [*map(_name, old)], [*map(_name, new)]
    if _are_renamed(old, new):
        had = has
    if len(set(had)) < len(had) or len(set(has)) < len(has):
        raise UneditableText(f"{_spell(path)} has an entry twice")
    # Not the only one before there is another: without any it would be no list.
    for position, name in enumerate(had if len(had) > 1 or not has else ()):
        if name not in has:
            return _without(text, node, position)
    for position, name in enumerate(has):
        if name not in had:
            at = had.index(has[position - 1]) if position else -1
            return _with_item(text, node, at, new[position])
    if had != has:
        raise UneditableText(f"{_spell(path)} is in another order")
    for position, (before, after) in enumerate(zip(old, new, strict=True)):
        changed = _step(text, node.items[position], before, after, (*path, had[position]))
        if changed is not None:
            return changed
    return None


def _are_renamed(old: list[Any], new: list[Any]) -> bool:
    """Whether two lists have the same entries but for a name or role of some: then these are no other entries."""

    def rest(item: Any) -> Any:
        return {**item, "name": "", "role": ""} if isinstance(item, dict) else item

    return len(old) == len(new) and all(rest(one) == rest(other) for one, other in zip(old, new, strict=True))


def _name(item: Any) -> str:
    """Return by what an entry is known in its list."""
    if isinstance(item, dict):
        known = next(((key,) for key in _NAMES if key in item), _NAMES_OF_GRANT)
        return json.dumps({key: item.get(key) for key in known}) if set(known) & set(item) else json.dumps(item)
    # A member of a Team is an e-mail, or a mapping with it.
    return json.dumps({"email": item} if isinstance(item, str) else item)


def _spell(path: _Path) -> str:
    return f"`{path[0]}`" + (f" ({', '.join(path[1:])})" if path[1:] else "") if path else "the file"


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
        between = text[parent.items[0].end : starts[1]]
        _, _, below = (_COMMA.sub(r"\1", between) if parent.flow else between).partition("\n")
        kept = below.lstrip(" \t") if "#" in below else ""
        gap = " " if kept and not text[starts[0] - 1].isspace() else ""
        return text[: starts[0]] + gap + kept + text[starts[1] :]
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


def _with_one_less(text: str, parent: _Node, position: int) -> str:
    """Cut the last entry out of the list at a key; an empty list stays, since no value would say something else."""
    node = parent.items[position]
    if len(node.items) > 1:
        return _without(text, node, len(node.items) - 1)
    if node.flow:
        return text[: node.items[0].start] + _COMMA.sub(r"\1", text[node.items[0].end :])
    key_end = text.index(":", parent.key_starts[position] + len(parent.keys[position])) + 1
    return _insert(_without(text, node, 0), key_end, " []")


def _with_key(text: str, parent: _Node, behind: int, key: str, value: Any) -> str:
    at = parent.items[behind].end
    if parent.flow:
        name = _json(key) if text[parent.key_starts[0]] == '"' else _plain(key)
        return _insert(text, at, f", {name}: {_json(value)}")
    return _insert_lines(text, at, [*_lines({key: value})], parent.column)


def _with_item(text: str, node: _Node, behind: int, item: Any) -> str:
    """Put an entry behind another one of its list, or before all."""
    if not node.flow:
        lines = block_of(item) if isinstance(item, dict) else [f"- {_plain(item)}"]
        if behind >= 0:
            return _insert_lines(text, node.items[behind].end, lines, node.column)
        return _insert_lines(text, _start_of_line(text, node.items[0].start), lines, node.column)
    if not node.items:
        return _insert(text, node.start + 1, _json(item))
    if behind < 0:
        return _insert(text, node.items[0].start, f"{_json(item)}, ")
    return _insert(text, node.items[behind].end, f", {_json(item)}")


# -- words of YAML -------------------------------------------------------------------------------------------------

# Not the 64 digits of a hash, which can also look like a number.
_NEEDS_NO_QUOTES = re.compile(r"[A-Za-z][A-Za-z0-9_.@+-]{0,62}|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_NOT_TEXT = re.compile("(?i)y|n|yes|no|on|off|true|false|null")


def _lines(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a mapping; short entries of its lists are one line each."""
    for key, value in values.items():
        if isinstance(value, list) and value:
            yield f"{_plain(key)}:"
            for item in value:
                yield from (f"  {line}" for line in (block_of(item) if _is_long(item) else [f"- {_in_line(item)}"]))
        else:
            yield f"{_plain(key)}: {_in_line(value)}"


def _is_long(item: Any) -> bool:
    return isinstance(item, dict) and any(isinstance(value, list) for value in item.values())


def _in_line(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_plain(key)}: {_in_line(each)}' for key, each in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_in_line, value))}]"
    return _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, str) and _NEEDS_NO_QUOTES.fullmatch(value) and not _NOT_TEXT.fullmatch(value):
        return value
    return _json(value)


# What YAML takes for the end of a line or does not allow, and JSON leaves as it is.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def _json(value: Any) -> str:
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))
