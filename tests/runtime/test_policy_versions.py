"""The versions of the policy in the metadata database, and the running policy that is read from there."""

from __future__ import annotations

import json
import logging
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from astro_auth_plugin.rbac.policy import yaml_reader
from astro_auth_plugin.rbac.policy.yaml_reader import MAX_BYTES
from astro_auth_plugin.runtime import policy_versions
from astro_auth_plugin.runtime.policy_source import (
    EMPTY,
    DatabasePolicySource,
    FilePolicySource,
    PolicyUnavailable,
    PolicyUnread,
    source_of,
)
from astro_auth_plugin.runtime.policy_store import PolicyRefused, PolicyStore, check_policy
from astro_auth_plugin.runtime.policy_versions import VERSIONS, Change, DocumentUnusable, VersionConflict
from astro_auth_plugin.runtime.settings import Settings
from tests.conftest import CountStatements
from tests.in_request import HEAD
from tests.on_server import ON_EACH, on_each

SETTINGS = Settings(None, "dep")
CHANGE = Change("ana@example.com", "person", "page", "because", None, ("+ user `ana@example.com`", "- Team `é`"))


@pytest.fixture(scope="module", params=ON_EACH)
def metadata_database(request: pytest.FixtureRequest, metadata_database: Any) -> Iterator[Any]:
    """SQLAlchemy's engine of the metadata database, of SQLite and on a server."""
    yield from on_each(request, metadata_database, "versions")


@pytest.fixture(autouse=True)
def table(metadata_database: Any) -> Iterator[None]:
    """No test sees the versions of another one."""
    yield
    with Session(metadata_database) as session:
        session.execute(delete(VERSIONS))
        session.commit()


def values_of(name: str = "one") -> dict[str, Any]:
    """Return a policy with one user."""
    values: dict[str, Any] = yaml_reader.read(f"{HEAD}users: [{{email: {name}@example.com}}]\n".encode()).values
    return values


def publish(*names: str) -> list[int]:
    """Publish a version for each name, behind those that there are."""
    newest = policy_versions.read()
    parent = newest.id if newest else 0
    return [policy_versions.publish(parent + index, values_of(name), CHANGE).id for index, name in enumerate(names)]


def write(engine: Any, number: int, **columns: Any) -> None:
    """Write into a row by hand."""
    with Session(engine) as session:
        session.execute(update(VERSIONS).where(VERSIONS.c.id == number).values(columns))
        session.commit()


def write_document(engine: Any, number: int, data: bytes) -> None:
    """Write a document into a row, with the digest that it has."""
    write(engine, number, document=zlib.compress(data), digest=policy_versions._digest(number, data))


def row(engine: Any, number: int) -> Any:
    with Session(engine) as session:
        return session.execute(select(VERSIONS).where(VERSIONS.c.id == number)).one()


# -- versions ------------------------------------------------------------------------------------------------------


def test_nothing_yet() -> None:
    """Of an empty table there is no version, digest or history."""
    assert policy_versions.read() is None
    assert policy_versions.read(1) is None
    assert policy_versions.read_digest() is None
    assert policy_versions.history() == []


def test_publish_and_read(metadata_database: Any) -> None:
    """What was published is read as it was, the newest by default, each with a digest of its own."""
    awkward = {**values_of(), "odd": "é 🙂 \x85\u2028 \\ \n\t\"'"}
    assert policy_versions.publish(0, awkward, CHANGE, "# é\n".encode()).id == 1
    assert policy_versions.publish(1, awkward, CHANGE) == policy_versions.read(2)
    one, two, newest = (policy_versions.read(number) for number in (1, 2, None))
    assert one and two
    assert (one.id, one.values, one.text) == (1, awkward, "# é\n".encode())
    assert (two.id, two.values, two.text) == (2, awkward, b"")
    assert newest == two
    assert one.digest != two.digest == policy_versions.read_digest()
    assert policy_versions.read(3) is None
    assert row(metadata_database, 1).policy_format == policy_versions.FORMAT


def test_history() -> None:
    """The history has what was said of each version, newest first, and may be cut in every direction."""
    begin = int(time.time())
    publish("one", "two", "six")
    records = policy_versions.history()
    assert [record.id for record in records] == [3, 2, 1]
    first = records[-1]
    assert begin <= first.created_at <= time.time()
    assert first[3:] == tuple(CHANGE)
    assert [record.id for record in policy_versions.history(limit=2)] == [3, 2]
    assert [record.id for record in policy_versions.history(limit=1, before=3)] == [2]
    assert [record.id for record in policy_versions.history(before=1)] == []
    assert len(policy_versions.history(since=begin)) == 3
    assert policy_versions.history(since=int(time.time()) + 60) == []


