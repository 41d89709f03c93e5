"""The commands about API tokens, as `astro-auth token …` runs them."""

from __future__ import annotations

import fcntl
import io
import os
import re
import stat
import subprocess
import sys
from argparse import Namespace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from astro_auth_plugin.cli.changes.policy_file import policy_file_to_change
from astro_auth_plugin.cli.exit_codes import CommandFailed
from astro_auth_plugin.cli.main import main
from astro_auth_plugin.cli.tokens.commands import list_tokens
from astro_auth_plugin.rbac.model import token_secrets
from astro_auth_plugin.rbac.policy import loader
from astro_auth_plugin.rbac.policy.document import ApiToken

POLICY = """\
version: 1
organization_id: org
workspaces: [{id: ws}, {id: far}]
deployments: [{id: dep, workspace_id: ws}, {id: dep-far, workspace_id: far}]
roles:
  - name: maker
    scope: DEPLOYMENT
    permissions: [deployment.airflow.website.get, deployment.airflow.docs.get, deployment.apiTokens.create]
users:
  - {email: olga@example.com, organization_role: ORGANIZATION_OWNER}
  - {email: wes@example.com, workspace_roles: [{workspace_id: ws, role: WORKSPACE_OWNER}]}
  - {email: ada@example.com, deployment_roles: [{deployment_id: dep, role: DEPLOYMENT_ADMIN}]}
  - {email: otto@example.com, workspace_roles: [{workspace_id: ws, role: WORKSPACE_OPERATOR}]}
  - email: mia@example.com
    deployment_roles: [{deployment_id: dep, role: maker}]
    dag_roles: [{deployment_id: dep, tag: "team:finance", role: DAG_AUTHOR}]
  - {email: art@example.com, dag_roles: [{deployment_id: dep, tag: finance, role: DAG_AUTHOR}]}
  - email: bob@example.com
    deployment_roles: [{deployment_id: dep, role: maker}]
    dag_roles:
      - {deployment_id: dep, bundle: fin, role: DAG_VIEWER}
      - {deployment_id: dep, bundle: ops, folder: a/, role: DAG_VIEWER}
"""
TAG_ROLE = ("--tag-role", "dep", "team:finance", "DAG_AUTHOR")


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A policy file without tokens."""
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return path


@pytest.fixture
def run(path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that runs `astro-auth token` with some words on that file."""

    def ran(*words: str, stdin: str = "") -> Done:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        code = 0
        try:
            main(["token", *words, "--policy", str(path)])
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        return Done(code, out, err)

    return ran


@pytest.fixture
def create(run: Any, path: Path) -> Any:
    """A function that makes a token, and returns its secret."""

    def made(*words: str, expires_in: str = "30d") -> str:
        done = run("create", "--name", "ci", "--expires-in", expires_in, *(words or TAG_ROLE), "--write")
        assert done.code == 0, done.err
        return done.out.strip()

    return made


def tokens(path: Path) -> list[ApiToken]:
    found = loader.load(path.read_bytes())
    assert found.policy is not None, found.errors
    return found.policy.document.api_tokens


def test_create_prints(run: Any, path: Path) -> None:
    """The secret alone goes to standard output, and the entry with its hash to standard error; the file stays."""
    done = run("create", "--name", "ci", "--expires-in", "30d", *TAG_ROLE)
    assert done.code == 0
    secret = done.out.removesuffix("\n")
    assert re.fullmatch(token_secrets.PATTERN, secret)
    assert secret not in done.err
    assert path.read_text() == POLICY
    entry = done.err.partition("of the policy:\n")[2].partition("The secret")[0]
    path.write_text(f"{POLICY}api_tokens:\n{entry}")
    (token,) = tokens(path)
    assert token.id == token_secrets.token_id_of(secret)
    assert token.secret_sha256 == token_secrets.sha256(secret)


