"""`explain` and `access` count a person's groups: those of `--group`, or those of the last sign-in."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from astro_auth_plugin.airflow_bridge import metadata, sign_ins
from astro_auth_plugin.cli import asking
from astro_auth_plugin.cli.person import ACCOUNTS, GROUPS
from astro_auth_plugin.rbac.scopes import Dag
from tests.cli.asked import run, values
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
    monkeypatch.setattr(metadata, "read_dags", lambda ids, files: {one: dags[one] for one in ids if one in dags})
    monkeypatch.setattr(metadata, "read_all_dags", lambda: [*dags.values()])
    return policy


@pytest.fixture
def ana(accounts: Any, monkeypatch: pytest.MonkeyPatch) -> int:
    """Ana's account; she has signed in with groups."""
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000)
    account_id = accounts("ana", "ana@example.com")
    sign_ins.keep(account_id, "ana@example.com", ["sales-people", "everybody"])
    return account_id


def holders(told: dict[str, Any]) -> set[str]:
    """Through what the answer is as it is."""
    return {grant["holder"] for case in told["cases"] for grant in case["grants"]}


# -- by hand -------------------------------------------------------------------------------------------------------


def test_given_by_hand(at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """A group of --group brings the person into its Teams, and the answer names it."""
    assert run(capsys, *TRIGGER, *at)[0] == 2
    code, told = values(capsys, *TRIGGER, *at, "--group", "sales-people")
    assert (code, holders(told), told["groups"]) == (0, {SALES}, ["sales-people"])
    assert told["notes"] == [ACCOUNTS]
    code, told = values(capsys, *ACCESS, *at, "--group", "sales-people")
    assert (code, told["groups"], told["notes"]) == (0, ["sales-people"], [ACCOUNTS])
    assert [(one["dag_ids"], "trigger" in one["may"]) for one in told["dags"]] == [
        (["bare"], False),
        (["orders"], True),
    ]


def test_several_by_hand(at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """--group may be repeated, and one that no Team lists is told."""
    groups = ["--group", "admins", "--group", "sales-peple"]
    _, told = values(capsys, *TRIGGER, *at, *groups)
    assert (told["answer"], told["groups"]) == ("yes", ["admins"])
    assert told["notes"][0] == "No Team lists the group `sales-peple`, did you mean `sales-people`?"


def test_held_elsewhere_through_a_group(at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """What is missing on one Dag and held on others through a group is told, with the group."""
    _, out, _ = run(capsys, "explain", "--as", "ana@example.com", "trigger", "bare", *at, "--group", "sales-people")
    assert SALES in out.split("What is missing is held elsewhere:")[1]


def test_no_lookup_for_who_is_let_by_a_group(policy: list, capsys: pytest.CaptureFixture[str]) -> None:
    """Where a group reaches every Dag, none is looked up."""
    _, told = values(capsys, *TRIGGER, *policy, "--group", "admins")
    assert (told["answer"], told["dag"]["exists"]) == ("yes", None)


def test_who_is_named_by_groups_only(at: list, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever is in a Team through a group does not have to be named by the policy."""
    words = ["explain", "--as", "new@example.com", "see", "orders", *at]
    assert values(capsys, *words)[1]["notes"][0].startswith("The policy does not name `new@example.com`")
    assert values(capsys, *words, "--group", "sales-people")[1]["notes"] == [ACCOUNTS]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["explain", "--as", "token:ci", "see", "bare"], "`token:ci` is an API token: these are in no group"),
        (["access", "--as", "token:ci"], "`token:ci` is an API token: these are in no group"),
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
    _, told = values(capsys, *words, *at)
    assert (GROUPS in told["notes"]) is matter
    assert told["groups"] == ([] if "token:ci" in words else None)


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
    monkeypatch.setattr(asking, "_in_airflow", lambda args: not args.dags)
    code, told = values(capsys, *words, *in_database)
    note = "Groups that count, of the sign-in at 2027-01-15 08:00 UTC: `sales-people`."
    assert (code, told["groups"], told["notes"]) == (0, ["sales-people"], [note])
    assert SALES in run(capsys, *words, *in_database)[1] or words is not TRIGGER


def test_lists_in_airflow(ana: int, in_database: list, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    """A list has the Dags that groups open, where Airflow is loaded anyway; `astro-auth` alone looks at no database."""
    assert GROUPS in values(capsys, *LIST, *in_database)[1]["notes"]
    monkeypatch.setattr(asking, "_in_airflow", lambda args: not args.dags)
    assert values(capsys, *LIST, *in_database)[1]["cases"][0]["dags"] == ["bare", "orders"]


def test_by_hand_instead(ana: int, in_database: list, capsys: pytest.CaptureFixture[str]) -> None:
    """Groups of --group count instead of those of the last sign-in."""
    code, told = values(capsys, *TRIGGER, *in_database, "--group", "nobody-lists-me")
    assert (code, told["groups"]) == (2, [])


def test_no_groups(accounts: Any, in_database: list, capsys: pytest.CaptureFixture[str]) -> None:
    """Who has signed in without groups, under another e-mail or never, is in no Team through one."""
    kept = accounts("ana", "ana@example.com")
    for email, groups in ((None, []), ("ana@example.com", ["everybody"]), ("old@example.com", ["sales-people"])):
        if email:
            sign_ins.keep(kept, email, groups)
        code, told = values(capsys, *TRIGGER, *in_database)
        assert (code, told["groups"], told["notes"]) == (2, [], [])


def test_powerless_accounts(accounts: Any, in_database: list, capsys: pytest.CaptureFixture[str]) -> None:
    """The groups of an account that is switched off, or one of two, count for nothing, and neither does the rest."""
    first = accounts("ana", "ana@example.com", active=False)
    sign_ins.keep(first, "ana@example.com", ["sales-people"])
    for words in (TRIGGER, ACCESS, (*TRIGGER, "--group", "sales-people")):
        code, told = values(capsys, *words, *in_database)
        assert (code, told["groups"]) == (2, [])
        assert f"the account {first} is switched off" in (told.get("why") or told["notes"][0])
    for name, email in (("twin", "ANA@example.com"), ("other", "Ana@example.com")):
        sign_ins.keep(accounts(name, email), email, ["sales-people"])
    code, told = values(capsys, *ACCESS, *in_database)
    assert (code, told["dags"], told["deployment"]["permissions"]) == (2, [], [])
    assert "are one person by e-mail, so none of them holds anything" in told["notes"][0]


def test_database_that_is_not_there(
    in_database: list, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accounts that cannot be read are an error in words."""
    monkeypatch.setattr(sign_ins, "create_session", lambda **_: 1 / 0)
    code, out, error = run(capsys, *TRIGGER, *in_database)
    assert (code, out, "airflow db migrate" in error) == (1, "", True)


def test_others_have_no_groups(ana: int, in_database: list, capsys: pytest.CaptureFixture[str]) -> None:
    """In a list of everybody groups are told by Team, as ever: nobody's kept groups count."""
    told = values(capsys, "who-can", "trigger", "orders", *in_database)[1]
    assert ([one["who"] for one in told["who"]], [one["team"] for one in told["groups"]]) == (
        ["bo@example.com"],
        ["sales", "admins"],
    )
