"""The examples of README and docs/asking.md are what the commands print."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.explain.invoke import run

ROOT = Path(__file__).parents[3]
COMMANDS = ("explain", "who-can", "access")
EXAMPLE = re.compile(rf"^```console\n\$ astro-auth ((?:{'|'.join(COMMANDS)}) .+)\n((?:.*\n)*?)```$", re.MULTILINE)
EXAMPLES = [
    (page, *found)
    for page in ("README.md", "docs/asking.md")
    for found in EXAMPLE.findall((ROOT / page).read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(("page", "command", "output"), EXAMPLES, ids=[command for _, command, _ in EXAMPLES])
def test_example(
    page: str,
    command: str,
    output: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With the first policy and the first Dags of its page, a command prints what stands below it."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for name, language in (("policy.yaml", "yaml policy"), ("dags.yaml", "yaml")):
        block = re.search(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        (tmp_path / name).write_text(block[1] if block else "")
    monkeypatch.chdir(tmp_path)
    _, out, error = run(capsys, *shlex.split(command))
    assert error == ""
    # A table fills its lines with blanks, which no editor keeps.
    assert [line.rstrip() for line in out.splitlines()] == output.splitlines()


def test_enough_examples() -> None:
    """Each command has an example."""
    assert {command.split()[0] for _, command, _ in EXAMPLES} == {*COMMANDS}
