"""The versions of the policy in the metadata database: a table to which rows are added, of which the newest is used.

The number of a version is that of its parent and one, and the table's primary key. So of two changes of the same
version, one finds the number taken, and is decided on again with the new version.
"""

from __future__ import annotations

import hashlib
import json
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from airflow.utils.session import create_session
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Table, Text, func, insert, select, update
from sqlalchemy.dialects.mysql import MEDIUMTEXT
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from astro_auth_plugin.rbac.model.scopes import GrantScope
from astro_auth_plugin.rbac.policy.yaml_reader import MAX_BYTES
from astro_auth_plugin.runtime.database import connect, metadata

FORMAT = 1
"""The format of documents that this version of the plugin reads and writes."""

AuthorKind = Literal["person", "token", "shell"]
Origin = Literal["page", "api", "cli", "import", "revert"]

# MySQL keeps 64 KiB in the plain types, and PostgreSQL takes no length for text.
_BYTES = LargeBinary(2**24 - 1)
_TEXT = Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb")

VERSIONS = Table(
    "astro_auth_policy_version",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    # Of the number and the document: after a backup is restored, a number can come again with another document.
    Column("digest", String(64), nullable=False),
    Column("policy_format", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("author", String(512), nullable=False),
    Column("author_kind", String(16), nullable=False),
    Column("source", String(16), nullable=False),
    Column("reason", String(2000), nullable=False),
    Column("reverts", Integer),
    Column("changes", _TEXT, nullable=False),
    # Empty in old versions of which only the record is kept.
    Column("document", _BYTES),
    Column("imported_text", _BYTES),
)
"""Times are seconds since 1970; documents are JSON and compressed, imported texts are YAML and compressed."""

_RECORD = tuple(column for column in VERSIONS.c if column.name not in ("policy_format", "document", "imported_text"))


class VersionConflict(Exception):
    """Another change has been published meanwhile."""


class DocumentUnusable(Exception):
    """A version's document cannot be read; the message says why."""


class Change(NamedTuple):
    """Who changes the policy, in which way, why, and what comes and goes, in words.

    `scopes` has those that each of the changes is about, so that the history can be shown in part.
    """

    author: str
    author_kind: AuthorKind
    source: Origin
    reason: str = ""
    reverts: int | None = None
    changes: tuple[str, ...] = ()
    scopes: tuple[tuple[GrantScope, ...], ...] = ()


class Record(NamedTuple):
    """What the history keeps of a version, without its document."""

    id: int
    digest: str
    created_at: int
    author: str
    author_kind: str
    source: str
    reason: str
    reverts: int | None
    changes: tuple[str, ...]
    scopes: tuple[tuple[GrantScope, ...], ...]


class Stored(NamedTuple):
    """A version with its document as plain values; `text` is the imported YAML, '' where a change made the version."""

    id: int
    digest: str
    values: dict[str, Any]
    text: bytes = b""


def newest_digest() -> Any:
    """Return the digest of the newest version as a sub-select, NULL where there is none."""
    return select(VERSIONS.c.digest).order_by(VERSIONS.c.id.desc()).limit(1).scalar_subquery()


def read_digest() -> str | None:
    """Return the digest of the newest version; None where there is none.

    Raises:
        SQLAlchemyError: if the database does not answer.
    """
    with connect() as connection:
        found: str | None = connection.scalar(select(newest_digest()))
    return found


def newest_number() -> int:
    """Return the number of the newest version; 0 where there is none.

    Raises:
        SQLAlchemyError: if the database does not answer.
    """
    with connect() as connection:
        return connection.scalar(select(func.max(VERSIONS.c.id))) or 0


class Newest(NamedTuple):
    """The newest version, without what it changed: the pages ask for it all the time, and an import changes a lot."""

    id: int
    created_at: int
    author: str


def newest() -> Newest | None:
    """Return the newest version; None where there is none.

    Raises:
        SQLAlchemyError: if the database does not answer.
    """
    columns = (VERSIONS.c[name] for name in Newest._fields)
    with connect() as connection:
        row = connection.execute(select(*columns).order_by(VERSIONS.c.id.desc()).limit(1)).first()
    return None if row is None else Newest(*row)


def digest_of(version: int) -> str | None:
    """Return the digest of a version; None where there is none.

    Raises:
        SQLAlchemyError: if the database does not answer.
    """
    with connect() as connection:
        found: str | None = connection.scalar(select(VERSIONS.c.digest).where(VERSIONS.c.id == version))
    return found


def read(version: int | None = None) -> Stored | None:
    """Return a version with its document, by default the newest; None where there is none.

    Raises:
        SQLAlchemyError: if the database does not answer.
        DocumentUnusable: if a newer version of the plugin has written it, it is damaged, or it has been removed.
    """
    columns = (VERSIONS.c[name] for name in ("id", "digest", "policy_format", "document", "imported_text"))
    statement = select(*columns).order_by(VERSIONS.c.id.desc()).limit(1)
    with connect() as connection:
        row = connection.execute(statement if version is None else statement.where(VERSIONS.c.id == version)).first()
    return None if row is None else _stored(*row)


def _stored(number: int, digest: str, policy_format: int, document: bytes | None, text: bytes | None) -> Stored:
    name = f"version {number} of the policy"
    if policy_format > FORMAT:
        raise DocumentUnusable(f"{name} was written by a newer version of astro_auth_plugin")
    if document is None:
        raise DocumentUnusable(f"the document of {name} has been removed by `policy clean`")
    try:
        data = _decompressed(document)
        values, imported = json.loads(data), _decompressed(text) if text else b""
        intact = digest == _digest(number, data) and isinstance(values, dict)
    except (ValueError, RecursionError, zlib.error):
        intact = False
    if not intact:
        raise DocumentUnusable(f"{name} is damaged: its document does not have the digest that was stored with it")
    return Stored(number, digest, values, imported)


def _decompressed(data: bytes) -> bytes:
    # No more than a policy may have, whatever a row that was written by hand expands to.
    stream = zlib.decompressobj()
    found = stream.decompress(data, MAX_BYTES + 1)
    if not stream.eof:
        raise ValueError("cut, or too large")
    return found


def _digest(number: int, document: bytes) -> str:
    return hashlib.sha256(b"%d\n%s" % (number, document)).hexdigest()


def publish(
    parent: int,
    values: dict[str, Any],
    change: Change,
    text: bytes = b"",
    check: Callable[[Session], None] = lambda _: None,
) -> Stored:
    """Add a version, and return it.

    Args:
        parent: the number of the version that was changed; 0 where there was none.
        values: the document, checked.
        change: what the history keeps.
        text: the YAML that was imported, if the document is exactly that.
        check: called in the transaction before it is written; it raises to stop it.

    Raises:
        VersionConflict: if the parent is not the newest version any more.
        DocumentUnusable: if the document is too large.
        SQLAlchemyError: if it cannot be written.
    """
    document = json.dumps(values, separators=(",", ":"), allow_nan=False).encode()
    if len(document) > MAX_BYTES:
        size, most = len(document) / 2**20, MAX_BYTES // 2**20
        raise DocumentUnusable(f"the policy would have {size:.1f} MiB as JSON, and {most} MiB are allowed")
    number = parent + 1
    digest = _digest(number, document)
    row = {
        **{key: value for key, value in change._asdict().items() if key != "scopes"},
        "id": number,
        "digest": digest,
        "policy_format": FORMAT,
        "created_at": int(time.time()),
        "changes": json.dumps({"changes": change.changes, "scopes": change.scopes}),
        "document": zlib.compress(document),
        "imported_text": zlib.compress(text) if text else None,
    }
    try:
        with create_session(scoped=False) as session:
            newest = session.scalar(select(func.max(VERSIONS.c.id))) or 0
            if newest != parent:
                raise VersionConflict
            check(session)
            session.execute(insert(VERSIONS).values(row))
    except IntegrityError:
        raise VersionConflict from None
    return Stored(number, digest, values, text)


def history(limit: int | None = None, before: int | None = None, since: int = 0) -> list[Record]:
    """Return what is kept of versions, newest first.

    Args:
        limit: of how many at most.
        before: only of versions with lower numbers.
        since: only of versions that were made at this time or later, in seconds since 1970.

    Raises:
        SQLAlchemyError: if the database does not answer.
    """
    statement = select(*_RECORD).where(VERSIONS.c.created_at >= since).order_by(VERSIONS.c.id.desc()).limit(limit)
    with connect() as connection:
        rows = connection.execute(statement if before is None else statement.where(VERSIONS.c.id < before)).mappings()
        return [Record(**{**row, **_listed(row["changes"])}) for row in rows]


def heads(limit: int, before: int | None = None) -> list[Record]:
    """Return what is kept of versions but for their changes, newest first: an import has very many of them.

    Raises:
        SQLAlchemyError: if the database does not answer.
    """
    columns = (column for column in _RECORD if column.name != "changes")
    statement = select(*columns).order_by(VERSIONS.c.id.desc()).limit(limit)
    with connect() as connection:
        rows = connection.execute(statement if before is None else statement.where(VERSIONS.c.id < before)).mappings()
        return [Record(**row, changes=(), scopes=()) for row in rows]


_AT_ONCE = 500


def with_changes(numbers: Sequence[int]) -> Iterator[Record]:
    """Yield some versions with their changes, a few at a time.

    Raises:
        SQLAlchemyError: if the database does not answer.
    """
    for at in range(0, len(numbers), _AT_ONCE):
        with connect() as connection:
            statement = select(*_RECORD).where(VERSIONS.c.id.in_(numbers[at : at + _AT_ONCE]))
            rows = connection.execute(statement).mappings().all()
        for row in rows:
            yield Record(**{**row, **_listed(row["changes"])})


def _listed(text: str) -> dict[str, Any]:
    found = json.loads(text)
    if isinstance(found, list):
        # As the first versions of this table had it.
        found = {"changes": found, "scopes": []}
    # The members of a Team are about the same scopes.
    known: dict[tuple[str, ...], GrantScope] = {}
    scopes = (
        tuple(known.get(scope) or known.setdefault(scope, GrantScope(*scope)) for scope in map(tuple, each))
        for each in found["scopes"]
    )
    return {"changes": tuple(found["changes"]), "scopes": tuple(scopes)}


def remove_documents(numbers: Iterable[int]) -> int:
    """Remove the documents of old versions, and keep the record of what they changed; return how many had one.

    Raises:
        SQLAlchemyError: if it cannot be written.
    """
    wanted = frozenset(numbers)
    # The newest one is the policy, and stays.
    older = VERSIONS.c.id < select(func.max(VERSIONS.alias().c.id)).scalar_subquery()
    with create_session(scoped=False) as session:
        found = session.scalars(select(VERSIONS.c.id).where(VERSIONS.c.document.is_not(None), older)).all()
        kept = [number for number in found if number in wanted]
        # One by one: no database takes any number of them in one statement.
        for number in kept:
            session.execute(update(VERSIONS).where(VERSIONS.c.id == number).values(document=None, imported_text=None))
    return len(kept)
