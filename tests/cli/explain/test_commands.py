"""`explain`, `who-can` and `access`: what they answer, and how they end."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from astro_auth_plugin.authorization import dag_lookup
from astro_auth_plugin.cli import progress
from astro_auth_plugin.rbac.model.scopes import Dag
from astro_auth_plugin.rbac.policy import loader
from tests.cli.explain.invoke import run, values
from tests.cli.test_commands import STANDALONE
from tests.cli.test_progress import Screen
from tests.in_request import HEAD

POLICY = """\
teams:
  - {name: sales, members: [ana@example.com], idp_groups: [sales-people], dag_roles: [{deployment_id: dep, tag: "team:sales", role: DAG_VIEWER}]}
users:
  - {email: olga@example.com, organization_role: ORGANIZATION_OWNER}
  - {email: art@example.com, dag_roles: [{deployment_id: dep, tag: "team:sales", role: DAG_AUTHOR}]}
api_tokens:
  - {id: ci, name: ci, secret_sha256: "0000000000000000000000000000000000000000000000000000000000000000", expires_at: never,
     roles: [{role: DAG_AUTHOR, entity_type: DAG, entity_id: sales_daily, deployment_id: dep}]}
  - {id: old, name: old, secret_sha256: "0000000000000000000000000000000000000000000000000000000000000001", expires_at: 2020-01-01T00:00:00Z,
     roles: [{role: DEPLOYMENT_ADMIN, entity_type: DEPLOYMENT, entity_id: dep}]}
