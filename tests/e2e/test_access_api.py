"""The API of access: what each person reads and changes, and that nothing else gets through."""

from __future__ import annotations

import json
import re
import socket
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from astro_auth_plugin.access_api.app import AT_ONCE

from .access_api import API, AccessServer, on_tag, on_workspace, send
from .client import Everybody
from .conftest import read_hooks
from .live import LiveAirflow, in_a_file

DATABASE = {"AIRFLOW__ASTRO_AUTH__POLICY_STORE": "database"}
OWNER, ADMIN = "organization.owner", "workspace.owner"

# Who gets an answer: o Organization Owner, w Workspace Owner, a Deployment Admin, p Workspace Operator, m Workspace
# Member, c a custom role without words for this, v DAG_VIEWER by a tag, n DEPLOYMENT_ACCESSOR, x a user without roles.
PEOPLE = {
    "o": "organization.owner",
    "w": "workspace.owner",
    "a": "deployment.admin",
    "p": "workspace.operator",
    "m": "workspace.member",
    "c": "log.auditor",
    "v": "tag.viewer",
    "n": "deployment.accessor",
    "x": "other.workspace",
}
READS = {
    "/me": "owapmcvn",
    "/me/dags": "owapmcvn",
    "/actions": "owapmcvn",
    "/catalogue": "owapmcvn",
    "/suggest?kind=user": "owapmcvn",
    "/dags/fin_daily/access": "owapmcv",
    "/dags/ops_sync/access": "owapmc",
    "/dags/nosuch/access": "",
    "/users": "owapm",
    "/users/tag.viewer@example.com": "owapm",
    "/users?has=nothing": "ow",
    "/teams": "owapm",
    "/teams/finance": "owapm",
    "/roles": "owapm",
    "/tags": "owapm",
    "/tags/access?tag=team:finance": "owapm",
    "/bundles": "owapm",
    "/bundles/access?bundle=dags-folder": "owapm",
    "/tokens": "owap",
    "/history": "owa",
    "/history/1": "owa",
    "/audit": "owa",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AccessServer]:
    """An Airflow with the policy in the database."""
    home = tmp_path_factory.mktemp("access")
    live = LiveAirflow(home, database=f"sqlite:///{home}/airflow.db", settings=DATABASE)
    live.prepare()
    live.start()
    read_hooks(live)
    with httpx.Client(base_url=live.url, timeout=180) as client:
        yield AccessServer(live, client)
    live.stop()


# -- reading -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", READS)
def test_who_reads(server: AccessServer, path: str) -> None:
    found = {letter: server.ask(user, "GET", path) for letter, user in PEOPLE.items()}
    assert "".join(letter for letter, answer in found.items() if answer.status_code == 200) == READS[path]
    for letter, answer in found.items():
        if letter not in READS[path]:
            assert answer.status_code in (403, 404, 422), (letter, answer.text)
            assert answer.json()["detail"] and answer.json()["code"]


def test_strangers_read_the_health_alone(server: AccessServer) -> None:
    health = httpx.get(f"{server.live.url}{API}/health", timeout=60)
    assert health.json()["status"] == "healthy" and "example.com" not in health.text
    for path in (*READS, "/openapi.json", "/docs"):
        assert httpx.get(f"{server.live.url}{API}{path}", timeout=60).status_code in (401, 404), path
    assert httpx.get(f"{server.live.url}/access/openapi.json", timeout=60).status_code == 404


def test_strangers_that_send_no_body_keep_no_one_waiting(server: AccessServer) -> None:
    """More requests than are worked on at once wait for their body, and others are answered meanwhile."""
    url = httpx.URL(server.live.url)
    head = f"POST {API}/explain HTTP/1.1\r\nHost: {url.host}\r\nAuthorization: Bearer x\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 10\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(AT_ONCE + 4):
            stack.enter_context(socket.create_connection((url.host, url.port), timeout=10)).sendall(head.encode())
        assert server.ask(OWNER, "GET", "/me", timeout=30).status_code == 200
        assert httpx.get(f"{server.live.url}{API}/health", timeout=30).json()["status"] == "healthy"


