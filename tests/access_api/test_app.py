"""What the API lets through: who changes what, from where, and what an answer tells."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import yaml
from sqlalchemy.exc import OperationalError

from astro_auth_plugin.access_api import app, bundles, changing
from astro_auth_plugin.access_management import publisher
from astro_auth_plugin.accounts import sign_ins
from astro_auth_plugin.runtime import policy_versions, state
from astro_auth_plugin.runtime.settings import Settings

from .conftest import Api, clear

ANA = "/users/ana@example.com"
TAG = {"kind": "tag", "id": "t", "deployment_id": "dep"}
VIEWER = {"role": "DAG_VIEWER", "scope": TAG}
FAR = {"role": "WORKSPACE_MEMBER", "scope": {"kind": "Workspace", "id": "ws-other"}}


def etag(api: Api, path: str = ANA) -> str:
    found: str = api.ask("olga", "GET", path).json()["etag"]
    return found


# -- changes -------------------------------------------------------------------------------------------------------


def test_a_change_needs_what_was_read_and_is_made_once(api: Api) -> None:
    read, body = etag(api), {"grant": [VIEWER]}
    assert api.ask("wendy", "PATCH", ANA, json=body).status_code == 428
    assert api.ask("wendy", "PATCH", ANA, "other", json=body).status_code == 412
    done = api.ask("wendy", "PATCH", ANA, read, json=body)
    assert done.status_code == 200 and done.json()["version"] == 2
    assert done.json()["gains"][0]["who"] == ["ana@example.com"]
    again = api.ask("wendy", "PATCH", ANA, read, json=body)
    assert again.status_code == 412
    assert again.json()["current"]["grants"][0]["role"] == "DAG_VIEWER"
    assert api.version() == 2


def test_a_dry_run_changes_nothing(api: Api) -> None:
    shown = api.ask("wendy", "PATCH", f"{ANA}?dry_run=true", etag(api), json={"grant": [VIEWER]})
    assert shown.json()["version"] is None and shown.json()["gains"] and api.version() == 1


def test_an_entry_of_another_workspace_cannot_be_guessed_by_its_etag(api: Api) -> None:
    read = api.ask("wendy", "GET", "/users/fred@example.com").json()
    assert read["grants"] == [] and read["effective"] == []
    assert read["etag"] != etag(api, "/users/stranger@example.com")
    key = changing.Entity("users", "fred@example.com")
    entry = state.current().policy_store.engine().policy.document.users[-1]
    assert read["etag"] == key.etag(entry)


def test_a_reason_is_required_where_the_options_say_so(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(None, "dep", require_reason=True)
    monkeypatch.setattr(state, "_current", state.current().__class__(**{**vars(state.current()), "settings": settings}))
    read = etag(api)
    for reason in ("", "  "):
        refused = api.ask("wendy", "PATCH", ANA, read, json={"grant": [VIEWER], "reason": reason})
        assert (refused.status_code, refused.json()["code"]) == (422, "reason_required")
    assert api.ask("wendy", "PATCH", ANA, read, json={"grant": [VIEWER], "reason": "why"}).status_code == 200


def test_an_organization_role_can_end(api: Api) -> None:
    role = {"role": "ORGANIZATION_OWNER", "scope": {"kind": "Organization"}}
    ending = {**role, "expires_at": "2099-01-01T00:00:00Z", "note": "audit"}
    done = api.ask("olga", "PATCH", ANA, etag(api), json={"grant": [ending]})
    assert done.json()["changes"][-1].endswith("until 2099-01-01T00:00:00Z (audit)")
    (shown,) = api.ask("olga", "GET", ANA).json()["grants"]
    assert shown["expires_at"] == "2099-01-01T00:00:00Z" and shown["note"] == "audit"
    olga = "/users/olga@example.com"
    for change in ({"grant": [ending]}, {"revoke": [role]}):
        refused = api.ask("olga", "PATCH", olga, etag(api, olga), json=change)
        assert (refused.status_code, refused.json()["code"]) == (409, "last_owner")
    assert api.ask("olga", "PATCH", ANA, etag(api), json={"grant": [role]}).status_code == 200
    assert api.ask("olga", "PATCH", olga, etag(api, olga), json={"grant": [ending]}).status_code == 200


def test_with_a_file_an_organization_role_is_written_as_short_as_it_can(in_file: Api) -> None:
    role = {"role": "ORGANIZATION_MEMBER", "scope": {"kind": "Organization"}}
    for more, written in (
        ({}, "ORGANIZATION_MEMBER"),
        ({"note": "why"}, {"role": "ORGANIZATION_MEMBER", "note": "why"}),
    ):
        body = {"grant": [{**role, **more}]}
        shown = in_file.ask("olga", "PATCH", f"{ANA}?dry_run=true", etag(in_file), json=body)
        (entry,) = yaml.safe_load(shown.json()["patch"])["users"]
        assert entry["organization_role"] == written


def test_what_is_denied_names_nothing_of_another_workspace(api: Api) -> None:
    for way in ("", "?dry_run=true"):
        refused = api.ask(
            "wendy",
            "PATCH",
            f"/users/fred@example.com{way}",
            etag(api, "/users/fred@example.com"),
            json={"revoke": [{"role": "WORKSPACE_OWNER", "scope": FAR["scope"]}]},
        )
        assert refused.status_code == 403
        assert refused.json()["missing"] == ["a part of the policy that you may not see"]
    mine = api.ask("mo", "PATCH", ANA, etag(api), json={"grant": [VIEWER]})
    assert mine.status_code == 403 and "`DAG_VIEWER` on tag `t`" in " ".join(mine.json()["missing"])
    assert api.version() == 1


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (publisher.LastOwner("no"), 409, "last_owner"),
        (publisher.TooManyChanges("no"), 503, "too_many_changes"),
        (publisher.NoPolicy("no"), 503, "unavailable"),
        (OperationalError("SELECT secret", {}, Exception("secret")), 503, "unavailable"),
    ],
)
def test_what_goes_wrong_is_an_answer(
    api: Api, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str
) -> None:
    read = etag(api)

    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(publisher, "publish", fail)
    answer = api.ask("wendy", "PATCH", ANA, read, json={"grant": [VIEWER]})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    "body",
    [{}, {"grant": []}, {"grant": [{"role": "X"}]}, {"grnt": [VIEWER]}, {"grant": [{**VIEWER, "expires_at": "soon"}]}],
)
def test_a_request_that_says_nothing_or_something_else_is_invalid(api: Api, body: dict[str, Any]) -> None:
    answer = api.ask("wendy", "PATCH", ANA, etag(api), json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


def test_who_may_make_a_change_is_told_to_readers_of_access(api: Api) -> None:
    body = {"grant": [VIEWER]}
    refused = api.ask("mo", "PATCH", ANA, etag(api), json=body).json()
    assert refused["whom_to_ask"] == ["olga@example.com", "wendy@example.com"]
    assert api.ask("mia", "PATCH", ANA, etag(api), json=body).json().get("whom_to_ask", []) == []
    # Of what one may not see, one does not learn who may change it.
    far = api.ask("wendy", "PATCH", ANA, etag(api), json={"revoke": [FAR]}).json()
    assert far["whom_to_ask"] == []


def test_who_may_make_a_change_is_looked_for_among_few(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many users some are asked, and the Owners; for a large change no one is named."""
    judged: list[str] = []
    real = changing.denied_changes

    def noting(engine: Any, actor: str, *args: Any) -> Any:
        judged.append(actor)
        return real(engine, actor, *args)

    monkeypatch.setattr(changing, "denied_changes", noting)
    monkeypatch.setattr(changing, "MOST_ASKED", 0)
    body = {"grant": [VIEWER]}
    assert api.ask("mo", "PATCH", ANA, etag(api), json=body).json()["whom_to_ask"] == ["olga@example.com"] == judged
    judged.clear()
    monkeypatch.setattr(changing, "MOST_EXPLAINED", 0)
    more = {"grant": [{**VIEWER, "role": "DAG_AUTHOR"}]}
    few = api.ask("wendy", "PATCH", ANA, etag(api), json={**more, "revoke": []})
    assert few.status_code == 200
    member = {"grant": [{"role": "ORGANIZATION_OWNER", "scope": {"kind": "Organization"}}]}
    assert api.ask("wendy", "PATCH", ANA, etag(api), json=member).json()["whom_to_ask"] == [] == judged


