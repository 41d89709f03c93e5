"""Changes of the policy in the database: who may make which, and what happens when several come at once."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from airflow.models.log import Log
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from astro_auth_plugin.access_management import policy_audit, publisher
from astro_auth_plugin.access_management.publisher import (
    Actor,
    ChangeDenied,
    LastOwner,
    NoPolicy,
    Published,
    TooManyChanges,
    Wanted,
)
from astro_auth_plugin.rbac.changes import edits
from astro_auth_plugin.rbac.changes.edits import Edit, EditError
from astro_auth_plugin.rbac.changes.proposal import InvalidProposal
from astro_auth_plugin.rbac.model.scopes import ORGANIZATION, GrantScope
from astro_auth_plugin.rbac.model.subjects import user_subject
from astro_auth_plugin.rbac.policy import loader, yaml_reader
from astro_auth_plugin.rbac.policy.entries import plain
from astro_auth_plugin.rbac.policy.grants import Principal
from astro_auth_plugin.rbac.policy.loader import Checked
from astro_auth_plugin.runtime import policy_versions
from astro_auth_plugin.runtime.policy_source import EMPTY
from astro_auth_plugin.runtime.policy_store import PolicyStore
from astro_auth_plugin.runtime.policy_versions import VERSIONS, Change, DocumentUnusable, VersionConflict
from astro_auth_plugin.runtime.settings import Settings
from tests.conftest import CountStatements
from tests.in_request import HEAD

SETTINGS = Settings(None, "dep")
SHELL = Actor("root", "shell")
HASH = "0123456789abcdef" * 4
POLICY = f"""\
{HEAD}teams:
  - {{name: bosses, members: [Tea@example.com], idp_groups: [chiefs]}}
api_tokens:
  - {{id: one, name: One, secret_sha256: {HASH}, expires_at: never,
     roles: [{{role: DEPLOYMENT_ADMIN, entity_type: DEPLOYMENT, entity_id: dep}}]}}
users:
  - {{email: Olga@example.com, organization_role: ORGANIZATION_OWNER}}
  - {{email: ada@example.com, deployment_roles: [{{deployment_id: dep, role: DEPLOYMENT_ADMIN}}]}}
