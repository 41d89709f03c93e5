"""The Dags of `--dags` may say where they are, in the words of Airflow's REST API."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import pytest

from astro_auth_plugin.cli.exit_codes import CommandFailed
from astro_auth_plugin.cli.importers.api_answers import read_answers
from astro_auth_plugin.cli.importers.terraform_state import read_resources
from astro_auth_plugin.cli.inputs import policy_file, read_dags, setting_if_set, word_if_set
from astro_auth_plugin.rbac.model.scopes import Dag, DagFile


@pytest.mark.parametrize(
    ("said", "file"),
    [
        ({}, None),
        ({"bundle_name": "b", "relative_fileloc": "a.py"}, DagFile("b", "a.py")),
        ({"bundle_name": None, "relative_fileloc": None}, DagFile("", "")),
        ({"relative_fileloc": "a.py"}, DagFile("", "a.py")),
    ],
)
def test_files_of_dags(said: dict, file: DagFile | None, tmp_path: Path) -> None:
    """A Dag that says nothing of its place is where its tags count; one that says half of it is nowhere."""
    path = tmp_path / "dags.json"
    path.write_text(json.dumps({"dags": [{"dag_id": "d", "tags": [{"name": "t"}], **said}]}))
    assert read_dags(Namespace(dags=str(path))) == [Dag("d", frozenset("t"), file)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 200_000, "nested too deeply"),
        ("[" * 200_000 + "]" * 200_000, "nested too deeply"),
        (f"- {{dag_id: d, size: {'9' * 5000}}}", "has a number or a date that cannot be read"),
        ("- {dag_id: d, since: 2026-99-99}", "has a number or a date that cannot be read"),
    ],
)
def test_odd_lists_of_dags(text: str, message: str, tmp_path: Path) -> None:
    """A list of Dags that cannot be read is refused in one sentence."""
    path = tmp_path / "dags.json"
    path.write_text(text)
    with pytest.raises(CommandFailed, match=message):
        read_dags(Namespace(dags=str(path)))


def test_files_without_an_end(tmp_path: Path) -> None:
    """No more of a file is read than there can be, whatever it links to."""
    endless = Path("/dev/zero")
    (tmp_path / "users.json").symlink_to(endless)
    for read in (
        lambda: read_dags(Namespace(dags=str(endless))),
        lambda: read_resources(endless),
        lambda: read_answers(tmp_path),
    ):
        with pytest.raises(CommandFailed, match="more than 64 MiB"):
            read()


def test_options_are_resolved_as_the_server_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` and variables in an option count, `AIRFLOW_CONFIG` names the file, and the option comes before Astro's variable."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WHERE", "~/$BELOW")
    monkeypatch.setenv("BELOW", "policies")
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__POLICY_FILE", "${WHERE}/policy.yaml ")
    assert policy_file(Namespace(policy=None)) == tmp_path / "policies" / "policy.yaml"
    config = tmp_path / "own.cfg"
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "none"))
    monkeypatch.setenv("AIRFLOW_CONFIG", "~/own.cfg")
    monkeypatch.delenv("AIRFLOW__ASTRO_AUTH__DEPLOYMENT_ID", raising=False)
    monkeypatch.setenv("ASTRO_DEPLOYMENT_ID", "of-astro")
    monkeypatch.setenv("ASTRO_POLICY_FILE", "/never/looked/at")
    assert setting_if_set("deployment_id") == "of-astro"
    config.write_text("[astro_auth]\ndeployment_id = of-file\n")
    monkeypatch.setattr("airflow.configuration.conf.get", lambda *_, **__: "of-file")
    assert setting_if_set("deployment_id") == "of-file"
    monkeypatch.delenv("AIRFLOW__ASTRO_AUTH__POLICY_FILE")
    config.unlink()
    assert setting_if_set("policy_file") == ""


def test_words_of_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An option that is a word comes from its variable, else from airflow.cfg, which may be odd or not there."""
    config = tmp_path / "airflow.cfg"
    monkeypatch.setenv("AIRFLOW_CONFIG", str(config))
    monkeypatch.delenv("AIRFLOW__ASTRO_AUTH__POLICY_STORE", raising=False)
    assert word_if_set("policy_store") == ""
    config.write_text("[core]\nx = 50%\n[astro_auth]\npolicy_store = database \n")
    assert word_if_set("policy_store") == "database"
    assert policy_file(Namespace(policy=None)) is None
    assert word_if_set("require_reason") == ""
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__POLICY_STORE", " file ")
    assert word_if_set("policy_store") == "file"
    config.write_bytes(b"no section\n\xff")
    assert word_if_set("require_reason") == ""