def test_a_preview_names_tokens_settings_and_permissions_in_words(api: Api) -> None:
    role = {"name": "dox", "scope": "DEPLOYMENT", "permissions": ["deployment.airflow.docs.get"]}
    assert api.ask("olga", "POST", "/roles", json=role).status_code == 201
    on = {"role": "dox", "scope": {"kind": "Deployment", "id": "dep"}}
    body = {"name": "nightly", "expires_at": None, "roles": [on]}
    shown = api.ask("olga", "POST", "/tokens?dry_run=true", json=body).json()
    assert shown["changes"] == ["+ API token `nightly`: `dox` on DEPLOYMENT `dep`"]
    assert [(each["who"], each["because"]) for each in shown["gains"]] == [
        (["API token `nightly`"], "roles of API token `nightly`")
    ]
    assert shown["id"] == "" and shown["secret"] is None
    titles = api.ask("mia", "GET", "/actions").json()["titles"]
    assert {name: titles[name] for each in shown["gains"] for name in each["may"]} == {"docs.get": "See the Docs menu"}
    off = {"support_access": "disallowed"}
    assert api.ask("olga", "PUT", "/support_access", json=off).status_code == 200
    (newest,) = api.ask("olga", "GET", "/history?limit=1").json()["versions"]
    assert newest["changes"] == ["~ setting `support_access` (disallowed)"]


