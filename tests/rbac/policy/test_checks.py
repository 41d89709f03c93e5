"""Policy files that must be refused, each with exactly what is said about it, and odd ones that must load."""

from __future__ import annotations

import copy
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astro_auth_plugin.rbac.policy import loader, yaml_reader
from tests.rbac.helpers import checked as repeatable

CASES_FILE = Path(__file__).with_name("broken_policies.txt")

# What a case may leave out; the keys that it does have are not added.
BASE = """\
version: 1
organization_id: clorg0main
workspaces: [{id: clws0data}, {id: clws0web}]
deployments: [{id: cldep0prod, workspace_id: clws0data}, {id: cldep0web, workspace_id: clws0web}]
roles:
  - {name: runner, scope: DAG, permissions: [dag.airflow.dag.get]}
  - {name: auditor, scope: DEPLOYMENT, permissions: [deployment.airflow.dag.get, deployment.airflow.auditLog.get]}
"""
AT = datetime(2027, 6, 1, tzinfo=UTC)
SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


class Case(NamedTuple):
    """A broken file and what must be said about it."""

    what: str
    text: str
    expected: list[str]


def complete(text: str) -> str:
    """Put what a file needs behind a part of one."""
    sections = re.split(r"^(?=\w)", BASE, flags=re.MULTILINE)[1:]
    own = set(re.findall(r'^"?(\w+)"?:', text, flags=re.MULTILINE))
    return text + "".join(section for section in sections if section.split(":")[0] not in own)


def read_cases() -> list[Case]:
    cases = []
    for block in CASES_FILE.read_text(encoding="utf-8").split("\n## ")[1:]:
        what, *lines = block.splitlines()
        expected = [line.removeprefix(">> ") for line in lines if line.startswith(">> ")]
        text = "".join(f"{line}\n" for line in lines if line and not line.startswith(">> "))
        cases.append(Case(what, complete(text), expected))
    return cases


def said(data: bytes) -> list[str]:
    """Return all that is said about a file, which must not be a policy when there is an error."""
    found = loader.load(data)
    assert (found.policy is None) == bool(found.errors)
    return [str(problem) for problem in found.problems]


CASES = read_cases()


@pytest.mark.parametrize("case", CASES, ids=[case.what for case in CASES])
def test_broken_policy(case: Case) -> None:
    """Everything that is wrong with a file is said at once, with its place, and the file is no policy."""
    assert case.expected
    assert said(case.text.encode()) == case.expected


def test_what_the_cases_have_in_common_is_right() -> None:
    """The cases are broken by themselves, and not by what is put behind them."""
    assert said(BASE.encode()) == []
    assert len(CASES) >= 45


# -- files that are no text, and texts that are no document --------------------------------------------------------

