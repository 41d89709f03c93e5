"""The commands `astro-auth user`, `team`, `role` and `policy`, on a policy file and on the metadata database."""

from __future__ import annotations

import codecs
import difflib
import getpass
import json
import os
import re
import subprocess
import sys
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from sqlalchemy import delete, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from astro_auth_plugin.access_management import publisher
from astro_auth_plugin.cli.main import main
from astro_auth_plugin.rbac.model.role_templates import TEMPLATES
from astro_auth_plugin.rbac.policy import loader
from astro_auth_plugin.rbac.policy.document import PolicyDocument
from astro_auth_plugin.runtime import policy_versions
from astro_auth_plugin.runtime.policy_versions import VERSIONS

HASH = "0123456789abcdef" * 4
GET, RUN, LOG = "dag.airflow.dag.get", "dag.airflow.dagRun.create", "dag.airflow.taskLog.get"
POLICY = f"""\
# Who may do what
version: 1
organization_id: org
workspaces: [{{id: ws}}]
deployments: [{{id: dep, workspace_id: ws}}]
roles:
  # to look
  - {{name: looker, scope: DAG, permissions: [{GET}]}}   # only that
  - name: runner
    scope: DAG
    permissions:
      - {GET}   # the Dag
      - {RUN}
api_tokens:
  - {{id: one, name: One, secret_sha256: {HASH}, expires_at: never,
     roles: [{{role: DAG_VIEWER, entity_type: DAG_TAG, entity_id: money, deployment_id: dep}}]}}
teams:
  # day and night
  - name: oncall   # ask them
    members: [ada@example.com]
    idp_groups: [eng]
    dag_roles:
      - {{deployment_id: dep, tag: money, role: runner}}   # money
users:
  # the boss
  - {{email: olga@example.com, organization_role: ORGANIZATION_OWNER}}   # boss
  - email: ada@example.com   # admin
    deployment_roles: [{{deployment_id: dep, role: DEPLOYMENT_ADMIN}}]
# the end
"""
UNTIL = ("--expires-at", "2099-01-01T00:00:00Z", "--note", "audit")
MONEY = ("--tag-role", "dep", "money", "DAG_VIEWER")
ADMIN = "    deployment_roles: [{deployment_id: dep, role: DEPLOYMENT_ADMIN}]"
VIEWER = "{deployment_id: dep, tag: money, role: DAG_VIEWER}"


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A policy file."""
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return path


@pytest.fixture
def astro_auth(capfd: pytest.CaptureFixture[str]) -> Any:
    """A function that runs `astro-auth`."""

    def ran(*words: object) -> Done:
        code = 0
        capfd.readouterr()
        try:
            main([str(word) for word in words])
        except SystemExit as end:
            code = int(end.code or 0)
        return Done(code, *capfd.readouterr())

    return ran


@pytest.fixture
def run(astro_auth: Any, path: Path) -> Any:
    """A function that runs `astro-auth` on the policy file."""
    return lambda *words: astro_auth(*words, "--policy", path)


@pytest.fixture
def stored(astro_auth: Any, accounts: Any, metadata_database: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A function that runs `astro-auth` where the policy is in the database, in which there is none yet."""
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__POLICY_STORE", "database")
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__DEPLOYMENT_ID", "dep")
    yield astro_auth
    with Session(metadata_database) as session:
        session.execute(delete(VERSIONS))
        session.commit()


@pytest.fixture
def imported(stored: Any, path: Path) -> Any:
    """A function that runs `astro-auth` where the policy file is version 1 in the database."""
    assert stored("policy", "import", path).code == 0
    return stored


def changed(path: Path) -> tuple[list[str], list[str]]:
    """Return the lines of the file that are gone, and those that are new."""
    found = list(difflib.ndiff(POLICY.splitlines(), path.read_text().splitlines()))
    assert loader.load(path.read_bytes()).policy, path.read_text()
    return [line[2:] for line in found if line[0] == "-"], [line[2:] for line in found if line[0] == "+"]


def document() -> PolicyDocument:
    """Return the newest document in the database."""
    newest = policy_versions.read()
    assert newest
    policy = loader.from_values(newest.values).policy
    assert policy
    return policy.document


def good(done: Done) -> str:
    assert done.code == 0, done.err
    return done.out


