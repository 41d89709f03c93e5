"""Which user names accounts cannot have."""

from __future__ import annotations

import pytest

from astro_auth_plugin.accounts.account_names import NAME_NOT_VALID, NAME_OF_TOKEN, refusal_of_name


@pytest.mark.parametrize(
    "name",
    [
        "token ci",
        "TOKEN ci",
        " token ci",
        "token\tci",
        "token\u00a0ci",
        "\u200btoken ci",
        "to\u00adken  ci",
        "\uff34oken ci",
    ],
)
def test_names_of_tokens(name: str) -> None:
    """No name looks like that of an API token in the audit log, whatever blanks and invisible characters it has."""
    assert refusal_of_name(name) == NAME_OF_TOKEN


@pytest.mark.parametrize("name", ["tokenizer", "token", "x" * 250, "\u00fcn\u00ef c\u00f8de", "bo@b.c"])
def test_valid_names(name: str) -> None:
    """Any other printable name is valid."""
    assert refusal_of_name(name) == ""


@pytest.mark.parametrize(
    "name", ["x" * 251, "\u0315" * 300_000 + "\u0300" * 300_000, "bo\u200b", "bo\tx", "bo\u202egnp", "bo\x00"]
)
def test_names_that_show_something_else(name: str) -> None:
    """Names that are too long, or have characters that are not printable, are refused."""
    assert refusal_of_name(name) == NAME_NOT_VALID
