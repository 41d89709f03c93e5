"""Which user names accounts cannot have: those that look like an API token in the audit log, or show nothing."""

from __future__ import annotations

import re
import unicodedata

from astro_auth_plugin.runtime.identity import NAME_PREFIX

NAME_OF_TOKEN = f"No user name may begin with `{NAME_PREFIX}`: so API tokens are called in the audit log."
_LONGEST_NAME = 250
NAME_NOT_VALID = f"A user name must have {_LONGEST_NAME} characters at most, all of them printable."
# Some characters count as printable and show nothing.
_BLANKS = re.compile(r"[\s\u115f\u1160\u2800]+")


def refusal_of_name(name: str) -> str:
    """Say why no account may have a user name; '' when one may."""
    if len(name) > _LONGEST_NAME:
        return NAME_NOT_VALID
    if _is_name_of_token(name):
        return NAME_OF_TOKEN
    return "" if name.isprintable() else NAME_NOT_VALID


def _is_name_of_token(name: str) -> bool:
    """Whether a name looks like that of an API token, whatever blanks and invisible characters it has."""
    return letters_shown(name).lstrip().casefold().startswith(NAME_PREFIX)


def letters_shown(name: str) -> str:
    """Return what stays of a name without accents and characters that show nothing, of which people see the same.

    Takes quadratic time for many accents: it is for names that are not long.
    """
    shown = filter(_is_shown, unicodedata.normalize("NFKD", name))
    return _BLANKS.sub(" ", "".join(shown))


def _is_shown(character: str) -> bool:
    is_mark = unicodedata.category(character) == "Mn"
    return character.isspace() or (character.isprintable() and not is_mark)
