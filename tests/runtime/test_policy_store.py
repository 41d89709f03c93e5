"""The running policy on real files: what counts when, and what happens when a version is bad."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from astro_auth_plugin.rbac.model.permissions import mask
from astro_auth_plugin.rbac.policy import loader
from astro_auth_plugin.rbac.policy.loader import Checked
from astro_auth_plugin.runtime import policy_store
from astro_auth_plugin.runtime.policy_source import FilePolicySource, PolicyUnavailable
from astro_auth_plugin.runtime.policy_store import PolicyRefused, PolicyStore
from astro_auth_plugin.runtime.settings import Settings
from tests.in_request import HEAD

BAD = HEAD + "users:\n  - email: nobody\n  - emial: a@b\n"
PROBLEMS = ("`nobody` is not an e-mail address", "unknown key `emial`", "the key `email` is missing")


def good(name: str) -> str:
    """Return a policy with one user, whose name has the same length whatever it is."""
    assert len(name) == 3
    return HEAD + f"users: [{{email: {name}@example.com}}]\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(good("one"))
    return path


@pytest.fixture
def store(file: Path) -> PolicyStore:
    return PolicyStore(Settings(file, "dep"))


def user(store: PolicyStore) -> str:
    (entry,) = store.engine().policy.document.users
    return entry.email.removesuffix("@example.com")


def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


# -- a new version -------------------------------------------------------------------------------------------------


def rename_over(file: Path, text: str) -> None:
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


def rewrite(file: Path, text: str) -> None:
    with file.open("r+") as opened:
        opened.write(text)
        opened.truncate()


def rewrite_and_set_the_clock_back(file: Path, text: str) -> None:
    before = file.stat()
    rewrite(file, text)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = file.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (before.st_size, before.st_mtime_ns, before.st_ino)


@pytest.mark.parametrize("change", [rename_over, rewrite, rewrite_and_set_the_clock_back])
def test_next_call_has_the_new_version(store: PolicyStore, file: Path, change: Callable[[Path, str], None]) -> None:
    """However the file is replaced, the next call answers from the new version."""
    assert user(store) == "one"
    for name in ("two", "six", "ten"):
        change(file, good(name))
        assert user(store) == name


def test_symlink_swap(tmp_path: Path) -> None:
    """Kubernetes swaps a symlink to a folder; the next call answers from the new folder."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "policy.yaml").write_text(good(name))
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "policy.yaml").symlink_to("..data/policy.yaml")
    store = PolicyStore(Settings(tmp_path / "policy.yaml", "dep"))
    assert user(store) == "one"
    (tmp_path / "..data_tmp").symlink_to("two")
    (tmp_path / "..data_tmp").replace(tmp_path / "..data")
    assert user(store) == "two"