ALIASES = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))
TOO_DEEP = "version: " + "[" * 21 + "]" * 21
MAPPING_EXPECTED = "expected a mapping that begins with `version: 1`, found"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"", [f"{MAPPING_EXPECTED} nothing"], id="empty"),
        pytest.param(b" \n\n", [f"{MAPPING_EXPECTED} nothing"], id="blank"),
        pytest.param(b"# nothing yet\n", [f"{MAPPING_EXPECTED} nothing"], id="only a comment"),
        pytest.param(b"---\n...\n", [f"2:1: {MAPPING_EXPECTED} nothing"], id="an empty document"),
        pytest.param(b"- version: 1\n", [f"1:1: {MAPPING_EXPECTED} a list"], id="a list"),
        pytest.param(b"hunter2\n", [f"1:1: {MAPPING_EXPECTED} text"], id="a word"),
        pytest.param(b"42\n", [f"1:1: {MAPPING_EXPECTED} the number `42`"], id="a number"),
        pytest.param(b"2026-01-31\n", [f"1:1: {MAPPING_EXPECTED} the date `2026-01-31`"], id="a date"),
        pytest.param(
            b"version: 1\n---\nversion: 1\n", ["2:1: expected one YAML document, found a second one"], id="two"
        ),
        pytest.param(b"a: \xff\n", ["1:1: the file is not UTF-8 text"], id="not UTF-8"),
        pytest.param(b"a: 1\nb: caf\xe9\n", ["2:1: the file is not UTF-8 text"], id="Latin-1"),
        pytest.param("version: 1\n".encode("utf-16"), ["1:1: the file is not UTF-8 text"], id="UTF-16"),
        pytest.param(b"a: \xed\xa0\x80\n", ["1:1: the file is not UTF-8 text"], id="half of a surrogate pair"),
        pytest.param(b"\x7fELF\x02\x01\x01\x00\xfe", ["1:1: the file is not UTF-8 text"], id="a program"),
        pytest.param(TOO_DEEP.encode(), ["1:29: nested more than 20 levels deep"], id="deep"),
        pytest.param(b"{a: " * 5000, ["1:81: nested more than 20 levels deep"], id="deep mappings without an end"),
        pytest.param(
            b"a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + ALIASES.encode(),
            ["5:50: aliases blow the file up beyond what is reasonable"],
            id="a billion laughs",
        ),
        pytest.param(b" " * (10 * 1024 * 1024 + 1), ["the file is larger than 10 MiB"], id="more than 10 MiB"),
        pytest.param(
            b'a: "\\ud800"\n', ["1:7: not valid YAML: found invalid Unicode character escape code"], id="surrogate"
        ),
    ],
)
def test_unreadable_file(data: bytes, expected: list[str]) -> None:
    """A file that is no plain YAML mapping is refused in one sentence, and nothing of it is looked at."""
    assert said(data) == expected


@pytest.mark.parametrize("data", [b"users: \x00\n", "version: 1\n".encode("utf-16-le"), b"a: \x07\n", b"a: \x1b[31m\n"])
def test_control_characters(data: bytes) -> None:
    """NUL and its like are named by their number, and are not repeated."""
    (message,) = said(data)
    assert re.search(r"not valid YAML: .*character.* #x00(00|07|1b)", message)
    assert message.isprintable()


@pytest.mark.parametrize("number", ["0x" + "f" * 5000, "1" + ":00" * 3000, "9" * 5000, "0b" + "1" * 20_000])
@pytest.mark.parametrize("key", ["version", "organization_id", "users", "surprise"])
def test_endless_numbers(key: str, number: str) -> None:
    """A number that Python will not write down is a problem like any other, in a message that one can read."""
    problems = said(complete(f"{key}: {number}\n").encode())
    assert problems
    assert all(len(problem) < 400 for problem in problems)


def test_long_numbers_are_not_repeated() -> None:
    """Neither one of a file nor one of a request, which may have more digits than Python writes."""
    (problem,) = said(complete(f"users: {'9' * 50}\n").encode())
    assert problem.endswith("users: expected a list, found a very long number")
    found = loader.from_values({"version": 1, "users": 10**5000}).errors
    assert "users: expected a list, found a very long number" in [each.text for each in found]


def test_ten_mebibytes_are_read() -> None:
    """A file of exactly 10 MiB is not too large."""
    text = BASE.encode()
    assert said(text + b"#" * (yaml_reader.MAX_BYTES - len(text))) == []


def test_secret_is_in_no_message() -> None:
    """Whatever is written in the place of a token's digest, no problem repeats it."""
    for written in ("hunter2", "'hunter2'", "1234567", "12.34567", "[hunter2]", "{hunter2: x}", "2031-07-09", "on"):
        token = f"  - {{id: ci, name: ci, expires_at: never, secret_sha256: {written}}}"
        (problem,) = said(complete(f"api_tokens:\n{token}\n").encode())
        assert not any(part in problem for part in ("hunter2", "1234567", "12.3", "2031", "true")), problem