# -- users, Teams and roles in a file ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "gone", "new"),
    [
        (
            ("user", "grant", "bo@example.com", *MONEY),
            [],
            ["  - email: bo@example.com", "    dag_roles:", f"      - {VIEWER}"],
        ),
        (("user", "grant", "ADA@example.com", *MONEY), [], ["    dag_roles:", f"      - {VIEWER}"]),
        (
            ("user", "grant", "ada@example.com", "--deployment-role", "dep", "DEPLOYMENT_ACCESSOR"),
            ["    deployment_roles: [{deployment_id: dep, role: DEPLOYMENT_ADMIN}]"],
            [f"{ADMIN[:-1]}, {{deployment_id: dep, role: DEPLOYMENT_ACCESSOR}}]"],
        ),
        (
            ("user", "grant", "ada@example.com", "--organization-role", "ORGANIZATION_MEMBER"),
            [],
            ["    organization_role: ORGANIZATION_MEMBER"],
        ),
        (
            (*["user", "grant", "ada@example.com", "--organization-role", "ORGANIZATION_OWNER"], *UNTIL),
            [],
            ["    organization_role: {role: ORGANIZATION_OWNER, expires_at: 2099-01-01T00:00:00Z, note: audit}"],
        ),
        (
            ("user", "revoke", "ada@example.com", "--deployment-role", "dep", "DEPLOYMENT_ADMIN"),
            [
                "  - email: ada@example.com   # admin",
                "    deployment_roles: [{deployment_id: dep, role: DEPLOYMENT_ADMIN}]",
            ],
            [],
        ),
        (
            ("user", "revoke", "Ada@example.com", "--all"),
            [
                "    members: [ada@example.com]",
                "  - email: ada@example.com   # admin",
                "    deployment_roles: [{deployment_id: dep, role: DEPLOYMENT_ADMIN}]",
            ],
            ["    members: []"],
        ),
        (
            ("team", "create", "new", "--description", "a: b", "--member", "bo@example.com", "--group", "x", *MONEY),
            [],
            [
                "  - name: new",
                '    description: "a: b"',
                "    members:",
                '      - "bo@example.com"',
                "    idp_groups:",
                "      - x",
                "    dag_roles:",
                f"      - {VIEWER}",
            ],
        ),
        (
            ("team", "delete", "oncall"),
            [
                "teams:",
                "  - name: oncall   # ask them",
                "    members: [ada@example.com]",
                "    idp_groups: [eng]",
                "    dag_roles:",
                "      - {deployment_id: dep, tag: money, role: runner}   # money",
            ],
            ["teams: []"],
        ),
        (
            ("team", "add-member", "oncall", "bo@example.com", "--group", "ops"),
            ["    members: [ada@example.com]", "    idp_groups: [eng]"],
            ['    members: [ada@example.com, "bo@example.com"]', '    idp_groups: [eng, "ops"]'],
        ),
        (
            ("team", "add-member", "oncall", "Ada@example.com", "--expires-at", "2099-01-01T00:00:00Z", "--note", "x"),
            ["    members: [ada@example.com]"],
            ["    members: [{email: ada@example.com, expires_at: 2099-01-01T00:00:00Z, note: x}]"],
        ),
        (
            ("team", "remove-member", "oncall", "ADA@example.com", "--group", "eng"),
            ["    members: [ada@example.com]", "    idp_groups: [eng]"],
            ["    members: []", "    idp_groups: []"],
        ),
        (
            ("team", "grant", "oncall", *MONEY),
            [],
            ["      - deployment_id: dep", "        tag: money", "        role: DAG_VIEWER"],
        ),
        (
            ("team", "revoke", "oncall", "--tag-role", "dep", "money", "runner"),
            ["    dag_roles:", "      - {deployment_id: dep, tag: money, role: runner}   # money"],
            [],
        ),
        (
            ("role", "create", "logs", "--scope", "DAG", "--permission", LOG, "--description", "no"),
            [],
            ["  - name: logs", "    scope: DAG", "    permissions:", f'      - "{LOG}"', '    description: "no"'],
        ),
        (("role", "update", "runner", "--add", LOG, "--remove", RUN), [f"      - {RUN}"], [f'      - "{LOG}"']),
        (("role", "update", "runner", "--description", "x"), [], ["    description: x"]),
        (("team", "rename", "oncall", "nights"), ["  - name: oncall   # ask them"], ["  - name: nights   # ask them"]),
        (
            ("role", "rename", "runner", "mover"),
            ["  - name: runner", "      - {deployment_id: dep, tag: money, role: runner}   # money"],
            ["  - name: mover", "      - {deployment_id: dep, tag: money, role: mover}   # money"],
        ),
        (("team", "create", "new", "--support"), [], ["  - name: new", "    support: true"]),
        (("policy", "support-access", "disallowed"), [], ["support_access: disallowed"]),
        (("role", "delete", "looker"), [f"  - {{name: looker, scope: DAG, permissions: [{GET}]}}   # only that"], []),
    ],
)
def test_change_of_a_file(words: tuple[str, ...], gone: list[str], new: list[str], run: Any, path: Path) -> None:
    """A command changes the lines that it has to, and with `--dry-run` none; nothing else of the file is touched."""
    dry = good(run(*words, "--dry-run"))
    assert "Nothing was written." in dry
    assert path.read_text() == POLICY
    out = good(run(*words))
    assert out.endswith(f"Done: written to {path}.\n")
    assert [line.replace('"', "") for line in changed(path)[0]] == [line.replace('"', "") for line in gone]
    assert [line.replace('"', "") for line in changed(path)[1]] == [line.replace('"', "") for line in new]
    assert dry.startswith(out.partition("Done")[0])


def test_end_and_note(run: Any, path: Path) -> None:
    """A grant has the end and note that were named; the same again with another end replaces it."""
    before = datetime.now(UTC).replace(microsecond=0)
    for number, (flag, time, days) in enumerate((("--expires-in", "30d", 30), ("--expiration", "2w", 14))):
        good(run("user", "grant", "bo@example.com", *MONEY, flag, time, "--note", f"because {number}"))
        (grant,) = loader.load(path.read_bytes()).policy.document.users[-1].dag_roles
        assert timedelta(0) <= grant.expires_at - before - timedelta(days=days) < timedelta(minutes=1)
        assert grant.note == f"because {number}"
    good(run("user", "grant", "bo@example.com", *MONEY, "--expires-in", "never"))
    assert VIEWER in path.read_text()
    done = run("user", "grant", "bo@example.com", *MONEY)
    assert done.code == 1 and "user `bo@example.com` has `DAG_VIEWER` on tag `money` already" in done.err


def test_membership_that_ends(run: Any, path: Path) -> None:
    """A member has the end and note that were named; what lists members shows the end."""
    before = datetime.now(UTC).replace(microsecond=0)
    said = good(run("team", "add-member", "oncall", "bo@example.com", "--expires-in", "2d", "--note", "for ada"))
    bo = loader.load(path.read_bytes()).policy.document.teams[0].members[1]
    assert timedelta(0) <= bo.expires_at - before - timedelta(days=2) < timedelta(minutes=1)
    end = f"until {bo.expires_at:%Y-%m-%dT%H:%M:%SZ}"
    assert f"+ Team `oncall`: member `bo@example.com` {end} (for ada)" in said
    assert f"bo@example.com {end}" in good(run("team", "show", "oncall"))
    assert json.loads(good(run("user", "show", "bo@example.com", "-o", "json")))["teams"] == [f"oncall {end}"]
    said = good(run("team", "add-member", "oncall", "bo@example.com", "--dry-run"))
    assert (
        f"wider: member `oncall`: membership of user `bo@example.com` ends never instead of {bo.expires_at:%Y-%m-%d %H:%M:%S} UTC"
        in " ".join(said.split())
    )
    good(run("team", "add-member", "oncall", "bo@example.com"))
    assert "      - email" not in path.read_text() and '{email: "bo@example.com"}' in path.read_text().replace(
        '"email"', "email"
    )


def test_several_roles_at_once(run: Any, path: Path) -> None:
    """Roles of every level are given in one step, and taken in one step."""
    words = (
        *("--organization-role", "ORGANIZATION_MEMBER", "--workspace-role", "ws", "WORKSPACE_MEMBER"),
        *("--deployment-role", "dep", "DEPLOYMENT_ACCESSOR", "--dag-role", "dep", "a: b", "DAG_AUTHOR", *MONEY),
    )
    good(run("user", "grant", "bo@example.com", *words))
    (bo,) = [user for user in loader.load(path.read_bytes()).policy.document.users if user.email == "bo@example.com"]
    assert (bo.organization_role.role, len(bo.workspace_roles), len(bo.deployment_roles), len(bo.dag_roles)) == (
        *("ORGANIZATION_MEMBER", 1, 1),
        2,
    )
    good(run("user", "revoke", "bo@example.com", *words))
    assert path.read_text() == POLICY