"""
IN_DEP = GrantScope("Deployment", "dep")


@pytest.fixture(autouse=True)
def table(metadata_database: Any, accounts: Any) -> Iterator[None]:
    """No test sees versions, accounts or audit rows of another one."""
    yield
    with Session(metadata_database) as session:
        session.execute(delete(VERSIONS))
        session.execute(delete(Log).where(Log.event.startswith("astro_auth.")))
        session.commit()


@pytest.fixture
def begun() -> None:
    """The policy of the tests is version 1."""
    begin()


def begin(text: str = POLICY) -> None:
    values = plain(yaml_reader.read(text.encode()).values)
    publish(edits.replace(values), source="import", text=text.encode())


def publish(
    edit: Edit, actor: Actor = SHELL, *, dry_run: bool = False, settings: Settings = SETTINGS, **how: Any
) -> Published:
    wanted = Wanted(edit, **{"source": "page", **how})
    return publisher.publish(wanted, actor, settings, dry_run=dry_run)


def person(name: str, *groups: str) -> Actor:
    email = f"{name}@example.com"
    return Actor(email, "person", user_subject(email), frozenset(groups))


def holder(name: str) -> Principal:
    return Principal("user", f"{name}@example.com")


def admin(name: str) -> Edit:
    return edits.grant(holder(name), "DEPLOYMENT_ADMIN", IN_DEP)


def owner(name: str) -> Edit:
    return edits.grant(holder(name), "ORGANIZATION_OWNER", ORGANIZATION)


def no_owner(name: str) -> Edit:
    return edits.revoke(holder(name), "ORGANIZATION_OWNER", ORGANIZATION)


def emails() -> set[str]:
    newest = policy_versions.read()
    assert newest
    return {user["email"] for user in newest.values.get("users", [])}


def newest_number() -> int:
    return policy_versions.newest_number()


def audit_rows(engine: Any) -> list[tuple[str, dict[str, Any]]]:
    with Session(engine) as session:
        found = session.execute(select(Log.owner, Log.extra).where(Log.event == "astro_auth.policy_changed"))
        return [(row.owner, json.loads(row.extra)) for row in found]


# -- what is published ---------------------------------------------------------------------------------------------


def test_publish(begun: None) -> None:
    """A change of the newest version is the next version, with who made it, how and why."""
    done = publish(admin("bo"), person("olga"), source="api", reason="on call")
    assert (done.parent, done.version) == (1, 2)
    assert done.before and done.proposal.policy
    record = policy_versions.history()[0]
    assert record[3:9] == (
        *("olga@example.com", "person", "api", "on call", None),
        ("+ user `bo@example.com`", "+ user `bo@example.com`: `DEPLOYMENT_ADMIN` on Deployment `dep`"),
    )
    assert "bo@example.com" in emails()


def test_nothing_to_change(begun: None) -> None:
    """What changes nothing is no version and no audit row."""
    for edit in (lambda values: values, lambda values: {**values, "users": list(reversed(values["users"]))}):
        done = publish(edit)
        assert (done.version, done.proposal.changes) == (None, ())
    assert newest_number() == 1


def test_import_again(begun: None) -> None:
    """The same text again is no version; with other comments it is one, since an export would give them."""
    begin()
    assert newest_number() == 1
    begin(f"# é\n{POLICY}")
    newest = policy_versions.read()
    assert newest and newest.id == 2 and newest.text == f"# é\n{POLICY}".encode()


def test_import_of_the_same_by_a_user(begun: None) -> None:
    """Another text of the same policy makes no version for a user, who may have no right to change anything."""
    other = yaml_reader.read(POLICY.encode()).values
    text = POLICY.replace("teams:", "# Teams\nteams:").encode()
    nobody = Actor("nobody@example.com", "person", "nobody@example.com")
    assert publish(edits.replace(plain(other)), nobody, source="import", text=text).version is None
    assert publish(edits.replace(plain(other)), source="import", text=text).version == 2


def test_user_of_a_new_deployment(begun: None) -> None:
    """Nobody has a role in a Deployment that the policy does not list yet, so only a shell adds the one of this Airflow."""

    def edit(values: dict[str, Any]) -> dict[str, Any]:
        return {**values, "deployments": [*values["deployments"], {"id": "new", "workspace_id": "ws"}]}

    olga, new = Actor("olga@example.com", "person", "olga@example.com"), Settings(None, "new")
    with pytest.raises(InvalidProposal, match="does not list the Deployment `new` yet: only a shell without --as"):
        publish(edit, olga, settings=new)
    assert publish(edit, settings=new).version == 2


def test_dry_run(begun: None, metadata_database: Any, statements: CountStatements) -> None:
    """A dry run says what would be, and writes neither a version nor a row."""
    rows = audit_rows(metadata_database)
    done = publish(admin("bo"), dry_run=True)
    assert (done.parent, done.version) == (1, None)
    assert next(map(str, done.proposal.changes)) == "+ user `bo@example.com`"
    assert newest_number() == 1
    assert audit_rows(metadata_database) == rows
    assert "bo@example.com" not in emails()


def test_text_of_a_change_is_not_kept(begun: None) -> None:
    """A version that a change made has no text of an import."""
    publish(admin("bo"))
    newest = policy_versions.read()
    assert newest and newest.text == b""


# -- what is refused -----------------------------------------------------------------------------------------------


def test_no_policy_yet() -> None:
    """Without a policy only a shell may bring one, and everything else is told how."""
    for edit, actor, how in (
        (admin("bo"), SHELL, {}),
        (admin("bo"), person("olga"), {}),
        (lambda values: values, person("olga"), {"source": "import"}),
    ):
        with pytest.raises(NoPolicy) as refused:
            publish(edit, actor, **how)
        assert str(refused.value) == EMPTY
    assert newest_number() == 0
    begin()
    assert newest_number() == 1


def test_edit_that_does_not_fit(begun: None) -> None:
    """An edit of what is not there is refused with its own words."""
    with pytest.raises(EditError, match="there is no Team `bossses`, did you mean `bosses`"):
        publish(edits.remove_team("bossses"))
    assert newest_number() == 1


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (edits.grant(holder("bo"), "DEPLOYMENT_ADMN", IN_DEP), "unknown role `DEPLOYMENT_ADMN`"),
        (lambda values: {**values, "version": 2}, "expected the number 1"),
        (lambda values: {**values, "x": 1}, "unknown key `x`"),
        (
            lambda values: {
                **values,
                "users": values["users"][:1],
                "deployments": values["deployments"][1:],
                "api_tokens": [],
            },
            "does not list the Deployment `dep`; see \\[astro_auth\\] deployment_id",
        ),
    ],
)
def test_invalid(edit: Edit, said: str, begun: None) -> None:
    """What would be no policy, or none of this Deployment, is refused with every reason."""
    for dry_run in (False, True):
        with pytest.raises(InvalidProposal, match=said):
            publish(edit, dry_run=dry_run)
    assert newest_number() == 1


@pytest.mark.parametrize("option", [{"workspace_id": "ws-other"}, {"organization_id": "org-2"}])
def test_policy_of_elsewhere(option: dict[str, str], begun: None) -> None:
    """A change after which the policy would contradict the options is refused: no server would take it."""
    with pytest.raises(InvalidProposal, match="but \\[astro_auth\\]"):
        publish(admin("bo"), settings=Settings(None, "dep", **option))


@pytest.mark.parametrize(
    ("actor", "edit", "allowed"),
    [
        (person("olga"), owner("bo"), True),
        (person("OLGA"), owner("bo"), True),
        (person("ada"), admin("bo"), True),
        (person("ada"), owner("bo"), False),
        (person("ada"), no_owner("olga"), False),
        (person("ada"), edits.grant(holder("ada"), "WORKSPACE_OWNER", GrantScope("Workspace", "ws")), False),
        (person("ada"), edits.grant(holder("bo"), "DEPLOYMENT_ADMIN", GrantScope("Deployment", "dep-2")), False),
        (person("nobody"), admin("nobody"), False),
        (person("tea"), admin("bo"), False),
        (Actor("One", "token", "token:one"), admin("bo"), True),
        (Actor("One", "token", "token:one"), owner("bo"), False),
    ],
)
def test_who_may(actor: Actor, edit: Edit, allowed: bool, begun: None, accounts: Any) -> None:
    """A change is made by whoever may give all of it; a denied one lists each part, and writes nothing."""
    for dry_run in (True, False):
        if allowed:
            assert publish(edit, actor, dry_run=dry_run).version == (None if dry_run else 2)
            continue
        with pytest.raises(ChangeDenied) as denied:
            publish(edit, actor, dry_run=dry_run)
        assert denied.value.denied
        assert str(denied.value).count("\n") == len(denied.value.denied) - 1
        assert newest_number() == 1


def test_groups_of_the_actor(begun: None) -> None:
    """What an actor may do by a group counts."""
    publish(edits.grant(Principal("Team", "bosses"), "ORGANIZATION_OWNER", ORGANIZATION))
    with pytest.raises(ChangeDenied):
        publish(owner("bo"), person("zoe", "others"))
    assert publish(owner("bo"), person("zoe", "chiefs")).version == 3


def test_judged_on_the_newest_version(begun: None) -> None:
    """Who lost the right by the newest version is denied, though the version before still gave it, and a revert too."""
    publish(owner("bo"))
    publish(no_owner("bo"))
    with_bo = policy_versions.read(2)
    assert with_bo
    with pytest.raises(ChangeDenied):
        publish(admin("zoe"), person("bo"))
    with pytest.raises(ChangeDenied, match="ORGANIZATION_OWNER"):
        publish(edits.replace(with_bo.values), person("ada"), source="revert", reverts=2)
    done = publish(edits.replace(with_bo.values), person("olga"), source="revert", reverts=2)
    assert done.version == 4
    assert policy_versions.history()[0].reverts == 2


def test_newest_version_cannot_be_used(begun: None, metadata_database: Any) -> None:
    """A damaged newest version is not changed; a shell may put another in its place by an import or a revert."""
    good = policy_versions.read()
    assert good
    publish(admin("bo"))
    with Session(metadata_database) as session:
        session.execute(update(VERSIONS).where(VERSIONS.c.id == 2).values(document=b"x"))
        session.commit()
    for actor, source in ((SHELL, "cli"), (person("olga"), "page"), (person("olga"), "import")):
        with pytest.raises(DocumentUnusable, match="version 2 of the policy is damaged"):
            publish(edits.replace(good.values), actor, source=source)
    done = publish(edits.replace(good.values), SHELL, source="revert", reverts=1)
    assert (done.parent, done.version, done.before) == (2, 3, None)


def test_too_large(begun: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy beyond the limit is refused with its size."""
    monkeypatch.setattr(policy_versions, "MAX_BYTES", 1000)
    with pytest.raises(DocumentUnusable, match="the policy would have"):
        publish(lambda values: {**values, "teams": [{"name": "x", "description": "y" * 1000, "members": ["a@b.c"]}]})