def test_a_dag_that_is_not_seen_is_answered_as_one_that_does_not_exist(server: AccessServer) -> None:
    for path in ("/dags/{}/access",):
        hidden, gone = (server.ask("tag.viewer", "GET", path.format(dag)) for dag in ("ops_sync", "no_such_dag"))
        assert hidden.status_code == gone.status_code == 404
        assert hidden.text.replace("ops_sync", "") == gone.text.replace("no_such_dag", "")
    answers = [
        server.ask("tag.viewer", "POST", "/explain", json={"action": "trigger", "dag_id": dag}).text
        for dag in ("ops_sync", "no_such_dag")
    ]
    assert answers[0].replace("ops_sync", "") == answers[1].replace("no_such_dag", "")
    suggested = server.read("tag.viewer", "/suggest?kind=dag&search=o")["suggestions"]
    assert "ops_sync" not in json.dumps(suggested)
    assert server.read("tag.viewer", "/suggest?kind=user&search=o") == {"suggestions": []}


def test_nothing_of_another_workspace_is_read(server: AccessServer) -> None:
    changed = server.change(
        OWNER, "PATCH", "/users/far.away@example.com", grant=[on_workspace("WORKSPACE_MEMBER", "ws-other")]
    )
    assert changed.status_code == 200, changed.text
    far = server.ask(
        OWNER, "POST", "/teams", json={"name": "far", "grant": [on_workspace("WORKSPACE_MEMBER", "ws-other")]}
    )
    assert far.status_code == 201
    versions = {server.version() - 1, server.version()}
    hidden = ("far.away", '"far"', "ws-other", "absent.elsewhere", "dep-other")
    for path in READS:
        for user in ("workspace.owner", "deployment.admin", "workspace.member"):
            answer = server.ask(user, "GET", path)
            assert not [word for word in hidden if word in answer.text], (user, path)
    found = server.read(ADMIN, "/history?limit=100")["versions"]
    assert not versions & {version["version"] for version in found}
    assert server.ask(ADMIN, "GET", f"/history/{max(versions)}").status_code == 404
    compared = server.read(ADMIN, f"/history/1/diff/{max(versions)}")
    assert compared["hidden"] and not [word for word in hidden if word in json.dumps(compared)]
    reverted = server.ask(ADMIN, "POST", f"/history/{min(versions) - 1}/revert", json={}, etag=str(server.version()))
    assert reverted.status_code == 403 and not [word for word in hidden if word in reverted.text]
    assert server.ask(ADMIN, "PATCH", "/teams/far", json={"description": "mine"}, etag="0").status_code == 404


def test_dags_of_a_sister_deployment_are_not_named_to_its_neighbours_admin(server: AccessServer) -> None:
    named = "fin_daily of Deployment dep-stage"
    row = "/users?search=other.deployment"
    assert named in json.dumps(server.read("workspace.member", row))
    assert named not in json.dumps(server.read("deployment.admin", row))


# -- changing ------------------------------------------------------------------------------------------------------


def test_a_grant_by_tag_counts_on_the_next_request_and_revert_takes_it_back(server: AccessServer) -> None:
    user, path = "deployment.accessor", "/users/deployment.accessor@example.com"
    dag = "/api/v2/dags/ops_sync"
    before, etag = server.version(), server.read(ADMIN, path)["etag"]
    grant = {"grant": [on_tag("DAG_VIEWER", "team:ops", expires_at="2099-01-01T00:00:00Z", note="for a while")]}
    assert server.people[user].get(dag).status_code == 403
    shown = server.ask(ADMIN, "PATCH", f"{path}?dry_run=true", json=grant, etag=etag).json()
    assert shown["dry_run"] and shown["version"] is None and server.version() == before
    assert shown["gains"][0]["who"] == ["deployment.accessor@example.com"]
    assert shown["gains"][0]["where"] == "Dags tagged `team:ops`" and "see" in shown["gains"][0]["may"]
    assert server.ask(ADMIN, "PATCH", path, json=grant).status_code == 428
    done = server.ask(ADMIN, "PATCH", path, json=grant | {"reason": "a test"}, etag=etag)
    assert done.status_code == 200 and done.json()["version"] == before + 1
    assert server.people[user].get(dag).status_code == 200
    detail = server.read(ADMIN, path)
    assert detail["etag"] == done.json()["etag"]
    assert [each["note"] for each in detail["grants"] if each["role"] == "DAG_VIEWER"] == ["for a while"]

    stale = server.ask(ADMIN, "PATCH", path, json={"revoke": [on_tag("DAG_VIEWER", "team:ops")]}, etag=etag)
    assert stale.status_code == 412 and stale.json()["code"] == "stale"
    assert stale.json()["current"]["etag"] == detail["etag"]

    newest = server.read(ADMIN, "/history?limit=1")["versions"][0]
    assert (newest["author"], newest["author_kind"], newest["source"], newest["reason"]) == (
        "workspace.owner@example.com",
        "person",
        "api",
        "a test",
    )
    back = server.ask(ADMIN, "POST", f"/history/{before}/revert", json={"reason": "back"}, etag=str(before))
    assert back.status_code == 412
    back = server.ask(ADMIN, "POST", f"/history/{before}/revert", json={"reason": "back"}, etag=str(before + 1))
    assert back.status_code == 200 and server.read(ADMIN, path)["etag"] == etag
    assert server.people[user].get(dag).status_code == 403


