"""Who has an account in FAB, each with what FAB reads of it, and why an account can have no access by a policy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from astro_auth_plugin.cli.importers.fab_questions import Pair
from astro_auth_plugin.cli.importers.fab_roles import Account, Tables
from astro_auth_plugin.rbac.model.subjects import is_email, normalize_email, only_account

NO_ROLE = "it has no role"


class FabPerson(NamedTuple):
    """An account of FAB.

    Attributes:
        account: its row.
        pairs: what its roles give; nothing while the account is not active.
        excluded: why a policy gives it nothing, whatever the policy says; '' if it does not.
        others: the ids of other active accounts with the same e-mail.
    """

    account: Account
    pairs: frozenset[Pair]
    excluded: str = ""
    others: tuple[int, ...] = ()

    @property
    def left_out(self) -> str:
        """Why it is in no policy that is made from FAB; '' if it is."""
        return self.excluded or ("" if self.account.roles else NO_ROLE)


def people(tables: Tables) -> list[FabPerson]:
    """Return every account, by e-mail."""
    usable: dict[str, list[Account]] = defaultdict(list)
    for account in tables.accounts:
        if account.active and is_email(account.email):
            usable[normalize_email(account.email)].append(account)
    ordered = sorted(tables.accounts, key=lambda account: (normalize_email(account.email), account.id))
    return [_person(account, tables, usable[normalize_email(account.email)]) for account in ordered]


def _person(account: Account, tables: Tables, same: list[Account]) -> FabPerson:
    if not account.active:
        return FabPerson(account, frozenset(), "it is not active")
    pairs = frozenset[Pair]().union(*(tables.roles[role] for role in account.roles))
    if not is_email(account.email):
        return FabPerson(account, pairs, "invalid e-mail address")
    if only_account(same) is None:
        others = tuple(sorted(each.id for each in same if each.id != account.id))
        return FabPerson(account, pairs, "duplicate accounts for one e-mail, access is denied for all", others)
    return FabPerson(account, pairs)


def left_out(found: Iterable[FabPerson]) -> Iterator[str]:
    """Yield a line for each account that a policy made from FAB leaves out."""
    for person in found:
        account = person.account
        if not person.left_out or (person.others and min(person.others) < account.id):
            continue
        ids = ", ".join(map(str, sorted((account.id, *person.others))))
        yield f"{'accounts' if person.others else 'account'} {ids} `{account.email}`: {person.left_out}"