def test_history_without_changes() -> None:
    """The changes of versions can be read for themselves, and both together are the history."""
    publish("one", "two", "six")
    heads = policy_versions.heads(2)
    assert [(head.id, head.changes, head.scopes) for head in heads] == [(3, (), ()), (2, (), ())]
    assert [head.id for head in policy_versions.heads(5, before=2)] == [1]
    whole = policy_versions.history()
    assert sorted(policy_versions.with_changes([3, 1, 99])) == [whole[2], whole[0]]
    assert [head._replace(changes=CHANGE.changes, scopes=CHANGE.scopes) for head in heads] == whole[:2]
    assert list(policy_versions.with_changes([])) == []
    assert policy_versions.digest_of(2) == whole[1].digest and policy_versions.digest_of(9) is None


def test_what_reverts_is_kept() -> None:
    """That a version returns to another one is in the history."""
    publish("one", "two")
    policy_versions.publish(2, values_of("one"), CHANGE._replace(source="revert", reverts=1))
    assert [record.reverts for record in policy_versions.history()] == [1, None, None]


@pytest.mark.parametrize("parent", [0, 1, 3, 99])
def test_parent_that_is_not_the_newest(parent: int) -> None:
    """A change of any version but the newest is refused, and nothing is written."""
    publish("one", "two")
    with pytest.raises(VersionConflict):
        policy_versions.publish(parent, values_of("six"), CHANGE)
    assert [record.id for record in policy_versions.history()] == [2, 1]


def test_number_that_is_taken_meanwhile() -> None:
    """If another version comes between the look at the newest one and the insert, the change is refused."""
    publish("one")

    def other_is_faster(_: Session) -> None:
        policy_versions.publish(1, values_of("two"), CHANGE)

    with pytest.raises(VersionConflict):
        policy_versions.publish(1, values_of("six"), CHANGE, check=other_is_faster)
    newest = policy_versions.read()
    assert newest and newest.values == values_of("two")


def test_check_stops_it() -> None:
    """What the check raises leaves everything as it is."""

    def stop(_: Session) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        policy_versions.publish(0, values_of(), CHANGE, check=stop)
    assert policy_versions.read() is None


def test_too_large() -> None:
    """A document beyond the limit is refused with its size, before anything is written."""
    with pytest.raises(DocumentUnusable, match=r"the policy would have 10\.0 MiB as JSON, and 10 MiB are allowed"):
        policy_versions.publish(0, {"text": "x" * MAX_BYTES}, CHANGE)
    with pytest.raises(DocumentUnusable, match=r"would have 12\.5 MiB"):
        policy_versions.publish(0, {"text": "x" * int(12.5 * 2**20)}, CHANGE)
    assert policy_versions.history() == []


def test_as_large_as_allowed() -> None:
    """A document of exactly the limit is written and read."""
    largest = {"text": "x" * (MAX_BYTES - len('{"text":""}'))}
    policy_versions.publish(0, largest, CHANGE, b"y" * MAX_BYTES)
    newest = policy_versions.read()
    assert newest and newest.values == largest and len(newest.text) == MAX_BYTES


# -- damage --------------------------------------------------------------------------------------------------------

_NESTED = b'{"a":' * 100_000


@pytest.mark.parametrize(
    "columns",
    [
        {"document": b""},
        {"document": b"not compressed"},
        {"document": zlib.compress(json.dumps(values_of("two")).encode())},
        {"document": zlib.compress(json.dumps(values_of(), separators=(",", ":")).encode())[:-20]},
        {"digest": "0" * 64},
        {"digest": ""},
    ],
)
def test_damaged(columns: dict[str, Any], metadata_database: Any) -> None:
    """A row that was written by hand or is cut is not taken for the policy."""
    publish("one")
    write(metadata_database, 1, **columns)
    with pytest.raises(DocumentUnusable, match="version 1 of the policy is damaged"):
        policy_versions.read()


@pytest.mark.parametrize("data", [b"[]", b"null", b'"text"', b"{", b"\xff", b"", _NESTED])
def test_no_mapping(data: bytes, metadata_database: Any) -> None:
    """What is no mapping in JSON is refused, though the digest fits."""
    publish("one")
    write_document(metadata_database, 1, data)
    with pytest.raises(DocumentUnusable, match="is damaged"):
        policy_versions.read()


def test_row_under_another_number(metadata_database: Any) -> None:
    """An old version's document under another number is not taken: the digest is of both."""
    publish("one", "two")
    old = row(metadata_database, 1)
    write(metadata_database, 2, document=old.document, digest=old.digest)
    with pytest.raises(DocumentUnusable, match="version 2 of the policy is damaged"):
        policy_versions.read()


