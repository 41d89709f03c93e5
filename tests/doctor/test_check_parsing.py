"""What `doctor --dag-processor` and the start of a dag-processor say about secrets and writable folders."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from astro_auth_plugin.doctor import check_parsing
from astro_auth_plugin.tag_protection import dag_processor
from tests.in_request import HEAD

SECRETS = ("AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_PRIVATE_KEY_PATH")


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A policy file and a bundle, each in a folder of its own, and no secret."""
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "policy.yaml").write_text(HEAD)
    (tmp_path / "dags" / "finance").mkdir(parents=True)
    (tmp_path / "dags" / "finance" / "ledger.py").touch()
    bundle = {
        "name": "plain",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(tmp_path / "dags")},
    }
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", json.dumps([bundle]))
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__POLICY_FILE", str(tmp_path / "policy" / "policy.yaml"))
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__DEPLOYMENT_ID", "dep")
    for name in SECRETS:
        monkeypatch.setenv(name, "")
    return tmp_path


@pytest.mark.parametrize("name", SECRETS)
def test_secrets(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that signs users in is wrong in the dag-processor, and its value is not repeated; a placeholder is fine."""
    assert [found.severity for found in check_parsing.secrets()] == ["ok"]
    monkeypatch.setenv(name, "much-too-good-to-print")
    (found,) = check_parsing.secrets()
    assert (found.severity, found.subject) == ("error", found.subject)
    assert found.subject.split("] ")[1].upper() in name
    assert "which does not need it" in found.message
    assert "much-too-good-to-print" not in str(found)
    monkeypatch.setenv(name, check_parsing.PLACEHOLDER)
    assert [found.severity for found in check_parsing.secrets()] == ["ok"]


def test_writable(folders: Path) -> None:
    """A policy or a bundle that the dag-processor can write is named with its path."""
    (policy,) = check_parsing.writable_policy()
    assert policy.severity == "error"
    assert str(folders / "policy" / "policy.yaml") in policy.message
    (bundle,) = check_parsing.writable_bundles()
    assert (bundle.severity, bundle.subject) == ("info", "bundle plain")
    assert f"can write `{folders / 'dags'}`" in bundle.message


@pytest.mark.parametrize(
    ("writable", "what"),
    [("policy", "policy file"), ("dags/finance", "bundle plain"), ("dags/finance/ledger.py", "bundle plain")],
)
def test_one_writable_place_is_found(writable: str, what: str, folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One writable folder or file among those that are not is enough for a finding."""
    monkeypatch.setattr(check_parsing, "_can_write", lambda path: path == folders / writable)
    found = [*check_parsing.writable_policy(), *check_parsing.writable_bundles()]
    assert [each.subject for each in found if each.severity != "ok"] == [what]
    assert [each.severity for each in found].count("ok") == 1


def test_what_cannot_be_written(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only mount cannot be written, whoever owns the files, and neither can what is not there."""
    read_only = SimpleNamespace(f_flag=check_parsing.os.ST_RDONLY)
    assert not check_parsing._can_write(folders / "gone")
    monkeypatch.setattr(check_parsing.os, "statvfs", lambda _: read_only)
    assert not check_parsing._can_write(folders)


@pytest.mark.parametrize("protected", [True, False])
def test_start_of_a_dag_processor(
    protected: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A dag-processor logs the findings once, before it parses a file; those about bundles where tags are protected."""
    monkeypatch.setenv("AIRFLOW__API__SECRET_KEY", "much-too-good-to-print")
    monkeypatch.setattr(dag_processor, "engine", lambda: SimpleNamespace(tag_rules=protected))
    dag_processor._warn_of_surroundings.cache_clear()
    file: Any = SimpleNamespace(bundle_name="plain", rel_path="a.py")
    for _ in range(3):
        assert dag_processor._before_parsing(lambda *_: "parsed", None, (file,), {}) == "parsed"
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [text.split(":")[0] for text in said] == [
        "[api] secret_key",
        "policy file",
        *(["bundle plain"] if protected else []),
    ]
    assert "much-too-good-to-print" not in caplog.text


def test_a_check_that_fails(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A check that fails stops no dag-processor, and its error is not repeated."""
    monkeypatch.setattr(check_parsing, "read_settings", lambda: 1 / 0)
    check_parsing.warn(tags_are_protected=False)
    assert "Could not check the writable policy: ZeroDivisionError" in caplog.text
