"""The way from a policy with a mistake to a change that a pipeline stops: typed as docs/reviewing-policies.md shows it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.test_docs import blocks

STEP = re.compile(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


def test_session(tmp_path: Path) -> None:
    """Every command prints what the page shows, one after the other, where no Airflow is set up."""
    steps = [step for block in blocks("docs/reviewing-policies.md", "console session") for step in STEP.findall(block)]
    assert len(steps) > 8
    (first, policy), *rest = steps
    assert first == "cat policy.yaml"
    (tmp_path / "policy.yaml").write_text(policy)
    author = {f"GIT_{who}_{what}": "a@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "ASTRO_"))}
    kept |= author | {"PATH": f"{Path(sys.executable).parent}:{kept['PATH']}", "AIRFLOW_HOME": str(tmp_path / "none")}

    def typed(command: str) -> str:
        shell = ["bash", "-o", "pipefail", "-c", command]
        return subprocess.run(shell, cwd=tmp_path, env=kept, capture_output=True, text=True, check=False).stdout

    typed("git init --quiet")
    for command, shown in rest:
        assert typed(command) == shown, command
