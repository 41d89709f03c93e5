"""Which identity each account is bound to, in a table of this plugin.

An identity is what a provider guarantees to be one person for ever: OpenID Connect's issuer and `sub`, the stable id of
an OAuth provider's API, or the unique id of an entry of a directory. An account is bound to one identity at most.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from airflow.providers.fab.auth_manager.models import User
from airflow.utils.session import create_session
from sqlalchemy import BigInteger, Column, Integer, String, Table, Text, and_, delete, insert, or_, select
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from astro_auth_plugin.accounts.sign_ins import end_all, lock_accounts
from astro_auth_plugin.runtime.database import metadata

IDENTITIES = Table(
    "astro_auth_identity",
    metadata,
    # No foreign key: FAB drops its tables by itself, in an order of its own.
    Column("account_id", Integer, primary_key=True, autoincrement=False),
    # Databases compare text in ways of their own, and index only short text; a digest they compare exactly.
    Column("fingerprint", String(64), nullable=False, unique=True),
    Column("provider", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("bound_at", BigInteger, nullable=False),
)


class Identity(NamedTuple):
    """One person at one provider.

    `provider` is the way to sign in, such as `oauth sso` or `ldap`; `issuer` is that of the ID token, the address of an
    OAuth provider without one, and '' for a directory; `subject` is the provider's stable id of the person, compared
    letter by letter.
    """

    provider: str
    issuer: str
    subject: str

    @property
    def fingerprint(self) -> str:
        """A digest that no other identity has."""
        return hashlib.sha256(json.dumps(self).encode()).hexdigest()


_COLUMNS = (IDENTITIES.c.provider, IDENTITIES.c.issuer, IDENTITIES.c.subject)


def account_of(database: Connection | Session, identity: Identity) -> tuple[int, str] | None:
    """Return the id and the e-mail of the account that is bound to an identity; None when none is."""
    statement = (
        select(User.id, User.email)
        .join(IDENTITIES, IDENTITIES.c.account_id == User.id)
        .where(IDENTITIES.c.fingerprint == identity.fingerprint)
    )
    found = database.execute(statement).first()
    return (found[0], found[1]) if found else None


def identity_of(database: Connection | Session, account_id: int) -> Identity | None:
    """Return the identity that an account is bound to; None when it is bound to none."""
    found = database.execute(select(*_COLUMNS).where(IDENTITIES.c.account_id == account_id)).first()
    return Identity(*found) if found else None


def _replaces_nothing(_: Identity) -> bool:
    return False


def bind(
    account_id: int,
    identity: Identity,
    may_replace: Callable[[Identity], bool] = _replaces_nothing,
    *,
    is_new: bool = False,
) -> bool:
    """Bind an account to an identity, unless a sign-in at the same moment has bound either of them elsewhere.

    What the account was issued before is revoked: the identity decides from now on who the account is.

    Args:
        account_id: of the account.
        identity: who signs in.
        may_replace: whether the identity that the account is bound to may lose it.
        is_new: whether the account is made by this sign-in, so that nothing has been issued to it.

    Returns whether the account is bound to the identity now.
    """
    with create_session(scoped=False) as session:
        if identity_of(session, account_id) == identity:
            return True
    values: dict[str, Any] = {**identity._asdict(), "fingerprint": identity.fingerprint, "bound_at": int(time.time())}
    earlier = or_(IDENTITIES.c.account_id == account_id, IDENTITIES.c.fingerprint == identity.fingerprint)
    # A transaction of its own: on MySQL the look above would keep this one from seeing what others wrote meanwhile.
    with create_session(scoped=False) as session:
        lock_accounts(session)
        held, bound = identity_of(session, account_id), account_of(session, identity)
        if held == identity:
            return True
        if (held and not may_replace(held)) or (bound and bound[0] != account_id):
            return False
        session.execute(delete(IDENTITIES).where(earlier))
        session.execute(insert(IDENTITIES).values(account_id=account_id, **values))
        if not is_new:
            end_all(session, account_id)
    return True


def unbind(database: Connection | Session, account_ids: Iterable[int]) -> None:
    """Take away what accounts are bound to."""
    database.execute(delete(IDENTITIES).where(IDENTITIES.c.account_id.in_(list(account_ids))))


def have_passwords(database: Session, account_ids: Iterable[int]) -> set[int]:
    """Return those of some accounts that have a password of FAB's."""
    has_one = and_(User.password.is_not(None), User.password != "")
    return set(database.scalars(select(User.id).where(User.id.in_(list(account_ids)), has_one)))