def test_bytes_of_a_file_stay(run: Any, path: Path) -> None:
    """A byte order mark and line ends of Windows stay as they are."""
    path.write_bytes(codecs.BOM_UTF8 + POLICY.replace("\n", "\r\n").encode())
    good(run("user", "grant", "bo@example.com", *MONEY))
    data = path.read_bytes()
    assert data.startswith(codecs.BOM_UTF8) and data.count(b"\r\n") == data.count(b"\n")
    good(run("user", "revoke", "bo@example.com", "--all"))
    assert path.read_bytes() == codecs.BOM_UTF8 + POLICY.replace("\n", "\r\n").encode()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("user", "grant", "bo@example.com"), "which role? Name it with --dag-role"),
        (("user", "grant", "bo", *MONEY), "`bo` is not an e-mail address"),
        (
            ("user", "grant", "bo@example.com", "--dag-role", "dep", "d", "DAG_VIEVER"),
            "unknown role `DAG_VIEVER`, did you mean `DAG_VIEWER`?",
        ),
        (("user", "grant", "bo@example.com", "--tag-role", "dip", "x", "DAG_VIEWER"), "did you mean `dep`?"),
        (("user", "grant", "bo@example.com", *MONEY, "--expires-in", "soon"), "invalid duration `soon`"),
        (("user", "grant", "bo@example.com", *MONEY, "--expires-in", ""), "invalid duration ``"),
        (("user", "revoke", "ada@example.com"), "which role?"),
        (("user", "revoke", "ada@example.com", *MONEY), "user `ada@example.com` has no `DAG_VIEWER` on tag `money`"),
        (("user", "revoke", "ada@example.com", "--all", *MONEY), "--all takes everything: leave out the roles"),
        (("user", "revoke", "bo@example.com", "--all"), "the policy does not name user `bo@example.com`"),
        (("user", "revoke", "olga@example.com", "--all"), "would name no Organization Owner whose role does not end"),
        (
            ("user", "grant", "olga@example.com", "--organization-role", "ORGANIZATION_OWNER", "--expires-in", "1d"),
            "would name no Organization Owner whose role does not end",
        ),
        (
            ("user", "show", "adda@example.com"),
            "does not name the user `adda@example.com`, did you mean `ada@example.com`?",
        ),
        (("team", "show", "onkall"), "there is no Team `onkall`, did you mean `oncall`?"),
        (("team", "create", "oncall"), "there is a Team `oncall` already"),
        (
            ("team", "create", "new", "--support", "--tag-role", "dep", "money", "runner"),
            "role `runner` can do more than read (`dag.airflow.dagRun.create`)",
        ),
        (("role", "rename", "runner", "DAG_VIEWER"), "`DAG_VIEWER` is a built-in role"),
        (("role", "rename", "runner", "looker"), "there is a custom role `looker` already"),
        (("team", "rename", "onkall", "x"), "there is no Team `onkall`, did you mean `oncall`?"),
        (("policy", "support-access", "allowed"), "support access is allowed already"),
        (("team", "delete", "onkall"), "there is no Team `onkall`, did you mean `oncall`?"),
        (("team", "add-member", "oncall"), "who? Name e-mails, or groups of the identity provider with --group"),
        (("team", "remove-member", "oncall"), "who? Name e-mails"),
        (
            ("team", "add-member", "oncall", "--group", "ops", "--expires-in", "1d"),
            "groups have neither an end nor a note",
        ),
        (
            ("team", "add-member", "oncall", "bo@example.com", "--expires-in", "1d", "--expires-at", "2099-01-01"),
            "use either --expires-in or --expires-at",
        ),
        (
            ("team", "add-member", "oncall", "bo@example.com", "--expires-at", "2099-01-01"),
            "the time has no time zone; write `Z` after it for UTC",
        ),
        (("user", "grant", "bo@example.com", *MONEY, "--expires-at", "soon"), "expected a date with time"),
        (("team", "add-member", "onkall", "bo@example.com"), "did you mean `oncall`?"),
        (
            ("team", "add-member", "oncall", "ADA@example.com"),
            "`ADA@example.com` is in members of Team `oncall` already",
        ),
        (("team", "remove-member", "oncall", "adda@example.com"), "did you mean `ada@example.com`?"),
        (("team", "grant", "onkall", *MONEY), "there is no Team `onkall`, did you mean `oncall`?"),
        (("team", "revoke", "oncall", *MONEY), "Team `oncall` has no `DAG_VIEWER` on tag `money`"),
        (("role", "show", "loker"), "there is no custom role `loker`, did you mean `looker`?"),
        (("role", "create", "looker", "--permission", GET), "there is a role `looker` already"),
        (("role", "create", "x"), "which permissions? Name a --template, or each with --permission"),
        (("role", "create", "x", "--template", "dag-viwer"), "no template `dag-viwer`, did you mean `dag-viewer`?"),
        (("role", "create", "x", "--scope", "DAG", "--permission", f"{GET}s"), f"did you mean `{GET}`?"),
        (("role", "create", "DAG_VIEWER", "--template", "dag-viewer"), "DAG_VIEWER"),
        (("role", "update", "looker"), "what is to change? Use --add, --remove or --description"),
        (("role", "update", "loker", "--add", RUN), "did you mean `looker`?"),
        (("role", "update", "looker", "--remove", RUN), f"role `looker` has no permission `{RUN}`"),
        (("role", "delete", "loker"), "did you mean `looker`?"),
        (("role", "delete", "runner"), "unknown role `runner`"),
    ],
)
def test_refused(words: tuple[str, ...], said: str, run: Any, path: Path) -> None:
    """What cannot be done is exit code 1 with the reason and a hint, and leaves the file as it is."""
    done = run(*words)
    assert (done.code, done.out) == (1, ""), done.err
    assert said in done.err
    assert path.read_text() == POLICY


