"""From the text of a policy file to plain values, with the place of each.

PyYAML's scanner reads the text; the tree is built here, because PyYAML's own builder drops the places, accepts a key
twice, and lets aliases and deep nesting blow up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import yaml
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from astro_auth_plugin.rbac.model.errors import UnreadablePolicy

Path = tuple[str | int, ...]

MAX_BYTES = 10 * 1024 * 1024
MAX_DEPTH = 20
MAX_ALIASED_NODES = 100_000
MAX_NODES = 500_000
MAX_PLAIN = 100
"""How many characters a number or time may have: PyYAML takes quadratic time for some."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STRING_TAGS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:value", "tag:yaml.org,2002:merge")


class Place(NamedTuple):
    """Where something is in the text: 1-based; 0 where it is unknown."""

    line: int
    column: int


NOWHERE = Place(0, 0)


class Text(NamedTuple):
    """What a text says.

    `places` has the place of each value by its path; `keys` that of each key. `repeated` names duplicate keys.
    """

    values: Any
    places: Mapping[Path, Place]
    keys: Mapping[Path, Place]
    repeated: list[tuple[Path, Place]]


class _Open:
    """A mapping or sequence of which the end has not been read yet."""

    __slots__ = ("anchor", "key", "nodes", "path", "value")

    def __init__(self, value: dict[str, Any] | list[Any], path: Path, anchor: str | None) -> None:
        self.value = value
        self.path = path
        self.anchor = anchor
        self.key: str | None = None
        self.nodes = 1


def read(data: bytes) -> Text:
    """Return what the text says.

    Args:
        data: the file, UTF-8.

    Raises:
        UnreadablePolicy: for anything that is not one plain YAML document of bearable size and depth.
    """
    if len(data) > MAX_BYTES:
        raise UnreadablePolicy(f"the file is larger than {MAX_BYTES // 1024 // 1024} MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UnreadablePolicy("the file is not UTF-8 text", line, 1) from None
    builder = _Builder()
    for event in _events(text):
        builder.take(event)
    return Text(builder.root, builder.places, builder.keys, builder.repeated)


def _events(text: str) -> Iterator[Any]:
    try:
        yield from yaml.parse(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        place = _place(error.problem_mark or error.context_mark)
        problem = error.problem or error.context
        raise UnreadablePolicy(f"not valid YAML: {problem}", *place) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UnreadablePolicy(
            f"not valid YAML: the character #x{error.character:04x} is not allowed", line, 1
        ) from None


def _place(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1) if mark else NOWHERE


class _Builder:
    """Builds plain values from YAML events, without recursion."""

    def __init__(self) -> None:
        self.root: Any = None
        self.places: dict[Path, Place] = {}
        self.keys: dict[Path, Place] = {}
        self.repeated: list[tuple[Path, Place]] = []
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._aliased = 0
        self._nodes = 0
        self._documents = 0
        self._takers: dict[type, Callable[[Any], None]] = {
            yaml.DocumentStartEvent: self._document,
            yaml.ScalarEvent: self._scalar,
            yaml.AliasEvent: self._alias,
            yaml.MappingStartEvent: lambda event: self._begin({}, event),
            yaml.SequenceStartEvent: lambda event: self._begin([], event),
            yaml.MappingEndEvent: self._end,
            yaml.SequenceEndEvent: self._end,
        }
        self._resolver: Any = Resolver()
        self._constructor = SafeConstructor()

    def take(self, event: Any) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise UnreadablePolicy(f"more than {MAX_NODES} keys and values", *_place(event.start_mark))
        take = self._takers.get(type(event))
        if take:
            take(event)

    def _document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            raise UnreadablePolicy("expected one YAML document, found a second one", *_place(event.start_mark))

    def _place_of(self, event: Any) -> Place:
        """Return where a key or value begins; it may not have a tag."""
        place = _place(event.start_mark)
        if event.tag and event.tag != "!":
            raise UnreadablePolicy(f"YAML tags such as `{event.tag}` are not allowed", *place)
        return place

    def _begin(self, value: dict[str, Any] | list[Any], event: Any) -> None:
        place = self._place_of(event)
        if len(self._open) >= MAX_DEPTH:
            raise UnreadablePolicy(f"nested more than {MAX_DEPTH} levels deep", *place)
        path = self._next_path(place)
        self._put(value, path, place)
        self._open.append(_Open(value, path, event.anchor))

    def _end(self, _: Any) -> None:
        done = self._open.pop()
        if done.anchor:
            self._anchors[done.anchor] = (done.value, done.nodes)
        if self._open:
            self._open[-1].nodes += done.nodes

    def _scalar(self, event: Any) -> None:
        place = self._place_of(event)
        if self._expects_key():
            self._key(event.value, place)
            if event.anchor:
                self._anchors[event.anchor] = (event.value, 1)
            return
        value = self._construct(event, place)
        self._put(value, self._next_path(place), place)
        if event.anchor:
            self._anchors[event.anchor] = (value, 1)
        if self._open:
            self._open[-1].nodes += 1

    def _alias(self, event: Any) -> None:
        anchor, place = event.anchor, _place(event.start_mark)
        path = self._next_path(place)
        if anchor not in self._anchors:
            raise UnreadablePolicy(f"alias `*{anchor}` has no finished anchor before it", *place)
        value, nodes = self._anchors[anchor]
        self._aliased += nodes
        if self._aliased > MAX_ALIASED_NODES:
            raise UnreadablePolicy("aliases blow the file up beyond what is reasonable", *place)
        self._put(value, path, place)
        # What was anchored before is inside of what is open now.
        self._open[-1].nodes += nodes

    def _expects_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].value, dict) and self._open[-1].key is None

    def _key(self, key: str, place: Place) -> None:
        top = self._open[-1]
        path = (*top.path, key)
        if key in top.value:
            self.repeated.append((path, place))
        self.keys[path] = place
        top.key = key

    def _next_path(self, place: Place) -> Path:
        if not self._open:
            return ()
        top = self._open[-1]
        if isinstance(top.value, list):
            return (*top.path, len(top.value))
        if top.key is None:
            raise UnreadablePolicy("a key must be plain text", *place)
        return (*top.path, top.key)

    def _put(self, value: Any, path: Path, place: Place) -> None:
        self.places[path] = place
        if not self._open:
            self.root = value
            return
        top = self._open[-1]
        if isinstance(top.value, list):
            top.value.append(value)
        else:
            top.value[str(path[-1])] = value
            top.key = None

    def _construct(self, event: Any, place: Place) -> Any:
        tag = self._resolver.resolve(yaml.ScalarNode, event.value, event.implicit)
        if tag in _STRING_TAGS:
            return event.value
        unreadable = UnreadablePolicy(f"`{event.value[:40]}` cannot be read; put it in quotes", *place)
        if len(event.value) > MAX_PLAIN:
            raise unreadable
        try:
            return self._constructor.construct_object(yaml.ScalarNode(tag, event.value))
        except (ValueError, OverflowError, yaml.YAMLError):
            raise unreadable from None
