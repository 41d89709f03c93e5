"""`airflow astro-auth whoami`: account, groups of the last sign-in, Teams and roles."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from astro_auth_plugin.accounts import identities, sign_ins
from astro_auth_plugin.cli.explain.whoami import unbind, whoami

TEAMS = """\
teams:
  - name: finance
    idp_groups: [okta-finance]
    dag_roles: [{deployment_id: dep, tag: finance, role: DAG_AUTHOR}]
  - {name: ops, members: [ana@example.com], dag_roles: [{deployment_id: dep, tag: ops, role: DAG_VIEWER}]}
"""


def args(file: Path, email: str, output: str = "table") -> Namespace:
    file.write_text(file.read_text() + TEAMS)
    return Namespace(email=email, policy=str(file), deployment="dep", output=output)


def test_person(accounts: Any, file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the account, when and with which groups it signed in, and through what it is in each Team."""
    account_id = accounts("ana", "Ana@example.com")
    monkeypatch.setattr(sign_ins.time, "time", lambda: 1_800_000_000.5)
    sign_ins.keep(account_id, "Ana@example.com", ["okta-finance", "a\x1b[31m"])
    whoami(args(file, "ana@example.com"))
    said = capsys.readouterr().out
    assert said.splitlines()[:4] == [
        f"ana@example.com is the account {account_id}, `ana`, active.",
        "Last sign-in 2027-01-15T08:00:00+00:00, with the groups: `a\\x1b[31m`, `okta-finance`.",
        "In Team `ops`, as a member.",
        "In Team `finance`, through the group `okta-finance`.",
    ]
    assert "DAG_AUTHOR" in said
    assert "Team `finance` (group `okta-finance`)" in said


def test_example_of_the_docs(
    accounts: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What docs/sign-in.md shows is what the command prints for the policy there."""
    page = (Path(__file__).parents[3] / "docs" / "sign-in.md").read_text()
    file = tmp_path / "policy.yaml"
    file.write_text(page.split("```yaml policy\n")[1].split("```")[0])
    shown = page.split("$ airflow astro-auth whoami ana@example.com\n")[1].split("```")[0]
    account_id = accounts("ana", "ana@example.com")
    monkeypatch.setattr(sign_ins.time, "time", lambda: 1_800_000_000)
    sign_ins.keep(account_id, "ana@example.com", ["okta-finance", "everybody"])
    whoami(Namespace(email="ana@example.com", policy=str(file), deployment=None, output="table"))
    said = capsys.readouterr().out.replace(f"the account {account_id},", "the account 7,")
    assert [line.rstrip() for line in said.rstrip().splitlines()] == shown.splitlines()


def test_for_machines(accounts: Any, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same as JSON."""
    account_id = accounts("cleo", "cleo@example.com", active=False)
    whoami(args(file, "cleo@example.com", "json"))
    assert json.loads(capsys.readouterr().out) == {
        "email": "cleo@example.com",
        "accounts": [
            {
                "id": account_id,
                "username": "cleo",
                "active": False,
                "signed_in_at": None,
                "groups": [],
                "identity": None,
            }
        ],
        "teams": [],
        "roles": [],
    }


def test_unbind(accounts: Any, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It names the identity that an account is bound to, until `unbind` takes it away and ends the account's sessions."""
    ana = accounts("ana", "ana@example.com")
    identities.bind(ana, identities.Identity("oauth sso", "https://sso", "7"), is_new=True)
    requested = args(file, "ana@example.com")
    whoami(requested)
    bound = "Bound to `7` of https://sso, which signs in through `oauth sso`."
    assert bound in capsys.readouterr().out
    unbind(Namespace(email="ANA@example.com"))
    assert sign_ins.tokens_valid_after(ana) > 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("1 account unbound. With a password, ")
    assert said.endswith(": `ana`.")
    whoami(requested)
    assert "Bound" not in capsys.readouterr().out
    with pytest.raises(SystemExit):
        unbind(Namespace(email="nobody@example.com"))


def test_unbind_without_password(accounts: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is said of a password that an account does not have."""
    for number, none in enumerate((None, "")):
        account = accounts(f"ben{number}", f"ben{number}@example.com", password=none)
        identities.bind(account, identities.Identity("oauth sso", "https://sso", str(number)), is_new=True)
        unbind(Namespace(email=f"ben{number}@example.com"))
        assert capsys.readouterr().out == "1 account unbound.\n"


def test_twins(accounts: Any, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of two active accounts of one person it says that they hold nothing, whatever the policy gives."""
    for name, email in (("ana", "ana@example.com"), ("twin", "ANA@example.com")):
        sign_ins.keep(accounts(name, email), email, ["okta-finance"])
    whoami(args(file, "ana@example.com"))
    said = capsys.readouterr().out
    assert "Duplicate active accounts for this e-mail: access is denied for all of them." in said
    assert "DAG_" not in said


def test_nobody_yet(accounts: Any, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of somebody without an account it says what the policy gives."""
    whoami(args(file, "ana@example.com"))
    said = capsys.readouterr().out
    assert said.startswith("No account has the e-mail ana@example.com.")
    assert "DAG_VIEWER" in said


def test_no_table(
    accounts: Any, file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the database cannot be read it says what to do."""
    monkeypatch.setattr("astro_auth_plugin.accounts.accounts.create_session", lambda **_: 1 / 0)
    with pytest.raises(SystemExit) as ended:
        whoami(args(file, "ana@example.com"))
    assert ended.value.code == 1
    assert "airflow db migrate" in capsys.readouterr().err
