"""A change of tags, grants, Teams, users or of the file itself counts on the next request; nothing is restarted."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event

import httpx
import pytest
import yaml

from .accounts import forget, make
from .client import Caller, Everybody
from .database import Database
from .live import LiveAirflow, in_a_file
from .tables import BEFORE_3_2, people

DAG = "/api/v2/dags/fresh"
PEOPLE = ("fresh.tag", "fresh.id", "fresh.team")


@pytest.fixture(autouse=True)
def restored(airflow: LiveAirflow, database: Database, everybody: Everybody) -> Iterator[None]:
    """Puts the policy and the tags back as they were, and lets the server see them."""
    policy = airflow.policy.read_bytes()
    tags = database.rows("SELECT name, dag_id FROM dag_tag WHERE dag_id = 'fresh'")
    yield
    airflow.put_policy(policy)
    database.run("DELETE FROM dag_tag WHERE dag_id = 'fresh'")
    for name, dag_id in tags:
        database.run("INSERT INTO dag_tag (name, dag_id) VALUES (:name, :dag_id)", name=name, dag_id=dag_id)
    # Were the next version a bad one, the server would otherwise stay with the last good one that it has seen.
    everybody["fresh.tag"].json(DAG)


def change(airflow: LiveAirflow, edit: Callable[[dict], None]) -> None:
    """Changes the parsed policy and puts it back as a file."""
    policy = yaml.safe_load(airflow.policy.read_bytes())
    edit(policy)
    airflow.put_policy(yaml.safe_dump(policy).encode())


def entry(policy: dict, user: str) -> dict:
    """The entry of a user in the policy."""
    return next(found for found in policy["users"] if found["email"] == f"{user}@example.com")


def sees(caller: Caller) -> bool:
    """Whether the person sees the Dag: the page and the list say the same."""
    status = caller.get(DAG).status_code
    assert status in (200, 403)
    listed = "fresh" in caller.get("/api/v2/dags?dag_id_pattern=fresh").text
    assert listed == (status == 200)
    return listed


def notes(caller: Caller) -> bool:
    """Whether the person may note something on a run of the Dag."""
    status = caller.request("PATCH", f"{DAG}/dagRuns/writes", json={"note": "fresh"}).status_code
    assert status in (200, 403)
    return status == 200


def test_before(everybody: Everybody) -> None:
    """The tag, the id and the Team each give the Dag to one person."""
    assert [sees(everybody[user]) for user in PEOPLE] == [True, True, True]


def test_grant_that_ends(airflow: LiveAirflow, everybody: Everybody) -> None:
    """A grant gives the Dag until the second of its end, in the list too, while the file stays as it is."""
    caller = everybody["fresh.tag"]
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=6)
    change(airflow, lambda policy: [role.update(expires_at=end) for role in entry(policy, "fresh.tag")["dag_roles"]])
    assert caller.get(DAG).status_code == 200 or datetime.now(UTC) >= end
    time.sleep(max((end - datetime.now(UTC)).total_seconds(), 0))
    assert not sees(caller)


def test_tag_removed(everybody: Everybody, database: Database) -> None:
    """Whoever reaches a Dag by its tag loses it with the tag, and has it back with the tag; the id stays good."""
    database.run("DELETE FROM dag_tag WHERE dag_id = 'fresh'")
    assert [sees(everybody[user]) for user in PEOPLE] == [False, True, False]
    database.run("INSERT INTO dag_tag (name, dag_id) VALUES ('team:fresh', 'fresh')")
    assert [sees(everybody[user]) for user in PEOPLE] == [True, True, True]


def test_tag_added(everybody: Everybody, database: Database) -> None:
    """A tag added to a Dag gives it to whoever holds a role on that tag."""
    assert not sees(everybody["tag.viewer"])
    database.run("INSERT INTO dag_tag (name, dag_id) VALUES ('team:finance', 'fresh')")
    assert sees(everybody["tag.viewer"])


def test_grant_removed_and_added(airflow: LiveAirflow, everybody: Everybody) -> None:
    """A grant counts as long as it stands in the file."""
    before = airflow.policy.read_bytes()
    change(airflow, lambda policy: entry(policy, "fresh.tag").pop("dag_roles"))
    assert [sees(everybody[user]) for user in PEOPLE] == [False, True, True]
    airflow.put_policy(before)
    assert [sees(everybody[user]) for user in PEOPLE] == [True, True, True]


def test_role_changed(airflow: LiveAirflow, everybody: Everybody) -> None:
    """Who is made a Viewer reads on and changes no more."""
    assert notes(everybody["fresh.tag"])
    change(airflow, lambda policy: entry(policy, "fresh.tag")["dag_roles"][0].update(role="DAG_VIEWER"))
    assert sees(everybody["fresh.tag"])
    assert not notes(everybody["fresh.tag"])


def test_custom_role_changed(airflow: LiveAirflow, everybody: Everybody) -> None:
    """A custom role gives what it now says."""
    runs = "/api/v2/dags/ops_sync/dagRuns"
    assert everybody["uneven"].get(runs).status_code == 200

    def edit(policy: dict) -> None:
        role = next(role for role in policy["roles"] if role["name"] == "runs-only")
        role["permissions"].remove("dag.airflow.dagRun.get")

    change(airflow, edit)
    assert everybody["uneven"].get(runs).status_code == 403
    assert everybody["uneven"].get("/api/v2/dags/ops_sync").status_code == 200


def test_team_member_removed(airflow: LiveAirflow, everybody: Everybody) -> None:
    """Who leaves a Team leaves its grants."""
    # The Team keeps a member: one without is a warning, and this is not about warnings.
    change(airflow, lambda policy: policy["teams"][2].update(members=["somebody.else@example.com"]))
    assert [sees(everybody[user]) for user in PEOPLE] == [True, True, False]


def test_answers_that_go_on(airflow: LiveAirflow, everybody: Everybody, database: Database) -> None:
    """Who waits for a run is not sent how it ends once the account or the grant is gone, or the membership of a Team."""
    run = "UPDATE dag_run SET state = :state WHERE dag_id = 'fresh' AND run_id = 'writes'"
    account = "UPDATE ab_user SET active = :active WHERE username = 'fresh.tag'"
    before = database.value("SELECT state FROM dag_run WHERE dag_id = 'fresh' AND run_id = 'writes'")
    database.run(run, state="running")
    waiting = {user: (everybody[user], Event()) for user in (*PEOPLE, "organization.owner")}

    def wait(user: str) -> str:
        caller, begun = waiting[user]
        # Compressed, Airflow 3.1 sends nothing before the end.
        plain = {"Accept-Encoding": "identity"}
        request = {"headers": {**caller.headers, **plain}, "params": {"interval": 1}}
        text = ""
        try:
            with caller.client.stream("GET", f"{DAG}/dagRuns/writes/wait", **request) as answer:
                assert answer.status_code == 200
                for part in answer.iter_text():
                    text += part
                    begun.set()
        except httpx.RemoteProtocolError:
            return f"{text} cut off"
        return text

    with ThreadPoolExecutor(4) as threads:
        texts = {user: threads.submit(wait, user) for user in waiting}
        try:
            assert all(begun.wait(60) for _, begun in waiting.values())
            database.run(account, active=False)
            change(airflow, lambda policy: entry(policy, "fresh.id").pop("dag_roles"))
            change(airflow, lambda policy: policy["teams"][2].update(members=["somebody.else@example.com"]))
            for user in PEOPLE:
                text = texts[user].result(60)
                assert text.startswith('{"state": "running"}'), text
                assert text.endswith(" cut off"), text
        finally:
            database.run(account, active=True)
            database.run(run, state="success")
        text = texts["organization.owner"].result(60)
    database.run(run, state=before)
    assert text.endswith('{"state": "success"}\n'), text


def test_user_removed(airflow: LiveAirflow, everybody: Everybody) -> None:
    """Who is taken out of the file holds nothing, token or no token."""
    assert everybody["workspace.member"].get(DAG).status_code == 200
    change(airflow, lambda policy: policy["users"].remove(entry(policy, "workspace.member")))
    assert everybody["workspace.member"].get(DAG).status_code == 403
    assert everybody["workspace.member"].get("/api/v2/dags").status_code == 403


@in_a_file
def test_written_in_place(airflow: LiveAirflow, everybody: Everybody) -> None:
    """A file changed in its place, to the same length, counts too."""
    data = airflow.policy.read_bytes()
    line = b'fresh.tag@example.com, dag_roles: [{deployment_id: dep-prod, tag: "team:fresh"'
    assert data.count(line) == 1
    airflow.policy.write_bytes(data.replace(line, line.replace(b"team:fresh", b"team:fresk")))
    assert [sees(everybody[user]) for user in PEOPLE] == [False, True, True]


BAD = {
    "not YAML": b"version: 1\nusers: [",
    "not UTF-8": b"version: 1 # \xff\xfe",
    "empty": b"",
    "an unknown role": None,
    "an unknown permission": None,
    "a Deployment that is not listed": None,
}


@pytest.mark.parametrize("what", BAD)
def test_bad_policy_changes_nothing(what: str, airflow: LiveAirflow, everybody: Everybody) -> None:
    """A bad version is refused as a whole: what it takes away stays, and what it gives is not given."""
    good = airflow.policy.read_bytes()
    bad = BAD[what] if BAD[what] is not None else broken(good, what)
    airflow.put_policy(bad)
    for _ in range(2):
        assert [sees(everybody[user]) for user in PEOPLE] == [True, True, True]
        assert everybody["nobody"].get(DAG).status_code == 403
    # The next good version counts again.
    airflow.put_policy(good)
    change(airflow, lambda policy: entry(policy, "fresh.id").pop("dag_roles"))
    assert [sees(everybody[user]) for user in PEOPLE] == [True, False, True]


def broken(good: bytes, what: str) -> bytes:
    """The policy with one bad word in it, which also takes grants away and gives others."""
    policy = yaml.safe_load(good)
    policy["users"].append({"email": "nobody@example.com", "organization_role": "ORGANIZATION_OWNER"})
    entry(policy, "fresh.tag").pop("dag_roles")
    if what == "an unknown role":
        entry(policy, "tag.viewer")["dag_roles"][0]["role"] = "DAG_VIEWR"
    elif what == "an unknown permission":
        policy["roles"][0]["permissions"].append("deployment.airflow.dagg.get")
    else:
        entry(policy, "tag.viewer")["dag_roles"][0]["deployment_id"] = "dep-none"
    return yaml.safe_dump(policy).encode()


@in_a_file
def test_file_deleted_and_restored(airflow: LiveAirflow, everybody: Everybody) -> None:
    """Without the file the last good version stays; the file counts again when it is back."""
    good = airflow.policy.read_bytes()
    airflow.policy.unlink()
    assert [sees(everybody[user]) for user in PEOPLE] == [True, True, True]
    assert everybody["nobody"].get(DAG).status_code == 403
    airflow.put_policy(good)
    assert [sees(everybody[user]) for user in PEOPLE] == [True, True, True]
    airflow.policy.unlink()
    airflow.put_policy(good)
    change(airflow, lambda policy: entry(policy, "fresh.id").pop("dag_roles"))
    assert [sees(everybody[user]) for user in PEOPLE] == [True, False, True]


def test_every_refusal_is_logged(airflow: LiveAirflow, everybody: Everybody) -> None:
    """What is wrong with a bad version stands in the server's log, with its line."""
    log = airflow.home / "server.log"
    start = log.stat().st_size
    airflow.put_policy(broken(airflow.policy.read_bytes(), "an unknown permission"))
    everybody["nobody"].get(DAG)
    reported = log.read_bytes()[start:].decode()
    assert "deployment.airflow.dagg.get" in reported
    assert "did you mean `deployment.airflow.dag.get`" in reported


