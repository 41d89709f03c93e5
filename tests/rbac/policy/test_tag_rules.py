"""Which files may carry a protected tag."""

from __future__ import annotations

import time

import pytest
from hypothesis import given

from astro_auth_plugin.rbac.model.scopes import Dag, DagFile
from astro_auth_plugin.rbac.policy.tag_rules import NO_RULES, Place, TagRules, fault, folder_of, parsed_file
from tests import reference_engine as reference
from tests.rbac.helpers import checked
from tests.strategies import paths, patterns


def in_files(pattern: str, path: str) -> bool:
    """Whether a pattern has a path."""
    return TagRules({"t": (Place("b", (pattern,)),)}).may_carry("t", "b", path)


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        ("finance/daily.py", ["finance/daily.py"], ["daily.py", "x/finance/daily.py", "finance/daily.pyc", "Finance/daily.py"]),
        ("finance/", ["finance/a.py", "finance/a/b.py"], ["finance", "finance.py", "finance2/a.py", "x/finance/a.py"]),
        ("finance/**", ["finance/a.py", "finance/a/b.py"], ["finance", "x/finance/a.py", "finance/../ops/a.py"]),
        ("finance/*", ["finance/a.py", "finance/.a.py"], ["finance/a/b.py", "finance/"]),
        ("*.py", ["a.py", ".py"], ["a/b.py", "a.pyc", "a.py\n"]),
        ("**/x_*.py", ["x_a.py", "a/x_.py", "a/b/x_b.py"], ["a/y_x_.py", "a/x_a.py/b"]),
        ("a/**/b.py", ["a/b.py", "a/c/b.py", "a/c/d/b.py"], ["b.py", "a/cb.py", "c/a/b.py"]),
        ("a/**/b/**/c.py", ["a/b/c.py", "a/x/b/y/c.py", "a/b/b/c.py"], ["a/c.py", "a/b/x.py"]),
        ("a.b+c(d)^$|.py", ["a.b+c(d)^$|.py"], ["axb+c(d)^$|.py", "a.bbc(d)^$|.py"]),
        ("packs/*.zip", ["packs/a.zip", "packs/a.zip/dag.py", "packs/A.ZIP".lower()], ["packs/a.zip.py", "a.zip/packs/b.zip", "packs/a.zip/../b.py"]),
        ("**", ["a.py", "", "..", "/etc/a.py"], []),
        ("**/*", ["a.py", "a/b.py"], ["", "..", "a//b.py", "./a.py", "/a.py"]),
    ],
)  # fmt: skip
def test_patterns(pattern: str, inside: list[str], outside: list[str]) -> None:
    """A pattern is read from the bundle's root to the end of the path, capitals and all."""
    assert fault(pattern) == ""
    assert [path for path in inside if not in_files(pattern, path)] == []
    assert [path for path in outside if in_files(pattern, path)] == []


@given(patterns(), paths())
@checked
def test_patterns_agree_with_the_reference(pattern: str, path: str) -> None:
    """A pattern has the paths that trying every way to read it finds."""
    assert fault(pattern) == ""
    assert in_files(pattern, path) == reference.in_files(pattern, path)


@pytest.mark.parametrize("pattern", ["*a" * 60 + "b.py", "**/" + "*a*/**/" * 30 + "b.py"])
def test_long_paths_take_no_time(pattern: str) -> None:
    """No path makes a pattern slow: its author is whoever writes a Dag."""
    start = time.perf_counter()
    assert not in_files(pattern, "a" * 250)
    assert not in_files(pattern, "/".join(["aaaa"] * 400))
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("/finance/a.py", "it is read from the bundle's root, so it begins without `/`"),
        ("a/../b.py", "`.`, `..` and `//` are not allowed"),
        ("./a.py", "`.`, `..` and `//` are not allowed"),
        ("a//b.py", "`.`, `..` and `//` are not allowed"),
        ("a/**.py", "`**` must be a whole path segment"),
        ("a/?.py", "`?` cannot be used: the only wildcards are `*` and `**`"),
        ("a\\b.py", "`\\` cannot be used: the only wildcards are `*` and `**`"),
        ("{a,b}.py", "`{` cannot be used: the only wildcards are `*` and `**`"),
    ],
)
def test_faults(pattern: str, why: str) -> None:
    """A text that is no pattern is told so."""
    assert fault(pattern) == why


