"""Accounts in the metadata database."""

from __future__ import annotations

from typing import Any

from airflow.providers.fab.auth_manager.models import User
from sqlalchemy import delete
from sqlalchemy.orm import Session

from astro_auth_plugin.airflow_bridge.sign_ins import SIGN_INS


def add_account(engine: Any, username: str, email: str, **changes: Any) -> int:
    """Write an account outside of any request, and return its id."""
    with Session(engine) as session:
        names = {"first_name": "F", "last_name": "L", "password": "x", "active": True}
        account = User(username=username, email=email, **{**names, **changes})
        session.add(account)
        session.flush()
        # Nothing is kept of it, as of an account from before this plugin.
        session.execute(delete(SIGN_INS).where(SIGN_INS.c.account_id == account.id))
        session.commit()
        return account.id


def remove_accounts(engine: Any) -> None:
    """Delete every account, and what is kept of sign-ins."""
    with Session(engine) as session:
        session.execute(delete(SIGN_INS))
        session.execute(delete(User))
        session.commit()
