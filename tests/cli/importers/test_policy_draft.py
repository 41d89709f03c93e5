"""The text of a policy that a command writes: stable, readable, and what was meant, whatever the words."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from astro_auth_plugin.cli.exit_codes import CommandFailed
from astro_auth_plugin.cli.importers import policy_draft
from astro_auth_plugin.cli.importers.policy_draft import Draft, Entry
from astro_auth_plugin.cli.importers.pruning import prune
from astro_auth_plugin.rbac.policy import loader, yaml_reader
from astro_auth_plugin.rbac.policy.diagnostics import MAX_PROBLEMS

HOSTILE = [
    "yes",
    "1.0",
    "2026-01-01",
    "null",
    "~",
    "- a",
    "a: b",
    "a #b",
    "#",
    "{x}",
    "[x]",
    "*x",
    "&x",
    "!!python/object:os.system",
    "'",
    '"',
    "\\",
    "a\nusers: []",
    "x\r\n# y",
    "\t",
    " x ",
    "\x00",
    "\x1b[31m",
    "\x85users:",
    "\u2028users:",
    "\ufeff",
    "\u202eevil",
    "é😀",
    "<<",
    "---",
    "...",
    "%TAG",
    "x" * 500,
    "a b " * 100,
]
WORDS = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=["Cs"]), min_size=1))


def draft_with(word: str) -> Draft:
    """A draft in which a word from outside stands wherever one can."""
    return Draft(
        f"Made from {word}.",
        word,
        {
            "workspaces": [Entry({"id": word, "name": word})],
            "deployments": [Entry({"id": word, "workspace_id": word})],
            "roles": [
                Entry({"name": f"r{word}", "description": word, "scope": "DAG", "permissions": []}, (f"A {word}",))
            ],
            "teams": [
                Entry(
                    {
                        "name": word,
                        "dag_roles": [
                            {"deployment_id": word, "tag": word, "role": "DAG_VIEWER"},
                            {"deployment_id": word, "dag_id": word, "role": f"r{word}"},
                        ],
                    }
                )
            ],
        },
        [f"role {word}: gone"],
    )


@given(WORDS)
@example("users:\n- {email: evil@example.com, organization_role: ORGANIZATION_OWNER}")
def test_round_trip(word: str) -> None:
    """What is read from the text is what was meant, and the text is a good policy, whatever the words from outside."""
    draft = draft_with(word)
    text = policy_draft.render(draft)
    assert yaml_reader.read(text.encode()).values == draft.values()
    assert loader.load(text.encode()).errors == ()
    assert yaml.safe_load(text) == draft.values()


def test_readable() -> None:
    """Grants are on one line each, lists are below their key, and remarks stand before what they are about."""
    draft = Draft(
        "Made here.",
        "org",
        {
            "workspaces": [Entry({"id": "ws"})],
            "deployments": [Entry({"id": "dep", "workspace_id": "ws"})],
            "roles": [],
            "teams": [
                Entry(
                    {
                        "name": "t",
                        "members": ["a@b"],
                        "workspace_roles": [{"workspace_id": "ws", "role": "WORKSPACE_MEMBER"}],
                    },
                    ("A remark.",),
                )
            ],
        },
        ["something: " + "a reason " * 20],
    )
    reason = "a reason " * 10
    assert policy_draft.render(draft) == (
        f"# Made here.\n#\n# Left out:\n# - something: {reason}a\n#   reason {'a reason ' * 9}".rstrip()
        + "\n\nversion: 1\norganization_id: org\n\nworkspaces:\n  - id: ws\n\n"
        "deployments:\n  - id: dep\n    workspace_id: ws\n\n"
        "teams:\n  # A remark.\n  - name: t\n    members:\n      - a@b\n    workspace_roles:\n"
        "      - {workspace_id: ws, role: WORKSPACE_MEMBER}\n"
    )


def test_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file is written once and never over another; what is left out is told on the error stream."""
    path = tmp_path / "policy.yaml"
    draft = draft_with("x\x1b[31m")
    policy_draft.write(draft, str(path))
    assert path.read_text() == policy_draft.render(draft)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "left out: role x\\x1b[31m: gone\n1 custom role, 1 Team, 0 users; 1 left out.\n"
    path.write_text("mine")
    with pytest.raises(CommandFailed, match="is there already; name a new file with --out"):
        policy_draft.write(draft, str(path))
    assert path.read_text() == "mine"


def test_link_is_not_followed(tmp_path: Path) -> None:
    """A link that leads nowhere yet is something that is there, so nobody can say where the policy lands."""
    (tmp_path / "policy.yaml").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CommandFailed, match="is there already"):
        policy_draft.write(draft_with("x"), str(tmp_path / "policy.yaml"))
    assert not (tmp_path / "elsewhere").exists()


def test_no_folder(tmp_path: Path) -> None:
    """A file that cannot be written is told in words."""
    with pytest.raises(CommandFailed, match="cannot write the policy: No such file or directory"):
        policy_draft.write(draft_with("x"), str(tmp_path / "no" / "policy.yaml"))


def test_bad_policy_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is no good policy is neither printed nor written."""
    draft = Draft("Made.", "org", {"deployments": [Entry({"id": "dep", "workspace_id": "gone"})]})
    for out in (None, str(tmp_path / "policy.yaml")):
        with pytest.raises(
            CommandFailed, match=r"would be an invalid policy, so it is not written:\n.*`gone` is not listed"
        ):
            policy_draft.write(draft, out)
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []


def test_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """An id comes from its option, else from the environment, and is never made up."""
    args = Namespace(deployment=None)
    with pytest.raises(CommandFailed, match=r"no Deployment: name it with --deployment, or set \[astro_auth\] depl"):
        policy_draft.named_id(args, "deployment")
    monkeypatch.setenv("ASTRO_DEPLOYMENT_ID", "dep")
    assert policy_draft.named_id(args, "deployment") == "dep"
    assert policy_draft.named_id(Namespace(deployment="other"), "deployment") == "other"


def test_more_problems_than_are_listed_at_once() -> None:
    """Of more entries that cannot stay than the checks list at once, all are taken out."""
    draft = Draft("from nothing", "o")
    draft.lists["teams"] = [Entry({"name": "a"}) for _ in range(MAX_PROBLEMS + 5)]
    prune(draft)
    assert len(draft.left_out) == MAX_PROBLEMS + 4
    assert [entry.values for entry in draft.lists["teams"]] == [{"name": "a"}]