def test_no_more_problems_than_help() -> None:
    """After 200 problems only that there are more is told."""
    users = "".join(f"  - email: nobody{number}\n" for number in range(250))
    problems = said(complete(f"users:\n{users}").encode())
    assert problems[0] == "2:12: users[0].email: `nobody0` is not an e-mail address"
    assert (len(problems), problems[-1]) == (201, "and more of the same kind")


def test_many_warnings_are_no_error() -> None:
    """However many warnings there are, the file can be used."""
    teams = "".join(f"  - name: team{number}\n" for number in range(250))
    found = loader.load(complete(f"teams:\n{teams}").encode())
    assert found.policy is not None
    assert found.errors == ()
    assert len(found.warnings) >= 200


def test_warnings_hide_no_error() -> None:
    """A file with an error says the error, however many warnings it would have."""
    teams = "".join(f"  - name: team{number}\n" for number in range(250))
    assert said(complete(f"teams:\n{teams}users: 1\n").encode()) == [
        "252:8: users: expected a list, found the number `1`"
    ]


def test_numbers_that_nobody_writes() -> None:
    """A number of many digits to the base of 60 is refused by its length: to read it takes quadratic time."""
    begun = time.process_time()
    found = said(complete(f"# {'x' * 10}\nsupport_access: 1{':1' * 100_000}\n").encode())
    assert len(found) == 1 and "cannot be read; put it in quotes" in found[0]
    assert time.process_time() - begun < 5


def test_more_than_anybody_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of more values than any policy has is refused before they are all kept."""
    monkeypatch.setattr(yaml_reader, "MAX_NODES", 1000)
    assert said(complete(f"users: [{'a,' * 1000}]\n").encode()) == ["1:1999: more than 1000 keys and values"]


@pytest.mark.parametrize("hidden", ["\\n", "\\e[31m", "\\u200b", "\\u202e", "\\0"])
def test_words_that_steer_terminals(hidden: str) -> None:
    """What cannot be printed is spelled in a message, and can forge neither lines nor colours."""
    (problem,) = said(complete(f'users: [{{email: "a{hidden}b"}}]\n').encode())
    assert problem.isprintable()
    assert "`a\\" in problem


def test_second_section_is_the_only_problem() -> None:
    """The keys in a section that stands twice are not told as standing twice, too."""
    text = "users: [{email: a@b, dag_roles: []}]\nusers: [{email: c@d, dag_roles: []}]\n"
    assert said(complete(text).encode()) == ["2:1: users: duplicate key `users`"]


def test_wide_files_are_refused_in_bearable_time() -> None:
    """A file that is wrong in twenty thousand places is refused as one that is wrong in two hundred."""
    problems = said(complete(f"users: [{'a, ' * 20_000}]\n").encode())
    assert problems[-1] == "and more of the same kind"


# -- files that must load ------------------------------------------------------------------------------------------

GRANTED = """\
x-unused: 0
users:
  - email: ana@example.com
    dag_roles: [{deployment_id: cldep0prod, tag: finance, role: DAG_VIEWER}]