CHANGES = (
    ("user", "grant", "bo@example.com", *MONEY),
    ("user", "revoke", "olga@example.com", "--organization-role", "ORGANIZATION_OWNER", "--force"),
    ("team", "create", "x"),
    ("team", "delete", "oncall"),
    ("team", "add-member", "oncall", "bo@example.com"),
    ("team", "remove-member", "oncall", "--group", "eng"),
    ("team", "grant", "oncall", *MONEY),
    ("team", "revoke", "oncall", "--tag-role", "dep", "money", "runner"),
    ("role", "create", "x", "--template", "dag-viewer"),
    ("role", "update", "looker", "--add", RUN),
    ("role", "delete", "looker"),
)


@pytest.mark.parametrize("words", CHANGES, ids=" ".join)
def test_denied(words: tuple[str, ...], run: Any, path: Path) -> None:
    """With `--as` somebody who may not make a change is told each reason, with exit code 2, and nothing is written."""
    for more in ((), ("--dry-run",)):
        done = run(*words, "--as", "nobody@example.com", *more)
        assert (done.code, done.out) == (2, "")
        first, *reasons = done.err.splitlines()
        assert first == "error: nobody@example.com may not make this change:"
        assert reasons and all(
            re.match(r"[-+~] .*: (the actor may|only an Organization Owner)", each) for each in reasons
        )
    assert path.read_text() == POLICY
    assert run(*words, "--as", "OLGA@example.com").code == 0
    assert path.read_text() != POLICY


def test_actor_in_a_file(run: Any, path: Path) -> None:
    """An Admin of the Deployment gives roles there and no others; an empty `--as` is nobody, and not the shell."""
    assert run("user", "grant", "bo@example.com", *MONEY, "--as", "ada@example.com").code == 0
    done = run(
        "user", "grant", "ada@example.com", "--workspace-role", "ws", "WORKSPACE_OWNER", "--as", "ada@example.com"
    )
    assert done.code == 2 and "may not give `WORKSPACE_OWNER` on `ws`" in done.err
    before = path.read_text()
    done = run("user", "grant", "zoe@example.com", *MONEY, "--as", "")
    assert done.code == 1 and "--as is empty" in done.err
    done = run("user", "grant", "zoe@example.com", *MONEY, "--as", "ada@example.com", "--deployment", "dip")
    assert done.code == 3 and "did you mean `dep`?" in done.err
    assert path.read_text() == before


@pytest.mark.parametrize("words", [*CHANGES, ("user", "list"), ("team", "list"), ("role", "list")], ids=" ".join)
def test_bad_policy(words: tuple[str, ...], run: Any, path: Path) -> None:
    """A policy with errors is exit code 3 with the place of each."""
    path.write_text("version: 2\n")
    done = run(*words)
    assert (done.code, done.out) == (3, "")
    assert "policy.yaml:1:10: version: expected the number 1" in done.err
    path.unlink()
    done = run(*words)
    assert (done.code, done.out) == (3, "") and "cannot read the policy file: No such file" in done.err


def test_dry_run_shows_who_gains_and_loses(run: Any) -> None:
    """A dry run says who gains and who loses what, for people and for machines."""
    out = good(run("user", "grant", "bo@example.com", *MONEY, "--dry-run"))
    assert "`bo@example.com`: gains" in out and "all permissions of DAG_VIEWER on tag `money`" in out
    out = good(run("team", "delete", "oncall", "--dry-run"))
    assert "loses" in out and "`ada@example.com`" in out and "eng" in out
    values = json.loads(good(run("user", "grant", "bo@example.com", *MONEY, "--dry-run", "--output", "json")))
    assert (values["written"], values["version"], values["plan"]["widens"]) == (False, None, True)
    (change,) = values["plan"]["deployments"][0]["changes"]
    assert change["subjects"] == ["bo@example.com"] and change["gains"][0]["permissions"]


def test_warnings_of_a_change(run: Any) -> None:
    """What is odd because of a change is said on the error stream, and what was odd before is not."""
    done = run("team", "create", "empty")
    assert done.code == 0 and done.err == "warning: teams[1]: this Team has neither members nor groups\n"
    assert "warning" not in run("user", "grant", "bo@example.com", *MONEY).err


@pytest.mark.parametrize("form", ["json", "yaml"])
@pytest.mark.parametrize("words", CHANGES, ids=" ".join)
def test_values_of_a_change(words: tuple[str, ...], form: str, run: Any, path: Path) -> None:
    """For a machine there is one document on the standard output, and nothing else."""
    out = good(run(*words, "-o", form))
    values = json.loads(out) if form == "json" else yaml.safe_load(out)
    assert set(values) == {"policy", "version", "written", "changes", "warnings"}
    assert (values["policy"], values["version"], values["written"]) == (str(path), None, True)
    assert values["changes"]


def test_show_and_list(run: Any) -> None:
    """Lists and details have roles, Teams and members, for people and for machines."""
    assert json.loads(good(run("user", "list", "-o", "json"))) == [
        {
            "email": "ada@example.com",
            "roles": ["DEPLOYMENT_ADMIN on Deployment `dep`"],
            "teams": ["oncall"],
        },
        {"email": "olga@example.com", "roles": ["ORGANIZATION_OWNER on the Organization"], "teams": []},
    ]
    assert json.loads(good(run("user", "show", "ADA@example.com", "-o", "json")))["email"] == "ada@example.com"
    team = {
        "name": "oncall",
        "description": "",
        "support": False,
        "roles": ["runner on tag `money` of Deployment `dep`"],
        "members": ["ada@example.com"],
        "idp_groups": ["eng"],
    }
    assert json.loads(good(run("team", "list", "-o", "json"))) == [team]
    assert json.loads(good(run("team", "show", "oncall", "-o", "json"))) == team
    role = json.loads(good(run("role", "show", "runner", "-o", "json")))
    assert (role["permissions"], role["held_by"]) == ([GET, RUN], ["Team `oncall`"])
    assert [each["name"] for each in json.loads(good(run("role", "list", "-o", "json")))] == ["looker", "runner"]
    for words in (("user", "list"), ("user", "show", "ada@example.com"), ("team", "list"), ("team", "show", "oncall")):
        out = good(run(*words))
        assert "ada@example.com" in out and "oncall" in out
    assert "runner" in good(run("role", "list")) and "Team `oncall`" in good(run("role", "show", "runner"))


def test_member_without_an_entry(run: Any) -> None:
    """A user who is only a member of a Team is in the list."""
    good(run("team", "add-member", "oncall", "Zoe@example.com"))
    assert json.loads(good(run("user", "list", "-o", "json")))[-1] == {
        "email": "Zoe@example.com",
        "roles": [],
        "teams": ["oncall"],
    }


