"""What the doctor finds about this plugin, its policy, secrets, FAB's settings and accounts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from astro_auth_plugin.airflow_bridge import (
    check_accounts,
    check_basics,
    fab_accounts,
    web_sessions,
)
from astro_auth_plugin.airflow_bridge.installation import Installation
from tests.cli.conftest import BAD, ODD
from tests.cli.findings import told
from tests.in_request import HEAD


def test_auth_manager(set_up: Callable[..., Installation]) -> None:
    """Any auth manager but this one, or one derived from it, is wrong."""
    ours = told(check_basics.auth_manager, set_up())
    assert ours == [("ok", "[core] auth_manager: is this one.")]
    other = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
    for named in (other, "no.such.Manager"):
        ((verdict, text),) = told(check_basics.auth_manager, set_up(core__auth_manager=named))
        assert (verdict, f"is `{named}`" in text) == ("wrong", True)


def test_plugin_is_missing(set_up: Callable[..., Installation], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the plugin the api-server would not start."""
    monkeypatch.setattr(check_basics, "own_middlewares", list)
    ((verdict, text),) = told(check_basics.auth_manager, set_up())
    assert (verdict, "has not loaded the plugin" in text) == ("wrong", True)


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        (HEAD, {}, [("ok", "can be used for the Deployment `dep`")]),
        (HEAD + ODD, {}, [("ok", "can be used"), ("hint", "1 warning")]),
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
    told_before = {"astro_auth__policy_file": str(file), "astro_auth__deployment_id": "dep"}
    found = told(check_basics.policy, set_up(**{**told_before, **options}))
    assert [verdict for verdict, _ in found] == [verdict for verdict, _ in expected]
    assert all(word in words for (_, words), (_, word) in zip(found, expected, strict=True))


def test_secrets(set_up: Callable[..., Installation]) -> None:
    """Secrets that each process would make up itself are wrong, short ones a hint; none is ever printed."""
    found = told(check_basics.secrets, set_up())
    assert [verdict for verdict, _ in found] == ["wrong", "wrong"]
    found = told(check_basics.secrets, set_up(api_auth__jwt_secret="short-secret", api__secret_key="long-secret" * 5))
    assert [verdict for verdict, _ in found] == ["hint", "ok"]
    assert "-secret" not in str(found)
    found = told(check_basics.secrets, set_up(api_auth__jwt_private_key_path="/x.pem"))
    assert [text.split(":")[0] for _, text in found] == ["[api] secret_key"]