REFUSED: list[tuple[str, str, str, dict[str, Any]]] = [
    ("deployment.admin", "PATCH", "/users/deployment.admin@example.com", {"grant": [on_workspace("WORKSPACE_OWNER")]}),
    (
        "workspace.owner",
        "PATCH",
        "/users/other.workspace@example.com",
        {"revoke": [on_workspace("WORKSPACE_OWNER", "ws-other")]},
    ),
    ("workspace.operator", "PATCH", "/users/nobody@example.com", {"grant": [on_tag("DAG_VIEWER", "team:ops")]}),
    ("tag.viewer", "PATCH", "/users/tag.viewer@example.com", {"grant": [on_tag("DAG_AUTHOR", "team:ops")]}),
    ("workspace.member", "PATCH", "/users/workspace.member@example.com", {"grant": [on_tag("DAG_AUTHOR", "team:ops")]}),
    ("deployment.admin", "PATCH", "/teams/operators", {"add_members": ["deployment.admin@example.com"]}),
    ("workspace.owner", "PATCH", "/teams/finance", {"add_groups": ["everyone"]}),
    ("workspace.owner", "POST", "/teams", {"name": "mine"}),
    ("workspace.owner", "POST", "/roles", {"name": "mine", "scope": "DAG", "permissions": ["dag.airflow.dag.get"]}),
    (
        "workspace.operator",
        "POST",
        "/tokens",
        {"name": "t", "expires_at": None, "roles": [on_workspace("WORKSPACE_OWNER")]},
    ),
    (
        "workspace.member",
        "POST",
        "/tokens",
        {"name": "t", "expires_at": None, "roles": [on_workspace("WORKSPACE_MEMBER")]},
    ),
]


@pytest.mark.parametrize(("user", "method", "path", "body"), REFUSED)
def test_what_may_not_be_given_is_refused_with_each_missing_right(
    server: AccessServer, user: str, method: str, path: str, body: dict[str, Any]
) -> None:
    before = server.version()
    etag = "" if method == "POST" else server.read(OWNER, path)["etag"]
    for way in ("", "?dry_run=true"):
        answer = server.ask(user, method, f"{path}{way}", json=body, etag=etag)
        assert answer.status_code == 403, answer.text
        assert answer.json()["code"] == "denied" and answer.json()["missing"]
    assert server.version() == before
    with server.live.engine.connect() as connection:
        event, owner = connection.execute(
            sa.text("SELECT event, owner FROM log WHERE owner = :user ORDER BY id DESC LIMIT 1"), {"user": user}
        ).one()
    assert (event, owner) == ("astro_auth.refused", user)


def test_one_organization_owner_stays(server: AccessServer) -> None:
    path = "/users/organization.owner@example.com"
    role = {"role": "ORGANIZATION_OWNER", "scope": {"kind": "Organization"}}
    answer = server.change(OWNER, "PATCH", path, revoke=[role])
    # `absent.owner` has the role, and no account.
    assert answer.status_code == 409 and answer.json()["code"] == "last_owner"


