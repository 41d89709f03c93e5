"""Who a directory says a user is: the unique id of the entry, and its e-mails."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from flask import g

from astro_auth_plugin.accounts.identities import Identity
from astro_auth_plugin.accounts.identity_binding import Person
from astro_auth_plugin.authentication import rate_limit
from astro_auth_plugin.rbac.model.subjects import is_compared_alike, is_email, normalize_email

log = logging.getLogger(__name__)

PROVIDER = "ldap"
LONGEST_ANSWER = 10.0
"""Seconds."""

# Of OpenLDAP and most others, of Active Directory, and of 389 Directory Server. They stay when an entry is renamed.
_UNIQUE_IDS = ("entryUUID", "objectGUID", "nsUniqueId")


def person_of(manager: Any, ldap: Any, connection: Any, dn: str, attributes: Mapping[str, list[bytes]]) -> Person:
    """Return who an entry of the directory is.

    Args:
        manager: FAB's security manager, which has the options of LDAP.
        ldap: the module of python-ldap.
        connection: a connection that may search.
        dn: the name of the entry that FAB has found.
        attributes: what FAB has read of it.

    Raises:
        LDAPError: if the directory does not answer.
    """
    found = connection.search_s(dn, ldap.SCOPE_BASE, "(objectClass=*)", list(_UNIQUE_IDS))
    known = _lowered(next((values for name, values in found if name is not None), {}))
    unique = next((known[name.lower()] for name in _UNIQUE_IDS if known.get(name.lower())), None)
    # Bytes, since Active Directory's are no text.
    subject = unique[0].hex() if unique else f"dn {dn.lower()}"
    emails = _emails(_lowered(attributes).get(manager.auth_ldap_email_field.lower(), []))
    of_others = {email for email, raw in emails.items() if _is_shared(manager, ldap, connection, dn, {email, raw})}
    return Person(Identity(PROVIDER, "", subject), tuple(emails), shared=frozenset(of_others))


def limit_waiting() -> None:
    """Limit how long a directory may take to answer, unless `webserver_config.py` has set another limit.

    Sign-ins wait for each other, and python-ldap waits without end.
    """
    ldap: Any = import_module("ldap")
    for option in (ldap.OPT_NETWORK_TIMEOUT, ldap.OPT_TIMEOUT):
        if (ldap.get_option(option) or -1) < 0:
            ldap.set_option(option, LONGEST_ANSWER)


@contextmanager
def answering(ldap: Any, *, before_password: bool = False) -> Iterator[None]:
    """Query the directory; a password that it does not check, because it is down for instance, is not a wrong one.

    Args:
        ldap: the module of python-ldap.
        before_password: whether the query has nothing to do with the password, so that no error is one of it.
    """
    g.astro_auth_asked = True
    errors: tuple[Any, ...] = (ldap.SERVER_DOWN, ldap.CONNECT_ERROR, ldap.TIMEOUT, ldap.BUSY, ldap.UNAVAILABLE)
    if before_password:
        errors = (ldap.LDAPError,)
    try:
        yield
    except errors:
        rate_limit.do_not_count()
        raise


def _is_shared(manager: Any, ldap: Any, connection: Any, own: str, spellings: set[str]) -> bool:
    """Whether another entry has an e-mail: one of the two may have given itself that of the other."""
    names = {*spellings, *map(normalize_email, spellings)}
    filters = import_module("ldap.filter")  # FAB imports `ldap` alone, which has no `filter` until it is imported
    escaped = sorted(map(filters.escape_filter_chars, names))
    wanted = "(|" + "".join(f"({manager.auth_ldap_email_field}={name})" for name in escaped) + ")"
    if manager.auth_ldap_search_filter:
        wanted = f"(&{manager.auth_ldap_search_filter}{wanted})"
    found = connection.search_s(manager.auth_ldap_search, ldap.SCOPE_SUBTREE, wanted, ["1.1"])
    return any(dn != own for dn, _ in found if dn is not None)


def _lowered(attributes: Mapping[str, list[bytes]]) -> dict[str, list[bytes]]:
    return {name.lower(): values for name, values in attributes.items()}


def _emails(values: list[bytes]) -> dict[str, str]:
    """Return the e-mails of an entry, each with how the directory has it."""
    try:
        written = {text.strip(" "): text for text in (value.decode() for value in values)}
    except UnicodeDecodeError:
        log.warning("The directory has an e-mail that is not text; all e-mails of this entry are ignored")
        return {}
    # The directory is queried for who else has an e-mail, and it may not take for the same what we do.
    emails = {email: text for email, text in written.items() if is_email(email) and is_compared_alike(email)}
    if len(emails) < len(written):
        log.warning("Ignored an e-mail of the directory that is invalid, or has letters that compare equal to others")
    return emails
