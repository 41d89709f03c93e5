"""`explain` and `access` count a person's groups: those of `--group`, or those of the last sign-in."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from astro_auth_plugin.accounts import sign_ins
from astro_auth_plugin.authorization import dag_lookup
from astro_auth_plugin.cli.explain import commands
from astro_auth_plugin.cli.explain.person import ACCOUNTS, GROUPS
from astro_auth_plugin.rbac.model.scopes import Dag
from tests.cli.explain.invoke import run, values
from tests.in_request import HEAD

POLICY = """\
teams:
  - {name: sales, members: [bo@example.com], idp_groups: [sales-people], dag_roles: [{deployment_id: dep, tag: sales, role: DAG_AUTHOR}]}
  - {name: admins, idp_groups: [admins], deployment_roles: [{deployment_id: dep, role: DEPLOYMENT_ADMIN}]}
users:
  - {email: ana@example.com, dag_roles: [{deployment_id: dep, dag_id: bare, role: DAG_VIEWER}]}
"""
ORDERS, BARE = Dag("orders", frozenset({"sales"})), Dag("bare", frozenset())
TRIGGER = ("explain", "--as", "ana@example.com", "trigger", "orders")
LIST = ("explain", "--as", "ana@example.com", "GET", "/api/v2/dags")
ACCESS = ("access", "--as", "ana@example.com")
SALES = "Team `sales` (group `sales-people`)"


@pytest.fixture
def policy(tmp_path: Path) -> list[str | Path]:
    """The options that say where the policy is."""
    (tmp_path / "policy.yaml").write_text(HEAD + POLICY)
    return ["--policy", tmp_path / "policy.yaml", "--deployment", "dep"]


@pytest.fixture
def at(policy: list, tmp_path: Path) -> list[str | Path]:
    """The options that say where policy and Dags are: in files."""
    (tmp_path / "dags.json").write_text(json.dumps([{"dag_id": dag.id, "tags": [*dag.tags]} for dag in (ORDERS, BARE)]))
    return [*policy, "--dags", tmp_path / "dags.json"]


@pytest.fixture
def in_database(policy: list, metadata_database: Any, monkeypatch: pytest.MonkeyPatch) -> list[str | Path]:
    """The options without a file of Dags: those of the database count, as in Airflow's own command."""
    dags = {dag.id: dag for dag in (ORDERS, BARE)}
    monkeypatch.setattr(dag_lookup, "read_dags", lambda ids: {one: dags[one] for one in ids if one in dags})
    monkeypatch.setattr(dag_lookup, "read_all_dags", lambda: [*dags.values()])
    return policy


@pytest.fixture
def ana(accounts: Any, monkeypatch: pytest.MonkeyPatch) -> int:
    """Ana's account; she has signed in with groups."""
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000)
    account_id = accounts("ana", "ana@example.com")
    sign_ins.keep(account_id, "ana@example.com", ["sales-people", "everybody"])
    return account_id


def holders(reported: dict[str, Any]) -> set[str]:
    """Through what the answer is as it is."""
    return {grant["holder"] for case in reported["cases"] for grant in case["grants"]}


# -- by hand -------------------------------------------------------------------------------------------------------