def test_too_many_changes(begun: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """When others come first each time, the change is given up with that reason."""
    tried = []

    def conflict(*_: Any, **__: Any) -> int:
        tried.append(1)
        raise VersionConflict

    monkeypatch.setattr(publisher, "_PAUSE_SECONDS", 0)
    monkeypatch.setattr(policy_versions, "publish", conflict)
    with pytest.raises(TooManyChanges, match="32 times: try again"):
        publish(admin("bo"))
    assert len(tried) == publisher.TRIES


def test_decided_again_after_a_conflict(begun: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that comes second is made and judged on the version that came first."""
    publish(owner("bo"))
    original = policy_versions.publish

    def other_is_faster(*args: Any, **kwargs: Any) -> int:
        monkeypatch.setattr(policy_versions, "publish", original)
        publisher._try(Wanted(no_owner("bo"), "page"), person("olga"), SETTINGS, dry_run=False)
        return original(*args, **kwargs)

    monkeypatch.setattr(policy_versions, "publish", other_is_faster)
    with pytest.raises(ChangeDenied):
        publish(no_owner("olga"), person("bo"))
    assert newest_number() == 3


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The documents that are checked, one after the other."""
    checked = []
    original = loader.from_values

    def noted(values: Any, *now: Any) -> Checked:
        checked.append(values)
        return original(values, *now)

    monkeypatch.setattr(loader, "from_values", noted)
    return checked


def test_only_what_is_new_is_checked(begun: None, checks: list[Any]) -> None:
    """A process that has loaded or made the newest version checks a change alone, and loads the new version as checked."""
    store = PolicyStore(SETTINGS)
    checks.clear()
    for name in ("bo", "cy"):
        publish(admin(name), person("olga"), dry_run=True)
        publish(admin(name), person("olga"))
        assert store.engine().entry_of(f"{name}@example.com")
        assert [[user["email"] for user in values["users"]][-1] for values in checks] == [f"{name}@example.com"] * 2
        checks.clear()


def test_version_of_another_process(begun: None, checks: list[Any]) -> None:
    """A version that another process has made is checked, and judged by, although this process has checked the one before."""
    publish(owner("bo"))
    checks.clear()
    newest = policy_versions.read()
    assert newest
    policy_versions.publish(2, no_owner("bo")(newest.values), Change("other", "shell", "cli"))
    with pytest.raises(ChangeDenied):
        publish(owner("zoe"), person("bo"))
    assert len(checks) == 2


def test_number_that_comes_again(begun: None, metadata_database: Any) -> None:
    """After a backup was restored a change is judged by the restored version, which has a number that was there before."""
    before = policy_versions.read()
    assert before
    publish(owner("bo"))
    with Session(metadata_database) as session:
        session.execute(delete(VERSIONS).where(VERSIONS.c.id == 2))
        session.commit()
    policy_versions.publish(1, admin("cy")(before.values), Change("other", "shell", "cli"))
    with pytest.raises(ChangeDenied):
        publish(owner("zoe"), person("bo"))
    assert publish(admin("zoe"), person("cy")).version == 3


# -- the last Organization Owner -----------------------------------------------------------------------------------


def test_no_owner_is_named_any_more(begun: None) -> None:
    """A policy that names an Organization Owner is not changed to one that names none, whoever has an account."""
    for dry_run in (True, False):
        with pytest.raises(LastOwner):
            publish(no_owner("Olga"), dry_run=dry_run)
    assert publish(no_owner("Olga"), force=True).version == 2


@pytest.mark.parametrize(
    ("others", "left"),
    [
        ([], False),
        ([("bo", "bo@example.com", True)], True),
        ([("bo", "BO@Example.com", True)], True),
        ([("bo", "bo@example.com", False)], False),
        ([("bo", "bo@example.com", True), ("bo2", "Bo@example.com", True)], False),
        ([("bo", "bo@example.com", True), ("bo2", "Bo@example.com", False)], True),
        ([("bob", "bob@example.com", True)], False),
    ],
)
def test_last_owner_with_an_account(
    others: list[tuple[str, str, bool]], left: bool, begun: None, accounts: Any
) -> None:
    """An Organization Owner without exactly one active account does not count, unless it is forced."""
    accounts("olga", "olga@example.com")
    for username, email, active in others:
        accounts(username, email, active=active)
    publish(owner("bo"))
    if left:
        assert publish(no_owner("Olga")).version == 3
        return
    for dry_run in (True, False):
        with pytest.raises(LastOwner, match="no Organization Owner who has an active account"):
            publish(no_owner("Olga"), person("olga"), dry_run=dry_run)
    assert newest_number() == 2
    assert publish(no_owner("Olga"), force=True).version == 3


def test_owner_in_a_team(begun: None, accounts: Any) -> None:
    """A listed member of a Team of Organization Owners counts, and cannot be the last to leave; groups do not count."""
    accounts("olga", "olga@example.com")
    accounts("tea", "tea@example.com")
    publish(edits.grant(Principal("Team", "bosses"), "ORGANIZATION_OWNER", ORGANIZATION))
    publish(no_owner("Olga"))
    for edit in (
        edits.change_members("bosses", remove=["tea@example.com"]),
        edits.remove_team("bosses"),
        edits.revoke(Principal("Team", "bosses"), "ORGANIZATION_OWNER", ORGANIZATION),
    ):
        with pytest.raises(LastOwner):
            publish(edit)
    assert newest_number() == 3


def test_nobody_had_an_account(begun: None) -> None:
    """Where no Organization Owner has an account yet, owners may be replaced by others."""
    publish(owner("bo"))
    assert publish(no_owner("Olga")).version == 3


def test_first_policy_needs_no_owner() -> None:
    """The first policy may name no Organization Owner, since none is lost."""
    begin(f"{HEAD}users: [{{email: ada@example.com}}]\n")
    assert publish(admin("ada")).version == 2


# -- the audit log -------------------------------------------------------------------------------------------------


def test_audit(begun: None, metadata_database: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Each version is one line and one row with who, how, why and what, and neither has a secret or its hash."""
    secret = "fedcba9876543210" * 4
    token = {"id": "two", "name": "Two", "secret_sha256": secret, "expires_at": "never", "roles": []}
    with caplog.at_level(logging.INFO, logger="astro_auth.audit"):
        publish(
            edits.add_token(
                {**token, "roles": [{"role": "DEPLOYMENT_ADMIN", "entity_type": "DEPLOYMENT", "entity_id": "dep"}]}
            ),
            person("olga"),
            reason="for CI\nforged",
        )
    publish(edits.change_token("one", {"secret_sha256": secret}), person("olga"))
    (line,) = [record.getMessage() for record in caplog.records if record.name == "astro_auth.audit"][:1]
    assert line.startswith('policy_changed {"user": "olga@example.com", "author_kind": "person", "source": "page"')
    assert "\n" not in line
    rows = audit_rows(metadata_database)
    assert [(who, row["version"]) for who, row in rows] == [
        ("root", 1),
        ("olga@example.com", 2),
        ("olga@example.com", 3),
    ]
    assert rows[1][1]["reason"] == "for CI\nforged"
    assert rows[1][1]["changes"] == ["+ API token `Two` (`two`): `DEPLOYMENT_ADMIN` on DEPLOYMENT `dep`"]
    assert rows[2][1]["changes"] == ["~ API token `One` (`one`): another secret"]
    assert (rows[1][1]["changes_left_out"], rows[1][1]["reverts"], rows[1][1]["action"]) == (0, None, "")
    everything = json.dumps(rows) + caplog.text + str(policy_versions.history())
    assert secret not in everything and HASH not in everything


def test_audit_of_many_parts(begun: None, metadata_database: Any) -> None:
    """A change of very many parts has a row of bearable size; the version has all of them."""
    users = [{"email": f"u{number}@example.com"} for number in range(policy_audit._MOST_CHANGES + 50)]
    publish(lambda values: {**values, "users": values["users"] + users})
    row = audit_rows(metadata_database)[-1][1]
    assert (len(row["changes"]), row["changes_left_out"]) == (policy_audit._MOST_CHANGES, 50)
    assert len(policy_versions.history()[0].changes) == len(users)


def test_row_that_cannot_be_written(
    begun: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A version stays published when its audit row cannot be written, and that is logged."""

    def away(**_: Any) -> Any:
        raise RuntimeError("away")

    monkeypatch.setattr("astro_auth_plugin.runtime.audit_log.create_session", away)
    assert publish(admin("bo")).version == 2
    assert "Could not write astro_auth.policy_changed to the audit log" in caplog.text


def test_refused_change_has_no_row(begun: None, metadata_database: Any) -> None:
    """What was refused is not told as a change."""
    with pytest.raises(ChangeDenied):
        publish(owner("ada"), person("ada"))
    assert len(audit_rows(metadata_database)) == 1


# -- races ---------------------------------------------------------------------------------------------------------


class _NoLock:
    """Stands for the lock of a process of its own, which keeps nobody else out."""

    def __enter__(self) -> None:
        """Go on at once."""

    def __exit__(self, *_: object) -> None:
        """Let nobody in."""


@pytest.fixture(params=["one process", "several processes"])
def processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Changes come from the threads of one process, or as if each came from a process of its own."""
    if request.param == "several processes":
        monkeypatch.setattr(publisher, "_one_at_a_time", _NoLock())
    return str(request.param)


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Make calls at the same moment; return what each returned or raised."""
    barrier = threading.Barrier(len(calls))

    def one(call: Callable[[], Any]) -> Any:
        barrier.wait(60)
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - the test says which it may be
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return [call.result(120) for call in [pool.submit(one, call) for call in calls]]


def test_nothing_is_lost(begun: None, processes: str) -> None:
    """Of many changes of different users at the same moment each is there afterwards, in a version of its own."""
    names = [f"new{number}" for number in range(12)]
    answers = at_once(*(lambda name=name: publish(admin(name), person("olga")) for name in names))
    done = [name for name, answer in zip(names, answers, strict=True) if isinstance(answer, Published)]
    given_up = [answer for answer in answers if not isinstance(answer, Published)]
    # Threads of one process wait for each other; processes may give up, and say so.
    assert all(isinstance(answer, TooManyChanges) for answer in given_up)
    assert len(given_up) <= (0 if processes == "one process" else 4)
    assert {f"{name}@example.com" for name in names} & emails() == {f"{name}@example.com" for name in done}
    assert newest_number() == 1 + len(done)
    assert len({answer.version for answer in answers if isinstance(answer, Published)}) == len(done)


def test_two_owners_who_take_each_others_role(begun: None, processes: str, accounts: Any) -> None:
    """Of two Organization Owners who take each other's role at the same moment exactly one is left."""
    accounts("olga", "olga@example.com")
    accounts("bo", "bo@example.com")
    for _ in range(20):
        publish(_with_both)
        olga, bo = at_once(
            lambda: publish(no_owner("bo"), person("olga")),
            lambda: publish(no_owner("olga"), person("bo")),
        )
        assert sorted(type(answer).__name__ for answer in (olga, bo)) == ["ChangeDenied", "Published"]
        newest = policy_versions.read()
        assert newest
        (left,) = [each["email"].lower() for each in newest.values["users"] if "organization_role" in each]
        assert left == ("olga@example.com" if isinstance(olga, Published) else "bo@example.com")


def _with_both(values: dict[str, Any]) -> dict[str, Any]:
    for name in ("olga", "bo"):
        values = owner(name)(values)
    return values


def test_two_owners_who_leave(begun: None, processes: str, accounts: Any) -> None:
    """Of two Organization Owners who give up their own role at the same moment one stays."""
    accounts("olga", "olga@example.com")
    accounts("bo", "bo@example.com")
    for _ in range(5):
        publish(_with_both)
        answers = at_once(
            lambda: publish(no_owner("olga"), person("olga")), lambda: publish(no_owner("bo"), person("bo"))
        )
        assert sorted(type(answer).__name__ for answer in answers) == ["LastOwner", "Published"]
