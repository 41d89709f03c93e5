"""Who signs in to a demo: the people of people.yaml, and the passwords of this demo folder."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml


@dataclass(frozen=True, slots=True)
class Person:
    """An account, and in words which roles the policy gives it and what they allow.

    `fab_roles` are roles of FAB, which grant nothing; a test gives `Admin` to somebody to see that.
    """

    user_name: str
    name: str
    email: str = ""
    roles: str = ""
    can: str = ""
    fab_roles: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.email:
            object.__setattr__(self, "email", f"{self.user_name}@example.com")


def read_people(file: Path) -> tuple[Person, ...]:
    """Read a list of people (see dev_dags/people.yaml)."""
    return tuple(Person(**entry) for entry in yaml.safe_load(file.read_text()))


def passwords(folder: Path, people: Iterable[Person]) -> dict[str, str]:
    """Return a password for each user name: the one of last time, a new random one for somebody new.

    They are kept in `folder`/people.json, which only its owner may read.
    """
    file = folder / "people.json"
    known = read_private(file)
    wanted = {person.user_name: known.get(person.user_name) or secrets.token_hex(8) for person in people}
    write_private(file, known | wanted)
    return wanted


def read_private(file: Path) -> dict[str, str]:
    """Return what `write_private` wrote, nothing when there is no such file."""
    try:
        return dict(json.loads(file.read_text()))
    except FileNotFoundError:
        return {}


def write_private(file: Path, values: Mapping[str, str]) -> None:
    """Write `values` to a file that nobody else may read, whole or not at all."""
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
        json.dump(dict(values), output, indent=2)
    new.replace(file)