def test_what_one_loses_oneself_is_in_words(api: Api) -> None:
    owner = {"role": "WORKSPACE_OWNER", "scope": {"kind": "Workspace", "id": "ws"}}
    path = "/users/wendy@example.com"
    shown = api.ask("wendy", "PATCH", f"{path}?dry_run=true", etag(api, path), json={"revoke": [owner]}).json()
    assert "Change pools (the whole Deployment)" in shown["own_losses"]


# -- what is seen --------------------------------------------------------------------------------------------------


def test_entries_of_another_workspace_do_not_exist_for_a_workspace_owner(api: Api) -> None:
    for path, names in {"/users": ("fred", "fay"), "/teams": ("elsewhere",), "/tokens": ("afar",)}.items():
        mine, every = (api.ask(name, "GET", path).text for name in ("wendy", "olga"))
        assert not [name for name in names if name in mine]
        assert not [name for name in names if name not in every]
    assert api.ask("wendy", "GET", "/teams/elsewhere").status_code == 404
    body = {"description": "mine"}
    assert api.ask("wendy", "PATCH", "/teams/elsewhere", etag(api, "/teams/elsewhere"), json=body).status_code == 404
    assert api.ask("wendy", "DELETE", "/tokens/afar", "x").status_code == 404


def test_history_shows_what_is_of_this_workspace(api: Api) -> None:
    done = api.ask("olga", "PATCH", ANA, etag(api), json={"grant": [FAR], "reason": "secret plan"})
    assert done.status_code == 200
    done = api.ask(
        "olga", "PATCH", ANA, etag(api), json={"grant": [VIEWER, {**FAR, "note": "x"}], "reason": "secret plan"}
    )
    mine = api.ask("wendy", "GET", "/history").json()["versions"]
    assert [version["version"] for version in mine] == [3, 1]
    assert mine[0]["hidden"] == 2 and len(mine[0]["changes"]) == 1 and mine[0]["reason"] == ""
    assert api.ask("wendy", "GET", "/history/2").status_code == 404
    assert len(api.ask("olga", "GET", "/history").json()["versions"]) == 3
    assert api.ask("mo", "GET", "/history").status_code == 403


def test_the_audit_export_leaves_changes_of_the_policy_to_the_history(api: Api) -> None:
    mine, every = (api.ask(name, "GET", "/audit").text for name in ("wendy", "olga"))
    assert "policy_changed" in every and "policy_changed" not in mine


