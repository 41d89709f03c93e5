"""The commands as Airflow runs them: real processes, and what it costs every other command that they are there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.version import Version

from astro_auth_plugin.cli import airflow_commands
from astro_auth_plugin.cli.main import main
from astro_auth_plugin.cli.output import print_values
from tests.in_request import HEAD
from tests.policy_fixtures import BAD, BAD_PROBLEMS


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
        check=False,
    )


def test_validate(file: Path) -> None:
    """A bad file is exit code 3 and all its problems on standard output."""
    file.write_text(HEAD + BAD)
    done = run(
        "-m", "airflow", "astro-auth", "validate", AIRFLOW__ASTRO_AUTH__POLICY_FILE=str(file), ASTRO_DEPLOYMENT_ID="dep"
    )
    assert done.returncode == 3
    assert [f"{file}:{problem}" for problem in BAD_PROBLEMS] == done.stdout.splitlines()[-5:-1]


@pytest.mark.parametrize("arguments", [("validate",), ("doctor",)])
def test_percent_sign_that_stops_airflow(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """A `%` in an option that Airflow reads when it is loaded is told in words, with the option and not its value."""
    (tmp_path / "airflow.cfg").write_text("[api]\nsecret_key = s3cret%value\n")
    done = run("-c", STANDALONE, *arguments, AIRFLOW_HOME=str(tmp_path))
    assert done.returncode == 1
    assert "error: [api] secret_key has a `%` in airflow.cfg, which begins a reference there: write `%%`" in done.stderr
    assert "s3cret" not in done.stderr + done.stdout


STANDALONE = """
import sys
from astro_auth_plugin.cli.main import main
from astro_auth_plugin.cli.output import print_values
try:
    main(sys.argv[1:])
finally:
    print("airflow" in sys.modules)
"""


def test_the_short_way(file: Path) -> None:
    """`astro-auth` has the same commands and exit codes, and does not load Airflow for a file that is named."""
    file.write_text(HEAD + BAD)
    done = run("-c", STANDALONE, "validate", str(file))
    assert done.returncode == 3
    lines = done.stdout.splitlines()
    assert lines[:-2] == [f"{file}:{problem}" for problem in BAD_PROBLEMS]
    assert lines[-1] == "False"


def test_wrong_arguments_are_not_a_denial(capsys: pytest.CaptureFixture[str]) -> None:
    """Arguments that nobody understands are exit code 1: 2 says that somebody is denied something."""
    with pytest.raises(SystemExit) as end:
        main(["validat"])
    assert end.value.code == 1
    assert "invalid choice: 'validat'" in capsys.readouterr().err


def test_schema() -> None:
    """The schema comes out as one JSON document that can be sent into a file."""
    done = run("-m", "airflow", "astro-auth", "schema")
    assert done.returncode == 0
    assert json.loads(done.stdout)["required"] == ["version", "organization_id"]


IMPORTED = """
import sys
{first}
before = set(sys.modules)
import astro_auth_plugin.cli.airflow_commands as definition
definition.get_commands()
print("\\n".join(sorted(set(sys.modules) - before)))
"""


def test_names_of_commands_are_light() -> None:
    """Every `airflow` command reads the names of ours, so nothing comes with them that Airflow's CLI has not loaded."""
    code = IMPORTED.format(first="import airflow.cli.cli_config, packaging.version")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    # Airflow may log to standard output.
    brought = [line for line in done.stdout.splitlines() if " " not in line]
    assert "astro_auth_plugin.cli.airflow_commands" in brought
    names = (
        "",
        ".airflow_commands",
        ".catalogue",
        ".command",
        ".changes",
        ".changes.catalogue",
        ".changes.options",
        ".tokens",
        ".tokens.options",
    )
    assert set(brought) <= {"astro_auth_plugin", *(f"astro_auth_plugin.cli{name}" for name in names)}


@pytest.mark.parametrize(
    ("version", "names"), [("3.1.8", ["astro-auth"]), ("3.2.0", []), ("3.2.0rc1", []), ("3.3.2", []), ("4.0.0", [])]
)
def test_commands_come_one_way(version: str, names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 3.2 Airflow takes commands from the auth manager, from then on from the provider, and never both."""
    monkeypatch.setattr(airflow_commands, "airflow_version", version)
    assert [group.name for group in airflow_commands.get_auth_manager_commands()] == names


def test_commands_of_the_manager() -> None:
    """The auth manager brings FAB's commands, and ours only where the provider cannot."""
    from airflow import __version__ as airflow_version
    from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager

    from astro_auth_plugin.auth_manager import AstroAuthManager
    from astro_auth_plugin.provider_info import get_provider_info

    fab = [command.name for command in FabAuthManager.get_cli_commands()]
    ours = ["astro-auth"] if Version(airflow_version) < Version("3.2.0.dev0") else []
    assert [command.name for command in AstroAuthManager.get_cli_commands()] == fab + ours
    assert get_provider_info()["cli"] == ["astro_auth_plugin.cli.airflow_commands.get_commands"]


def test_help_says_the_exit_codes() -> None:
    """Every command has a help text, and `validate` lists its exit codes."""
    (group,) = airflow_commands.get_commands()
    assert all(command.help for command in group.subcommands)
    validate = next(command for command in group.subcommands if command.name == "validate")
    assert "0 if the policy is valid, 3 if not" in validate.description


def test_json_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """What a text has that is not printable is escaped, and read again it is the same."""
    values = {"reason": "a\u202eb\u2028c\x85\x9b31m\U000e0041d\u00e9\n", "more": [1, "x"]}
    print_values(values, "json")
    printed = capsys.readouterr().out
    assert json.loads(printed) == values and "d\u00e9" in printed
    assert printed.replace("\n", "").isprintable() and len(printed.split("\n")) == 8