def test_create_writes(run: Any, path: Path, create: Any) -> None:
    """With `--write` the entry is put behind all else, and the secret stands nowhere in the file."""
    before = datetime.now(UTC).replace(microsecond=0)
    secret = create(
        *TAG_ROLE,
        *("--dag-role", "dep", "a:b = c", "DAG_VIEWER", "--deployment-role", "dep", "DEPLOYMENT_ACCESSOR"),
        *("--workspace-role", "far", "WORKSPACE_MEMBER", "--organization-role", "ORGANIZATION_MEMBER"),
    )
    text = path.read_text()
    assert text.startswith(POLICY)
    assert secret not in text
    (token,) = tokens(path)
    assert [(role.role, role.entity_type, role.entity_id, role.deployment_id) for role in token.roles] == [
        ("ORGANIZATION_MEMBER", "ORGANIZATION", "org", ""),
        ("WORKSPACE_MEMBER", "WORKSPACE", "far", ""),
        ("DEPLOYMENT_ACCESSOR", "DEPLOYMENT", "dep", ""),
        ("DAG_VIEWER", "DAG", "a:b = c", "dep"),
        ("DAG_AUTHOR", "DAG_TAG", "team:finance", "dep"),
    ]
    assert timedelta(0) <= token.expires_at - before - timedelta(days=30) <= timedelta(minutes=1)


def test_expiry_is_required(run: Any, path: Path) -> None:
    """Without a time of expiry no token is made, and `never` has to be said, and is warned of."""
    assert run("create", "--name", "ci", *TAG_ROLE).code == 1
    done = run("create", "--name", "ci", "--expires-in", "never", *TAG_ROLE, "--write")
    assert "warning: this API token never expires" in done.err
    assert tokens(path)[0].expires_at is None
    assert "within 14 days" in run("create", "--name", "soon", "--expires-in", "2h", *TAG_ROLE).err


@pytest.mark.parametrize(
    "time", ["", "30", "d", "0d", "-1d", "1y", "1.5d", "30 d", "30D", "\u0663d", "999999d", "Never"]
)
def test_bad_times(time: str, run: Any, path: Path) -> None:
    """A time that is none is said to be none, and nothing is made."""
    done = run("create", "--name", "ci", f"--expires-in={time}", *TAG_ROLE, "--write")
    assert (done.code, done.out) == (1, "")
    assert f"invalid duration `{time}`" in done.err
    assert path.read_text() == POLICY


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "the token has no role"),
        (
            ("--deployment-role", "dep", "DEPLOYMENT_ADMN"),
            "unknown role `DEPLOYMENT_ADMN`, did you mean `DEPLOYMENT_ADMIN`?",
        ),
        (
            ("--deployment-role", "dip", "DEPLOYMENT_ADMIN"),
            "Deployment `dip` is not listed in this file, did you mean `dep`?",
        ),
        (
            ("--dag-role", "dep", "d", "WORKSPACE_MEMBER"),
            "role `WORKSPACE_MEMBER` is a Workspace role, expected a Dag role",
        ),
        (("--dag-role", "dep", "", "DAG_VIEWER"), "expected some text, found nothing"),
        ((*TAG_ROLE, "--name", ""), "expected some text, found nothing"),
    ],
)
def test_bad_roles(words: tuple[str, ...], said: str, run: Any, path: Path) -> None:
    """What would be no good token is refused with the reason, with and without `--write`."""
    for more in ((), ("--write",)):
        done = run("create", "--name", "ci", "--expires-in", "30d", *words, *more)
        assert (done.code, done.out) == (1, "")
        assert said in done.err
    assert path.read_text() == POLICY


