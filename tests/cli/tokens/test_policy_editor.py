"""Changes of API tokens in the text of a policy file: exactly what was asked for, and every other byte as it was."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import pytest

from astro_auth_plugin.cli.exit_codes import CommandFailed
from astro_auth_plugin.cli.tokens import policy_editor
from astro_auth_plugin.cli.tokens.policy_file import read_policy_file, with_tokens, write_policy_file
from astro_auth_plugin.rbac.policy import loader
from tests.cli.tokens.policy_styles import HASH, NO_TOKENS, STYLES, TOP, USERS

NEW = {
    "id": "new",
    "name": 'The "new" one: yes # no',
    "secret_sha256": "fedcba9876543210" * 4,
    "expires_at": "2098-01-01T00:00:00Z",
    "roles": [
        {"role": "DAG_VIEWER", "entity_type": "DAG", "entity_id": "- é: {x}", "deployment_id": "dep"},
        {"role": "ORGANIZATION_OWNER", "entity_type": "ORGANIZATION", "entity_id": "org"},
    ],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a policy file may be written."""
    return tmp_path / "policy.yaml"


def lines_gone_and_new(before: str, after: str) -> tuple[list[str], list[str]]:
    """Return the lines that only one of two texts has, in a comparison that keeps their order."""
    found = list(difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True)))
    return [line[2:] for line in found if line[0] == "-"], [line[2:] for line in found if line[0] == "+"]


def written(path: Path, text: str, change: Any, tokens: Any) -> str:
    """Put a text into the file, change it as the commands do, and return what it says then."""
    path.write_bytes(text.encode())
    file = read_policy_file(path)
    expected = with_tokens(file, tokens(list(file.tokens)))
    write_policy_file(file, change, expected)
    assert loader.load(path.read_bytes()).policy is not None
    return path.read_bytes().decode()


@pytest.mark.parametrize("style", [*STYLES, *(f"none: {name}" for name in NO_TOKENS)])
def test_add(style: str, path: Path) -> None:
    """A new token is put behind the others, and no line goes but the one that it is put into."""
    text = NO_TOKENS[style.removeprefix("none: ")] if style.startswith("none: ") else STYLES[style]
    after = written(path, text, lambda old: policy_editor.add_token(old, NEW), lambda tokens: [*tokens, NEW])
    kept = iter(after)
    assert all(character in kept for character in text.rstrip()), "every character is there, in the same order"
    gone, new = lines_gone_and_new(text, after)
    assert len(gone) <= 1
    assert len(new) <= 8 + len(gone)


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("style", STYLES)
def test_remove(style: str, index: int, path: Path) -> None:
    """A token goes with what stands inside of it; the other one and every comment around them stay."""
    text = STYLES[style]
    after = written(
        path,
        text,
        lambda old: policy_editor.remove_token(old, index),
        lambda tokens: tokens[:index] + tokens[index + 1 :],
    )
    left = iter(text)
    assert all(character in left for character in after), "nothing is new"
    assert ("One" in after, "Two" in after) == (index == 1, index == 0)
    for comment in ("# Who may do what", "# one is enough", "# machines", "# for the dashboards", "# boss"):
        assert (comment in after) is (comment in text)


@pytest.mark.parametrize("style", STYLES)
def test_remove_all(style: str, path: Path) -> None:
    """The last token leaves an empty list behind, and a new one finds its place in it."""
    text = STYLES[style]
    one = written(path, text, lambda old: policy_editor.remove_token(old, 1), lambda tokens: tokens[:1])
    none = written(path, one, lambda old: policy_editor.remove_token(old, 0), lambda tokens: [])
    assert not loader.load(none.encode()).policy.document.api_tokens
    again = written(path, none, lambda old: policy_editor.add_token(old, NEW), lambda tokens: [NEW])
    assert again.count("# boss") == text.count("# boss")


PREVIOUS = {"previous_secret_sha256": HASH, "previous_secret_expires_at": "2050-01-01T00:00:00Z"}


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("style", STYLES)
def test_change(style: str, index: int, path: Path) -> None:
    """A value is replaced where it stands, new keys come behind the secret, and taking them away restores the file."""
    text = STYLES[style]

    def change(key: str, value: str | None) -> str:
        def tokens(old: list[dict[str, Any]]) -> list[dict[str, Any]]:
            old[index] = {name: kept for name, kept in {**old[index], key: value}.items() if kept is not None}
            return old

        return written(
            path,
            path.read_bytes().decode() if path.exists() else text,
            lambda old: policy_editor.change_token(old, index, key, value),
            tokens,
        )

    change("secret_sha256", NEW["secret_sha256"])
    gone, new = lines_gone_and_new(text, path.read_bytes().decode())
    assert len(gone) == len(new) == 1
    once = path.read_bytes()

    def both(old: str) -> str:
        for key, value in reversed(PREVIOUS.items()):
            old = policy_editor.change_token(old, index, key, value)
        return old

    def with_both(old: list[dict[str, Any]]) -> list[dict[str, Any]]:
        old[index] = {**old[index], **PREVIOUS}
        return old

    more = written(path, once.decode(), both, with_both)
    assert more.index("secret_sha256") < more.index("previous_secret_sha256") < more.index("previous_secret_expires_at")
    file = read_policy_file(path)
    less = more.removeprefix("\ufeff")
    for key in PREVIOUS:
        less = policy_editor.change_token(less, index, key, None)
    assert less == once.decode().removeprefix("\ufeff")
    assert policy_editor.change_token(less, index, "previous_secret_sha256", None) == less
    assert file.tokens[index]["previous_secret_sha256"] == HASH


