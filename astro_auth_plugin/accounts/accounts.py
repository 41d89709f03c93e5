"""FAB's accounts: every read of them, and always a fresh one."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from airflow.providers.fab.auth_manager.models import User
from airflow.utils.session import create_session
from sqlalchemy import BigInteger, and_, bindparam, cast, func, literal, null, or_, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from astro_auth_plugin.accounts import sign_ins
from astro_auth_plugin.accounts.same_email import is_not_ascii, may_be_same
from astro_auth_plugin.accounts.sign_ins import SIGN_INS, SignIn, sign_in_of
from astro_auth_plugin.rbac.model.subjects import is_same_email, only_account, user_subject
from astro_auth_plugin.runtime.database import Along, connect, database_engine

log = logging.getLogger(__name__)

_ACCOUNTS: Any = User.__table__
NO_VALUES: Mapping[str, Any] = MappingProxyType({})


class Account(NamedTuple):
    """An account of FAB.

    `subject` is who that is in the policy: '' when another active account is the same person, since then it is
    unknown whose roles they are. `groups` are those of the last sign-in, and tokens
    and sessions from before `tokens_valid_after` are revoked.
    """

    id: int
    username: str
    email: str
    active: bool
    subject: str
    groups: frozenset[str] = frozenset()
    tokens_valid_after: int = 0


NOTHING = Along()


def load_account(account_id: int) -> Account | None:
    """Read an account; None when there is none.

    Raises:
        SQLAlchemyError: if the database does not answer.
    """
    return read_account(account_id)[0]


def read_account(
    account_id: int | None, along: Along = NOTHING, values: Mapping[str, Any] = NO_VALUES, *, alone: bool = False
) -> tuple[Account | None, list[tuple[Any, ...]]]:
    """Read an account, and what else the request needs, in one statement.

    An account of which the e-mail is not noted yet, or a newer account, is noted first, in a few statements more.

    Args:
        account_id: FAB's id of the account; None for what else the request needs alone.
        along: what else.
        values: what the joins of `along` compare with.
        alone: whether it is known that no other active account has its e-mail, so that none is looked for.

    Returns:
        the account, None when there is none; and the rows of what is read along, one at least, also without an account.

    Raises:
        SQLAlchemyError: if the database does not answer.
    """
    asked = {"account_id": account_id, **values}
    rows = _rows(along, asked, alone=alone)
    if alone or account_id is None or (_is_noted(rows[0]) and not rows[0][_HAS_NEWER]):
        return _account(rows), _along_of(rows)
    try:
        note_emails()
        rows = _rows(along, asked)
    except SQLAlchemyError:
        # Nothing can be written, or not now: the duplicates are found as long as it takes, by comparing every account.
        log.exception("Cannot note the e-mails of accounts, which makes each request slow")
    with connect() as connection:
        return _account(
            rows, {known.id for known in known_by(rows[0][2] or "", connection) if known.active}
        ), _along_of(rows)


def _is_noted(row: Any) -> bool:
    """Whether the e-mail that an account has is the one that is noted; also where there is no account."""
    return row[0] is None or row[_DIGEST] == sign_ins.digest_of(row[2])


def _rows(along: Along, values: dict[str, Any], *, alone: bool = False) -> Sequence[Any]:
    with connect() as connection:
        # A row for each account that may be the same person, and for each of what is read along; one without any.
        return connection.execute(_one_account(along, alone=alone), values).all()


def _along_of(rows: Sequence[Any]) -> list[tuple[Any, ...]]:
    return [tuple(row[_ALONG:]) for row in rows]


def _account(rows: Sequence[Any], known: Collection[int] = ()) -> Account | None:
    """Return the account of the rows, of which `known` are other active accounts of the same person, or itself."""
    account_id, username, email, active = rows[0][:4]
    if account_id is None:
        return None
    # Compared again: an account can have another e-mail by now than the one that was noted.
    duplicates = {row[4] for row in rows if row[5] is not None and is_same_email(row[5], email)}
    duplicates = (duplicates | {*known}) - {account_id}
    if duplicates and active:
        _log_duplicates(tuple(sorted([account_id, *duplicates])))
    sign_in = sign_in_of(rows[0][_SIGN_IN:_ALONG], email)
    only = only_account([account_id, *duplicates]) is not None
    subject, groups = (user_subject(email), sign_in.groups) if only else ("", frozenset[str]())
    return Account(account_id, username, email, bool(active), subject, groups, sign_in.tokens_valid_after)


_DIGEST, _HAS_NEWER, _SIGN_IN = 6, 7, 8
_ALONG = _SIGN_IN + len(sign_ins.COLUMNS)


@functools.cache
def _one_account(along: Along, *, alone: bool) -> Any:
    """Return the statement that every request sends, made once: to make it takes longer than to send it."""
    one, other, noted = _ACCOUNTS, _ACCOUNTS.alias(), SIGN_INS.alias()
    # An outer join of one row, so that there is one for what is read along, whether there is the account or not.
    asked = select(cast(bindparam("account_id"), BigInteger).label("id")).subquery()
    same = and_(noted.c.email_digest == SIGN_INS.c.email_digest, noted.c.account_id != SIGN_INS.c.account_id)
    found = asked.outerjoin(one, one.c.id == asked.c.id).outerjoin(SIGN_INS, SIGN_INS.c.account_id == one.c.id)
    others: tuple[Any, ...] = (null(), null(), null(), null())
    if not alone:
        found = found.outerjoin(noted, same)
        found = found.outerjoin(other, and_(other.c.id == noted.c.account_id, other.c.active.is_(True)))
        others = (other.c.id, other.c.email, SIGN_INS.c.email_digest, _has_newer_account())
    for table, condition in along.joins:
        found = found.outerjoin(table, condition)
    account = (one.c.id, one.c.username, one.c.email, one.c.active)
    return select(*account, *others, *sign_ins.COLUMNS, *along.columns).select_from(found)


def _has_newer_account() -> Any:
    """Return whether there is an account that was made past FAB, so that it is not noted; a look at two indexes."""
    account, noted = _ACCOUNTS.alias(), SIGN_INS.alias()
    newest = select(account.c.id).order_by(account.c.id.desc()).limit(1)
    newest_noted = select(noted.c.account_id).where(noted.c.email_digest.is_not(None))
    newest_noted = newest_noted.order_by(noted.c.account_id.desc()).limit(1)
    return newest.scalar_subquery() > newest_noted.scalar_subquery()


_noting = threading.Lock()
_AT_ONCE = 500


def note_emails() -> None:
    """Note the e-mail of each account that is not noted as it is now.

    What FAB changes is noted with the change. This is for accounts from before this plugin, and for those that are
    written to the database past FAB. In one thread at a time, and in short transactions: a sign-in waits for each of
    them, and what is noted stays noted if the process ends.

    Raises:
        SQLAlchemyError: if the database does not answer.
    """
    noted = select(User.id, User.email, SIGN_INS.c.email_digest, SIGN_INS.c.account_id)
    noted = noted.outerjoin(SIGN_INS, SIGN_INS.c.account_id == User.id)
    with _noting:
        with connect() as connection:
            missing = [row[0] for row in connection.execute(noted) if row[2] != sign_ins.digest_of(row[1])]
        for at in range(0, len(missing), _AT_ONCE):
            with database_engine().begin() as connection:
                sign_ins.lock_accounts(connection)
                # Again, under the lock: another process, or a change through FAB, may have been faster.
                rows: Sequence[Any] = connection.execute(noted.where(User.id.in_(missing[at : at + _AT_ONCE]))).all()
                changed = [row for row in rows if row[2] != sign_ins.digest_of(row[1])]
                sign_ins.note_emails(connection, {row[0]: row[1] for row in changed if row[3] is not None}, new=False)
                sign_ins.note_emails(connection, {row[0]: row[1] for row in changed if row[3] is None}, new=True)


def find_account(email: str) -> int | None:
    """Return the id of the active account of a person; None when there is none, or more than one.

    Args:
        email: of the person.

    Raises:
        SQLAlchemyError: if the database does not answer.
    """
    noted = select(User.id, User.username, User.active, User.email).join(SIGN_INS, SIGN_INS.c.account_id == User.id)
    with create_session(scoped=False) as session:
        rows = session.execute(noted.where(SIGN_INS.c.email_digest == sign_ins.digest_of(email))).all()
        known = [Known(row[0], row[1], bool(row[2])) for row in rows if is_same_email(row[3], email)]
        active = [each for each in known if each.active]
        found = only_account(active or [each for each in known_by(email, session) if each.active])
    return None if found is None else found.id


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


def read_active_emails(containing: str = "") -> list[tuple[int, str]]:
    """Return the id and the e-mail of each active account that has one.

    Args:
        containing: a text in lower case that all of those have which are wanted; others may be among them.
    """
    statement = select(User.id, User.email).where(User.active.is_(True), User.email.is_not(None))
    if containing and containing.isascii():
        # What databases lower-case alike.
        contains = func.lower(User.email).contains(containing, autoescape=True)
        statement = statement.where(or_(contains, is_not_ascii(User.email)))
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
