"""Who has grants: people, known by e-mail, and API tokens, known by id."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TypeVar

_Account = TypeVar("_Account")

TOKEN_PREFIX = "token:"  # noqa: S105 - the beginning of a subject's name, not a secret

GROUP_PREFIX = "group "
"""What a group of an identity provider begins with where it is listed as a subject; no e-mail has a space."""

# One `@`, something on both sides, no white space, control character or half of a character, which JSON can have and no
# database. More than this only a mail server knows.
_EMAIL = re.compile(r"[^\s@\x00-\x1f\x7f\ud800-\udfff]+@[^\s@\x00-\x1f\x7f\ud800-\udfff]+")


LONGEST_EMAIL = 512
"""As long as FAB's. Python normalizes a text with many accents in quadratic time, and everything else waits: a request
may have megabytes of them."""


def normalize_email(text: str) -> str:
    """Return the form in which e-mails are compared: Unicode NFC, then lower case. No e-mail is too long for that."""
    # ASCII is in this form already, and a large policy has tens of thousands.
    return (text if text.isascii() or len(text) > LONGEST_EMAIL else unicodedata.normalize("NFC", text)).lower()


def is_same_email(one: str, other: str) -> bool:
    """Whether two e-mails are of one person."""
    return normalize_email(one) == normalize_email(other)


def only_account(active: Sequence[_Account]) -> _Account | None:
    """Return the account that has the access of a person, of all active accounts with the e-mail.

    None of several: it is unknown whose access it is.
    """
    return active[0] if len(active) == 1 else None


def is_email(text: str) -> bool:
    """Whether the text can be an e-mail address."""
    return len(text) <= LONGEST_EMAIL and _EMAIL.fullmatch(text) is not None


def is_compared_alike(email: str) -> bool:
    """Whether an e-mail differs from the form in which it is compared by ASCII capitals at most.

    Others may not take for the same what is compared as the same here: KELVIN SIGN is `k` in lower case.
    """
    return normalize_email(email).encode() == email.encode().lower()


def is_email_denied(claims: Mapping[str, object]) -> bool:
    """Whether an identity provider says, in any word for it, that the e-mail of a person is not verified.

    Of Entra ID, Google and OpenID Connect each has a word of its own. Whatever is not a clear yes is a no.
    """
    words = ("email_verified", "verified_email", "xms_edov")
    return any(str(claims[word]).lower() not in ("true", "1") for word in words if word in claims)


def user_subject(email: str) -> str:
    """Return the subject that a person is, in every question to the engine."""
    return normalize_email(email)


def token_subject(token_id: str) -> str:
    """Return the subject that an API token is. No e-mail equals it, for want of an `@` in a token id."""
    return f"{TOKEN_PREFIX}{token_id}"


def group_subject(group: str) -> str:
    """Return the subject for the people of a group of an identity provider, whom the policy does not know."""
    return f"{GROUP_PREFIX}{group}"