def test_unchanged_file_is_not_read_again(store: PolicyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as the file stays as it is, the same engine answers and nothing is loaded."""
    engine = store.engine()
    monkeypatch.setattr(policy_store, "load_engine", pytest.fail)
    assert all(store.engine() is engine for _ in range(3))


# -- a bad version -------------------------------------------------------------------------------------------------


def test_bad_version_changes_nothing(store: PolicyStore, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A bad version is refused whole, with every problem in the log, once and not on each request."""
    engine = store.engine()
    rename_over(file, BAD)
    assert [store.engine() for _ in range(5)] == [engine] * 5
    (said,) = refusals(caplog)
    assert all(problem in said for problem in (*PROBLEMS, "the policy has 3 problems", str(file)))


def test_each_bad_version_is_told(store: PolicyStore, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Another bad version is told again, and a good one after it counts."""
    rename_over(file, BAD)
    store.engine()
    rename_over(file, "version: 2\n")
    store.engine()
    assert len(refusals(caplog)) == 2
    rename_over(file, good("two"))
    assert user(store) == "two"
    assert len(refusals(caplog)) == 2


def test_version_that_could_not_be_read(
    store: PolicyStore, file: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new version whose read fails, for want of file descriptors for instance, is read again some seconds later."""
    moment = [100.0]
    monkeypatch.setattr(policy_store.time, "monotonic", lambda: moment[0])
    rename_over(file, good("two"))
    with monkeypatch.context() as patch:
        patch.setattr(FilePolicySource, "_read", Mock(side_effect=OSError(24, "Too many open files")))
        assert [user(store) for _ in range(3)] == ["one"] * 3
    (said,) = refusals(caplog)
    assert "cannot read the policy file: Too many open files" in said
    moment[0] += policy_store.RETRY_SECONDS
    assert user(store) == "two"


def test_deleted_and_restored(store: PolicyStore, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A deleted file keeps the last good version, and is told once; what is put back counts."""
    file.unlink()
    assert [user(store) for _ in range(3)] == ["one"] * 3
    (said,) = refusals(caplog)
    assert "cannot read the policy file: No such file or directory" in said
    file.write_text(good("two"))
    assert user(store) == "two"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (good("two").replace("{id: dep, workspace_id: ws}, ", ""), "does not list the Deployment `dep`"),
        (
            good("two").replace("{id: dep, workspace_id: ws}", "{id: dep, workspace_id: ws-other}"),
            "workspace_id says `ws`",
        ),
        (good("two").replace("organization_id: org", "organization_id: org2"), "organization_id says `org`"),
    ],
)
def test_version_of_somewhere_else(file: Path, text: str, said: str, caplog: pytest.LogCaptureFixture) -> None:
    """A version that is not for this installation is refused like a bad one."""
    store = PolicyStore(Settings(file, "dep", workspace_id="ws", organization_id="org"))
    rename_over(file, text)
    assert user(store) == "one"
    assert said in refusals(caplog)[0]


@pytest.mark.parametrize("error", [TypeError("x"), RecursionError(), MemoryError()])
def test_checks_that_fail(
    store: PolicyStore, file: Path, error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A version that cannot be checked at all changes nothing, and no call fails for it."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(loader, "load", fail)
    rename_over(file, good("two"))
    assert [user(store) for _ in range(3)] == ["one"] * 3
    assert len(refusals(caplog)) == 1


def test_warnings_are_logged(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What is likely not meant is said when the version is loaded."""
    file.write_text(HEAD + "teams: [{name: empty}]\n")
    PolicyStore(Settings(file, "dep")).engine()
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert record.getMessage() == f"{file}:5:9: warning: teams[0]: this Team has neither members nor groups"


# -- the start -----------------------------------------------------------------------------------------------------


def test_bad_at_start(file: Path) -> None:
    """Without a good version there is no start, and the refusal lists every problem."""
    file.write_text(BAD)
    with pytest.raises(PolicyRefused) as refused:
        PolicyStore(Settings(file, "dep"))
    assert str(refused.value).splitlines() == [
        "the policy has 3 problems:",
        f"{file}:6:12: users[0].email: `nobody` is not an e-mail address",
        f"{file}:7:5: users[1]: the key `email` is missing",
        f"{file}:7:5: users[1].emial: unknown key `emial`, did you mean `email`?",
    ]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("gone.yaml", "No such file or directory"),
        (".", "Is a directory"),
        ("policy.yaml/below", "Not a directory"),
        ("loop", "Too many levels of symbolic links"),
    ],
)
def test_unreadable_at_start(file: Path, path: str, why: str) -> None:
    """A path at which there is no file to read stops the start with the reason."""
    (file.parent / "loop").symlink_to("loop")
    with pytest.raises(PolicyRefused, match=f"cannot read the policy file: {why}"):
        PolicyStore(Settings(file.parent / path, "dep"))


def test_forbidden_at_start(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that may not be read stops the start with the reason."""

    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", forbidden)  # root may read everything, so a mode of 000 would not do
    with pytest.raises(PolicyRefused, match="cannot read the policy file: Permission denied"):
        PolicyStore(Settings(file, "dep"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"deployment_id": "de"}, "does not list the Deployment `de`; see [astro_auth] deployment_id"),
        ({"workspace_id": "ws-other"}, "is in `ws` there, but [astro_auth] workspace_id says `ws-other`"),
        ({"organization_id": "or"}, "`org` there, but [astro_auth] organization_id says `or`"),
    ],
)
def test_other_ids_at_start(file: Path, settings: dict[str, str], said: str) -> None:
    """Ids in the options that the file contradicts stop the start."""
    with pytest.raises(PolicyRefused) as refused:
        PolicyStore(Settings(**{"policy_file": file, "deployment_id": "dep", **settings}))
    assert said in str(refused.value)


def test_larger_than_allowed(file: Path) -> None:
    """A file of more than 10 MiB is refused without being read to its end."""
    with file.open("wb") as opened:
        opened.truncate(1 << 40)
    with pytest.raises(PolicyRefused, match="larger than 10 MiB"):
        PolicyStore(Settings(file, "dep"))


# -- many threads --------------------------------------------------------------------------------------------------


def test_nobody_gets_the_old_version_while_the_new_one_loads(
    store: PolicyStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls that begin after a change wait for the new version, also while another thread is loading it."""
    loading, go_on, loads = threading.Event(), threading.Event(), []
    load = loader.load

    def slowly(*args: object) -> object:
        loads.append(args)
        loading.set()
        assert go_on.wait(60)
        return load(*args)

    monkeypatch.setattr(loader, "load", slowly)
    rename_over(file, good("two"))
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(user, store)
        assert loading.wait(60)
        later = [pool.submit(user, store) for _ in range(7)]
        assert wait(later, timeout=0.1).done == set()
        go_on.set()
        assert {call.result(60) for call in [first, *later]} == {"two"}
    assert len(loads) == 1


def test_version_that_changes_while_it_is_read(store: PolicyStore, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that is replaced while the one before it loads counts on the next call."""
    load = loader.load

    def replace_and_load(*args: object) -> object:
        monkeypatch.setattr(loader, "load", load)
        rename_over(file, good("six"))
        return load(*args)

    monkeypatch.setattr(loader, "load", replace_and_load)
    rename_over(file, good("two"))
    store.engine()
    assert user(store) == "six"


def test_threads_never_see_a_mixture(store: PolicyStore, file: Path) -> None:
    """While the file changes all the time, bad versions among the good, every call answers from one good version."""
    names = [f"{number:03}" for number in range(60)]
    written: list[str] = ["one"]
    stop = threading.Event()
    wrong: list[object] = []

    def ask() -> None:
        while not stop.is_set():
            try:
                oldest = written[-1]
                found = user(store)
                if found not in ("one", *names) or ("one", *names).index(found) < ("one", *names).index(oldest):
                    wrong.append((oldest, found))
            except Exception as error:  # noqa: BLE001 - whatever it is, there must be none
                wrong.append(error)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for number, name in enumerate(names):
        if number % 3 == 0:
            rename_over(file, BAD)
        rename_over(file, good(name))
        written.append(name)
        assert user(store) == name
    stop.set()
    for thread in threads:
        thread.join(10)
    assert wrong == []


# -- a file system that does not answer ----------------------------------------------------------------------------


def test_a_mount_that_hangs_takes_one_thread(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread waits for the file system; the others are refused, later ones at once, until it answers again."""
    monkeypatch.setattr(policy_store, "LOOK_SECONDS", 0.2)
    answers, requested = threading.Event(), []
    store = PolicyStore(Settings(file, "dep"))
    stat = os.stat

    def hang(path: Any, *args: Any, **kwargs: Any) -> os.stat_result:
        if path == file:
            requested.append(path)
            assert answers.wait(60)
        return stat(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", hang)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(user, store)
        while not requested:
            assert not wait([first], timeout=0.01).done
        others = [pool.submit(user, store) for _ in range(8)]
        assert all(isinstance(call.exception(60), PolicyUnavailable) for call in others)
        store._looking._seconds = 3600
        with pytest.raises(PolicyUnavailable):
            store.engine()
        assert len(requested) == 1
        answers.set()
        assert first.result(60) == "one"
    assert user(store) == "one"


# -- a source that is no file --------------------------------------------------------------------------------------


class InMemory:
    """A policy that is a value."""

    name = "memory"
    column = None

    def __init__(self, text: str) -> None:
        self.text = text

    def version(self) -> str:
        """Return the text: each is another version."""
        return self.text

    def load(self) -> Checked:
        """Check the text."""
        return loader.load(self.text.encode())


def test_another_source(file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A policy may come from elsewhere: new versions count at once, bad ones do not, and messages name the source."""
    source = InMemory(good("six"))
    monkeypatch.setattr(policy_store, "source_of", lambda _: source)
    store = PolicyStore(Settings(file, "dep"))
    assert user(store) == "six"
    source.text = good("two")
    assert user(store) == "two"
    source.text = BAD
    assert user(store) == "two"
    assert "memory:" in refusals(caplog)[0]


# -- grants that end -----------------------------------------------------------------------------------------------


def test_grant_ends_without_a_reload(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the second of its end a grant gives nothing, on every way to the engine, though the file is the same."""
    clock = Mock(wraps=datetime)
    end = datetime(2099, 1, 1, tzinfo=UTC)
    role = f"{{deployment_id: dep, role: DEPLOYMENT_ADMIN, expires_at: {end.isoformat()}}}"
    file.write_text(HEAD + f"users: [{{email: one@example.com, deployment_roles: [{role}]}}]\n")
    monkeypatch.setattr(policy_store, "datetime", clock)
    store = PolicyStore(Settings(file, "dep"))
    monkeypatch.setattr(policy_store, "load_engine", None)
    for time, holds in ((end - timedelta(seconds=1), True), (end, False), (end + timedelta(days=1), False)):
        clock.now.side_effect = lambda _, time=time: time
        for engine in (store.newest, store.engine()):
            assert engine.check("one@example.com", mask("dag.get")).allowed is holds
    assert store.engine() is store.newest


def test_membership_ends_without_a_reload(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the second of its end a membership gives nothing, though the file is the same."""
    clock = Mock(wraps=datetime)
    end = datetime(2099, 1, 1, tzinfo=UTC)
    member = f"{{email: one@example.com, expires_at: {end.isoformat()}}}"
    role = "{deployment_id: dep, role: DEPLOYMENT_ADMIN}"
    file.write_text(HEAD + f"teams: [{{name: t, members: [{member}], deployment_roles: [{role}]}}]\n")
    monkeypatch.setattr(policy_store, "datetime", clock)
    store = PolicyStore(Settings(file, "dep"))
    monkeypatch.setattr(policy_store, "load_engine", None)
    for time, holds in ((end - timedelta(seconds=1), True), (end, False)):
        clock.now.side_effect = lambda _, time=time: time
        assert store.engine().check("one@example.com", mask("dag.get")).allowed is holds
