"""Changes of the policy file in the audit log: each once, whoever sees it, with what came and went."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.models.log import Log
from airflow.utils.session import create_session
from sqlalchemy import delete, select, update

from astro_auth_plugin.access_management import policy_audit
from astro_auth_plugin.rbac.policy import loader
from astro_auth_plugin.rbac.policy.loader import Policy
from astro_auth_plugin.runtime.policy_store import PolicyStore
from astro_auth_plugin.runtime.settings import Settings
from tests.in_request import HEAD

pytestmark = pytest.mark.usefixtures("metadata_database")


def policy(*names: str) -> Policy:
    """Return a policy with these users."""
    users = "".join(f"  - {{email: {name}@example.com, organization_role: ORGANIZATION_OWNER}}\n" for name in names)
    found = loader.load((HEAD + (f"users:\n{users}" if names else "")).encode()).policy
    assert found is not None
    return found


def rows() -> list[dict[str, Any]]:
    """Return the recorded changes, oldest first."""
    with create_session(scoped=False) as session:
        found = session.scalars(select(Log.extra).where(Log.event == "astro_auth.policy_changed").order_by(Log.id))
        return [json.loads(extra) for extra in found]


@pytest.fixture(autouse=True)
def _empty(metadata_database: Any) -> Iterator[None]:
    """See no rows of other tests, and leave none behind."""
    _remove()
    yield
    _remove()


def _remove() -> None:
    with create_session(scoped=False) as session:
        session.execute(delete(Log))


def test_each_change_once(caplog: pytest.LogCaptureFixture) -> None:
    """Of many workers that see a change one records it; going back and forth are changes, too."""
    caplog.set_level(logging.INFO, "astro_auth.audit")
    one, two = policy("ana"), policy("ana", "bo")
    threads = [threading.Thread(target=policy_audit._record_file, args=(one, two)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    (row,) = rows()
    assert row["changes"] == [
        "+ user `bo@example.com`",
        "+ user `bo@example.com`: `ORGANIZATION_OWNER` on the Organization",
    ]
    assert (row["user"], row["source"], row["version"], row["changes_left_out"]) == ("file", "file", None, 0)
    assert [record.getMessage()[:15] for record in caplog.records] == ["policy_changed "]
    policy_audit._record_file(two, one)
    assert [len(each["changes"]) for each in rows()] == [2, 2]


def test_same_change_later() -> None:
    """The same change after a while is another one."""
    one, two = policy("ana"), policy("bo")
    policy_audit._record_file(one, two)
    with create_session(scoped=False) as session:
        moment = session.scalars(select(Log.dttm)).one()
        session.execute(update(Log).values(dttm=moment - timedelta(hours=1)))
    policy_audit._record_file(one, two)
    assert len(rows()) == 2


def test_start() -> None:
    """A server that starts with another version than the one recorded last records that, without knowing what changed."""
    for _ in range(2):
        policy_audit._record_file(None, policy("ana"))
    assert [(row["changes"], row["before"]) for row in rows()] == [([], None)]
    policy_audit._record_file(None, policy("bo"))
    assert rows()[1]["before"] == rows()[0]["digest"]


def test_many_parts() -> None:
    """A change of many parts has the first of them, and how many more there are."""
    policy_audit._record_file(policy(), policy(*(f"u{number}" for number in range(150))))
    (row,) = rows()
    assert (len(row["changes"]), row["changes_left_out"]) == (200, 100)


def test_never_raises(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Without a database the policy is in effect all the same."""
    monkeypatch.setattr(policy_audit, "create_session", None)
    policy_audit._record_file(None, policy())
    assert "Could not write a change of the policy file to the audit log" in caplog.text


def test_store_calls_it(tmp_path: Path) -> None:
    """The policy store tells of the first version and of each new one that is valid."""
    file, seen = tmp_path / "policy.yaml", list[Any]()
    file.write_text(HEAD)
    store = PolicyStore(Settings(file, "dep"), lambda *both: seen.append(both))
    first = store.newest.policy
    file.write_text(HEAD + "users: [{email: nobody}]\n")
    store.engine()
    file.write_text(HEAD + "users: [{email: ana@example.com}]\n")
    store.engine()
    assert [(before, len(after.document.users)) for before, after in seen] == [(None, 0), (first, 1)]
