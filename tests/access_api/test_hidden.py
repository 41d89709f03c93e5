"""What an answer tells of parts of the policy that the caller may not see: nothing, whatever is asked for."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from astro_auth_plugin.access_api import changing
from astro_auth_plugin.access_management import publisher
from astro_auth_plugin.access_management.publisher import Actor, Wanted
from astro_auth_plugin.authorization.dag_cache import DagCache
from astro_auth_plugin.rbac.changes import edits
from astro_auth_plugin.rbac.policy import yaml_reader
from astro_auth_plugin.rbac.policy.entries import plain
from astro_auth_plugin.runtime.policy_store import PolicyStore
from astro_auth_plugin.runtime.settings import Settings
from tests import process_state

from .conftest import HASH, POLICY, Api

HIDDEN = "a part of the policy that you may not see"
NEAR = {"role": "DAG_VIEWER", "scope": {"kind": "tag", "id": "t", "deployment_id": "dep"}}
OWNER_THERE = {"role": "WORKSPACE_OWNER", "scope": {"kind": "Workspace", "id": "ws-other"}}
MEMBER_THERE = {**OWNER_THERE, "role": "WORKSPACE_MEMBER"}
MORE = POLICY.replace(
    "teams:\n",
    """roles:
  - {name: afar, scope: DEPLOYMENT, permissions: [deployment.airflow.dag.get]}
  - {name: tagging, scope: DAG, permissions: [dag.airflow.dag.get]}
  - {name: reader, scope: DEPLOYMENT, permissions: [deployment.users.get, deployment.teams.get]}
  - {name: sizer, scope: OBJECT, permissions: [object.airflow.pool.update]}
teams:
  - {name: helpers-afar, support: true, deployment_roles: [{deployment_id: dep-other, role: afar}]}
""",
    1,
).replace(
    "api_tokens:\n",
    f"""api_tokens:
  - {{id: tagger, name: Tagger, secret_sha256: {HASH[::-1]}, expires_at: never,
     roles: [{{role: tagging, entity_type: DAG_TAG, entity_id: t, deployment_id: dep}}]}}
  - {{id: ended, name: Ended, secret_sha256: {HASH[1:]}f, expires_at: 2020-01-01T00:00:00Z,
     roles: [{{role: afar, entity_type: DEPLOYMENT, entity_id: dep-other}}]}}