RULES = TagRules(
    {
        "team:finance": (Place("main", ("finance/**",)), Place("fin", ("**",))),
        "team:fin*": (Place("main", ("platform/**",)),),
        "team:*": (),
    },
    ["plain", "team:finance"],
)


@pytest.mark.parametrize(
    ("tag", "bundle", "path", "may"),
    [
        ("team:finance", "main", "finance/a.py", True),
        ("team:finance", "fin", "finance/a.py", True),
        ("team:finance", "other", "finance/a.py", False),
        ("team:finance", "main", "platform/a.py", False),  # the entry that names the tag decides alone
        ("team:fin", "main", "platform/a.py", True),
        ("team:finance ", "main", "platform/a.py", True),  # another tag, which begins so
        ("team:finance ", "main", "finance/a.py", False),
        ("team:ops", "main", "platform/a.py", False),  # the shorter beginning does not help
        ("team:", "main", "a.py", False),
        ("team", "main", "a.py", True),
        ("Team:finance", "main", "a.py", True),
        ("plain", "main", "a.py", False),
        ("plain2", "main", "a.py", True),
    ],
)
def test_who_may_carry(tag: str, bundle: str, path: str, may: bool) -> None:
    """The entry that names the tag decides, else that of the longest beginning, else whether a grant uses the tag."""
    assert RULES.may_carry(tag, bundle, path) == may
    assert (RULES.objection(tag, bundle, path) == "") == may
    counted = RULES.effective_tags(Dag("d", frozenset([tag, "free"]), DagFile(bundle, path)))
    assert counted == ({tag, "free"} if may else {"free"})


def test_without_a_bundle() -> None:
    """Where nobody knows the bundle, any one in which the Dag could be will do."""
    assert RULES.may_carry_in_some_bundle("team:finance", "ops/a.py")
    assert not RULES.may_carry_in_some_bundle("team:fin", "finance/a.py")
    assert RULES.may_carry_in_some_bundle("free", "finance/a.py")
    assert RULES.objection("team:finance", None, "ops/a.py") == ""


def test_without_a_file() -> None:
    """The tags of a Dag whose file nobody knows count as they were given."""
    assert RULES.effective_tags(Dag("d", frozenset(["team:finance"]))) == {"team:finance"}


def test_objections() -> None:
    """What is said names every place, or that there is none."""
    reported = "the tag `team:finance` is only for Dags in `finance/**` of bundle `main`; `**` of bundle `fin`"
    assert RULES.objection("team:finance", "main", "a.py") == reported
    reported = "no Dag may use the tag `team:ops`, because `protected_tags` of the policy names no place for it"
    assert RULES.objection("team:ops", "main", "a.py") == reported
    assert str(Place("b", ())) == "no file of bundle `b`"


def test_no_rules() -> None:
    """Without a protected tag there is nothing to look at."""
    assert not NO_RULES
    assert all([RULES, TagRules({"a": ()}), TagRules({"a*": ()}), TagRules({}, ["a"])])
    assert NO_RULES.may_carry("a", "b", "c")


def test_archives() -> None:
    """A Dag in a zip archive is where the archive is."""
    assert parsed_file("a/b.zip/c.py") == "a/b.zip"
    assert parsed_file("a/b.Zip/c.zip/d") == "a/b.Zip"
    assert parsed_file("a/b.py") == "a/b.py"


@pytest.mark.parametrize(
    ("pattern", "folder"),
    [
        ("a/", "a/"),
        ("a/b/**", "a/b/"),
        ("**", ""),
        ("a/*/", ""),
        ("a/b.py", ""),
        ("a/**/b/", ""),
        ("a.zip/", ""),
        ("a.ZIP/b/", ""),
    ],
)
def test_folder_of_a_pattern(pattern: str, folder: str) -> None:
    """Patterns of everything below a folder are those of the folder, if it has no wildcard and is no archive."""
    assert folder_of(pattern) == folder


@given(patterns(), paths())
def test_folders_have_the_files_of_their_patterns(pattern: str, path: str) -> None:
    """A path is in the folder of a pattern exactly if it is one of the pattern's."""
    folder = folder_of(pattern)
    is_inside = path.startswith(folder) and not {"", ".", ".."} & {*path.split("/")}
    assert not folder or is_inside == in_files(pattern, path)