def test_others_are_asked_about_by_readers_alone(api: Api) -> None:
    question = {"action": "see-pool", "as": "wendy@example.com"}
    assert api.ask("mia", "POST", "/explain", json=question).status_code == 403
    assert api.ask("mo", "POST", "/explain", json=question).json()["answer"] == "yes"
    token = {"action": "see-pool", "as": "token:ci"}
    assert api.ask("mo", "POST", "/explain", json=token).status_code == 403
    assert api.ask("wendy", "POST", "/explain", json=token).json()["answer"] == "yes"
    own = api.ask("mia", "POST", "/explain", json={"action": "see-pool"}).json()
    assert own["answer"] == "no" and own["advice"] and own["whom_to_ask"] == []
    reader = api.ask("mo", "POST", "/explain", json={"action": "edit-pool"}).json()
    assert {each["email"] for each in reader["whom_to_ask"]} == {"olga@example.com", "wendy@example.com"}


# -- Teams and roles -----------------------------------------------------------------------------------------------


def test_a_membership_ends_and_a_team_gets_another_name(api: Api) -> None:
    body = {"add_members": ["ana@example.com"], "expires_at": "2099-01-01T00:00:00Z", "note": "holidays"}
    assert api.ask("wendy", "PATCH", "/teams/data", etag(api, "/teams/data"), json=body).status_code == 200
    members = api.ask("mo", "GET", "/teams/data").json()["members"]
    assert {"email": "ana@example.com", "expires_at": "2099-01-01T00:00:00Z", "note": "holidays"} in members
    read = etag(api, "/teams/data")
    assert api.ask("wendy", "PATCH", "/teams/data", read, json={"name": "facts"}).status_code == 403
    done = api.ask("olga", "PATCH", "/teams/data", read, json={"name": "facts"})
    assert done.status_code == 200 and done.json()["changes"] == ["~ Team `data` renamed to `facts`"]
    assert api.ask("mo", "GET", "/teams/facts").json()["members"] == members
    (team,) = api.ask("mo", "GET", ANA).json()["teams"]
    assert (team["name"], team["expires_at"]) == ("facts", "2099-01-01T00:00:00Z")


def test_members_of_a_new_team_have_ends(api: Api) -> None:
    until = {"email": "ana@example.com", "expires_at": "2099-01-01T00:00:00Z", "note": "holidays"}
    body = {"name": "new", "members": [until, {"email": "bo@example.com"}, "cy@example.com"]}
    assert api.ask("olga", "POST", "/teams", json=body).status_code == 201
    members = api.ask("mo", "GET", "/teams/new").json()["members"]
    assert members == [
        until,
        {"email": "bo@example.com", "expires_at": None, "note": ""},
        {"email": "cy@example.com", "expires_at": None, "note": ""},
    ]


def test_a_search_finds_accounts_without_roles_for_those_who_may_read_accounts(api: Api, accounts: Any) -> None:
    accounts("gus", "gus@example.com")
    for name, sees in (("olga", True), ("wendy", True), ("mo", False)):
        for path in ("/users?search=GUS", "/suggest?kind=user&search=gus"):
            assert ("gus@example.com" in api.ask(name, "GET", path).text) == sees, (name, path)
        assert "gus" not in api.ask(name, "GET", "/users").text


def test_the_end_and_note_of_a_membership_are_replaced_together(api: Api) -> None:
    def of_mia(**more: str) -> dict[str, Any]:
        body = {"add_members": ["mia@example.com"], **more}
        assert api.ask("wendy", "PATCH", "/teams/data", etag(api, "/teams/data"), json=body).status_code == 200
        (member,) = api.ask("mo", "GET", "/teams/data").json()["members"]
        found: dict[str, Any] = member
        return found

    assert of_mia(expires_at="2099-01-01T00:00:00Z", note="holidays")["note"] == "holidays"
    assert of_mia(note="on call") == {"email": "mia@example.com", "expires_at": None, "note": "on call"}
    assert of_mia() == {"email": "mia@example.com", "expires_at": None, "note": ""}