def test_changes_of_one_user_at_once_are_made_one_after_the_other_or_refused(server: AccessServer) -> None:
    path = "/users/many@example.com"
    etag = server.read(ADMIN, path)["etag"]
    caller = server.people[ADMIN]

    def grant(number: int) -> int:
        with httpx.Client(base_url=server.live.url, timeout=180) as client:
            body = {"grant": [on_tag("DAG_VIEWER", f"tag-{number}")]}
            headers = {**caller.headers, "If-Match": f'"{etag}"'}
            return client.patch(f"{API}{path}", json=body, headers=headers).status_code

    with ThreadPoolExecutor(8) as pool:
        found = sorted(pool.map(grant, range(8)))
    assert found == [200, *[412] * 7]
    assert len(server.read(ADMIN, path)["grants"]) == 1


def test_changes_of_many_users_at_once_are_all_made(server: AccessServer) -> None:
    caller = server.people[ADMIN]
    paths = [f"/users/crowd.{number}@example.com" for number in range(12)]
    etags = [server.read(ADMIN, path)["etag"] for path in paths]

    def grant(index: int) -> int:
        with httpx.Client(base_url=server.live.url, timeout=180) as client:
            headers = {**caller.headers, "If-Match": f'"{etags[index]}"'}
            body = {"grant": [on_tag("DAG_VIEWER", "team:ops")]}
            return client.patch(f"{API}{paths[index]}", json=body, headers=headers).status_code

    before = server.version()
    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(grant, range(12))) == {200}
    assert server.version() == before + 12


def test_teams_and_roles(server: AccessServer) -> None:
    new = {
        "name": "one/two",
        "description": "a Team",
        "members": ["uneven@example.com"],
        "grant": [on_tag("DAG_AUTHOR", "team:ops")],
    }
    made = server.ask(OWNER, "POST", "/teams", json=new)
    assert made.status_code == 201, made.text
    assert server.ask(OWNER, "POST", "/teams", json=new).status_code == 422
    path = "/teams/one%2Ftwo"
    assert server.change(ADMIN, "PATCH", path, add_members=["run.operator@example.com"]).status_code == 200
    detail = server.read(ADMIN, path)
    assert [each["email"] for each in detail["members"]] == ["uneven@example.com", "run.operator@example.com"]
    assert server.people["run.operator"].get("/api/v2/dags/ops_sync").status_code == 200
    assert server.change(OWNER, "PATCH", path, description="", remove_members=["uneven@example.com"]).status_code == 200
    assert server.change(OWNER, "DELETE", path).status_code == 200
    assert server.ask(OWNER, "GET", path).status_code == 404
    role = {"name": "peek", "scope": "DAG", "permissions": ["dag.airflow.dag.get"]}
    assert server.ask(OWNER, "POST", "/roles", json=role).status_code == 201
    wrong = server.ask(
        OWNER, "PUT", "/roles/peek", json={"permissions": ["dag.airflow.nosuch"]}, etag=_role(server)["etag"]
    )
    assert wrong.status_code == 422 and "dag.airflow.nosuch" in wrong.json()["detail"]
    wider = {"permissions": ["dag.airflow.dag.get", "dag.airflow.dagRun.get"], "description": "looks"}
    assert server.ask(OWNER, "PUT", "/roles/peek", json=wider, etag=_role(server)["etag"]).status_code == 200
    assert _role(server)["permissions"] == wider["permissions"]
    assert server.ask(OWNER, "DELETE", "/roles/peek", etag=_role(server)["etag"]).status_code == 200


def _role(server: AccessServer) -> Any:
    return next(role for role in server.read(OWNER, "/roles")["roles"] if role["name"] == "peek")


# -- API tokens ----------------------------------------------------------------------------------------------------