@pytest.mark.parametrize(
    ("creator", "words", "allowed"),
    [
        ("olga", ("--organization-role", "ORGANIZATION_OWNER"), True),
        ("Olga", ("--workspace-role", "far", "WORKSPACE_OWNER"), True),
        ("wes", ("--workspace-role", "ws", "WORKSPACE_OWNER"), True),
        ("wes", ("--workspace-role", "far", "WORKSPACE_ACCESSOR"), False),
        ("wes", ("--organization-role", "ORGANIZATION_MEMBER"), False),
        ("ada", TAG_ROLE, True),
        ("ada", (*TAG_ROLE, "--tag-role", "dep-far", "team:finance", "DAG_VIEWER"), False),
        ("ada", ("--workspace-role", "ws", "WORKSPACE_ACCESSOR"), False),
        ("otto", TAG_ROLE, False),
        ("otto", ("--workspace-role", "ws", "WORKSPACE_OPERATOR"), True),
        ("otto", ("--workspace-role", "ws", "WORKSPACE_OWNER"), False),
        ("mia", TAG_ROLE, True),
        ("mia", ("--tag-role", "dep", "finance", "DAG_AUTHOR"), False),
        ("art", ("--tag-role", "dep", "finance", "DAG_VIEWER"), False),
        ("nobody", TAG_ROLE, False),
        ("bob", ("--bundle-role", "dep", "fin", "DAG_VIEWER"), True),
        ("bob", ("--folder-role", "dep", "fin", "loads/", "DAG_VIEWER"), True),
        ("bob", ("--bundle-role", "dep", "fin", "DAG_AUTHOR"), False),
        ("bob", ("--bundle-role", "dep", "ops", "DAG_VIEWER"), False),
        ("bob", ("--folder-role", "dep", "ops", "a/b/", "DAG_VIEWER"), True),
        ("bob", ("--folder-role", "dep", "ops", "a/", "DAG_VIEWER"), True),
        ("bob", ("--folder-role", "dep", "ops", "ab/", "DAG_VIEWER"), False),
    ],
)
def test_creator(creator: str, words: tuple[str, ...], allowed: bool, run: Any, path: Path) -> None:
    """Nobody makes a token that holds more than they may give, and so more than they hold."""
    who = ("--as", f"{creator}@example.com", "--deployment", "dep", "--write")
    done = run("create", "--name", "ci", "--expires-in", "30d", *words, *who)
    assert done.code == (0 if allowed else 2)
    assert bool(done.out) is allowed
    assert (path.read_text() == POLICY) is not allowed
    assert ("may not make this change" in done.err) is not allowed


@pytest.mark.parametrize(("expires_in", "allowed"), [("5d", True), ("30d", False), ("never", False)])
def test_creator_whose_grant_ends(expires_in: str, allowed: bool, run: Any, path: Path) -> None:
    """A token lasts no longer than the grant of who sees its secret; to revoke one, the grant of now is enough."""
    end = (datetime.now(UTC) + timedelta(days=10)).isoformat()
    path.write_text(POLICY.replace("role: DEPLOYMENT_ADMIN}", f'role: DEPLOYMENT_ADMIN, expires_at: "{end}"}}'))
    who = ("--as", "ada@example.com", "--deployment", "dep", "--write")
    done = run("create", "--name", "ci", "--expires-in", expires_in, *TAG_ROLE, *who)
    assert done.code == (0 if allowed else 2)
    assert ("until the token ends" in done.err) is not allowed
    if not allowed:
        assert run("create", "--name", "ci", "--expires-in", expires_in, *TAG_ROLE, "--write").code == 0
    (token,) = tokens(path)
    assert run("rotate", token.id, *who).code == (0 if allowed else 2)
    assert run("revoke", token.id, *who[:-1]).code == 0


def test_rotate(run: Any, path: Path, create: Any) -> None:
    """Rotated without overlap, a token has a new secret and nothing of the old one."""
    old = create()
    before = path.read_text()
    done = run("rotate", "ci", "--write")
    new = done.out.strip()
    (token,) = tokens(path)
    assert (token.id, token.secret_sha256) == (token_secrets.token_id_of(new), token_secrets.sha256(new))
    assert path.read_text() == before.replace(token_secrets.sha256(old), token_secrets.sha256(new))
    assert run("inspect", stdin=old).code == 2
    assert run("inspect", stdin=new).code == 0