@pytest.mark.parametrize(("version", "verdict"), [("3.1.8", "hint"), ("3.2.2", "hint"), ("3.3.0", "ok"), ("4.0", "ok")])
def test_version(
    version: str, verdict: str, set_up: Callable[..., Installation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An Airflow that is older than README recommends is a hint."""
    monkeypatch.setattr(check_basics, "airflow_version", version)
    assert [found for found, _ in told(check_basics.version, set_up())] == [verdict]


def test_recommended_version() -> None:
    """It is the one in README."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert f"**The smallest version we recommend is {check_basics.RECOMMENDED}.**" in readme


@pytest.mark.parametrize("name", check_accounts.IDLE_SETTINGS)
def test_idle_settings(name: str, set_up: Callable[..., Installation]) -> None:
    """Each setting of FAB that does nothing is named when it is set."""
    installation = set_up(f"{name} = ['Admin']")
    ((verdict, text),) = told(check_accounts.idle_settings, installation)
    assert (verdict, text.startswith(f"{name}: in webserver_config.py does nothing")) == ("hint", True)


@pytest.mark.parametrize("name", check_accounts.IDLE_OPTIONS)
def test_idle_options(name: str, set_up: Callable[..., Installation]) -> None:
    """So is each option, and one that has its default is not."""
    assert told(check_accounts.idle_settings, set_up()) == []
    ((verdict, text),) = told(check_accounts.idle_settings, set_up(**{f"fab__{name}": '{"a": []}'}))
    assert (verdict, text.startswith(f"[fab] {name}: does nothing")) == ("hint", True)


def test_update_fab_perms(set_up: Callable[..., Installation]) -> None:
    """That FAB's permissions are not brought up to date does no harm."""
    ((verdict, _),) = told(check_accounts.idle_settings, set_up(fab__update_fab_perms="False"))
    assert verdict == "ok"


def test_idle_roles(set_up: Callable[..., Installation], monkeypatch: pytest.MonkeyPatch) -> None:
    """Roles that somebody has made in FAB are named, the first few of many."""
    monkeypatch.setattr(fab_accounts, "read_role_names", lambda: set(check_accounts.FAB_ROLES))
    assert told(check_accounts.idle_roles, set_up()) == []
    monkeypatch.setattr(fab_accounts, "read_role_names", lambda: {"Admin", *(f"role{number}" for number in range(7))})
    ((verdict, text),) = told(check_accounts.idle_roles, set_up())
    assert (verdict, "`role0`, `role1`, `role2`, `role3`, `role4` and 2 more" in text) == ("hint", True)


@pytest.mark.parametrize(
    ("webserver_config", "perms", "expected"),
    [
        ("", "True", []),
        ("AUTH_TYPE = 1", "True", []),
        ("AUTH_TYPE = 4", "True", ["AUTH_USER_REGISTRATION"]),
        ("AUTH_TYPE = 2\nAUTH_USER_REGISTRATION = True", "True", []),
        ("AUTH_TYPE = 4\nAUTH_USER_REGISTRATION = True", "False", ["AUTH_USER_REGISTRATION_ROLE"]),
        ("AUTH_TYPE = 4\nAUTH_USER_REGISTRATION = True\nAUTH_USER_REGISTRATION_ROLE = 'Admin'", "False", []),
        ("AUTH_TYPE = 4\nAUTH_USER_REGISTRATION = True\nAUTH_USER_REGISTRATION_ROLE = 'Mine'", "False", []),
        (
            "AUTH_TYPE = 4\nAUTH_USER_REGISTRATION = True\nAUTH_USER_REGISTRATION_ROLE = 'Gone'",
            "True",
            ["AUTH_USER_REGISTRATION_ROLE"],
        ),
    ],
)
def test_registration(
    webserver_config: str,
    perms: str,
    expected: list[str],
    set_up: Callable[..., Installation],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever comes through an identity provider for the first time needs an account, and FAB a role for it."""
    monkeypatch.setattr(fab_accounts, "read_role_names", lambda: {"Mine"})
    found = told(check_accounts.registration, set_up(webserver_config, fab__update_fab_perms=perms))
    assert [(verdict, text.split(":")[0]) for verdict, text in found] == [("hint", name) for name in expected]


def test_twins(accounts: Any, set_up: Callable[..., Installation]) -> None:
    """Active accounts that are one person are named; one of them alone is none, nor is one that is switched off."""
    accounts("ana", "ana@example.com")
    accounts("old", "Ana@Example.com", active=False)
    assert told(check_accounts.twins, set_up()) == [("ok", "accounts: 1 active, each another person.")]
    second = accounts("ana2", "ANA@example.com")
    ((verdict, text),) = told(check_accounts.twins, set_up())
    assert (verdict, f"{second} are one person, `ana@example.com`" in text) == ("wrong", True)


def test_sessions(set_up: Callable[..., Installation], monkeypatch: pytest.MonkeyPatch) -> None:
    """Many sessions that have expired are a hint, with the command that deletes them."""
    asked: list[datetime] = []
    monkeypatch.setattr(web_sessions, "count_expired", lambda now: asked.append(now) or 10_001)
    ((verdict, text),) = told(check_accounts.sessions, set_up())
    assert (verdict, "10001 rows" in text, "`airflow astro-auth clean-sessions`" in text) == ("hint", True, True)
    assert datetime.now(UTC) - asked[0] < timedelta(minutes=1)


def test_roles_are_read(metadata_database: Any) -> None:
    """Roles of FAB are read from the database."""
    assert fab_accounts.read_role_names() == set()
