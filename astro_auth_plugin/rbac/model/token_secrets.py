"""What the secret of an API token looks like: ``astroauth_<token id>_<43 random characters><6 of a checksum>``.

The prefix and the checksum let scanners find a secret that has leaked into a repository or a log, and tell it from
text that only resembles one. The id says which token it is of, without a look at the policy. The policy has the
SHA-256 of the whole text; more is not needed for a secret that no user can guess.
"""

from __future__ import annotations

import hashlib
import re
import string
import zlib

PREFIX = "astroauth_"
PATTERN = r"astroauth_[A-Za-z0-9_-]{1,64}_[0-9A-Za-z]{49}"
"""The regular expression for scanners; the checksum decides what is more than a resemblance."""

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_LENGTH = 43
"""So many characters of 62 kinds have 256 bits."""

_CHECKSUM_LENGTH = 6
_TAIL = RANDOM_LENGTH + _CHECKSUM_LENGTH
_SECRET = re.compile(PATTERN)
_MEANT = re.compile(rf"{PREFIX}[\w-]+", re.IGNORECASE)


def compose(token_id: str, random_part: str) -> str:
    """Return a secret.

    Args:
        token_id: the id of the token.
        random_part: RANDOM_LENGTH characters of ALPHABET, chosen by a cryptographic source of randomness.
    """
    body = f"{PREFIX}{token_id}_{random_part}"
    return body + _checksum(body)


def is_meant(text: str) -> bool:
    """Whether a text says that it is a secret of an API token, be it well-formed or not."""
    return text.startswith(PREFIX)


def masked(text: str) -> str:
    """Return a text without what follows the prefix of a secret in it, whole secrets or parts of them."""
    return _MEANT.sub(f"{PREFIX}…", text)


def has_form(text: str) -> bool:
    """Whether a text has the form of a secret, whatever its checksum says."""
    return _SECRET.fullmatch(text) is not None


def token_id_of(text: str) -> str | None:
    """Return the id of the token that a secret is of; None for what is no secret, by form or checksum."""
    if not has_form(text) or text[-_CHECKSUM_LENGTH:] != _checksum(text[:-_CHECKSUM_LENGTH]):
        return None
    return text[len(PREFIX) : -_TAIL - 1]


def sha256(text: str) -> str:
    """Return what the policy has in the place of a secret."""
    return hashlib.sha256(text.encode()).hexdigest()


def key_of(secret_sha256: str) -> str:
    """Return a short name of a secret, made from its SHA-256, by which a JWT says what it was exchanged for.

    It is another hash than that of the policy, so that who sees a JWT cannot find the token in a policy.
    """
    return hashlib.sha256(f"astro-auth key of {secret_sha256}".encode()).hexdigest()[:24]


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    characters = ""
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        characters = ALPHABET[digit] + characters
    return characters
