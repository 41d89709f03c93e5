"""What the doctor finds about this plugin, its policy, its secrets and the version of Airflow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from astro_auth_plugin.doctor import check_basics
from astro_auth_plugin.doctor.installation import Installation
from tests.doctor.diagnostics import reported
from tests.in_request import HEAD
from tests.policy_fixtures import BAD, ODD


def test_auth_manager(set_up: Callable[..., Installation]) -> None:
    """Any auth manager but this one, or one derived from it, is wrong."""
    ours = reported(check_basics.auth_manager, set_up())
    assert ours == [("ok", "[core] auth_manager: is correct.")]
    other = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
    for named in (other, "no.such.Manager"):
        ((verdict, text),) = reported(check_basics.auth_manager, set_up(core__auth_manager=named))
        assert (verdict, f"is `{named}`" in text) == ("wrong", True)


def test_plugin_is_missing(set_up: Callable[..., Installation], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the plugin the api-server would not start."""
    monkeypatch.setattr(check_basics, "own_middlewares", list)
    ((verdict, text),) = reported(check_basics.auth_manager, set_up())
    assert (verdict, "has not loaded the plugin" in text) == ("wrong", True)


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        (HEAD, {}, [("ok", "is valid for the Deployment `dep`")]),
        (HEAD + ODD, {}, [("ok", "is valid"), ("hint", "1 warning")]),
        (HEAD + BAD, {}, [("wrong", "`nobody` is not an e-mail address; 3 more")]),
        (HEAD, {"astro_auth__deployment_id": "other"}, [("wrong", "does not list the Deployment `other`")]),
        (HEAD, {"astro_auth__deployment_id": ""}, [("wrong", "[astro_auth] deployment_id is not set")]),
        (HEAD, {"astro_auth__policy_file": "/no/such/file"}, [("wrong", "cannot read the policy file")]),
    ],
)
def test_policy(
    text: str, options: dict[str, str], expected: list[tuple[str, str]], file: Path, set_up: Callable[..., Installation]
) -> None:
    """The policy has to be one that the api-server takes."""
    file.write_text(text)
    settings = {"astro_auth__policy_file": str(file), "astro_auth__deployment_id": "dep"}
    found = reported(check_basics.policy, set_up(**{**settings, **options}))
    assert [verdict for verdict, _ in found] == [verdict for verdict, _ in expected]
    assert all(word in words for (_, words), (_, word) in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("store", "path", "verdicts"),
    [
        ("database", "/etc/policy.yaml", ["hint"]),
        (" database ", "/etc/policy.yaml", ["hint"]),
        ("database", "", []),
        ("file", "/etc/policy.yaml", []),
        ("", "/etc/policy.yaml", []),
    ],
)
def test_ignored_policy_file(store: str, path: str, verdicts: list[str], set_up: Callable[..., Installation]) -> None:
    """A policy file beside the policy in the database is not read, and a hint says so."""
    installation = set_up(astro_auth__policy_store=store, astro_auth__policy_file=path)
    found = reported(check_basics.ignored_policy_file, installation)
    assert [verdict for verdict, _ in found] == verdicts
    assert all("`/etc/policy.yaml` is not read" in text for _, text in found)


def test_secrets(set_up: Callable[..., Installation]) -> None:
    """Secrets that each process would make up itself are wrong, short ones a hint; none is ever printed."""
    found = reported(check_basics.secrets, set_up())
    assert [verdict for verdict, _ in found] == ["wrong", "wrong"]
    found = reported(
        check_basics.secrets, set_up(api_auth__jwt_secret="short-secret", api__secret_key="long-secret" * 5)
    )
    assert [verdict for verdict, _ in found] == ["hint", "ok"]
    assert "-secret" not in str(found)
    found = reported(check_basics.secrets, set_up(api_auth__jwt_private_key_path="/x.pem"))
    assert [text.split(":")[0] for _, text in found] == ["[api] secret_key"]


@pytest.mark.parametrize(
    ("version", "verdict"),
    [
        ("3.1.8", "hint"),
        ("3.2.1", "wrong"),
        ("3.2.2", "hint"),
        ("3.3.0", "wrong"),
        ("3.3.2", "ok"),
        ("3.4", "ok"),
        ("4.0", "wrong"),
    ],
)
def test_version(
    version: str, verdict: str, set_up: Callable[..., Installation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An Airflow that is older than the docs recommend is a hint, and one that is not supported is wrong."""
    monkeypatch.setattr(check_basics, "airflow_version", version)
    assert [found for found, _ in reported(check_basics.version, set_up())] == [verdict]


def test_recommended_version() -> None:
    """It is the one in the docs."""
    page = (Path(__file__).parents[2] / "docs" / "versions.md").read_text(encoding="utf-8")
    assert f"**Airflow {check_basics.RECOMMENDED} or newer is recommended.**" in page