def test_a_role_gets_another_name(api: Api) -> None:
    role = {"name": "peek", "scope": "DAG", "permissions": ["dag.airflow.dag.get"]}
    assert api.ask("olga", "POST", "/roles", json=role).status_code == 201
    read = api.ask("olga", "GET", "/roles").json()["roles"][0]["etag"]
    body = {"permissions": role["permissions"], "name": "glance"}
    assert api.ask("olga", "PUT", "/roles/peek", read, json=body).status_code == 200
    assert [each["name"] for each in api.ask("mo", "GET", "/roles").json()["roles"]] == ["glance"]


def test_support_access_is_switched_by_organization_owners(api: Api) -> None:
    team = {
        "name": "help",
        "support": True,
        "grant": [{"role": "WORKSPACE_OWNER", "scope": {"kind": "Workspace", "id": "ws"}}],
    }
    assert api.ask("olga", "POST", "/teams", json=team).status_code == 422
    team["grant"] = [{"role": "WORKSPACE_MEMBER", "scope": {"kind": "Workspace", "id": "ws"}}]
    assert api.ask("olga", "POST", "/teams", json=team).status_code == 201
    assert api.ask("mo", "GET", "/teams/help").json()["support"]
    off = {"support_access": "disallowed"}
    assert api.ask("wendy", "PUT", "/support_access", json=off).status_code == 403
    assert api.ask("olga", "PUT", "/support_access", json=off).status_code == 200
    assert api.ask("mo", "GET", "/teams").json()["support_access"] == "disallowed"


def test_a_team_becomes_one_for_support(api: Api) -> None:
    read, body = etag(api, "/teams/data"), {"support": True}
    assert api.ask("wendy", "PATCH", "/teams/data", read, json=body).status_code == 403
    done = api.ask("olga", "PATCH", "/teams/data", read, json=body)
    assert done.json()["changes"] == ["~ Team `data` (a support Team)"]
    assert api.ask("olga", "PATCH", "/teams/data", etag(api, "/teams/data"), json={"support": False}).status_code == 200
    assert not api.ask("mo", "GET", "/teams/data").json()["support"]


def test_the_effect_of_a_tag_is_on_the_dags_tagged_with_it(api: Api) -> None:
    shown = api.ask("wendy", "PATCH", f"{ANA}?dry_run=true", etag(api), json={"grant": [VIEWER]}).json()
    assert "Dags tagged `t`" in [each["where"] for each in shown["gains"]]


def test_with_a_file_a_rename_and_a_setting_say_what_to_write(in_file: Api) -> None:
    def patch(method: str, path: str, read: str = "", **body: Any) -> str:
        shown = in_file.ask("olga", method, f"{path}?dry_run=true", read, json=body)
        assert shown.status_code == 200 and shown.json()["changes"]
        return str(shown.json()["patch"])

    team = patch("PATCH", "/teams/data", etag(in_file, "/teams/data"), name="facts\nx: 1")
    assert team.startswith('# In `teams`, replace the entry of "data" by this one.\nteams:\n')
    assert yaml.safe_load(team)["teams"][0]["name"] == "facts\nx: 1"
    (role,) = in_file.ask("olga", "GET", "/roles").json()["roles"]
    again = patch("PUT", "/roles/peek", role["etag"], name="glance", permissions=role["permissions"])
    assert '# Write "glance" instead of "peek" wherever a role is "peek", too.\nroles:\n- name: glance\n' in again
    same = patch("PUT", "/roles/peek", role["etag"], name="peek", permissions=["dag.airflow.dagRun.get"])
    assert same.startswith("roles:\n- name: peek\n")
    assert patch("PUT", "/support_access", support_access="disallowed") == "support_access: disallowed\n"