@pytest.mark.parametrize("key", ["id", "name", "secret_sha256"])
@pytest.mark.parametrize("style", ["block", "flow", "JSON"])
def test_take_away_any_key(style: str, key: str) -> None:
    """The first, a middle and the last key of a token can be taken away without harm to the others."""
    import yaml

    after = yaml.load(policy_editor.change_token(STYLES[style], 0, key, None), yaml.BaseLoader)
    before = yaml.load(STYLES[style], yaml.BaseLoader)
    before["api_tokens"][0].pop(key)
    assert after == before


def test_alias_is_left_alone(path: Path) -> None:
    """Where the list of tokens is an alias of another list, the file stays as it is."""
    text = TOP.replace("organization_id: org\n", "organization_id: org\nusers: &none []\napi_tokens: *none\n")
    with pytest.raises(CommandFailed, match="change it manually"):
        written(path, text, lambda old: policy_editor.add_token(old, NEW), lambda tokens: [*tokens, NEW])
    assert path.read_text() == text


def test_token_that_is_an_alias(path: Path) -> None:
    """A token that is an alias of another value is not changed, since the other one would change with it."""
    entry = f"{{id: x, name: x, secret_sha256: '{HASH}', expires_at: never}}"
    text = f"{TOP}api_tokens:\n  - &x {entry}\n"
    assert policy_editor.change_token(text, 0, "name", "z") == text.replace("name: x", "name: z")
    with pytest.raises(CommandFailed, match="by hand"):
        policy_editor.change_token(f"{text}  - *x\n", 1, "name", "z")


def test_a_change_that_does_more_is_not_written(path: Path) -> None:
    """A change after which the file says anything else than expected is refused, and the file stays."""
    text = TOP + USERS

    def greedy(old: str) -> str:
        return policy_editor.add_token(old, NEW).replace("ORGANIZATION_OWNER\n", "ORGANIZATION_MEMBER\n")

    with pytest.raises(CommandFailed, match="by hand"):
        written(path, text, greedy, lambda tokens: [*tokens, NEW])
    with pytest.raises(CommandFailed, match="by hand"):
        written(path, text, lambda old: old + "]", lambda tokens: [*tokens, NEW])
    assert path.read_text() == text


def test_mode_is_kept(path: Path) -> None:
    """The new file has the mode of the old one, and no other file is left in the folder."""
    path.write_text(TOP)
    path.chmod(0o640)
    written(path, TOP, lambda old: policy_editor.add_token(old, NEW), lambda tokens: [NEW])
    assert path.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in path.parent.iterdir()] == ["policy.yaml"]


def test_symbolic_link(path: Path, tmp_path: Path) -> None:
    """A symbolic link, as files of a mounted ConfigMap are, is not replaced by a file."""
    real = tmp_path / "real.yaml"
    real.write_text(TOP)
    path.symlink_to(real)
    file = read_policy_file(path)
    with pytest.raises(CommandFailed, match="is a symbolic link"):
        write_policy_file(file, lambda old: policy_editor.add_token(old, NEW), with_tokens(file, [NEW]))
    assert path.is_symlink()
    assert real.read_text() == TOP


def test_changed_meanwhile(path: Path) -> None:
    """A file that somebody else changes meanwhile is not overwritten."""
    path.write_text(TOP)
    file = read_policy_file(path)

    def slow(old: str) -> str:
        path.write_text(TOP + USERS)
        return policy_editor.add_token(old, NEW)

    with pytest.raises(CommandFailed, match="changed in the meantime"):
        write_policy_file(file, slow, with_tokens(file, [NEW]))
    assert path.read_text() == TOP + USERS
    assert [each.name for each in path.parent.iterdir()] == ["policy.yaml"]


def test_folder_that_cannot_be_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be written, the message says so and what to do, and the file stays."""
    path.write_text(TOP)
    file = read_policy_file(path)

    def denied(*_: Any, **__: Any) -> None:
        raise PermissionError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.mkstemp", denied)
    with pytest.raises(CommandFailed, match="Read-only file system; if it comes from elsewhere"):
        write_policy_file(file, lambda old: policy_editor.add_token(old, NEW), with_tokens(file, [NEW]))
    assert path.read_text() == TOP


def test_no_file(path: Path) -> None:
    """A file that is not there is said not to be there."""
    with pytest.raises(CommandFailed, match="cannot read the policy file: No such file"):
        read_policy_file(path)