def test_the_secret_of_a_token_is_in_one_answer_alone(server: AccessServer) -> None:
    body = {"name": "ci", "expires_at": "2099-01-01T00:00:00Z", "roles": [on_tag("DAG_VIEWER", "team:ops")]}
    shown = server.ask(ADMIN, "POST", "/tokens?dry_run=true", json=body).json()
    assert shown["secret"] is None and shown["gains"]
    made = server.ask(ADMIN, "POST", "/tokens", json=body)
    assert made.status_code == 201 and made.headers["cache-control"] == "no-store"
    secret = made.json()["secret"]
    bearer = {"Authorization": f"Bearer {secret}"}
    assert httpx.get(f"{server.live.url}/api/v2/dags/ops_sync", headers=bearer, timeout=60).status_code == 200
    assert httpx.get(f"{server.live.url}{API}/users", headers=bearer, timeout=60).status_code == 403

    path = f"/tokens/{made.json()['id']}"
    token = _token(server, made.json()["id"])
    rotated = server.ask(ADMIN, "POST", f"{path}/rotate", json={"overlap_hours": 1}, etag=token["etag"])
    assert rotated.status_code == 200 and rotated.json()["secret"] != secret
    assert httpx.get(f"{server.live.url}/api/v2/dags/ops_sync", headers=bearer, timeout=60).status_code == 200
    token = _token(server, made.json()["id"])
    assert token["previous_secret_expires_at"] and token["last_used"]
    assert server.ask(ADMIN, "DELETE", path, etag=token["etag"]).status_code == 200
    assert httpx.get(f"{server.live.url}/api/v2/dags/ops_sync", headers=bearer, timeout=60).status_code == 401

    random_parts = [text.rsplit("_", 1)[1].encode() for text in (secret, rotated.json()["secret"])]
    with server.live.engine.connect() as connection:
        stored = list(connection.execute(sa.text("SELECT changes, document FROM astro_auth_policy_version")))
        log = list(connection.execute(sa.text("SELECT extra FROM log")))
    kept = [*(str(row).encode() for row in log), *(changes.encode() for changes, _ in stored)]
    kept += [zlib.decompress(document) for _, document in stored]
    kept.append((server.live.home / server.live.log_name).read_bytes())
    for path in ("/tokens", "/history", "/audit"):
        kept.append(server.ask(OWNER, "GET", path).content)
    assert not [part for part in random_parts for text in kept if part in text]


def _token(server: AccessServer, token_id: str) -> Any:
    return next(each for each in server.read(ADMIN, "/tokens")["tokens"] if each["id"] == token_id)


def test_a_token_changes_access_but_makes_no_token(server: AccessServer) -> None:
    body = {"name": "robot", "expires_at": None, "roles": [on_workspace("WORKSPACE_OWNER")]}
    made = server.ask(ADMIN, "POST", "/tokens", json=body).json()
    headers = {"Authorization": f"Bearer {made['secret']}"}
    with httpx.Client(base_url=server.live.url, timeout=180, headers=headers) as client:
        other = body | {"roles": [on_tag("DAG_VIEWER", "team:ops")]}
        refused = client.post(f"{API}/tokens", json=other)
        assert refused.status_code == 403 and "cannot make or rotate" in refused.json()["detail"]
        etag = _token(server, made["id"])["etag"]
        mine = client.post(f"{API}/tokens/{made['id']}/rotate", json={}, headers={"If-Match": f'"{etag}"'})
        assert mine.status_code == 403
        path = f"{API}/users/by.robot@example.com"
        etag = client.get(path).json()["etag"]
        done = client.patch(path, json={"grant": [on_tag("DAG_VIEWER", "x")]}, headers={"If-Match": f'"{etag}"'})
        assert done.status_code == 200
        assert client.get(f"{API}/history?limit=1").json()["versions"][0]["author_kind"] == "token"
        # FAB's accounts are not for tokens.
        assert client.get(f"{API}/users?has=account").status_code == 422
        assert client.get(path).json()["accounts"] is None


# -- other sites ---------------------------------------------------------------------------------------------------


def unsafe_routes(server: AccessServer) -> list[tuple[str, str]]:
    """Every route that changes something, with names in its places."""
    document = server.people[OWNER].json(f"{API}/openapi.json")
    found = []
    places = {"{number}": "1", "{other}": "2", "{token_id}": "x", "{email}": "a@example.com"}
    for path, methods in document["paths"].items():
        concrete = re.sub(r"\{\w+\}", lambda place: places.get(place[0], "x"), path)
        found += [(method.upper(), f"/access{concrete}") for method in methods if method != "get"]
    assert len(found) > 10
    return found


