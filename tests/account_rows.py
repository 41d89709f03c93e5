"""Accounts in the metadata database."""

from __future__ import annotations

from typing import Any

from airflow.providers.fab.auth_manager.models import User
from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from astro_auth_plugin.accounts.identities import IDENTITIES
from astro_auth_plugin.accounts.sign_ins import SIGN_INS


def add_account(engine: Any, username: str, email: str, **changes: Any) -> int:
    """Write an account past the account guard, as one from before this plugin, and return its id."""
    with Session(engine) as session:
        names = {"first_name": "F", "last_name": "L", "password": "x", "active": True}
        session.execute(insert(User).values(username=username, email=email, **{**names, **changes}))
        account_id = session.scalars(select(User.id).where(User.username == username)).one()
        # The number may have been that of an account that is gone.
        session.execute(delete(SIGN_INS).where(SIGN_INS.c.account_id == account_id))
        session.commit()
        return account_id


def remove_accounts(engine: Any) -> None:
    """Delete every account, and what is kept of sign-ins."""
    with Session(engine) as session:
        session.execute(delete(IDENTITIES))
        session.execute(delete(SIGN_INS))
        session.execute(delete(User))
        session.commit()
