"""The form of an API token's secret."""

from __future__ import annotations

import hashlib
import math
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astro_auth_plugin.rbac.model import token_secrets
from astro_auth_plugin.rbac.model.token_secrets import ALPHABET, RANDOM_LENGTH
from tests.rbac.helpers import checked

IDS = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=64)
RANDOM = st.text(ALPHABET, min_size=RANDOM_LENGTH, max_size=RANDOM_LENGTH)
# Made once with another CRC-32 (that of `gzip`), so that a change of the form fails here.
KNOWN = "astroauth_tok0ci_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg2Qpxsf"


@checked
@given(IDS, RANDOM)
def test_id_comes_back(token_id: str, random_part: str) -> None:
    """A secret tells the id of its token, underlines in it or not, and a scanner finds it in a text."""
    secret = token_secrets.compose(token_id, random_part)
    assert token_secrets.token_id_of(secret) == token_id
    assert token_secrets.is_meant(secret)
    assert re.findall(token_secrets.PATTERN, f'token = "{secret}"\n') == [secret]


@checked
@given(IDS, RANDOM, st.data())
def test_one_wrong_character(token_id: str, random_part: str, data: st.DataObject) -> None:
    """With one character changed, left out or doubled it is no secret: the checksum says so."""
    secret = token_secrets.compose(token_id, random_part)
    at = data.draw(st.integers(0, len(secret) - 1))
    other = data.draw(st.sampled_from(ALPHABET).filter(lambda character: character != secret[at]))
    for broken in (
        secret[:at] + other + secret[at + 1 :],
        secret[:at] + secret[at + 1 :],
        secret[:at] + secret[at:] * 2,
    ):
        assert token_secrets.token_id_of(broken) is None


@pytest.mark.parametrize(
    ("text", "meant"), [(KNOWN, True), ("astroauth_x", True), (KNOWN[1:], False), ("eyJhbGciOiJub25lIn0.e30.", False)]
)
def test_meant(text: str, meant: bool) -> None:
    """What begins as a secret does is taken for one, well-formed or not."""
    assert token_secrets.is_meant(text) is meant


@pytest.mark.parametrize(
    "text",
    [
        *("", "astroauth_", "astroauth__", KNOWN[10:], KNOWN.upper(), KNOWN + "\n", f" {KNOWN}", f"{KNOWN} "),
        *(KNOWN.replace("0", "\u0660"), KNOWN.replace("a", "\u0430"), KNOWN + KNOWN, KNOWN[:-1], "x" * 100_000),
        *("astroauth_" + "x" * 100_000, token_secrets.compose("a" * 65, "0" * 43), token_secrets.compose("", "0" * 43)),
        *(token_secrets.compose("a b", "0" * 43), token_secrets.compose("ci", "0" * 42), "eyJhbGciOiJub25lIn0.e30."),
    ],
    ids=lambda text: ascii(text[:30]),
)
def test_no_secret(text: str) -> None:
    """Nothing that only resembles a secret is one."""
    assert token_secrets.token_id_of(text) is None


def test_form_stays() -> None:
    """The form of a secret is fixed: those that have been given out go on working."""
    assert token_secrets.compose("tok0ci", ALPHABET[:RANDOM_LENGTH]) == KNOWN
    assert token_secrets.has_form(KNOWN)
    assert token_secrets.has_form(KNOWN[:-1] + "x")
    assert not token_secrets.has_form(KNOWN[:-1])


def test_strength() -> None:
    """The random part has 256 bits."""
    assert math.log2(len(set(ALPHABET))) * RANDOM_LENGTH >= 256


def test_hashes() -> None:
    """The policy has the SHA-256 of the whole text; the key for JWTs is another hash, from which it cannot be found."""
    assert token_secrets.sha256(KNOWN) == hashlib.sha256(KNOWN.encode()).hexdigest()
    key = token_secrets.key_of(token_secrets.sha256(KNOWN))
    assert key not in token_secrets.sha256(KNOWN)
    assert re.fullmatch("[0-9a-f]{24}", key)
    assert key != token_secrets.key_of(token_secrets.sha256(KNOWN + "x"))
