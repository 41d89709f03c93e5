"""Who holds grants: people by e-mail, API tokens by id."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astro_auth_plugin.rbac.model.subjects import (
    LONGEST_EMAIL,
    is_compared_alike,
    is_email,
    is_email_denied,
    is_same_email,
    normalize_email,
    only_account,
    token_subject,
    user_subject,
)
from tests import reference_engine as reference
from tests import strategies
from tests.rbac.helpers import checked

LETTERS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("written", "alike"),
    [
        ("Ana@EXAMPLE.Com", True),
        ("jos\u00e9@example.com", True),
        ("jose\u0301@example.com", False),
        ("\u212bke@example.com", False),
        ("\u212aate@example.com", False),
    ],
)
def test_compared_alike(written: str, alike: bool) -> None:
    """Only ASCII capitals are the same letters to everybody else, too."""
    assert is_compared_alike(written) is alike


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("ana@example.com", "ana@example.com"),
        ("Ana@EXAMPLE.Com", "ana@example.com"),
        ("jose\u0301@example.com", "jos\u00e9@example.com"),
        ("JOSE\u0301@example.com", "jos\u00e9@example.com"),
        ("\u212bke@example.com", "\u00e5ke@example.com"),  # the sign for angstrom is the letter
    ],
)
def test_spellings_of_one_person(written: str, normal: str) -> None:
    """Case and composition of letters do not make another person."""
    assert normalize_email(written) == normal
    assert user_subject(written) == normal
    assert is_same_email(written, normal)


def test_what_is_too_long_for_an_email() -> None:
    """Python would take quadratic time for it."""
    address = "\u212bke@example.com"
    name = f"{'a' * (LONGEST_EMAIL - len(address))}{address}"
    assert is_email(name) and normalize_email(name) == name.replace("\u212b", "\u00e5")
    assert not is_email(f"a{name}") and normalize_email(f"A{name}") == f"a{name.lower()}"
    accents = "\u0315" * 300_000 + "\u0300" * 300_000
    assert normalize_email(accents) == accents


@pytest.mark.parametrize(
    "other",
    [
        "\u0430na@example.com",  # Cyrillic
        "\uff41na@example.com",  # full width
        "ana@example.com ",
        " ana@example.com",
        "ana@example.co",
        "ana@example.com.",
        "ana+x@example.com",
        "a.na@example.com",
        "ana\u200b@example.com",  # a space without width
        "\u00e1na@example.com",
    ],
)
def test_look_alikes_are_other_people(other: str) -> None:
    """Nothing but case and composition is evened out."""
    assert user_subject(other) != user_subject("ana@example.com")
    assert not is_same_email(other, "ana@example.com")


def test_sharp_s_is_not_two_letters() -> None:
    """Lower-casing is not case-folding, which would make one person of `straße` and `strasse`."""
    assert user_subject("stra\u00dfe@example.com") != user_subject("strasse@example.com")


@given(LETTERS)
@checked
def test_composed_and_decomposed_are_one(text: str) -> None:
    """However a text's letters are put together, it is the same person."""
    assert user_subject(unicodedata.normalize("NFD", text)) == user_subject(unicodedata.normalize("NFC", text))


@given(LETTERS)
@checked
def test_same_as_the_reference(text: str) -> None:
    """The rule is: Unicode NFC, then lower case."""
    assert normalize_email(text) == reference.normal_email(text)


@pytest.mark.parametrize("email", strategies.EMAILS)
def test_email_addresses(email: str) -> None:
    """Everything with one `@` and something on both sides can be an e-mail address."""
    assert is_email(email)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ana",
        "@",
        "ana@",
        "@example.com",
        "a@b@c",
        "a b@c",
        "a@b\n",
        "\na@b",
        "a@b\x00",
        "a@b\x7f",
        "a@ b",
        "\ud800@b",
    ],
)
def test_no_email_addresses(text: str) -> None:
    """Text without exactly one `@` between visible characters is none, nor is one with half of a character."""
    assert not is_email(text)


@pytest.mark.parametrize("word", ["email_verified", "verified_email", "xms_edov"])
def test_denied_emails(word: str) -> None:
    """What a provider says of an e-mail is a no, in each word for it, unless it is a clear yes; silence is none."""
    assert not is_email_denied({"email": "ana@example.com"})
    assert not any(is_email_denied({word: said}) for said in (True, "true", "True", 1, "1"))
    assert all(is_email_denied({word: said}) for said in (False, "false", 0, "0", "no", "", None, [True]))


def test_tokens_are_not_people() -> None:
    """A token's subject is its id behind a word, exactly as written."""
    assert token_subject("tok0CI") == "token:tok0CI"
    assert token_subject("tok0CI") != token_subject("tok0ci")
    assert not is_email(token_subject("ana"))


def test_duplicate_accounts_have_no_access() -> None:
    """The only active account of an e-mail has the access of its person; of several, none has."""
    assert only_account([7]) == 7
    assert only_account([]) is only_account([7, 8]) is None
