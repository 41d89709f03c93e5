"""Changes in the text of a policy file: exactly what was asked for, and every other byte as it was."""

from __future__ import annotations

import difflib
from collections import Counter
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astro_auth_plugin.cli.changes import policy_text
from astro_auth_plugin.cli.changes.policy_file import PolicyFile, read_policy_file, write_policy_file
from astro_auth_plugin.cli.changes.policy_text import UneditableText, rewritten
from astro_auth_plugin.cli.exit_codes import CommandFailed
from astro_auth_plugin.rbac.changes import edits
from astro_auth_plugin.rbac.changes.edits import Edit, EditError
from astro_auth_plugin.rbac.model.scopes import ORGANIZATION, GrantScope
from astro_auth_plugin.rbac.policy import loader, yaml_reader
from astro_auth_plugin.rbac.policy.entries import plain
from astro_auth_plugin.rbac.policy.grants import Principal
from tests.cli.changes.policy_styles import HASH, NO_TOKENS, STYLES, TOP, USERS

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


def write(file: PolicyFile, values: dict[str, Any]) -> None:
    """Change a file as the commands do."""
    policy = loader.from_values(values).policy
    assert policy is not None
    write_policy_file(file, values, policy)


def written(path: Path, text: str, tokens: Any) -> str:
    """Put a text into the file, change its tokens as the commands do, and return what it says then."""
    path.write_bytes(text.encode())
    file = read_policy_file(path)
    write(file, {**file.values, "api_tokens": tokens(list(file.values.get("api_tokens", [])))})
    assert loader.load(path.read_bytes()).policy is not None
    return path.read_bytes().decode()


@pytest.mark.parametrize("style", [*STYLES, *(f"none: {name}" for name in NO_TOKENS)])
def test_add(style: str, path: Path) -> None:
    """A new token is put behind the others, and no line goes but the one that it is put into."""
    text = NO_TOKENS[style.removeprefix("none: ")] if style.startswith("none: ") else STYLES[style]
    after = written(path, text, lambda tokens: [*tokens, NEW])
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
    after = written(path, text, lambda tokens: tokens[:index] + tokens[index + 1 :])
    left = iter(text)
    assert all(character in left for character in after), "nothing is new"
    assert ("One" in after, "Two" in after) == (index == 1, index == 0)
    for comment in ("# Who may do what", "# one is enough", "# machines", "# for the dashboards", "# boss"):
        assert (comment in after) is (comment in text)


@pytest.mark.parametrize("style", STYLES)
def test_remove_all(style: str, path: Path) -> None:
    """The last token leaves an empty list behind, and a new one finds its place in it."""
    text = STYLES[style]
    one = written(path, text, lambda tokens: tokens[:1])
    none = written(path, one, lambda tokens: [])
    assert not loader.load(none.encode()).policy.document.api_tokens
    again = written(path, none, lambda tokens: [NEW])
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

        return written(path, path.read_bytes().decode() if path.exists() else text, tokens)

    change("secret_sha256", NEW["secret_sha256"])
    gone, new = lines_gone_and_new(text, path.read_bytes().decode())
    assert len(gone) == len(new) == 1
    once = path.read_bytes()

    def with_both(old: list[dict[str, Any]]) -> list[dict[str, Any]]:
        old[index] = {**old[index], **PREVIOUS}
        return old

    more = written(path, once.decode(), with_both)
    assert more.index("secret_sha256") < more.index("previous_secret_sha256") < more.index("previous_secret_expires_at")
    values = read_policy_file(path).values
    for key in PREVIOUS:
        del values["api_tokens"][index][key]
    assert rewritten(more.removeprefix("\ufeff"), values) == once.decode().removeprefix("\ufeff")


@pytest.mark.parametrize("key", ["name", "secret_sha256", "expires_at"])
@pytest.mark.parametrize("style", ["block", "flow", "JSON"])
def test_take_away_any_key(style: str, key: str) -> None:
    """A middle and the last key of a token can be taken away without harm to the others."""
    values = yaml_reader.read(STYLES[style].encode()).values
    del values["api_tokens"][0][key]
    assert plain(yaml_reader.read(rewritten(STYLES[style], values).encode()).values) == plain(values)


