"""Which accounts a person has, for the commands: what the policy says counts for one active account only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from airflow.providers.fab.auth_manager.models import User
from airflow.utils.session import create_session
from sqlalchemy import select

from astro_auth_plugin.rbac.subjects import user_subject


class AccountFact(NamedTuple):
    """An account: its id, and whether it is active."""

    id: int
    active: bool


def read_accounts(subject: str) -> list[AccountFact]:
    """Return the accounts that are a person, by e-mail. One statement.

    Raises:
        SQLAlchemyError: if the database does not answer.
    """
    with create_session(scoped=False) as session:
        # Compared here: databases lower-case text that is not ASCII each in their own way.
        rows: Iterable[Any] = session.execute(select(User.id, User.email, User.active).order_by(User.id)).all()
    return [AccountFact(found_id, bool(active)) for found_id, email, active in rows if user_subject(email) == subject]