def test_rotate_with_overlap(run: Any, path: Path, create: Any) -> None:
    """The old secret works on for the stated time; the one before it does not, and the next plain rotation ends both."""
    first = create()
    second = run("rotate", "ci", "--overlap", "2h", "--write").out.strip()
    (token,) = tokens(path)
    assert token.previous_secret_sha256 == token_secrets.sha256(first)
    assert timedelta(minutes=119) < token.previous_secret_expires_at - datetime.now(UTC) <= timedelta(hours=2)
    assert "secret: previous" in run("inspect", stdin=first).out
    third = run("rotate", token.id, "--overlap", "1h", "--write").out.strip()
    assert [run("inspect", stdin=secret).code for secret in (first, second, third)] == [2, 0, 0]
    fourth = run("rotate", "ci", "--write", "--expires-in", "60d").out.strip()
    assert [run("inspect", stdin=secret).code for secret in (second, third, fourth)] == [2, 2, 0]
    assert "previous" not in path.read_text()
    assert tokens(path)[0].expires_at > datetime.now(UTC) + timedelta(days=59)


def test_rotate_prints(run: Any, path: Path, create: Any) -> None:
    """Without `--write` the keys are printed and the file stays."""
    old = create()
    before = path.read_text()
    done = run("rotate", "ci", "--overlap", "2h")
    assert path.read_text() == before
    assert done.out.strip() not in done.err
    for said in (token_secrets.sha256(old), token_secrets.sha256(done.out.strip()), "previous_secret_expires_at: 2"):
        assert said in done.err


def test_overlap_beyond_the_token(run: Any, path: Path, create: Any) -> None:
    """An overlap that ends after the token is refused."""
    create(expires_in="1d")
    before = path.read_text()
    done = run("rotate", "ci", "--overlap", "2d", "--write")
    assert (done.code, done.out) == (1, "")
    assert "would outlive the token" in done.err
    assert path.read_text() == before


_RUNS_WHEN_ASKED = """
import sys
from astro_auth_plugin.cli import commands, tokens
from astro_auth_plugin.cli.exit_codes import CommandFailed
from astro_auth_plugin.cli.main import main
from astro_auth_plugin.cli.changes.policy_file import policy_file_to_change
print("ready", flush=True)
sys.stdin.readline()
main(sys.argv[1:])
"""


def test_commands_at_the_same_time(run: Any, path: Path) -> None:
    """Commands that run at the same time lose nothing of each other's: what one says is done, is in the file."""
    for number in range(6):
        run("create", "--name", f"old-{number}", "--expires-in", "30d", *TAG_ROLE, "--write")
    changes = [
        *(("revoke", f"old-{number}") for number in range(3)),
        *(("rotate", f"old-{number}", "--write") for number in range(3, 6)),
        *(("create", "--name", f"new-{n}", "--expires-in", "30d", *TAG_ROLE, "--write") for n in range(3)),
    ]
    before = {token.name: token.secret_sha256 for token in tokens(path)}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _RUNS_WHEN_ASKED, "token", *words, "--policy", str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for words in changes
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in started:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
    after = {token.name: token.secret_sha256 for token in tokens(path)}
    assert set(after) == {"old-3", "old-4", "old-5", "new-0", "new-1", "new-2"}
    assert all(after[name] != before[name] for name in ("old-3", "old-4", "old-5"))


def test_locked_by_another_command(path: Path) -> None:
    """A command that waits too long for another one says so and writes nothing; what is not locked is not waited for."""
    for mode in (0o644, 0o444):
        path.chmod(mode)
        busy = pytest.raises(CommandFailed, match="being changed by other commands")
        with policy_file_to_change(path), busy, policy_file_to_change(path, wait=0):
            pass
    with policy_file_to_change(path, wait=0) as file:
        assert file.data == path.read_bytes()
    path.unlink()
    with pytest.raises(CommandFailed, match="cannot read the policy file: No such file"), policy_file_to_change(path):
        pass


