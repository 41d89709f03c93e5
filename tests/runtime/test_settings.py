"""The options: where they are read from, and what is said when one is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from astro_auth_plugin.runtime.settings import SettingsError, policy_is_named, read_settings

OPTIONS = (
    *("POLICY_FILE", "DEPLOYMENT_ID", "WORKSPACE_ID", "ORGANIZATION_ID", "ACCESS_CONTACT"),
    *("GROUPS_CLAIM", "TRUSTED_PROXIES", "PROXY_GROUPS_HEADER", "PROXY_GROUPS_SEPARATOR", "ALLOW_DATABASE_PASSWORDS"),
    *("TRUSTED_ISSUERS", "TAG_CACHE_TTL", "TRUSTED_EMAIL_PROVIDERS", "POLICY_STORE", "REQUIRE_REASON"),
    "IDENTITY_CACHE_TTL",
)


def configure(monkeypatch: pytest.MonkeyPatch, **options: str) -> None:
    """Set options of airflow.cfg, as its variables do."""
    for name, value in options.items():
        monkeypatch.setenv(f"AIRFLOW__ASTRO_AUTH__{name.upper()}", value)


def test_all_options(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every option is read, without the blanks around it."""
    configure(
        monkeypatch,
        policy_file=" /etc/policy.yaml ",
        deployment_id=" dep ",
        workspace_id="ws",
        organization_id="org",
        access_contact="the platform team",
    )
    settings = read_settings()
    assert settings.policy_file == Path("/etc/policy.yaml")
    assert (settings.deployment_id, settings.workspace_id, settings.organization_id) == ("dep", "ws", "org")
    assert settings.access_contact == "the platform team"


def test_only_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workspace, Organization and contact may be left out."""
    configure(monkeypatch, policy_file="~/policy.yaml", deployment_id="dep")
    settings = read_settings()
    assert settings.policy_file == Path.home() / "policy.yaml"
    assert (settings.workspace_id, settings.organization_id, settings.access_contact) == ("", "", "")


def test_policy_in_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy in the database needs no file, and one that is named is not read."""
    for more in ({}, {"policy_file": "/etc/policy.yaml"}):
        configure(monkeypatch, policy_store="database", deployment_id="dep", **more)
        assert read_settings().policy_file is None
        assert policy_is_named()
    configure(monkeypatch, policy_store="file")
    assert read_settings().policy_file == Path("/etc/policy.yaml")
    configure(monkeypatch, policy_store="Database")
    with pytest.raises(SettingsError, match=r"\[astro_auth\] policy_store is `Database`: write file or database"):
        read_settings()


def test_ids_that_astro_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids that are not configured are those of Astro's variables."""
    configure(monkeypatch, policy_file="/p")
    for name in ("DEPLOYMENT", "WORKSPACE", "ORGANIZATION"):
        monkeypatch.setenv(f"ASTRO_{name}_ID", f" of {name.lower()} ")
    settings = read_settings()
    assert settings.deployment_id == "of deployment"
    assert (settings.workspace_id, settings.organization_id) == ("of workspace", "of organization")


