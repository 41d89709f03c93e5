"""What is in the audit log: one line and one row for each event, and no more than a budget of strangers' events."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from airflow.models.log import Log
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from astro_auth_plugin.accounts.sign_in_events import audited, because
from astro_auth_plugin.runtime import audit_log
from tests.in_request import facts_of, serving


@pytest.fixture(autouse=True)
def _budget(metadata_database: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(audit_log, "_budget", audit_log._Budget())
    yield
    with Session(metadata_database) as session:
        session.execute(delete(Log).where(Log.event.startswith("astro_auth.")))
        session.commit()


@pytest.fixture
def request_facts() -> Any:
    context = facts_of("POST /auth/token")
    context.scope["path"] = "/auth/token"
    return context


def rows(engine: Any) -> list[tuple[str, str | None, dict[str, Any]]]:
    with Session(engine) as session:
        found = session.execute(select(Log.event, Log.owner, Log.extra).where(Log.event.startswith("astro_auth.")))
        return [(event, owner, json.loads(extra)) for event, owner, extra in found]


class Manager:
    """Stands for FAB's security manager: the right password is `right`."""

    def auth_user_db(self, username: str, password: str) -> Any:
        """Sign in with a password."""
        if password == "limited":
            because("too_many_wrong_passwords")
        if password == "fail":
            raise RuntimeError("away")
        if password != "right":
            return None
        return type("Account", (), {"id": 7, "username": username, "email": "ana@example.com"})

    auth_user_ldap = auth_user_db

    def auth_user_oauth(self, userinfo: Any) -> Any:
        """Sign in nobody."""
        return None

    def auth_user_remote_user(self, username: str) -> Any:
        """Sign in nobody."""
        return None

    def auth_user_saml(self, userinfo: Any) -> Any:
        """Sign in nobody, and say why."""
        because("provider_not_supported")


def sign_ins(*calls: tuple[str, Any]) -> list[audit_log.Event]:
    """Return what a request notes that signs in like this."""
    manager = audited(Manager)()
    with serving(facts_of("POST /auth/token")) as context:
        for method, args in calls:
            getattr(manager, method)(*args)
    return context.events


def test_sign_ins_are_noted() -> None:
    """A sign-in is noted with the way; in one request a good one takes the place of a refused one before it."""
    (event,) = sign_ins(("auth_user_ldap", ("ana", "wrong")), ("auth_user_db", ("ana", "right")))
    assert (event.name, event.owner, event.payer) == (audit_log.SIGNED_IN, "ana", 7)
    assert event.fields == {"user": "ana", "email": "ana@example.com", "account": 7, "way": "password"}


@pytest.mark.parametrize(
    ("method", "args", "said", "reason"),
    [
        ("auth_user_db", ("ana\nx", "wrong"), "ana\nx", "wrong_credentials"),
        ("auth_user_db", ("a" * 5000, "limited"), "a" * 200, "too_many_wrong_passwords"),
        ("auth_user_ldap", (None, "wrong"), "", "wrong_credentials"),
        ("auth_user_oauth", ({"email": "a@b.c", "username": "a"},), "a@b.c", "not_accepted"),
        ("auth_user_oauth", ({},), "", "not_accepted"),
        ("auth_user_remote_user", ("ana",), "ana", "not_accepted"),
        ("auth_user_saml", ({"email": "a@b.c"},), "a@b.c", "provider_not_supported"),
    ],
)
def test_refused_sign_ins_are_noted(method: str, args: Any, said: str, reason: str) -> None:
    """A refused sign-in is noted with what the caller said, shortened, and a stable reason; it is nobody's."""
    (event,) = sign_ins((method, args))
    assert (event.name, event.owner, event.payer) == (audit_log.SIGN_IN_REFUSED, "", audit_log.STRANGERS)
    assert (event.fields["said"], event.fields["reason"]) == (said, reason)


def test_failed_sign_ins_are_noted() -> None:
    """A sign-in that ends in an error is a refused one."""
    manager = audited(Manager)()
    with serving(facts_of("POST /auth/token")) as context, pytest.raises(RuntimeError):
        manager.auth_user_db("ana", "fail")
    assert [event.name for event in context.events] == [audit_log.SIGN_IN_REFUSED]


def test_line_and_row(request_facts: Any, metadata_database: Any, caplog: pytest.LogCaptureFixture) -> None:
    """An event is one line of the log `astro_auth.audit`, escaped, and one row."""
    with caplog.at_level(logging.INFO, logger="astro_auth.audit"):
        audit_log.record(request_facts, audit_log.Event(audit_log.SIGNED_IN, "ana", {"user": "ana\nforged"}, 7))
    (line,) = [one for one in caplog.records if one.name == "astro_auth.audit"]
    assert line.getMessage().startswith('signed_in {"user": "ana\\nforged", "action": "POST /auth/token"')
    ((event, owner, extra),) = rows(metadata_database)
    assert (event, owner, extra["user"]) == ("astro_auth.signed_in", "ana", "ana\nforged")


def test_strangers_have_one_budget(
    request_facts: Any, metadata_database: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strangers add no more rows and lines than their budget in a minute; the next minute tells how many were left out."""
    moment = [60.0]
    monkeypatch.setattr(audit_log.time, "monotonic", lambda: moment[0])
    monkeypatch.setattr(audit_log, "ROWS_A_MINUTE", 3)
    for number in range(10):
        audit_log.record(request_facts, audit_log.Event(audit_log.SIGN_IN_REFUSED, "", {"said": f"name {number}"}))
    # Somebody who has signed in has a budget of their own.
    audit_log.record(request_facts, audit_log.Event(audit_log.SIGNED_IN, "ana", {}, 7))
    assert [event for event, *_ in rows(metadata_database)] == [audit_log.SIGN_IN_REFUSED] * 3 + [audit_log.SIGNED_IN]
    assert len([one for one in caplog.records if "sign_in_refused {" in one.getMessage()]) == 3
    moment[0] = 120.0
    audit_log.record(request_facts, audit_log.Event(audit_log.SIGN_IN_REFUSED, "", {}))
    assert 'left_out {"event": "astro_auth.sign_in_refused", "count": 7}' in caplog.text


def test_changes_are_written_whatever_was_refused_before(
    request_facts: Any, metadata_database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change of an account has its row, however often the same person was refused in that minute."""
    monkeypatch.setattr(audit_log, "ROWS_A_MINUTE", 1)
    for name in (audit_log.ACCOUNT_CHANGE_REFUSED, audit_log.ACCOUNT_CHANGE_REFUSED, audit_log.ACCOUNT_CHANGED):
        audit_log.record(request_facts, audit_log.Event(name, "ana", {}, 7))
    assert [event for event, *_ in rows(metadata_database)] == [
        audit_log.ACCOUNT_CHANGE_REFUSED,
        audit_log.ACCOUNT_CHANGED,
    ]


def test_no_row_is_no_error(
    request_facts: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the row cannot be written, the log says so, and the request is answered."""

    def away(**_: Any) -> Any:
        raise RuntimeError("the database is away")

    monkeypatch.setattr(audit_log, "create_session", away)
    audit_log.record(request_facts, audit_log.Event(audit_log.SIGNED_IN, "ana", {}, 7))
    assert "Could not write astro_auth.signed_in to the audit log" in caplog.text