@pytest.mark.parametrize("text", [b"not compressed", b"\0", zlib.compress(b"version: 1")[:-6]])
def test_damaged_text(text: bytes, metadata_database: Any) -> None:
    """An imported text that cannot be read is damage like any other."""
    policy_versions.publish(0, values_of(), CHANGE, b"version: 1\n")
    write(metadata_database, 1, imported_text=text)
    with pytest.raises(DocumentUnusable, match="is damaged"):
        policy_versions.read()


def test_newer_format(metadata_database: Any) -> None:
    """A version of a newer plugin is not guessed at."""
    publish("one")
    write(metadata_database, 1, policy_format=policy_versions.FORMAT + 1)
    with pytest.raises(DocumentUnusable, match="was written by a newer version of astro_auth_plugin"):
        policy_versions.read()


@pytest.mark.parametrize("column", ["document", "imported_text"])
def test_zip_bomb(column: str, metadata_database: Any) -> None:
    """A small row that expands to very much fills no memory."""
    packer = zlib.compressobj(1)
    bomb = b"".join([*(packer.compress(b" " * 2**20) for _ in range(100)), packer.flush()])
    assert len(bomb) < 2**20
    policy_versions.publish(0, values_of(), CHANGE, b"x")
    write(metadata_database, 1, **{column: bomb})
    tracemalloc.start()
    try:
        with pytest.raises(DocumentUnusable, match="is damaged"):
            policy_versions.read()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * MAX_BYTES


# -- documents that are removed ------------------------------------------------------------------------------------


def test_remove_documents(metadata_database: Any) -> None:
    """Documents and texts of old versions go, their history stays, and each is counted once."""
    policy_versions.publish(0, values_of(), CHANGE, b"text")
    publish("two", "six")
    before = policy_versions.history()
    assert policy_versions.remove_documents([1, 2]) == 2
    assert policy_versions.remove_documents([1, 2]) == 0
    assert (row(metadata_database, 1).document, row(metadata_database, 1).imported_text) == (None, None)
    assert policy_versions.history() == before
    with pytest.raises(DocumentUnusable, match="the document of version 1 of the policy has been removed"):
        policy_versions.read(1)
    newest = policy_versions.read()
    assert newest and newest.values == values_of("six")


def test_newest_document_stays() -> None:
    """The newest document is the policy, and is never removed, whatever else is."""
    publish("one", "two", "six")
    assert policy_versions.remove_documents([3]) == 0
    assert policy_versions.remove_documents(range(100)) == 2
    newest = policy_versions.read()
    assert newest and newest.values == values_of("six")


def test_remove_many_or_none() -> None:
    """A long history is no obstacle, and neither is an empty one."""
    assert policy_versions.remove_documents([]) == 0
    assert policy_versions.remove_documents([1]) == 0
    publish("one", "two")
    assert policy_versions.remove_documents(range(300_000)) == 1


# -- the source ----------------------------------------------------------------------------------------------------


def away(*_: Any) -> Any:
    raise OperationalError("SELECT secret", {}, Exception("password=hunter2"))


def test_source_of() -> None:
    """Without a file the policy is in the database."""
    assert isinstance(source_of(SETTINGS), DatabasePolicySource)
    assert isinstance(source_of(Settings(Path("policy.yaml"), "dep")), FilePolicySource)


def test_source() -> None:
    """The source has the newest version, and its digest."""
    source = DatabasePolicySource()
    assert source.version() is None
    publish("one")
    one = source.version()
    assert one == policy_versions.read_digest()
    checked = source.load()
    assert checked.policy and [user.email for user in checked.policy.document.users] == ["one@example.com"]
    publish("two")
    assert source.version() not in (one, None)


def test_empty_store() -> None:
    """An empty store says how to begin."""
    checked = check_policy(SETTINGS)
    assert checked.policy is None
    assert [problem.message for problem in checked.errors] == [EMPTY]
    assert "policy import FILE" in EMPTY
    assert "policy init --owner EMAIL" in EMPTY