def test_groups_of_others_count_for_those_who_see_their_accounts(api: Api, accounts: Any) -> None:
    """A Workspace Owner asks about the groups of the last sign-in; a Member is warned that groups may matter."""
    team = {
        "name": "ops",
        "idp_groups": ["g"],
        "grant": [{"role": "WORKSPACE_OPERATOR", "scope": {"kind": "Workspace", "id": "ws"}}],
    }
    assert api.ask("olga", "POST", "/teams", json=team).status_code == 201
    sign_ins.keep(accounts("gus", "gus@example.com"), "gus@example.com", ["g"])
    question = {"action": "edit-pool", "as": "gus@example.com"}
    found = api.ask("wendy", "POST", "/explain", json=question).json()
    assert found["answer"] == "yes" and found["grants"][0]["through"] == {"kind": "Team", "name": "ops", "group": "g"}
    unknown = api.ask("mo", "POST", "/explain", json=question).json()
    assert unknown["answer"] == "no" and "groups of the identity provider" in unknown["why"]
    assert api.ask("mo", "POST", "/explain", json={"action": "edit-pool"}).json()["why"] == ""


def test_an_emptied_store_is_no_error(api: Api, metadata_database: Any) -> None:
    """The last version stays in effect, and the page says that there is none in the store."""
    before = api.ask("wendy", "GET", "/me").json()["policy"]
    assert (before["version"], before["author"]) == (1, None)
    identity = api.identity("wendy")
    clear(metadata_database)
    assert policy_versions.newest() is None
    api.identity = lambda _: identity  # type: ignore[method-assign]
    assert api.ask("wendy", "GET", "/me").json()["policy"]["version"] is None


# -- API tokens ----------------------------------------------------------------------------------------------------


def test_tokens_make_no_tokens(api: Api) -> None:
    body = {"name": "n", "expires_at": None, "roles": [VIEWER]}
    made = api.ask("wendy", "POST", "/tokens", json=body)
    assert made.status_code == 201 and made.headers["cache-control"] == "no-store" and made.json()["secret"]
    assert api.ask("wendy", "POST", "/tokens?dry_run=true", json=body).json()["secret"] is None
    assert api.ask("token:ci", "POST", "/tokens", json=body).status_code == 403
    tokens = api.ask("wendy", "GET", "/tokens").json()["tokens"]
    (read,) = (token["etag"] for token in tokens if token["id"] == "ci")
    assert api.ask("token:ci", "POST", "/tokens/ci/rotate", read, json={}).status_code == 403
    assert api.ask("wendy", "POST", "/tokens/ci/rotate", read, json={}).status_code == 200
    assert HASH_KEYS.isdisjoint(json.dumps(tokens))


HASH_KEYS = frozenset({"secret_sha256"})


# -- other origins, strangers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, False),
        ({"Origin": "http://airflow"}, True),
        ({"Origin": "http://airflow:1"}, False),
        ({"Origin": "https://airflow"}, False),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://airflow"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Authorization": "Bearer x", "Sec-Fetch-Site": "cross-site"}, True),
    ],
)
def test_changes_with_the_cookie_come_from_the_own_pages(api: Api, headers: dict[str, str], allowed: bool) -> None:
    answer = api.send("wendy", "POST", "/explain", headers, json={"action": "see-pool"})
    assert answer.status_code == (200 if allowed else 403)
    assert api.send("wendy", "GET", "/me", {}).status_code == 200


