"""What checks report: how it is written, sorted and shortened, and that it repeats no secret."""

from __future__ import annotations

from astro_auth_plugin.rbac.model.token_secrets import PREFIX
from astro_auth_plugin.rbac.policy.diagnostics import (
    MAX_PROBLEMS,
    Diagnostic,
    in_text,
    nearest,
    problems_of,
    spell,
    warning,
)
from astro_auth_plugin.rbac.policy.yaml_reader import NOWHERE, Place, Text

PLACES = {(): Place(1, 1), ("users",): Place(2, 1), ("users", 0): Place(3, 5)}
KEYS = {("users", 0, "emial"): Place(4, 5)}
TEXT = Text({}, PLACES, KEYS, [])


def test_paths_are_spelled() -> None:
    """Keys are joined by dots, and positions are in brackets."""
    assert spell(("users", 0, "dag_roles", 12, "role")) == "users[0].dag_roles[12].role"
    assert spell(("version",)) == "version"
    assert spell(()) == ""


def test_what_is_written() -> None:
    """The place comes first, then that it is a warning, the path and the message, each where it is known."""
    problem = Diagnostic(("users", 0), "bad", place=Place(3, 7))
    assert str(problem) == "3:7: users[0]: bad"
    assert problem.in_file("p.yaml") == "p.yaml:3:7: users[0]: bad"
    assert str(problem._replace(severity="warning")) == "3:7: warning: users[0]: bad"
    assert Diagnostic((), "cannot be read").in_file("p.yaml") == "p.yaml: cannot be read"


def test_nothing_forges_lines() -> None:
    """Line breaks and control characters are spelled out."""
    assert str(Diagnostic(("a\nb",), "c\x1b[31m")) == "a\\nb: c\\x1b[31m"


def test_warnings_have_a_rule() -> None:
    """A warning without a rule of its own has the one for all others."""
    assert warning((), "odd") == Diagnostic((), "odd", "warning", "other-warning")
    assert warning((), "odd", "legacy-role").rule == "legacy-role"


def test_place_of_the_nearest_part() -> None:
    """What has no place of its own has that of the part around it, and a wrong key that of the key."""
    assert nearest(PLACES, ("users", 0, "email")) == (3, 5)
    assert nearest(PLACES, ("teams", 0)) == (1, 1)
    assert nearest({}, ("users",)) == NOWHERE
    wrong_key = Diagnostic(("users", 0, "emial"), "unknown key")
    assert in_text(wrong_key, PLACES, KEYS).place == (3, 5)
    assert in_text(wrong_key._replace(at_key=True), PLACES, KEYS).place == (4, 5)


def test_secrets_are_masked() -> None:
    """A secret in the wrong place is repeated neither in the path nor in the message."""
    secret = f"{PREFIX}abcdef"
    found = in_text(Diagnostic(("users", 0, secret), f"unknown key `{secret}`"), PLACES, {})
    assert "abcdef" not in str(found)
    assert found.path[:2] == ("users", 0)


def test_errors_alone() -> None:
    """With an error nothing else is reported; all is sorted by place, and the same is reported once."""
    late, early = Diagnostic(("users", 0), "b"), Diagnostic((), "a")
    assert [each.message for each in problems_of([late, early, late, warning((), "odd")], TEXT)] == ["a", "b"]
    assert [each.message for each in problems_of([warning((), "odd")], TEXT)] == ["odd"]


def test_not_too_many() -> None:
    """A long list ends with the remark that there are more of the same severity."""
    found = problems_of((warning(("users", 0), f"{number}") for number in range(MAX_PROBLEMS + 5)), TEXT)
    assert len(found) == MAX_PROBLEMS + 1
    assert (found[-1].message, found[-1].severity) == ("and more of the same kind", "warning")
