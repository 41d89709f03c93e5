"""What the last sign-in of each account brought, in a table of this plugin: the person's groups, and since when.

The groups belong to the account with the e-mail that it had when it signed in; under another e-mail they have no
effect until the next sign-in. The row also has the time before which the account's tokens and web
sessions are revoked, and a digest of the account's e-mail in the form in which e-mails are compared: an index finds
other accounts with the same e-mail by it, in whatever way a database compares text.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from airflow.utils.session import create_session
from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    String,
    Table,
    Text,
    case,
    insert,
    select,
    update,
)
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from astro_auth_plugin.rbac.model.subjects import user_subject
from astro_auth_plugin.runtime.database import metadata

log = logging.getLogger(__name__)

SIGN_INS = Table(
    "astro_auth_sign_in",
    metadata,
    # No foreign key: FAB drops its tables by itself, in an order of its own.
    Column("account_id", Integer, primary_key=True, autoincrement=False),
    Column("email", String(512), nullable=False),
    Column("idp_groups", Text, nullable=False),
    Column("signed_in_at", BigInteger, nullable=False),
    Column("not_before", BigInteger, nullable=False),
    Column("email_digest", String(64), index=True),
)
"""Times are seconds since 1970; `signed_in_at` is 0 for an account that has not signed in."""


def digest_of(email: str) -> str:
    """Return the digest of an e-mail: two have the same one if they are compared as the same."""
    return hashlib.sha256(user_subject(email).encode(errors="surrogatepass")).hexdigest()


class SignIn(NamedTuple):
    """The last sign-in of an account: the groups it brought, when it was, and before when tokens are revoked."""

    groups: frozenset[str]
    signed_in_at: int
    tokens_valid_after: int


NONE = SignIn(frozenset(), 0, 0)


def sign_in_of(row: Any, email: str) -> SignIn:
    """Return what a row of the table says of the account that has this e-mail now.

    Args:
        row: `email`, `idp_groups`, `signed_in_at` and `not_before`; None each when there is no row.
        email: the account's e-mail.
    """
    then, groups, signed_in_at, tokens_valid_after = row
    if then is None:
        return NONE
    if then != email:
        # The account has another e-mail now, or the row is of a deleted one whose id was given again.
        return SignIn(frozenset(), 0, tokens_valid_after)
    return SignIn(frozenset(json.loads(groups)), signed_in_at, tokens_valid_after)


COLUMNS = (SIGN_INS.c.email, SIGN_INS.c.idp_groups, SIGN_INS.c.signed_in_at, SIGN_INS.c.not_before)
"""What `sign_in_of` takes."""


_NOTHING = {"email": "", "idp_groups": "[]", "signed_in_at": 0}


def keep(account_id: int, email: str, groups: Iterable[str]) -> None:
    """Write what a sign-in brought, in the place of what the one before it did.

    Groups that the account did not have revoke what it was issued before: that may belong to a user who knew its
    password and was in none of these groups.

    Raises:
        SQLAlchemyError: if it cannot be written; the sign-in must not go on with older groups.
    """
    brought = frozenset(groups)
    row = {"email": email, "idp_groups": json.dumps(sorted(brought)), "signed_in_at": int(time.time())}
    with create_session(scoped=False) as session:
        # One at a time: else another sign-in could come between what is read here and what is written.
        lock_accounts(session)
        before = session.execute(select(*COLUMNS).where(SIGN_INS.c.account_id == account_id)).first()
        if before and before.signed_in_at and brought - sign_in_of(before, email).groups:
            end_all(session, account_id)
        _write(session, account_id, row)


LONGEST_WAIT = 2
"""For how many seconds at most tokens that are issued after a revocation are not valid yet."""
_ENDED = "astro_auth_ended"


def end_all(connection: Connection | Session, account_id: int) -> None:
    """Revoke all tokens and sessions of an account that were issued until now, in the transaction of the caller."""
    # What is issued later in this second is refused too: tokens have no fractions of a second. And in the next one,
    # since the end is not visible before the caller commits.
    _write(connection, account_id, {"not_before": int(time.time()) + LONGEST_WAIT})


def note_end(session: Session | None, account_id: int) -> None:
    """Remember in the session of a change what it has ended, for `end_again`."""
    if session is not None:
        session.info.setdefault(_ENDED, {})[account_id] = time.monotonic()


def end_again(session: Session) -> None:
    """After a commit that was slow to come, end what was issued meanwhile: a sign-in still read the old password."""
    noted = session.info.pop(_ENDED, {})
    late = [account_id for account_id, at in noted.items() if time.monotonic() - at > LONGEST_WAIT - 1]
    if not late:
        return
    try:
        with create_session(scoped=False) as other:
            for account_id in late:
                end_all(other, account_id)
    except SQLAlchemyError:
        log.exception("Cannot end the tokens of accounts that were issued during a change: %s", late)


def forget_ends(session: Session) -> None:
    """Forget what a transaction that was rolled back would have ended."""
    session.info.pop(_ENDED, None)


def begin(connection: Connection, account_id: int, email: str) -> None:
    """Note that an account is new, and its e-mail: what an earlier one was given is not its own.

    Some databases give the number of the last account that was deleted to the next one.
    """
    ended = connection.scalar(select(SIGN_INS.c.not_before).where(SIGN_INS.c.account_id == account_id)) or 0
    # Not a second more, as at an end: a person's first sign-in makes the account, and a token at once.
    values = {**_NOTHING, "email_digest": digest_of(email), "not_before": max(ended, int(time.time()))}
    _write(connection, account_id, values)


def note_email(connection: Connection | Session, account_id: int, email: str) -> None:
    """Write the digest of the e-mail that an account has now."""
    _write(connection, account_id, {"email_digest": digest_of(email)})


def note_emails(connection: Connection, emails: Mapping[int, str], *, new: bool) -> None:
    """Write the digests of the e-mails of several accounts, in one statement.

    Args:
        connection: with the lock on accounts.
        emails: of the accounts, by id.
        new: whether there is no row of any of them yet, or of all.
    """
    digests = {account_id: digest_of(email) for account_id, email in emails.items()}
    if digests and new:
        rows = [{"account_id": each, "not_before": 0, **_NOTHING, "email_digest": digests[each]} for each in digests]
        connection.execute(insert(SIGN_INS), rows)
    elif digests:
        by_id = case(digests, value=SIGN_INS.c.account_id)
        connection.execute(update(SIGN_INS).where(SIGN_INS.c.account_id.in_(digests)).values(email_digest=by_id))


def forget(connection: Connection, account_id: int) -> None:
    """Take away what is kept of a deleted account, and end what it was given, for its number may be given again."""
    _write(connection, account_id, {**_NOTHING, "email_digest": None})
    end_all(connection, account_id)


def lock_accounts(connection: Connection | Session) -> None:
    """Let other transactions that lock the accounts wait until this one ends; on SQLite, all that write.

    The lock is a row that belongs to no account, so that it works alike on every database.
    """
    _write(connection, _NO_ACCOUNT, _NOTHING)


_NO_ACCOUNT = 0


def groups_kept(connection: Connection | Session, account_id: int) -> frozenset[str]:
    """Return the groups that are kept of an account, whatever its e-mail is now."""
    kept = connection.execute(select(SIGN_INS.c.idp_groups).where(SIGN_INS.c.account_id == account_id)).scalar()
    return frozenset(json.loads(kept)) if kept else frozenset()


def tokens_valid_after(account_id: int) -> int:
    """Return the time before which tokens and sessions of an account are revoked; 0 when none are."""
    statement = select(SIGN_INS.c.not_before).where(SIGN_INS.c.account_id == account_id)
    with create_session(scoped=False) as session:
        return session.scalar(statement) or 0


def _write(connection: Connection | Session, account_id: int, values: dict[str, Any]) -> None:
    change = update(SIGN_INS).where(SIGN_INS.c.account_id == account_id).values(values)
    result: Any = connection.execute(change)
    if result.rowcount:
        return
    try:
        with connection.begin_nested():
            row = {"account_id": account_id, "not_before": 0, **_NOTHING, **values}
            connection.execute(insert(SIGN_INS).values(row))
    except IntegrityError:
        # Another request was faster with the first row of this account.
        connection.execute(change)