def test_text_that_yaml_would_fold(path: Path) -> None:
    """What YAML takes for the end of a line, or does not allow, is written as an escape, and emoji as they are."""
    odd = "a\x85b\u2028c\u2029d\ufeffe\x7ff 🙂"
    after = written(path, TOP + USERS, lambda tokens: [{**NEW, "name": odd}])
    assert '"a\\u0085b\\u2028c\\u2029d\\ufeffe\\u007ff 🙂"' in after
    assert loader.load(after.encode()).policy.document.api_tokens[0].name == odd


def test_comments_between_entries_in_flow() -> None:
    """Without its first entry, a list in flow or a mapping keeps the comments before the second one."""
    for text, wanted, after in (
        ("a: [x,   # x\n  # of y\n  y]\n", {"a": ["y"]}, "a: [ # of y\n  y]\n"),
        ("a: [\n  x, y]\n", {"a": ["y"]}, "a: [\n  y]\n"),
        ("a: [\n  x  # a, b\n  # of y\n  , y]\n", {"a": ["y"]}, "a: [\n  # of y\n   y]\n"),
        ("a:\n  - x: 1   # x\n    # of it\n    id: b\n", {"a": [{"id": "b"}]}, "a:\n  - # of it\n    id: b\n"),
    ):
        assert rewritten(text, wanted) == after


def test_every_entry_is_another_one() -> None:
    """A list of which no entry stays is a list in every step on the way."""
    for text in ("a:\n  - x\n  # of y\n  - y\n", "a: [x, y]\n"):
        assert _values(rewritten(text, {"a": ["b", "c"]})) == {"a": ["b", "c"]}


def test_value_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that does not show after it was written is given up, and not tried for ever."""
    monkeypatch.setattr(policy_text, "_plain", lambda _: "x")
    with pytest.raises(UneditableText, match="does not say what was written"):
        rewritten("a: x\n", {"a": "y"})


def test_alias_is_left_alone(path: Path) -> None:
    """Where the list of tokens is an alias of another list, the file stays as it is."""
    text = TOP.replace("organization_id: org\n", "organization_id: org\nusers: &none []\napi_tokens: *none\n")
    with pytest.raises(CommandFailed, match="`api_tokens` is an alias"):
        written(path, text, lambda tokens: [*tokens, NEW])
    assert path.read_text() == text


def test_token_that_is_an_alias(path: Path) -> None:
    """A token that is an alias of another value is not changed, since the other one would change with it."""
    entry = f"{{id: x, name: x, secret_sha256: '{HASH}', expires_at: never}}"
    text = f"{TOP}api_tokens:\n  - &x {entry}\n"
    values = yaml_reader.read(text.encode()).values
    values["api_tokens"][0] = {**values["api_tokens"][0], "name": "z"}
    assert rewritten(text, values) == text.replace("name: x", "name: z")
    twice = f"{text}users: [{{email: a@b.c}}]\nteams:\n  - &t {{name: t}}\n  - {{name: u, members: []}}\n"
    assert rewritten(twice, yaml_reader.read(twice.encode()).values) == twice


def test_a_change_that_says_something_else_is_not_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change after which the file says anything else than expected is refused, and the file stays."""
    text = TOP + USERS
    for spoiled in ("ORGANIZATION_MEMBER", "]"):
        monkeypatch.setattr(
            "astro_auth_plugin.cli.changes.policy_file.rewritten",
            lambda text, values, word=spoiled: rewritten(text, values).replace("ORGANIZATION_OWNER", word),
        )
        with pytest.raises(CommandFailed, match="by hand"):
            written(path, text, lambda tokens: [*tokens, NEW])
        assert path.read_text() == text


def test_mode_is_kept(path: Path) -> None:
    """The new file has the mode of the old one, and no other file is left in the folder."""
    path.write_text(TOP)
    path.chmod(0o640)
    written(path, TOP, lambda tokens: [NEW])
    assert path.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in path.parent.iterdir()] == ["policy.yaml"]


