"""The command that reads Dag files for protected tags out of their place, without running them."""

from __future__ import annotations

import os
import zipfile
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from astro_auth_plugin.cli.at_hand import open_policy
from astro_auth_plugin.cli.failing import DENIED, YES, CommandFailed, command
from astro_auth_plugin.cli.output import console, count, print_values, printable
from astro_auth_plugin.cli.tags_in_code import tag_uses
from astro_auth_plugin.rbac.tag_rules import TagRules


class _Finding(NamedTuple):
    """Something to say about a file: `tag` is None where nobody knows which tags it gives."""

    file: str
    line: int
    tag: str | None
    problem: str


@command
def check_dags(args: Namespace) -> int:
    """Report protected tags out of their place; exit with 2 when there are any."""
    folder = Path(args.folder)
    if not folder.is_dir():
        raise CommandFailed(f"{folder}: there is no such folder")
    rules = open_policy(args).engine.tag_rules
    files = sorted(_files(folder))
    findings = [finding for path in files for finding in _check(folder, path, args.bundle, rules)]
    refused = [finding for finding in findings if finding.tag is not None or args.strict]
    if args.output == "table":
        _print(folder, findings, refused, len(files))
    else:
        print_values([finding._asdict() for finding in findings], args.output)
    return DENIED if refused else YES


def _files(folder: Path) -> Iterator[str]:
    """Yield the files in which Airflow may find Dags, by their path from the folder."""
    for where, _, names in os.walk(folder):
        for name in names:
            path = Path(where, name)
            if path.suffix == ".py" or (path.is_file() and zipfile.is_zipfile(path)):
                yield path.relative_to(folder).as_posix()


def _check(folder: Path, path: str, bundle: str | None, rules: TagRules) -> Iterator[_Finding]:
    try:
        for name, source in _sources(folder / path):
            for use in tag_uses(source):
                yield from _judge(f"{path}{name}", use.line, use.tags, rules, (bundle, path))
    except (OSError, ValueError, SyntaxError, zipfile.BadZipFile) as error:
        yield _Finding(path, getattr(error, "lineno", None) or 1, None, f"cannot be read: {type(error).__name__}")


def _judge(
    file: str, line: int, tags: tuple[str, ...] | None, rules: TagRules, where: tuple[str | None, str]
) -> Iterator[_Finding]:
    if tags is None:
        yield _Finding(
            file, line, None, "these tags are not in the text, so nobody knows them before the file is parsed"
        )
    for tag in tags or ():
        objection = rules.objection(tag, *where)
        if objection:
            yield _Finding(file, line, tag, objection)


def _sources(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield what Python there is in a file: the file, or the modules of an archive by their name in it."""
    if path.suffix == ".py":
        yield "", path.read_bytes()
        return
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".py"):
                yield f"/{name}", archive.read(name)


def _print(folder: Path, findings: list[_Finding], refused: list[_Finding], files: int) -> None:
    out = console()
    for finding in findings:
        style = "red" if finding in refused else "yellow"
        out.print(printable(f"{folder / finding.file}:{finding.line}: {finding.problem}"), style=style)
    unknown = sum(finding.tag is None for finding in findings)
    wrong = len(findings) - unknown
    verdict = f"{count(wrong, 'tag')} out of place, {count(unknown, 'place')} with tags that are not in the text"
    out.print(f"{count(files, 'file')}: {verdict}.")
