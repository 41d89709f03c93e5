"""Who holds grants: people, known by e-mail, and API tokens, known by id."""

from __future__ import annotations

import re
import unicodedata

TOKEN_PREFIX = "token:"  # noqa: S105 - the beginning of a subject's name, not a secret

# One `@`, something on both sides, no white space or control character. More than this only a mail server knows.
_EMAIL = re.compile(r"[^\s@\x00-\x1f\x7f]+@[^\s@\x00-\x1f\x7f]+")


def normalize_email(text: str) -> str:
    """Return the form in which e-mails are compared: Unicode NFC, then lower case."""
    return unicodedata.normalize("NFC", text).lower()


def is_email(text: str) -> bool:
    """Whether the text can be an e-mail address."""
    return _EMAIL.fullmatch(text) is not None


def user_subject(email: str) -> str:
    """Return the subject that a person is, in every question to the engine."""
    return normalize_email(email)


def token_subject(token_id: str) -> str:
    """Return the subject that an API token is. No e-mail equals it, for want of an `@` in a token id."""
    return f"{TOKEN_PREFIX}{token_id}"