def test_no_page_of_another_origin_changes_anything(server: AccessServer) -> None:
    cookie = {"_token": server.people[OWNER].headers["Authorization"].removeprefix("Bearer ")}
    foreign = [
        {},
        {"Origin": "http://localhost:1"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "none"},
    ]
    before = server.version()
    with httpx.Client(base_url=server.live.url, timeout=180, cookies=cookie) as client:
        assert client.get(f"{API}/me").status_code == 200
        for method, path in unsafe_routes(server):
            for headers in foreign:
                answer = client.request(method, path, headers=headers | {"Content-Type": "text/plain"}, content=b"{}")
                assert (answer.status_code, answer.json()["code"]) == (403, "csrf"), (method, path, headers)
        question = {"action": "see", "dag_id": "fin_daily"}
        for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": server.live.url}):
            assert client.post(f"{API}/explain", json=question, headers=headers).status_code == 200
    assert server.version() == before


# -- Airflow's list of plugins -------------------------------------------------------------------------------------


def test_who_gets_the_list_of_plugins(server: AccessServer) -> None:
    """All who open Airflow's pages; a custom role without `website.get` does not."""
    found = {letter: server.people[user].get("/api/v2/plugins").status_code for letter, user in PEOPLE.items()}
    assert "".join(letter for letter, status in found.items() if status == 200) == "owapmvn"
    errors = {letter: server.people[user].get("/api/v2/plugins/importErrors") for letter, user in PEOPLE.items()}
    assert "".join(letter for letter, answer in errors.items() if answer.status_code == 200) == "owapm"


def test_pages_are_listed_for_all_and_other_plugins_for_those_who_may_see_them(server: AccessServer) -> None:
    own = server.people["tag.viewer"].json("/api/v2/plugins")
    assert [plugin["name"] for plugin in own["plugins"]] == ["astro_auth"] and own["total_entries"] == 1
    (plugin,) = own["plugins"]
    assert {app["url_route"] for app in plugin["react_apps"]} == {"my-access", "access-dag"}
    assert not plugin["source"] and not plugin["fastapi_apps"] and not plugin["fastapi_root_middlewares"]
    assert server.people["tag.viewer"].get("/api/v2/plugins/importErrors").status_code == 403
    # With the cookie, as browsers have it, and with a bearer's token.
    token = server.people[OWNER].headers["Authorization"].removeprefix("Bearer ")
    for how in ({"cookies": {"_token": token}}, {"headers": server.people[OWNER].headers}):
        with httpx.Client(base_url=server.live.url, timeout=180, **how) as client:
            every = client.get("/api/v2/plugins").json()
        (plugin,) = (each for each in every["plugins"] if each["name"] == "astro_auth")
        assert {app["url_route"] for app in plugin["react_apps"]} == {"access", "my-access", "access-dag"}
        assert plugin["source"] and plugin["fastapi_apps"]
    assert server.people["other.workspace"].get("/api/v2/plugins").status_code == 403


# -- the file store ------------------------------------------------------------------------------------------------


@in_a_file
def test_with_a_policy_file_changes_are_refused_with_what_to_write(everybody: Everybody) -> None:
    caller = everybody[ADMIN]
    me = caller.json(f"{API}/me")["policy"]
    assert me["store"] == "file" and me["read_only"] and me["file"] == "policy.yaml"
    path = "/users/tag.viewer@example.com"
    etag = caller.json(f"{API}{path}")["etag"]
    body = {"grant": [on_tag("DAG_AUTHOR", "team:ops")]}
    answer = send(caller, "PATCH", path, etag, json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "managed_in_file")
    assert "team:ops" in answer.json()["patch"] and "tag.viewer@example.com" in answer.json()["patch"]
    shown = send(caller, "PATCH", f"{path}?dry_run=true", etag, json=body).json()
    assert shown["gains"] and shown["patch"] == answer.json()["patch"]
    assert caller.json(f"{API}/history") == {"versions": [], "total_entries": 0}
    denied = send(everybody["tag.viewer"], "PATCH", path, etag, json=body)
    assert denied.status_code == 403 and "patch" not in denied.json()
    assert send(caller, "POST", "/history/1/revert", "1", json={}).status_code == 409


def test_every_answer_is_in_the_document(server: AccessServer) -> None:
    document = server.people[OWNER].json(f"{API}/openapi.json")
    described = {
        (method, path.removeprefix("/api/v1")) for path, methods in document["paths"].items() for method in methods
    }
    assert ("get", "/health") in described and ("post", "/history/{number}/revert") in described
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["tags"] and operation["description"]