""".removeprefix("x-unused: 0\n")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\ufeff" + complete(GRANTED), id="byte order mark"),
        pytest.param(complete(GRANTED).replace("\n", "\r\n"), id="Windows lines"),
        pytest.param("---\n" + complete(GRANTED) + "...\n", id="explicit document"),
        pytest.param("%YAML 1.1\n---\n" + complete(GRANTED), id="directive"),
        pytest.param(
            complete(
                "teams:\n"
                "  - {name: a, members: &people [ana@example.com], dag_roles: &roles "
                "[{deployment_id: cldep0prod, tag: finance, role: DAG_VIEWER}]}\n"
                "  - {name: b, members: *people, dag_roles: *roles}\n"
            ),
            id="aliases",
        ),
        pytest.param(
            '{"version": 1, "organization_id": "clorg0main", "workspaces": [{"id": "clws0data"}], "deployments": '
            '[{"id": "cldep0prod", "workspace_id": "clws0data"}], "users": [{"email": "ana@example.com", "dag_roles": '
            '[{"deployment_id": "cldep0prod", "tag": "finance", "role": "DAG_VIEWER"}]}]}',
            id="JSON",
        ),
    ],
)
def test_odd_files_load(text: str) -> None:
    """How YAML is written does not matter, what it says does."""
    found = loader.load(text.encode())
    assert found.problems == ()
    assert found.policy is not None
    holder = (found.policy.document.users or found.policy.document.teams)[0]
    assert holder.dag_roles[0].tag == "finance"


@pytest.mark.parametrize(
    ("written", "tag"),
    [
        ("'123'", "123"),
        ('"2026-01-31"', "2026-01-31"),
        ('"on"', "on"),
        ('"~"', "~"),
        ("=", "="),
        ("team:finance", "team:finance"),
        ("' x '", " x "),
        (">-\n         two\n         lines", "two lines"),
        ('"caf\\u00e9"', "caf\u00e9"),
        ('"cafe\\u0301"', "cafe\u0301"),
        ("012x", "012x"),
        ("1.2.3", "1.2.3"),
    ],
)
def test_text_stays_as_written(written: str, tag: str) -> None:
    """Quoted numbers, dates and truth values are text, and no letter of a tag is evened out."""
    text = f"users:\n  - email: a@b\n    dag_roles:\n    - deployment_id: cldep0prod\n      role: DAG_VIEWER\n      tag: {written}\n"
    found = loader.load(complete(text).encode())
    assert found.problems == ()
    assert found.policy is not None
    assert found.policy.document.users[0].dag_roles[0].tag == tag


@pytest.mark.parametrize(
    "written",
    [
        "2027-01-31T00:00:00Z",
        '"2027-01-31T00:00:00Z"',
        "2027-01-31T02:00:00+02:00",
        "2027-01-30 19:00:00 -05:00",
        "'2027-01-31 00:00+00:00'",
    ],
)
def test_expiry_in_any_zone(written: str) -> None:
    """A time of expiry, quoted or not and in whatever zone, is one moment."""
    token = f"  - {{id: ci, name: ci, secret_sha256: {SHA256.upper()}, expires_at: {written}}}\n"
    found = loader.load(complete(f"api_tokens:\n{token}").encode())
    assert found.problems == ()
    assert found.policy is not None
    assert found.policy.document.api_tokens[0].expires_at.isoformat() == "2027-01-31T00:00:00+00:00"
    assert found.policy.document.api_tokens[0].secret_sha256 == SHA256


def test_alias_of_a_word() -> None:
    """An alias may stand for a single word, and has the place of the alias."""
    text = "users:\n  - {email: &me ana@example.com}\nteams:\n  - {name: t, members: [*me, *me, &you bo]}\n"
    assert said(complete(text).encode()) == ["4:35: teams[0].members[2]: `bo` is not an e-mail address"]


def test_token_roles_of_every_kind() -> None:
    """A token may hold a role on each kind of place, and each on the role of its level."""
    token = f"""\
api_tokens:
  - id: ci
    name: ci
    secret_sha256: {SHA256}
    expires_at: 2027-01-31T00:00:00Z
    roles:
      - {{role: ORGANIZATION_OWNER, entity_type: ORGANIZATION, entity_id: clorg0main}}
      - {{role: WORKSPACE_OWNER, entity_type: WORKSPACE, entity_id: clws0data}}
      - {{role: auditor, entity_type: DEPLOYMENT, entity_id: cldep0web}}
      - {{role: runner, entity_type: DAG, entity_id: x, deployment_id: cldep0prod}}
      - {{role: DAG_AUTHOR, entity_type: DAG_TAG, entity_id: x, deployment_id: cldep0web}}