"""
NOT_LOOKED_AT = "Accounts were not checked: disabled accounts, and duplicate accounts for one e-mail, have no access."


@pytest.fixture
def at(tmp_path: Path) -> list[str | Path]:
    """The options that say where policy and Dags are."""
    (tmp_path / "policy.yaml").write_text(HEAD + POLICY)
    dags = {"dags": [{"dag_id": "sales_daily", "tags": [{"name": "team:sales"}]}, {"dag_id": "bare", "tags": []}]}
    (tmp_path / "dags.json").write_text(json.dumps(dags))
    return ["--policy", tmp_path / "policy.yaml", "--deployment", "dep", "--dags", tmp_path / "dags.json"]


# -- explain -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code", "first"),
    [
        ("art@example.com trigger sales_daily", 0, "yes: art@example.com may trigger sales_daily"),
        ("ART@Example.com trigger sales_daily", 0, "yes: art@example.com may trigger sales_daily"),
        ("ana@example.com trigger sales_daily", 2, "no: ana@example.com may not trigger sales_daily"),
        ("ana@example.com trigger", 2, "no: ana@example.com may not trigger"),
        ("olga@example.com see-config", 0, "yes: olga@example.com may see-config"),
        ("art@example.com delete sales_daily", 0, "yes: art@example.com may delete sales_daily"),
        ("ana@example.com delete sales_daily", 2, "no: ana@example.com may not delete sales_daily"),
        (
            "art@example.com delete /api/v2/dags/sales_daily",
            0,
            "yes: art@example.com may DELETE /api/v2/dags/sales_daily",
        ),
        ("token:ci pause sales_daily", 0, "yes: token:ci may pause sales_daily"),
        ("token:old pause sales_daily", 2, "no: token:old may not pause sales_daily"),
        (
            "art@example.com PATCH https://airflow.example.com/x/api/v2/dags/sales_daily?update_mask=is_paused",
            0,
            "yes: art@example.com may PATCH https://airflow.example.com/x/api/v2/dags/sales_daily?update_mask=is_paused",
        ),
        (
            "art@example.com get /api/v2/dags/sales%5Fdaily",
            0,
            "yes: art@example.com may GET /api/v2/dags/sales%5Fdaily",
        ),
        ("art@example.com POST /api/v2/backfills", 1, "it depends whether art@example.com may POST /api/v2/backfills"),
        ("art@example.com POST /api/v2/backfills bare", 2, "no: art@example.com may not POST /api/v2/backfills"),
        ("art@example.com POST /api/v2/backfills sales_daily", 0, "yes: art@example.com may POST /api/v2/backfills"),
    ],
)
def test_answer_first(words: str, code: int, first: str, at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """The answer stands in the first line and in the exit code."""
    ended, out, error = run(capsys, "explain", "--as", *words.split(), *at)
    assert (ended, out.splitlines()[0], error) == (code, first, "")


def test_no_with_all_reasons(at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """A no tells what is missing, what is held there, and what to paste; pasted, it makes a yes."""
    code, reported = values(capsys, "explain", "--as", "ana@example.com", "trigger", "sales_daily", *at)
    assert code == 2
    assert reported == {
        "policy": str(at[1]),
        "deployment_id": "dep",
        "question": "trigger",
        "dag": {"id": "sales_daily", "exists": True, "tags": ["team:sales"]},
        "object": None,
        "as": "ana@example.com",
        "answer": "no",
        "why": "",
        "status": None,
        "cases": [
            {
                "when": None,
                "answer": "no",
                "needs": ["dag.get", "dagRun.create"],
                "missing": ["dagRun.create"],
                "grants": [
                    {
                        "role": "DAG_VIEWER",
                        "holder": "Team `sales`",
                        "on": {"kind": "tag", "id": "team:sales"},
                        "path": "teams[0].dag_roles[0]",
                        "line": 6,
                        "expires_at": None,
                    }
                ],
                "dags": None,
                "objects": None,
            }
        ],
        "groups": None,
        "add": {
            "to": ["users"],
            "line": 0,
            "new": True,
            "entry": {
                "email": "ana@example.com",
                "dag_roles": [{"deployment_id": "dep", "dag_id": "sales_daily", "role": "DAG_AUTHOR"}],
            },
            "extra": reported["add"]["extra"],
        },
        "notes": [NOT_LOOKED_AT],
    }
    file = yaml.safe_load(at[1].read_bytes())
    file["users"].append(reported["add"]["entry"])
    at[1].write_text(yaml.safe_dump(file))
    assert run(capsys, "explain", "--as", "ana@example.com", "trigger", "sales_daily", *at)[0] == 0


def test_yaml_says_the_same(at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """YAML has the values of JSON."""
    words = ["explain", "--as", "art@example.com", "see", "sales_daily", *at]
    assert yaml.safe_load(run(capsys, *words, "--output", "yaml")[1]) == values(capsys, *words)[1]


def test_given_elsewhere(at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """What is missing on one Dag and held on others is told, with the tag that this Dag does not carry."""
    _, out, _ = run(capsys, "explain", "--as", "art@example.com", "trigger", "bare", *at)
    assert "Dag `bare` carries no tag" in out
    assert "Related grants in other scopes:" in out
    assert re.search(
        r"^ DAG_AUTHOR +user `art@example.com` +tag `team:sales` +dag.get, dagRun.create +9", out, re.MULTILINE
    )


def test_many_grants_elsewhere(at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """Of many grants elsewhere ten are shown."""
    grants = ", ".join(f"{{deployment_id: dep, tag: t{number}, role: DAG_VIEWER}}" for number in range(12))
    at[1].write_text(HEAD + f"users: [{{email: a@example.com, dag_roles: [{grants}]}}]\n")
    _, out, _ = run(capsys, "explain", "--as", "a@example.com", "see", "bare", *at)
    assert (out.count("DAG_VIEWER   user"), "and by 2 more grants" in out) == (10, True)


def test_tags_that_are_given(at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """With --tag the Dag is taken to carry these tags, and no Dags are read."""
    words = ["explain", "--as", "art@example.com", "trigger", "planned", *at[:4], "--tag", "x", "--tag", "team:sales"]
    code, reported = values(capsys, *words)
    assert (code, reported["dag"]) == (0, {"id": "planned", "exists": None, "tags": ["team:sales", "x"]})


@pytest.mark.parametrize(("who", "code"), [("art@example.com", 2), ("olga@example.com", 0), ("token:ci", 2)])
def test_dag_that_is_not_there(who: str, code: int, at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """A Dag that does not exist is a no for all whose roles are on Dags, and it is said."""
    ended, reported = values(capsys, "explain", "--as", who, "see", "slaes_daily", *at)
    assert (ended, reported["dag"]) == (code, {"id": "slaes_daily", "exists": False, "tags": None})
    assert "There is no Dag `slaes_daily`, did you mean `sales_daily`?" in reported["notes"]


def test_who_is_not_named(at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """Whom the policy does not name may be a slip of the pen."""
    _, reported = values(capsys, "explain", "--as", "art@exmple.com", "see", "bare", *at)
    assert reported["notes"][0] == "The policy does not name `art@exmple.com`, did you mean `art@example.com`?"


def test_expired_token(at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """An expired token may do nothing, whatever its roles, and the answer says since when."""
    _, reported = values(capsys, "explain", "--as", "token:old", "see", "bare", *at)
    assert (reported["answer"], reported["why"]) == ("no", "this API token expired at 2020-01-01 00:00 UTC")


def test_request_that_is_refused(at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """A refused request has the status that Airflow gives, and 404 for a backfill that is hidden."""
    words = ["explain", "--as", "ana@example.com"]
    assert values(capsys, *words, "DELETE", "/api/v2/dags/sales_daily", *at)[1]["status"] == 403
    reported = values(capsys, *words, "GET", "/api/v2/backfills/7", "bare", *at)[1]
    assert reported["status"] == (404 if working_release() >= (3, 3) else 403)
    assert values(capsys, *words, "GET", "/auth/fab/v1/roles", *at)[1]["why"].startswith("this page is denied")


def working_release() -> tuple[int, ...]:
    from astro_auth_plugin.cli.explain.commands import _release

    return _release()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (6, "shows what belongs to 1 Dag: sales_daily"),
        (4, "shows what belongs to Dags that carry `team:sales`"),
    ],
)
def test_list(options: int, words: str, at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """The answer about a list says which Dags are in it, by name or as the policy tells them."""
    _, out, _ = run(capsys, "explain", "--as", "art@example.com", "GET", "/api/v2/dags/~/dagRuns", *at[:options])
    assert words in out.splitlines()


@pytest.mark.parametrize(
    ("who", "path", "words"),
    [
        ("olga@example.com", "/api/v2/dags", "shows what belongs to every Dag"),
        ("token:ci", "/api/v2/dags", "shows what belongs to Dags with the id `sales_daily`"),
        ("seer@example.com", "/api/v2/dags/~/dagRuns", "shows what belongs to no Dag"),
        (
            "both@example.com",
            "/api/v2/dags/~/dagRuns",
            "shows what belongs to Dags that carry `a` or with the id `x`; and at the same time that carry `b`",
        ),
    ],
)
def test_list_without_dags(who: str, path: str, words: str, at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the Dags at hand, what is in a list is told by tags and ids."""
    more = """\
roles:
  - {name: see, scope: DAG, permissions: [dag.airflow.dag.get]}
  - {name: runs, scope: DAG, permissions: [dag.airflow.dagRun.get]}
"""
    users = """\
  - {email: seer@example.com, dag_roles: [{deployment_id: dep, tag: a, role: see}]}
  - email: both@example.com
    dag_roles:
      - {deployment_id: dep, tag: a, role: see}
      - {deployment_id: dep, dag_id: x, role: see}
      - {deployment_id: dep, tag: b, role: runs}
"""
    at[1].write_text(HEAD + more + POLICY.replace("users:\n", "users:\n" + users))
    _, out, _ = run(capsys, "explain", "--as", who, "GET", path, *at[:4])
    assert words in out.splitlines()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("x@y.de triger bare", "unknown action `triger`, did you mean `trigger`?; there are `open`, `see`, "),
        ("x@y.de dag.airflow.dagRun.crate bare", "did you mean `dag.airflow.dagRun.create`?"),
        ("x@y.de trigger bare twice", "found also `twice`"),
        ("x@y.de GET", "unknown action `GET`"),
        ("x@y.de GET /api/v2/dgas", "has no route `GET /api/v2/dgas`, did you mean `GET /api/v2/dags`?"),
        ("x@y.de GET http://[::1/x", "`http://[::1/x` is not a path of Airflow, such as `/api/v2/dags`"),
        ("x@y.de GET /api/v2/dags/bare other", "`other` is not needed"),
        ("x@y.de GET /api/v2/version other", "`other` is not needed"),
        ("x@y.de POST /api/v2/backfills one two", "`two` is not needed"),
        ("ana see bare", "expected an e-mail or `token:ID` after --as, found `ana`"),
    ],
)
def test_what_is_not_understood(words: str, said: str, at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """A question that is not understood is an error that names the nearest good word."""
    code, out, error = run(capsys, "explain", "--as", *words.split(), *at)
    assert (code, out) == (1, "")
    assert said in error


def test_bad_policy(at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """A policy that cannot be used is exit code 3, with its problems."""
    at[1].write_text(HEAD + "usres: []\n")
    code, _, error = run(capsys, "explain", "--as", "a@b.de", "see", "bare", *at)
    assert code == 3
    assert "unknown key `usres`, did you mean `users`?" in error


def test_nothing_steers_the_terminal(at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """What policy, Dags and arguments say is printed in a form that no terminal takes for more."""
    evil = "\x1b[31mred\u202e\x07"
    at[1].write_text(HEAD + yaml.safe_dump({"teams": [{"name": evil, "members": ["a@b.de"], "idp_groups": [evil], "dag_roles": [
        {"deployment_id": "dep", "tag": evil, "role": "DAG_VIEWER"}]}]}))  # fmt: skip
    at[5].write_text(json.dumps([{"dag_id": evil, "tags": [evil]}, {"dag_id": "bare", "tags": []}]))
    requested = (
        ("explain", "--as", "a@b.de", "see", evil),
        ("explain", "--as", "a@b.de", "trigger", evil),
        ("explain", "--as", "a@b.de", "GET", "/api/v2/dags"),
        ("who-can", "see", evil),
        ("explain", "--as", "new@b.de", "see", evil, "--group", evil, "--group", evil * 2),
        ("explain", "--as", f"token:{evil}", "see", evil, "--group", evil),
        ("access", "--as", "a@b.de"),
        ("access", "--dag", evil),
        ("access", "--tag", evil),
    )
    for words in requested:
        _, out, error = run(capsys, *words, *at)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", out + error), words
        assert "red" in out + error


# -- who-can, access -----------------------------------------------------------------------------------------------


def test_who_can(at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """Everybody who can is listed with what gives it; groups and expired tokens are told apart."""
    code, reported = values(capsys, "who-can", "see", "sales_daily", *at)
    assert code == 0
    found = {
        one["who"]: [grant["line"] for case in one["cases"] for grant in case["grants"]] for one in reported["who"]
    }
    assert found == {"olga@example.com": [8], "art@example.com": [9], "ana@example.com": [6], "token:ci": [12]}
    assert reported["groups"] == [{"team": "sales", "groups": ["sales-people"]}]
    assert reported["notes"] == ["API tokens that have expired are left out: `token:old`.", NOT_LOOKED_AT]
    _, out, _ = run(capsys, "who-can", "see", "sales_daily", *at)
    assert out.splitlines()[0] == "3 people and 1 API token may see sales_daily"
    assert "and people of `sales-people` (Team `sales`)" in out.splitlines()


def test_nobody_can(at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nobody can it is said, with the exit code of a no."""
    code, out, _ = run(capsys, "who-can", "GET", "/auth/fab/v1/roles", *at)
    assert (code, out.splitlines()[0]) == (2, "no user or API token of the policy may GET /auth/fab/v1/roles")


def test_who_can_do_what_needs_no_permission(at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """Of routes that are everybody's it is said why."""
    _, out, _ = run(capsys, "who-can", "GET", "/ui/auth/menus", *at)
    assert re.search("art@example.com +yes +everybody may who has signed in, about themselves", out)


def test_for_whom_it_depends(at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """Those for whom it depends are listed, and not counted as those who may."""
    code, out, _ = run(capsys, "who-can", "POST", "/api/v2/backfills", *at)
    first, second, *_ = out.splitlines()
    assert (code, first) == (0, "1 person and 0 API tokens may POST /api/v2/backfills")
    assert second == "for 2 more it depends on details that are not in the question"


def test_access_of_somebody(at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """All that somebody may do is told by Dag."""
    code, reported = values(capsys, "access", "--as", "art@example.com", *at)
    assert (code, reported["deployment"]["permissions"]) == (0, ["docs.get", "website.get"])
    assert [(one["dag_ids"], "trigger" in one["may"]) for one in reported["dags"]] == [(["sales_daily"], True)]
    code, out, _ = run(capsys, "access", "--as", "who@example.com", *at)
    assert (code, out.splitlines()[0]) == (2, "who@example.com may see 0 Dags")
    assert values(capsys, "access", "--as", "token:old", *at)[1]["notes"] == [
        "This API token expired at 2020-01-01 00:00 UTC."
    ]


def test_access_to_a_dag(at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """Everybody is told who may do something with a Dag, and through which tag."""
    code, reported = values(capsys, "access", "--dag", "sales_daily", *at)
    found = {one["who"]: [grant["on"]["id"] for grant in one["grants"]] for one in reported["who"]}
    people = "people of `sales-people` (Team `sales`)"
    assert (code, reported["tag"], reported["dag"]["tags"]) == (0, None, ["team:sales"])
    assert found == {
        "olga@example.com": [""],
        "art@example.com": ["team:sales"],
        "ana@example.com": ["team:sales"],
        "token:ci": ["sales_daily"],
        people: ["team:sales"],
    }
    gone = POLICY.replace("entity_id: sales_daily", "entity_id: gone")
    at[1].write_text(HEAD + gone)
    assert run(capsys, "access", "--dag", "gone", *at)[1].startswith("1 may do something with Dag `gone`")


def test_access_through_a_tag(at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """A tag names everybody to whom it gives something; no Dags are needed."""
    code, reported = values(capsys, "access", "--tag", "team:sales", *at[:4])
    assert (code, [one["who"] for one in reported["who"]][:2]) == (0, ["art@example.com", "ana@example.com"])
    code, out, _ = run(capsys, "access", "--tag", "team:Sales", *at[:4])
    assert (code, out.splitlines()[0]) == (2, "no user may do something through the tag `team:Sales`")


@pytest.mark.parametrize("words", [[], ["--dag", "x", "--tag", "y"], ["--as", "a@b.de", "--dag", "x"]])
def test_access_to_one_thing(words: list[str], at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """One thing is asked about at a time."""
    code, _, error = run(capsys, "access", *words, *at)
    assert (code, error) == (1, "error: name one of --as, --dag, --tag and --bundle\n")


ON_BUNDLES = """\
users:
  - {email: ana@example.com, dag_roles: [{deployment_id: dep, bundle: fin, role: DAG_VIEWER}]}
  - {email: art@example.com, dag_roles: [{deployment_id: dep, bundle: fin, folder: loads/, role: DAG_AUTHOR}]}
"""


def test_bundles(at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """A Dag is taken to be in a bundle and file that are named; access is listed by bundle and folder."""
    at[1].write_text(HEAD + ON_BUNDLES)
    placed = ["--bundle", "fin", "--file", "loads/a.py", *at[:4]]
    code, out, _ = run(capsys, "explain", "--as", "art@example.com", "trigger", "d", *placed)
    assert (code, "Dag `d` carries no tag, and is in bundle `fin`" in out) == (0, True)
    assert "folder `loads/` of bundle `fin`" in out
    _, reported = values(capsys, "explain", "--as", "art@example.com", "trigger", "d", *placed)
    assert reported["cases"][0]["grants"][0]["on"] == {"kind": "bundle", "id": "fin", "folder": "loads/"}
    assert run(capsys, "explain", "--as", "art@example.com", "see", "d", "--bundle", "fin", *at[:4])[0] == 2
    assert run(capsys, "who-can", "see", "d", *placed)[1].startswith("2 people and 0 API tokens may see d")
    code, out, _ = run(capsys, "explain", "--as", "art@example.com", "GET", "/api/v2/dags", *at[:4])
    assert "Dags in folder `loads/` of bundle `fin`" in out

    code, reported = values(capsys, "access", "--bundle", "fin", *at[:4])
    assert (code, [one["who"] for one in reported["who"]]) == (0, ["ana@example.com"])
    assert (reported["tag"], reported["bundle"]) == (None, {"kind": "bundle", "id": "fin"})
    code, out, _ = run(capsys, "access", "--bundle", "fin", "--folder", "loads/x/", *at[:4])
    assert (code, out.splitlines()[0]) == (0, "2 may do something through the folder `loads/x/` of bundle `fin`")
    assert run(capsys, "access", "--bundle", "Fin", *at[:4])[0] == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["access", "--dag", "x", "--folder", "a/"], "--folder goes with --bundle"),
        (["who-can", "see", "x", "--file", "a.py"], "--file goes with --bundle"),
    ],
)
def test_places_without_a_bundle(words: list[str], said: str, at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder or a file is one of a bundle."""
    assert run(capsys, *words, *at)[::2] == (1, f"error: {said}\n")


# -- the metadata database -----------------------------------------------------------------------------------------


@pytest.fixture
def in_database(at: list, metadata_database: Any, monkeypatch: pytest.MonkeyPatch) -> list[str | Path]:
    """The options without a file of Dags: those of the database count."""
    dag = Dag("sales_daily", frozenset({"team:sales"}))
    monkeypatch.setattr(dag_lookup, "read_dags", lambda ids: {dag.id: dag} if dag.id in ids else {})
    monkeypatch.setattr(dag_lookup, "read_all_dags", lambda: [dag])
    return at[:4]


def test_dags_of_the_database(in_database: list, accounts: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a file the Dag is looked up in the metadata database, and so are the accounts."""
    accounts("art", "Art@example.com")
    code, reported = values(capsys, "explain", "--as", "art@example.com", "trigger", "sales_daily", *in_database)
    assert (code, reported["dag"]["exists"], reported["notes"]) == (0, True, [])
    assert values(capsys, "explain", "--as", "token:ci", "see", "sales_daily", *in_database)[1]["notes"] == []
    code, reported = values(capsys, "explain", "--as", "ana@example.com", "see", "sales_daily", *in_database)
    assert (code, reported["notes"]) == (0, ["There is no account with this e-mail yet."])
    assert values(capsys, "access", "--as", "art@example.com", *in_database)[1]["dags"][0]["dag_ids"] == ["sales_daily"]


@pytest.mark.parametrize(
    ("emails", "active", "why"),
    [
        (["art@example.com"], False, "the account {} is disabled"),
        (["art@example.com", "ART@example.com"], True, "duplicate active accounts for one e-mail ({}, {})"),
    ],
)
def test_accounts_that_hold_nothing(
    emails: list[str], active: bool, why: str, in_database: list, accounts: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who is switched off, or is two accounts, may do nothing, whatever the policy says."""
    ids = [accounts(f"art{number}", email, active=active) for number, email in enumerate(emails)]
    code, reported = values(capsys, "explain", "--as", "art@example.com", "trigger", "sales_daily", *in_database)
    assert (code, reported["answer"], reported["cases"]) == (2, "no", [])
    assert reported["why"].startswith(why.format(*ids))


def test_accounts_of_everybody_are_not_looked_at(in_database: list, capsys: pytest.CaptureFixture[str]) -> None:
    """A list of everybody comes from the policy, and says so, also where the Dag comes from the database."""
    assert NOT_LOOKED_AT in values(capsys, "who-can", "see", "sales_daily", *in_database)[1]["notes"]
    assert NOT_LOOKED_AT in values(capsys, "access", "--dag", "sales_daily", *in_database)[1]["notes"]


def test_database_is_not_asked_for_nothing(
    in_database: list, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No Dag is looked up for somebody whose role reaches every Dag, nor for what is about no Dag."""
    monkeypatch.setattr(dag_lookup, "read_dags", lambda ids: 1 / 0)
    assert run(capsys, "explain", "--as", "olga@example.com", "trigger", "sales_daily", *in_database)[0] == 0
    assert run(capsys, "explain", "--as", "art@example.com", "see-jobs", *in_database)[0] == 2
    code, _, error = run(capsys, "explain", "--as", "art@example.com", "trigger", "sales_daily", *in_database)
    assert (code, "name a file with --dags" in error) == (1, True)


# -- how it runs ---------------------------------------------------------------------------------------------------


def test_airflow_is_not_loaded(at: list) -> None:
    """With a policy and a file of Dags, `astro-auth` answers without Airflow."""
    words = ["explain", "--as", "art@example.com", "POST", "/api/v2/dags/sales_daily/dagRuns", *map(str, at)]
    done = subprocess.run(
        [sys.executable, "-c", STANDALONE, *words], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "False"


def test_progress_on_a_terminal(at: list, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """On a terminal a bar moves while a command takes its time."""
    screen = Screen()
    terminal = Console(file=screen, force_terminal=True)
    monkeypatch.setattr(progress, "console", lambda **_: terminal)
    monkeypatch.setattr(progress, "PATIENCE", 0)
    real = loader.load
    monkeypatch.setattr(loader, "load", lambda *args: real(*args) if screen.written.wait(60) else None)
    assert run(capsys, "who-can", "see", "sales_daily", *at)[0] == 0
    assert "checking all users and API tokens" in screen.getvalue()


def test_protected_tags(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A protected tag out of its place gives nothing in any answer, and explain says so; in its place it does."""
    policy, dags = tmp_path / "policy.yaml", tmp_path / "dags.json"
    policy.write_text(
        HEAD + "protected_tags: [{deployment_id: dep, tag: fin, only_in: [{bundle: main, files: [fin/]}]}]\n"
        "users: [{email: ana@example.com, dag_roles: [{deployment_id: dep, tag: fin, role: DAG_VIEWER}]}]\n"
        "teams: [{name: fin, idp_groups: [g], dag_roles: [{deployment_id: dep, tag: fin, role: DAG_VIEWER}]}]\n"
    )
    for path, code in (("ops/a.py", 2), ("fin/a.py", 0)):
        dag = {"dag_id": "d", "tags": ["fin"], "bundle_name": "main", "relative_fileloc": path}
        dags.write_text(json.dumps([dag]))
        at = ["--policy", policy, "--deployment", "dep", "--dags", dags]
        assert run(capsys, "who-can", "see", "d", *at)[0] == code
        assert run(capsys, "access", "--dag", "d", *at)[0] == code
        assert run(capsys, "access", "--as", "ana@example.com", *at)[1].startswith(
            f"ana@example.com may see {'1 Dag' if code == 0 else '0 Dags'}"
        )
        found, out, _ = run(capsys, "explain", "--as", "ana@example.com", "see", "d", *at)
        reported = "`fin` is not effective: the tag `fin` is only for Dags in `fin/` of bundle `main`"
        assert (found, reported in out) == (code, code == 2)