def test_readers_cannot_lock(path: Path) -> None:
    """Who may read the policy cannot keep commands from changing it: the lock is a file that only its owner can open."""
    lock = path.parent / ".policy.yaml.lock"
    with path.open("rb") as reader:
        fcntl.flock(reader, fcntl.LOCK_EX)
        with policy_file_to_change(path, wait=0):
            assert stat.S_IMODE(lock.stat().st_mode) == 0o600
    assert not lock.exists()
    lock.symlink_to(path)
    with pytest.raises(CommandFailed, match=r"cannot be written, and is as it was: .*policy\.yaml\.lock: Too many"):
        policy_file_to_change(path, wait=0).__enter__()


def test_rotate_as(run: Any, path: Path, create: Any) -> None:
    """Who is shown a new secret must be able to give what the token holds."""
    create()
    before = path.read_text()
    done = run("rotate", "ci", "--write", "--as", "art@example.com", "--deployment", "dep")
    assert (done.code, done.out) == (2, "")
    assert path.read_text() == before


@pytest.mark.parametrize(("actor", "allowed"), [("art", False), ("mia", False), ("ada", True)])
def test_revoke_as(actor: str, allowed: bool, run: Any, path: Path, create: Any) -> None:
    """A token is revoked only by a person who may; the right to create tokens is not the right to revoke them."""
    create()
    before = path.read_text()
    done = run("revoke", "ci", "--as", f"{actor}@example.com", "--deployment", "dep")
    assert done.code == (0 if allowed else 2)
    assert (path.read_text() == before) is not allowed


def test_revoke(run: Any, path: Path, create: Any) -> None:
    """A revoked token is gone, and the file is as it was before the token, but for the empty list."""
    secret = create()
    assert run("revoke", "ci").code == 0
    assert path.read_text() == f"{POLICY}api_tokens: []\n"
    done = run("inspect", stdin=secret)
    assert done.code == 2
    assert "which is not in" in done.err


def test_which_token(run: Any, path: Path, create: Any) -> None:
    """A token is named by its id, or by its name if no other token has it; else nothing happens."""
    create()
    first = tokens(path)[0].id
    create()
    before = path.read_text()
    done = run("revoke", "ci")
    assert done.code == 1
    assert f"several API tokens are named `ci`; say which by its id: `{first}`, `" in done.err
    assert "the policy has no API token `cii`, did you mean `ci`?" in run("rotate", "cii").err
    assert path.read_text() == before
    assert run("revoke", first).code == 0
    assert first not in path.read_text()


def test_list(run: Any, path: Path, create: Any) -> None:
    """The list has names, roles and expiry, for people and machines, and never a hash."""
    create()
    done = run("list", "--output", "json")
    (reported,) = yaml.safe_load(done.out)
    assert reported["roles"] == ["DAG_AUTHOR on DAG_TAG team:finance of dep"]
    assert set(reported) == {"id", "name", "roles", "expires_at"}
    table = run("list").out
    assert all(word in table for word in (reported["id"], "ci", reported["roles"][0], reported["expires_at"]))
    assert tokens(path)[0].secret_sha256 not in done.out + table


