"""`airflow astro-auth doctor`: what the command makes of what the checks find."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from astro_auth_plugin.cli import doctor
from astro_auth_plugin.doctor import check_accounts, check_address
from astro_auth_plugin.doctor.installation import Installation, UnreadableConfig


def run(capsys: pytest.CaptureFixture[str], output: str = "table", *, dag_processor: bool = False) -> tuple[int, str]:
    """Run the command; return its exit code and what it printed."""
    code: Any = 0
    try:
        doctor.doctor(Namespace(output=output, proxy_headers=False, dag_processor=dag_processor))
    except SystemExit as end:
        code = end.code
    return code, capsys.readouterr().out


GOOD = {
    "api__base_url": "https://airflow.example.com",
    "api__ssl_cert": "/x.crt",
    "api__secret_key": "s" * 40,
    "api_auth__jwt_secret": "j" * 40,
    "astro_auth__deployment_id": "dep",
}


def test_all_well(
    file: Path, accounts: Any, set_up: Callable[..., Installation], capsys: pytest.CaptureFixture[str]
) -> None:
    """All well, or only hints, is exit code 0."""
    set_up(**GOOD, astro_auth__policy_file=str(file), fab__custom_roles='{"a": []}')
    code, text = run(capsys)
    assert code == 0
    assert text.splitlines()[-1].startswith("0 wrong, ")
    assert "hint   [fab] custom_roles" in text


@pytest.mark.parametrize(("output", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_for_machines(
    output: str,
    read: Any,
    file: Path,
    accounts: Any,
    set_up: Callable[..., Installation],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Something wrong is exit code 1, and machines can read each finding."""
    set_up(**{**GOOD, "fab__cookie_samesite": "None"}, astro_auth__policy_file=str(file))
    code, text = run(capsys, output)
    assert code == 1
    wrong = [found for found in read(text) if found["verdict"] == "wrong"]
    assert [found["what"] for found in wrong] == ["[fab] cookie_samesite"]


def test_check_that_cannot_run(
    set_up: Callable[..., Installation], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check that fails says so without what may be secret, counts as wrong, and the others go on."""

    def sessions(_: Installation) -> Any:
        raise RuntimeError("postgresql://airflow:s3cret@db")

    monkeypatch.setattr(doctor, "_checks", lambda: (sessions, check_address.base_url))
    set_up(api__base_url="https://airflow.example.com")
    code, text = run(capsys)
    assert code == 1
    assert text.splitlines()[:2] == [
        "wrong  sessions: could not be checked: RuntimeError.",
        "ok     [api] base_url: is `https://airflow.example.com`.",
    ]
    assert "s3cret" not in text


@pytest.mark.parametrize(("text", "line"), [("x = 1\ny = secret['s3cret']", 2), ("x = 1\n\ny = (s3cret", 3)])
def test_broken_webserver_config(text: str, line: int, set_up: Callable[..., Installation]) -> None:
    """A webserver_config.py that cannot be executed is named with the line, and not quoted."""
    with pytest.raises(UnreadableConfig, match=rf"webserver_config.py:{line}: \w+Error$"):
        _ = set_up(text).fab


def test_nothing_in_a_name_steers_the_terminal(
    accounts: Any,
    set_up: Callable[..., Installation],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What an account is called cannot steer the terminal."""
    accounts("one", "\x1b[31m@example.com")
    accounts("two", "\x1b[31m@Example.com")
    monkeypatch.setattr(doctor, "_checks", lambda: (check_accounts.duplicate_accounts,))
    set_up()
    _, text = run(capsys)
    assert "\\x1b[31m@example.com" in text
    assert "\x1b" not in text


def test_in_the_dag_processor(
    file: Path, set_up: Callable[..., Installation], capsys: pytest.CaptureFixture[str]
) -> None:
    """With --dag-processor a secret that is right for the api-server is wrong, and nothing is said about addresses."""
    set_up(**GOOD, astro_auth__policy_file=str(file))
    code, text = run(capsys, dag_processor=True)
    assert code == 1
    assert "wrong  [api_auth] jwt_secret: is set for the dag-processor, which does not need it." in text
    assert "base_url" not in text


@pytest.mark.parametrize("ending", ["sys.exit(0)", "raise SystemExit", "1/0"])
def test_a_configuration_that_ends_the_process(
    ending: str,
    set_up: Callable[..., Installation],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A webserver_config.py, or code that it names, that ends the process is an error, and the other checks go on."""
    set_up(f"import sys\n{ending}\n")
    checked = []

    def ends(_: Installation) -> Any:
        raise SystemExit(0)

    monkeypatch.setattr(
        doctor,
        "_checks",
        lambda: (check_address.redirect_uris, check_address.cookies, ends, lambda _: checked.append(1) or ()),
    )
    monkeypatch.setattr(check_address.redirect_uris, "__name__", "redirect_uris", raising=False)
    code, text = run(capsys)
    assert code == 1
    assert "webserver_config.py:2: " in text.replace("\n       ", " ")
    assert "ends: could not be checked: SystemExit." in text
    assert checked == [1]