def test_account_switched_off(database: Database, everybody: Everybody) -> None:
    """A token of an account that has been switched off opens nothing."""
    caller = everybody["fresh.id"]
    assert caller.get(DAG).status_code == 200
    database.run("UPDATE ab_user SET active = false WHERE username = 'fresh.id'")
    try:
        assert caller.get(DAG).status_code in (401, 403)
    finally:
        database.run("UPDATE ab_user SET active = true WHERE username = 'fresh.id'")
    assert caller.get(DAG).status_code == 200


@pytest.mark.slow
def test_new_password_by_command(database: Database, airflow: LiveAirflow, http: httpx.Client) -> None:
    """So does one that is set with `airflow users reset-password`."""
    password = next(person.password for person in people() if person.user == "nobody")
    make(database, "absent.viewer")
    try:
        token = http.post("/auth/token", json={"username": "made", "password": password}).json()["access_token"]
        before = {"Authorization": f"Bearer {token}"}
        assert http.get("/ui/auth/menus", headers=before).status_code == 200
        command = [
            sys.executable,
            "-m",
            "airflow",
            "users",
            "reset-password",
            "--username",
            "made",
            "--password",
            "new",
        ]
        subprocess.run(command, env=airflow.environment(), cwd=airflow.home, check=True, capture_output=True)
        assert http.get("/ui/auth/menus", headers=before).status_code == 401
    finally:
        forget(database)


