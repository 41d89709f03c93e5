"""FAB's accounts and roles as a whole, read from the metadata database: one statement each."""

from __future__ import annotations

from collections.abc import Iterable

from airflow.providers.fab.auth_manager.models import Role, User
from airflow.utils.session import create_session
from sqlalchemy import select


def read_active_emails() -> list[tuple[int, str]]:
    """Return the id and the e-mail of each active account that has one."""
    statement = select(User.id, User.email).where(User.active.is_(True), User.email.is_not(None))
    with create_session(scoped=False) as session:
        return [(account_id, email) for account_id, email in session.execute(statement)]


def read_role_names() -> set[str]:
    """Return the names of FAB's roles."""
    with create_session(scoped=False) as session:
        names: Iterable[str] = session.scalars(select(Role.name))
        return set(names)
