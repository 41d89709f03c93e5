"""Which account a sign-in is for: decided here, for every way to sign in, and never by a name that a person chooses.

The identity that a provider guarantees is bound to an account at the first sign-in with an e-mail that the provider
verifies. Afterwards the binding decides, and the account's e-mail follows the provider's. An account that is not
bound is found by its e-mail; one that is bound to another identity is not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from airflow.utils.session import create_session
from sqlalchemy.orm import Session

from astro_auth_plugin.accounts import accounts, identities
from astro_auth_plugin.accounts.identities import Identity
from astro_auth_plugin.rbac.model.subjects import normalize_email

NO_EMAIL = "there is no verified e-mail. Ask the administrator of the identity provider to add or verify your e-mail."
ANOTHER_ACCOUNT = "another account has the e-mail {email}. Ask an administrator of this Airflow."
ANOTHER_IDENTITY = (
    "the account with the e-mail {email} belongs to another identity at `{provider}`. If it is yours, ask an "
    "administrator of this Airflow to run `airflow astro-auth unbind {email}`."
)
SEVERAL_EMAILS = "the directory entry has several e-mails, and no account shows which one to use. Ask an administrator."
SHARED_EMAIL = "several entries of the directory have the e-mail {email}. Ask the administrator of the directory."
NO_ACCOUNT_OF_NAME = "the proxy sent no e-mail, and there is no account with exactly this user name."


class SignInRefused(Exception):
    """A sign-in that is denied; the message says why for the person, `reason` as a keyword for the audit log."""

    def __init__(self, message: str, reason: str = "account_of_another") -> None:
        super().__init__(message)
        self.reason = reason


class Person(NamedTuple):
    """Who signs in, as far as the provider verifies it.

    `identity` is None where a proxy only says an e-mail or, as `username`, the user name of an account. `shared` are
    those of the `emails` that the directory has in other entries, too.
    """

    identity: Identity | None
    emails: tuple[str, ...]
    username: str = ""
    shared: frozenset[str] = frozenset()


class Found(NamedTuple):
    """The account that a sign-in is for, None for a new one, and the e-mail that it has afterwards."""

    account_id: int | None
    email: str


def find_account_of(person: Person, is_live: Callable[[str], bool]) -> Found:
    """Return the account that a sign-in is for.

    Args:
        person: who signs in.
        is_live: whether people can sign in through a provider now; what one that is gone has bound may be bound anew.

    Raises:
        SignInRefused: if it is unknown whose account it is, or it is another identity's.
    """
    with create_session(scoped=False) as database:
        if person.username:
            return _by_username(person.username, database)
        if not person.emails:
            raise SignInRefused(NO_EMAIL, "email_not_verified")
        bound = identities.account_of(database, person.identity) if person.identity else None
        if bound:
            return Found(bound[0], _email_of_bound(*bound, person, database))
        found = _by_email(person, database)
        held = identities.identity_of(database, found.account_id) if found.account_id is not None else None
        if person.identity and held and is_live(held.provider):
            raise SignInRefused(ANOTHER_IDENTITY.format(email=found.email, provider=held.provider))
        return found


def _by_username(username: str, database: Session) -> Found:
    exactly = accounts.named(username, database)
    if len(exactly) != 1:
        raise SignInRefused(NO_ACCOUNT_OF_NAME, "no_account")
    return Found(*exactly[0])


def _email_of_bound(account_id: int, current: str, person: Person, database: Session) -> str:
    if normalize_email(current) in map(normalize_email, person.emails):
        return current
    email = _only_email(person)
    if any(known.id != account_id for known in accounts.known_by(email, database)):
        raise SignInRefused(ANOTHER_ACCOUNT.format(email=email))
    return email


def _by_email(person: Person, database: Session) -> Found:
    found = {known.id: email for email in person.emails for known in accounts.known_by(email, database)}
    if not found:
        return Found(None, _only_email(person))
    if len(found) > 1:
        raise SignInRefused(ANOTHER_ACCOUNT.format(email=", ".join(sorted(set(found.values())))))
    ((account_id, email),) = found.items()
    return Found(account_id, _not_shared(email, person))


def _only_email(person: Person) -> str:
    if len(set(map(normalize_email, person.emails))) > 1:
        raise SignInRefused(SEVERAL_EMAILS, "several_emails")
    return _not_shared(person.emails[0], person)


def _not_shared(email: str, person: Person) -> str:
    if email in person.shared:
        raise SignInRefused(SHARED_EMAIL.format(email=email))
    return email