def test_database_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an answer of the database the version is unknown and the policy unread, and no message has its words."""
    publish("one")
    source = DatabasePolicySource()
    monkeypatch.setattr(policy_versions, "connect", away)
    with pytest.raises(PolicyUnavailable, match=r"^the metadata database does not answer: OperationalError$"):
        source.version()
    with pytest.raises(PolicyUnread, match=r"^cannot read the policy from the database: OperationalError$"):
        source.load()
    checked = check_policy(SETTINGS)
    assert [problem.message for problem in checked.errors] == [
        "cannot read the policy from the database: OperationalError"
    ]


# -- the running policy --------------------------------------------------------------------------------------------


@pytest.fixture
def store() -> PolicyStore:
    """The running policy, of a first version."""
    publish("one")
    return PolicyStore(SETTINGS)


def user(store: PolicyStore, version: Any = None) -> str:
    (entry,) = store.engine(version).policy.document.users
    return entry.email.removesuffix("@example.com")


def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


def test_next_call_has_the_new_version(store: PolicyStore) -> None:
    """After each new version the next call answers from it, whether the caller has read its digest or not."""
    assert user(store) == "one"
    for name in ("two", "six"):
        publish(name)
        assert user(store) == name
    publish("ten")
    assert user(store, policy_versions.read_digest()) == "ten"


def test_known_version_takes_no_statement(store: PolicyStore, statements: CountStatements) -> None:
    """A caller who has read the column beside something else makes no statement; one who has not makes one."""
    digest = policy_versions.read_digest()
    with statements() as sent:
        assert user(store, digest) == "one"
    assert sent == []
    with statements() as sent:
        assert user(store) == "one"
    assert len(sent) == 1
    with policy_versions.connect() as connection:
        assert connection.scalar(select(store.column)) == digest


def test_stale_digest(store: PolicyStore) -> None:
    """A digest that was read before another request loaded a newer version does not bring the old one back."""
    old = policy_versions.read_digest()
    publish("two")
    assert user(store) == "two"
    assert user(store, old) == "two"


def bad_document(engine: Any) -> None:
    write_document(engine, 2, b'{"version":1,"organization_id":"org","users":[{"email":"nobody"}]}')


def not_of_here(engine: Any) -> None:
    write_document(engine, 2, b'{"version":1,"organization_id":"org"}')


def damaged(engine: Any) -> None:
    write(engine, 2, document=b"x")


def of_newer_plugin(engine: Any) -> None:
    write(engine, 2, policy_format=9)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (bad_document, "`nobody` is not an e-mail address"),
        (not_of_here, "does not list the Deployment `dep`"),
        (damaged, "version 2 of the policy is damaged"),
        (of_newer_plugin, "was written by a newer version"),
    ],
)
def test_bad_newest_version(
    spoil: Any, said: str, store: PolicyStore, metadata_database: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A bad newest version leaves the last good one in use, is said once, and a good one after it counts."""
    publish("two")
    # Written before any call sees the version, as another process would.
    spoil(metadata_database)
    assert [user(store) for _ in range(4)] == ["one"] * 4
    (told,) = refusals(caplog)
    assert said in told and "the policy store" in told
    policy_versions.publish(2, values_of("six"), CHANGE)
    assert user(store) == "six"


def test_versions_are_gone(store: PolicyStore, metadata_database: Any, caplog: pytest.LogCaptureFixture) -> None:
    """If all versions go under a running server, the last good one stays, and that is said once."""
    with Session(metadata_database) as session:
        session.execute(delete(VERSIONS))
        session.commit()
    assert [user(store) for _ in range(3)] == ["one"] * 3
    assert len(refusals(caplog)) == 1
    publish("two")
    assert user(store) == "two"


def test_number_that_comes_again(store: PolicyStore, metadata_database: Any) -> None:
    """After a backup was restored the same number is another version, and counts."""
    with Session(metadata_database) as session:
        session.execute(delete(VERSIONS))
        session.commit()
    assert publish("two") == [1]
    assert user(store) == "two"


def test_no_start_without_a_policy() -> None:
    """With an empty table there is no start, and the refusal says how to begin."""
    with pytest.raises(PolicyRefused, match="there is no policy in the metadata database yet: import one with"):
        PolicyStore(SETTINGS)


@pytest.mark.parametrize("spoil", [damaged, of_newer_plugin, bad_document, not_of_here])
def test_no_start_with_a_bad_version(spoil: Any, metadata_database: Any) -> None:
    """With a bad newest version there is no start, whatever is good before it."""
    publish("one", "two")
    spoil(metadata_database)
    with pytest.raises(PolicyRefused, match="the policy store"):
        PolicyStore(SETTINGS)


def test_database_away_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that does not answer stops the start with the reason."""
    monkeypatch.setattr(policy_versions, "connect", away)
    with pytest.raises(PolicyRefused, match="the policy store: the metadata database does not answer"):
        PolicyStore(SETTINGS)


def test_database_goes_away(store: PolicyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the database does not answer, nobody is answered from a policy that may be old."""
    with monkeypatch.context() as patch:
        patch.setattr(policy_versions, "connect", away)
        with pytest.raises(PolicyUnavailable):
            store.engine()
    assert user(store) == "one"


def test_new_version_that_cannot_be_read(
    store: PolicyStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While a new version cannot be fetched nothing is decided by the one before it; the next request tries again."""
    publish("two")
    with monkeypatch.context() as patch:
        patch.setattr(policy_versions, "read", away)
        for number in (1, 2, 3):
            with pytest.raises(PolicyUnavailable):
                store.engine()
            assert len(refusals(caplog)) == number
    assert user(store) == "two"
