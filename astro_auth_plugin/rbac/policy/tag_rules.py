"""Which Dags may use a protected tag, by the bundle and the file that a Dag was parsed from.

Tags are compared exactly, or by prefix where the rule ends in `*`. The rule that names the tag decides alone; without
one, the longest prefix. A tag that no rule names is not protected.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from astro_auth_plugin.rbac.model.scopes import Dag

ANY_FILE = "**"
"""The pattern of every file of a bundle, whatever path a Dag says of itself."""

_NO_WILDCARDS = frozenset("\\?[]{}!")
_NOWHERE = frozenset(("", ".", ".."))


class Place(NamedTuple):
    """Files of one bundle in which a tag may be carried. Patterns are matched with the path from the bundle's root."""

    bundle: str
    files: tuple[str, ...]

    def __str__(self) -> str:
        return f"{', '.join(f'`{pattern}`' for pattern in self.files) or 'no file'} of bundle `{self.bundle}`"


class TagRules:
    """The protected tags of one Deployment.

    Args:
        entries: by tag, or by prefix with `*` behind it, the places in which Dags may carry it.
        granted: tags that no Dag may carry as long as no entry names them.
    """

    def __init__(self, entries: Mapping[str, tuple[Place, ...]], granted: Iterable[str] = ()) -> None:
        self._exact = {tag: places for tag, places in entries.items() if not tag.endswith("*")}
        self._by_prefix = {tag[:-1]: places for tag, places in entries.items() if tag.endswith("*")}
        self._lengths = sorted({len(prefix) for prefix in self._by_prefix}, reverse=True)
        self._granted = frozenset(granted)
        # Filled when a pattern is first used: a policy may have thousands.
        self._compiled: dict[str, re.Pattern[str]] = {}

    def __bool__(self) -> bool:
        """Whether any tag is protected."""
        return bool(self._exact or self._by_prefix or self._granted)

    def places(self, tag: str) -> tuple[Place, ...] | None:
        """Return where a tag may be carried; None for everywhere, when the tag is not protected."""
        if tag in self._exact:
            return self._exact[tag]
        for length in self._lengths:
            if tag[:length] in self._by_prefix:
                return self._by_prefix[tag[:length]]
        return () if tag in self._granted else None

    def may_carry(self, tag: str, bundle: str, path: str) -> bool:
        """Whether a Dag of this file, relative to the root of its bundle, may carry a tag."""
        places = self.places(tag)
        return places is None or any(place.bundle == bundle and self._has(place, path) for place in places)

    def may_carry_in_some_bundle(self, tag: str, path: str) -> bool:
        """The same where the bundle is unknown: whether there is one in which the Dag may carry the tag."""
        places = self.places(tag)
        return places is None or any(self._has(place, path) for place in places)

    def objection(self, tag: str, bundle: str | None, path: str) -> str:
        """Return why a Dag of a file may not carry a tag, as text; '' when it may. Without a bundle any will do."""
        if self.may_carry_in_some_bundle(tag, path) if bundle is None else self.may_carry(tag, bundle, path):
            return ""
        where = "; ".join(map(str, self.places(tag) or ()))
        if where:
            return f"the tag `{tag}` is only for Dags in {where}"
        return f"no Dag may use the tag `{tag}`, because `protected_tags` of the policy names no place for it"

    def effective_tags(self, dag: Dag) -> frozenset[str]:
        """Return the effective tags of a Dag: not the protected ones that it may not use.

        The place of a Dag without a file is unknown, so all its tags are effective.
        """
        if not self or dag.file is None:
            return dag.tags
        bundle, path = dag.file
        return frozenset(tag for tag in dag.tags if self.may_carry(tag, bundle, path))

    def _has(self, place: Place, path: str) -> bool:
        if ANY_FILE in place.files:
            return True
        # A path with `..` in it would leave the folder that it seems to be in.
        if not _NOWHERE.isdisjoint(path.split("/")):
            return False
        file = parsed_file(path)
        return any(self._pattern(pattern).fullmatch(file) for pattern in place.files)

    def _pattern(self, pattern: str) -> re.Pattern[str]:
        if pattern not in self._compiled:
            self._compiled[pattern] = _compile(pattern)
        return self._compiled[pattern]


NO_RULES = TagRules({})


def parsed_file(path: str) -> str:
    """Return the file that is parsed for a Dag at this path: of a Dag within a zip archive, the archive."""
    parts = path.split("/")
    for length, part in enumerate(parts, 1):
        if part.lower().endswith(".zip"):
            return "/".join(parts[:length])
    return path


def folder_of(pattern: str) -> str:
    """Return the folder of which a pattern has every file and no others, with `/` at its end; '' for other patterns.

    It has the paths that begin with it and have no part that is empty, `.` or `..`.
    """
    folder = pattern.removesuffix("**")
    # What is in an archive is at the archive's path, so below none.
    is_folder = folder.endswith("/") and "*" not in folder and ".zip/" not in folder.lower()
    return folder if is_folder else ""


def fault(pattern: str) -> str:
    """Return why a file pattern is invalid, as text; '' for a valid one."""
    if pattern.startswith("/"):
        return "it is read from the bundle's root, so it begins without `/`"
    wrong = sorted(_NO_WILDCARDS & set(pattern))
    if wrong:
        return f"`{wrong[0]}` cannot be used: the only wildcards are `*` and `**`"
    segments = pattern.removesuffix("/").split("/")
    if not _NOWHERE.isdisjoint(segments):
        return "`.`, `..` and `//` are not allowed"
    if any("**" in segment and segment != "**" for segment in segments):
        return "`**` must be a whole path segment"
    return ""


def _compile(pattern: str) -> re.Pattern[str]:
    """Return the expression of a pattern without fault. What is in atomic groups keeps it linear."""
    segments = (f"{pattern}**" if pattern.endswith("/") else pattern).split("/")
    runs: list[list[str]] = [[]]
    for segment in segments:
        if segment == "**":
            runs.append([])
        else:
            runs[-1].append(_segment(segment))
    first, *others = runs
    if not others:
        return re.compile("/".join(first))
    *middle, last = others
    text = "".join(f"{segment}/" for segment in first)
    for run in middle:
        # Of several fitting places the first is sufficient, as with every wildcard.
        text += f"(?>(?:[^/]+/)*?{''.join(f'{segment}/' for segment in run)})"
    return re.compile(text + "(?:[^/]+/)*" + ("/".join(last) or "[^/]+"))


def _segment(segment: str) -> str:
    """Return the expression of a segment: `*` is any text without `/`."""
    first, *others = map(re.escape, segment.split("*"))
    if not others:
        return first
    *middle, last = others
    return first + "".join(f"(?>[^/]*?{part})" for part in middle) + f"[^/]*{last}"