def test_templates(astro_auth: Any, run: Any, path: Path) -> None:
    """Each template can be listed, and is a role as it is."""
    listed = json.loads(good(astro_auth("role", "templates", "-o", "json")))
    assert [each["name"] for each in listed] == list(TEMPLATES)
    assert all(name in good(astro_auth("role", "templates")) for name in TEMPLATES)
    for name in TEMPLATES:
        good(run("role", "create", f"of-{name}", "--template", name, "--workspace", "ws"))
    role = loader.load(path.read_bytes()).policy.document.roles[-1]
    assert tuple(role.permissions) == TEMPLATES["dag-author"].permissions
    assert (role.scope, role.restricted_workspace_ids) == ("DAG", ["ws"])


def test_arguments(astro_auth: Any) -> None:
    """Bad arguments are exit code 1, not the one of a denied change."""
    for words in (
        ("user",),
        ("user", "gant"),
        ("policy", "import"),
        ("policy", "init"),
        ("role", "create", "x", "--scope", "x"),
    ):
        assert astro_auth(*words).code == 1


# -- reasons -------------------------------------------------------------------------------------------------------


def test_reason_is_required(run: Any, stored: Any, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a reason is required, no change is made without one; a dry run needs none."""
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__REQUIRE_REASON", "True")
    file = ("--policy", path)
    for words in (
        *((*words, *file) for words in CHANGES),
        ("policy", "import", path),
        ("policy", "init", "--owner", "a@b.c", "--organization", "o", "--workspace", "w"),
        ("token", "revoke", "one", *file),
        ("token", "create", "--name", "x", "--expires-in", "1d", "--write", *MONEY, *file),
    ):
        done = stored(*words)
        assert (done.code, done.out) == (1, "")
        assert "a change needs a reason here: pass --reason ([astro_auth] require_reason)" in done.err
    assert path.read_text() == POLICY and policy_versions.history() == []
    assert run(*CHANGES[0], "--dry-run").code == 0
    assert run(*CHANGES[0], "--reason", "asked for").code == 0
    assert stored("policy", "import", path, "--reason", "x" * 2001).code == 1
    assert stored("policy", "import", path, "--reason", "é \n first").code == 0
    assert policy_versions.history()[0].reason == "é \n first"


# -- the database --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", CHANGES, ids=" ".join)
def test_change_in_the_database(words: tuple[str, ...], imported: Any, path: Path) -> None:
    """A change is a version with its reason; a dry run makes none, and somebody who may not is denied."""
    before = document()
    dry = good(imported(*words, "--dry-run"))
    assert dry.endswith("Nothing was written.\n")
    denied = imported(*words, "--as", "nobody@example.com")
    assert (denied.code, denied.out) == (2, "") and "nobody@example.com may not make this change:" in denied.err
    assert "--as is empty" in imported(*words, "--as", "").err
    assert document() == before and len(policy_versions.history()) == 1
    out = good(imported(*words, "--reason", "why"))
    assert out.endswith("Done: version 2 of the policy.\n")
    record = policy_versions.history()[0]
    assert record[3:8] == (getpass.getuser(), "shell", "cli", "why", None)
    assert out.splitlines()[:-1] == list(record.changes)
    assert document() != before
    assert path.read_text() == POLICY


def test_values_from_the_database(imported: Any) -> None:
    """Lists are of the newest version, and a change in the database says its number."""
    values = json.loads(good(imported("user", "grant", "bo@example.com", *MONEY, "-o", "json")))
    assert (values["policy"], values["version"], values["written"]) == ("the policy store", 2, True)
    assert "bo@example.com" in good(imported("user", "list"))
    assert json.loads(good(imported("team", "show", "oncall", "-o", "json")))["name"] == "oncall"
    assert len(json.loads(good(imported("role", "list", "-o", "json")))) == 2
    done = imported("user", "grant", "zoe@example.com", *MONEY, "--as", "ada@example.com", "-o", "json")
    assert json.loads(good(done))["version"] == 3
    assert policy_versions.history()[0].author == "ada@example.com"
    done = imported("user", "grant", "bo@example.com", *MONEY)
    assert done.code == 1 and "already" in done.err


def test_tokens_in_the_database(imported: Any) -> None:
    """API tokens are made, rotated and revoked in the database; only the hash of a secret is there."""
    secret = good(imported("token", "create", "--name", "ci", "--expires-in", "30d", *MONEY, "--reason", "ci")).strip()
    assert len(document().api_tokens) == 2
    rotated = imported("token", "rotate", "ci", "--overlap", "1h")
    assert good(rotated).strip() != secret
    assert "has a new secret in the policy store" in rotated.err
    assert "is revoked" in imported("token", "revoke", "ci").err
    assert len(document().api_tokens) == 1
    everything = "".join(str(policy_versions.read(number)) for number in range(1, 5)) + str(policy_versions.history())
    assert secret not in everything and rotated.out.strip() not in everything


def test_no_secret_in_what_is_shown(imported: Any) -> None:
    """Neither a secret nor its hash is in the history, or in what a version changed."""
    secret = good(imported("token", "create", "--name", "ci", "--expires-in", "30d", *MONEY)).strip()
    good(imported("token", "rotate", "one"))
    good(imported("token", "revoke", "ci"))
    hashes = [token.secret_sha256 for token in document().api_tokens] + [HASH, secret]
    for words in (
        ("history",),
        ("show",),
        ("show", "1"),
        ("show", "2"),
        ("show", "3"),
        ("diff", "1"),
        ("diff", "1", "2"),
        ("diff", "3"),
    ):
        for form in ("table", "json", "yaml"):
            out = good(imported("policy", *words, "-o", form))
            assert out and not any(each in out for each in hashes)


def test_nothing_in_the_database(stored: Any) -> None:
    """Without a policy in the database each command says how to begin, or that there is none."""
    for words in (*CHANGES, ("user", "list"), ("team", "list"), ("role", "list")):
        done = stored(*words)
        assert (done.code, done.out) == (3, "")
        assert "policy init --owner EMAIL" in done.err
    for words in (("export",), ("show",), ("diff", "1"), ("revert", "1"), ("export", "--version", "1")):
        done = stored("policy", *words)
        assert (done.code, done.out) == (1, "") and "there is no " in done.err
    assert json.loads(good(stored("policy", "history", "-o", "json"))) == []
    assert "0 versions" in good(stored("policy", "clean"))


def test_init(stored: Any) -> None:
    """A policy can begin with one owner, once; which Organization and Workspace has to be said."""
    done = stored("policy", "init", "--owner", "olga@example.com", "--workspace", "ws")
    assert done.code == 1 and "which Organization? Pass --organization, or set [astro_auth] organization_id" in done.err
    words = ("policy", "init", "--owner", "olga@example.com", "--organization", "org", "--workspace", "ws")
    assert "Nothing was written." in good(stored(*words, "--dry-run"))
    assert stored(*words, "--as", "olga@example.com").code == 3
    assert stored(*words[:3], "olga", *words[4:]).code == 1
    assert policy_versions.history() == []
    assert "Done: version 1 of the policy." in good(stored(*words))
    (owner,) = document().users
    assert (owner.email, owner.organization_role.role) == ("olga@example.com", "ORGANIZATION_OWNER")
    done = stored(*words)
    assert done.code == 1 and "there is a policy already" in done.err


def test_init_by_options(stored: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ids come from the options where they are set there."""
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__ORGANIZATION_ID", "org")
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__WORKSPACE_ID", "ws")
    good(stored("policy", "init", "--owner", "olga@example.com"))
    assert (document().organization_id, document().deployments[0].workspace_id) == ("org", "ws")


def test_import(stored: Any, path: Path) -> None:
    """A file is imported as it is; with errors, for another Deployment, or without the right, it is not."""
    assert "Nothing was written." in good(stored("policy", "import", path, "--dry-run"))
    assert policy_versions.history() == []
    values = json.loads(good(stored("policy", "import", path, "-o", "json")))
    assert (values["version"], values["policy"]) == (1, "the policy store")
    assert good(stored("policy", "import", path)) == "Nothing to change.\n"
    bo = "  - {email: bo@example.com, organization_role: ORGANIZATION_OWNER}\n"
    path.write_text(POLICY.replace("# the end\n", bo))
    done = stored("policy", "import", path, "--as", "ada@example.com")
    assert done.code == 2 and "`ORGANIZATION_OWNER`" in done.err
    assert "`bo@example.com`: gains" in good(stored("policy", "import", path, "--dry-run"))
    path.write_text(POLICY.replace("id: dep,", "id: other,").replace("deployment_id: dep", "deployment_id: other"))
    done = stored("policy", "import", path)
    assert done.code == 1 and "does not list the Deployment `dep`" in done.err
    path.write_text("version: 2\n")
    done = stored("policy", "import", path)
    assert done.code == 3 and "policy.yaml:1:10" in done.err
    assert stored("policy", "import", path.parent / "none.yaml").code == 3
    assert len(policy_versions.history()) == 1


def test_import_without_owner(imported: Any, path: Path, accounts: Any) -> None:
    """An import that would leave no Organization Owner with an account needs `--force`."""
    accounts("olga", "olga@example.com")
    path.write_text(POLICY.replace("olga@example.com", "bo@example.com"))
    for more in ((), ("--dry-run",)):
        done = imported("policy", "import", path, *more)
        assert (
            done.code == 1 and "no Organization Owner who has an active account" in done.err and "--force" in done.err
        )
    good(imported("policy", "import", path, "--force"))
    assert document().users[0].email == "bo@example.com"


STYLES = {
    "plain": POLICY.encode(),
    "Windows": POLICY.replace("\n", "\r\n").encode(),
    "byte order mark": codecs.BOM_UTF8 + POLICY.encode(),
    "no end of line": POLICY.rstrip().encode(),
    "other letters": f"{POLICY}# é 🙂\n".encode(),
    "JSON": json.dumps(yaml.safe_load(POLICY)).encode(),
}


@pytest.mark.parametrize("style", STYLES)
def test_export_of_an_import(style: str, stored: Any, path: Path, tmp_path: Path) -> None:
    """An export of an import that nobody changed is the very file."""
    path.write_bytes(STYLES[style])
    good(stored("policy", "import", path))
    done = stored("policy", "export")
    assert good(done).encode() == STYLES[style]
    assert "left out" not in done.err
    good(stored("policy", "export", "--version", "1", "--out", tmp_path / "out.yaml"))
    assert (tmp_path / "out.yaml").read_bytes() == STYLES[style]


AWKWARD = (
    *(
        "\x85",
        "a\x85b",
        "\u2028",
        "\u2029 x",
        "🙂 é",
        "two\nlines\n",
        " leading",
        "trailing ",
        "\ttab",
        "a: b # c",
        "- x",
    ),
    *("no", "null", "~", "1e3", "0x1F", "2027-01-31", "'", '"', "\\", "%", "@x", "{x}", "\ufeff", "\x7f", "x" * 5000),
    *("word " * 200, "\n\n", "a\r\nb", "*", "&a", "!x", "<<", "=", "---", "...", "é" * 300),
)


def test_export_of_a_change(imported: Any, tmp_path: Path, accounts: Any) -> None:
    """After a change an export says exactly the same, whatever is in the texts, and that comments are left out."""
    for number, text in enumerate(AWKWARD):
        publisher.publish(
            publisher.Wanted(
                lambda values, text=text, number=number: {
                    **values,
                    "teams": [
                        *values["teams"],
                        {
                            "name": f"{number}{text}",
                            "description": text,
                            "members": ["a@b.c"],
                            "idp_groups": [text or "x"],
                        },
                    ],
                },
                "page",
            ),
            publisher.Actor("x", "shell"),
            _settings(),
        )
    out = tmp_path / "out.yaml"
    done = imported("policy", "export", "--out", out)
    assert done.code == 0 and "Comments and layout of the imported file are left out" in done.err
    policy = loader.load(out.read_bytes()).policy
    assert policy and policy.document == document()
    assert HASH in out.read_text()
    before = document()
    good(imported("policy", "import", out))
    assert document() == before


def _settings() -> Any:
    from astro_auth_plugin.runtime.settings import read_settings

    return read_settings()


def test_export_without_tokens(imported: Any, path: Path, tmp_path: Path) -> None:
    """Without tokens an export has no hash; an existing file is not written over."""
    out = good(imported("policy", "export", "--without-tokens"))
    assert HASH not in out and "api_tokens" not in out and "oncall" in out
    before = path.read_bytes()
    done = imported("policy", "export", "--out", path)
    assert done.code == 1 and "File exists" in done.err
    assert path.read_bytes() == before


def test_export_of_a_text_that_says_something_else(imported: Any, metadata_database: Any) -> None:
    """A kept text that says anything else than its version is not exported."""
    other = POLICY.replace("ada@example.com", "eve@example.com").encode()
    with Session(metadata_database) as session:
        session.execute(update(VERSIONS).values(imported_text=zlib.compress(other)))
        session.commit()
    out = good(imported("policy", "export"))
    assert "eve@example.com" not in out and "ada@example.com" in out


def test_history(imported: Any, metadata_database: Any) -> None:
    """The history has who, when, how and why; it can be limited by number and time."""
    good(imported("user", "grant", "bo@example.com", *MONEY, "--reason", "[red]asked\n\x1b[31m"))
    records = json.loads(good(imported("policy", "history", "-o", "json")))
    assert [record["id"] for record in records] == [2, 1]
    assert set(records[0]) == {
        *("id", "digest", "created_at", "author", "author_kind", "source", "reason", "reverts", "changes")
    }
    table = good(imported("policy", "history"))
    assert f"{getpass.getuser()} (shell)" in table and "[red]asked\\n\\x1b[31m" in table
    with Session(metadata_database) as session:
        old = int((datetime.now(UTC) - timedelta(days=10)).timestamp())
        session.execute(update(VERSIONS).where(VERSIONS.c.id == 1).values(created_at=old))
        session.commit()
    yesterday = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
    for words, ids in (
        (("--limit", "1"), [2]),
        (("--since", "9d"), [2]),
        (("--since", "11d"), [2, 1]),
        (("--since", yesterday), [2]),
        (("--since", f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%S}+00:00"), []),
        (("--since", f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%S}+02:00"), [2]),
        (("--since", "2000-01-01"), [2, 1]),
    ):
        assert [each["id"] for each in json.loads(good(imported("policy", "history", *words, "-o", "json")))] == ids


def test_show(imported: Any) -> None:
    """A version is shown with what it changed; the newest one by default."""
    good(imported("user", "grant", "bo@example.com", *MONEY))
    values = json.loads(good(imported("policy", "show", "-o", "json")))
    assert (values["id"], values["changes"][0]) == (2, "+ user `bo@example.com`")
    assert json.loads(good(imported("policy", "show", "1", "-o", "json")))["source"] == "import"
    out = good(imported("policy", "show", "2"))
    assert "changes: + user `bo@example.com`" in out and "None" not in out
    values = json.loads(good(imported("policy", "show", "1", "--document", "-o", "json")))
    assert values["document"]["organization_id"] == "org"


def test_diff(imported: Any) -> None:
    """The difference of two versions says who gains and who loses, in both directions."""
    good(imported("user", "grant", "bo@example.com", *MONEY))
    out = good(imported("policy", "diff", "1"))
    assert "`bo@example.com`: gains" in out and "from `version 1` to `version 2`" in out
    assert "`bo@example.com`: loses" in good(imported("policy", "diff", "2", "1"))
    values = json.loads(good(imported("policy", "diff", "1", "2", "-o", "json")))
    assert (values["old"], values["new"], values["widens"]) == ("version 1", "version 2", True)
    assert json.loads(good(imported("policy", "diff", "2", "2", "-o", "json")))["widens"] is False


def test_revert(imported: Any, path: Path) -> None:
    """A return to a version is a version of its own, with the very text of its import; it is judged as any change."""
    good(imported("user", "grant", "bo@example.com", "--organization-role", "ORGANIZATION_OWNER"))
    good(imported("user", "grant", "zoe@example.com", *MONEY))
    assert "`zoe@example.com`: loses" in good(imported("policy", "revert", "1", "--dry-run"))
    assert "Done: version 4 of the policy." in good(imported("policy", "revert", "1", "--reason", "oops"))
    record = policy_versions.history()[0]
    assert (record.source, record.reverts, record.reason) == ("revert", 1, "oops")
    assert good(imported("policy", "export")) == POLICY
    assert good(imported("policy", "revert", "1")) == "Nothing to change.\n"
    done = imported("policy", "revert", "2", "--as", "ada@example.com")
    assert done.code == 2 and "ORGANIZATION_OWNER" in done.err
    values = json.loads(good(imported("policy", "revert", "2", "-o", "json")))
    assert (values["version"], values["written"]) == (5, True)


def test_revert_keeps_tokens(imported: Any, path: Path) -> None:
    """A return to a version from before a token was revoked does not make its secret valid again, unless that is wanted."""
    good(imported("token", "revoke", "one"))
    good(imported("user", "grant", "zoe@example.com", *MONEY))
    good(imported("policy", "revert", "1"))
    assert "api_tokens" not in policy_versions.read().values or policy_versions.read().values["api_tokens"] == []
    good(imported("policy", "revert", "1", "--tokens"))
    assert good(imported("policy", "export")) == POLICY


def test_revert_of_a_damaged_version(imported: Any, metadata_database: Any) -> None:
    """From a newest version that cannot be read a shell returns to one that can."""
    good(imported("user", "grant", "bo@example.com", *MONEY))
    with Session(metadata_database) as session:
        session.execute(update(VERSIONS).where(VERSIONS.c.id == 2).values(document=b"x"))
        session.commit()
    for words in (("user", "list"), CHANGES[0]):
        done = imported(*words)
        assert (done.code, done.out) == (3, "") and "version 2 of the policy is damaged" in done.err
    done = imported("policy", "diff", "1")
    assert done.code == 1 and "version 2 of the policy is damaged" in done.err
    assert "Done: version 3" in good(imported("policy", "revert", "1"))


@pytest.mark.parametrize("number", ["x", "-1", "1.0", "\u0661", "9999999999", "", "1 "])
def test_no_number(number: str, imported: Any) -> None:
    """What is no number is said to be none, with where the numbers are."""
    for words in (
        ("show", number),
        ("diff", number),
        ("diff", "1", number),
        ("revert", number),
        ("export", f"--version={number}"),
    ):
        done = imported("policy", *words)
        if number:
            assert (done.code, done.out) == (1, "")
            assert "is not a number" in done.err or "usage:" in done.err
    for words in (("history", f"--limit={number}"), ("clean", f"--keep={number}")):
        done = imported("policy", *words)
        assert (done.code, done.out) == (1, "") and f"`{number}` is not a number" in done.err
    assert len(policy_versions.history()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "7"), "there is no version 7"),
        (("show", "0"), "there is no version 0"),
        (("diff", "7"), "there is no version 7 of the policy"),
        (("diff", "1", "7"), "there is no version 7 of the policy"),
        (("revert", "7"), "there is no version 7 of the policy"),
        (("export", "--version", "7"), "there is no version 7 of the policy"),
        (("history", "--since", "soon"), "invalid time `soon`: use for example 30d or 2027-01-31"),
        (("history", "--since", "2027-13-01"), "invalid time `2027-13-01`"),
        (("clean", "--older-than", "x"), "invalid duration `x`"),
        (("import", "none.yaml"), "none.yaml: cannot read the policy file: No such file"),
    ],
)
def test_unknown(words: tuple[str, ...], said: str, imported: Any) -> None:
    """What is not there is said not to be there."""
    done = imported("policy", *words)
    assert done.code and done.out == ""
    assert said in done.err


