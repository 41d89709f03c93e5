"""How the tests ask the commands that ask: in this process, for values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from astro_auth_plugin.cli.main import main


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    """Run `astro-auth`; return its exit code, what it printed, and what it said on the error stream."""
    code: Any = 0
    try:
        main([str(word) for word in words])
    except SystemExit as end:
        code = end.code
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def values(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, Any]:
    """Run a command with `--output json`; return its exit code and the values."""
    code, out, error = run(capsys, *words, "--output", "json")
    assert not error, error
    return code, json.loads(out)
