"""What the doctor finds that keeps the api-server from starting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.configuration import conf

from astro_auth_plugin.accounts import db_manager, fab_authorization
from astro_auth_plugin.doctor import check_start
from astro_auth_plugin.doctor.installation import Installation
from astro_auth_plugin.runtime.settings import SettingsError, read_settings
from tests.doctor.diagnostics import reported

START = "sign-in pages: the api-server does not start: "
BROKEN = [
    ("AUTH_TYPE = 4", f"{START}KeyError at ", "`OAUTH_PROVIDERS` is not set. Set it in webserver_config.py."),
    ("class Mine: ...\nSECURITY_MANAGER_CLASS = Mine", START, "must extend FabAirflowSecurityManagerOverride."),
    ("SECURITY_MANAGER_CLASS = 's3cret.Mine'", START, "must extend FabAirflowSecurityManagerOverride."),
    ("\nimport no.such.module", f"{START}ModuleNotFoundError at ", "webserver_config.py:2, about `no`."),
    ("raise SystemExit('s3cret')", f"{START}SystemExit at ", "webserver_config.py:1. Correct"),
]


@pytest.mark.parametrize(("text", "begins", "has"), BROKEN)
def test_does_not_start(
    text: str, begins: str, has: str, metadata_database: Any, set_up: Callable[..., Installation]
) -> None:
    """What keeps FAB's application from being built is wrong, with the setting or the line, and without its values."""
    ((verdict, words),) = reported(check_start.sign_in_pages, set_up(text))
    assert (verdict, words.startswith(begins), has in words) == ("wrong", True, True), words
    assert "s3cret" not in words


def test_starts(metadata_database: Any, set_up: Callable[..., Installation]) -> None:
    """Nothing is wrong with a configuration that the api-server starts with, and nothing is written."""
    ((verdict, words),) = reported(check_start.sign_in_pages, set_up("AUTH_TYPE = 1"))
    assert (verdict, words) == ("ok", "sign-in pages: can be built with this webserver_config.py.")
    assert fab_authorization.read_role_names() == set()


def test_no_table(set_up: Callable[..., Installation], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the plugin's table the api-server does not start."""
    monkeypatch.setattr(db_manager, "has_tables", lambda: False)
    ((verdict, words),) = reported(check_start.sign_in_pages, set_up())
    assert (verdict, words.endswith("run `airflow db migrate`.")) == ("wrong", True)


def test_does_not_end(
    metadata_database: Any, set_up: Callable[..., Installation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A configuration that cannot be built in time is a hint that it was not checked."""
    monkeypatch.setattr(check_start, "_TIMEOUT", 0)
    ((verdict, words),) = reported(check_start.sign_in_pages, set_up("while True: ..."))
    assert (verdict, "were not built within 0 seconds" in words) == ("hint", True)


def test_percent_signs(set_up: Callable[..., Installation]) -> None:
    """An option that cannot be read because of a `%` is named, and its value is not; the server says so, too."""
    assert reported(check_start.percent_signs, set_up()) == []
    conf.read_string("[astro_auth]\naccess_contact = s3cret%value\n[smtp]\nsmtp_host = %(s3cret)s\n")
    try:
        found = reported(
            check_start.percent_signs, set_up(astro_auth__policy_file="x", astro_auth__deployment_id="dep")
        )
        with pytest.raises(SettingsError, match=r"^\[astro_auth\] access_contact has a `%` in airflow.cfg.*`%%`"):
            read_settings()
    finally:
        conf.remove_option("astro_auth", "access_contact")
        conf.remove_option("smtp", "smtp_host")
    assert sorted((verdict, words.split(":")[0]) for verdict, words in found) == [
        ("wrong", "[astro_auth] access_contact"),
        ("wrong", "[smtp] smtp_host"),
    ]
    assert "s3cret" not in str(found)
