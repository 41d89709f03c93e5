"""Who an entry of a directory is, and which of its e-mails count."""

from __future__ import annotations

import re
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask

from astro_auth_plugin.accounts.identities import Identity
from astro_auth_plugin.accounts.identity_binding import Person
from astro_auth_plugin.authentication import rate_limit
from astro_auth_plugin.authentication.ldap_directory import LONGEST_ANSWER, answering, limit_waiting, person_of

LDAP = SimpleNamespace(SCOPE_BASE=0, SCOPE_SUBTREE=2)
MO = "uid=mo,dc=x"


class Connection:
    """A directory of e-mails by DN, which takes capitals of ASCII and blanks at the ends for the same, or nothing."""

    def __init__(self, *, exactly: bool = False, **entries: str) -> None:
        self.same = str if exactly else same
        self.entries = {f"uid={uid},dc=x": email for uid, email in entries.items()}

    def search_s(self, base: str, scope: int, wanted: str, attributes: Any) -> Any:
        """Return the unique id of an entry, or the entries with one of the e-mails."""
        if scope == LDAP.SCOPE_BASE:
            return [(base, {"entryUUID": [b"u-1"]})]
        values = {self.same(value) for value in re.findall(r"\(mail=([^)]*)\)", wanted)}
        return [(dn, {}) for dn, email in self.entries.items() if self.same(email) in values] + [
            (None, ["ldap://other"])
        ]


def same(email: str) -> bytes:
    return email.strip(" ").encode().lower()


def found(connection: Connection, *emails: str, search_filter: str = "") -> Person:
    """Who Mo is, whose entry has these e-mails."""
    manager = SimpleNamespace(
        auth_ldap_email_field="mail", auth_ldap_search="dc=x", auth_ldap_search_filter=search_filter
    )
    return person_of(manager, LDAP, connection, MO, {"Mail": [email.encode() for email in emails]})


@pytest.mark.parametrize("search_filter", ["", "(objectClass=person)"])
def test_own_email(search_filter: str) -> None:
    """An e-mail that only the own entry has counts, in whatever capitals, without the blanks around it."""
    person = found(Connection(mo="Mo@Example.com"), " Mo@Example.com ", search_filter=search_filter)
    assert person == Person(Identity("ldap", "", b"u-1".hex()), ("Mo@Example.com",))


def test_email_of_others() -> None:
    """An e-mail of another entry is shared, also where the own entry is not among those that are found."""
    assert found(Connection(mo="olga@x", olga="OLGA@x"), "olga@x").shared == {"olga@x"}
    assert found(Connection(olga="olga@x"), "olga@x").shared == {"olga@x"}
    # A directory that tells capitals apart has the same person's e-mail twice.
    assert found(Connection(exactly=True, mo="Olga@x", olga="olga@x"), "Olga@x").shared == {"Olga@x"}


@pytest.mark.parametrize(
    "odd", ["\u212belga@x", "o\u0301lga@x", "\u212aim@x", "\u00a0olga@x", "olga@x\t", "\u00d6@x", "o", ""]
)
def test_emails_that_are_compared_otherwise(odd: str, caplog: pytest.LogCaptureFixture) -> None:
    """An e-mail that is compared in other letters than the directory's does not count, and the log says so."""
    assert found(Connection(mo=odd), odd, "mo@x").emails == ("mo@x",)
    assert found(Connection(mo=odd), odd).emails == ()
    assert "compare equal" in caplog.text


def test_no_text(caplog: pytest.LogCaptureFixture) -> None:
    """Of an entry with an e-mail that is no text none counts."""
    manager = SimpleNamespace(auth_ldap_email_field="mail", auth_ldap_search="dc=x", auth_ldap_search_filter="")
    assert person_of(manager, LDAP, Connection(), MO, {"mail": [b"mo@x", b"\xff@x"]}).emails == ()
    assert "not text" in caplog.text


def test_limit_waiting() -> None:
    """A directory may not keep others waiting; a limit that the operator has set stays."""
    limit_waiting()
    assert sys.modules["ldap"].options == {"network": LONGEST_ANSWER, "timeout": 5}


@pytest.mark.parametrize(
    ("error", "before_password", "counts"),
    [("DOWN", False, False), ("DOWN", True, False), ("WRONG", False, True), ("WRONG", True, False)],
)
def test_errors_that_are_no_wrong_password(
    error: str, before_password: bool, counts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes wrong before the password is checked, or because the directory is down, is not counted."""
    base = type("LDAPError", (Exception,), {})
    errors = {name: type(name, (base,), {}) for name in ("DOWN", "WRONG")}
    down = dict.fromkeys(("SERVER_DOWN", "CONNECT_ERROR", "TIMEOUT", "BUSY", "UNAVAILABLE"), errors["DOWN"])
    ldap = SimpleNamespace(LDAPError=base, **down)
    uncounted: list[bool] = []
    monkeypatch.setattr(rate_limit, "do_not_count", lambda: uncounted.append(True))
    with (
        Flask("x").app_context(),
        pytest.raises(errors[error]),
        answering(ldap, before_password=before_password),
    ):
        raise errors[error]
    assert bool(uncounted) is not counts