"""
    assert said(complete(token).encode()) == []


def test_anchor_on_a_key() -> None:
    """An anchor may stand on a key, too."""
    text = "users:\n  - &key email: ana@example.com\nteams:\n  - name: *key\n    members: [ana@example.com]\n"
    found = loader.load(complete(text).encode())
    assert found.problems == ()
    assert found.policy is not None
    assert found.policy.document.teams[0].name == "email"


def test_values_without_places() -> None:
    """Values that were never text are checked alike; their problems have a path and no line."""
    found = loader.from_values({"version": 1, "organization_id": "", 3: 4})
    assert found.policy is None
    assert [str(problem) for problem in found.errors][-1] == "organization_id: expected some text, found nothing"
    assert loader.from_values([]).errors[0].message == f"{MAPPING_EXPECTED} a list"


@pytest.mark.parametrize("change", [{"organization_id": b"org"}, {"users": ()}, {"teams": iter(())}, {"version": 1.0}])
def test_values_are_not_converted(change: dict[str, object]) -> None:
    """Only values of the very types that YAML gives are taken."""
    assert loader.from_values({"version": 1, "organization_id": "org"}).policy is not None
    assert loader.from_values({"version": 1, "organization_id": "org", **change}).policy is None


# -- whatever comes ------------------------------------------------------------------------------------------------

SEED = complete((CASES_FILE.read_text(encoding="utf-8").split("## roles at the wrong level\n")[1]).split(">>")[0])
SIGNS = tuple("[]{}:,-?&*!|>'\"%@`#\n\t\r=\x00\x85\ufeff\u2028\U0001f600")
WORDS = (
    "  ",
    ": ",
    "- ",
    "<<: ",
    "&a ",
    "*a",
    "!!int ",
    "null",
    "~",
    "yes",
    "1e9",
    "0x1F",
    "12:30",
    ".nan",
    ".inf",
    "''",
)
LARGER = ("- - - -", "2026-01-31", "{a: b}", "---\n", "...\n")
PIECES = st.sampled_from((*SIGNS, *WORDS, *LARGER))


@given(st.binary(max_size=200))
@repeatable
def test_any_bytes(data: bytes) -> None:
    """Whatever bytes come, the answer is a policy or errors, and never an exception."""
    assert said(data)


@given(st.text(max_size=200))
@repeatable
def test_any_text(text: str) -> None:
    """Whatever text comes, the answer is a policy or errors, and never an exception."""
    assert said(text.encode("utf-8", "surrogatepass"))


@given(st.lists(st.tuples(st.integers(0, len(SEED)), st.integers(0, 12), PIECES), min_size=1, max_size=4))
@repeatable
def test_any_change_of_a_file(edits: list[tuple[int, int, str]]) -> None:
    """However a file is mangled, the answer is a policy or errors, and each has a place inside the file."""
    text = SEED
    for position, length, piece in edits:
        text = text[:position] + piece + text[position + length :]
    found = loader.load(text.encode())
    assert (found.policy is None) == bool(found.errors)
    lines = len(re.split("\r\n|[\r\n\x85\u2028\u2029]", text))
    assert all(0 <= problem.place.line <= lines + 1 for problem in found.problems)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
PLACES = [
    ("version",), ("organization_id",), ("workspaces",), ("workspaces", 0), ("workspaces", 0, "id"), ("deployments",),
    ("deployments", 0, "workspace_id"), ("roles",), ("roles", 0), ("roles", 0, "name"), ("roles", 0, "scope"),
    ("roles", 0, "permissions"), ("roles", 0, "permissions", 0), ("roles", 0, "restricted_workspace_ids"),
    ("roles", 0, "restricted_workspace_ids", 0), ("teams",), ("teams", 0, "members"), ("teams", 0, "members", 0),
    ("users",), ("users", 0), ("users", 0, "email"), ("users", 0, "organization_role"), ("users", 0, "dag_roles"),
    ("users", 0, "dag_roles", 0), ("users", 0, "dag_roles", 0, "role"), ("users", 0, "dag_roles", 0, "deployment_id"),
    ("users", 0, "dag_roles", 0, "tag"), ("users", 0, "workspace_roles", 0, "workspace_id"), ("api_tokens", 0, "id"),
    ("api_tokens", 0, "secret_sha256"), ("api_tokens", 0, "expires_at"), ("api_tokens", 0, "roles"),
    ("api_tokens", 0, "roles", 0), ("api_tokens", 0, "roles", 0, "entity_type"),
    ("api_tokens", 0, "roles", 0, "entity_id"), ("api_tokens", 0, "roles", 0, "deployment_id"),
]  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(PLACES), ANYTHING), min_size=1, max_size=3))
@repeatable
def test_any_value_anywhere(changes: list[tuple[tuple[str | int, ...], object]]) -> None:
    """Whatever value stands in whatever place of a document, the answer is a policy or errors."""
    values = whole_document()
    for path, value in changes:
        _put(values, path, value)
    found = loader.from_values(values)
    assert (found.policy is None) == bool(found.errors)


NAMES = st.sampled_from(("r", "q", "d", "w", "DAG_VIEWER", "WORKSPACE_MEMBER", "ORGANIZATION_MEMBER", "b@b"))


@given(st.lists(st.tuples(st.sampled_from(PLACES), ANYTHING | NAMES), max_size=3), st.booleans(), st.integers(0, 2))
@repeatable
def test_check_of_a_change(
    changes: list[tuple[tuple[str | int, ...], object]], is_copied: bool, duplicates: int
) -> None:
    """A document that was made of another one is found to be the same as without a word of the other one."""
    old = whole_document()
    old["teams"] += [
        {"name": "helpers", "support": True, "dag_roles": [{"deployment_id": "d", "tag": "x", "role": "r"}]}
    ]
    old["users"] += [{"email": "b@b", "dag_roles": [{"deployment_id": "d", "dag_id": "x", "role": "DAG_VIEWER"}]}]
    policy = loader.from_values(old).policy
    assert policy is not None
    before, new = copy.deepcopy(old), copy.deepcopy(old) if is_copied else old
    for path, value in changes:
        new = _changed(new, path, value)
    if isinstance(new, dict) and isinstance(new.get("users"), list):
        new = {**new, "users": [*new["users"], *new["users"][:duplicates]]}
    found = loader.from_values(new, AT, loader.Before(old, policy))
    assert found == loader.from_values(copy.deepcopy(new), AT)
    assert old == before


def _changed(values: Any, path: tuple[str | int, ...], value: object) -> Any:
    """Return values with another value at a path; what is not on the way stays the same objects."""
    if not path:
        return value
    first, *rest = path
    if isinstance(values, dict) and isinstance(first, str):
        return {**values, first: _changed(values.get(first), tuple(rest), value)}
    if isinstance(values, list) and isinstance(first, int) and first < len(values):
        return [_changed(each, tuple(rest), value) if at == first else each for at, each in enumerate(values)]
    return values


def test_only_what_changed_is_checked() -> None:
    """What a change left as it was is not made again, and what it is checked with is looked at."""
    old = whole_document()
    policy = loader.from_values(old).policy
    assert policy is not None
    new = {**old, "users": [*old["users"], {"email": "b@b"}]}
    checked = loader.from_values(new, None, loader.Before(old, policy)).policy
    assert checked is not None
    assert checked.document.users[0] is policy.document.users[0]
    assert checked.document.teams[0] is policy.document.teams[0]
    for key, entry in (
        ("users", {"email": "b@b", "organization_role": "q"}),
        ("users", {"email": "b@b", "dag_roles": [{"deployment_id": "d", "tag": "x", "role": "q"}]}),
        (
            "teams",
            {"name": "u", "support": True, "workspace_roles": [{"workspace_id": "w", "role": "WORKSPACE_OWNER"}]},
        ),
        (
            "api_tokens",
            {**old["api_tokens"][0], "id": "x", "roles": [{**old["api_tokens"][0]["roles"][0], "role": "q"}]},
        ),
    ):
        (error,) = loader.from_values({**old, key: [*old[key], entry]}, None, loader.Before(old, policy)).errors
        assert error.path[:2] == (key, 1)
    without = {key: each for key, each in old.items() if key != "roles"}
    messages = [problem.text for problem in loader.from_values(without, None, loader.Before(old, policy)).errors]
    assert messages == [
        "api_tokens[0].roles[0].role: unknown role `r`",
        "teams[0].dag_roles[0].role: unknown role `r`",
        "users[0].dag_roles[0].role: unknown role `r`",
    ]


def _put(values: object, path: tuple[str | int, ...], value: object) -> None:
    try:
        for part in path[:-1]:
            values = values[part]
        values[path[-1]] = value
    except (LookupError, TypeError):
        return  # an earlier change has put something else there


def whole_document() -> dict:
    """Return a small document that uses every key on the way to `PLACES`."""
    grant = {"deployment_id": "d", "tag": "x", "role": "r"}
    return {
        "version": 1,
        "organization_id": "o",
        "workspaces": [{"id": "w"}],
        "deployments": [{"id": "d", "workspace_id": "w"}],
        "roles": [
            {"name": "r", "scope": "DAG", "permissions": ["dag.airflow.dag.get"], "restricted_workspace_ids": ["w"]}
        ],
        "teams": [{"name": "t", "members": ["a@b"], "dag_roles": [dict(grant)]}],
        "users": [
            {
                "email": "a@b",
                "organization_role": "ORGANIZATION_MEMBER",
                "workspace_roles": [{"workspace_id": "w", "role": "WORKSPACE_MEMBER"}],
                "dag_roles": [dict(grant)],
            }
        ],
        "api_tokens": [
            {
                "id": "ci",
                "name": "ci",
                "secret_sha256": SHA256,
                "expires_at": "never",
                "roles": [{"role": "r", "entity_type": "DAG_TAG", "entity_id": "x", "deployment_id": "d"}],
            }
        ],
    }


def test_secrets_are_masked() -> None:
    """A secret that was pasted where a name belongs, whole or in part, is in no message and no path."""
    secret = f"astroauth_ci_{'S3cr3T' * 8}x"
    broken = [
        f"users: [{{email: a@b, organization_role: {secret}}}]",
        f"users: [{{email: {secret.upper()}}}]",
        f"users: [{{email: a@b, {secret}: 1}}]",
        f"api_tokens: [{{id: '{secret}', name: ci, secret_sha256: '{'0' * 64}', expires_at: never}}]",
        f"api_tokens: [{{id: ci, name: ci, secret_sha256: {secret}, expires_at: never}}]",
        f"users: *{secret}",
        f"users: !{secret[:30]} x",
        f"teams: [{{name: {secret}, idp_groups: [x]}}, {{name: {secret}, idp_groups: [x]}}]",
        f"{secret}: 1",
    ]
    for line in broken:
        problems = loader.load(f"version: 1\norganization_id: org\n{line}\n".encode()).problems
        assert problems
        assert not any("s3cr3t" in each.text.casefold() for each in problems), line


@pytest.mark.parametrize("word", ["7", "null", "[dag.airflow.dag.get]"])
def test_permission_that_is_no_text(word: str) -> None:
    """A permission that is no text is named as that, and not taken for an unknown one."""
    text = f"roles:\n  - {{name: odd, scope: DAG, permissions: [dag.airflow.dag.get, {word}]}}\n"
    (problem,) = said(complete(text).encode())
    assert "roles[0].permissions[1]: " in problem
    assert "unknown permission" not in problem
