"""A policy that a command writes: its text with remarks, checked as every policy is before anyone gets it."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple

import yaml

from astro_auth_plugin.cli.exit_codes import CommandFailed
from astro_auth_plugin.cli.inputs import setting_if_set
from astro_auth_plugin.cli.output import YamlDumper, as_yaml, console, count, printable
from astro_auth_plugin.rbac.policy import loader
from astro_auth_plugin.rbac.policy.loader import Policy

_WIDTH = 110
_GRANTS = ("workspace_roles", "deployment_roles", "dag_roles")


class Entry(NamedTuple):
    """An entry of a list of the policy, and what its readers should know about it."""

    values: Mapping[str, Any]
    remarks: tuple[str, ...] = ()


@dataclass(slots=True)
class Draft:
    """A policy in the making.

    Attributes:
        made: by which command and from what, in a sentence; the first line of the file.
        organization_id: of which Organization it is.
        lists: the lists of the document, in their order in the file.
        left_out: what was there and is not in the policy, each with the reason.
        rounded: what is in the policy and was there only in part, each with what was missing.
    """

    made: str
    organization_id: str
    lists: dict[str, list[Entry]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    rounded: list[str] = field(default_factory=list)

    def values(self) -> dict[str, Any]:
        """Return the document as plain values."""
        lists = {name: [dict(entry.values) for entry in entries] for name, entries in self.lists.items() if entries}
        return {"version": 1, "organization_id": self.organization_id, **lists}


def named_id(args: Namespace, kind: str) -> str:
    """Return the id of `--organization`, `--workspace` or `--deployment`, or that of the options.

    Raises:
        CommandFailed: if neither says it.
    """
    reported = getattr(args, kind) or setting_if_set(f"{kind}_id")
    if not reported:
        raise CommandFailed(f"no {kind.capitalize()}: name it with --{kind}, or set [astro_auth] {kind}_id")
    return reported


def write(draft: Draft, out: str | None) -> None:
    """Print a policy or write it to a new file, and list on the error stream what is not in it.

    Raises:
        CommandFailed: if the file is there already or cannot be written, or the draft is no valid policy.
    """
    deliver(checked(draft)[0], out)
    report(draft)


def checked(draft: Draft) -> tuple[str, Policy]:
    """Return the text of a policy, and what it says.

    Raises:
        CommandFailed: if the draft is no valid policy.
    """
    text = render(draft)
    found = loader.load(text.encode(), datetime.now(UTC))
    if found.policy is None:
        problems = "\n".join(map(str, found.errors))
        raise CommandFailed(f"the result would be an invalid policy, so it is not written:\n{problems}")
    return text, found.policy


def deliver(text: str, out: str | None) -> None:
    """Print the text of a policy or write it to a new file.

    Raises:
        CommandFailed: if the file is there already or cannot be written.
    """
    if out is None:
        sys.stdout.write(text)
    else:
        _write_new(Path(out), text)


def report(draft: Draft) -> None:
    """List on the error stream what was rounded up and what is not in a policy."""
    said = console(stderr=True)
    for label, lines in _listed(draft):
        for line in lines:
            said.print(f"{label.lower()}: {printable(line)}")
    numbers = [count(len(draft.lists.get(what, ())), word) for what, word in _COUNTED.items()]
    several = [f"{len(lines)} {label.lower()}" for label, lines in _listed(draft) if lines or label == _LEFT_OUT]
    said.print(f"{', '.join(numbers)}; {', '.join(several)}.")


def _listed(draft: Draft) -> tuple[tuple[str, list[str]], ...]:
    return (("Rounded up", draft.rounded), (_LEFT_OUT, draft.left_out))


_LEFT_OUT = "Left out"


_COUNTED = {"roles": "custom role", "teams": "Team", "users": "user"}


def _write_new(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise CommandFailed(f"{path} is there already; name a new file with --out") from None
    except OSError as error:
        raise CommandFailed(f"{path}: cannot write the policy: {error.strerror or error}") from None


def render(draft: Draft) -> str:
    """Return the text of a policy: stable in its order, every word from outside quoted where it has to be."""
    lines = [*_comments(draft.made)]
    for label, listed in _listed(draft):
        if listed:
            lines += ["#", f"# {label}:"]
            lines += [line for each in listed for line in _comments(f"- {each}", later="  ")]
    lines += ["", "version: 1", _yaml({"organization_id": draft.organization_id})]
    for name, entries in draft.lists.items():
        if entries:
            lines += ["", f"{name}:", *(line for entry in entries for line in _entry(entry))]
    return "\n".join(lines) + "\n"


def _entry(entry: Entry) -> Iterator[str]:
    for remark in entry.remarks:
        yield from (f"  {line}" for line in _comments(remark))
    one_line = {
        key: [_Inline(grant) for grant in value] if key in _GRANTS else value for key, value in entry.values.items()
    }
    yield from (f"  {line}" for line in _yaml([one_line]).split("\n"))


def _comments(text: str, later: str = "") -> Iterator[str]:
    # A line break in text from outside would end the comment, and what follows would be read.
    lines = wrap(printable(text), _WIDTH, break_long_words=False, break_on_hyphens=False, subsequent_indent=later)
    yield from (f"# {line}" for line in lines)


class _Inline(dict[str, Any]):
    """A mapping that is written on one line."""


class _Dumper(YamlDumper):
    """With grants on one line, lists below their key, and no aliases."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - PyYAML's own
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's own
        return True


def _inline(dumper: yaml.SafeDumper, values: _Inline) -> yaml.Node:
    return dumper.represent_mapping("tag:yaml.org,2002:map", values, flow_style=True)


_Dumper.add_representer(_Inline, _inline)


def _yaml(values: Any) -> str:
    return as_yaml(values, _Dumper, default_flow_style=False, width=1 << 30).rstrip("\n")