def test_symbolic_link(path: Path, tmp_path: Path) -> None:
    """A symbolic link, as files of a mounted ConfigMap are, is not replaced by a file."""
    real = tmp_path / "real.yaml"
    real.write_text(TOP)
    path.symlink_to(real)
    file = read_policy_file(path)
    with pytest.raises(CommandFailed, match="is a symbolic link"):
        write(file, {**file.values, "api_tokens": [NEW]})
    assert path.is_symlink()
    assert real.read_text() == TOP


def test_changed_meanwhile(path: Path) -> None:
    """A file that somebody else changes meanwhile is not overwritten."""
    path.write_text(TOP)
    file = read_policy_file(path)

    path.write_text(TOP + USERS)
    with pytest.raises(CommandFailed, match="changed in the meantime"):
        write(file, {**file.values, "api_tokens": [NEW]})
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
        write(file, {**file.values, "api_tokens": [NEW]})
    assert path.read_text() == TOP


def test_no_file(path: Path) -> None:
    """A file that is not there is said not to be there."""
    with pytest.raises(CommandFailed, match="cannot read the policy file: No such file"):
        read_policy_file(path)


# -- any change in any style ---------------------------------------------------------------------------------------

HOLDERS = """\
# Roles of our own
roles:
  # for those who look
  - name: looker   # only that
    scope: DAG
    permissions:
      # first of all
      - dag.get   # the Dag itself
      - dag.code.get
      # and nothing more
  - {name: runner, scope: DAG, permissions: [dag.get, dag.run.create]}   # short
# Teams
teams:
  # of the platform
  - name: platform   # on call
    members: [olga@example.com, pat@example.com, {email: zoe@example.com, note: night}]   # three
    idp_groups:
      - eng   # all engineers
    dag_roles:
      # of sales
      - {deployment_id: dep, dag_id: sales, role: DAG_VIEWER}   # to see
      # of money
      - deployment_id: dep
        tag: money   # as the Dag says
        role: DAG_AUTHOR
        # until the audit
        expires_at: 2099-01-01T00:00:00Z
  - name: night
    members:
      # the first
      - Sam@example.com   # often
      - email: pat@example.com
        # until the audit
        expires_at: 2099-01-01T00:00:00Z   # sharp
  # nobody yet
  - name: empty
# Everybody else
users:
  # the boss
  - email: olga@example.com   # boss
    organization_role: ORGANIZATION_OWNER   # for now
    # besides
    deployment_roles: [{deployment_id: dep, role: DEPLOYMENT_ADMIN}]   # admin
  - {email: pat@example.com, workspace_roles: [{workspace_id: ws, role: WORKSPACE_MEMBER}]}   # Pat
  # the last one
  - workspace_roles:   # before the e-mail
    - workspace_id: ws
      role: WORKSPACE_OWNER
    # then the e-mail
    email: Sam@example.com
# the end
"""
_IN_FLOW = """\
teams: [
  # of the platform
  {name: platform, members: [olga@example.com,   # boss
    pat@example.com]},   # two
  # nobody yet
  {name: empty},   # none
]
users: [
  # the boss
  {email: olga@example.com, organization_role: ORGANIZATION_OWNER},   # for now
  # Pat
  {email: pat@example.com, workspace_roles: [{workspace_id: ws, role: WORKSPACE_MEMBER}]},
  # the last one
  {
    email: Sam@example.com,
    # an owner
    workspace_roles: [{workspace_id: ws, role: WORKSPACE_OWNER}]
  }
  # the end
]
"""
ALL_STYLES = {
    **STYLES,
    **{f"none: {name}": text for name, text in NO_TOKENS.items()},
    "holders": TOP + HOLDERS,
    "holders and tokens": STYLES["no indent"].removesuffix(USERS) + HOLDERS,
    "holders, Windows": (TOP + HOLDERS).replace("\n", "\r\n"),
    "holders, no end of line": (TOP + HOLDERS).rstrip("\n"),
    "holders in flow": TOP + _IN_FLOW,
}