def test_number_given_again(database: Database, everybody: Everybody, http: httpx.Client) -> None:
    """A token of a deleted account opens nothing of the account that is made next, which may get its number."""
    password = next(person.password for person in people() if person.user == "nobody")
    owner = everybody["organization.owner"]
    make(database, "absent.viewer")
    try:
        token = http.post("/auth/token", json={"username": "made", "password": password}).json()["access_token"]
        assert owner.request("DELETE", "/auth/fab/v1/users/made").status_code == 204
        body = {"username": "made", "email": "absent.viewer@example.com", "password": "x", "first_name": "A"}
        body |= {"roles": [{"name": "Public"}]}
        assert owner.request("POST", "/auth/fab/v1/users", json={**body, "last_name": "B"}).status_code == 200
        assert http.get("/ui/auth/menus", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    finally:
        forget(database)


def test_new_password(database: Database, everybody: Everybody, http: httpx.Client) -> None:
    """A new password ends every token that was given out before."""
    password = next(person.password for person in people() if person.user == "nobody")
    make(database, "absent.viewer")
    try:
        token = http.post("/auth/token", json={"username": "made", "password": password}).json()["access_token"]
        before = {"Authorization": f"Bearer {token}"}
        assert http.get("/ui/auth/menus", headers=before).status_code == 200
        changed = everybody["organization.owner"].request("PATCH", "/auth/fab/v1/users/made", json={"password": "new"})
        assert changed.status_code == 200
        assert http.get("/ui/auth/menus", headers=before).status_code in (401, 403)
    finally:
        forget(database)


@pytest.mark.skipif(BEFORE_3_2, reason="FAB's API for Airflow 3.1 answers 500 to requests that come at the same time")
def test_signing_in_during_a_new_password(
    database: Database, everybody: Everybody, http: httpx.Client, airflow: LiveAirflow
) -> None:
    """So does a sign-in with the old one that is under way meanwhile: what it gives is dead, or it gives nothing."""
    password = next(person.password for person in people() if person.user == "nobody")
    owner = everybody["organization.owner"]
    make(database, "absent.viewer")

    def sign_in_until_refused(address: str, begun: Event) -> list[str]:
        # Wrong passwords must shut out neither whoever else comes from here nor the next round.
        transport = httpx.HTTPTransport(verify=False, local_address=address)  # plain http
        with httpx.Client(base_url=airflow.url, transport=transport, timeout=180) as client:
            given = []
            while (answer := client.post("/auth/token", json={"username": "made", "password": password})).is_success:
                given.append(answer.json()["access_token"])
                begun.set()
            assert answer.status_code == 401
            return given

    try:
        for number, new in enumerate(("one", "two", "three"), 1):
            begun = Event()
            with ThreadPoolExecutor(4) as threads:
                signing_in = [threads.submit(sign_in_until_refused, f"127.7.7.{number}", begun) for _ in range(4)]
                assert begun.wait(60)
                assert owner.request("PATCH", "/auth/fab/v1/users/made", json={"password": new}).status_code == 200
            given = [token for each in signing_in for token in each.result()]
            answers = [http.get("/ui/auth/menus", headers={"Authorization": f"Bearer {token}"}) for token in given]
            assert {answer.status_code for answer in answers} == {401}
            password = new
            # The next one begins when the new password works, and not sooner.
            assert http.post("/auth/token", json={"username": "made", "password": password}).status_code == 201
    finally:
        forget(database)