def test_clean(imported: Any, metadata_database: Any) -> None:
    """Documents of old versions go, the newest stay whatever is asked, and the history stays whole."""
    for name in ("bo", "zoe", "kim"):
        good(imported("user", "grant", f"{name}@example.com", *MONEY))
    assert "0 versions" in good(imported("policy", "clean", "--keep", "0"))
    with Session(metadata_database) as session:
        session.execute(update(VERSIONS).values(created_at=1_700_000_000))
        session.commit()
    assert "0 versions" in good(imported("policy", "clean"))
    assert "1 version would be removed" in good(imported("policy", "clean", "--keep", "3", "--dry-run"))
    assert "3 versions would be removed" in good(imported("policy", "clean", "--keep", "0", "--dry-run"))
    assert "0 versions" in good(imported("policy", "clean", "--keep", "0", "--older-than", "9999w"))
    assert policy_versions.read(1)
    assert "of 3 versions are removed" in good(imported("policy", "clean", "--keep", "0", "--older-than", "1m"))
    assert len(policy_versions.history()) == 4
    assert len(document().users) == 5
    for words in (("revert", "1"), ("diff", "1"), ("export", "--version", "1"), ("show", "1", "--document")):
        done = imported("policy", *words)
        assert done.code == 1 and "the document of version 1 of the policy has been removed" in done.err
    assert "import" in good(imported("policy", "show", "1"))