_PEOPLE = st.sampled_from(["olga@example.com", "pat@example.com", "Sam@example.com", "o'no#1@example.com"])
_TEAM_NAMES = st.sampled_from(["platform", "night", "empty", "- new: {x} # é", "no"])
_PRINCIPALS = _PEOPLE.map(lambda name: Principal("user", name)) | _TEAM_NAMES.map(lambda name: Principal("Team", name))
_PLACES = st.sampled_from(
    [
        (GrantScope("Workspace", "ws"), "WORKSPACE_MEMBER"),
        (GrantScope("Workspace", "ws"), "WORKSPACE_OWNER"),
        (GrantScope("Deployment", "dep"), "DEPLOYMENT_ADMIN"),
        (GrantScope("Dag", "sales", "dep"), "DAG_VIEWER"),
        (GrantScope("tag", "money", "dep"), "DAG_AUTHOR"),
        (GrantScope("bundle", "fin", "dep"), "DAG_VIEWER"),
        (GrantScope("bundle", "fin", "dep", "a/"), "DAG_VIEWER"),
        (GrantScope("tag", "a: b # \u2028\u0085", "dep"), "looker"),
    ]
)
_ENDS = st.sampled_from(["", "2098-01-01T00:00:00Z"])
_TEXTS = st.sampled_from(["", "yes", 'because: # of\nthat \u2028 \x85 \\ "é"'])
_WORDS = st.lists(st.sampled_from(["dag.get", "dag.code.get", "dag.run.create"]), min_size=1, max_size=3, unique=True)
_GROUP_NAMES = st.lists(st.sampled_from(["eng", "cn=eng,ou=x", "*"]), max_size=2, unique=True)


def _token(token_id: str, note: str) -> dict[str, Any]:
    return {**NEW, "id": token_id, "name": note or "x"}


def _role_changed(name: str, words: list[str], note: str) -> Edit:
    def change(role: dict[str, Any]) -> dict[str, Any]:
        kept = [word for word in role["permissions"] if word in words]
        added = [word for word in words if word not in kept]
        return {**role, "permissions": [*kept, *added], "description": note}

    return edits.change_role(name, change)


_EDITS: st.SearchStrategy[Edit] = st.one_of(
    st.builds(
        lambda who, place, end, note: edits.grant(who, place[1], place[0], end, note),
        *(_PRINCIPALS, _PLACES, _ENDS, _TEXTS),
    ),
    st.builds(lambda who, place: edits.revoke(who, place[1], place[0]), _PRINCIPALS, _PLACES),
    st.builds(
        edits.grant, _PRINCIPALS, st.sampled_from(["ORGANIZATION_OWNER", "ORGANIZATION_MEMBER"]), st.just(ORGANIZATION)
    ),
    st.builds(edits.revoke, _PRINCIPALS, st.just("ORGANIZATION_OWNER"), st.just(ORGANIZATION)),
    st.builds(edits.remove_user, _PEOPLE),
    st.builds(edits.add_team, _TEAM_NAMES, _TEXTS, st.lists(_PEOPLE, max_size=2, unique=True), _GROUP_NAMES),
    st.builds(edits.remove_team, _TEAM_NAMES),
    st.builds(
        lambda team, who, end, note: edits.change_members(
            team, add=[who], more={key: text for key, text in (("expires_at", end), ("note", note)) if text}
        ),
        *(_TEAM_NAMES, _PEOPLE, _ENDS, _TEXTS),
    ),
    st.builds(lambda team, who: edits.change_members(team, remove=[who]), _TEAM_NAMES, _PEOPLE),
    st.builds(lambda team, names: edits.change_members(team, "idp_groups", add=names), _TEAM_NAMES, _GROUP_NAMES),
    st.builds(lambda team, names: edits.change_members(team, "idp_groups", remove=names), _TEAM_NAMES, _GROUP_NAMES),
    st.builds(
        lambda words, note: edits.add_role({"name": "made", "scope": "DAG", "permissions": words, "description": note}),
        _WORDS,
        _TEXTS,
    ),
    st.builds(_role_changed, st.sampled_from(["looker", "runner", "made"]), _WORDS, _TEXTS),
    st.builds(edits.rename_team, _TEAM_NAMES, _TEAM_NAMES | st.just("other: # name")),
    st.builds(edits.rename_role, st.sampled_from(["looker", "runner"]), st.sampled_from(["made", "no", "a: b # c"])),
    st.builds(edits.remove_role, st.sampled_from(["looker", "runner", "made"])),
    st.builds(lambda name, note: edits.add_token(_token(name, note)), st.sampled_from(["three", "four"]), _TEXTS),
    st.builds(edits.remove_token, st.sampled_from(["one", "two", "three"])),
    st.builds(
        lambda name, key, text: edits.change_token(name, {key: text or None}),
        *(
            st.sampled_from(["one", "two", "three"]),
            st.sampled_from(["name", "description"]),
            st.sampled_from(["", "y", "a\nb"]),
        ),
    ),
)