def test_behind_a_proxy_the_own_pages_are_those_of_the_configured_address(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://front.example.com/a")
    question = {"action": "see-pool"}
    for origin, status in (("https://front.example.com", 200), ("https://front.example.com:1", 403)):
        assert api.send("wendy", "POST", "/explain", {"Origin": origin}, json=question).status_code == status


def test_a_user_without_roles_gets_nothing(api: Api) -> None:
    for path in ("/me", "/me/dags", "/actions", "/catalogue", "/users", "/dags/d/access", "/suggest?kind=dag"):
        answer = api.ask("stranger", "GET", path)
        assert (answer.status_code, answer.json()["code"]) == (403, "denied")


@pytest.mark.parametrize(
    "path", ["/tags/access?tag=a%00", "/bundles/access?bundle=%00", "/users?search=%00", "/users/a%00@example.com"]
)
def test_nul(api: Api, path: str) -> None:
    """PostgreSQL's driver raises an error of Python's for one."""
    answer = api.ask("olga", "GET", path)
    assert (answer.status_code, answer.json()["detail"]) == (422, "No name has a NUL character.")


# -- many at once --------------------------------------------------------------------------------------------------


def test_answers_are_kept_by_no_cache(api: Api) -> None:
    for path in ("/me", "/users", "/nosuch", "/health"):
        assert api.ask("wendy", "GET", path).headers["cache-control"] == "no-store"


def test_few_requests_are_worked_on_at_once_and_the_rest_wait_without_a_thread() -> None:
    """Of many requests some are in work; too many are refused, and each one that ends lets another one in."""
    started: list[int] = []
    finish = asyncio.Event()

    async def slow(scope: Any, _receive: Any, send: Any) -> None:
        started.append(1)
        await finish.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def ask(turns: Any, path: str, answers: list[int]) -> None:
        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                answers.append(message["status"])

        await turns({"type": "http", "method": "GET", "path": path, "headers": []}, _no_body, send)

    async def many() -> list[int]:
        turns, answers = app._Turns(slow), list[int]()
        asked = app.AT_ONCE + app.MOST_WAITING + 5
        tasks = [asyncio.create_task(ask(turns, "/api/v1/users", answers)) for _ in range(asked)]
        file = asyncio.create_task(ask(turns, "/static/access.js", answers))
        while len(answers) < 5 or len(started) < app.AT_ONCE + 1:  # noqa: ASYNC110 - all of it happens in this loop
            await asyncio.sleep(0)
        assert len(started) == app.AT_ONCE + 1
        finish.set()
        await asyncio.gather(*tasks, file)
        return answers

    answers = asyncio.run(many())
    assert answers.count(503) == 5
    assert answers.count(200) == app.AT_ONCE + app.MOST_WAITING + 1


async def _no_body() -> Any:
    return {"type": "http.request"}


def test_requests_without_their_body_keep_no_turn() -> None:
    """However many clients do not send their body, others are answered; and with all turns taken, the health is."""

    async def many() -> None:
        finish = asyncio.Event()

        async def slow(scope: Any, receive: Any, send: Any) -> None:
            body = (await receive())["body"]
            if body == b"slow":
                await finish.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": body})

        turns = app._Turns(slow)

        async def ask(path: str, *pieces: bytes) -> bytes:
            coming, sent = iter(pieces), []

            async def receive() -> Any:
                piece = next(coming, None)
                if piece is None:
                    await asyncio.Event().wait()
                return {"type": "http.request", "body": piece, "more_body": piece != pieces[-1] or len(pieces) == 1}

            async def send(message: Any) -> None:
                sent.append(message.get("body", b""))

            await turns({"type": "http", "method": "POST", "path": path, "headers": []}, receive, send)
            return b"".join(sent)

        stuck = [asyncio.create_task(ask("/api/v1/explain", b"{")) for _ in range(app.AT_ONCE + app.MOST_WAITING + 1)]
        await asyncio.sleep(0)
        assert await asyncio.wait_for(ask("/api/v1/explain", b"no", b"w"), 5) == b"now"
        working = [asyncio.create_task(ask("/api/v1/explain", b"slo", b"w")) for _ in range(app.AT_ONCE)]
        waiting = asyncio.create_task(ask("/api/v1/explain", b"no", b"w"))
        await asyncio.sleep(0)
        assert await asyncio.wait_for(ask("/api/v1/health", b"no", b"w"), 5) == b"no" and not waiting.done()
        finish.set()
        assert await asyncio.gather(*working, waiting) == [b"slow"] * app.AT_ONCE + [b"now"]
        for task in stuck:
            task.cancel()

    asyncio.run(many())


# -- the pages' files ----------------------------------------------------------------------------------------------


def test_pages_with_the_components_of_airflow_are_small() -> None:
    """At most 60 KiB without compression: browsers read all of it before the first page."""
    assert 10_000 < (bundles.STATIC / "access.js").stat().st_size <= 60 * 1024
