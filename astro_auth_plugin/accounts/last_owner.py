"""Keeps one user who can grant every role: an Organization Owner with an active account.

Changes of the policy keep one where they are published, changes of accounts here. Both lock the accounts first, so
that of two at the same moment the second one sees what the first has left.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from astro_auth_plugin.accounts import accounts, sign_ins
from astro_auth_plugin.rbac.changes.owners import organization_owners
from astro_auth_plugin.rbac.model.subjects import user_subject
from astro_auth_plugin.rbac.policy.document import PolicyDocument

LAST_OWNER = (
    "This would leave no Organization Owner who has an active account and whose role does not end, "
    "so no user could grant that role again. Make another user Organization Owner first."
)


def loses_last_owner(
    database: Connection | Session, old: PolicyDocument, new: PolicyDocument, without: Iterable[str] = ()
) -> bool:
    """Whether an Organization Owner has an account now, and none would have; until the transaction ends, that stays.

    Args:
        database: the transaction in which the change is written.
        old: the policy now.
        new: the policy after the change.
        without: the e-mails of users who lose their account.
    """
    had = organization_owners(old)
    has = organization_owners(new) - {user_subject(email) for email in without}
    if has >= had:
        return False
    sign_ins.lock_accounts(database)
    return any(accounts.has_access(each, database) for each in had) and not any(
        accounts.has_access(each, database) for each in has
    )
