"""The command that reads Dag files for protected tags out of their place, without running them."""

from __future__ import annotations

import os
import zipfile
from argparse import Namespace
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

from astro_auth_plugin.cli.exit_codes import DENIED, YES, CommandFailed, command
from astro_auth_plugin.cli.inputs import open_policy
from astro_auth_plugin.cli.output import console, count, print_values, printable
from astro_auth_plugin.rbac.policy.diagnostics import Diagnostic
from astro_auth_plugin.rbac.policy.tag_rules import TagRules
from astro_auth_plugin.rbac.policy.yaml_reader import Place
from astro_auth_plugin.tag_protection.static_tags import tag_uses

LARGEST = 2 * 1024 * 1024
"""How many bytes of a file are read. Python takes a hundred times as much memory for what it says."""


@command
def check_dags(args: Namespace) -> int:
    """Report protected tags out of their place; exit with 2 when there are any."""
    folder = Path(args.folder)
    if not folder.is_dir():
        raise CommandFailed(f"{folder}: there is no such folder")
    rules = open_policy(args).engine.tag_rules
    files = sorted(_files(folder))
    findings = [finding for path in files for finding in _check(folder, path, args.bundle, rules)]
    refused = [finding for finding in findings if finding.severity == "error" or args.strict]
    if args.output == "table":
        _print(folder, findings, refused, len(files))
    else:
        print_values([_values(finding) for finding in findings], args.output)
    return DENIED if refused else YES


def _files(folder: Path) -> Iterator[str]:
    """Yield the files in which Airflow may find Dags, by their path from the folder."""
    for where, folders, names in os.walk(folder, followlinks=True):
        # Airflow follows links to folders too. Into a folder that it is in already, it does not go either.
        around = {each.resolve() for each in (Path(where), *Path(where).parents)}
        folders[:] = [name for name in folders if Path(where, name).resolve() not in around]
        for name in names:
            path = Path(where, name)
            # A link to nothing is reported as a file that cannot be read, since it may lead somewhere on the server.
            if (path.is_file() or not path.exists()) and (path.suffix == ".py" or zipfile.is_zipfile(path)):
                yield path.relative_to(folder).as_posix()


def _check(folder: Path, path: str, bundle: str | None, rules: TagRules) -> Iterator[Diagnostic]:
    for name, read in _sources(folder / path):
        try:
            for use in tag_uses(read()):
                yield from _judge(f"{path}{name}", use.line, use.tags, rules, (bundle, path))
        except Exception as error:  # noqa: BLE001 - files and archives can be odd in ever more ways
            line = getattr(error, "lineno", None) or 1
            yield _unknown(f"{path}{name}", line, f"cannot be read: {type(error).__name__}")


def _judge(
    file: str, line: int, tags: tuple[str, ...] | None, rules: TagRules, where: tuple[str | None, str]
) -> Iterator[Diagnostic]:
    if tags is None:
        yield _unknown(file, line, "these tags are not literals, so they are unknown before the file is parsed")
    for tag in tags or ():
        objection = rules.objection(tag, *where)
        if objection:
            yield Diagnostic((), objection, place=Place(line, 1), file=file, subject=tag)


def _unknown(file: str, line: int, message: str) -> Diagnostic:
    """Return what is reported where the tags are unknown."""
    return Diagnostic((), message, "warning", place=Place(line, 1), file=file)


def _sources(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield what Python there is in a file: the file, or the modules of an archive by their name in it."""
    if path.suffix == ".py":
        yield "", lambda: _read(lambda: path.open("rb"))
        return
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
        yield "", partial(_fail, error)
        return
    with archive:
        for name in archive.namelist():
            if name.endswith(".py"):
                yield f"/{name}", partial(_read, partial(archive.open, name))


def _read(opened: Callable[[], IO[bytes]]) -> bytes:
    """Return what is in a file, of which an archive can have one of gigabytes in a few bytes."""
    with opened() as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ValueError("too large")
    return data


def _fail(error: Exception) -> bytes:
    raise error


def _values(finding: Diagnostic) -> dict[str, Any]:
    tag = finding.subject if finding.severity == "error" else None
    return {"file": finding.file, "line": finding.place.line, "tag": tag, "problem": finding.message}


def _print(folder: Path, findings: list[Diagnostic], refused: list[Diagnostic], files: int) -> None:
    out = console()
    for finding in findings:
        style = "red" if finding in refused else "yellow"
        out.print(printable(f"{folder / finding.file}:{finding.place.line}: {finding.message}"), style=style)
    unknown = sum(finding.severity == "warning" for finding in findings)
    wrong = len(findings) - unknown
    verdict = f"{count(wrong, 'tag')} in the wrong place, {count(unknown, 'place')} with tags that are not literals"
    out.print(f"{count(files, 'file')}: {verdict}.")