def test_database_away(imported: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that does not answer is said so, in one line, and without what the driver says."""

    def away(*_: Any) -> Any:
        raise OperationalError("SELECT secret", {}, Exception("hunter2"))

    monkeypatch.setattr(policy_versions, "connect", away)
    for words in (
        ("user", "list"),
        CHANGES[0],
        ("policy", "history"),
        ("policy", "show"),
        ("policy", "export"),
        ("policy", "diff", "1"),
        ("policy", "revert", "1"),
        ("policy", "clean"),
    ):
        done = imported(*words)
        assert done.code in (1, 3) and done.out == ""
        assert "OperationalError" in done.err and "hunter2" not in done.err and "Traceback" not in done.err


def test_user_without_a_name(imported: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container whose user has a number alone, the number is the author."""

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr(getpass, "getuser", nameless)
    good(imported(*CHANGES[0]))
    assert policy_versions.history()[0].author == f"uid {os.getuid()}"


def test_options_are_wrong(imported: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options that cannot be understood stop a change with their names."""
    monkeypatch.setenv("AIRFLOW__ASTRO_AUTH__WORKSPACE_ID", "ws-other")
    done = imported(*CHANGES[0])
    assert done.code == 1 and "[astro_auth] workspace_id says `ws-other`" in done.err
    monkeypatch.delenv("AIRFLOW__ASTRO_AUTH__DEPLOYMENT_ID")
    monkeypatch.delenv("AIRFLOW__ASTRO_AUTH__WORKSPACE_ID")
    done = imported(*CHANGES[0])
    assert done.code == 1 and "[astro_auth] deployment_id is not set" in done.err


def test_nothing_else_on_standard_output(imported: Any) -> None:
    """As a process of its own, a command prints one document for a machine, whatever Airflow logs."""
    for words in (("user", "grant", "bo@example.com", *MONEY, "-o", "json"), ("policy", "history", "-o", "json")):
        done = subprocess.run(
            [sys.executable, "-c", "from astro_auth_plugin.cli.main import main; main()", *words],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        json.loads(done.stdout)
    assert len(policy_versions.history()) == 2


def test_support_access_in_the_database(imported: Any) -> None:
    """The switch is a version like any other change, and an Organization Owner's."""
    words = ("policy", "support-access", "disallowed")
    denied = imported(*words, "--as", "ada@example.com")
    assert denied.code == 2 and "only an Organization Owner may change this" in denied.err
    assert "Done: version 2 of the policy." in good(imported(*words, "--as", "olga@example.com"))
    assert document().support_access == "disallowed"


def test_rename_in_the_database(imported: Any) -> None:
    """Renaming is one change of the history, made by Organization Owners only; grants come along."""
    for words in (("role", "rename", "runner", "mover"), ("team", "rename", "oncall", "nights")):
        denied = imported(*words, "--as", "ada@example.com")
        assert denied.code == 2 and "only an Organization Owner may change this" in denied.err
        what = "Team" if words[0] == "team" else "role"
        out = good(imported(*words, "--as", "olga@example.com"))
        assert out.startswith(f"~ {what} `{words[2]}` renamed to `{words[3]}`\nDone")
    (team,) = document().teams
    assert (team.name, team.dag_roles[0].role) == ("nights", "mover")


def test_switched_off_is_explained(run: Any, path: Path) -> None:
    """What a support Team would give is missing, and a note says why; so it does in the list of all."""
    good(run("team", "create", "helpers", "--support", "--member", "vera@example.com", *MONEY))
    asked = ("explain", "--as", "vera@example.com", "see", "cash", "--tag", "money")
    assert run(*asked).code == 0
    good(run("policy", "support-access", "disallowed"))
    said = "Support Teams without effect, because `support_access` is `disallowed`: `helpers`."
    done = run(*asked)
    assert done.code == 2 and said in " ".join(done.out.split())
    for words, is_said in (
        (("access", "--tag", "money"), True),
        (("explain", "--as", "ada@example.com", *asked[3:]), False),
    ):
        assert (said in " ".join(run(*words).out.split())) is is_said