def _after(values: dict[str, Any], several: list[Edit]) -> dict[str, Any]:
    """Return what edits make of values, one after the other; those that do not fit are left out."""

    def edited(old: dict[str, Any], edit: Edit) -> dict[str, Any]:
        try:
            return edit(old)
        except EditError:
            return old

    return reduce(edited, several, values)


def _values(text: str) -> dict[str, Any]:
    return plain(yaml_reader.read(text.encode()).values)


def _comments(text: str) -> Counter[str]:
    """Return the comments that have a line of their own; no text of the styles begins a line like one."""
    return Counter(line.strip() for line in text.splitlines() if line.strip().startswith("#"))


def _may_go(text: str, wanted: dict[str, Any]) -> Counter[str]:
    """Return the comments inside of what is in a text, and not among the values that are wanted."""
    gone: Counter[str] = Counter()

    def look(node: policy_text._Node, old: Any, new: Any) -> None:
        if isinstance(old, dict) and isinstance(new, dict):
            pairs = [(key, old[key], new.get(key)) for key in node.keys]
        elif isinstance(old, list) and isinstance(new, list):
            known = {policy_text._name(each): each for each in new}
            pairs = [(key, each, known.get(key)) for key, each in ((policy_text._name(each), each) for each in old)]
        else:
            return
        for start, item, (_, before, after) in zip(node.starts(), node.items, pairs, strict=True):
            if after is None or after == []:
                gone.update(_comments(text[start : item.end]))
            else:
                look(item, before, after)

    look(policy_text._read(text), _values(text), wanted)
    return gone


def _lost(text: str, wanted: dict[str, Any], new: str) -> list[str]:
    """Return the comments that should be in the new text, and are not."""
    return [each for each, times in (_comments(text) - _may_go(text, wanted)).items() if new.count(each) < times]


@settings(max_examples=15)
@pytest.mark.parametrize("style", ALL_STYLES)
@given(several=st.lists(_EDITS, min_size=1, max_size=4))
def test_any_change(style: str, several: list[Edit]) -> None:
    """Any change that is not refused is there afterwards, exactly, and every line of comment outside of what was removed is kept."""
    text = ALL_STYLES[style].removeprefix("\ufeff")
    wanted = _after(_values(text), several)
    try:
        new = rewritten(text, wanted)
    except UneditableText as error:
        # An entry that was taken out and put back is the last one then.
        if "is in another order" not in str(error):
            raise
        return
    assert _values(new) == wanted
    assert not _lost(text, wanted, new)


@settings(max_examples=10)
@pytest.mark.parametrize("style", ALL_STYLES)
@given(several=st.lists(_EDITS, min_size=2, max_size=6))
def test_one_change_after_the_other(style: str, several: list[Edit]) -> None:
    """What a change has written, the next one can change, until nothing of the first text may be left."""
    text = ALL_STYLES[style].removeprefix("\ufeff")
    for edit in several:
        values = _values(text)
        wanted = _after(values, [edit])
        new = rewritten(text, wanted)
        assert _values(new) == wanted
        assert not _lost(text, wanted, new)
        text = new