def test_given_by_hand(at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """A group of --group brings the person into its Teams, and the answer names it."""
    assert run(capsys, *TRIGGER, *at)[0] == 2
    code, reported = values(capsys, *TRIGGER, *at, "--group", "sales-people")
    assert (code, holders(reported), reported["groups"]) == (0, {SALES}, ["sales-people"])
    assert reported["notes"] == [ACCOUNTS]
    code, reported = values(capsys, *ACCESS, *at, "--group", "sales-people")
    assert (code, reported["groups"], reported["notes"]) == (0, ["sales-people"], [ACCOUNTS])
    assert [(one["dag_ids"], "trigger" in one["may"]) for one in reported["dags"]] == [
        (["bare"], False),
        (["orders"], True),
    ]


def test_several_by_hand(at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """--group may be repeated, and one that no Team lists is told."""
    groups = ["--group", "admins", "--group", "sales-peple"]
    _, reported = values(capsys, *TRIGGER, *at, *groups)
    assert (reported["answer"], reported["groups"]) == ("yes", ["admins"])
    assert reported["notes"][0] == "No Team lists the group `sales-peple`, did you mean `sales-people`?"


def test_held_elsewhere_through_a_group(at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """What is missing on one Dag and held on others through a group is told, with the group."""
    _, out, _ = run(capsys, "explain", "--as", "ana@example.com", "trigger", "bare", *at, "--group", "sales-people")
    assert SALES in out.split("Related grants in other scopes:")[1]


def test_no_lookup_for_who_is_let_by_a_group(policy: list, capsys: pytest.CaptureFixture[str]) -> None:
    """Where a group reaches every Dag, none is looked up."""
    _, reported = values(capsys, *TRIGGER, *policy, "--group", "admins")
    assert (reported["answer"], reported["dag"]["exists"]) == ("yes", None)


def test_who_is_named_by_groups_only(at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever is in a Team through a group does not have to be named by the policy."""
    words = ["explain", "--as", "new@example.com", "see", "orders", *at]
    assert values(capsys, *words)[1]["notes"][0].startswith("The policy does not name `new@example.com`")
    assert values(capsys, *words, "--group", "sales-people")[1]["notes"] == [ACCOUNTS]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["explain", "--as", "token:ci", "see", "bare"], "`token:ci` is an API token, which has no groups"),
        (["access", "--as", "token:ci"], "`token:ci` is an API token, which has no groups"),
        (["access", "--dag", "bare"], "--group goes with --as"),
        (["access", "--tag", "sales"], "--group goes with --as"),
    ],
)
def test_groups_of_nobody(words: list[str], said: str, at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """Groups are a person's: an API token has none, and neither has a Dag."""
    code, out, error = run(capsys, *words, "--group", "admins", *at)
    assert (code, out, said in error) == (1, "", True), error


# -- not looked at -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "matter"),
    [
        (TRIGGER, True),
        (LIST, True),
        (ACCESS, True),
        (("explain", "--as", "ana@example.com", "see-config"), True),
        (("explain", "--as", "ana@example.com", "pause", "bare"), True),
        (("explain", "--as", "ana@example.com", "see-logs", "bare"), False),
        (("explain", "--as", "ana@example.com", "GET", "/api/v2/version"), False),
        (("explain", "--as", "bo@example.com", "trigger", "orders"), False),
        (("explain", "--as", "token:ci", "trigger", "orders"), False),
    ],
)
def test_not_looked_at(words: tuple[str, ...], matter: bool, at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """Where all comes from files, and groups could change the answer, a note says that nobody looked at them."""
    _, reported = values(capsys, *words, *at)
    assert (GROUPS in reported["notes"]) is matter
    assert reported["groups"] == ([] if "token:ci" in words else None)


# -- the metadata database -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [TRIGGER, ACCESS, LIST])
def test_groups_of_the_last_sign_in(
    words: tuple[str, ...],
    ana: int,
    in_database: list,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where Dags come from the metadata database, the groups of the last sign-in count, and are named with its time."""
    monkeypatch.setattr(commands, "_in_airflow", lambda args: not args.dags)
    code, reported = values(capsys, *words, *in_database)
    note = "Groups of the sign-in at 2027-01-15 08:00 UTC: `sales-people`."
    assert (code, reported["groups"], reported["notes"]) == (0, ["sales-people"], [note])
    assert SALES in run(capsys, *words, *in_database)[1] or words is not TRIGGER


def test_lists_in_airflow(ana: int, in_database: list, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    """A list has the Dags that groups open, where Airflow is loaded anyway; `astro-auth` alone looks at no database."""
    assert GROUPS in values(capsys, *LIST, *in_database)[1]["notes"]
    monkeypatch.setattr(commands, "_in_airflow", lambda args: not args.dags)
    assert values(capsys, *LIST, *in_database)[1]["cases"][0]["dags"] == ["bare", "orders"]


def test_by_hand_instead(ana: int, in_database: list, capsys: pytest.CaptureFixture[str]) -> None:
    """Groups of --group count instead of those of the last sign-in."""
    code, reported = values(capsys, *TRIGGER, *in_database, "--group", "nobody-lists-me")
    assert (code, reported["groups"]) == (2, [])


def test_no_groups(accounts: Any, in_database: list, capsys: pytest.CaptureFixture[str]) -> None:
    """Who has signed in without groups, under another e-mail or never, is in no Team through one."""
    kept = accounts("ana", "ana@example.com")
    for email, groups in ((None, []), ("ana@example.com", ["everybody"]), ("old@example.com", ["sales-people"])):
        if email:
            sign_ins.keep(kept, email, groups)
        code, reported = values(capsys, *TRIGGER, *in_database)
        assert (code, reported["groups"], reported["notes"]) == (2, [], [])


def test_powerless_accounts(accounts: Any, in_database: list, capsys: pytest.CaptureFixture[str]) -> None:
    """The groups of an account that is switched off, or one of two, count for nothing, and neither does the rest."""
    first = accounts("ana", "ana@example.com", active=False)
    sign_ins.keep(first, "ana@example.com", ["sales-people"])
    for words in (TRIGGER, ACCESS, (*TRIGGER, "--group", "sales-people")):
        code, reported = values(capsys, *words, *in_database)
        assert (code, reported["groups"]) == (2, [])
        assert f"the account {first} is disabled" in (reported.get("why") or reported["notes"][0])
    for name, email in (("twin", "ANA@example.com"), ("other", "Ana@example.com")):
        sign_ins.keep(accounts(name, email), email, ["sales-people"])
    code, reported = values(capsys, *ACCESS, *in_database)
    assert (code, reported["dags"], reported["deployment"]["permissions"]) == (2, [], [])
    assert "): access is denied for all of them" in reported["notes"][0]


def test_database_that_is_not_there(
    in_database: list, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accounts that cannot be read are an error in words."""
    monkeypatch.setattr("astro_auth_plugin.accounts.accounts.create_session", lambda **_: 1 / 0)
    code, out, error = run(capsys, *TRIGGER, *in_database)
    assert (code, out, "airflow db migrate" in error) == (1, "", True)


def test_others_have_no_groups(ana: int, in_database: list, capsys: pytest.CaptureFixture[str]) -> None:
    """In a list of everybody groups are told by Team, as ever: nobody's kept groups count."""
    reported = values(capsys, "who-can", "trigger", "orders", *in_database)[1]
    assert ([one["who"] for one in reported["who"]], [one["team"] for one in reported["groups"]]) == (
        ["bo@example.com"],
        ["sales", "admins"],
    )