""",
    1,
)


@pytest.fixture
def more(api: Api) -> Api:
    """The API with custom roles, and API tokens here and elsewhere, as version 2."""
    values = plain(yaml_reader.read(MORE.encode()).values)
    publisher.publish(Wanted(edits.replace(values), "import"), Actor("root", "shell"), api.settings)
    return api


def test_an_old_etag_shows_an_entry_to_those_who_may_read_it(api: Api) -> None:
    wendy = "/users/wendy@example.com"
    refused = api.ask("mia", "PATCH", wendy, "old", json={"grant": [NEAR]})
    assert refused.status_code == 403 and "current" not in refused.json()
    shown = api.ask("mo", "PATCH", wendy, "old", json={"grant": [NEAR]})
    assert shown.status_code == 412 and shown.json()["current"]["grants"]


def test_who_may_not_read_any_more_is_shown_no_entry(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def blind(who: Any) -> Any:
        return who._replace(visibility=who.visibility._replace(access=False, tokens=False))

    monkeypatch.setattr(changing, "as_of_now", blind)
    for method, path, body in (
        ("PATCH", "/users/wendy@example.com", {"grant": [{**NEAR, "role": "DAG_AUTHOR"}]}),
        ("PATCH", "/teams/data", {"add_members": ["ana@example.com"]}),
        ("DELETE", "/tokens/ci", None),
    ):
        assert api.ask("wendy", method, path, "old", json=body).json()["current"] is None


def test_users_of_another_workspace_are_answered_as_strangers(api: Api) -> None:
    read = {name: api.ask("mo", "GET", f"/users/{name}@example.com").json() for name in ("fred", "FRED", "ana", "bo")}
    assert read["FRED"]["email"] == "FRED@example.com"
    assert len({read[name]["etag"] for name in ("fred", "ana", "bo")}) == 3
    assert api.ask("olga", "GET", "/users/FRED@example.com").json()["email"] == "fred@example.com"


@pytest.mark.parametrize("name", ["wendy", "mo"])
def test_grants_of_another_workspace_cannot_be_tried_out(api: Api, name: str) -> None:
    fred = "/users/fred@example.com"
    etag = api.ask(name, "GET", fred).json()["etag"]
    near = {"role": "WORKSPACE_MEMBER", "scope": {"kind": "Workspace", "id": "ws-othe"}}
    answers = [
        api.ask(name, "PATCH", f"{fred}?dry_run=true", etag, json=body)
        for grant in (OWNER_THERE, MEMBER_THERE, near)
        for body in ({"grant": [grant]}, {"revoke": [grant]}, {"revoke": [grant], "grant": [grant]})
    ]
    assert {(answer.status_code, *answer.json()["missing"]) for answer in answers} == {(403, HIDDEN)}
    team = {"revoke": [MEMBER_THERE]}
    etag = api.ask(name, "GET", "/teams/data").json()["etag"]
    assert api.ask(name, "PATCH", "/teams/data", etag, json=team).json()["missing"] == [HIDDEN]
    new = {"name": "n", "expires_at": None, "roles": [near]}
    assert api.ask(name, "POST", "/tokens", json=new).json()["missing"] == [HIDDEN]
    assert "did you mean `ws-other`" in api.ask("olga", "POST", "/tokens", json=new).json()["detail"]


def test_names_of_another_workspace_cannot_be_tried_out(more: Api) -> None:
    role = {"scope": "DAG", "permissions": ["dag.airflow.dag.get"]}
    for name in ("mia", "mo", "wendy"):
        for team in ("elsewhere", "new"):
            assert more.ask(name, "POST", "/teams", json={"name": team}).status_code == 403
        for known in ("afar", "new"):
            assert more.ask(name, "POST", "/roles", json={**role, "name": known}).status_code == 403
    etag = more.ask("wendy", "GET", "/teams/data").json()["etag"]
    for team in ("elsewhere", "new"):
        assert more.ask("wendy", "PATCH", "/teams/data", etag, json={"name": team}).status_code == 403


def test_who_has_a_role_elsewhere_is_not_told_by_what_a_change_of_it_would_break(more: Api) -> None:
    (etag,) = (role["etag"] for role in more.ask("mo", "GET", "/roles").json()["roles"] if role["name"] == "afar")
    body = {"permissions": ["deployment.airflow.pool.update"]}
    for name, status in (("mo", 403), ("wendy", 403), ("olga", 422)):
        assert more.ask(name, "DELETE", "/roles/afar?dry_run=true", etag).status_code == status
        assert more.ask(name, "PUT", "/roles/afar?dry_run=true", etag, json=body).status_code == status


def test_what_a_revert_would_break_elsewhere_is_not_told(more: Api) -> None:
    answers = {name: more.ask(name, "POST", "/history/1/revert", "2", json={}) for name in ("wendy", "olga")}
    assert {answer.status_code for answer in answers.values()} == {422}
    assert "afar" in answers["olga"].json()["detail"]
    assert answers["wendy"].json()["detail"] == f"The policy would be invalid:\n{HIDDEN}"


def test_api_tokens_are_named_to_those_who_may_read_them(more: Api) -> None:
    for path, name in (("/tags/access?tag=t", "token:tagger"), ("/roles", "API token `tagger`")):
        told = {who: name in more.ask(who, "GET", path).text for who in ("mo", "olga")}
        assert told == {"mo": False, "olga": True}
    for name, grants in (("mo", 1), ("olga", 2)):
        tags = more.ask(name, "GET", "/tags").json()["tags"]
        assert [tag["grants"] for tag in tags if tag["name"] == "t"] == [grants]
    for token in ("ended", "nosuch"):
        answer = more.ask("wendy", "POST", "/explain", json={"action": "see-pool", "as": f"token:{token}"})
        assert answer.status_code == 404 and answer.json()["detail"].replace(token, "") == (
            "There is no API token ``, or you may not see it."
        )


def test_a_patch_for_the_file_has_nothing_hidden(api: Api, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY)
    settings = Settings(file, "dep")
    process_state.start_with(settings=settings, policy_store=PolicyStore(settings), dag_cache=DagCache())
    patches: dict[str, Any] = {}
    for who, user in (("wendy", "fred"), ("olga", "fred"), ("wendy", "mo")):
        etag = api.ask(who, "GET", f"/users/{user}@example.com").json()["etag"]
        answer = api.ask(who, "PATCH", f"/users/{user}@example.com", etag, json={"grant": [NEAR]})
        assert answer.status_code == 409
        patches[f"{who} {user}"] = answer.json()["patch"]
    assert patches["wendy fred"] is None
    assert "ws-other" in patches["olga fred"] and "DAG_VIEWER" in patches["wendy mo"]
    # The secret of this hash is in no answer.
    new = {"name": "n", "expires_at": None, "roles": [NEAR]}
    assert api.ask("olga", "POST", "/tokens", json=new).json()["patch"] is None


def test_the_author_of_the_newest_version_is_told_where_all_of_it_is(api: Api) -> None:
    authors = {name: api.ask(name, "GET", "/me").json()["policy"]["author"] for name in ("olga", "wendy", "mo")}
    assert authors == {"olga": "root", "wendy": None, "mo": None}


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer ", "Negotiate x", "x"])
def test_a_header_that_signs_no_one_in_does_not_stand_for_the_own_pages(api: Api, header: str) -> None:
    headers = {"Authorization": header, "Sec-Fetch-Site": "same-site"}
    assert api.send("olga", "POST", "/teams", headers, json={"name": "new"}).json()["code"] == "csrf"


@pytest.mark.parametrize("end", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_an_end_that_no_clock_has_is_invalid(api: Api, end: str) -> None:
    answer = api.ask("olga", "PATCH", "/users/ana@example.com", "x", json={"grant": [{**NEAR, "expires_at": end}]})
    assert answer.status_code == 422 and "out of range" in answer.json()["detail"]


def test_changes_that_wait_for_each_other_leave_threads_for_others(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"grant": [NEAR]}
    etag = api.ask("wendy", "GET", "/users/ana@example.com").json()["etag"]
    found = []

    def publish(*_: Any, **__: Any) -> Any:
        # As the first of many at once, each of which comes while the one before is worked on.
        answer = api.ask("wendy", "PATCH", "/users/ana@example.com", etag, json=body)
        found.append((answer.status_code, answer.json()["code"]))
        raise publisher.TooManyChanges("no")

    monkeypatch.setattr(publisher, "publish", publish)
    assert api.ask("wendy", "PATCH", "/users/ana@example.com", etag, json=body).status_code == 503
    assert found[0] == (503, "too_many_changes") and len(found) == changing.MOST_AT_ONCE
    assert changing.turns.acquire(blocking=False)
    changing.turns.release()


@pytest.mark.parametrize("name", ["mo", "wendy"])
def test_a_user_with_grants_elsewhere_is_answered_as_one_without_any(more: Api, name: str) -> None:
    """Whether fred has an entry, and how many grants, is not told by what a change would be or why it cannot be made."""
    wrong = [
        {**NEAR, "expires_at": "0001-01-01T00:00:00Z"},
        {**NEAR, "role": "nosuch"},
        {**NEAR, "scope": {**NEAR["scope"], "id": ""}},
    ]
    answers: dict[str, list[Any]] = {}
    for user in ("fred", "bo"):
        path = f"/users/{user}@example.com"
        etag = more.ask(name, "GET", path).json()["etag"]
        found = [
            more.ask(name, "PATCH", f"{path}?dry_run=true", etag, json={"grant": [each]}) for each in (NEAR, *wrong)
        ]
        answers[user] = [
            (each.status_code, re.sub(r'"etag":"\w+"', "", each.text).replace(user, "USER")) for each in found
        ]
    assert answers["fred"] == answers["bo"]
    assert [status for status, _ in answers["bo"]] == [200 if name == "wendy" else 403, 422, 422, 422]
    assert not re.search(r"\[\d", "".join(text for _, text in answers["bo"][1:]))


def test_what_was_changed_tells_nothing_of_grants_elsewhere(more: Api) -> None:
    """The result of a change and the history of users with and without grants elsewhere read the same."""
    shown = {}
    for user in ("fred", "bo"):
        path = f"/users/{user}@example.com"
        for body in ({"grant": [NEAR]}, {"revoke": [NEAR]}):
            etag = more.ask("wendy", "GET", path).json()["etag"]
            result = more.ask("wendy", "PATCH", path, etag, json={**body, "reason": "why"}).json()
            newest = more.ask("wendy", "GET", "/history").json()["versions"][0]
            what = (result["changes"], newest["changes"], newest["hidden"], newest["reason"])
            shown.setdefault(user, []).append(json.loads(json.dumps(what).replace(user, "USER")))
    assert shown["fred"] == shown["bo"] and len(shown["bo"][0][0]) == 1 and shown["bo"][0][3] == "why"
    versions = more.ask("olga", "GET", "/history").json()["versions"]
    users = [text for version in versions[:4] for text in version["changes"] if text.endswith("`bo@example.com`")]
    assert users == ["- user `bo@example.com`", "+ user `bo@example.com`"]


def test_names_of_api_tokens_elsewhere_are_not_told_by_warnings(more: Api) -> None:
    """A token may have the name of another one; who does not see that one is not warned."""
    soon = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    new = {"expires_at": soon, "roles": [{"role": "WORKSPACE_MEMBER", "scope": OWNER_THERE["scope"] | {"id": "ws"}}]}
    told = {
        (who, token): more.ask(who, "POST", "/tokens?dry_run=true", json={**new, "name": token}).json()["warnings"]
        for who in ("wendy", "olga")
        for token in ("Afar", "new")
    }
    ends = ["this API token expires within 14 days"]
    assert told[("wendy", "Afar")] == told[("wendy", "new")] == told[("olga", "new")] == ends
    assert any("another API token" in text for text in told[("olga", "Afar")])


def test_warnings_are_of_the_grants_that_are_seen(more: Api) -> None:
    """A grant that ends soon is pointed out, whatever grants elsewhere end soon."""
    soon = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    fred = "/users/fred@example.com"
    etag = more.ask("olga", "GET", fred).json()["etag"]
    far = {"role": "WORKSPACE_MEMBER", "scope": OWNER_THERE["scope"], "expires_at": soon}
    body = {"grant": [far], "revoke": [OWNER_THERE]}
    assert more.ask("olga", "PATCH", fred, etag, json=body).status_code == 200
    near = {"role": "WORKSPACE_MEMBER", "scope": {"kind": "Workspace", "id": "ws"}}
    warned = []
    for grant in (near, {**near, "expires_at": soon}):
        etag = more.ask("wendy", "GET", fred).json()["etag"]
        warned.append(
            more.ask("wendy", "PATCH", f"{fred}?dry_run=true", etag, json={"grant": [grant]}).json()["warnings"]
        )
    assert warned == [[], ["this grant of `WORKSPACE_MEMBER` ends within 14 days"]]


def test_a_custom_role_on_objects_is_granted_by_who_sees_a_part(more: Api) -> None:
    """What the role gives is looked up for the warnings, though not all of the policy is looked at."""
    scopes = {kind: {"kind": kind, "id": "p", "deployment_id": "dep"} for kind in ("pool", "Variable")}
    warned = {}
    for kind, scope in scopes.items():
        etag = more.ask("wendy", "GET", "/users/ana@example.com").json()["etag"]
        body = {"grant": [{"role": "sizer", "scope": scope}]}
        answer = more.ask("wendy", "PATCH", "/users/ana@example.com?dry_run=true", etag, json=body)
        warned[kind] = answer.json()["warnings"]
    assert warned == {
        "pool": [],
        "Variable": ["role `sizer` has no permission on Variables, so this grant has no effect"],
    }


@pytest.mark.parametrize("name", ["mo", "wendy"])
def test_who_has_roles_on_objects_is_told_to_those_who_may_see_it(more: Api, name: str) -> None:
    """A user who may read access, but no connections, cannot find out by questions which roles on them others have."""
    scope = {"kind": "connection", "id": "secret", "deployment_id": "dep"}
    etag = more.ask("olga", "GET", "/users/ana@example.com").json()["etag"]
    body = {"grant": [{"role": "OBJECT_VIEWER", "scope": scope}]}
    assert more.ask("olga", "PATCH", "/users/ana@example.com", etag, json=body).status_code == 200
    answers = [
        more.ask(
            name, "POST", "/explain", json={"action": "see-connection", "dag_id": dag_id, "who": f"{who}@example.com"}
        )
        for who, dag_id in (("ana", "secret"), ("bo", "secret"), ("ana", "other"))
    ]
    given = [(answer.status_code, answer.json().get("answer")) for answer in answers]
    assert given == ([(403, None)] * 3 if name == "mo" else [(200, "yes"), (200, "no"), (200, "no")])
    own = {"action": "see-connection", "dag_id": "secret"}
    assert more.ask(name, "POST", "/explain", json=own).status_code == 200


def test_who_has_access_by_a_tag_has_pages(more: Api) -> None:
    """There may be as many as there are users, and no page shows more than it is asked for."""
    etag = more.ask("olga", "GET", "/teams/data").json()["etag"]
    members = [f"u{number:03}@example.com" for number in range(120)]
    assert more.ask("olga", "PATCH", "/teams/data", etag, json={"add_members": members}).status_code == 200
    whole = more.ask("olga", "GET", "/tags/access?tag=t&limit=100").json()["users"]
    rest = more.ask("olga", "GET", "/tags/access?tag=t&limit=100&offset=100").json()
    assert rest["total_users"] == len(whole) + len(rest["users"]) == 122
    assert more.ask("mo", "GET", "/tags/access?tag=t").json()["total_users"] == 121, "without an API token"
    first = more.ask("olga", "GET", "/tags/access?tag=t").json()["users"]
    assert first == whole[:50]
    assert more.ask("olga", "GET", "/tags/access?tag=t&limit=101").status_code == 422


def test_many_changes_of_who_gives_no_role_are_not_computed(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a preview nor a change: they are refused as a whole, and who gives some roles is told which ones."""
    many = [{**NEAR, "scope": {**NEAR["scope"], "id": f"t{number}"}} for number in range(changing.MOST_EXPLAINED + 1)]
    emails = [f"u{number}@example.com" for number in range(changing.MOST_EXPLAINED + 1)]
    asked = (("/users/ana@example.com", {"grant": many}), ("/teams/data", {"add_members": emails}))
    tags = {path: api.ask("mo", "GET", path).json()["etag"] for path, _ in asked}
    monkeypatch.setattr(publisher, "publish", None)
    for path, body in asked:
        for way in ("", "?dry_run=true"):
            refused = api.ask("mo", "PATCH", f"{path}{way}", tags[path], json=body)
            assert (refused.status_code, refused.json()["missing"]) == (403, ["a role that may grant roles"])
    monkeypatch.undo()
    few = api.ask("mo", "PATCH", "/users/ana@example.com", tags["/users/ana@example.com"], json={"grant": many[1:]})
    assert few.status_code == 403 and len(few.json()["missing"]) == changing.MOST_EXPLAINED
    path = "/users/ana@example.com?dry_run=true"
    assert api.ask("wendy", "PATCH", path, tags["/users/ana@example.com"], json={"grant": many}).status_code == 200


def test_previews_keep_no_change_waiting(api: Api) -> None:
    """A preview is made while another request changes the policy."""
    path = "/users/ana@example.com"
    etag = api.ask("wendy", "GET", path).json()["etag"]
    with ThreadPoolExecutor(1) as pool, publisher._one_at_a_time:
        asked = pool.submit(api.ask, "wendy", "PATCH", f"{path}?dry_run=true", etag, json={"grant": [NEAR]})
        assert asked.result(timeout=60).status_code == 200