def test_options_before_astros_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is configured counts more than Astro's variables, and an empty option counts as none."""
    configure(monkeypatch, policy_file="/p", deployment_id="mine", workspace_id=" ")
    monkeypatch.setenv("ASTRO_DEPLOYMENT_ID", "astro's")
    monkeypatch.setenv("ASTRO_WORKSPACE_ID", "astro's")
    assert read_settings().deployment_id == "mine"
    assert read_settings().workspace_id == "astro's"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"deployment_id": "dep"},
            (
                "[astro_auth] policy_file is not set: write the path of the policy file there, or into the variable "
                "AIRFLOW__ASTRO_AUTH__POLICY_FILE"
            ),
        ),
        (
            {"deployment_id": "dep", "policy_file": " "},
            (
                "[astro_auth] policy_file is not set: write the path of the policy file there, or into the variable "
                "AIRFLOW__ASTRO_AUTH__POLICY_FILE"
            ),
        ),
        (
            {"policy_file": "/p", "workspace_id": "ws"},
            (
                "[astro_auth] deployment_id is not set: write the id of this Deployment in the policy there, or into "
                "the variable AIRFLOW__ASTRO_AUTH__DEPLOYMENT_ID"
            ),
        ),
    ],
)
def test_missing_options(options: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing option is named, with both ways to set it."""
    configure(monkeypatch, **options)
    with pytest.raises(SettingsError) as error:
        read_settings()
    assert str(error.value) == said


def test_how_people_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The options of signing in are read as what they are, and closed where nothing is said."""
    configure(monkeypatch, policy_file="/p", deployment_id="dep")
    settings = read_settings()
    assert (settings.groups_claim, settings.trusted_proxies, settings.proxy_groups_header) == ("", (), "")
    assert (settings.proxy_groups_separator, settings.allow_database_passwords) == (",", False)
    configure(
        monkeypatch,
        groups_claim="roles",
        trusted_proxies="10.0.0.5, 10.1.0.0/16,fd00::/8,",
        trusted_email_providers=" azure,,sso ",
        proxy_groups_header="X-Groups",
        proxy_groups_separator=";",
        allow_database_passwords="True",
    )
    settings = read_settings()
    assert settings.trusted_email_providers == ("azure", "sso")
    assert list(map(str, settings.trusted_proxies)) == ["10.0.0.5/32", "10.1.0.0/16", "fd00::/8"]
    assert (settings.groups_claim, settings.proxy_groups_header) == ("roles", "X-Groups")
    assert (settings.proxy_groups_separator, settings.allow_database_passwords) == (";", True)


def test_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tags are kept for as many seconds as is said, also for parts of one, and for none where nothing is."""
    configure(monkeypatch, policy_file="/p", deployment_id="dep")
    assert read_settings().tag_cache_ttl == 0
    configure(monkeypatch, tag_cache_ttl=" 2.5 ")
    assert read_settings().tag_cache_ttl == 2.5
    assert read_settings().identity_cache_ttl == 0
    configure(monkeypatch, identity_cache_ttl="30")
    assert read_settings().identity_cache_ttl == 30


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"trusted_proxies": "10.0.0.5, proxy.internal"},
            (
                "[astro_auth] trusted_proxies has `proxy.internal`: write an address or a network, such as 10.0.0.5 or "
                "10.1.0.0/16"
            ),
        ),
        ({"tag_cache_ttl": "half"}, "[astro_auth] tag_cache_ttl is `half`: write seconds, from 0 to 3600"),
        ({"tag_cache_ttl": "-1"}, "[astro_auth] tag_cache_ttl is `-1`: write seconds, from 0 to 3600"),
        ({"tag_cache_ttl": "nan"}, "[astro_auth] tag_cache_ttl is `nan`: write seconds, from 0 to 3600"),
        ({"tag_cache_ttl": "3601"}, "[astro_auth] tag_cache_ttl is `3601`: write seconds, from 0 to 3600"),
        ({"identity_cache_ttl": "31"}, "[astro_auth] identity_cache_ttl is `31`: write seconds, from 0 to 30"),
        ({"allow_database_passwords": "yes"}, "[astro_auth] allow_database_passwords is `yes`: write true or false"),
    ],
)
def test_options_that_cannot_be_understood(options: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An option that cannot be understood is named, with what may stand there."""
    configure(monkeypatch, policy_file="/p", deployment_id="dep", **options)
    with pytest.raises(SettingsError) as error:
        read_settings()
    assert str(error.value) == said


def test_options_are_declared() -> None:
    """Airflow knows every option, with a description and an empty default."""
    from astro_auth_plugin.provider_info import get_provider_info

    declared = get_provider_info()["config"]["astro_auth"]["options"]
    assert set(declared) == {name.lower() for name in OPTIONS} | {"shadow"}
    assert all(option["description"] and option["default"] == "" for option in declared.values())
