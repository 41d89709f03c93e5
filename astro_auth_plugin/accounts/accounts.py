"""FAB's accounts: every read of them, and always a fresh one."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

from airflow.providers.fab.auth_manager.models import User
from airflow.utils.session import create_session
from sqlalchemy import and_, bindparam, func, literal, null, or_, select
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from astro_auth_plugin.accounts import sign_ins
from astro_auth_plugin.accounts.same_email import is_not_ascii, may_be_same
from astro_auth_plugin.accounts.sign_ins import SIGN_INS, SignIn, sign_in_of
from astro_auth_plugin.rbac.model.subjects import is_same_email, only_account, user_subject
from astro_auth_plugin.runtime.database import connect

log = logging.getLogger(__name__)

_ACCOUNTS: Any = User.__table__


class Account(NamedTuple):
    """An account of FAB.

    `subject` is who that is in the policy: '' when another active account is the same person, since then it is
    unknown whose roles they are. `groups` are those of the last sign-in, and tokens
    and sessions from before `tokens_valid_after` are revoked. `policy_version` is the value of the column that was read
    along with it, if there was one.
    """

    id: int
    username: str
    email: str
    active: bool
    subject: str
    groups: frozenset[str] = frozenset()
    tokens_valid_after: int = 0
    policy_version: Any = None


def load_account(account_id: int, policy_version: Any = None) -> Account | None:
    """Read an account; None when there is none. One statement.

    Args:
        account_id: FAB's id of the account.
        policy_version: a sub-select that is read in the same statement; None for nothing more.

    Raises:
        SQLAlchemyError: if the database does not answer.
    """
    with connect() as connection:
        # A row for each account that may be the same person, or one row without any.
        rows: Sequence[Any] = connection.execute(_one_account(policy_version), {"account_id": account_id}).all()
    if not rows:
        return None
    found_id, username, email, active, version = rows[0][:5]
    duplicates = [row[5] for row in rows if row[6] is not None and is_same_email(row[6], email)]
    if duplicates and active:
        _log_duplicates(tuple(sorted([found_id, *duplicates])))
    sign_in = sign_in_of(rows[0][7:], email)
    only = only_account([found_id, *duplicates]) is not None
    subject, groups = (user_subject(email), sign_in.groups) if only else ("", frozenset[str]())
    return Account(found_id, username, email, bool(active), subject, groups, sign_in.tokens_valid_after, version)


@functools.cache
def _one_account(policy_version: Any) -> Any:
    """Return the statement that every request sends, made once: to make it takes longer than to send it."""
    one, other = _ACCOUNTS, _ACCOUNTS.alias()
    duplicate = and_(other.c.id != one.c.id, other.c.active.is_(True), may_be_same(other.c.email, one.c.email))
    found = one.outerjoin(other, duplicate).outerjoin(SIGN_INS, SIGN_INS.c.account_id == one.c.id)
    version = null() if policy_version is None else policy_version
    account = (one.c.id, one.c.username, one.c.email, one.c.active, version)
    columns = (*account, other.c.id, other.c.email, *sign_ins.COLUMNS)
    return select(*columns).select_from(found).where(one.c.id == bindparam("account_id"))


def find_account(email: str, policy_version: Any = None) -> Account | None:
    """Return the active account of a person; None when there is none, or more than one.

    Args:
        email: of the person.
        policy_version: as `load_account` has it.

    Raises:
        SQLAlchemyError: if the database does not answer.
    """
    with create_session(scoped=False) as session:
        found = only_account([known for known in known_by(email, session) if known.active])
    return None if found is None else load_account(found.id, policy_version)


class Known(NamedTuple):
    """An account that has an e-mail, active or not."""

    id: int
    username: str
    active: bool


def known_by(email: str, database: Connection | Session) -> list[Known]:
    """Return every account of a person.

    Raises:
        SQLAlchemyError: if the database does not answer.
        ValueError: if the database cannot have such text.
    """
    columns = select(User.id, User.username, User.active, User.email)
    rows: Sequence[Any] = database.execute(columns.where(may_be_same(User.email, literal(email)))).all()
    return [Known(row[0], row[1], bool(row[2])) for row in rows if is_same_email(row[3], email)]


def has_access(email: str, database: Connection | Session) -> bool:
    """Whether a person has the access that the policy grants: exactly one active account.

    Raises:
        SQLAlchemyError: if the database does not answer.
    """
    return only_account([known for known in known_by(email, database) if known.active]) is not None


class KnownAccount(NamedTuple):
    """An account, with its last sign-in."""

    id: int
    username: str
    active: bool
    sign_in: SignIn


def read_accounts(subject: str) -> list[KnownAccount]:
    """Return every account of a person, with its last sign-in.

    Args:
        subject: from `subjects.user_subject`.
    """
    return read_accounts_of(frozenset([subject])).get(subject, [])


def read_accounts_of(subjects: frozenset[str]) -> dict[str, list[KnownAccount]]:
    """Return every account of some people, by subject, each with its last sign-in. One statement."""
    columns = select(User.id, User.username, User.email, User.active, *sign_ins.COLUMNS)
    statement = columns.outerjoin(SIGN_INS, SIGN_INS.c.account_id == User.id).order_by(User.id)
    if all(map(str.isascii, subjects)):
        # What databases lower-case alike; anything else is compared in Python alone.
        statement = statement.where(or_(func.lower(User.email).in_(subjects), is_not_ascii(User.email)))
    with create_session(scoped=False) as session:
        rows: Sequence[Any] = session.execute(statement).all()
    found: dict[str, list[KnownAccount]] = {}
    for account_id, username, email, active, *row in rows:
        if user_subject(email) in subjects:
            account = KnownAccount(account_id, username, bool(active), sign_in_of(row, email))
            found.setdefault(user_subject(email), []).append(account)
    return found


def read_active_emails() -> list[tuple[int, str]]:
    """Return the id and the e-mail of each active account that has one."""
    statement = select(User.id, User.email).where(User.active.is_(True), User.email.is_not(None))
    with create_session(scoped=False) as session:
        return [(account_id, email) for account_id, email in session.execute(statement)]


def read_groups() -> dict[int, frozenset[str]]:
    """Return the groups that the last sign-in of each active account brought, by the account's id."""
    statement = select(User.id, User.email, *sign_ins.COLUMNS).join(SIGN_INS, SIGN_INS.c.account_id == User.id)
    with create_session(scoped=False) as session:
        rows = session.execute(statement.where(User.active.is_(True)))
        return {account_id: sign_in_of(row, email).groups for account_id, email, *row in rows}


def email_of(account_id: int, connection: Connection) -> set[str]:
    """Return the e-mail that an account has in the database; nothing if there is no such account."""
    return set(connection.scalars(select(User.email).where(User.id == account_id)))


def named_alike(username: str, database: Session) -> list[tuple[int, str, bool]]:
    """Return the id and e-mail of each account with a user name in any case, and whether it is active."""
    found = select(User.id, User.email, User.active).where(func.lower(User.username) == username.lower())
    return [(account_id, email, bool(active)) for account_id, email, active in database.execute(found)]


def named(username: str, database: Session) -> list[tuple[int, str]]:
    """Return the id and e-mail of each account with exactly this user name."""
    rows = database.execute(select(User.id, User.username, User.email).where(User.username == username)).all()
    return [(row[0], row[2]) for row in rows if row[1] == username]


_logged: set[tuple[int, ...]] = set()


def _log_duplicates(account_ids: tuple[int, ...]) -> None:
    if account_ids not in _logged:
        _logged.add(account_ids)
        ids = ", ".join(map(str, account_ids))
        log.error("Duplicate active accounts for one e-mail (%s): access is denied for all of them", ids)
