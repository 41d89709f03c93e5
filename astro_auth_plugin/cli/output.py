"""What the commands print: for people with rich, for machines as JSON or YAML."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import yaml
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Wider than any row.
_UNBROKEN = 1_000_000
_BMP = 0xFFFF


def console(*, stderr: bool = False) -> Console:
    """Return where to print. Texts are printed as they are: no markup, no numbers in colour, no breaking of lines."""
    return Console(stderr=stderr, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def only_on_stderr() -> Iterator[None]:
    """Send to the error stream whatever is printed in the block: Airflow logs and warns on the standard output."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        # The descriptor and not `sys.stdout`, which Airflow's loggers have taken when they were made.
        os.dup2(2, 1)
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def print_values(values: Any, form: str) -> None:
    """Print plain values for a machine.

    Args:
        values: mappings, lists, text, numbers, truth values.
        form: "json" or "yaml".
    """
    if form == "yaml":
        sys.stdout.write(as_yaml(values))
    else:
        text = json.dumps(values, indent=2, ensure_ascii=False)
        # Lines are the JSON's own. All else that is not printable is in a text, and could steer a terminal.
        lines = (
            "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in line)
            for line in text.split("\n")
        )
        sys.stdout.write("\n".join(lines) + "\n")


class YamlDumper(yaml.SafeDumper):
    """PyYAML's own, with every text in double quotes that has something which is not printable."""


def _quoted_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    # PyYAML would leave some line breaks of Unicode bare in single quotes, and they would be read as blanks.
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


YamlDumper.add_representer(str, _quoted_text)


def as_yaml(values: Any, dumper: type[YamlDumper] = YamlDumper, **options: Any) -> str:
    """Return plain values as YAML in which everything is printable.

    PyYAML leaves characters bare that turn the direction of what follows: readers would see another text.
    """
    text = yaml.dump(values, Dumper=dumper, sort_keys=False, allow_unicode=True, **options)
    return "".join(char if char.isprintable() or char == "\n" else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    # All of these are in double quotes.
    return f"\\u{ord(char):04x}" if ord(char) <= _BMP else f"\\U{ord(char):08x}"


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "", *, stderr: bool = False
) -> None:
    """Print rows for people; in a file or pipe every row is one line, however long."""
    table = Table(*columns, box=box.SIMPLE, title=title or None, title_justify="left", pad_edge=False)
    for row in rows:
        table.add_row(*(Text(printable(str(cell)), overflow="fold") for cell in row))
    printed = Console(highlight=False, stderr=stderr)
    if not printed.is_terminal:
        printed.width = _UNBROKEN
    printed.print(table)


def print_entry(values: Mapping[str, Any], form: str) -> None:
    """Print one entry: for people a line for each key, and for each further item of a list; or for a machine.

    Args:
        values: plain values, of which lists have text only.
        form: "table", "json" or "yaml".
    """
    if form != "table":
        print_values(values, form)
        return
    for key, value in values.items():
        first, *more = (value if isinstance(value, list) else [value]) or ["none"]
        console().print(f"{key.replace('_', ' ')}: {printable(str(first))}")
        for item in more:
            console().print(f"{' ' * len(key)}  {printable(str(item))}")


def printable(text: str) -> str:
    """Return text with what is not printable spelled out: it could forge lines or colours in a terminal."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def count(number: int, what: str) -> str:
    """Return a number with its noun, such as "1 error" and "2 errors"."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