def test_last_use(
    run: Any, path: Path, create: Any, metadata_database: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """With `--last-use` the list tells, from the database, when each secret was used last."""
    from airflow.models.log import Log
    from sqlalchemy.orm import Session

    from astro_auth_plugin.authentication import token_use

    create()
    (token,) = tokens(path)
    key = token_secrets.key_of(token.secret_sha256)
    assert token_use.is_due(_identity(token))
    token_use.record(_identity(token))
    run("rotate", "ci", "--overlap", "1h", "--write")
    list_tokens(Namespace(policy=str(path), output="yaml", last_use=True))
    (reported,) = yaml.safe_load(capsys.readouterr().out)
    assert reported["last_use"] is None
    assert datetime.fromisoformat(reported["last_use_of_previous"]) > datetime.now(UTC) - timedelta(minutes=5)
    with Session(metadata_database) as session:
        (row,) = session.query(Log).filter(Log.event == token_use.EVENT).all()
        assert row.owner == "token ci"
        assert key in row.extra
        session.delete(row)
        session.commit()


def _identity(token: ApiToken) -> Any:
    from astro_auth_plugin.rbac.engine.api_tokens import Holding
    from astro_auth_plugin.runtime.identity import AstroIdentity
    from tests.in_request import engine_of

    held = Holding(token, token_secrets.key_of(token.secret_sha256), None)
    return AstroIdentity.of_token(held, engine_of(""))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda secret: "", "has not the form"),
        (lambda secret: "hunter2", "has not the form"),
        (lambda secret: secret[:-1], "has not the form"),
        (lambda secret: secret * 100, "has not the form"),
        (lambda secret: secret[:-1] + ("x" if secret[-1] != "x" else "y"), "the checksum is wrong"),
        (lambda secret: token_secrets.compose("tok_other", "x" * 43), "`tok_other`, which is not in"),
    ],
)
def test_inspect_refuses(change: Any, said: str, run: Any, create: Any) -> None:
    """What is no good secret is told with the reason and exit code 2, and never shown."""
    secret = change(create())
    done = run("inspect", stdin=f"{secret}\n")
    assert done.code == 2
    assert said in done.err
    assert not secret or secret not in done.out + done.err


def test_inspect(run: Any, path: Path, create: Any, tmp_path: Path) -> None:
    """A secret is read from standard input or a file, and what is told of it does not show it."""
    secret = create()
    (tmp_path / "secret").write_text(f"  {secret}\n")
    for done in (run("inspect", stdin=secret), run("inspect", str(tmp_path / "secret"))):
        assert done.code == 0
        assert secret not in done.out
        assert "works: yes" in done.out
    path.write_text(path.read_text().replace(token_secrets.sha256(secret), "0" * 64))
    done = run("inspect", stdin=secret)
    assert done.code == 2
    assert "secret: unknown" in done.out
    assert "cannot read the secret: No such file or directory" in run("inspect", str(tmp_path / "none")).err


def test_inspect_expired(run: Any, path: Path, create: Any) -> None:
    """The right secret of an expired token does not work."""
    secret = create()
    path.write_text(re.sub("expires_at: .*", "expires_at: 2020-01-01T00:00:00Z", path.read_text()))
    done = run("inspect", stdin=secret)
    assert done.code == 2
    assert "ends at: 2020-01-01T00:00:00Z" in done.out


def test_bad_policy(run: Any, path: Path) -> None:
    """A policy with errors is exit code 3, with the errors; nothing is made."""
    path.write_text("version: 2\n")
    for words in (
        ("create", "--name", "x", "--expires-in", "1d", *TAG_ROLE),
        ("list",),
        ("rotate", "x"),
        ("revoke", "x"),
    ):
        done = run(*words)
        assert (done.code, done.out) == (3, "")
        assert "policy.yaml:1:10: version: expected the number 1" in done.err


def test_through_airflow(path: Path) -> None:
    """`airflow astro-auth token` has the same commands."""
    words = ["token", "create", "--name", "ci", "--expires-in", "30d", *TAG_ROLE, "--write", "--policy", str(path)]
    done = subprocess.run(
        [sys.executable, "-m", "airflow", "astro-auth", *words],
        capture_output=True,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
        timeout=120,
        check=True,
    )
    # Airflow may log to standard output.
    (secret,) = re.findall(token_secrets.PATTERN, done.stdout)
    assert tokens(path)[0].secret_sha256 == token_secrets.sha256(secret)
